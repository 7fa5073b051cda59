//! Every rule of the style has a reason, a bad line and a good one, and a good line stands where the page says that it does.

use std::fs;

use crate::read::{page, root};

#[test]
fn every_rule_has_a_reason_and_good_lines_are_there() {
    let text = page("STYLE.md").text;
    let rules: Vec<&str> = text.split("\n## ").skip(1).collect();
    assert!(rules.len() > 15, "{}", rules.len());
    let mut found = 0;
    for rule in rules {
        let title = rule.lines().next().unwrap_or_default();
        for part in ["Because ", "Bad: ", "Good"] {
            assert!(rule.lines().any(|line| line.starts_with(part)), "{title}: no line begins with '{part}'");
        }
        for line in rule.lines().filter(|line| line.starts_with("Good ([")) {
            let (link, good) = line.split_once("): ").unwrap_or_else(|| panic!("{line}"));
            let file = link.split_once("](").unwrap_or_else(|| panic!("{line}")).1.trim_end_matches(')');
            let code = good.trim_matches('`');
            let lines = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(lines.contains(code), "{title}: {file} has no line '{code}' any more; take another for an example");
            found += 1;
        }
    }
    assert!(found > 10, "{found}");
}
