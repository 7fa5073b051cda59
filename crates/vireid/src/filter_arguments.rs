use clap::Args;
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
    pub fn filter(&self) -> Filter {
        Filter {
            modality: self.among,
            cameras: self.camera.clone(),
            from: self.from,
            until: self.until,
            metadata: self.meta.iter().cloned().collect(),
        }
    }
}

/// A pair of metadata, such as `floor=2`: a number or true or false where it reads as one.
pub fn pair(text: &str) -> Result<(String, Scalar), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("'{text}' is not KEY=VALUE"))?;
    let scalar = match (value.parse::<bool>(), value.parse::<f64>()) {
        (Ok(value), _) => Scalar::Bool(value),
        (_, Ok(value)) if value.is_finite() => Scalar::Number(value),
        _ => Scalar::Text(value.into()),
    };
    Ok((key.into(), scalar))
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
        assert_eq!(value("x=NaN"), Scalar::Text("NaN".into()));
        assert!(pair("floor").is_err());
    }
}
