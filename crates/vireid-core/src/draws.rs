//! Draws from any generator of random bits: the arithmetic of [`Stream`](crate::Stream), with the same numbers for the
//! same bits.
//!
//! ```
//! use rand_chacha::ChaCha12Rng;
//! use vireid_core::draws;
//! use vireid_core::rand_core::SeedableRng;
//!
//! let mut generator = ChaCha12Rng::seed_from_u64(7);
//! assert!(draws::below(&mut generator, 10) < 10);
//! ```

use rand_chacha::rand_core::Rng;

/// Uniform in `[0, 1)`, on a grid of 2^-53.
pub fn unit(generator: &mut (impl Rng + ?Sized)) -> f64 {
    (generator.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Uniform in `0..n`, unbiased. Returns 0 for `n = 0`.
pub fn below(generator: &mut (impl Rng + ?Sized), n: usize) -> usize {
    if n < 2 {
        return 0;
    }
    let n = n as u64;
    let limit = u64::MAX - u64::MAX % n;
    loop {
        let draw = generator.next_u64();
        if draw < limit {
            return (draw % n) as usize;
        }
    }
}

/// A position drawn with the given weights (they need not sum to 1).
pub fn weighted(generator: &mut (impl Rng + ?Sized), weights: &[f64]) -> usize {
    let mut rest = unit(generator) * weights.iter().sum::<f64>();
    for (position, weight) in weights.iter().enumerate() {
        rest -= weight;
        if rest < 0.0 {
            return position;
        }
    }
    weights.len().saturating_sub(1)
}
