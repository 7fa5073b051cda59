//! Manual pages: the program prints each, and each names those below it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Failure;
use crate::cargo::output;

/// Writes the pages of a program and of all its verbs.
pub(super) fn write(program: &Path, folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder)?;
    let mut to_do = vec!["vireid".to_string()];
    while let Some(name) = to_do.pop() {
        let page = output(Command::new(program).arg("man").args(name.split('-').skip(1)))?;
        to_do.extend(named(&page, &name));
        fs::write(folder.join(format!("{name}.1")), page + "\n")?;
    }
    Ok(())
}

/// The pages that a page names as those of its verbs.
fn named(page: &str, of: &str) -> Vec<String> {
    let below = format!("{of}-");
    let names = page.lines().filter_map(|line| Some(line.strip_suffix("(1)")?.replace("\\-", "-")));
    names.filter(|name| name.starts_with(&below) && !name.ends_with("-help")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_those_below_it() {
        let page =
            ".SH SUBCOMMANDS\n.TP\nvireid\\-train(1)\nTrain a network\n.TP\nvireid\\-help(1)\nother\\-train(1)\n";
        assert_eq!(named(page, "vireid"), ["vireid-train"]);
        assert!(named(page, "vireid-train").is_empty());
    }
}
