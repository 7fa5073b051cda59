//! The fuzzer of files of NumPy.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vireid_fuzz::{Target, target};

static TARGET: LazyLock<Target> = LazyLock::new(|| target("index_npy"));

fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
