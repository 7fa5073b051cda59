//! Every file of results is named in their list, with the command that makes it again.

use serde_json::Value;

use super::{Finding, Tree};

/// The folder of the results.
const FOLDER: &str = "docs/results/";
/// Their list: a table with the files in the first column.
const LIST: &str = "docs/results/README.md";
/// How a command begins that makes results.
const COMMANDS: [&str; 4] = ["cargo ", "python ", "vireid ", "benches/"];

/// Files of results that the list lacks or that nobody can make again, and files of the list that are not there.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let list = tree.text(LIST).unwrap_or_default();
    let rows: Vec<(usize, Vec<&str>, &str)> = list
        .lines()
        .enumerate()
        .filter_map(|(number, line)| {
            let (files, what) = line.strip_prefix('|')?.split_once('|')?;
            Some((number + 1, spans(files).collect(), what))
        })
        .collect();
    let results = tree.ending(&[".json"]).filter_map(|(path, text)| Some((path, path.strip_prefix(FOLDER)?, text)));
    for (path, name, text) in results.filter(|(_, name, _)| !name.contains('/')) {
        let Some((_, _, what)) = rows.iter().find(|(_, files, _)| files.contains(&name)) else {
            findings.push(Finding::of_file(path, format!("{LIST} does not name it")));
            continue;
        };
        let is_command = |words: &str| COMMANDS.iter().any(|start| words.starts_with(start));
        match serde_json::from_str::<Value>(text) {
            Err(error) => findings.push(Finding::of_file(path, format!("no JSON: {error}"))),
            Ok(report) if !names_command(&report) && !spans(what).any(is_command) => {
                findings.push(Finding::of_file(path, format!("neither it nor {LIST} says which command makes it")));
            }
            Ok(_) => (),
        }
    }
    for (number, files, _) in &rows {
        // An ending alone, such as `.txt`, stands for a file beside the one before it.
        for file in files.iter().filter(|file| !file.starts_with('.')) {
            if !tree.has(&format!("{FOLDER}{}", file.trim_end_matches('/'))) {
                findings.push(Finding::of_line(LIST, *number, format!("{file} is not there")));
            }
        }
    }
    findings
}

/// What stands between backticks.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Whether a report, or any part of it, says how it was made.
fn names_command(report: &Value) -> bool {
    match report {
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            matches!(name.as_str(), "command" | "commands") && (value.is_string() || value.is_array())
                || names_command(value)
        }),
        Value::Array(values) => values.iter().any(names_command),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(row: &str, report: &str) -> Vec<String> {
        let list = format!("# Results\n\n| file | what |\n|---|---|\n{row}\n");
        let tree =
            Tree::from([(LIST, list.as_str()), ("docs/results/a.json", report), ("docs/results/cells/b.json", "{}")]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_result_is_named_with_its_command() {
        let (named, with_command) = ("| `a.json` | seconds |", "| `a.json`, `cells/` | seconds: `cargo xtask bench` |");
        assert!(found(with_command, "[]").is_empty());
        assert!(found(named, "{\"command\": \"cargo x\"}").is_empty());
        assert!(found(named, "{\"runs\": [{\"commands\": [\"vireid train\"]}]}").is_empty());
        assert!(found(named, "{\"rows\": []}")[0].contains("says which command makes it"));
        assert!(found("| `a.json` | of the `cost.json` of a run |", "{}")[0].contains("says which command makes it"));
        assert!(found("| `cells/` | `cargo x` |", "[]")[0].contains("does not name it"));
        assert!(found(with_command, "[")[0].contains("no JSON"));
    }

    #[test]
    fn what_the_list_names_is_there() {
        let findings = found("| `a.json`, `.txt`, `b.json` | `cargo x` |", "[]");
        assert_eq!(findings, ["docs/results/README.md:5: b.json is not there"]);
    }
}
