//! The methods' tables: this project's records beside the papers' values. What makes the records is in the studies.

mod benchmark;
mod pages;
mod published;
mod record;
mod runs;
mod table;
mod unpaired;

pub use benchmark::Benchmark;
pub(crate) use pages::{Pages, pages};
pub use published::{Ablation, Published, Value};
pub use record::{Evaluation, QueryCount, Record, Score, Spread, WORLD, is_quick};
