//! Fingerprints of settings, 16 hexadecimal digits. Not cryptographic ones.

use toml::{Table, Value};

use crate::system::fnv1a;

/// That of a table: equal for equal settings in any order.
pub(crate) fn of_table(table: &Table) -> String {
    of_bytes(&toml::to_string(&sorted(table)).unwrap_or_default())
}

/// That of a text, as version 0.1 made it: settings in another order have another.
pub(crate) fn of_bytes(text: &str) -> String {
    format!("{:016x}", fnv1a(text.bytes()))
}

/// Whether a fingerprint is that of a configuration file's text, in today's form or in version 0.1's.
pub(crate) fn is_of_text(hash: &str, text: &str) -> bool {
    hash == of_bytes(text) || text.parse().is_ok_and(|table: Table| hash == of_table(&table))
}

fn sorted(table: &Table) -> Table {
    let mut entries: Vec<(&String, &Value)> = table.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    entries.into_iter().map(|(key, value)| (key.clone(), sorted_value(value))).collect()
}

fn sorted_value(value: &Value) -> Value {
    match value {
        Value::Table(table) => Value::Table(sorted(table)),
        Value::Array(values) => Value::Array(values.iter().map(sorted_value).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RunConfig;

    fn reversed(table: Table) -> Table {
        table
            .into_iter()
            .rev()
            .map(|(key, value)| match value {
                Value::Table(inner) => (key, Value::Table(reversed(inner))),
                other => (key, other),
            })
            .collect()
    }

    #[test]
    fn settings_in_another_order_are_the_same_settings() {
        let config = crate::testing::config(&["settings.beta=2", "own.a=1", "own.b=2"]);
        let table: Table = config.to_toml().parse().unwrap();
        let other = RunConfig::from_table(reversed(table), &[]).unwrap();
        assert_eq!(other, config);
        assert_ne!(other.to_toml(), config.to_toml(), "another order");
        assert_eq!(other.hash(), config.hash());
        assert!(config.has_hash(&of_bytes(&config.to_toml())) && !config.has_hash(&of_bytes("")));
        assert_ne!(crate::testing::config(&["settings.beta=3", "own.a=1", "own.b=2"]).hash(), config.hash());
    }
}
