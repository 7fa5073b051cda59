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

#[test]
fn a_wrong_number_fails() {
    let folder = tempfile::tempdir().unwrap();
    let source = golden::directory().join("gem_pool__p3.safetensors");
    let mut bytes = std::fs::read(source).unwrap();
    // The last value of the file belongs to the outputs or the inputs; either way the case no longer holds.
    let last = bytes.len() - 1;
    bytes[last] ^= 0x40;
    std::fs::write(folder.path().join("gem_pool__p3.safetensors"), bytes).unwrap();
    assert!(golden::run(folder.path()).is_err());
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    while let Some(position) = bytes.windows(from.len()).position(|window| window == from) {
        bytes[position..position + from.len()].copy_from_slice(to);
    }
    bytes
}
