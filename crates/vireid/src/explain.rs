//! `vireid explain`.

use std::collections::BTreeMap;

use clap::Args;
use vireid::ProgramError;

use crate::output::Output;

/// A section per code.
const PAGES: &str = include_str!("../errors.md");

#[derive(Debug, Args)]
pub struct Arguments {
    /// An error code, such as VR0107; without it, all
    code: Option<String>,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    let Some(code) = &arguments.code else {
        let codes = PAGES.lines().filter_map(|line| line.strip_prefix("## "));
        let pages: BTreeMap<&str, &str> = codes.filter_map(|code| Some((code, page(code)?.trim_end()))).collect();
        return output.result(&pages, || PAGES.trim_end().to_string());
    };
    let code = code.to_ascii_uppercase();
    match page(&code) {
        Some(text) => output.result(&BTreeMap::from([(&code, text.trim_end())]), || text.trim_end().to_string()),
        None => Err(ProgramError::Usage(format!("there is no error code {code}; vireid explain lists all"))),
    }
}

/// The section of an error code, such as `VR0107`, of what `vireid explain` prints; `None` for one that there is not.
pub fn explain_code(code: &str) -> Option<&'static str> {
    page(&code.to_ascii_uppercase())
}

fn page(code: &str) -> Option<&'static str> {
    let start = PAGES.find(&format!("## {code}"))?;
    let end = PAGES[start + 2..].find("\n## ").map_or(PAGES.len(), |length| start + 2 + length);
    Some(&PAGES[start..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_of_one_code() {
        assert!(page("VR0107").unwrap().len() > 80 && !page("VR0107").unwrap().contains("VR0108"));
        assert!(page("VR9999").is_none());
    }
}
