//! Configurations in version 0.1's form, kept where the fuzzers begin.

use std::fs;
use std::path::Path;

use vireid_methods::{RunConfig, registry};

/// They are read, and their methods built: DMIC's held a radius that it never read.
#[test]
fn configurations_of_the_form_before_build_their_methods() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/config");
    for method in ["mbccm", "mult", "mmm", "dmic", "ecul"] {
        let text = fs::read_to_string(corpus.join(format!("old-{method}.toml"))).unwrap();
        assert!(text.contains("[stage1]") && text.contains("[clustering.eps]"), "{method}");
        let config = RunConfig::from_toml(&text, &[]).unwrap();
        assert_eq!(config.engine.method, method);
        registry::build(&config).unwrap_or_else(|error| panic!("{method}: {error}"));
    }
}
