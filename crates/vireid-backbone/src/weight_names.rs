//! Whose names the tensors of a file of weights have.

use serde::{Deserialize, Serialize};

use crate::name_rules::{RULE_SETS, RuleSet};

/// Whose names a file of weights has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightNames {
    /// Those by which the most of the file's tensors find their places.
    #[default]
    Auto,
    /// torchvision's ResNets.
    Torchvision,
    /// timm's ResNets and vision transformers, DINO's and TransReID-SSL's.
    Timm,
    /// The EfficientNets of the package `efficientnet_pytorch` and of its Lite variants.
    EfficientnetPytorch,
    /// The published two-stream ResNet-50 of this field: a visible and a thermal stem before a shared trunk.
    UslViReid,
    /// TransReID's vision transformer with its neck.
    Transreid,
    /// This project's own, as a run's checkpoint has them.
    Own,
}

impl WeightNames {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Auto,
        Self::Torchvision,
        Self::Timm,
        Self::EfficientnetPytorch,
        Self::UslViReid,
        Self::Transreid,
        Self::Own,
    ];

    /// The name, as settings have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Torchvision => "torchvision",
            Self::Timm => "timm",
            Self::EfficientnetPytorch => "efficientnet-pytorch",
            Self::UslViReid => "usl-vi-reid",
            Self::Transreid => "transreid",
            Self::Own => "own",
        }
    }

    /// The names of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|names| names.name() == name)
    }

    /// Whether they are to be found out.
    pub fn is_auto(&self) -> bool {
        *self == Self::Auto
    }

    /// Their table; `None` for those that are to be found out.
    pub(crate) fn rules(self) -> Option<&'static RuleSet> {
        RULE_SETS.iter().find(|set| set.name == self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_but_auto_has_its_table_and_every_table_its_name() {
        for names in WeightNames::ALL {
            assert_eq!(names.rules().is_none(), names.is_auto(), "{names:?}");
            assert_eq!(WeightNames::from_name(names.name()), Some(names));
            assert_eq!(serde_json::to_value(names).unwrap(), names.name());
        }
        assert!(RULE_SETS.iter().all(|set| WeightNames::from_name(set.name).is_some()));
        assert_eq!(WeightNames::from_name("keras"), None);
    }
}
