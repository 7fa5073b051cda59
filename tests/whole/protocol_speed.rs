//! The full SYSU-MM01 evaluation costs little more than one comparison of all queries with all gallery images.

use std::time::Instant;

use vireid_core::{Camera, Embeddings, Identity, Streams};
use vireid_eval::sysu::{SearchMode, TRIALS, evaluate};
use vireid_eval::{Annotations, similarities};

/// An evaluation may take this many times as long as the comparison of all queries with the whole pool. It takes about as long.
const LIMIT: f64 = 2.0;

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
    let (mut evaluation, mut comparison) = (f64::INFINITY, f64::INFINITY);
    // Other tests take their share of the processors: the best of some rounds, in turns, counts.
    for _ in 0..3 {
        let clock = Instant::now();
        for mode in SearchMode::BOTH {
            let trials = evaluate(&query_rows, &queries, &pool_rows, &pool, mode, TRIALS).unwrap();
            assert_eq!(trials.len(), 10);
        }
        evaluation = evaluation.min(clock.elapsed().as_secs_f64());
        let clock = Instant::now();
        assert_eq!(similarities(&query_rows, &pool_rows).unwrap().len(), 3803 * 7680);
        comparison = comparison.min(clock.elapsed().as_secs_f64());
    }
    println!("full evaluation, both modes: {evaluation:.2} s; one comparison of all with all: {comparison:.2} s");
    // A comparison with the whole pool in each of the twenty trials would be far above.
    assert!(evaluation < LIMIT * comparison, "{evaluation:.2} s against {comparison:.2} s");
}
