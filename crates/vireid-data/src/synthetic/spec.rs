//! What makes a drawn world.

use super::{Dials, WorldSize};
use crate::DataError;

/// What makes a world, apart from its seed.
#[derive(Debug, Clone, PartialEq)]
pub struct WorldSpec {
    /// How hard it is to match people in it.
    pub dials: Dials,
    /// How many people and images it has.
    pub size: WorldSize,
}

impl WorldSpec {
    /// The default world: SYSU-MM01's six cameras.
    pub fn sysu() -> Self {
        Self {
            dials: Dials { gap: 0.2, camera: 0.3, collision: 0.0, occlusion: 0.0, view: 0.1 },
            size: WorldSize::Small { train: 80, test: 30, visible: 6, infrared: 12 },
        }
    }

    /// A world like RegDB: one camera per modality, side by side, clean within each, far apart between them.
    pub fn regdb() -> Self {
        Self {
            dials: Dials { gap: 0.1, camera: 0.3, collision: 0.0, occlusion: 0.0, view: 0.1 },
            size: WorldSize::Small { train: 60, test: 60, visible: 10, infrared: 10 },
        }
    }

    /// A world like LLCM: nine places with a camera of either modality each, every person seen at four of them.
    pub fn llcm() -> Self {
        Self {
            dials: Dials { gap: 0.2, camera: 0.3, collision: 0.0, occlusion: 0.0, view: 0.1 },
            size: WorldSize::Small { train: 80, test: 30, visible: 6, infrared: 6 },
        }
    }

    /// Sets one number by name, as in `gap=0.5`: a dial (`gap`, `camera`, `collision`, `occlusion`, `view`) or a size
    /// (`train`, `test` identities; `visible`, `infrared` training images per camera). Values are 0 or more; a size is
    /// at least 1.
    ///
    /// # Errors
    ///
    /// `VR0110` when there is no such number or the value has no meaning.
    pub fn set(&mut self, assignment: &str) -> Result<(), DataError> {
        let wrong = |why: &str| DataError::World(format!("'{assignment}': {why}"));
        let (key, value) = assignment.split_once('=').ok_or_else(|| wrong("expected NAME=NUMBER"))?;
        let value: f64 = value.trim().parse().map_err(|_| wrong("expected a number"))?;
        if !(0.0..=1e6).contains(&value) {
            return Err(wrong("expected a number of 0 or more"));
        }
        let key = key.trim();
        if let WorldSize::Small { train, test, visible, infrared } = &mut self.size {
            let sizes = [("train", train), ("test", test), ("visible", visible), ("infrared", infrared)];
            if let Some((_, size)) = sizes.into_iter().find(|(name, _)| *name == key) {
                *size = (value as usize).max(1);
                return Ok(());
            }
        }
        let Dials { gap, camera, collision, occlusion, view } = &mut self.dials;
        let dials =
            [("gap", gap), ("camera", camera), ("collision", collision), ("occlusion", occlusion), ("view", view)];
        match dials.into_iter().find(|(name, _)| *name == key) {
            Some((_, dial)) => *dial = value,
            None => return Err(wrong("there is no such dial or size")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dials_and_sizes_by_name() {
        let mut spec = WorldSpec::sysu();
        spec.set("gap=0.5").unwrap();
        spec.set("train = 100").unwrap();
        assert_eq!(spec.dials.gap, 0.5);
        assert!(matches!(spec.size, WorldSize::Small { train: 100, test: 30, .. }));
        for wrong in ["gap", "gap=x", "gap=-1", "color=1", "gap=NaN"] {
            assert!(spec.set(wrong).unwrap_err().to_string().starts_with("VR0110"), "{wrong}");
        }
        spec.size = WorldSize::Full;
        assert!(spec.set("train=5").is_err());
    }
}
