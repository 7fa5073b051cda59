use std::fmt;
use std::hash::Hash;

/// What a camera sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Modality {
    /// Colour images.
    Visible,
    /// Near-infrared or thermal images.
    Infrared,
}

impl Modality {
    /// Both, visible first: the order of every concatenated batch.
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
pub trait ModalityTag: Copy + fmt::Debug + Eq + Hash + Ord + Send + Sync + 'static {
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
    /// The visible one.
    pub visible: T,
    /// The infrared one.
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

    /// Applies `f` to both.
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> PerModality<U> {
        PerModality { visible: f(self.visible), infrared: f(self.infrared) }
    }

    /// References to both.
    pub fn as_ref(&self) -> PerModality<&T> {
        PerModality { visible: &self.visible, infrared: &self.infrared }
    }
}
