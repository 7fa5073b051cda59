//! `cargo xtask device-kit`: packs what a machine with a card and without Rust needs to say what this commit does there.
//!
//! The kit holds the program and the studies', stripped, the golden cases, PyTorch's part of the benchmark, CUDA's headers for a
//! machine that has its libraries alone, and the script that runs it all. Worlds are drawn there, from their seeds.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use flate2::{Compression, GzBuilder};

use crate::Failure;
use crate::cargo::cargo;

/// The largest kit: what an upload of a few minutes takes.
const LARGEST_MIB: f64 = 55.0;
const FOLDER: &str = "device-kit";
/// The name that a kit has within its own gzip header, by which it is known again.
const KIT_NAME: &str = "vireid-device-kit.tar";
/// The golden cases, unless `VIREID_GOLDEN_DIR` names others.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden");
const RUN: &str = include_str!("../../benches/device-kit/run.sh");
const PEER: &str = include_str!("../../benches/peer/train.py");

#[derive(Args)]
pub(crate) struct Arguments {
    /// File to write
    #[arg(long, default_value = "target/device-kit.tar.gz")]
    out: PathBuf,
    /// Features of the build, such as `cuda` or `wgpu`
    #[arg(long, default_value = "cuda")]
    features: String,
    /// Folder of CUDA's headers; default: `$CUDA_PATH/include`
    #[arg(long)]
    headers: Option<PathBuf>,
}

/// Builds, packs, and says how to run it.
pub(crate) fn run(arguments: &Arguments, force: bool) -> Result<(), Failure> {
    if !force && is_of_others(&arguments.out) {
        let out = arguments.out.display();
        return Err(format!("VR0626: {out} exists and is not a kit for a machine with a card that vireid wrote; name another file, or pass --force to write over it").into());
    }
    let headers =
        arguments.headers.clone().or_else(|| Some(PathBuf::from(std::env::var_os("CUDA_PATH")?).join("include")));
    if let Some(folder) = arguments.headers.as_deref().filter(|folder| !folder.join("cuda_fp16.h").exists()) {
        return Err(format!("{}: CUDA's headers are not there (cuda_fp16.h, mma.h)", folder.display()).into());
    }
    let programs = build(&arguments.features)?;
    if let Some(parent) = arguments.out.parent() {
        fs::create_dir_all(parent)?;
    }
    pack(&arguments.out, &programs, headers.as_deref())?;
    let mib = fs::metadata(&arguments.out)?.len() as f64 / f64::from(1 << 20);
    let name = arguments.out.file_name().unwrap_or_default().to_string_lossy();
    println!(
        "{}: {mib:.1} MiB; on the machine with the card:\n  tar xzf {name} && bash {FOLDER}/run.sh",
        arguments.out.display()
    );
    if mib > LARGEST_MIB {
        return Err(format!("the kit is larger than {LARGEST_MIB} MiB").into());
    }
    Ok(())
}

/// Whether the file is there and was not packed here.
fn is_of_others(out: &Path) -> bool {
    let Ok(entry) = fs::metadata(out) else { return false };
    let is_at_stake = entry.is_file() || entry.is_dir();
    let mut beginning = Vec::new();
    let read = File::open(out).and_then(|file| file.take(64).read_to_end(&mut beginning));
    let is_kit = read.is_ok() && beginning.windows(KIT_NAME.len()).any(|part| part == KIT_NAME.as_bytes());
    is_at_stake && !is_kit
}

/// The program and the studies' with the features.
fn build(features: &str) -> Result<Vec<PathBuf>, Failure> {
    let of_both: Vec<String> = features
        .split(',')
        .flat_map(|feature| ["vireid", "vireid-studies"].map(|package| format!("{package}/{feature}")))
        .collect();
    let mut cargo = cargo();
    cargo.args(["build", "--release", "--locked", "--package", "vireid", "--package", "vireid-studies"]);
    cargo.args(["--features", &of_both.join(","), "--message-format", "json-render-diagnostics"]);
    let output = cargo.stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("the build failed".into());
    }
    let programs: Vec<PathBuf> = String::from_utf8_lossy(&output.stdout).lines().filter_map(executable).collect();
    if programs.len() == 2 { Ok(programs) } else { Err(format!("the build made {programs:?}").into()) }
}

/// The program that a line of Cargo's report tells of.
fn executable(line: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    Some(PathBuf::from(message.get("executable")?.as_str()?))
}

fn pack(out: &Path, programs: &[PathBuf], headers: Option<&Path>) -> Result<(), Failure> {
    let packed = GzBuilder::new().filename(KIT_NAME).write(File::create(out)?, Compression::best());
    let mut archive = tar::Builder::new(packed);
    let place = |name: &str| Path::new(FOLDER).join(name);
    let scratch = tempfile::tempdir()?;
    for program in programs {
        let name = program.file_name().ok_or("a program has no name")?;
        let stripped = scratch.path().join(name);
        fs::copy(program, &stripped)?;
        if !Command::new("strip").arg(&stripped).status().is_ok_and(|status| status.success()) {
            println!("there is no `strip`: {} keeps its symbols", name.display());
        }
        archive.append_path_with_name(&stripped, place("bin").join(name))?;
    }
    let golden = std::env::var_os("VIREID_GOLDEN_DIR").unwrap_or_else(|| GOLDEN.into());
    archive.append_dir_all(place("golden"), golden)?;
    match headers.filter(|folder| folder.join("cuda_fp16.h").exists()) {
        Some(folder) => archive.append_dir_all(place("toolkit/include"), folder)?,
        None => println!("without CUDA's headers (--headers): that machine must have them"),
    }
    for (name, text, mode) in [("run.sh", RUN, 0o755), ("train.py", PEER, 0o644)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(mode);
        archive.append_data(&mut header, place(name), text.as_bytes())?;
    }
    archive.into_inner()?.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every part that the script names it also has, and it is sound to the shell.
    #[test]
    fn the_script_is_sound() {
        let listed = RUN.lines().find_map(|line| line.strip_prefix("# Parts: ")).unwrap().split('.').next().unwrap();
        for part in listed.split(' ') {
            assert!(RUN.contains(&format!("\n    {part})")), "{part}");
        }
        let said = Command::new("bash").args(["-n", "-c", RUN]).output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    }

    #[test]
    fn a_kit_holds_all_that_its_script_asks_for() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, name).unwrap();
            path
        };
        let programs = [write("vireid"), write("studies")];
        let headers = write("include/cuda_fp16.h");
        let out = folder.path().join("kit.tar.gz");
        pack(&out, &programs, headers.parent()).unwrap();
        // A kit may be packed anew, others' files may not be lost.
        assert!(!is_of_others(&out) && !is_of_others(&folder.path().join("none")));
        assert!(is_of_others(&write("mine")) && is_of_others(folder.path()) && !is_of_others(Path::new("/dev/null")));
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(File::open(out).unwrap()));
        let mut names = BTreeSet::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_string_lossy().into_owned();
            if name.ends_with("run.sh") {
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                assert_eq!((text.as_str(), entry.header().mode().unwrap()), (RUN, 0o755));
            }
            names.insert(name);
        }
        for name in ["bin/vireid", "bin/studies", "toolkit/include/cuda_fp16.h", "train.py", "run.sh"] {
            assert!(names.contains(&format!("{FOLDER}/{name}")), "{name}: {names:?}");
        }
        assert!(names.iter().filter(|name| name.starts_with("device-kit/golden/")).count() > 50);
    }
}
