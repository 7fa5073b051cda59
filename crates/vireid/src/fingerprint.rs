//! Fingerprints of files of embeddings.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use vireid_core::Embeddings;

use crate::EmbeddedImage;

/// Lengths of rows that count as 1: single precision over some thousand numbers.
const TOLERANCE: f32 = 1e-3;

/// What a file of embeddings holds, written next to it: with which settings, how much, in which order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    /// Settings of the network that embedded.
    pub settings: std::collections::BTreeMap<String, String>,
    /// Number of images.
    pub rows: usize,
    /// Numbers of an embedding.
    pub dim: usize,
    /// Fingerprint of the images' paths and modalities, in order.
    pub paths: String,
    /// Fingerprint of the embeddings, in order.
    pub values: String,
    /// Folder that the file was written into.
    pub folder: PathBuf,
}

impl Fingerprint {
    /// Refuses a matrix and a list of images that don't match it.
    pub fn check(&self, embeddings: &Embeddings, images: &[EmbeddedImage]) -> Result<(), String> {
        let (rows, dim) = (embeddings.rows(), embeddings.dim());
        if (rows, dim) != (self.rows, self.dim) || images.len() != rows {
            let (told_rows, told_dim, listed) = (self.rows, self.dim, images.len());
            return Err(format!(
                "rows: {rows} of {dim} numbers in the matrix, {told_rows} of {told_dim} in the fingerprint, {listed} in the list of images"
            ));
        }
        if paths(images) != self.paths {
            return Err(
                "paths and modalities: the list of images differs from the fingerprint, or has another order".into()
            );
        }
        let length = |row: usize| embeddings.row(row).iter().map(|value| value * value).sum::<f32>().sqrt();
        // NaN is no length of 1 either.
        let is_unit = |row: usize| (length(row) - 1.0).abs() <= TOLERANCE;
        if let Some(row) = (0..rows).into_par_iter().find_first(|row| !is_unit(*row)) {
            return Err(format!("unit length: row {row} of the matrix has a length of {:.3}, not 1", length(row)));
        }
        if values(embeddings) != self.values {
            return Err("embeddings: the matrix differs from the fingerprint, or has another order".into());
        }
        Ok(())
    }
}

/// The fingerprint of paths and modalities in order.
pub(crate) fn paths(images: &[EmbeddedImage]) -> String {
    let text = |image: &EmbeddedImage| format!("{}\0{}\0", image.path.to_string_lossy(), image.modality);
    hash(images.iter().flat_map(|image| text(image).into_bytes()).map(u64::from))
}

/// The fingerprint of embeddings in order.
pub(crate) fn values(embeddings: &Embeddings) -> String {
    let of_row = |row: usize| fold(embeddings.row(row).iter().map(|value| u64::from(value.to_bits())));
    let rows: Vec<u64> = (0..embeddings.rows()).into_par_iter().map(of_row).collect();
    hash(rows)
}

fn hash(words: impl IntoIterator<Item = u64>) -> String {
    format!("{:016x}", fold(words))
}

/// FNV-1a over words: finds accidents, protects against nothing.
fn fold(words: impl IntoIterator<Item = u64>) -> u64 {
    words.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, word| {
        // The rotation carries high bits back down, where the next product spreads them again.
        (hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(29)
    })
}

/// Where an image is: as listed, or, if it is not there and was moved together with its index, next to the index.
pub(crate) fn relocate(listed: &Path, before: &Path, now: &Path) -> Option<PathBuf> {
    let moved = now.join(listed.strip_prefix(before).ok()?);
    (before != now && !listed.exists() && moved.exists()).then_some(moved)
}
