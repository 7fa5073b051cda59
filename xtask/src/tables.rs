//! Tables of the pages under `docs/` and beside it, made from the files in `docs/results/`: a number in a page that no file holds
//! can't stay.
//!
//! A table stands between `<!-- table FILE -->` and `<!-- end -->`; after the file, `column=value` keeps the rows that have that
//! value. The tables of the methods are pages of their own.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Failure;
use crate::reproduce::Pages;

/// Where the pages are.
pub const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
const BEGIN: &str = "<!-- table ";
const END: &str = "<!-- end -->";

/// Writes the tables anew, or with `check` says which pages are not up to date.
///
/// # Errors
///
/// When a page or a file of results can't be read or written, or with `check` is not up to date.
pub fn run(check: bool) -> Result<(), Failure> {
    let mut stale = Vec::new();
    let results = Path::new(DOCS).join("results");
    let Pages { markdown, html, curves } = crate::reproduce::pages(&results)?;
    let mut fresh = vec![(results.join("tables.md"), markdown), (results.join("tables.html"), html)];
    fresh.extend(curves.map(|svg| (Path::new(DOCS).join("images/unpaired.svg"), svg)));
    for page in pages(Path::new(DOCS))?.into_iter().chain(pages_in(&Path::new(DOCS).join(".."))?) {
        let text = std::fs::read_to_string(&page)?;
        let renewed = renewed(&text).map_err(|error| format!("{}: {error}", page.display()))?;
        if !fresh.iter().any(|(known, _)| *known == page) {
            fresh.push((page, renewed));
        }
    }
    for (page, fresh) in fresh {
        if std::fs::read_to_string(&page).unwrap_or_default() != fresh {
            if check {
                stale.push(page.display().to_string());
            } else {
                std::fs::write(&page, fresh)?;
                println!("{}", page.display());
            }
        }
    }
    if stale.is_empty() { Ok(()) } else { Err(format!("run cargo xtask tables: {}", stale.join(", ")).into()) }
}

/// The pages in a folder and the folders below it.
fn pages(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = pages_in(folder)?;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(pages(&path)?);
        }
    }
    Ok(found)
}

/// The pages in a folder itself.
fn pages_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let paths = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, Failure>>()?;
    let is_page = |path: &PathBuf| path.is_file() && path.extension().is_some_and(|extension| extension == "md");
    Ok(paths.into_iter().filter(is_page).collect())
}

fn renewed(text: &str) -> Result<String, Failure> {
    let mut parts = text.split(BEGIN);
    let mut fresh = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (mark, rest) = part.split_once(" -->").ok_or("a table's mark is not closed")?;
        let (_, after) = rest.split_once(END).ok_or_else(|| format!("the table {mark} has no end"))?;
        let mut words = mark.split_whitespace();
        let path = Path::new(DOCS).join("results").join(words.next().unwrap_or_default());
        let json = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut report: Value = serde_json::from_str(&json)?;
        for filter in words {
            let (column, value) = filter.split_once('=').ok_or_else(|| format!("'{filter}' is not column=value"))?;
            report["rows"].as_array_mut().ok_or("the report has no rows")?.retain(|row| row[column] == value);
        }
        let _ = write!(fresh, "{BEGIN}{mark} -->\n{}{END}{after}", table(&report)?);
    }
    Ok(fresh)
}

/// The rows of a report as Markdown: a column per field that is text, a number or a mean with its deviation.
fn table(report: &Value) -> Result<String, Failure> {
    let rows = report["rows"].as_array().filter(|rows| !rows.is_empty()).ok_or("the report has no rows")?;
    let first = rows[0].as_object().ok_or("a row is no object")?;
    let mut columns: Vec<&String> =
        first.iter().filter(|(_, value)| cell(value).is_some()).map(|(name, _)| name).collect();
    columns.sort_by_key(|name| !first[name.as_str()].is_string());
    let titles: Vec<String> = columns.iter().map(|name| name.replace('_', " ")).collect();
    let mut text = format!("| {} |\n|{}\n", titles.join(" | "), "---|".repeat(columns.len()));
    for row in rows {
        let cells: Vec<String> = columns.iter().map(|name| cell(&row[name.as_str()]).unwrap_or_default()).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    let command = report["command"].as_str().ok_or("the report names no command")?;
    let about = match (report["std"].as_str(), report["note"].as_str()) {
        (Some(std), _) => format!("Synthetic; ± is the {std}"),
        (None, Some(note)) => note.to_string(),
        (None, None) => return Err("the report says neither what ± is nor where it was measured".into()),
    };
    let _ = writeln!(text, "\n{about}. Made by `{command}`.");
    Ok(text)
}

fn cell(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(spread) => {
            let (mean, std) = (spread.get("mean")?.as_f64()?, spread.get("std")?.as_f64()?);
            let digits = if mean.abs() < 2.0 { 3 } else { 1 };
            Some(format!("{mean:.digits$} ± {std:.digits$}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_becomes_a_table() {
        let report = serde_json::json!({
            "command": "cargo xtask x", "std": "deviation over worlds",
            "rows": [{"a_name": "plain", "map": {"mean": 31.26, "std": 1.0}, "by_world": [1, 2]}]
        });
        let text = table(&report).unwrap();
        assert!(text.starts_with("| a name | map |\n|---|---|\n| plain | 31.3 ± 1.0 |\n"), "{text}");
        assert!(text.ends_with("Synthetic; ± is the deviation over worlds. Made by `cargo xtask x`.\n"), "{text}");
        assert!(table(&serde_json::json!({"rows": []})).is_err());
        assert!(table(&serde_json::json!({"command": "x", "rows": [{"a": 1}]})).is_err());
    }

    #[test]
    fn pages_are_up_to_date() {
        run(true).unwrap();
    }

    #[test]
    fn pages_beside_the_book_are_looked_at_as_well() {
        let found = pages_in(&Path::new(DOCS).join("..")).unwrap();
        assert!(["README.md", "CONTRIBUTING.md"].iter().all(|name| found.iter().any(|page| page.ends_with(name))));
    }

    #[test]
    fn marks_must_be_closed() {
        assert_eq!(renewed("no table").unwrap(), "no table");
        assert!(renewed("<!-- table x.json -->").is_err());
        assert!(renewed("<!-- table x.json").is_err());
        let missing = renewed("<!-- table x.json -->\n<!-- end -->").unwrap_err().to_string();
        assert!(missing.contains("x.json"), "{missing}");
    }

    #[test]
    fn filters_keep_rows() {
        let rows = |mark: &str| {
            let text = renewed(&format!("<!-- table methods_cpu.json{mark} -->\n<!-- end -->")).unwrap();
            text.lines().filter(|line| line.starts_with("| final")).count()
        };
        assert_eq!((rows(""), rows(" search=all"), rows(" search=all method=mmm")), (10, 5, 1));
        let none = renewed("<!-- table methods_cpu.json search=none -->\n<!-- end -->");
        assert!(none.unwrap_err().to_string().contains("no rows"));
    }
}
