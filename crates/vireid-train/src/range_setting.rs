//! The setting `input.range`.

use serde::{Deserialize, Serialize};
use vireid_data::ValueRange;

use crate::{EngineConfig, MethodError};

/// Which numbers of an image with more than 8 bits become its grey levels: `input.range`. Images of 8 bits are not
/// touched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "input.range is full, image or [lower, higher]")]
pub enum RangeSetting {
    /// `full`, the default: all that the file's type can hold. `image`: each image from its own lowest number to its
    /// highest.
    Named(String),
    /// From the first number, which becomes black, to the second, which becomes white, in the files' numbers.
    Limits([f64; 2]),
}

impl RangeSetting {
    pub(crate) fn is_full(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for RangeSetting {
    fn default() -> Self {
        Self::Named("full".into())
    }
}

impl EngineConfig {
    /// The range of numbers that images with more than 8 bits are read in.
    ///
    /// # Errors
    ///
    /// `VR0502` for an unknown name, or limits that do not ascend as the numbers of single precision that they become.
    pub fn range(&self) -> Result<ValueRange, MethodError> {
        let refuse = |found: String| {
            let message =
                format!("input.range = {found}; full, image and two ascending numbers [lower, higher] can be used");
            Err(MethodError::Config(message))
        };
        match &self.input.range {
            RangeSetting::Named(name) if name == "full" => Ok(ValueRange::Full),
            RangeSetting::Named(name) if name == "image" => Ok(ValueRange::Image),
            RangeSetting::Named(name) => refuse(format!("'{name}'")),
            RangeSetting::Limits([lower, higher]) => {
                let (low, high) = (*lower as f32, *higher as f32);
                // Images are stretched by the distance.
                match low < high && (high - low).is_finite() {
                    true => Ok(ValueRange::Limits { low, high }),
                    false => refuse(format!("[{lower}, {higher}]")),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RunConfig;

    fn with(range: &str) -> Result<RunConfig, MethodError> {
        crate::testing::read(&[&format!("input.range={range}")])
    }

    #[test]
    fn ranges_that_exist() {
        let range = |range: &str| with(range).unwrap();
        assert_eq!(range("full").hash(), crate::testing::config(&[]).hash());
        assert_eq!(range("image").engine.range().unwrap(), ValueRange::Image);
        let limits = range("[29000, 31000.5]");
        assert_eq!(limits.engine.range().unwrap(), ValueRange::Limits { low: 29_000.0, high: 31_000.5 });
        assert_eq!(RunConfig::from_toml(&limits.to_toml(), &[]).unwrap(), limits);
        assert_ne!(limits.hash(), range("image").hash());
    }

    /// Limits that are one number in single precision, or beyond it, made black images.
    #[test]
    fn ranges_that_do_not() {
        for (range, says) in [
            ("half", "input.range = 'half'; full, image"),
            ("[9, 3]", "input.range = [9, 3]; full, image"),
            ("[1, nan]", "input.range = [1, NaN]"),
            ("[1e39, 2e39]", "input.range = [1"),
            ("[-3e38, 3e38]", "input.range = [-3"),
            ("[29000, 29000.0001]", "input.range = [29000, 29000.0001]"),
            ("[1, 2, 3]", "input.range is full, image or [lower, higher]"),
        ] {
            let error = with(range).unwrap_err().to_string();
            assert!(error.starts_with("VR0502") && error.contains(says), "{range}: {error}");
        }
    }
}
