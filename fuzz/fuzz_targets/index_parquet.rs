//! The fuzzer of indices of embeddings in Parquet.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vireid_fuzz::{Target, target};

static TARGET: LazyLock<Target> = LazyLock::new(|| target("index_parquet"));

fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
