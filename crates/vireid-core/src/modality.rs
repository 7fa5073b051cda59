//! The two kinds of light, as values and as types.

use std::fmt;

use crate::ClusterTag;

/// The kind of light that a camera sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Modality {
    /// Colour images, by daylight or lamps.
    Visible,
    /// Near-infrared or thermal images.
    Infrared,
}

impl Modality {
    /// Both modalities, visible first: the order of every concatenated batch.
    pub const ALL: [Modality; 2] = [Modality::Visible, Modality::Infrared];

    /// The name used in logs and keys.
    pub fn name(self) -> &'static str {
        match self {
            Modality::Visible => "visible",
            Modality::Infrared => "infrared",
        }
    }
}

impl fmt::Display for Modality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A modality known to the type checker, so that an index of visible clusters can't be used for infrared ones.
pub trait ModalityTag: ClusterTag {
    /// The same modality as a value.
    const MODALITY: Modality;
}

/// Tag of the visible modality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Visible;

/// Tag of the infrared modality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Infrared;

impl ModalityTag for Visible {
    const MODALITY: Modality = Modality::Visible;
}

impl ModalityTag for Infrared {
    const MODALITY: Modality = Modality::Infrared;
}

/// One value for each modality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PerModality<T> {
    /// The value of the visible modality.
    pub visible: T,
    /// The value of the infrared modality.
    pub infrared: T,
}

impl<T> PerModality<T> {
    /// The value of one modality.
    pub fn get(&self, modality: Modality) -> &T {
        match modality {
            Modality::Visible => &self.visible,
            Modality::Infrared => &self.infrared,
        }
    }

    /// What `f` makes of the two values, the visible one first.
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> PerModality<U> {
        PerModality { visible: f(self.visible), infrared: f(self.infrared) }
    }

    /// References to the two values.
    pub fn as_ref(&self) -> PerModality<&T> {
        PerModality { visible: &self.visible, infrared: &self.infrared }
    }
}
