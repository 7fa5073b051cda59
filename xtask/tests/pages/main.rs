//! What pages and workflows tell people to type is there: packages, targets and features of Cargo's commands, lanes of `.ci/run`,
//! scripts. What the program's verbs and the studies' tasks are asked for, their own packages test.

#![allow(clippy::unwrap_used)]

mod command;
mod read;
mod release;
mod style;
mod workspace;

use command::check;
use workspace::Workspace;

#[test]
fn commands_of_pages_and_workflows_are_there() {
    let workspace = Workspace::read();
    let (mut checked, mut wrong) = (0, Vec::new());
    for page in read::pages().into_iter().chain(read::workflows()) {
        for line in &page.commands {
            checked += 1;
            if let Err(reason) = check(line, &page, &workspace) {
                wrong.push(format!("{}: {line}: {reason}", page.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(checked > 100, "{checked}");
}

#[test]
fn wrong_commands_are_found() {
    let workspace = Workspace::read();
    let page = read::Page { name: "x.md".into(), text: "cargo install cargo-fuzz".into(), commands: Vec::new() };
    let said = |line: &str| check(line, &page, &workspace).err().unwrap_or_default();
    for right in [
        "cargo test --release -p vireid-core",
        "CARGO_INCREMENTAL=0 cargo check -p vireid-clustering --features hnsw,ndarray",
        "cargo +nightly fuzz list",
        "cargo run --example mbccm_sysu --release --features cuda -- --magic",
        "cargo xtask tables --check",
        "fuzz/run 60 image",
        "bash .ci/run",
        "curl http://127.0.0.1:8080/",
    ] {
        assert_eq!(said(right), "", "{right}");
    }
    for (wrong, word) in [
        ("cargo test -p vireid-cluster", "vireid-cluster"),
        ("cargo test --release --packages vireid", "--packages"),
        ("cargo tset", "tset"),
        ("cargo deny check", "deny"),
        ("cargo test -p vireid-core --test smoke", "smoke"),
        ("cargo run --example mbccm_market", "mbccm_market"),
        ("cargo check -p vireid-core --features wgpu", "wgpu"),
        ("cargo package --workspace --exclude vireid-x", "vireid-x"),
        ("cargo install --path crates/vireid-x", "crates/vireid-x"),
        ("cargo xtask table", "table"),
        ("fuzz/walk 60", "fuzz/walk"),
        ("bash .ci/run magic-lane", "magic-lane"),
    ] {
        assert!(said(wrong).contains(word), "{wrong}: '{}'", said(wrong));
    }
}
