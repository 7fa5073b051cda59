//! A few embeddings that cluster differently under every expansion: those of the clustering crate's cases.

use vireid_clustering::Origin;
use vireid_core::{Camera, Embeddings, Modality};

/// Three people, 14 images of two visible cameras and eight of an infrared one; no two expansions give it the same distances.
const WORLD: [[f32; 4]; 22] = [
    [1.284, 0.407, 0.057, -0.285],
    [1.22, -0.025, 0.103, -0.19],
    [0.993, 0.45, 0.283, -0.037],
    [1.075, 0.272, 0.323, -0.063],
    [1.148, 0.284, 0.175, 0.1],
    [0.828, -0.151, -0.038, 0.077],
    [0.054, 1.148, 0.346, 0.143],
    [0.205, 0.931, -0.063, 0.202],
    [0.162, 0.778, -0.108, 0.035],
    [0.262, 0.651, 0.364, 0.273],
    [0.533, 0.974, 0.03, 0.18],
    [0.221, 0.035, 0.888, -0.079],
    [-0.003, 0.371, 1.092, 0.031],
    [0.438, 0.107, 1.001, 0.172],
    [1.165, 0.375, 0.265, 0.541],
    [1.125, 0.54, -0.073, 0.824],
    [0.624, 0.451, 0.285, 0.919],
    [0.226, 1.343, 0.421, 0.554],
    [0.445, 1.009, -0.108, 0.789],
    [-0.12, 0.284, 1.035, 0.715],
    [0.01, 0.165, 0.907, 1.237],
    [0.393, 0.522, 1.116, 0.944],
];

/// Features, modalities and cameras.
pub fn world() -> (Embeddings, Vec<Origin>) {
    let origin = |row| match row {
        4 | 5 | 9 | 10 => Origin { modality: Modality::Visible, camera: Camera(1) },
        14.. => Origin { modality: Modality::Infrared, camera: Camera(2) },
        _ => Origin { modality: Modality::Visible, camera: Camera(0) },
    };
    let rows = Embeddings::new(WORLD.concat(), WORLD.len(), 4).unwrap().normalized();
    (rows, (0..WORLD.len()).map(origin).collect())
}
