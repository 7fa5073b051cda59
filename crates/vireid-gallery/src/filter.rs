//! Which entries of a gallery are meant.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vireid_core::Modality;

use crate::{Facts, Moment, Scalar};

/// Which entries are meant: those to which all that it says applies. An empty one means all.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Of this modality.
    #[serde(with = "optional_modality", skip_serializing_if = "Option::is_none")]
    pub modality: Option<Modality>,
    /// Of one of these cameras; of any where none is named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cameras: Vec<String>,
    /// Seen at this time or later. An entry without a time is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Moment>,
    /// Seen before this time. An entry without a time is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
    /// With all of these metadata.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, Scalar>,
}

impl Filter {
    /// Whether it says nothing, and so means every entry.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether an entry is meant.
    pub fn admits(&self, facts: &Facts) -> bool {
        let timely =
            |time: Moment| self.from.is_none_or(|from| from <= time) && self.until.is_none_or(|until| time < until);
        self.modality.is_none_or(|modality| modality == facts.modality)
            && (self.cameras.is_empty() || self.cameras.contains(&facts.camera))
            && (self.from.is_none() && self.until.is_none() || facts.time.is_some_and(timely))
            && self.metadata.iter().all(|(key, value)| facts.metadata.get(key) == Some(value))
    }
}

mod optional_modality {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use vireid_core::Modality;

    pub fn serialize<S: Serializer>(modality: &Option<Modality>, serializer: S) -> Result<S::Ok, S::Error> {
        match modality {
            Some(modality) => serializer.serialize_str(modality.name()),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Modality>, D::Error> {
        let Some(name) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let found = Modality::ALL.into_iter().find(|modality| modality.name() == name);
        found.map(Some).ok_or_else(|| D::Error::custom(format!("'{name}' is not visible or infrared")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_it_says_must_apply() {
        let at = |milliseconds| Moment::from_milliseconds(milliseconds);
        let mut facts = Facts::new("a", Modality::Infrared);
        let admits = |filter: &Filter, facts: &Facts| filter.admits(facts);
        assert!(Filter::default().is_empty() && admits(&Filter::default(), &facts));
        let infrared = Filter { modality: Some(Modality::Infrared), ..Filter::default() };
        assert!(admits(&infrared, &facts));
        facts.modality = Modality::Visible;
        assert!(!admits(&infrared, &facts));
        let cameras = Filter { cameras: vec!["north".into(), "south".into()], ..Filter::default() };
        assert!(!admits(&cameras, &facts));
        facts.camera = "south".into();
        assert!(admits(&cameras, &facts));
        let hour = Filter { from: at(1000), until: at(2000), ..Filter::default() };
        assert!(!admits(&hour, &facts), "no time is no time within");
        for (time, within) in [(999, false), (1000, true), (1999, true), (2000, false)] {
            facts.time = at(time);
            assert_eq!(admits(&hour, &facts), within, "{time}");
        }
        let staff = Filter { metadata: [("staff".into(), Scalar::Bool(true))].into(), ..Filter::default() };
        assert!(!admits(&staff, &facts));
        facts.metadata = [("staff".into(), Scalar::Bool(false))].into();
        assert!(!admits(&staff, &facts));
        facts.metadata = [("staff".into(), Scalar::Bool(true)), ("x".into(), Scalar::Number(1.0))].into();
        assert!(admits(&staff, &facts));
    }

    #[test]
    fn its_json_names_only_what_it_says_and_refuses_what_it_does_not_know() {
        let filter: Filter = serde_json::from_str(r#"{"modality":"visible","cameras":["1"]}"#).unwrap();
        assert_eq!(serde_json::to_string(&filter).unwrap(), r#"{"modality":"visible","cameras":["1"]}"#);
        assert!(serde_json::from_str::<Filter>(r#"{"camera":"1"}"#).is_err());
        assert!(serde_json::from_str::<Filter>("{}").unwrap().is_empty());
    }
}
