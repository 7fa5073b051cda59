//! Whether a command is one that can be typed here.

use crate::read::{Page, root};
use crate::workspace::Workspace;

/// Cargo's own verbs, as far as pages name them.
const VERBS: [&str; 10] = ["build", "check", "clippy", "doc", "fmt", "metadata", "package", "publish", "run", "test"];
/// Options of theirs without a value.
const FLAGS: [&str; 15] = [
    "--all",
    "--all-targets",
    "--check",
    "--dry-run",
    "--doc",
    "--lib",
    "--list",
    "--locked",
    "--no-default-features",
    "--no-deps",
    "--no-verify",
    "--offline",
    "--quiet",
    "--release",
    "--workspace",
];

/// Refuses what names something that is not there. Commands of other programs are not looked at.
pub fn check(line: &str, page: &Page, workspace: &Workspace) -> Result<(), String> {
    let is_variable = |word: &&str| word.split_once('=').is_some_and(|(name, _)| name.bytes().all(is_of_variable));
    let words: Vec<&str> = line.split_whitespace().skip_while(is_variable).collect();
    match words[..] {
        ["cargo", ref words @ ..] => cargo(words, page, workspace),
        ["bash", ".ci/run", ref lanes @ ..] => lanes.iter().try_for_each(|lane| has_lane(lane)),
        ["bash" | "python", script, ..] | [script, ..] if is_path(script) => is_there(script),
        _ => Ok(()),
    }
}

fn is_of_variable(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'
}

/// Whether a word is a file of the repository: no path from the root, no address.
fn is_path(word: &str) -> bool {
    word.contains('/') && !word.contains("://") && !word.starts_with(['/', '.', '~', '"', '<', '$'])
}

fn is_there(path: &str) -> Result<(), String> {
    if root().join(path).exists() { Ok(()) } else { Err(format!("there is no {path}")) }
}

/// A lane is a branch of the script's `case`.
fn has_lane(lane: &str) -> Result<(), String> {
    let script = std::fs::read_to_string(root().join(".ci/run")).map_err(|error| error.to_string())?;
    let begins_branch = |line: &str| {
        let names = line.trim().split_once(')').map_or("", |(names, _)| names);
        names.split('|').any(|name| name.trim().trim_matches('"') == lane)
    };
    if script.lines().any(begins_branch) { Ok(()) } else { Err(format!(".ci/run has no lane {lane}")) }
}

fn cargo(words: &[&str], page: &Page, workspace: &Workspace) -> Result<(), String> {
    let words = words.strip_prefix(&["+nightly"]).unwrap_or(words);
    let Some((&verb, words)) = words.split_first() else { return Ok(()) };
    let ours: Vec<&str> = words.iter().take_while(|word| **word != "--").copied().collect();
    match verb {
        "xtask" => task(words),
        "install" => match ours.iter().position(|word| *word == "--path") {
            Some(at) => is_there(ours.get(at + 1).unwrap_or(&"(no path)")),
            None => Ok(()),
        },
        verb if VERBS.contains(&verb) => options(&ours, workspace),
        verb if page.text.contains(&format!("cargo install cargo-{verb}")) => Ok(()),
        verb => Err(format!("Cargo has no verb {verb}, and the page does not say that it is to be installed")),
    }
}

/// Tasks of the studies are theirs to judge.
fn task(words: &[&str]) -> Result<(), String> {
    if words.first().is_some_and(|task| xtask::PASSED_ON.iter().any(|(name, _)| name == task)) {
        return Ok(());
    }
    let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
    xtask::check(&words).map_err(|error| error.to_string())
}

fn options(words: &[&str], workspace: &Workspace) -> Result<(), String> {
    let (mut packages, mut targets, mut features) = (Vec::new(), Vec::new(), Vec::new());
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} has no value"));
        match word {
            "-p" | "--package" | "--exclude" => {
                let name = value()?;
                if !workspace.has(name) {
                    return Err(format!("there is no package {name}"));
                }
                if word != "--exclude" {
                    packages.push(name);
                }
            }
            "--example" | "--test" | "--bin" | "--bench" => targets.push((&word[2..], value()?)),
            "--features" => features.extend(value()?.split(',')),
            "--manifest-path" => is_there(value()?)?,
            "--target-dir" | "--message-format" | "--format-version" => drop(value()?),
            word if FLAGS.contains(&word) => (),
            word if word.starts_with('-') => return Err(format!("unknown option {word}")),
            // The part of a test's name.
            _ => (),
        }
    }
    let has = |package: &&crate::workspace::Package, (kind, name): &(&str, &str)| {
        package.targets.contains(&(kind.to_string(), name.to_string()))
    };
    let mut named = workspace.named(&packages);
    for target in &targets {
        named.retain(|package| has(package, target) || targets.len() > 1);
        if !named.iter().any(|package| has(package, target)) {
            return Err(format!("there is no {} {}", target.0, target.1));
        }
    }
    // A feature of a package that is not the one to build is written with its name.
    let is_there = |feature: &str| match feature.split_once('/') {
        Some((package, feature)) => {
            workspace.named(&[package]).iter().any(|package| package.features.contains(feature))
        }
        None => named.iter().any(|package| package.features.contains(feature)),
    };
    match features.iter().find(|feature| !is_there(feature)) {
        Some(feature) => Err(format!("there is no feature {feature}")),
        None => Ok(()),
    }
}
