//! How a batch's images are spread over the groups of batch norm.

use burn::tensor::Tensor;
use vireid_core::{Modality, PerModality};

use crate::{BatchGroups, Features};

/// How many images of either modality each group of batch norm has, in batch order.
///
/// In a joint batch each group's images of both modalities are next to each other, visible first, as on a device of
/// replicated training, which holds a chunk of either.
#[derive(Debug, Clone)]
pub(crate) struct Shares(Vec<(usize, usize)>);

impl Shares {
    /// The shares of a batch in at most `groups` groups.
    pub(crate) fn new(images: PerModality<usize>, groups: usize) -> Self {
        let (visible, infrared) = BatchGroups::paired(images.visible, images.infrared, groups);
        Self(visible.sizes().iter().copied().zip(infrared.sizes().iter().copied()).collect())
    }

    /// The groups of one modality's images alone.
    pub(crate) fn of(&self, modality: Modality) -> BatchGroups {
        let size = |&(visible, infrared): &(usize, usize)| match modality {
            Modality::Visible => visible,
            Modality::Infrared => infrared,
        };
        BatchGroups::of_sizes(self.0.iter().map(size).collect())
    }

    /// The groups of the joint batch.
    pub(crate) fn joined(&self) -> BatchGroups {
        BatchGroups::of_sizes(self.0.iter().map(|(visible, infrared)| visible + infrared).collect())
    }

    /// The joint batch.
    pub(crate) fn join<const D: usize>(&self, batch: PerModality<Tensor<D>>) -> Tensor<D> {
        let PerModality { visible, infrared } = batch;
        if self.0.len() == 1 {
            return Tensor::cat(vec![visible, infrared], 0);
        }
        let (mut parts, mut starts) = (Vec::new(), (0, 0));
        for &(v, i) in &self.0 {
            parts.push(visible.clone().narrow(0, starts.0, v));
            parts.push(infrared.clone().narrow(0, starts.1, i));
            starts = (starts.0 + v, starts.1 + i);
        }
        Tensor::cat(parts, 0)
    }

    /// Sorts out what [`join`](Self::join) put together.
    pub(crate) fn separate(&self, features: &Features) -> PerModality<Features> {
        let (mut visible, mut infrared, mut start) = (Vec::new(), Vec::new(), 0);
        for &(v, i) in &self.0 {
            visible.push(features.narrow(start, v));
            infrared.push(features.narrow(start + v, i));
            start += v + i;
        }
        PerModality { visible, infrared }.map(|mut parts| {
            if parts.len() == 1 {
                return parts.remove(0);
            }
            let (pooled, embedding) = parts.into_iter().map(|part| (part.pooled, part.embedding)).unzip();
            Features { pooled: Tensor::cat(pooled, 0), embedding: Tensor::cat(embedding, 0) }
        })
    }
}
