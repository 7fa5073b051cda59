//! Trains BMIL on LLCM and prints its scores; on the built-in synthetic world when the data set is not there.
//!
//! ```text
//! cargo run --example bmil_llcm --release
//! cargo run --example bmil_llcm --release --features cuda -- --data /path/to/LLCM --device cuda:0
//! ```

use std::process::ExitCode;

use vireid_examples::run;

fn main() -> ExitCode {
    run("bmil_llcm")
}
