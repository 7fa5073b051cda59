//! The modality-unified label transfer of MULT (He et al., IJCV 2024): soft labels of both modalities in each label space,
//! made consistent within a modality (by Jaccard affinities) and across modalities (by a transport plan).
//!
//! Written from the released code's behaviour; the paper's own equations were not at hand.

use rayon::prelude::*;
use vireid_core::{Embeddings, PerModality, follow};
use vireid_product::{Shape, multiply};

use crate::transport::argmax;
use crate::{ClusteringError, Scaling, Sinkhorn, SparseRows, TransportKernel};

/// A distribution over classes for every sample.
#[derive(Debug, Clone, PartialEq)]
pub struct SoftLabels {
    values: Vec<f32>,
    classes: usize,
}

impl SoftLabels {
    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Number of samples.
    pub fn samples(&self) -> usize {
        self.values.len() / self.classes
    }

    /// The distribution of a sample.
    pub fn row(&self, sample: usize) -> &[f32] {
        &self.values[sample * self.classes..(sample + 1) * self.classes]
    }

    /// All values, sample after sample.
    pub fn as_slice(&self) -> &[f32] {
        &self.values
    }

    /// All values, sample after sample, without a copy.
    pub fn into_values(self) -> Vec<f32> {
        self.values
    }

    /// The most likely class of every sample, the first on ties.
    pub fn hard(&self) -> Vec<usize> {
        self.values.chunks(self.classes).map(|row| argmax(row.iter().copied())).collect()
    }

    /// The softmax of the inner products with centroids over `temperature`.
    fn from_centroids(embeddings: &Embeddings, centroids: &Embeddings, temperature: f32) -> Self {
        let (classes, dim) = (centroids.rows(), centroids.dim());
        let mut values = vec![0.0f32; embeddings.rows() * classes];
        let transposed = Shape::row_major(classes, dim).transposed();
        let blocks = values.par_chunks_mut(BLOCK * classes).zip(embeddings.as_slice().par_chunks(BLOCK * dim));
        blocks.for_each(|(values, embeddings)| {
            let shape = Shape::row_major(embeddings.len() / dim, dim);
            multiply(values, (embeddings, shape), (centroids.as_slice(), transposed), false);
            for row in values.chunks_exact_mut(classes) {
                let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                row.iter_mut().for_each(|value| *value = ((*value - largest) / temperature).exp());
                let total: f32 = row.iter().sum();
                row.iter_mut().for_each(|value| *value /= total);
            }
        });
        Self { values, classes }
    }

    fn one_hot(labels: &[usize], classes: usize) -> Self {
        let mut values = vec![0.0; labels.len() * classes];
        labels.iter().enumerate().for_each(|(sample, label)| values[sample * classes + label] = 1.0);
        Self { values, classes }
    }
}

/// Settings of MULT's label transfer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelTransfer {
    /// Share of the initial labels that is kept in every round.
    pub alpha: f64,
    /// Temperature of the initial labels.
    pub temperature: f64,
    /// The transports between images and centroids, and between the images of the two modalities.
    pub transport: Sinkhorn,
    /// Relative change, summed over all labels, at which the rounds end.
    pub tolerance: f64,
    /// How many rounds are made at most.
    pub max_rounds: usize,
}

impl LabelTransfer {
    /// The constants of MULT's published code: alpha 0.2, temperature 0.05, rounds until a change of 0.01, at most 20.
    pub fn mult() -> Self {
        Self { alpha: 0.2, temperature: 0.05, transport: Sinkhorn::mult(), tolerance: 0.01, max_rounds: 20 }
    }
}

/// The samples of the two modalities and what is known of them before the transfer.
#[derive(Debug, Clone, Copy)]
pub struct TransferInput<'a> {
    /// Of length 1, every image, noise included.
    pub embeddings: &'a PerModality<Embeddings>,
    /// The means of each modality's clusters; not scaled to length 1 in the published method.
    pub centroids: &'a PerModality<Embeddings>,
    /// Jaccard distances within each modality; what is not stored is at distance 1.
    pub distances: &'a PerModality<SparseRows>,
}

/// The soft labels of all images in both label spaces. Classes are cluster numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct TransferredLabels {
    /// Each modality's images over its own clusters.
    pub own: PerModality<SoftLabels>,
    /// Each modality's images over the other modality's clusters.
    pub cross: PerModality<SoftLabels>,
    /// Rounds taken in the label space of each modality.
    pub rounds: PerModality<usize>,
}

