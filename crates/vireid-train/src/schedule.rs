//! Values that move over the epochs of a stage.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// How a value moves from one end to the other over the epochs of a stage. The value at the last epoch is the other
/// end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// By the same amount every epoch.
    Linear,
    /// By half a cosine, slowly at both ends.
    Cosine,
    /// At once, halfway through the stage.
    Step,
    /// Evenly to the other end by the middle of the stage, and back by its last epoch.
    ThereAndBack,
    /// Not at all: it stays at the first end, or at the start of the first piece.
    Fixed,
}

/// A value over the epochs of a stage: its first and its last.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The value at the first epoch.
    pub from: f64,
    /// The value at the last epoch.
    pub to: f64,
}

/// A stretch of epochs over which a value is multiplied by a factor, evenly in its logarithm. Its length is either a count of
/// epochs, or a share of the stage, which stays one when a stage is made longer or shorter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Piece {
    /// The value at the first epoch of the stretch.
    pub from: f64,
    /// What the value is multiplied by over the whole stretch; below 1 it shrinks.
    pub factor: f64,
    /// How many epochs the stretch has, at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<usize>,
    /// Which share of the stage's epochs the stretch has, above 0, where `over` is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

/// How a value moves over the epochs of a stage: in a configuration either `{ from = 0.6, to = 0.5 }`, which a [`Shape`]
/// leads from one end to the other, or exponential pieces in a row, `[{ from = 0.6, factor = 0.5, over = 10 }, ...]` or
/// `[{ from = 0.6, factor = 0.5, share = 0.2 }, ...]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Course {
    /// From one end to the other, as a [`Shape`] leads.
    Ends(Schedule),
    /// `from * factor^(e / length)`, `e` counted from where the piece begins. The last piece goes on to the stage's end.
    Pieces(Vec<Piece>),
}

impl Shape {
    /// Share of the way from the first end to the other, from 0 to 1, at epoch `epoch` (counted from 0) of `epochs`. 0
    /// in a stage of one epoch.
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

impl Piece {
    /// Its length in epochs, in a stage of `epochs`.
    fn length(&self, epochs: usize) -> f64 {
        match (self.over, self.share) {
            (Some(over), _) => over as f64,
            (None, share) => share.unwrap_or(0.0) * epochs as f64,
        }
    }

    fn is_sound(&self) -> bool {
        let is_positive = |value: f64| value > 0.0 && value.is_finite();
        let length = match (self.over, self.share) {
            (Some(over), None) => over as f64,
            (None, Some(share)) => share,
            _ => 0.0,
        };
        [self.from, self.factor, length].into_iter().all(is_positive)
    }
}

impl Schedule {
    /// The value at epoch `epoch` (counted from 0) of a stage of `epochs`.
    pub fn at(self, shape: Shape, epoch: usize, epochs: usize) -> f64 {
        self.from + (self.to - self.from) * shape.at(epoch, epochs)
    }
}

impl Course {
    /// The value at epoch `epoch` (counted from 0) of a stage of `epochs`. `shape` leads from one end to the other;
    /// pieces have their own way, unless it is [`Shape::Fixed`]. NaN for a course without pieces, which [`fault`](Self::fault) finds.
    pub fn at(&self, shape: Shape, epoch: usize, epochs: usize) -> f64 {
        let pieces = match self {
            Course::Ends(ends) => return ends.at(shape, epoch, epochs),
            Course::Pieces(pieces) => pieces,
        };
        let epoch = if shape == Shape::Fixed { 0.0 } else { epoch as f64 };
        let (mut first, mut value) = (0.0, f64::NAN);
        for piece in pieces.iter().take_while(|piece| piece.length(epochs) > 0.0) {
            if epoch < first {
                break;
            }
            value = piece.from * piece.factor.powf((epoch - first) / piece.length(epochs));
            first += piece.length(epochs);
        }
        value
    }

    /// The value as a count: the nearest whole number, halves up, from 1 to `most`.
    pub fn count_at(&self, shape: Shape, epoch: usize, epochs: usize, most: usize) -> usize {
        ((self.at(shape, epoch, epochs) + 0.5).floor().max(1.0) as usize).min(most.max(1))
    }

