//! Files that the sources of a package read when they are compiled or tested: all must be in the package.

use std::path::Path;

use super::unpacked::Unpacked;
use crate::Failure;

/// What takes a file in, when it is compiled.
const TAKES_IN: [&str; 3] = ["include_str!(", "include_bytes!(", "include!("];
/// What names the package's folder.
const FOLDER: &str = "CARGO_MANIFEST_DIR";

/// Sources that take in what is not in the package, or look for something beside its folder.
pub(super) fn findings(package: &Unpacked) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for (source, text) in package.texts("rs")? {
        found.extend(of_source(package, source, &text));
    }
    Ok(found)
}

fn of_source(package: &Unpacked, source: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in TAKES_IN.iter().flat_map(|name| text.split(name).skip(1)) {
        match literal(rest) {
            Some(target) if !package.has(source, target) => {
                found.push(format!("{} takes in {target}, which is not in the package", source.display()));
            }
            // One that is put together; the folder itself is looked at below.
            _ => {}
        }
    }
    for target in text.split("#[path = ").skip(1).filter_map(literal) {
        if !package.has(source, target) {
            found.push(format!("{} has a module in {target}, which is not in the package", source.display()));
        }
    }
    for rest in text.split(FOLDER).skip(1) {
        let statement = rest.split([';', '}']).next().unwrap_or_default();
        if statement.contains("\"..") || statement.contains("/..") {
            found.push(format!("{} looks for files beside the package's folder", source.display()));
        }
    }
    found
}

/// The text in quotation marks that code begins with.
fn literal(code: &str) -> Option<&str> {
    code.trim_start().strip_prefix('"')?.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::super::unpacked::tests::package;
    use super::*;

    #[test]
    fn what_reaches_out_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let sound = r#"
            #![doc = include_str!("../README.md")]
            const A: &[u8] = include_bytes!(
                "data/a.bin"
            );
            const B: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/data/", "a.bin"));
            #[path = "../tests/shared.rs"]
            mod shared;
            fn path() -> PathBuf { Path::new(env!("CARGO_MANIFEST_DIR")).join("src") }
            fn other() -> &'static str { "../elsewhere" }
        "#;
        let bad = r#"
            const A: &str = include_str!("../../README.md");
            const B: &str = include_bytes!("none.bin");
            #[path = "../../tests/shared.rs"]
            mod shared;
            fn path() -> PathBuf { Path::new(env!("CARGO_MANIFEST_DIR")).join("../..") }
            const C: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
        "#;
        let files = [
            ("README.md", "#"),
            ("src/lib.rs", sound),
            ("src/data/a.bin", "a"),
            ("tests/shared.rs", ""),
            ("examples/bad.rs", bad),
        ];
        let said = findings(&package(folder.path(), &files)).unwrap();
        let expected = [
            "takes in ../../README.md, which is not in the package",
            "takes in none.bin, which is not in the package",
            "has a module in ../../tests/shared.rs, which is not in the package",
            "looks for files beside the package's folder",
            "looks for files beside the package's folder",
        ];
        assert_eq!(said, expected.map(|what| format!("examples/bad.rs {what}")));
    }
}
