//! What a call of a program said, for tests of command lines.

use std::process::Output;

/// Standard output of a call that succeeds.
///
/// # Panics
///
/// When it fails, with what it said.
pub fn told(output: &Output, arguments: &[&str]) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Standard error of a call that fails with this status.
///
/// # Panics
///
/// When it ends otherwise, or in a panic.
pub fn refused(output: &Output, status: i32, arguments: &[&str]) -> String {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {errors}");
    assert!(!errors.contains("panicked"), "{errors}");
    errors
}
