//! Values that move over the epochs of a stage.

use serde::{Deserialize, Serialize};

/// How a value moves from one end to the other over the epochs of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Evenly.
    Linear,
    /// Slowly at both ends: half a cosine.
    Cosine,
    /// At once, in the middle.
    Step,
    /// Evenly to the other end and back.
    ThereAndBack,
    /// Not at all.
    Fixed,
}

/// A value over the epochs of a stage: its first and its last.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// At the first epoch.
    pub from: f64,
    /// At the last.
    pub to: f64,
}

impl Shape {
    /// Share of the way at epoch `epoch` of `epochs`.
    pub fn at(self, epoch: usize, epochs: usize) -> f64 {
        let u = if epochs > 1 { epoch as f64 / (epochs - 1) as f64 } else { 0.0 };
        match self {
            Shape::Linear => u,
            Shape::Cosine => (1.0 - (std::f64::consts::PI * u).cos()) / 2.0,
            Shape::Step => f64::from(u8::from(u >= 0.5)),
            Shape::ThereAndBack => 1.0 - (2.0 * u - 1.0).abs(),
            Shape::Fixed => 0.0,
        }
    }
}

impl Schedule {
    /// The value at an epoch of a stage.
    pub fn at(self, shape: Shape, epoch: usize, epochs: usize) -> f64 {
        self.from + (self.to - self.from) * shape.at(epoch, epochs)
    }

    /// The value as a count: the nearest whole number, halves up, from 1 to `most`.
    pub fn count_at(self, shape: Shape, epoch: usize, epochs: usize, most: usize) -> usize {
        ((self.at(shape, epoch, epochs) + 0.5).floor().max(1.0) as usize).min(most.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_compare::{assert_near, is_near};

    const EPOCHS: [usize; 7] = [0, 1, 10, 24, 25, 40, 49];

    /// Against an independent implementation, 50 epochs.
    #[test]
    fn values() {
        let near = |schedule: Schedule, shape, expected: [f64; 7]| {
            for (epoch, expected) in EPOCHS.into_iter().zip(expected) {
                let got = schedule.at(shape, epoch, 50);
                assert!(is_near(got, expected, 1e-6), "{shape:?} epoch {epoch}: {got} instead of {expected}");
            }
        };
        let eps = Schedule { from: 0.6, to: 0.5 };
        near(eps, Shape::Linear, [0.6, 0.597_959, 0.579_592, 0.551_02, 0.548_98, 0.518_367, 0.5]);
        near(eps, Shape::Cosine, [0.6, 0.599_897, 0.590_071, 0.551_603, 0.548_397, 0.508_096, 0.5]);
        let regdb = Schedule { from: 0.2, to: 0.3 };
        near(regdb, Shape::Linear, [0.2, 0.202_041, 0.220_408, 0.248_98, 0.251_02, 0.281_633, 0.3]);
        near(eps, Shape::Step, [0.6, 0.6, 0.6, 0.6, 0.5, 0.5, 0.5]);
        near(eps, Shape::Fixed, [0.6; 7]);
        assert_near(eps.at(Shape::ThereAndBack, 49, 50), 0.6, 1e-12);
    }

    #[test]
    fn counts() {
        let at = |from: f64, to: f64| EPOCHS.map(|epoch| Schedule { from, to }.count_at(Shape::Linear, epoch, 50, 40));
        assert_eq!(at(6.0, 4.0), [6, 6, 6, 5, 5, 4, 4]);
        assert_eq!(at(4.0, 6.0), [4, 4, 4, 5, 5, 6, 6]);
        assert_eq!(at(16.0, 32.0), [16, 16, 19, 24, 24, 29, 32]);
        assert_eq!(at(9.0, 18.0), [9, 9, 11, 13, 14, 16, 18]);
        assert_eq!(Schedule { from: 50.0, to: 0.0 }.count_at(Shape::Linear, 0, 1, 40), 40);
        assert_eq!(Schedule { from: 0.0, to: 0.0 }.count_at(Shape::Linear, 0, 1, 40), 1);
    }
}
