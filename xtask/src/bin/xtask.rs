//! `cargo xtask`.

fn main() -> std::process::ExitCode {
    xtask::run(std::env::args_os().skip(1).collect())
}
