//! The full SYSU-MM01 evaluation is a matter of a second or two once embeddings are there.

use std::time::Instant;

use vireid_core::{Camera, Embeddings, Identity, Streams};
use vireid_eval::Annotations;
use vireid_eval::sysu::{SearchMode, TRIALS, evaluate};

/// 3,803 queries, a pool of 96 people under four cameras with 20 images each, 2048 dimensions, ten draws, both modes.
#[test]
fn full_size_evaluation() {
    let mut stream = Streams::new(0).stream("evaluation", [0; 3]);
    let mut embeddings = |rows: usize| {
        let values = (0..rows * 2048).map(|_| stream.unit() as f32 - 0.5).collect();
        Embeddings::new(values, rows, 2048).unwrap().normalized()
    };
    let (mut queries, mut pool) = (Annotations::default(), Annotations::default());
    for number in 0..3803u32 {
        queries.identities.push(Identity(number % 96));
        queries.cameras.push(Camera(if number % 2 == 0 { 3 } else { 6 }));
    }
    for identity in 0..96 {
        for camera in [1, 2, 4, 5] {
            for _ in 0..20 {
                pool.identities.push(Identity(identity));
                pool.cameras.push(Camera(camera));
            }
        }
    }
    let (query_rows, pool_rows) = (embeddings(3803), embeddings(pool.identities.len()));
    let clock = Instant::now();
    for mode in SearchMode::BOTH {
        let trials = evaluate(&query_rows, &queries, &pool_rows, &pool, mode, TRIALS).unwrap();
        assert_eq!(trials.len(), 10);
    }
    let seconds = clock.elapsed().as_secs_f64();
    println!("full evaluation, both modes: {seconds:.2} s");
    // Two seconds on two free cores; tests share theirs, so the limit here only catches a change of order.
    assert!(seconds < 12.0, "{seconds:.1} s");
}
