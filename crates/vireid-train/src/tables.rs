//! Settings as tables: reading them into types, layering them, overriding a key.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::MethodError;

/// Reads settings from a table. A key that the settings do not have is an error that names the nearest one. `prefix` is
/// put before keys in messages, such as `clustering.`; it may be empty.
///
/// # Errors
///
/// `VR0501` for an unknown key, `VR0502` for a missing key or an unusable value.
pub fn parse_settings<T: DeserializeOwned + Serialize>(table: toml::Table, prefix: &str) -> Result<T, MethodError> {
    let mut unknown = Vec::new();
    let parsed: Result<T, _> = serde_ignored::deserialize(table, |path| unknown.push(path.to_string()));
    let parsed = parsed.map_err(|error| MethodError::Config(format!("{prefix}{}", error.to_string().trim())))?;
    let Some(key) = unknown.first().map(|key| as_typed(key)) else { return Ok(parsed) };
    let mut known = Vec::new();
    if let Ok(table) = toml::Table::try_from(&parsed) {
        collect_keys(&table, "", &mut known);
    }
    let nearest = known.into_iter().max_by(|a, b| strsim::jaro(a, &key).total_cmp(&strsim::jaro(b, &key)));
    Err(MethodError::UnknownKey {
        key: format!("{prefix}{key}"),
        suggestion: nearest.map(|key| format!("{prefix}{key}")),
    })
}

fn collect_keys(table: &toml::Table, prefix: &str, keys: &mut Vec<String>) {
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => collect_keys(inner, &format!("{prefix}{key}."), keys),
            toml::Value::Array(stages) if key == "stages" => {
                for (place, stage) in stages.iter().enumerate() {
                    let prefix = format!("{prefix}stage{}.", place + 1);
                    stage.as_table().into_iter().for_each(|stage| collect_keys(stage, &prefix, keys));
                }
            }
            _ => keys.push(format!("{prefix}{key}")),
        }
    }
}

/// A key of the second of the stages, `stages.1.epochs`, as people write it: `stage2.epochs`.
fn as_typed(key: &str) -> String {
    let stage = key.strip_prefix("stages.").and_then(|rest| rest.split_once('.'));
    let number = stage.and_then(|(place, _)| place.parse::<usize>().ok());
    match (stage, number) {
        (Some((_, rest)), Some(place)) => format!("stage{}.{rest}", place + 1),
        _ => key.into(),
    }
}

/// What a key of version 0.1, or a natural guess, is called.
fn renamed(path: &str) -> Option<String> {
    match path {
        "clustering.batch" => Some("extraction.batch".into()),
        "clustering.flip_average" => Some("extraction.flip_average".into()),
        _ => {
            let (number, rest) = path.strip_prefix("stages.")?.split_once('.')?;
            Some(format!("stage{}.{rest}", number.parse::<usize>().ok()?.max(1)))
        }
    }
}

/// Applies one `key=value`; `stage2.epochs` is a key of the second of the `[[stages]]`.
pub(crate) fn set(table: &mut toml::Table, item: &str) -> Result<(), MethodError> {
    let (path, text) =
        item.split_once('=').ok_or_else(|| MethodError::Config(format!("'{item}' is not of the form key=value")))?;
    let value = match format!("value = {text}").parse::<toml::Table>() {
        Ok(mut parsed) => parsed.remove("value").unwrap_or_else(|| text.into()),
        Err(_) => toml::Value::String(text.into()),
    };
    if let Some(suggestion) = renamed(path.trim()) {
        return Err(MethodError::UnknownKey { key: path.trim().into(), suggestion: Some(suggestion) });
    }
    let mut keys: Vec<&str> = path.trim().split('.').collect();
    let last = keys.pop().unwrap_or_default();
    let mut keys = keys.into_iter().peekable();
    let mut table = table;
    if let Some(number) = keys.peek().and_then(|key| stage_number(key)) {
        table = stage_of(table, number)?;
        keys.next();
    }
    for key in keys {
        let entry = table.entry(key).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        table = entry
            .as_table_mut()
            .ok_or_else(|| MethodError::Config(format!("'{path}': '{key}' is a value, not a section")))?;
    }
    // A whole number is welcome where a decimal one is expected.
    let value = match (table.get(last), value) {
        (Some(toml::Value::Float(_)), toml::Value::Integer(whole)) => toml::Value::Float(whole as f64),
        (_, value) => value,
    };
    table.insert(last.to_string(), value);
    Ok(())
}

/// The number of a stage, counted from 1, in a key such as `stage2`.
fn stage_number(key: &str) -> Option<usize> {
    key.strip_prefix("stage")?.parse().ok().filter(|number| *number > 0)
}

/// The table of a stage in `[[stages]]`, counted from 1.
///
/// # Errors
///
/// `VR0502` when there are not that many.
fn stage_of(table: &mut toml::Table, number: usize) -> Result<&mut toml::Table, MethodError> {
    let stages = table.get_mut("stages").and_then(toml::Value::as_array_mut);
    let count = stages.as_ref().map_or(0, |stages| stages.len());
    let stage = stages.and_then(|stages| stages.get_mut(number - 1)).and_then(toml::Value::as_table_mut);
    stage.ok_or_else(|| MethodError::Config(format!("there is no stage {number}: this configuration has {count}")))
}

/// Lays a table over another: values replace values, tables are merged key by key, and `[[stages]]` entry by entry. Any
/// other list is replaced as a whole.
pub fn lay_over(table: &mut toml::Table, layer: toml::Table) {
    for (key, value) in layer {
        match (table.get_mut(&key), value) {
            (Some(toml::Value::Table(inner)), toml::Value::Table(layer)) => lay_over(inner, layer),
            (Some(toml::Value::Array(below)), toml::Value::Array(above))
                if are_tables(below) && are_tables(&above) && key == "stages" =>
            {
                for (place, value) in above.into_iter().enumerate() {
                    match (below.get_mut(place), value) {
                        (Some(toml::Value::Table(inner)), toml::Value::Table(layer)) => lay_over(inner, layer),
                        (_, value) => below.push(value),
                    }
                }
            }
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

fn are_tables(values: &[toml::Value]) -> bool {
    values.iter().all(toml::Value::is_table)
}

/// Brings a table of the older form, with `[stage1]`, `[stage2]`, `[stage3]` and the settings of extraction among those
/// of clustering, into today's form, and says whether it was one. Any other table is returned as it is.
pub(crate) fn modernised(mut table: toml::Table) -> (toml::Table, bool) {
    if table.contains_key("stages") || !table.contains_key("stage1") {
        return (table, false);
    }
    let numbered = (1..).map_while(|number| table.remove(&format!("stage{number}")));
    let stages: Vec<toml::Value> = numbered.collect();
    table.insert("stages".into(), toml::Value::Array(stages));
    if let Some(clustering) = table.get_mut("clustering").and_then(toml::Value::as_table_mut) {
        let moved =
            ["flip_average", "batch"].into_iter().filter_map(|key| Some((key.to_string(), clustering.remove(key)?)));
        let extraction: toml::Table = moved.collect();
        table.insert("extraction".into(), toml::Value::Table(extraction));
    }
    (table, true)
}

/// Takes a key such as `clustering.eps` out of a table, if it is there.
pub fn remove(table: &mut toml::Table, key: &str) {
    match key.split_once('.') {
        Some((section, rest)) => {
            if let Some(inner) = table.get_mut(section).and_then(toml::Value::as_table_mut) {
                remove(inner, rest);
            }
        }
        None => {
            table.remove(key);
        }
    }
}
