//! Every golden case of the repository (or of `VIREID_GOLDEN_DIR`).

use vireid_tests::golden;

#[test]
fn golden_cases() {
    golden::run(&golden::directory()).unwrap();
}

#[test]
fn an_empty_folder_and_an_unknown_operation_fail() {
    let folder = tempfile::tempdir().unwrap();
    assert!(golden::run(folder.path()).unwrap_err().to_string().contains("no golden case"));
    let source = golden::directory();
    let some = std::fs::read_dir(&source)
        .unwrap()
        .filter_map(Result::ok)
        .find(|e| e.file_name().to_string_lossy().starts_with("gem_pool"));
    let bytes = std::fs::read(some.unwrap().path()).unwrap();
    let text: Vec<u8> = replace(&bytes, b"gem_pool", b"gem_pond");
    std::fs::write(folder.path().join("gem_pond__x.safetensors"), text).unwrap();
    assert!(golden::run(folder.path()).unwrap_err().to_string().contains("unknown operation 'gem_pond'"));
}

/// An operation that no case is of would never be compared.
#[test]
fn every_operation_has_a_case() {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/golden");
    let none: [&str; 0] = [];
    assert_eq!(golden::operations_without_a_case(own.as_ref()).unwrap(), none);
    let empty = tempfile::tempdir().unwrap();
    assert!(golden::operations_without_a_case(empty.path()).unwrap().contains(&"gem_pool"));
}

/// What the harness says to the case `gem_pool__p3` with its bytes changed.
fn after(change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/gem_pool__p3.safetensors")).unwrap();
    std::fs::write(folder.path().join("gem_pool__p3.safetensors"), change(bytes)).unwrap();
    golden::run(folder.path()).map_or_else(|error| error.to_string(), |()| "all is well".into())
}

#[test]
fn a_wrong_number_a_nan_and_a_tolerance_for_everything_fail() {
    assert_eq!(after(|bytes| bytes), "all is well");
    // The last value of the file belongs to the outputs or the inputs; either way the case no longer holds.
    let with_last = |value: f32| {
        move |mut bytes: Vec<u8>| {
            let last = bytes.len() - 4;
            bytes[last..].copy_from_slice(&value.to_le_bytes());
            bytes
        }
    };
    assert!(after(with_last(1e3)).contains("is off by"));
    assert!(after(with_last(f32::NAN)).contains("is off by NaN"));
    let infinite = after(|bytes| replace(&bytes, b"1e-05", b"1e999"));
    assert!(infinite.contains("with which nothing can fail"), "{infinite}");
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    while let Some(position) = bytes.windows(from.len()).position(|window| window == from) {
        bytes[position..position + from.len()].copy_from_slice(to);
    }
    bytes
}
