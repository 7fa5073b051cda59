//! Pages and workflows, with the commands in them.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file with commands to type.
pub struct Page {
    /// Its path below the root.
    pub name: String,
    pub text: String,
    /// Its commands, a line each, continued lines joined and comments cut.
    pub commands: Vec<String>,
}

/// The page of a path below the root. Of those in the root, other than the changelog, which tells of what was, a command within a
/// line is one as well.
pub fn page(name: &str) -> Page {
    let path = root().join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let lines = |block: &str| block.replace("\\\n", " ").lines().map(command).collect::<Vec<_>>();
    let mut commands: Vec<String> = blocks.flat_map(lines).filter(|line| !line.is_empty()).collect();
    if !name.contains('/') && name != "CHANGELOG.md" {
        commands.extend(within_lines(&text));
    }
    Page { name: name.into(), text, commands }
}

/// Commands of Cargo and lanes between single backticks.
fn within_lines(text: &str) -> Vec<String> {
    let outside = text.split("```").step_by(2);
    let spans = outside.flat_map(|part| part.split('`').skip(1).step_by(2));
    let is_command = |span: &&str| ["cargo ", "bash "].iter().any(|program| span.starts_with(program));
    spans.filter(is_command).map(|span| span.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

/// The pages of the root, of the book, of every package and of the fuzzers.
pub fn pages() -> Vec<Page> {
    let mut names = Vec::new();
    for (folder, below_too) in [("", false), ("docs", true), ("crates", true), ("python", true), ("fuzz", false)] {
        names.extend(files(folder, "md", below_too));
    }
    names.iter().map(|name| page(name)).collect()
}

/// The workflows, whose commands are what they run.
pub fn workflows() -> Vec<Page> {
    let mut all: Vec<Page> = files(".github/workflows", "yml", false).iter().map(|name| page(name)).collect();
    for workflow in &mut all {
        let runs = workflow.text.lines().filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("run: "));
        workflow.commands = runs.map(command).collect();
    }
    all
}

fn command(line: &str) -> String {
    let line = line.split(" #").next().unwrap_or_default().trim();
    if line.starts_with('#') { String::new() } else { line.into() }
}

fn files(folder: &str, ending: &str, below_too: bool) -> Vec<String> {
    let mut names = Vec::new();
    for path in fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path()) {
        let name = Path::new(folder).join(path.file_name().unwrap()).to_str().unwrap().to_string();
        if path.is_dir() && below_too {
            names.extend(files(&name, ending, true));
        } else if path.is_file() && path.extension().is_some_and(|found| found == ending) {
            names.push(name);
        }
    }
    names
}