impl LabelTransfer {
    /// Transfers labels in both label spaces.
    ///
    /// Memory: the transport kernel (`visible x infrared` f32) and a few label matrices (`images x clusters` f32).
    ///
    /// # Errors
    ///
    /// `VR0202` when sizes do not fit, `VR0205` when a modality has no image or no cluster, `VR0204` when a transport
    /// breaks down, `VR0201` for settings out of range.
    pub fn run(&self, input: TransferInput) -> Result<TransferredLabels, ClusteringError> {
        self.check(&input)?;
        let TransferInput { embeddings, centroids, distances } = input;
        let temperature = self.temperature as f32;
        let own = |embeddings, centroids| SoftLabels::from_centroids(embeddings, centroids, temperature);
        let cross = |embeddings, centroids: &Embeddings| -> Result<SoftLabels, ClusteringError> {
            let kernel = TransportKernel::between(embeddings, centroids, self.transport)?;
            Ok(SoftLabels::one_hot(&kernel.row_argmax(&kernel.solve()?), centroids.rows()))
        };
        let start = PerModality {
            visible: own(&embeddings.visible, &centroids.visible),
            infrared: own(&embeddings.infrared, &centroids.infrared),
        };
        let cross_start = PerModality {
            visible: cross(&embeddings.visible, &centroids.infrared)?,
            infrared: cross(&embeddings.infrared, &centroids.visible)?,
        };
        let kernel = TransportKernel::between(&embeddings.visible, &embeddings.infrared, self.transport)?;
        let scaling = kernel.solve()?;
        let plan = CrossPlan::new(&kernel, &scaling);
        let affinities = PerModality {
            visible: Affinities::new(&distances.visible),
            infrared: Affinities::new(&distances.infrared),
        };
        let (infrared, cross_visible, rounds_infrared) = self.alternate(
            (start.infrared, &affinities.infrared, &|other| plan.to_infrared(other)),
            (cross_start.visible, &affinities.visible, &|other| plan.to_visible(other)),
        );
        let (visible, cross_infrared, rounds_visible) = self.alternate(
            (start.visible, &affinities.visible, &|other| plan.to_visible(other)),
            (cross_start.infrared, &affinities.infrared, &|other| plan.to_infrared(other)),
        );
        follow("label transfer", 0).check()?;
        Ok(TransferredLabels {
            own: PerModality { visible, infrared },
            cross: PerModality { visible: cross_visible, infrared: cross_infrared },
            rounds: PerModality { visible: rounds_visible, infrared: rounds_infrared },
        })
    }

    fn check(&self, input: &TransferInput) -> Result<(), ClusteringError> {
        if !(0.0..=1.0).contains(&self.alpha) {
            let value = self.alpha.to_string();
            return Err(ClusteringError::Parameter { name: "alpha", value, expected: "from 0 to 1" });
        }
        if self.temperature.is_nan() || self.temperature <= 0.0 {
            let value = self.temperature.to_string();
            return Err(ClusteringError::Parameter { name: "temperature", value, expected: "above 0" });
        }
        let TransferInput { embeddings, centroids, distances } = input;
        for ((embeddings, centroids), distances) in [
            ((&embeddings.visible, &centroids.visible), &distances.visible),
            ((&embeddings.infrared, &centroids.infrared), &distances.infrared),
        ] {
            let equal = |what, left: usize, right: usize| match left == right {
                true => Ok(()),
                false => Err(ClusteringError::Length { what, left, right }),
            };
            equal("rows of distances and embeddings", distances.rows(), embeddings.rows())?;
            equal("dimensions of centroids and embeddings", centroids.dim(), embeddings.dim())?;
            if embeddings.rows() == 0 || centroids.rows() == 0 {
                return Err(ClusteringError::NothingToTransfer);
            }
        }
        Ok(())
    }

    /// The rounds of one label space: each side takes the other's labels across the plan, keeps a share of its first ones,
    /// and is smoothed over its own affinities.
    fn alternate(&self, home: Side, other: Side) -> (SoftLabels, SoftLabels, usize) {
        let ((home_start, home_affinities, to_home), (other_start, other_affinities, to_other)) = (home, other);
        let (mut home, mut other) = (home_start.clone(), other_start.clone());
        let steps = follow("label transfer", self.max_rounds);
        for round in (1..=self.max_rounds).take_while(|_| steps.step()) {
            let mixed_home = self.kept(to_home(&other), &home_start);
            let mixed_other = self.kept(to_other(&mixed_home), &other_start);
            let next_home = home_affinities.smoothed(&mixed_home);
            let next_other = other_affinities.smoothed(&mixed_other);
            let change = change(&home, &next_home).max(change(&other, &next_other));
            (home, other) = (next_home, next_other);
            if change <= self.tolerance {
                return (home, other, round);
            }
        }
        (home, other, self.max_rounds)
    }

    fn kept(&self, mut transferred: SoftLabels, start: &SoftLabels) -> SoftLabels {
        let (keep, take) = (self.alpha as f32, 1.0 - self.alpha as f32);
        let values = transferred.values.par_iter_mut().zip(&start.values);
        values.for_each(|(value, start)| *value = take * *value + keep * start);
        transferred
    }
}

/// The first labels of a modality, its affinities, and how the other modality's labels come to it.
type Side<'a> = (SoftLabels, &'a Affinities<'a>, &'a dyn Fn(&SoftLabels) -> SoftLabels);

