//! Losses of an epoch, read from the device in bundles.

use burn::tensor::Tensor;

use crate::MethodError;
use crate::events::{Event, Observer};

/// Losses are read from the device once in this many steps: a read makes a device wait.
const STEPS_PER_READ: usize = 10;

/// The losses of an epoch, kept on the device and read in bundles.
pub(crate) struct LossLog {
    epoch: usize,
    learning_rate: f64,
    names: &'static [&'static str],
    waiting: Vec<(usize, Tensor<1>)>,
    sums: Vec<f32>,
    count: usize,
}

impl LossLog {
    pub(crate) fn new(epoch: usize, learning_rate: f64, names: &'static [&'static str]) -> Self {
        Self { epoch, learning_rate, names, waiting: Vec::new(), sums: vec![0.0; names.len()], count: 0 }
    }

    pub(crate) fn push(&mut self, step: usize, parts: Tensor<1>) {
        self.waiting.push((step, parts));
    }

    pub(crate) fn is_due(&self) -> bool {
        self.waiting.len() >= STEPS_PER_READ
    }

    /// Reads what waits; a value that is not finite is an error that names its part.
    pub(crate) fn read(&mut self, observer: &mut dyn Observer) -> Result<(), MethodError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let (steps, parts): (Vec<usize>, Vec<Tensor<1>>) = self.waiting.drain(..).unzip();
        // The one read of the step loop: NaN must be noticed, and people want to watch.
        let values = Tensor::cat(parts, 0).try_into_vec_as::<f32>()?;
        for (step, values) in steps.into_iter().zip(values.chunks_exact(self.names.len())) {
            let losses: Vec<(&'static str, f32)> = self.names.iter().copied().zip(values.iter().copied()).collect();
            if let Some(&(part, value)) = losses.iter().find(|(_, value)| !value.is_finite()) {
                return Err(MethodError::NotFinite { epoch: self.epoch, step, part: part.into(), value });
            }
            self.sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            self.count += 1;
            observer.event(&Event::Step { epoch: self.epoch, step, learning_rate: self.learning_rate, losses });
        }
        Ok(())
    }

    /// Mean of each part over the steps that were read; none where this process made no step of the epoch, as after an
    /// interruption behind its last.
    pub(crate) fn means(&self) -> Vec<(&'static str, f32)> {
        if self.count == 0 {
            return Vec::new();
        }
        self.names.iter().copied().zip(self.sums.iter().map(|sum| sum / self.count as f32)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use vireid_compare::assert_close;

    /// An epoch that was interrupted behind its last step logged losses of 0.
    #[test]
    fn means_are_of_the_steps_that_were_made() {
        let mut log = LossLog::new(0, 1e-3, &["a", "b"]);
        assert!(log.means().is_empty());
        for (step, values) in [[1.0, 2.0], [3.0, 6.0]].into_iter().enumerate() {
            log.push(step, Tensor::from_floats(values, &Device::default()));
        }
        log.read(&mut ()).unwrap();
        let means: Vec<f32> = log.means().into_iter().map(|(_, mean)| mean).collect();
        assert_close(&means, &[2.0, 4.0], 1e-6);
    }
}
