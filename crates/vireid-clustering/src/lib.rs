// The README's links lead to files of the repository. Here they lead to the items: the first definition of a link counts.
//! [`bilateral_match`]: crate::bilateral_match()
//! [`centroids`]: crate::centroids()
//! [`ClusteringError`]: crate::ClusteringError
//! [`dbscan`]: crate::dbscan()
//! [`Expansion`]: crate::Expansion
//! [`JaccardDbscan`]: crate::JaccardDbscan
//! [`JaccardEncoding`]: crate::JaccardEncoding
//! [`KMeans`]: crate::KMeans
//! [`LabelTransfer`]: crate::LabelTransfer
//! [`linear_assignment`]: crate::linear_assignment()
//! [`match_by_costs`]: crate::match_by_costs()
//! [`memory_costs`]: crate::memory_costs()
//! [`nearest_neighbours`]: crate::nearest_neighbours()
//! [`NeighbourGraph`]: crate::NeighbourGraph
//! [`Neighbourhood`]: crate::Neighbourhood
//! [`ReRanking`]: crate::ReRanking
//! [`Sinkhorn`]: crate::Sinkhorn
//! [`sinkhorn_log`]: crate::sinkhorn_log()
//! [`TransportKernel`]: crate::TransportKernel
//! [`TwoGaussians`]: crate::TwoGaussians
//! [`vote`]: crate::vote()
//!
#![doc = include_str!("../README.md")]

#[cfg(feature = "hnsw")]
mod approximate;
mod assignment;
mod bilateral;
mod blocks;
mod centroids;
mod cut_quality;
mod cuts;
mod dbscan;
mod dot;
mod error;
mod expansion;
mod found;
mod graph;
mod grouped;
mod jaccard;
mod jaccard_dbscan;
mod kmeans;
mod lists;
mod mixture;
mod multi_memory;
#[cfg(feature = "ndarray")]
mod ndarrays;
mod neighbourhood;
mod neighbours;
mod re_ranking;
mod reciprocal;
mod selection;
mod sparse;
mod transfer;
mod transport;
mod vote;

#[cfg(feature = "hnsw")]
pub use approximate::{ApproximateNeighbours, ApproximateRanking};
pub use assignment::linear_assignment;
pub use bilateral::{MatchOrientation, bilateral_match};
pub use centroids::{centroids, cluster_means};
pub use cut_quality::CutQuality;
pub use cuts::{Cut, Cuts};
pub use dbscan::dbscan;
pub use error::ClusteringError;
pub use expansion::{Expansion, Origin};
pub use found::Neighbours;
pub use graph::NeighbourGraph;
pub use jaccard::{JaccardEncoding, shared_rows_at};
pub use jaccard_dbscan::{JaccardClusters, JaccardDbscan};
pub use kmeans::{KMeans, KMeansClusters};
pub use mixture::{Gaussian, TwoGaussians};
pub use multi_memory::{ClusterMemories, CostDirection, MemoryMatching, match_by_costs, memory_costs};
pub use neighbourhood::{CameraCounts, Neighbourhood};
pub use neighbours::{NeighbourRanking, nearest_across, nearest_neighbours};
pub use re_ranking::ReRanking;
pub use sparse::SparseRows;
pub use transfer::{LabelTransfer, SoftLabels, TransferInput, TransferredLabels};
pub use transport::{LogScaling, Scaling, Sinkhorn, TransportKernel, sinkhorn_log};
pub use vote::{VotedPair, vote, vote_among};
