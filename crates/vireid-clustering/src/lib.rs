//! Embeddings to pseudo-labels, and pseudo-labels of two modalities to associations.
//!
//! The chain of an epoch: [`nearest_neighbours`] ranks every sample's neighbours, [`JaccardEncoding`] turns the ranking
//! into sparse k-reciprocal encodings (widened by an [`Expansion`]), [`NeighbourGraph`] keeps the pairs within `eps`,
//! [`dbscan`] labels them and [`centroids`] averages the clusters. [`bilateral_match`], [`vote`], [`match_by_costs`]
//! and [`LabelTransfer`] associate the clusters of the two modalities, each as one published method does.
//!
//! Invariant: no N x N matrix is ever formed; memory grows with N times k. The one dense matrix is the kernel of a
//! transport between the two modalities.
//! Invariant: no file, image or device is seen here; functions take slices and return owned values.
//! Invariant: no third-party numeric type appears in a signature.
//! Invariant: results do not depend on the number of threads, except for approximate neighbours, which nobody gets
//! without asking.

#[cfg(feature = "hnsw")]
mod approximate;
mod assignment;
mod bilateral;
mod centroids;
mod dbscan;
mod dot;
mod error;
mod expansion;
mod graph;
mod jaccard;
mod kmeans;
mod mixture;
mod multi_memory;
mod neighbours;
mod reciprocal;
mod sparse;
mod transfer;
mod transport;
mod vote;

#[cfg(feature = "hnsw")]
pub use approximate::{ApproximateNeighbours, ApproximateRanking};
pub use assignment::linear_assignment;
pub use bilateral::{MatchOrientation, bilateral_match, squared_distances};
pub use centroids::{centroids, cluster_means};
pub use dbscan::dbscan;
pub use error::ClusteringError;
pub use expansion::{Expansion, Origin};
pub use graph::NeighbourGraph;
pub use jaccard::{JaccardEncoding, shared_rows_at};
pub use kmeans::{KMeans, KMeansClusters};
pub use mixture::{Gaussian, TwoGaussians};
pub use multi_memory::{ClusterMemories, CostDirection, MemoryMatching, match_by_costs, memory_costs};
pub use neighbours::{NeighbourRanking, nearest_across, nearest_neighbours};
pub use sparse::SparseRows;
pub use transfer::{LabelTransfer, SoftLabels, TransferInput, TransferredLabels};
pub use transport::{LogScaling, Scaling, Sinkhorn, TransportKernel, sinkhorn_log};
pub use vote::{VotedPair, vote, vote_among};

/// The README's example is a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
