#![doc = include_str!("../README.md")]

mod error;
mod facts;
mod filter;
mod in_memory;
mod local;
mod moment;
mod store;

pub use error::GalleryError;
pub use facts::{Facts, MAX_ID, MAX_METADATA, MAX_NAME, Scalar};
pub use filter::Filter;
pub use in_memory::InMemory;
pub use local::{Fault, Health, Keep, Local};
pub use moment::Moment;
pub use store::{Added, Count, Existing, Hit, Item, Judgement, Kept, Model, Page, Store};
