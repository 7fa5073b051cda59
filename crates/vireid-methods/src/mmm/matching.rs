//! Multi-memory learning and matching: every cluster is split into several memories, and every visible cluster takes the
//! label of the infrared cluster that its memories are nearest to.

use rayon::prelude::*;
use vireid_clustering::{ClusterMemories, KMeans, match_by_costs, memory_costs};
use vireid_core::{Embeddings, PerModality, Streams};

use super::settings::Switches;
use vireid_train::MethodError;

/// Labels in the space of infrared clusters, for both modalities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedLabels {
    /// The label of each image; `None` is not trained on.
    pub labels: PerModality<Vec<Option<usize>>>,
    /// Width of a classifier over them.
    pub classes: usize,
}

/// The memories of every cluster of one modality: the centroids of k-means within the cluster, or its samples where it
/// has no more than `count`.
///
/// `which` tells the modalities' random streams apart.
///
/// # Errors
///
/// What k-means refuses.
pub fn cluster_memories(
    embeddings: &Embeddings,
    labels: &[Option<usize>],
    count: usize,
    coordinates: bool,
    streams: Streams,
    which: u64,
) -> Result<Vec<ClusterMemories>, MethodError> {
    let clusters = labels.iter().flatten().max().map_or(0, |largest| largest + 1);
    let mut members = vec![Vec::new(); clusters];
    for (position, label) in labels.iter().enumerate() {
        label.iter().for_each(|&label| members[label].push(position));
    }
    members
        .par_iter()
        .enumerate()
        .map(|(cluster, members)| {
            let points = embeddings.select(members);
            if members.len() >= count {
                let mut stream = streams.stream("multi_memory", [which, cluster as u64, 0]);
                return Ok(ClusterMemories::Points(KMeans::new(count).fit(&points, &mut stream)?.centroids));
            }
            if !coordinates {
                return Ok(ClusterMemories::Points(points));
            }
            let mean = |d: usize| members.iter().map(|&m| embeddings.row(m)[d]).sum::<f32>() / members.len() as f32;
            Ok(ClusterMemories::Coordinates((0..count.min(embeddings.dim())).map(mean).collect()))
        })
        .collect()
}

/// Gives visible clusters the labels of infrared ones.
///
/// # Errors
///
/// What k-means and the assignment refuse.
pub fn match_clusters(
    embeddings: &PerModality<Embeddings>,
    labels: &PerModality<Vec<Option<usize>>>,
    count: usize,
    switches: &Switches,
    streams: Streams,
) -> Result<MatchedLabels, MethodError> {
    let memories = |embeddings, labels, which| {
        let mut of = cluster_memories(embeddings, labels, count, switches.coordinates_for_memories, streams, which)?;
        if switches.skip_last_cluster {
            of.pop();
        }
        Ok::<_, MethodError>(of)
    };
    let visible = memories(&embeddings.visible, &labels.visible, 0)?;
    let infrared = memories(&embeddings.infrared, &labels.infrared, 1)?;
    let costs = memory_costs(&visible, &infrared, switches.direction.into())?;
    let matched = match_by_costs(&costs, visible.len(), infrared.len(), switches.matching.into())?;
    // A visible cluster outside the matching keeps its own number, as the released code leaves it.
    let relabel = |label: usize| matched.get(label).copied().flatten().unwrap_or(label);
    let relabelled = PerModality {
        visible: labels.visible.iter().map(|label| label.map(relabel)).collect(),
        infrared: labels.infrared.clone(),
    };
    Ok(filter(relabelled, switches.lenient_filter))
}

/// Drops what can't be trained on and counts classes.
///
/// The released code counts noise as a label, drops labels above the larger count of the two modalities (one too few
/// then), and takes the larger number of labels left for the classes; a label beyond them ends its training with an error,
/// which is why such images are dropped here too.
pub fn filter(mut labels: PerModality<Vec<Option<usize>>>, lenient: bool) -> MatchedLabels {
    let distinct = |labels: &[Option<usize>]| {
        let mut values: Vec<Option<usize>> = labels.to_vec();
        values.sort_unstable();
        values.dedup();
        values
    };
    let classes = if lenient {
        let limit = distinct(&labels.visible).len().max(distinct(&labels.infrared).len());
        for labels in [&mut labels.visible, &mut labels.infrared] {
            labels.iter_mut().for_each(|label| *label = label.filter(|&label| label <= limit));
        }
        let kept = |labels: &[Option<usize>]| distinct(labels).iter().flatten().count();
        kept(&labels.visible).max(kept(&labels.infrared))
    } else {
        labels.infrared.iter().flatten().max().map_or(0, |largest| largest + 1)
    };
    for labels in [&mut labels.visible, &mut labels.infrared] {
        labels.iter_mut().for_each(|label| *label = label.filter(|&label| label < classes));
    }
    MatchedLabels { labels, classes }
}
