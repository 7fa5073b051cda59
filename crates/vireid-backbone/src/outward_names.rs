//! The names that other programs have for the parameters of the networks here.

use vireid_core::Modality;

use crate::BackboneError;
use crate::parameters::NamedParameter;

/// Whose names an exported file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutwardNames {
    /// This project's own.
    Own,
    /// Those of the published code of two-stream residual networks (AGW, and what was made from it): `visible_module.visible`,
    /// `thermal_module.thermal`, `base_resnet.base`, `NL_2`, `bottleneck`.
    Published,
    /// Those of torchvision's ResNet, with the stem of one modality. It has no neck.
    Torchvision(Modality),
    /// Those of timm's vision transformer, with the patch embedding of one modality. It has no neck.
    Timm(Modality),
}

/// What becomes of a parameter.
enum Outward {
    Named(String),
    Dropped,
    /// The other program's network has no such part.
    Unknown,
}

/// Parameters under another program's names, those that it has no place for left out.
///
/// # Errors
///
/// `VR0307` where the network has parts that the other program's has not.
pub fn outward_named(
    parameters: Vec<NamedParameter>,
    names: OutwardNames,
) -> Result<Vec<NamedParameter>, BackboneError> {
    let mut named = Vec::with_capacity(parameters.len());
    for (name, shape, values) in parameters {
        let parts: Vec<&str> = name.split('.').collect();
        let outward = match names {
            OutwardNames::Own => Outward::Named(name.clone()),
            OutwardNames::Published => published(&parts),
            OutwardNames::Torchvision(modality) => torchvision(&parts, modality),
            OutwardNames::Timm(modality) => timm(&parts, modality),
        };
        match outward {
            Outward::Named(outward) => named.push((outward, shape, values)),
            Outward::Dropped => (),
            Outward::Unknown => return Err(BackboneError::NoOutwardName { name, names: title(names) }),
        }
    }
    // A transformer with one patch embedding for both modalities has it under the name of the visible one.
    if let OutwardNames::Timm(Modality::Infrared) = names
        && named.iter().any(|(name, ..)| name.starts_with(INFRARED_PATCHES))
    {
        named.retain(|(name, ..)| !name.starts_with("patch_embed."));
        named.iter_mut().for_each(|(name, ..)| *name = name.replace(INFRARED_PATCHES, "patch_embed."));
    }
    number_non_local_blocks(&mut named);
    Ok(named)
}

const INFRARED_PATCHES: &str = "patch_embed_infrared.";

fn title(names: OutwardNames) -> &'static str {
    match names {
        OutwardNames::Own => "own",
        OutwardNames::Published => "published",
        OutwardNames::Torchvision(_) => "torchvision",
        OutwardNames::Timm(_) => "timm",
    }
}

fn published(parts: &[&str]) -> Outward {
    Outward::Named(match parts {
        ["stem_visible", part, leaf] => format!("visible_module.visible.{part}1.{leaf}"),
        ["stem_infrared", part, leaf] => format!("thermal_module.thermal.{part}1.{leaf}"),
        ["neck", leaf] => format!("bottleneck.{leaf}"),
        ["layers", stage, "blocks", block, "non_local", rest @ ..] => match non_local(rest) {
            Some(rest) => format!("NL_{}.{block}.{rest}", one_more(stage)),
            None => return Outward::Unknown,
        },
        _ => match trunk(parts) {
            Some(name) => format!("base_resnet.base.{name}"),
            None => return Outward::Unknown,
        },
    })
}

fn torchvision(parts: &[&str], modality: Modality) -> Outward {
    let own = match modality {
        Modality::Visible => "stem_visible",
        Modality::Infrared => "stem_infrared",
    };
    match parts {
        [stem, part, leaf] if *stem == own => Outward::Named(format!("{part}1.{leaf}")),
        ["stem_visible" | "stem_infrared" | "neck", ..] => Outward::Dropped,
        [.., "non_local", _, _] => Outward::Unknown,
        _ => trunk(parts).map_or(Outward::Unknown, Outward::Named),
    }
}

fn timm(parts: &[&str], modality: Modality) -> Outward {
    match parts {
        ["neck", ..] => Outward::Dropped,
        ["patch_embed_infrared", ..] if modality == Modality::Visible => Outward::Dropped,
        ["patch_embed" | "patch_embed_infrared" | "cls_token" | "pos_embed" | "blocks" | "norm", ..] => {
            Outward::Named(parts.join("."))
        }
        _ => Outward::Unknown,
    }
}

/// `layers.0.blocks.1.downsample.bn.weight` to `layer1.1.downsample.1.weight`.
fn trunk(parts: &[&str]) -> Option<String> {
    let ["layers", stage, "blocks", block, rest @ ..] = parts else { return None };
    let rest = match rest {
        ["downsample", "conv", leaf] => format!("downsample.0.{leaf}"),
        ["downsample", "bn", leaf] => format!("downsample.1.{leaf}"),
        rest => rest.join("."),
    };
    Some(format!("layer{}.{block}.{rest}", one_more(stage)))
}

