//! Cluster numbers, and the labels that a clustering gives.

use std::fmt;
use std::marker::PhantomData;

use crate::{ClusterTag, CoreError};

/// The number of a cluster, counted from 0, among the clusters that its tag stands for: those of one modality, or with
/// `()` the only ones there are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterId<T: ClusterTag = ()> {
    index: u32,
    tag: PhantomData<T>,
}

impl<T: ClusterTag> ClusterId<T> {
    /// The cluster of number `index`.
    pub fn new(index: usize) -> Self {
        Self { index: index as u32, tag: PhantomData }
    }

    /// The cluster's position among those of its tag: the row of its centroid and of its memory.
    pub fn index(self) -> usize {
        self.index as usize
    }
}

impl<T: ClusterTag> fmt::Debug for ClusterId<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", T::NAME, self.index)
    }
}

/// The pseudo-label of each sample of one set; `None` is noise.
///
/// The samples of a modality carry its tag, so that nobody takes one modality's clusters for the other's. Whoever has a
/// single set of samples leaves the tag out:
///
/// ```
/// use vireid_core::PseudoLabels;
///
/// let labels: PseudoLabels = PseudoLabels::new(&[Some(1), None, Some(0), Some(1)])?;
/// assert_eq!((labels.clusters(), labels.noise()), (2, 1));
/// assert_eq!(labels.members(), [vec![2], vec![0, 3]]);
/// # Ok::<(), vireid_core::CoreError>(())
/// ```
///
/// Invariant: clusters are numbered 0, 1, ... without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PseudoLabels<T: ClusterTag = ()> {
    labels: Vec<Option<ClusterId<T>>>,
    clusters: usize,
}

impl<T: ClusterTag> PseudoLabels<T> {
    /// Takes the labels of a clustering.
    ///
    /// # Errors
    ///
    /// `VR0003` when a number below the largest is used by no sample.
    pub fn new(labels: &[Option<usize>]) -> Result<Self, CoreError> {
        let clusters = labels.iter().flatten().max().map_or(0, |largest| largest + 1);
        // A number beyond all samples leaves a gap below: numbers from elsewhere decide on no memory.
        let mut used = vec![false; clusters.min(labels.len() + 1)];
        for &label in labels.iter().flatten() {
            if let Some(used) = used.get_mut(label) {
                *used = true;
            }
        }
        if let Some(missing) = used.iter().position(|used| !used) {
            return Err(CoreError::LabelGap { of: T::NAME, missing });
        }
        Ok(Self { labels: labels.iter().map(|label| label.map(ClusterId::new)).collect(), clusters })
    }

    /// Takes labels of which some numbers may be used by no sample, and numbers the used ones anew in their order.
    pub fn compact(labels: &[Option<usize>]) -> Self {
        let mut used: Vec<usize> = labels.iter().flatten().copied().collect();
        used.sort_unstable();
        used.dedup();
        // Every label is among the used ones.
        let number = |label: usize| ClusterId::new(used.binary_search(&label).unwrap_or(0));
        Self { labels: labels.iter().map(|label| label.map(number)).collect(), clusters: used.len() }
    }

    /// The label of every sample, in sample order.
    pub fn as_slice(&self) -> &[Option<ClusterId<T>>] {
        &self.labels
    }

    /// The labels as plain numbers.
    pub fn indices(&self) -> Vec<Option<usize>> {
        self.labels.iter().map(|label| label.map(ClusterId::index)).collect()
    }

    /// Number of samples, noise included.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no sample at all.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Number of clusters.
    pub fn clusters(&self) -> usize {
        self.clusters
    }

    /// Number of samples without a cluster.
    pub fn noise(&self) -> usize {
        self.labels.iter().filter(|label| label.is_none()).count()
    }

    /// For each cluster the ascending positions of its samples.
    pub fn members(&self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.clusters];
        for (sample, label) in self.labels.iter().enumerate() {
            if let Some(cluster) = label {
                members[cluster.index()].push(sample);
            }
        }
        members
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Infrared, Visible};

    #[test]
    fn members_and_noise() {
        let labels = PseudoLabels::<Visible>::new(&[Some(1), None, Some(0), Some(1)]).unwrap();
        assert_eq!(labels.clusters(), 2);
        assert_eq!(labels.noise(), 1);
        assert_eq!(labels.members(), vec![vec![2], vec![0, 3]]);
    }

    #[test]
    fn a_gap_is_an_error() {
        let gap = PseudoLabels::<Infrared>::new(&[Some(0), Some(2)]);
        assert!(gap.unwrap_err().to_string().starts_with("VR0003: infrared clusters"));
        let gap = PseudoLabels::<()>::new(&[Some(1)]);
        assert!(gap.unwrap_err().to_string().starts_with("VR0003: clusters"));
    }

    #[test]
    fn compact_closes_gaps_in_order() {
        let labels = PseudoLabels::<Infrared>::compact(&[Some(7), None, Some(2), Some(7)]);
        assert_eq!((labels.clusters(), labels.indices()), (2, vec![Some(1), None, Some(0), Some(1)]));
    }

    #[test]
    fn no_sample_has_no_cluster() {
        let labels = PseudoLabels::<Visible>::new(&[]).unwrap();
        assert_eq!((labels.clusters(), labels.noise(), labels.is_empty()), (0, 0, true));
    }
}
