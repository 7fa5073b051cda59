//! The number of threads changes how long a run takes, and nothing that it finds.

use crate::program::{Run, stderr, world};

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let found = [1, 2, 16].map(|threads| {
        let run = Run::on(world());
        let output = run.train_on_threads(threads);
        assert!(output.status.success(), "{}", stderr(&output));
        let environment = std::fs::read_to_string(run.out().join("environment.json")).unwrap();
        let environment: serde_json::Value = serde_json::from_str(&environment).unwrap();
        assert_eq!(environment["threads"], threads, "those that computed, not those of the machine");
        // The optimiser's record, whose order of entries is Burn's, is left out.
        let checkpoint = vireid_methods::Checkpoint::load(&run.out().join("checkpoints/last.safetensors")).unwrap();
        // As is the order of the file's entries.
        let mut model = checkpoint.model;
        model.sort_by(|a, b| a.0.cmp(&b.0));
        (run.results(), model, checkpoint.state)
    });
    let [alone, two, many] = found;
    assert!(alone == two && two == many, "results, weights or memories differ");
}