/// `sum |new - old| / sum old`.
fn change(old: &SoftLabels, new: &SoftLabels) -> f64 {
    let rows = old.values.par_chunks(old.classes).zip(new.values.par_chunks(new.classes));
    let sums: Vec<(f64, f64)> = rows
        .map(|(old, new)| {
            let difference: f32 = old.iter().zip(new).map(|(old, new)| (new - old).abs()).sum();
            (f64::from(difference), old.iter().map(|&value| f64::from(value)).sum())
        })
        .collect();
    sums.iter().map(|sum| sum.0).sum::<f64>() / sums.iter().map(|sum| sum.1).sum::<f64>()
}

/// One less the distance, as weights that sum to 1 in every row.
struct Affinities<'a> {
    distances: &'a SparseRows,
    totals: Vec<f32>,
}

impl<'a> Affinities<'a> {
    fn new(distances: &'a SparseRows) -> Self {
        let total = |row| distances.row(row).1.iter().map(|distance| 1.0 - distance).sum();
        Self { distances, totals: (0..distances.rows()).map(total).collect() }
    }

    /// Half of each sample's labels and half of its neighbours' mean; a sample without neighbours keeps its own.
    fn smoothed(&self, labels: &SoftLabels) -> SoftLabels {
        let classes = labels.classes;
        let mut values = vec![0.0f32; labels.values.len()];
        values.par_chunks_mut(classes).enumerate().for_each(|(sample, target)| {
            let total = self.totals[sample];
            let own = if total > 0.0 { 0.5 } else { 1.0 };
            for (neighbour, distance) in self.distances.pairs(sample) {
                let weight = 0.5 * (1.0 - distance) / total;
                target.iter_mut().zip(labels.row(neighbour as usize)).for_each(|(to, from)| *to += weight * from);
            }
            target.iter_mut().zip(labels.row(sample)).for_each(|(to, from)| *to += own * from);
        });
        SoftLabels { values, classes }
    }
}

/// Both row-stochastic forms of the plan between visible and infrared images, on the kernel itself.
struct CrossPlan<'a> {
    kernel: &'a TransportKernel,
    scaling: &'a Scaling,
    /// What every row and column of the scaled kernel sums to.
    row_sums: Vec<f32>,
    column_sums: Vec<f32>,
}

/// Rows or columns of the kernel per product.
const BLOCK: usize = 256;

impl<'a> CrossPlan<'a> {
    fn new(kernel: &'a TransportKernel, scaling: &'a Scaling) -> Self {
        let mut plan = Self { kernel, scaling, row_sums: Vec::new(), column_sums: Vec::new() };
        let ones = |samples: usize| SoftLabels { values: vec![1.0; samples], classes: 1 };
        plan.row_sums = vec![1.0; kernel.rows];
        plan.column_sums = vec![1.0; kernel.columns];
        let (rows, columns) = (plan.to_visible(&ones(kernel.columns)), plan.to_infrared(&ones(kernel.rows)));
        (plan.row_sums, plan.column_sums) = (rows.values, columns.values);
        plan
    }

    /// Infrared labels to visible images.
    fn to_visible(&self, infrared: &SoftLabels) -> SoftLabels {
        let (classes, columns) = (infrared.classes, self.kernel.columns);
        let scaled = scaled(infrared, &self.scaling.column);
        let mut values = vec![0.0f32; self.kernel.rows * classes];
        let blocks = values.par_chunks_mut(BLOCK * classes).zip(self.kernel.values.par_chunks(BLOCK * columns));
        blocks.zip(self.row_sums.par_chunks(BLOCK)).for_each(|((values, kernel), sums)| {
            let shape = Shape::row_major(sums.len(), columns);
            multiply(values, (kernel, shape), (&scaled, Shape::row_major(columns, classes)), false);
            divide(values, classes, sums);
        });
        SoftLabels { values, classes }
    }

    /// Visible labels to infrared images.
    fn to_infrared(&self, visible: &SoftLabels) -> SoftLabels {
        let (classes, rows, columns) = (visible.classes, self.kernel.rows, self.kernel.columns);
        let scaled = scaled(visible, &self.scaling.row);
        let mut values = vec![0.0f32; columns * classes];
        let blocks = values.par_chunks_mut(BLOCK * classes).zip(self.column_sums.par_chunks(BLOCK)).enumerate();
        blocks.for_each(|(number, (values, sums))| {
            // A block of the kernel's columns, as rows.
            let shape = Shape { rows: sums.len(), columns: rows, row_stride: 1, column_stride: columns };
            let kernel = &self.kernel.values[number * BLOCK..];
            multiply(values, (kernel, shape), (&scaled, Shape::row_major(rows, classes)), false);
            divide(values, classes, sums);
        });
        SoftLabels { values, classes }
    }
}

fn scaled(labels: &SoftLabels, factors: &[f32]) -> Vec<f32> {
    let rows = labels.values.chunks_exact(labels.classes).zip(factors);
    rows.flat_map(|(row, factor)| row.iter().map(move |value| value * factor)).collect()
}

fn divide(values: &mut [f32], classes: usize, sums: &[f32]) {
    let rows = values.chunks_exact_mut(classes).zip(sums);
    rows.for_each(|(row, sum)| row.iter_mut().for_each(|value| *value /= sum));
}
