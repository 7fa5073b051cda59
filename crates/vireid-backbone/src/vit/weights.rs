//! Weights of others for the vision transformers.

use super::VitNet;
use super::positions::{grid_of, resized};
use crate::loading::load_named;
use crate::weight_file::Tensors;
use crate::{Backbone, BackboneError, WeightFile, WeightNames, WeightReport};

/// Loads weights into a vision transformer: its own, or those of a network that names its parameters as timm does, such as the
/// ones of DINO and TransReID-SSL. See [`load_transformer`].
///
/// # Errors
///
/// Those of [`load_transformer`].
pub fn load_vit(net: VitNet, file: &WeightFile<'_>) -> Result<VitNet, BackboneError> {
    Ok(load_transformer(net, file, WeightNames::Auto)?.0)
}

/// Loads weights into a vision transformer by the names of [`WeightNames`], and tells what was read. A file's only patch
/// embedding goes to both modalities, positions of another grid are resized by bicubic interpolation, and classifiers are
/// dropped.
///
/// # Errors
///
/// What [`WeightFile::read`] refuses; `VR0306` for patches embedded by a stack of convolutions; `VR0302` unless every tensor
/// finds its place and every parameter its tensor. A file that is not this project's may lack the neck, which it can't know.
pub fn load_transformer(
    net: VitNet,
    file: &WeightFile<'_>,
    names: WeightNames,
) -> Result<(VitNet, WeightReport), BackboneError> {
    let (dim, grid, has_infrared) = (net.dim(), net.grid(), net.has_infrared_patches());
    load_named(net, file, names, true, |tensors| {
        let is_stack = |name: &&String| {
            name.strip_prefix("patch_embed.").is_some_and(|within| !matches!(within, "proj.weight" | "proj.bias"))
        };
        if let Some(name) = tensors.keys().find(is_stack) {
            return Err(BackboneError::ConvolutionalPatches { path: file.path(), name: name.clone() });
        }
        if has_infrared {
            copy_patches(tensors);
        }
        resize_positions(tensors, dim, grid);
        Ok(())
    })
}

/// Gives infrared images the file's patch embedding where it has one alone.
fn copy_patches(tensors: &mut Tensors) {
    if tensors.keys().any(|name| name.starts_with("patch_embed_infrared.")) {
        return;
    }
    for leaf in ["proj.weight", "proj.bias"] {
        if let Some(tensor) = tensors.get(&format!("patch_embed.{leaf}")).cloned() {
            tensors.insert(format!("patch_embed_infrared.{leaf}"), tensor);
        }
    }
}

/// Fits positions to the network's grid; what can't be fitted stays, and has the wrong shape then.
fn resize_positions(tensors: &mut Tensors, dim: usize, to: [usize; 2]) {
    let Some((shape, values)) = tensors.get_mut("pos_embed") else { return };
    let [1, count, of_file] = shape[..] else { return };
    let patches = count.saturating_sub(1);
    if of_file != dim || patches == to[0] * to[1] {
        return;
    }
    if let Some(from) = grid_of(patches) {
        let (class, grid) = values.split_at(dim);
        *values = [class, &resized(grid, dim, from, to)].concat();
        *shape = vec![1, 1 + to[0] * to[1], dim];
    }
}
