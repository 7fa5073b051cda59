//! True people, and cameras.

/// The true person behind a sample.
///
/// Only evaluation and diagnostics accept it; no training code does, and nothing turns it into a
/// [`ClusterId`](crate::ClusterId).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(pub u32);

/// A camera, by the number that the data set gives it (SYSU-MM01: 1 to 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Camera(pub u16);
