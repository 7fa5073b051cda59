//! Filters as conditions of SQL.

use postgres::types::ToSql;

use super::engine;
use crate::{Filter, GalleryError};

/// A filter as a condition of SQL, and the values of its parameters.
pub struct Condition {
    pub sql: String,
    pub values: Vec<Box<dyn ToSql + Sync>>,
}

impl Condition {
    /// Of a filter, with parameters from `$first` on. One that says nothing is `true`.
    pub fn new(filter: &Filter, first: usize) -> Result<Self, GalleryError> {
        let mut parts = vec!["true".to_string()];
        let mut values: Vec<Box<dyn ToSql + Sync>> = Vec::new();
        let mut push = |form: &str, value: Box<dyn ToSql + Sync>| {
            parts.push(form.replace('?', &format!("${}", first + values.len())));
            values.push(value);
        };
        if let Some(modality) = filter.modality {
            push("modality = ?", Box::new(modality.name()));
        }
        if !filter.cameras.is_empty() {
            push("camera = ANY(?)", Box::new(filter.cameras.clone()));
        }
        if let Some(from) = filter.from {
            push("time_ms >= ?", Box::new(from.milliseconds()));
        }
        if let Some(until) = filter.until {
            push("time_ms < ?", Box::new(until.milliseconds()));
        }
        if !filter.metadata.is_empty() {
            // What is no number becomes null, which no entry has.
            let text = serde_json::to_string(&filter.metadata).map_err(|error| engine(error.to_string()))?;
            push("metadata @> ?::text::jsonb", Box::new(text));
        }
        Ok(Self { sql: parts.join(" AND "), values })
    }

    /// The values, behind some others.
    pub fn values<'a>(&'a self, before: &[&'a (dyn ToSql + Sync)]) -> Vec<&'a (dyn ToSql + Sync)> {
        before.iter().copied().chain(self.values.iter().map(|value| &**value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Moment, Scalar};
    use vireid_core::Modality;

    #[test]
    fn nothing_that_a_person_wrote_is_in_the_text_of_the_statement() {
        assert_eq!(Condition::new(&Filter::default(), 1).unwrap().sql, "true");
        let evil = "'; DROP TABLE gallery; --";
        let filter = Filter {
            modality: Some(Modality::Infrared),
            cameras: vec![evil.into()],
            from: Moment::from_milliseconds(1),
            until: Moment::from_milliseconds(2),
            metadata: [(evil.into(), Scalar::Text(evil.into()))].into(),
        };
        let condition = Condition::new(&filter, 3).unwrap();
        let expected = "true AND modality = $3 AND camera = ANY($4) AND time_ms >= $5 AND time_ms < $6 AND metadata @> $7::text::jsonb";
        assert_eq!((condition.sql.as_str(), condition.values.len()), (expected, 5));
        assert_eq!(condition.values(&[&1i64]).len(), 6);
    }
}
