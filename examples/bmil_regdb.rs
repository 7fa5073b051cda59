//! Trains BMIL on RegDB and prints its scores; on the built-in synthetic world when the data set is not there.
//!
//! ```text
//! cargo run --example bmil_regdb --release
//! cargo run --example bmil_regdb --release --features cuda -- --data /path/to/RegDB --device cuda:0
//! ```

use std::process::ExitCode;

use vireid_examples::run;

fn main() -> ExitCode {
    run("bmil_regdb")
}
