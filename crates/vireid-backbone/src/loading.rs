//! Loading a file of weights into a network, and what came of it.

use burn::module::Module;

use crate::architecture::{Architecture, of_shapes};
use crate::name_rules::{RULE_SETS, RuleSet};
use crate::naming::{Named, Shapes, best_set};
use crate::parameters::{LoadReport, load_parameters, parameter_shapes};
use crate::weight_file::Tensors;
use crate::{BackboneError, WeightFile, WeightNames};

/// What was read of a file of weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightReport {
    /// Whose names the file has.
    pub names: WeightNames,
    /// How many of the network's parameters it gave.
    pub read: usize,
    /// Tensors of the file that no network in use has, such as a classifier's, by their names in the file.
    pub left_out: Vec<String>,
    /// Parameters that the file lacks and may lack: they keep their starting values.
    pub kept: Vec<String>,
}

/// What a file of weights holds, before a network is built for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundWeights {
    /// Whose names it has.
    pub names: WeightNames,
    /// Name of the network that it was made for, where this project has it.
    pub backbone: Option<&'static str>,
    /// What network it was made for, in words: `a resnet18`.
    pub description: String,
    /// Whether that network has non-local blocks.
    pub non_local: bool,
}

impl WeightFile<'_> {
    /// What the file holds. With names that are not to be found out, it is read by those.
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read), and `VR0308` where two different tensors are for one parameter.
    pub fn found(&self, names: WeightNames) -> Result<FoundWeights, BackboneError> {
        let tensors = self.read()?;
        let is_possible = |set: &&RuleSet| set.marks.iter().any(|mark| tensors.contains_key(*mark));
        let set = names.rules().or_else(|| RULE_SETS.iter().find(is_possible)).unwrap_or(&RULE_SETS[0]);
        let named = set.apply(&tensors, &Shapes::new())?;
        let architecture = of_shapes(&shapes(&named.tensors));
        Ok(FoundWeights {
            names: WeightNames::from_name(set.name).unwrap_or_default(),
            backbone: architecture.as_ref().and_then(Architecture::name),
            description: architecture.map_or("no network that is known here".into(), |found| format!("a {found}")),
            non_local: tensors.keys().any(|name| is_non_local(name)),
        })
    }
}

/// Whether a tensor is of a non-local block, by its name here or in the published code.
fn is_non_local(name: &str) -> bool {
    name.contains(".non_local.") || name.starts_with("NL_")
}

fn shapes(tensors: &Tensors) -> Shapes {
    tensors.iter().map(|(name, (shape, _))| (name.clone(), shape.clone())).collect()
}

/// Loads a file into a network; `fit` may change the tensors once they have the network's names.
pub(crate) fn load_named<M: Module>(
    net: M,
    file: &WeightFile<'_>,
    names: WeightNames,
    may_lack_neck: bool,
    fit: impl FnOnce(&mut Tensors) -> Result<(), BackboneError>,
) -> Result<(M, WeightReport), BackboneError> {
    let tensors = file.read()?;
    let expected = parameter_shapes(&net);
    let best = best_set(&tensors, &expected);
    let set = names.rules().unwrap_or(best.0);
    let Named { tensors: mut named, before, left_out } = set.apply(&tensors, &expected)?;
    fit(&mut named)?;
    let found = shapes(&named);
    let has = |part: &str| named.keys().any(|name| name.contains(part));
    let (lacks_neck, lacks_non_local) = (!has("neck."), !has(".non_local."));
    let may_lack = |name: &String| {
        (may_lack_neck || set.may_lack_neck) && lacks_neck && name.starts_with("neck.")
            || lacks_non_local && is_non_local(name)
    };
    let (net, mut report) = load_parameters(net, named);
    let (kept, missing) = std::mem::take(&mut report.missing).into_iter().partition(may_lack);
    report.missing = missing;
    if report.is_complete() {
        let names = WeightNames::from_name(set.name).unwrap_or_default();
        let kept: Vec<String> = kept;
        return Ok((net, WeightReport { names, read: expected.len() - kept.len(), left_out, kept }));
    }
    let advice = match best {
        (better, count) if better.name != set.name && count > set.matches(&tensors, &expected) => format!(
            "as {} {} of {} names fit, as {} {count}: read it so",
            set.name,
            set.matches(&tensors, &expected),
            expected.len(),
            better.name,
        ),
        _ => format!("read as {}; {}", set.name, advice(&report, &found, &expected)),
    };
    // As they are called in the file, where people look for them.
    let unused = report.unused.iter().map(|name| before.get(name).unwrap_or(name).clone()).collect();
    Err(BackboneError::Mismatch { missing: report.missing, unused, wrong_shape: report.wrong_shape, advice })
}

/// The way out of weights that don't fit a network.
fn advice(report: &LoadReport, found: &Shapes, expected: &Shapes) -> String {
    let wrong_shape = || report.wrong_shape.iter().filter_map(|told| told.split(' ').next());
    let is_turned = |name: &str| {
        let sorted = |of: &Shapes| {
            of.get(name).map(|shape| {
                let mut sorted = shape.clone();
                sorted.sort_unstable();
                sorted
            })
        };
        sorted(found).is_some() && sorted(found) == sorted(expected)
    };
    if wrong_shape().any(is_turned) {
        return "dimensions are in another order than PyTorch's (output, input, height, width): save them in that order".into();
    }
    if let (Some(of_file), Some(of_network)) = (of_shapes(found), of_shapes(expected))
        && of_file != of_network
    {
        return match of_file.name() {
            Some(name) => format!("the file is of a {name}, the network is a {of_network}: name that backbone"),
            None => format!("the file is of a {of_file}, which is not one of the backbones that there are"),
        };
    }
    if let Some(name) = wrong_shape().find(|name| is_non_local(name)) {
        let shape = found.get(name).map(|shape| format!("{shape:?}")).unwrap_or_default();
        return format!(
            "its non-local blocks are of another width inside ({name} is {shape}); there are only such of width 1 here"
        );
    }
    if report.unused.iter().any(|name| is_non_local(name)) {
        return "the file has non-local blocks: set backbone.non_local = true".into();
    }
    "name the backbone that they were made for".into()
}
