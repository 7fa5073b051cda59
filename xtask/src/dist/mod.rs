//! `cargo xtask dist`: the program for people without a compiler, for Linux on x86-64.
//!
//! What is built is the commit, in a clone of its own: nothing that lies about in the working tree gets in. Times in archives are the
//! commit's, paths of the machine are left out of the programs, and archives are written in one order, so the same commit gives the
//! same bytes on any machine with the same toolchain.

mod archive;
mod manual;
mod sums;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::Failure;
use crate::cargo::{cargo, output, succeed};
use archive::Archive;

/// What all of it is for.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// What goes into an archive as it lies in the repository.
const FROM_THE_REPOSITORY: [&str; 5] = ["README.md", "CHANGELOG.md", "CITATION.cff", "LICENSE-APACHE", "LICENSE-MIT"];
const SHELLS: [(&str, &str); 3] = [("bash", "vireid.bash"), ("zsh", "_vireid"), ("fish", "vireid.fish")];
/// Where the package for Debian takes its files from, as `[package.metadata.deb]` names it.
const FOR_DEBIAN: &str = "crates/vireid/debian";

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder to put it into
    #[arg(long, default_value = "target/dist")]
    out: PathBuf,
    /// Leave out the program for graphics cards
    #[arg(long)]
    cpu_only: bool,
}

/// A program with what it can do beside the CPU.
struct Flavour {
    /// What its archive's name has after the target's.
    suffix: &'static str,
    features: &'static [&'static str],
}

const CPU: Flavour = Flavour { suffix: "", features: &[] };
const WGPU: Flavour = Flavour { suffix: "-wgpu", features: &["wgpu"] };

/// Builds, packs, and writes sums.
///
/// # Errors
///
/// When a tool is not there, something can't be built, or the folder holds files of others.
pub(crate) fn run(arguments: &Arguments, force: bool) -> Result<(), Failure> {
    if (std::env::consts::OS, std::env::consts::ARCH) != ("linux", "x86_64") {
        return Err(format!("this packs for {TARGET}, on a machine of that kind").into());
    }
    let out = std::path::absolute(&arguments.out)?;
    tools::check()?;
    sums::take(&out, force)?;
    let commit = Commit::cloned(&out)?;
    if !output(Command::new("git").args(["status", "--porcelain", "--untracked-files=no"]))?.is_empty() {
        println!("note: files were changed since the last commit; what is packed is the commit");
    }
    let work = Work { commit, out };
    let cpu = work.build(&CPU)?;
    work.accompany(&cpu)?;
    let mut made = vec![work.archive(&CPU, &cpu)?, work.debian(&cpu)?];
    if !arguments.cpu_only {
        let wgpu = work.build(&WGPU)?;
        made.push(work.archive(&WGPU, &wgpu)?);
    }
    made.push(work.keep_list()?);
    sums::write(&work.out, &made)?;
    for path in &made {
        println!("{:8.1} MiB  {}", fs::metadata(path)?.len() as f64 / f64::from(1 << 20), path.display());
    }
    Ok(())
}

/// A clone of the commit that is checked out.
struct Commit {
    folder: PathBuf,
    /// Seconds since 1970.
    time: u64,
    version: String,
}

impl Commit {
    fn cloned(out: &Path) -> Result<Self, Failure> {
        let folder = out.join("source");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let root = output(Command::new("git").args(["rev-parse", "--show-toplevel"]))?;
        succeed(Command::new("git").args(["clone", "--quiet", "--no-hardlinks", &root]).arg(&folder))?;
        let head = output(Command::new("git").args(["rev-parse", "HEAD"]))?;
        succeed(Command::new("git").current_dir(&folder).args(["checkout", "--quiet", "--detach", &head]))?;
        let time = output(Command::new("git").current_dir(&folder).args(["log", "-1", "--format=%ct"]))?.parse()?;
        let manifest: toml::Table = fs::read_to_string(folder.join("Cargo.toml"))?.parse()?;
        let version = manifest["workspace"]["package"]["version"].as_str().ok_or("the workspace has no version")?;
        Ok(Self { time, version: version.to_string(), folder })
    }
}

struct Work {
    commit: Commit,
    out: PathBuf,
}

