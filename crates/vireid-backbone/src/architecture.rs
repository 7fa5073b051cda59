//! Telling a network's kind by the names and shapes of its parameters.

use std::collections::BTreeSet;
use std::fmt;

use crate::naming::Shapes;

/// What kind of network some parameters are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Architecture {
    /// Blocks of each stage, and whether they are bottlenecks.
    Residual { blocks: Vec<usize>, bottleneck: bool },
    /// Channels of the first layer, blocks, and length of an embedding.
    Efficient { stem: usize, blocks: usize, head: usize },
    /// Length of a token, blocks, and side of a patch.
    Transformer { dim: usize, depth: usize, patch: usize },
}

/// The kind of network that parameters of these names and shapes are of; `None` where they are of none that is known.
pub(crate) fn of_shapes(shapes: &Shapes) -> Option<Architecture> {
    // A block is where its first layer is: what a file has beside it may be counted for another network.
    let count = |prefix: &str, first: &str| {
        let number = |name: &String| {
            let (number, rest) = name.strip_prefix(prefix)?.split_once('.')?;
            rest.ends_with(first).then(|| number.parse::<usize>().ok())?
        };
        shapes.keys().filter_map(number).collect::<BTreeSet<_>>().len()
    };
    let shape = |name: &str| shapes.get(name).map(Vec::as_slice);
    if let Some(&[_, _, dim]) = shape("cls_token") {
        let patch = shapes.get("patch_embed.proj.weight").and_then(|shape| shape.last().copied()).unwrap_or(0);
        return Some(Architecture::Transformer { dim, depth: count("blocks.", "attn.qkv.weight"), patch });
    }
    if let (Some(&[stem, ..]), Some(&[head, ..])) = (shape("stem_visible.weight"), shape("last.conv.weight")) {
        return Some(Architecture::Efficient { stem, blocks: count("blocks.", "depthwise.weight"), head });
    }
    let stages = count("layers.", "conv1.weight");
    let blocks: Vec<usize> =
        (0..stages).map(|stage| count(&format!("layers.{stage}.blocks."), "conv1.weight")).collect();
    let bottleneck = shapes.contains_key("layers.0.blocks.0.conv3.weight");
    (!blocks.is_empty()).then_some(Architecture::Residual { blocks, bottleneck })
}

impl Architecture {
    /// Name of the backbone, where there is one.
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Self::Residual { blocks, bottleneck } => match (&blocks[..], bottleneck) {
                ([1, 1, 1], false) => Some("small"),
                ([2, 2, 2, 2], false) => Some("resnet18"),
                ([3, 4, 6, 3], false) => Some("resnet34"),
                ([3, 4, 6, 3], true) => Some("resnet50"),
                _ => None,
            },
            Self::Efficient { stem: 32, blocks: 16, head: 1280 } => Some("efficientnet_lite0"),
            Self::Efficient { .. } => None,
            Self::Transformer { dim: 384, depth: 12, patch: 16 } => Some("vit_small_16"),
            Self::Transformer { dim: 768, depth: 12, patch: 16 } => Some("vit_base_16"),
            Self::Transformer { .. } => None,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self) {
            (Some(name), _) => f.write_str(name),
            (None, Self::Residual { blocks, bottleneck }) => {
                let blocks: Vec<String> = blocks.iter().map(ToString::to_string).collect();
                let kind = if *bottleneck { "bottleneck" } else { "basic" };
                write!(f, "residual network of {} {kind} blocks", blocks.join(", "))
            }
            (None, Self::Efficient { stem, blocks, head }) => {
                write!(f, "EfficientNet of {blocks} blocks, {stem} channels first and {head} last")
            }
            (None, Self::Transformer { dim, depth, patch }) => {
                write!(f, "vision transformer of {depth} blocks of {dim} with patches of {patch}")
            }
        }
    }
}
