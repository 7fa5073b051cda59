//! The extension module behind the Python package `vireid`: arguments arrive checked by the package's own modules
//! (`python/vireid/`), which turn arrays of any kind into contiguous ones; here they become the types of the Rust crates.

mod arrays;
mod call;
mod clustering;
mod evaluation;
mod failure;
mod matching;
mod network;
mod program;

use pyo3::prelude::*;

#[pymodule]
mod _vireid {
    #[pymodule_export]
    use super::clustering::{cluster, dbscan, jaccard, kmeans, nearest, re_rank};
    #[pymodule_export]
    use super::evaluation::evaluate;
    #[pymodule_export]
    use super::matching::{bilateral, label_transfer, linear_assignment, multi_memory, sinkhorn};
    #[pymodule_export]
    use super::network::Network;
    #[pymodule_export]
    use super::program::{explain, program};
}