fn non_local(parts: &[&str]) -> Option<String> {
    Some(match parts {
        ["g", leaf] => format!("g.0.{leaf}"),
        ["out", leaf] => format!("W.0.{leaf}"),
        ["bn", leaf] => format!("W.1.{leaf}"),
        [part @ ("theta" | "phi"), leaf] => format!("{part}.{leaf}"),
        _ => return None,
    })
}

fn one_more(number: &str) -> usize {
    number.parse::<usize>().unwrap_or_default() + 1
}

/// The published code counts a stage's non-local blocks from 0, and not by the residual blocks that they follow.
fn number_non_local_blocks(named: &mut [NamedParameter]) {
    let mut seen: Vec<(String, String)> = Vec::new();
    for (name, ..) in named.iter_mut() {
        let Some((list, rest)) = name.strip_prefix("NL_").and_then(|rest| rest.split_once('.')) else { continue };
        let Some((block, rest)) = rest.split_once('.') else { continue };
        let key = (list.to_string(), block.to_string());
        if !seen.contains(&key) {
            seen.push(key.clone());
        }
        let number = seen.iter().filter(|(other, _)| *other == key.0).position(|(_, other)| *other == key.1);
        *name = format!("NL_{list}.{}.{rest}", number.unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::named_parameters;
    use crate::{TwoStreamNetConfig, VitConfig};
    use burn::tensor::Device;
    use vireid_core::{Stream, Streams};

    fn stream() -> Stream {
        Streams::new(0).stream("init", [0; 3])
    }

    fn names_of(parameters: Vec<NamedParameter>, names: OutwardNames) -> Vec<String> {
        outward_named(parameters, names).unwrap().into_iter().map(|(name, ..)| name).collect()
    }

    fn residual(non_local: bool) -> Vec<NamedParameter> {
        let config = TwoStreamNetConfig::resnet18();
        let config = if non_local { config.with_non_local_blocks() } else { config };
        named_parameters(&config.init(&Device::default(), &mut stream()))
    }

    #[test]
    fn published_names() {
        let names = names_of(residual(true), OutwardNames::Published);
        for expected in [
            "visible_module.visible.conv1.weight",
            "thermal_module.thermal.bn1.running_var",
            "base_resnet.base.layer2.0.downsample.1.running_mean",
            "base_resnet.base.layer4.1.conv2.weight",
            "NL_2.1.W.1.weight",
            "NL_3.0.g.0.bias",
            "NL_3.1.theta.weight",
            "bottleneck.running_mean",
        ] {
            assert!(names.iter().any(|name| name == expected), "{expected} in {names:?}");
        }
        assert!(
            !names.iter().any(|name| name.contains("layers") || name.contains("non_local") || name.contains("NL_1"))
        );
    }

    #[test]
    fn torchvisions_names_have_one_stem_and_no_place_for_other_parts() {
        let mut parameters = residual(false);
        for (name, _, values) in &mut parameters {
            if name == "stem_infrared.conv.weight" {
                values[0] = 7.0;
            }
        }
        let named = outward_named(parameters, OutwardNames::Torchvision(Modality::Infrared)).unwrap();
        assert_eq!(named[0].0, "conv1.weight");
        assert_eq!(named[0].2[0], 7.0);
        // Of ResNet-18: 20 convolutions and 20 batch norms of four tensors, without the classifier.
        assert_eq!(named.len(), 20 + 20 * 4);
        let error = outward_named(residual(true), OutwardNames::Torchvision(Modality::Visible)).unwrap_err();
        assert!(error.to_string().starts_with("VR0307") && error.to_string().contains("non_local"), "{error}");
    }

    #[test]
    fn timms_names_have_the_patch_embedding_of_the_modality() {
        let parameters = named_parameters(&VitConfig::tiny().init(&Device::default(), &mut stream()).unwrap());
        let of = |field: &str| parameters.iter().find(|(name, ..)| name.starts_with(field)).cloned().unwrap();
        let mut parameters = parameters.clone();
        let infrared = parameters.iter_mut().find(|(name, ..)| name == "patch_embed_infrared.proj.bias").unwrap();
        infrared.2[0] = 5.0;
        for (modality, first) in [(Modality::Visible, of("patch_embed.proj.bias").2[0]), (Modality::Infrared, 5.0)] {
            let named = outward_named(parameters.clone(), OutwardNames::Timm(modality)).unwrap();
            assert!(!named.iter().any(|(name, ..)| name.contains("infrared") || name.contains("neck")));
            let bias = named.iter().find(|(name, ..)| name == "patch_embed.proj.bias").unwrap();
            assert_eq!(bias.2[0], first);
        }
        let error = outward_named(parameters, OutwardNames::Published).unwrap_err().to_string();
        assert!(error.starts_with("VR0307") && error.contains("published"), "{error}");
    }
}
