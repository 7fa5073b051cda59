//! Each fuzzer's target on its whole corpus and on damaged copies of it: what can be had in seconds and without a fuzzer.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use vireid_core::Streams;
use vireid_fuzz::mutation::damaged;
use vireid_fuzz::{Target, target, targets};

/// Damaged copies that each target gets, of all files of its corpus together.
const COPIES: usize = 4000;
/// A corpus is a start for a fuzzer, not a collection.
const LARGEST_CORPUS: u64 = 128 << 10;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = root().join("corpus").join(target);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_unstable();
    files
}

/// Runs the target; a panic is told with the input, which is kept for a look.
fn feed(target: Target, bytes: &[u8], what: &str) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))).is_err() {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-finding", target.name));
        fs::write(&kept, bytes).unwrap();
        panic!("{} panics on {what}; the input is in {}", target.name, kept.display());
    }
}

fn smoke(name: &str) {
    let target = target(name);
    let files: Vec<(PathBuf, Vec<u8>)> =
        corpus(name).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    for (path, bytes) in &files {
        feed(target, bytes, &path.display().to_string());
    }
    let streams = Streams::new(0);
    for copy in 0..COPIES {
        let (path, bytes) = &files[copy % files.len()];
        let mut stream = streams.stream(name, [copy as u64, 0, 0]);
        let other = &files[stream.below(files.len())].1;
        feed(target, &damaged(bytes, other, &mut stream), &format!("copy {copy}, of {}", path.display()));
    }
}

macro_rules! smoke_tests {
    ($($name:ident),*) => {
        $(#[test] fn $name() { smoke(stringify!($name)); })*
        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

smoke_tests!(
    gallery,
    image,
    llcm_lists,
    manifest_csv,
    manifest_parquet,
    regdb_lists,
    sysu_lists,
    checkpoint,
    config,
    events,
    index_npy,
    index_parquet,
    optimizer_record,
    setting,
    weights_pth,
    weights_safetensors
);

#[test]
fn every_target_has_a_fuzzer_a_corpus_and_a_smoke_test() {
    let names: BTreeSet<String> = targets().iter().map(|target| target.name.to_string()).collect();
    let in_folder = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_string()).collect()
    };
    assert_eq!(names, in_folder("corpus"));
    assert_eq!(names, in_folder("fuzz_targets"));
    assert_eq!(names, TESTED.iter().map(|name| name.to_string()).collect());
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    for name in &names {
        let program = format!("path = \"fuzz_targets/{name}.rs\"");
        assert!(manifest.contains(&program), "fuzz/Cargo.toml lacks {program}");
    }
}

#[test]
fn corpora_are_small() {
    for target in targets() {
        let length: u64 = corpus(target.name).iter().map(|path| path.metadata().unwrap().len()).sum();
        assert!(length < LARGEST_CORPUS, "{}: {length} bytes", target.name);
    }
}

/// Else every drawing of them would change files that nobody changed.
#[test]
fn seeds_are_the_same_every_time() {
    for target in targets() {
        // Another thread has another scratch folder.
        let elsewhere = std::thread::spawn(target.seeds).join().unwrap();
        assert!(elsewhere == (target.seeds)(), "{}", target.name);
    }
}

/// An index that is refused before its pages are read would hold nothing of what its name says.
#[cfg(feature = "program")]
#[test]
fn the_damaged_index_is_one_whose_parser_panics() {
    let damaged = root().join("corpus/index_parquet/found-no-dictionary.parquet");
    let said = vireid::EmbeddingsFile::load(&damaged).unwrap_err().to_string();
    assert!(said.contains("its parser gave up"), "{said}");
}

/// Makes the gallery that is damaged anew: `cargo test --release -p vireid-fuzz --test smoke -- --ignored make_gallery`.
#[test]
#[ignore = "writes into the repository"]
fn make_gallery() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gallery");
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    vireid_fuzz::gallery::make(&folder);
    fs::remove_file(folder.join("lock")).unwrap();
}

/// Draws the first files of every corpus anew:
/// `cargo test --release -p vireid-fuzz --test smoke -- --ignored write_seeds`.
#[test]
#[ignore = "writes into the repository"]
fn write_seeds() {
    for target in targets() {
        let folder = root().join("corpus").join(target.name);
        fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in (target.seeds)() {
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
}