    /// The first and the last value of the course, or of each piece: what a range is checked by.
    pub fn ends(&self) -> Vec<f64> {
        match self {
            Course::Ends(Schedule { from, to }) => vec![*from, *to],
            Course::Pieces(pieces) => pieces.iter().flat_map(|piece| [piece.from, piece.from * piece.factor]).collect(),
        }
    }

    /// What the course must be and is not, as the end of a sentence such as "it must be ..."; `None` for a course that
    /// can be used.
    pub fn fault(&self) -> Option<&'static str> {
        match self {
            Course::Ends(Schedule { from, to }) if from.is_finite() && to.is_finite() => None,
            Course::Ends(_) => Some("numbers at both ends"),
            Course::Pieces(pieces) if pieces.is_empty() => Some("at least one piece"),
            Course::Pieces(pieces) => (!pieces.iter().all(Piece::is_sound))
                .then_some("pieces with `from`, `factor` and either `over` or `share`, all above 0"),
        }
    }
}

impl fmt::Display for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Course::Ends(Schedule { from, to }) => write!(f, "{from} to {to}"),
            Course::Pieces(pieces) => {
                for (number, Piece { from, factor, over, share }) in pieces.iter().enumerate() {
                    let then = if number > 0 { ", then " } else { "" };
                    write!(f, "{then}{from} times {factor} over ")?;
                    match over {
                        Some(over) => write!(f, "{over} epochs")?,
                        None => write!(f, "{} % of the epochs", share.unwrap_or_default() * 100.0)?,
                    }
                }
                Ok(())
            }
        }
    }
}

