//! The draws of CPython's `random`.

use rand_mt::Mt;

/// The draws of CPython's `random` module, which the published protocols are defined by.
///
/// `CPythonRandom::new(t)` is `random.seed(t)` for a small non-negative integer; [`index`](Self::index) is the position
/// that `random.choice` takes.
#[derive(Debug)]
pub struct CPythonRandom(Mt);

impl CPythonRandom {
    /// Seeds with an integer, as CPython does: by the array routine with the integer's 32-bit words as key.
    pub fn new(seed: u32) -> Self {
        Self(Mt::new_with_key([seed]))
    }

    /// The position drawn from a list of `len` items. `None` for an empty list.
    pub fn index(&mut self, len: usize) -> Option<usize> {
        if len == 0 {
            return None;
        }
        let bits = usize::BITS - len.leading_zeros();
        loop {
            // A list of 2^32 files is not a list that this protocol is drawn from.
            let draw = (self.0.next_u32() >> (32 - bits.min(32))) as usize;
            if draw < len {
                return Some(draw);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_of_python() {
        let draw = |seed, lengths: &[usize]| {
            let mut random = CPythonRandom::new(seed);
            lengths.iter().map(|&n| random.index(n).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(draw(0, &[20; 10]), [12, 13, 1, 8, 16, 15, 12, 9, 15, 11]);
        assert_eq!(draw(9, &[20; 10]), [14, 19, 11, 8, 4, 5, 0, 10, 16, 14]);
        assert_eq!(draw(0, &[20, 13, 7, 32, 1, 5, 20, 10]), [12, 12, 3, 2, 0, 4, 15, 6]);
        assert_eq!(CPythonRandom::new(0).index(0), None);
    }
}
