//! The list of methods: the one place to add to when there is a new one.

use crate::dmic::Dmic;
use crate::ecul::Ecul;
use crate::mbccm::Mbccm;
use crate::method::Method;
use crate::mmm::Mmm;
use crate::mult::Mult;
use crate::{MethodError, RunConfig};

type Build = fn(&RunConfig) -> Result<Box<dyn Method>, MethodError>;

/// Every method by name. To add one, write its module and list it here.
const REGISTRY: &[(&str, Build)] = &[
    ("mbccm", |config| Ok(Box::new(Mbccm::new(config)?))),
    ("mult", |config| Ok(Box::new(Mult::new(config)?))),
    ("mmm", |config| Ok(Box::new(Mmm::new(config)?))),
    ("dmic", |config| Ok(Box::new(Dmic::new(config)?))),
    ("ecul", |config| Ok(Box::new(Ecul::new(config)?))),
];

/// The names of the methods.
pub fn methods() -> impl Iterator<Item = &'static str> {
    REGISTRY.iter().map(|(name, _)| *name)
}

/// Builds the method that a configuration names.
///
/// # Errors
///
/// `VR0503` for an unknown name; `VR0501`, `VR0502` for its settings.
pub fn build(config: &RunConfig) -> Result<Box<dyn Method>, MethodError> {
    let found = REGISTRY.iter().find(|(name, _)| *name == config.method);
    let (_, build) = found.ok_or_else(|| MethodError::Unknown {
        what: "method",
        name: config.method.clone(),
        known: methods().map(str::to_string).collect(),
    })?;
    build(config)
}
