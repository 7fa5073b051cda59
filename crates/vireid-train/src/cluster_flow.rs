//! Where the clusters of an epoch come from.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// Share of a cluster's images that an earlier cluster must give to be one of its sources.
const SOURCE: f64 = 0.25;

/// Where the clusters of an epoch come from, judged by the labels that their images had in the epoch before. An earlier
/// cluster is a source of a cluster when it gives at least a quarter of its images. Every cluster is kept, split,
/// merged or born.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ClusterFlow {
    /// Clusters with one source, which is a source of no other cluster.
    pub kept: usize,
    /// Clusters with one source, which is a source of other clusters too.
    pub split: usize,
    /// Clusters with several sources.
    pub merged: usize,
    /// Clusters without a source: no earlier cluster gave them a quarter of their images.
    pub born: usize,
    /// Earlier clusters that are a source of none.
    pub gone: usize,
}

impl ClusterFlow {
    /// Compares two labellings of the same images in the same order. `None` is noise; the numbers of the clusters mean
    /// nothing.
    pub fn between(before: &[Option<usize>], now: &[Option<usize>]) -> Self {
        let mut clusters: BTreeMap<usize, (usize, BTreeMap<usize, usize>)> = BTreeMap::new();
        for (before, now) in before.iter().zip(now) {
            let Some(now) = now else { continue };
            let (images, from) = clusters.entry(*now).or_default();
            *images += 1;
            if let Some(before) = before {
                *from.entry(*before).or_default() += 1;
            }
        }
        let sources: Vec<Vec<usize>> = clusters
            .values()
            .map(|(images, from)| {
                let enough = SOURCE * *images as f64;
                from.iter().filter(|&(_, &count)| count as f64 >= enough).map(|(&source, _)| source).collect()
            })
            .collect();
        let mut children: BTreeMap<usize, usize> = BTreeMap::new();
        sources.iter().flatten().for_each(|&source| *children.entry(source).or_default() += 1);
        let earlier: BTreeSet<usize> = before.iter().flatten().copied().collect();
        let mut flow = Self { gone: earlier.len() - children.len(), ..Self::default() };
        for of_cluster in &sources {
            match of_cluster[..] {
                [] => flow.born += 1,
                [one] if children[&one] > 1 => flow.split += 1,
                [_] => flow.kept += 1,
                _ => flow.merged += 1,
            }
        }
        flow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Vec<Option<usize>> {
        text.bytes().map(|byte| (byte != b'-').then(|| usize::from(byte - b'a'))).collect()
    }

    fn check(before: &str, now: &str, [kept, split, merged, born, gone]: [usize; 5]) {
        let expected = ClusterFlow { kept, split, merged, born, gone };
        assert_eq!(ClusterFlow::between(&labels(before), &labels(now)), expected, "{before} {now}");
    }

    #[test]
    fn names_mean_nothing() {
        check("aaaabbbb", "bbbbaaaa", [2, 0, 0, 0, 0]);
    }

    #[test]
    fn splits_merges_births_and_ends() {
        check("aaaabbbb", "aabbcccc", [1, 2, 0, 0, 0]);
        check("aaaabbbb", "aaaaaaaa", [0, 0, 1, 0, 0]);
        check("aaaa----", "aaaabbbb", [1, 0, 0, 1, 0]);
        check("aaaabbbb", "aaaa----", [1, 0, 0, 0, 1]);
        check("--------", "--------", [0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_stray_image_is_no_source() {
        check("aaaaabbbbb", "aaaaaabbbb", [2, 0, 0, 0, 0]);
    }
}
