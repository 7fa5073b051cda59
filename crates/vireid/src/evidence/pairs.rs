//! Clusters of the two modalities that found each other.

use std::collections::HashMap;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use vireid::{Tile, nearest};
use vireid_core::Identity;
use vireid_data::Sample;
use vireid_methods::{RunConfig, cluster, registry};

use super::{Embedded, spread};

const PAIRS: usize = 8;
/// Images of each side: few enough that every cluster has them, so that the sides are below each other.
const IMAGES: usize = 4;

/// An infrared and a visible cluster whose centroids are each other's nearest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MatchedPair {
    pub infrared_images: usize,
    pub visible_images: usize,
    pub similarity: f32,
    /// Whether most images of both are of one person, where identities are known.
    pub right: Option<bool>,
}

/// Clusters of the training images that found each other, wrong ones first, with the rows of their contact sheet. None
/// where the run's settings find no cluster.
pub fn pairs(images: &Embedded<'_>, config: &RunConfig, device: &Device) -> (Vec<MatchedPair>, Vec<Vec<Tile>>) {
    let clusters = registry::clustering(config).and_then(|settings| cluster(&images.rows, &settings, 0, device));
    let Ok(clusters) = clusters else { return (Vec::new(), Vec::new()) };
    let labels = clusters.labels.indices();
    let members = |labels: &[Option<usize>], count: usize| {
        let mut of = vec![Vec::new(); count];
        labels.iter().enumerate().for_each(|(image, label)| {
            if let Some(label) = label {
                of[*label].push(image);
            }
        });
        of
    };
    let centroids = &clusters.centroids;
    let of_visible = members(&labels.visible, centroids.visible.rows());
    let of_infrared = members(&labels.infrared, centroids.infrared.rows());
    let best = |row: &[f32], among| nearest(among, row, 1).first().copied();
    let mut found: Vec<(usize, usize, MatchedPair)> = (0..centroids.infrared.rows())
        .filter_map(|i| {
            let there = best(centroids.infrared.row(i), &centroids.visible)?;
            let back = best(centroids.visible.row(there.row), &centroids.infrared)?;
            let (infrared, visible) = (&of_infrared[i], &of_visible[there.row]);
            let right = match (person(images.samples.infrared, infrared), person(images.samples.visible, visible)) {
                (Some(a), Some(b)) => Some(a == b),
                _ => None,
            };
            let pair = MatchedPair {
                infrared_images: infrared.len(),
                visible_images: visible.len(),
                similarity: there.similarity,
                right,
            };
            (back.row == i).then_some((i, there.row, pair))
        })
        .collect();
    found.sort_by(|a, b| {
        let is_right = |pair: &MatchedPair| pair.right == Some(true);
        is_right(&a.2).cmp(&is_right(&b.2)).then(b.2.similarity.total_cmp(&a.2.similarity))
    });
    let chosen: Vec<_> = spread(PAIRS, found.len()).map(|at| &found[at]).collect();
    let row = |(i, v, pair): &(usize, usize, MatchedPair)| {
        let frame = match pair.right {
            Some(true) => Tile::RIGHT,
            Some(false) => Tile::WRONG,
            None => Tile::PLAIN,
        };
        let side = |samples: &[Sample], members: &[usize], frame| {
            spread(IMAGES, members.len())
                .map(|at| Tile { path: samples[members[at]].path.clone(), frame })
                .collect::<Vec<Tile>>()
        };
        [
            side(images.samples.infrared, &of_infrared[*i], Tile::QUERY),
            side(images.samples.visible, &of_visible[*v], frame),
        ]
        .concat()
    };
    let sheet = chosen.iter().map(|pair| row(pair)).collect();
    (chosen.into_iter().map(|(_, _, pair)| pair.clone()).collect(), sheet)
}

/// Who is on most of some images, where everybody is known; the smallest identity on ties.
fn person(samples: &[Sample], members: &[usize]) -> Option<Identity> {
    let mut counts: HashMap<Identity, usize> = HashMap::new();
    for &member in members {
        *counts.entry(samples[member].identity?).or_default() += 1;
    }
    counts.into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.0.cmp(&a.0.0))).map(|(identity, _)| identity)
}
