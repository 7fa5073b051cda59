#![doc = include_str!("../README.md")]

mod address;
mod copy;
mod engines;
mod error;
mod facts;
mod filter;
mod in_memory;
mod local;
mod moment;
mod recall;
mod store;

pub use address::{Address, LanceAddress, Opening, PostgresAddress, QdrantAddress};
pub use copy::{Copied, copy};
#[cfg(feature = "lance")]
pub use engines::Lance;
#[cfg(feature = "postgres")]
pub use engines::Postgres;
#[cfg(feature = "qdrant")]
pub use engines::Qdrant;
pub use error::GalleryError;
pub use facts::{Facts, MAX_ID, MAX_METADATA, MAX_NAME, Scalar};
pub use filter::Filter;
pub use in_memory::InMemory;
pub use local::{Fault, Health, Keep, Local};
pub use moment::Moment;
pub use recall::{Recall, recall};
pub use store::{Added, Count, Existing, Hit, Item, Judgement, Keeps, Kept, Model, Page, Store};

// With small chunks and tombstones, which only the library's own tests have.
#[cfg(test)]
extern crate self as vireid_gallery;
#[cfg(test)]
#[path = "../tests/same_as_in_memory.rs"]
mod same_as_in_memory;
