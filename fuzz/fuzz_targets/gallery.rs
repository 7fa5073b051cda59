//! The fuzzer of galleries on disk.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vireid_fuzz::{Target, target};

static TARGET: LazyLock<Target> = LazyLock::new(|| target("gallery"));

fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
