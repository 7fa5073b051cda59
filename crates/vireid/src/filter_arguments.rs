//! Which entries of a gallery are meant, on a command line.

use std::collections::BTreeMap;

use clap::Args;
use vireid::ProgramError;
use vireid_core::Modality;
use vireid_gallery::{Filter, Moment, Scalar};

use crate::extract::modality;

/// Which entries of a gallery are meant, on a command line: those to which all of it applies.
#[derive(Debug, Clone, Default, Args)]
pub struct FilterArguments {
    /// Only entries of this modality: visible or infrared
    #[arg(long, value_parser = modality)]
    pub among: Option<Modality>,
    /// Only entries of this camera; may be given several times
    #[arg(long)]
    pub camera: Vec<String>,
    /// Only entries seen at this time or later, such as 2026-03-01T12:30:00Z
    #[arg(long, value_name = "TIME")]
    pub from: Option<Moment>,
    /// Only entries seen before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<Moment>,
    /// Only entries with this in their metadata; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub meta: Vec<(String, Scalar)>,
}

impl FilterArguments {
    /// The filter that they describe.
    ///
    /// # Errors
    ///
    /// `VR0606` for a key that is there twice.
    pub fn filter(&self) -> Result<Filter, ProgramError> {
        Ok(Filter {
            modality: self.among,
            cameras: self.camera.clone(),
            from: self.from,
            until: self.until,
            metadata: distinct(&self.meta)?,
        })
    }
}

/// Pairs of metadata by key.
///
/// # Errors
///
/// `VR0606` for a key that is there twice: nobody can say which value is meant.
pub fn distinct(pairs: &[(String, Scalar)]) -> Result<BTreeMap<String, Scalar>, ProgramError> {
    let mut metadata = BTreeMap::new();
    for (key, value) in pairs {
        if metadata.insert(key.clone(), value.clone()).is_some() {
            return Err(ProgramError::Usage(format!("--meta {key} is there twice")));
        }
    }
    Ok(metadata)
}

/// A pair of metadata, such as `floor=2`: a number or true or false where it reads as one.
pub fn pair(text: &str) -> Result<(String, Scalar), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("'{text}' is not KEY=VALUE"))?;
    Ok((key.into(), Scalar::read(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_are_numbers_and_truths_where_they_read_as_such() {
        let value = |text: &str| pair(text).unwrap().1;
        assert_eq!(value("floor=2"), Scalar::Number(2.0));
        assert_eq!(value("staff=true"), Scalar::Bool(true));
        assert_eq!(value("door=north=1"), Scalar::Text("north=1".into()));
        assert_eq!(value("badge=007"), Scalar::Text("007".into()));
        assert!(pair("floor").is_err());
    }
}
