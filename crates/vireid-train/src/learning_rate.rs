//! Learning rates over the epochs of a stage: steps, warm-up, linear, cosine and exponential pieces in a row.

use serde::{Deserialize, Serialize};

/// How a rate moves within a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateShape {
    /// By the same amount every epoch. From a small rate to a large one it is a warm-up.
    #[default]
    Linear,
    /// By half a cosine, slowly at both ends.
    Cosine,
    /// By the same factor every epoch.
    Exponential,
}

/// A piece of a learning rate's course, up to the next piece or the end of the stage.
///
/// In a preset, `{ from = 0, rate = 3.5e-4 }` is constant, and
/// `[{ from = 0, rate = 1e-6, to = 3.5e-4 }, { from = 10, rate = 3.5e-4, to = 1e-6, shape = "cosine" }]` warms up over ten
/// epochs and falls by a cosine afterwards. The rate is that of whole epochs: `to` would be reached by the epoch after the
/// piece's last.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RatePiece {
    /// First epoch that it holds for, counted from 0 within the stage. The first piece starts at 0, the others ascend.
    pub from: usize,
    /// The learning rate at that epoch, above 0.
    pub rate: f64,
    /// The rate that it moves to, above 0. Without one the rate stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<f64>,
    /// How it moves from `rate` to `to`; linear unless something else is named.
    #[serde(default, skip_serializing_if = "is_linear")]
    pub shape: RateShape,
}

fn is_linear(shape: &RateShape) -> bool {
    *shape == RateShape::Linear
}

/// The rate at an epoch of a stage of `epochs`; 0 before the first piece.
pub(crate) fn rate_at(pieces: &[RatePiece], in_stage: usize, epochs: usize) -> f64 {
    let Some(place) = pieces.iter().rposition(|piece| piece.from <= in_stage) else { return 0.0 };
    let piece = &pieces[place];
    let Some(to) = piece.to else { return piece.rate };
    let end = pieces.get(place + 1).map_or(epochs, |next| next.from);
    let share = (in_stage - piece.from) as f64 / end.saturating_sub(piece.from).max(1) as f64;
    // After its end a stage has the rate that it ended with.
    let share = share.min(1.0);
    match piece.shape {
        RateShape::Linear => piece.rate + (to - piece.rate) * share,
        RateShape::Cosine => to + (piece.rate - to) * (1.0 + (std::f64::consts::PI * share).cos()) / 2.0,
        RateShape::Exponential => piece.rate * (to / piece.rate).powf(share),
    }
}

/// What the pieces must do and don't, if anything.
pub(crate) fn fault(pieces: &[RatePiece]) -> Option<&'static str> {
    let is_rate = |rate: f64| rate > 0.0 && rate.is_finite();
    if pieces.first().is_none_or(|first| first.from != 0) || !pieces.is_sorted_by(|a, b| a.from < b.from) {
        return Some("must start at epoch 0 and ascend");
    }
    let are_rates = pieces.iter().all(|piece| is_rate(piece.rate) && piece.to.is_none_or(is_rate));
    (!are_rates).then_some("has a rate that is not above 0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_compare::assert_close;

    fn read(text: &str) -> Vec<RatePiece> {
        #[derive(Deserialize)]
        struct Table {
            rate: Vec<RatePiece>,
        }
        toml::from_str::<Table>(&format!("rate = {text}")).unwrap().rate
    }

    fn rates(text: &str, epochs: usize) -> Vec<f64> {
        let pieces = read(text);
        assert_eq!(fault(&pieces), None);
        (0..epochs).map(|epoch| rate_at(&pieces, epoch, epochs)).collect()
    }

    #[test]
    fn steps() {
        assert_close(&rates("[{ from = 0, rate = 1.0 }, { from = 2, rate = 0.1 }]", 4), &[1.0, 1.0, 0.1, 0.1], 0.0);
    }

    /// PyTorch's `LinearLR` and `CosineAnnealingLR` in a row give these.
    #[test]
    fn a_warm_up_and_a_cosine() {
        let text = r#"[{ from = 0, rate = 0.2, to = 1.0 }, { from = 4, rate = 1.0, to = 0.2, shape = "cosine" }]"#;
        let cosine = [1.0, 0.882_842_712_474_619, 0.6, 0.317_157_287_525_381];
        assert_close(&rates(text, 8), &[&[0.2, 0.4, 0.6, 0.8][..], &cosine].concat(), 1e-12);
    }

    #[test]
    fn exponential() {
        let text = r#"[{ from = 0, rate = 1.0, to = 0.0625, shape = "exponential" }]"#;
        assert_close(&rates(text, 4), &[1.0, 0.5, 0.25, 0.125], 1e-12);
    }

    #[test]
    fn faults() {
        let says = |text: &str| fault(&read(text)).unwrap();
        assert!(says("[]").contains("epoch 0") && says("[{ from = 1, rate = 1.0 }]").contains("epoch 0"));
        assert!(says("[{ from = 0, rate = 1.0 }, { from = 0, rate = 1.0 }]").contains("ascend"));
        assert!(says("[{ from = 0, rate = 0.0 }]").contains("above 0"));
        assert!(says("[{ from = 0, rate = 1.0, to = -1.0 }]").contains("above 0"));
    }
}
