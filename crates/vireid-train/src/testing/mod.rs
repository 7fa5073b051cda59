//! What the tests of this crate share.

use crate::RunConfig;

/// The configuration in `config.toml` beside this file, with overrides.
pub(crate) fn config(overrides: &[&str]) -> RunConfig {
    read(overrides).unwrap()
}

/// The same, or what is wrong with the overrides.
pub(crate) fn read(overrides: &[&str]) -> Result<RunConfig, crate::MethodError> {
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    RunConfig::from_toml(include_str!("config.toml"), &overrides)
}
