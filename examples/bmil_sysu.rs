//! Trains BMIL on SYSU-MM01 and prints its scores; on the built-in synthetic world when the data set is not there.
//!
//! ```text
//! cargo run --example bmil_sysu --release
//! cargo run --example bmil_sysu --release --features cuda -- --data /path/to/SYSU-MM01 --device cuda:0
//! ```

use std::process::ExitCode;

use vireid_examples::run;

fn main() -> ExitCode {
    run("bmil_sysu")
}
