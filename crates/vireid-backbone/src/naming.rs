//! Fitting the names of a file's tensors to a network's.

use std::collections::BTreeMap;

use crate::BackboneError;
use crate::name_rules::{RULE_SETS, RuleSet};
use crate::weight_file::Tensors;

/// Shapes of a network's parameters by name.
pub(crate) type Shapes = BTreeMap<String, Vec<usize>>;

/// A file's tensors under a network's names.
pub(crate) struct Named {
    /// By their new names; what no rule fits keeps its own.
    pub tensors: Tensors,
    /// What each was called in the file.
    pub before: BTreeMap<String, String>,
    /// Names in the file of what is left out on purpose, such as classifiers.
    pub left_out: Vec<String>,
}

impl RuleSet {
    /// Names the tensors as a network with these parameters does.
    ///
    /// # Errors
    ///
    /// `VR0308` where different tensors of the file have one place.
    pub fn apply(&self, tensors: &Tensors, expected: &Shapes) -> Result<Named, BackboneError> {
        let mut named = Named { tensors: Tensors::new(), before: BTreeMap::new(), left_out: Vec::new() };
        for (name, tensor) in tensors {
            let places = self.places(name, expected);
            if places.is_empty() {
                named.left_out.push(name.clone());
            }
            for place in places {
                if named.tensors.get(&place).is_some_and(|other| other != tensor) {
                    let first = named.before.remove(&place).unwrap_or_default();
                    let second = name.clone();
                    return Err(BackboneError::OnePlace { first, second, place, names: self.name });
                }
                named.before.insert(place.clone(), name.clone());
                named.tensors.insert(place, tensor.clone());
            }
        }
        Ok(named)
    }

    /// How many of the network's parameters the file's tensors are named for.
    pub fn matches(&self, tensors: &Tensors, expected: &Shapes) -> usize {
        let places = tensors.keys().flat_map(|name| self.places(name, expected));
        places.collect::<std::collections::BTreeSet<_>>().iter().filter(|place| expected.contains_key(*place)).count()
    }

    /// Where a tensor goes: nowhere, to one place or, as a stem's, to two.
    fn places(&self, name: &str, expected: &Shapes) -> Vec<String> {
        let fitting = self.rules.iter().find_map(|(pattern, places)| Some((captured(pattern, name)?, places)));
        match fitting {
            Some((parts, places)) => {
                places.iter().map(|place| filled(place, &parts, expected).unwrap_or_else(|| name.into())).collect()
            }
            None => vec![name.into()],
        }
    }
}

/// The set that names the most of a network's parameters, and how many; of those that name equally many the first. Without
/// any that fits, the project's own.
pub(crate) fn best_set(tensors: &Tensors, expected: &Shapes) -> (&'static RuleSet, usize) {
    let is_possible = |set: &&RuleSet| set.marks.iter().any(|mark| tensors.contains_key(*mark));
    let mut best = (&RULE_SETS[0], 0);
    for set in RULE_SETS.iter().filter(is_possible) {
        let count = set.matches(tensors, expected);
        if count > best.1 {
            best = (set, count);
        }
    }
    best
}

/// The parts of a name that a pattern leaves open; `None` where it does not fit.
fn captured(pattern: &str, name: &str) -> Option<Vec<String>> {
    let mut parts = name.split('.');
    let mut found = Vec::new();
    for wanted in pattern.split('.') {
        if wanted == "**" {
            let rest: Vec<&str> = parts.by_ref().collect();
            if rest.is_empty() {
                return None;
            }
            found.push(rest.join("."));
            continue;
        }
        let part = parts.next()?;
        if wanted == "*" {
            found.push(part.into());
        } else if let Some(word) = wanted.strip_suffix('#') {
            let number: usize = part.strip_prefix(word)?.parse().ok()?;
            found.push(number.checked_sub(1)?.to_string());
        } else if wanted != part {
            return None;
        }
    }
    parts.next().is_none().then_some(found)
}

/// A place with its parts filled in; `None` where the network has no such non-local block.
fn filled(place: &str, parts: &[String], expected: &Shapes) -> Option<String> {
    let mut filled = Vec::new();
    for word in place.split('.') {
        let part = |number: &str| parts.get(number.parse::<usize>().ok()?.checked_sub(1)?);
        filled.push(match (word.strip_prefix('$'), word.strip_prefix('^')) {
            (Some(number), _) => part(number)?.clone(),
            (_, Some(number)) => non_local_block(parts.first()?, part(number)?.parse().ok()?, expected)?,
            _ => word.to_string(),
        });
    }
    Some(filled.join("."))
}

