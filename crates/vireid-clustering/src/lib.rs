//! Embeddings to pseudo-labels.
//!
//! The chain of an epoch: [`nearest_neighbours`] ranks every sample's neighbours, [`JaccardEncoding`] turns the ranking
//! into sparse k-reciprocal encodings, [`NeighbourGraph`] keeps the pairs within `eps`, [`dbscan`] labels them,
//! [`centroids`] averages the clusters and [`bilateral_match`] associates those of the two modalities.
//!
//! Invariant: no N x N matrix is ever formed; memory grows with N times k.
//! Invariant: no file, image or device is seen here; functions take slices and return owned values.
//! Invariant: no third-party numeric type appears in a signature.

mod assignment;
mod bilateral;
mod centroids;
mod dbscan;
mod error;
mod graph;
mod jaccard;
mod neighbours;

pub use assignment::linear_assignment;
pub use bilateral::{MatchOrientation, bilateral_match, squared_distances};
pub use centroids::centroids;
pub use dbscan::dbscan;
pub use error::ClusteringError;
pub use graph::NeighbourGraph;
pub use jaccard::{JaccardConfig, JaccardEncoding};
pub use neighbours::{NeighbourRanking, nearest_neighbours};
