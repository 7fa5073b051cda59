//! Random streams, each named and without state.

use std::convert::Infallible;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng, TryRng};

use crate::draws;

/// The random streams of a run, derived from one seed.
///
/// A stream is named by what it decides (`augment`, `sampler`, `init`, ...) and by counters (epoch, step, slot). The
/// generator is keyed by seed, name and counters, so a stream has no history: whoever asks for `("augment", [3, 7])`
/// gets the same numbers, on any thread, in any order, in a resumed run. That is why a checkpoint needs no generator
/// state beyond the seed and the position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    seed: u64,
}

impl Streams {
    /// All streams that are derived from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The stream of a name and up to three counters.
    pub fn stream(&self, name: &str, counters: [u64; 3]) -> Stream {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..16].copy_from_slice(&fnv1a(name.as_bytes()).to_le_bytes());
        key[16..24].copy_from_slice(&counters[0].to_le_bytes());
        // Steps and slots stay far below 2^32, so both fit in the last eight bytes.
        key[24..32].copy_from_slice(&((counters[1] << 32) ^ counters[2]).to_le_bytes());
        Stream { rng: ChaCha8Rng::from_seed(key) }
    }
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// One random stream: a seeded generator that starts anew wherever its name and counters are asked for.
///
/// Its distributions are computed with `libm`, never with the machine's own mathematics library: equal seeds give equal
/// numbers to the last bit on every machine.
///
/// It is a generator of [`rand_core`](crate::rand_core) too, and fits wherever one is asked for.
#[derive(Debug, Clone)]
pub struct Stream {
    rng: ChaCha8Rng,
}

impl Stream {
    /// Another stream, whose numbers have nothing to do with the rest of this one's.
    pub fn fork(&mut self) -> Self {
        let mut key = [0u8; 32];
        self.rng.fill_bytes(&mut key);
        Self { rng: ChaCha8Rng::from_seed(key) }
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// Uniform in `[0, 1)`, on a grid of 2^-53.
    pub fn unit(&mut self) -> f64 {
        draws::unit(self)
    }

    /// Uniform in `[low, high)`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// True with the given probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform in `0..n`, unbiased. Returns 0 for `n = 0`.
    pub fn below(&mut self, n: usize) -> usize {
        draws::below(self, n)
    }

    /// Normal with a mean and a standard deviation (Box-Muller, one of the pair).
    pub fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit()));
        mean + deviation * radius * libm::cos(std::f64::consts::TAU * self.unit())
    }

    /// `exp` of a normal with mean 0.
    pub fn log_normal(&mut self, deviation: f64) -> f64 {
        libm::exp(self.normal(0.0, deviation))
    }

    /// Beta(1/2, 1/2), the arcsine distribution.
    pub fn arcsine(&mut self) -> f64 {
        let sine = libm::sin(std::f64::consts::FRAC_PI_2 * self.unit());
        sine * sine
    }

    /// A position drawn with the given weights (they need not sum to 1).
    pub fn weighted(&mut self, weights: &[f64]) -> usize {
        draws::weighted(self, weights)
    }

    /// Puts the items in random order (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// `count` distinct numbers of `0..n` in random order; fewer when `n` is smaller.
    pub fn distinct(&mut self, n: usize, count: usize) -> Vec<usize> {
        let mut pool: Vec<usize> = (0..n).collect();
        let count = count.min(n);
        for position in 0..count {
            let pick = position + self.below(n - position);
            pool.swap(position, pick);
        }
        pool.truncate(count);
        pool
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.rng.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.rng.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.rng.try_fill_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_compare::assert_near;

    #[test]
    fn a_stream_is_its_name_and_counters() {
        let streams = Streams::new(7);
        let draw = |name, counters| streams.stream(name, counters).next_u64();
        assert_eq!(draw("augment", [1, 2, 3]), draw("augment", [1, 2, 3]));
        let others = [draw("sampler", [1, 2, 3]), draw("augment", [2, 1, 3]), draw("augment", [1, 3, 2])];
        assert!(others.iter().all(|&other| other != draw("augment", [1, 2, 3])));
        assert_ne!(Streams::new(8).stream("augment", [1, 2, 3]).next_u64(), draw("augment", [1, 2, 3]));
    }

    /// Pins the numbers themselves: a change here changes every synthetic world and every run.
    #[test]
    fn the_numbers_are_pinned() {
        let mut stream = Streams::new(0).stream("pin", [0, 0, 0]);
        let drawn = [stream.next_u64(), stream.below(1000) as u64];
        let normal = stream.normal(0.0, 1.0);
        assert_eq!((drawn, normal.to_bits()), PINNED);
    }
    const PINNED: ([u64; 2], u64) = ([15_490_735_135_198_359_321, 471], 4_602_909_091_302_363_148);

    #[test]
    fn moments() {
        let mut stream = Streams::new(1).stream("moments", [0; 3]);
        let n = 40_000;
        let mean = |f: &mut dyn FnMut() -> f64| (0..n).map(|_| f()).sum::<f64>() / n as f64;
        assert_near(mean(&mut || stream.normal(2.0, 3.0)), 2.0, 0.06);
        assert_near(mean(&mut || stream.normal(0.0, 3.0).powi(2)), 9.0, 0.35);
        assert_near(mean(&mut || stream.arcsine()), 0.5, 0.01);
        assert_near(mean(&mut || (stream.arcsine() - 0.5).powi(2)), 0.125, 0.005);
        assert_near(mean(&mut || stream.below(5) as f64), 2.0, 0.03);
        assert_near(mean(&mut || stream.weighted(&[1.0, 3.0]) as f64), 0.75, 0.01);
    }

    #[test]
    fn a_stream_is_a_generator() {
        let stream = || Streams::new(3).stream("generator", [0; 3]);
        assert_eq!(Rng::next_u64(&mut stream()), stream().next_u64());
        let (mut bytes, mut word) = ([0; 8], stream());
        Rng::fill_bytes(&mut stream(), &mut bytes);
        assert_eq!(u64::from_le_bytes(bytes), word.next_u64());
    }

    #[test]
    fn distinct_are_distinct() {
        let mut stream = Streams::new(1).stream("distinct", [0; 3]);
        let mut drawn = stream.distinct(20, 12);
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 12);
        assert_eq!(stream.distinct(3, 12).len(), 3);
    }
}
