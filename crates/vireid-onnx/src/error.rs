//! The errors of this crate, codes VR07xx.

use vireid_core::Coded;

/// Why a graph can't become a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// More bytes than one file of the format may have.
    #[error(
        "VR0701: the graph has {0} bytes, and an ONNX file with its weights inside has at most 2 GiB; export the weights alone (safetensors)"
    )]
    TooLarge(usize),
}

impl Coded for OnnxError {}
