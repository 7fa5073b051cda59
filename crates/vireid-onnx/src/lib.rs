#![doc = include_str!("../README.md")]

mod error;
mod graph;
mod messages;
mod operations;

pub use error::OnnxError;
pub use graph::{Attribute, Axis, Element, Graph, Value};

/// Version of the operators that graphs are made of: that of the default domain.
pub const OPSET: i64 = 17;
/// Version of the file format.
pub const IR_VERSION: i64 = 8;
/// Who wrote a file, as it says itself.
pub const PRODUCER: &str = "vireid";
