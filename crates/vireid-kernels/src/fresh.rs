//! New tensors, written in parallel.

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// A vector of `length` values in chunks of `chunk`, each cleared and then written by `write(state, number, chunk)` on the
/// thread that has it; `state` is made once for a run of chunks.
///
/// `vec![0.0; length]` would clear everything on one thread, before the others could begin.
#[allow(unsafe_code)]
pub(crate) fn fresh<S>(
    length: usize,
    chunk: usize,
    state: impl Fn() -> S + Sync + Send,
    write: impl Fn(&mut S, usize, &mut [f32]) + Sync + Send,
) -> Vec<f32> {
    let mut values: Vec<f32> = Vec::with_capacity(length);
    let chunks = values.spare_capacity_mut()[..length].par_chunks_mut(chunk.max(1));
    // Few and equal runs: the work is even, and every run makes its own state.
    let run = chunks.len().div_ceil(2 * rayon::current_num_threads()).max(1);
    chunks.enumerate().with_min_len(run).for_each_init(state, |state, (number, chunk)| {
        chunk.fill(MaybeUninit::new(0.0));
        // SAFETY: the line above has initialised every value of the chunk.
        write(state, number, unsafe { chunk.assume_init_mut() });
    });
    // SAFETY: the chunks cover the first `length` values of the capacity, and all of them were initialised. A panic in
    // `write` leaves this function before this line, with the vector still empty.
    unsafe { values.set_len(length) };
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_written_or_zero() {
        let values = fresh(10, 4, || 100.0, |state, number, chunk| chunk[0] = *state + number as f32);
        assert_eq!(values, [100.0, 0.0, 0.0, 0.0, 101.0, 0.0, 0.0, 0.0, 102.0, 0.0]);
        assert!(fresh(0, 0, || (), |(), _, _| ()).is_empty());
    }
}
