//! What a normalised value goes through.

/// What a value goes through, and its gradient on the way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Nothing.
    Open,
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
}

/// Where a [`Gate::Relu6`] ends.
pub(crate) const SIX: f32 = 6.0;

#[cfg(feature = "flex")]
impl Gate {
    /// What becomes of a value. Not-a-number stays, as in PyTorch.
    #[inline]
    pub fn apply(self, x: f32) -> f32 {
        match self {
            Self::Open => x,
            Self::Relu => relu(x),
            Self::Relu6 => {
                let x = relu(x);
                if x > SIX { SIX } else { x }
            }
        }
    }

    /// Whether a gradient passes where the value before the gate is this.
    #[inline]
    pub fn passes(self, x: f32) -> bool {
        match self {
            Self::Open => true,
            Self::Relu => x > 0.0 || x.is_nan(),
            Self::Relu6 => (x > 0.0 && x < SIX) || x.is_nan(),
        }
    }
}

#[cfg(feature = "flex")]
fn relu(x: f32) -> f32 {
    if Gate::Relu.passes(x) { x } else { 0.0 }
}
