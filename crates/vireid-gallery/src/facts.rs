//! What is known of an entry besides how it looks.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use vireid_core::Modality;

use crate::{GalleryError, Moment};

/// The longest id, in bytes.
pub const MAX_ID: usize = 1024;
/// The longest name of a camera, or key or text of the metadata, in bytes.
pub const MAX_NAME: usize = 1024;
/// How many pairs of metadata an entry can have.
pub const MAX_METADATA: usize = 64;

/// What is known of a crop, or of the crops of one track, besides how it looks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Your own name for it, unlike every other entry's.
    pub id: String,
    /// The kind of camera.
    #[serde(with = "modality_name")]
    pub modality: Modality,
    /// Name of the camera; empty where nobody said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub camera: String,
    /// When it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Moment>,
    /// Whatever else there is to say, by key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, Scalar>,
    /// How many crops its embedding is the mean of: 1 unless it stands for a track.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub crops: u32,
    /// Mean of 1 - cosine between the crops of a track and their mean; 0 for a single crop.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub spread: f32,
}

impl Facts {
    /// Of one crop of which nothing more is known.
    pub fn new(id: impl Into<String>, modality: Modality) -> Self {
        let (camera, metadata) = (String::new(), BTreeMap::new());
        Self { id: id.into(), modality, camera, time: None, metadata, crops: 1, spread: 0.0 }
    }

    /// Refuses what no store can keep.
    ///
    /// # Errors
    ///
    /// `VR0801` for an id that is empty, longer than [`MAX_ID`] or has control characters, for a camera's name, a key or a text
    /// longer than [`MAX_NAME`] or with control characters, for more than [`MAX_METADATA`] pairs, a number that is not finite, no crops, or a
    /// spread outside of 0 to 2.
    pub fn check(&self) -> Result<(), GalleryError> {
        let bad = |what, reason: String| Err(GalleryError::BadEntry { what, reason });
        if self.id.is_empty() {
            return bad("id", "it is empty".into());
        }
        // No client of HTTP can ask for them.
        if self.id == "." || self.id == ".." {
            return bad("id", "it is a path, not a name".into());
        }
        check_text("id", &self.id, MAX_ID)?;
        check_text("camera", &self.camera, MAX_NAME)?;
        if self.metadata.len() > MAX_METADATA {
            return bad("metadata", format!("{} pairs, more than {MAX_METADATA}", self.metadata.len()));
        }
        for (key, value) in &self.metadata {
            check_text("metadata", key, MAX_NAME)?;
            match value {
                Scalar::Text(text) => check_text("metadata", text, MAX_NAME)?,
                Scalar::Number(number) if !number.is_finite() => {
                    return bad("metadata", format!("the number of '{key}' is not finite"));
                }
                _ => (),
            }
        }
        if self.crops == 0 {
            return bad("crops", "an entry is of one crop at least".into());
        }
        if !(0.0..=2.0).contains(&self.spread) {
            return bad("spread", format!("{} is not from 0 to 2", self.spread));
        }
        Ok(())
    }
}

fn check_text(what: &'static str, text: &str, longest: usize) -> Result<(), GalleryError> {
    if text.len() > longest {
        return Err(GalleryError::BadEntry { what, reason: format!("{} bytes, more than {longest}", text.len()) });
    }
    if text.chars().any(char::is_control) {
        return Err(GalleryError::BadEntry { what, reason: "it has control characters".into() });
    }
    Ok(())
}

fn one() -> u32 {
    1
}

fn is_one(crops: &u32) -> bool {
    *crops == 1
}

fn is_zero(spread: &f32) -> bool {
    *spread == 0.0
}

/// A value of metadata.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Scalar {
    /// True or false.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

impl Scalar {
    /// A value as people write it: true and false, numbers as JSON has them (so `007`, `inf` and `+1` are texts), or a text.
    pub fn read(text: &str) -> Self {
        match text {
            "true" => Scalar::Bool(true),
            "false" => Scalar::Bool(false),
            _ => match serde_json::from_str::<f64>(text) {
                Ok(number) if !text.contains(char::is_whitespace) => Scalar::Number(number),
                _ => Scalar::Text(text.into()),
            },
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Bool(value) => write!(f, "{value}"),
            Scalar::Number(value) => write!(f, "{value}"),
            Scalar::Text(value) => f.write_str(value),
        }
    }
}

/// A modality as its name.
pub(crate) mod modality_name {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use vireid_core::Modality;

    pub fn serialize<S: Serializer>(modality: &Modality, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(modality.name())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Modality, D::Error> {
        let name = String::deserialize(deserializer)?;
        let found = Modality::ALL.into_iter().find(|modality| modality.name() == name);
        found.ok_or_else(|| D::Error::custom(format!("'{name}' is not visible or infrared")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_not_written_and_can_be_left_out() {
        let plain = Facts::new("a", Modality::Infrared);
        let json = serde_json::to_string(&plain).unwrap();
        assert_eq!(json, r#"{"id":"a","modality":"infrared"}"#);
        assert_eq!(serde_json::from_str::<Facts>(&json).unwrap(), plain);
        let wrong = serde_json::from_str::<Facts>(r#"{"id":"a","modality":"thermal"}"#).unwrap_err().to_string();
        assert!(wrong.contains("'thermal' is not visible or infrared"), "{wrong}");
    }

    #[test]
    fn metadata_keep_their_kinds() {
        let json = r#"{"id":"a","modality":"visible","metadata":{"door":"north","floor":2.0,"staff":true}}"#;
        let facts: Facts = serde_json::from_str(json).unwrap();
        assert_eq!(facts.metadata["floor"], Scalar::Number(2.0));
        assert_eq!(facts.metadata["staff"], Scalar::Bool(true));
        assert_eq!(serde_json::to_string(&facts).unwrap(), json);
    }

    #[test]
    fn values_are_read_as_people_write_them() {
        let text = |text: &str| Scalar::Text(text.into());
        assert_eq!([Scalar::read("2"), Scalar::read("-0.5e1")], [Scalar::Number(2.0), Scalar::Number(-5.0)]);
        assert_eq!([Scalar::read("true"), Scalar::read("True")], [Scalar::Bool(true), text("True")]);
        for plain in ["007", "+1", "inf", "NaN", " 1", "1e999", ""] {
            assert_eq!(Scalar::read(plain), text(plain));
        }
    }

    #[test]
    fn what_no_store_can_keep_is_refused() {
        let sound = Facts::new("a", Modality::Visible);
        sound.check().unwrap();
        let with = |change: fn(&mut Facts)| {
            let mut facts = sound.clone();
            change(&mut facts);
            facts.check().unwrap_err().to_string()
        };
        let said = [
            with(|facts| facts.id.clear()),
            with(|facts| facts.id = "..".into()),
            with(|facts| facts.id = "x".repeat(MAX_ID + 1)),
            with(|facts| facts.id = "a\nb".into()),
            with(|facts| facts.camera = "\0".into()),
            with(|facts| facts.metadata = (0..65).map(|n| (n.to_string(), Scalar::Bool(true))).collect()),
            with(|facts| facts.metadata = [("a".into(), Scalar::Number(f64::NAN))].into()),
            with(|facts| facts.crops = 0),
            with(|facts| facts.spread = f32::NAN),
        ];
        for message in said {
            assert!(message.starts_with("VR0801"), "{message}");
        }
    }
}