// Not derived: an untagged enum would no longer say which key of it is unknown.
impl<'de> Deserialize<'de> for Course {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Course;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{ from, to } or a list of { from, factor, over } or { from, factor, share }")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Course, A::Error> {
                Schedule::deserialize(MapAccessDeserializer::new(map)).map(Course::Ends)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Course, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(Course::Pieces)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_compare::{assert_close, assert_near, is_near};

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
        let up = Schedule { from: 0.2, to: 0.3 };
        near(up, Shape::Linear, [0.2, 0.202_041, 0.220_408, 0.248_98, 0.251_02, 0.281_633, 0.3]);
        near(eps, Shape::Step, [0.6, 0.6, 0.6, 0.6, 0.5, 0.5, 0.5]);
        near(eps, Shape::Fixed, [0.6; 7]);
        assert_near(eps.at(Shape::ThereAndBack, 49, 50), 0.6, 1e-12);
    }

    #[test]
    fn counts() {
        let course = |from: f64, to: f64| Course::Ends(Schedule { from, to });
        let at = |from: f64, to: f64| EPOCHS.map(|epoch| course(from, to).count_at(Shape::Linear, epoch, 50, 40));
        assert_eq!(at(6.0, 4.0), [6, 6, 6, 5, 5, 4, 4]);
        assert_eq!(at(4.0, 6.0), [4, 4, 4, 5, 5, 6, 6]);
        assert_eq!(at(16.0, 32.0), [16, 16, 19, 24, 24, 29, 32]);
        assert_eq!(at(9.0, 18.0), [9, 9, 11, 13, 14, 16, 18]);
        assert_eq!(course(50.0, 0.0).count_at(Shape::Linear, 0, 1, 40), 40);
        assert_eq!(course(0.0, 0.0).count_at(Shape::Linear, 0, 1, 40), 1);
    }

    /// Down by half over ten epochs and back over forty; the last piece goes on where the stage is longer.
    #[test]
    fn pieces_follow_one_another() {
        let piece = |from: f64, factor: f64, over: usize| Piece { from, factor, over: Some(over), share: None };
        let course = Course::Pieces(vec![piece(0.6, 0.5, 10), piece(0.3, 2.0, 40)]);
        let values = EPOCHS.map(|epoch| course.at(Shape::Linear, epoch, 50));
        assert_close(&values, &[0.6, 0.559_819_8, 0.3, 0.382_368_1, 0.389_052, 0.504_538, 0.589_692], 1e-6);
        let growing = Course::Pieces(vec![piece(6.0, 3.0, 48)]);
        assert_eq!(EPOCHS.map(|epoch| growing.count_at(Shape::Linear, epoch, 50, 100)), [6, 6, 8, 10, 11, 15, 18]);
        assert_eq!(EPOCHS.map(|epoch| growing.count_at(Shape::Fixed, epoch, 50, 100)), [6; 7]);
        assert_eq!(course.to_string(), "0.6 times 0.5 over 10 epochs, then 0.3 times 2 over 40 epochs");
    }

    #[test]
    fn shares_stretch_with_the_stage() {
        let piece = |from: f64, factor: f64, share: f64| Piece { from, factor, over: None, share: Some(share) };
        let shares = Course::Pieces(vec![piece(0.6, 0.5, 0.2), piece(0.3, 2.0, 0.8)]);
        for epochs in [5_usize, 10, 50] {
            let counted = |from: f64, factor: f64, over: usize| Piece { from, factor, over: Some(over), share: None };
            let counted = Course::Pieces(vec![counted(0.6, 0.5, epochs / 5), counted(0.3, 2.0, epochs * 4 / 5)]);
            let values =
                |course: &Course| Vec::from_iter((0..epochs).map(|epoch| course.at(Shape::Linear, epoch, epochs)));
            assert_eq!(values(&shares), values(&counted), "{epochs} epochs");
        }
        // A piece that begins between two epochs.
        assert_close(&[shares.at(Shape::Linear, 2, 7)], &[0.3 * 2_f64.powf(0.6 / 5.6)], 1e-12);
        assert_eq!(
            shares.to_string(),
            "0.6 times 0.5 over 20 % of the epochs, then 0.3 times 2 over 80 % of the epochs"
        );
    }

    #[test]
    fn either_form_is_read_and_faults_are_named() {
        #[derive(Debug, Deserialize, Serialize)]
        struct Table {
            eps: Course,
        }
        let read = |text: &str| crate::parse_settings::<Table>(text.parse().unwrap(), "settings.");
        let ends = read("eps = { from = 0.6, to = 0.5 }").unwrap().eps;
        assert_eq!(ends, Course::Ends(Schedule { from: 0.6, to: 0.5 }));
        let pieces = read("eps = [{ from = 0.6, factor = 0.5, over = 10 }]").unwrap().eps;
        assert_eq!(pieces.ends(), [0.6, 0.3]);
        for course in [&ends, &pieces] {
            let text = toml::to_string(&Table { eps: course.clone() }).unwrap();
            assert_eq!(&read(&text).unwrap().eps, course);
        }
        let unknown = read("eps = { from = 0.6, to = 0.5, form = 1 }").unwrap_err().to_string();
        assert!(unknown.starts_with("VR0501") && unknown.contains("settings.eps.form"), "{unknown}");
        let unknown = read("eps = [{ from = 0.6, factor = 0.5, over = 10, ever = 1 }]").unwrap_err().to_string();
        assert!(unknown.starts_with("VR0501") && unknown.contains("ever"), "{unknown}");
        let wrong = read("eps = 0.6").unwrap_err().to_string();
        assert!(wrong.starts_with("VR0502") && wrong.contains("{ from, to }"), "{wrong}");
        let piece = Piece { from: 0.6, factor: 0.5, over: Some(1), share: None };
        let faults = [
            vec![],
            vec![Piece { from: 0.0, ..piece }],
            vec![piece, Piece { factor: f64::NAN, ..piece }],
            vec![Piece { over: Some(0), ..piece }],
            vec![Piece { over: None, ..piece }],
            vec![Piece { share: Some(0.5), ..piece }],
            vec![Piece { over: None, share: Some(f64::INFINITY), ..piece }],
        ];
        assert!(faults.into_iter().all(|pieces| Course::Pieces(pieces).fault().is_some()));
        assert!(Course::Ends(Schedule { from: f64::NAN, to: 1.0 }).fault().is_some() && pieces.fault().is_none());
    }
}
