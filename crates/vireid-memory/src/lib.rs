#![doc = include_str!("../README.md")]

mod bank;

pub use bank::{MemoryBank, by_label, normalize_rows};