impl Work {
    /// Cargo in the clone, so that it leaves no trace of when and where it ran.
    fn cargo(&self) -> Command {
        let mut command = cargo();
        let folder = self.commit.folder.display();
        let mut remap = vec![format!("--remap-path-prefix={folder}=/vireid")];
        let mut of_c = vec![format!("-ffile-prefix-map={folder}=/vireid")];
        let built = self.out.join("build");
        for (path, stands_for) in cargo_home().iter().map(|home| (home, "/cargo")).chain([(&built, "/build")]) {
            remap.push(format!("--remap-path-prefix={}={stands_for}", path.display()));
            of_c.push(format!("-ffile-prefix-map={}={stands_for}", path.display()));
        }
        command
            .current_dir(&self.commit.folder)
            .env("SOURCE_DATE_EPOCH", self.commit.time.to_string())
            .env("CARGO_ENCODED_RUSTFLAGS", remap.join("\u{1f}"))
            .env("CFLAGS", of_c.join(" "))
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
            .env("CARGO_TARGET_DIR", built);
        command
    }

    /// A program of the commit.
    fn build(&self, flavour: &Flavour) -> Result<PathBuf, Failure> {
        let mut build = self.cargo();
        build.args(["build", "--release", "--locked", "--package", "vireid", "--bin", "vireid"]);
        if !flavour.features.is_empty() {
            build.args(["--features", &flavour.features.join(",")]);
        }
        succeed(&mut build)?;
        let program = self.out.join(format!("build/vireid{}", flavour.suffix));
        fs::copy(self.out.join("build/release/vireid"), &program)?;
        Ok(program)
    }

    /// What comes with every program: manual pages, completions, licences, and the list of what it is made of.
    fn accompany(&self, program: &Path) -> Result<(), Failure> {
        let folder = self.commit.folder.join(FOR_DEBIAN);
        manual::write(program, &folder.join("man"))?;
        let completions = folder.join("completions");
        fs::create_dir_all(&completions)?;
        for (shell, name) in SHELLS {
            let text = output(Command::new(program).args(["completions", shell]))?;
            fs::write(completions.join(name), text + "\n")?;
        }
        // The tools read the manifests of all dependencies, those of other systems too, and ask no network.
        succeed(self.cargo().args(["fetch", "--locked"]))?;
        let mut about = self.cargo();
        about.args(["about", "generate", "--offline", "--locked", "--fail", "--features", "wgpu"]);
        about.args([
            "--manifest-path",
            "crates/vireid/Cargo.toml",
            "--config",
            "about.toml",
            "about.hbs",
            "--output-file",
        ]);
        succeed(about.arg(folder.join("THIRD-PARTY.txt")))?;
        let mut list = self.cargo();
        list.args([
            "cyclonedx",
            "--format",
            "json",
            "--spec-version",
            "1.5",
            "--describe",
            "binaries",
            "--target",
            TARGET,
        ]);
        list.args(["--manifest-path", "crates/vireid/Cargo.toml", "--features", "wgpu"]);
        succeed(&mut list)?;
        let listed = fs::read_to_string(self.commit.folder.join("crates/vireid/vireid_bin.cdx.json"))?;
        // Crates of this workspace go by where they lie.
        let anywhere = listed.replace(&format!("file://{}", self.commit.folder.display()), "file:///vireid");
        fs::write(folder.join("vireid.cdx.json"), anywhere)?;
        Ok(())
    }

    fn archive(&self, flavour: &Flavour, program: &Path) -> Result<PathBuf, Failure> {
        let name = format!("vireid-{}-{TARGET}{}", self.commit.version, flavour.suffix);
        let file = self.out.join(format!("{name}.tar.gz"));
        let mut archive = Archive::create(&file, &name, self.commit.time)?;
        archive.program("vireid", program)?;
        for name in FROM_THE_REPOSITORY {
            archive.file(name, &self.commit.folder.join(name))?;
        }
        archive.folder("", &self.commit.folder.join(FOR_DEBIAN))?;
        archive.finish()?;
        Ok(file)
    }

    fn debian(&self, program: &Path) -> Result<PathBuf, Failure> {
        // Where the tool looks for it; a build with other features may lie there.
        fs::copy(program, self.out.join("build/release/vireid"))?;
        let file = self.out.join(format!("vireid_{}_amd64.deb", self.commit.version));
        let mut deb = self.cargo();
        deb.args(["deb", "--no-build", "--no-strip", "--locked", "--package", "vireid", "--output"]).arg(&file);
        succeed(&mut deb)?;
        Ok(file)
    }

    /// The list of what the program is made of, beside the archives too.
    fn keep_list(&self) -> Result<PathBuf, Failure> {
        let file = self.out.join(format!("vireid-{}.cdx.json", self.commit.version));
        fs::copy(self.commit.folder.join(FOR_DEBIAN).join("vireid.cdx.json"), &file)?;
        Ok(file)
    }
}

/// Where Cargo keeps the sources of other crates, whose paths stand in panics.
fn cargo_home() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))
}