/// The block of a stage that its `number`-th non-local block follows.
fn non_local_block(stage: &str, number: usize, expected: &Shapes) -> Option<String> {
    let prefix = format!("layers.{stage}.blocks.");
    let block = |name: &String| -> Option<usize> {
        let (block, rest) = name.strip_prefix(&prefix)?.split_once('.')?;
        rest.starts_with("non_local.").then(|| block.parse().ok())?
    };
    let blocks: std::collections::BTreeSet<usize> = expected.keys().filter_map(block).collect();
    blocks.into_iter().nth(number).map(|block| block.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str) -> &'static RuleSet {
        RULE_SETS.iter().find(|set| set.name == name).unwrap()
    }

    fn places(of: &str, name: &str) -> Vec<String> {
        // A stage of four blocks, the last two with a non-local one.
        let names = ["layers.1.blocks.2.non_local.g.weight", "layers.1.blocks.3.non_local.g.weight"];
        let expected = names.iter().map(|name| (name.to_string(), vec![1])).collect();
        set(of).places(name, &expected)
    }

    #[test]
    fn names_go_to_their_places() {
        let cases: &[(&str, &str, &[&str])] = &[
            ("torchvision", "bn1.running_var", &["stem_visible.bn.running_var", "stem_infrared.bn.running_var"]),
            ("torchvision", "layer3.5.conv2.weight", &["layers.2.blocks.5.conv2.weight"]),
            ("timm", "layer4.0.downsample.1.bias", &["layers.3.blocks.0.downsample.bn.bias"]),
            ("timm", "blocks.3.attn.qkv.weight", &["blocks.3.attn.qkv.weight"]),
            ("torchvision", "fc.weight", &[]),
            // Not one of a thousand layers, and no panic.
            ("torchvision", "layer0.0.conv1.weight", &["layer0.0.conv1.weight"]),
            ("usl-vi-reid", "thermal_module.thermal.conv1.weight", &["stem_infrared.conv.weight"]),
            ("usl-vi-reid", "thermal_module.thermal.layer4.2.conv3.weight", &[]),
            (
                "usl-vi-reid",
                "base_resnet.base.layer2.0.downsample.0.weight",
                &["layers.1.blocks.0.downsample.conv.weight"],
            ),
            ("usl-vi-reid", "NL_2.1.W.1.running_mean", &["layers.1.blocks.3.non_local.bn.running_mean"]),
            ("usl-vi-reid", "NL_2.0.g.0.bias", &["layers.1.blocks.2.non_local.g.bias"]),
            // The network has two there, and none in the third stage.
            ("usl-vi-reid", "NL_2.2.theta.weight", &["NL_2.2.theta.weight"]),
            ("usl-vi-reid", "NL_3.0.theta.weight", &["NL_3.0.theta.weight"]),
            ("usl-vi-reid", "bottleneck.running_var", &["neck.running_var"]),
            ("transreid", "base.blocks.0.norm1.bias", &["blocks.0.norm1.bias"]),
            ("transreid", "base.fc.weight", &[]),
            ("own", "neck.weight", &["neck.weight"]),
            ("own", "classifier.weight", &[]),
        ];
        for (of, name, expected) in cases {
            assert_eq!(places(of, name), *expected, "{of}: {name}");
        }
    }

    /// The last one of the alphabet was taken, without a word.
    #[test]
    fn two_tensors_of_one_place_are_refused_unless_they_are_the_same() {
        let named = |of: &str, [first, second]: [&str; 2], values: [f32; 2]| {
            let tensor = |value| (vec![1], vec![value]);
            let tensors = [(first.into(), tensor(values[0])), (second.into(), tensor(values[1]))].into();
            set(of).apply(&tensors, &Shapes::new()).map(|named| named.tensors.len())
        };
        let cases = [
            ("torchvision", ["conv1.weight", "stem_infrared.conv.weight"]),
            ("torchvision", ["layer2.0.conv1.weight", "layers.1.blocks.0.conv1.weight"]),
            ("usl-vi-reid", ["bottleneck.bias", "neck.bias"]),
            ("transreid", ["base.norm.weight", "norm.weight"]),
        ];
        for (of, names) in cases {
            let error = named(of, names, [1.0, 2.0]).unwrap_err().to_string();
            assert!(error.starts_with("VR0308") && names.iter().all(|name| error.contains(name)), "{error}");
            assert!(error.contains(&format!("as {of}")), "{error}");
            assert!(named(of, names, [1.0, 1.0]).is_ok(), "{of}");
        }
    }

    #[test]
    fn patterns_fit_whole_names_only() {
        assert_eq!(captured("conv1.*", "conv1.weight.more"), None);
        assert_eq!(captured("conv1.*", "conv1"), None);
        assert_eq!(captured("fc.**", "fc"), None);
        assert_eq!(captured("layer#.*.**", "layer2.0.a.b").unwrap(), ["1", "0", "a.b"]);
    }
}
