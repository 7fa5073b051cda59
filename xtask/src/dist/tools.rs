//! Programs of others that packing needs; no build does.

use std::process::Command;

use crate::Failure;
use crate::cargo::cargo;

/// Their names as words of Cargo, and how each is installed, in the version that it was written for.
const TOOLS: [(&str, &str); 3] =
    [("about", "cargo-about@0.9.3 --features cli"), ("cyclonedx", "cargo-cyclonedx@0.5.9"), ("deb", "cargo-deb@3.8.0")];

/// Says what is missing and how to get it.
pub(super) fn check() -> Result<(), Failure> {
    let is_there = |command: &mut Command| command.arg("--version").output().is_ok_and(|out| out.status.success());
    let missing = TOOLS.iter().filter(|(word, _)| !is_there(cargo().arg(word)));
    let installs: String = missing.map(|(_, install)| format!("\n  cargo install --locked {install}")).collect();
    if !installs.is_empty() {
        return Err(format!("packing needs programs that are not here:{installs}").into());
    }
    // It finds out which libraries of the system a package needs; without it a package would ask for none.
    if is_there(&mut Command::new("dpkg-shlibdeps")) { Ok(()) } else { Err("packing needs Debian's dpkg-dev".into()) }
}
