//! The settings of MMM.

use serde::{Deserialize, Serialize};
use vireid_clustering::{CostDirection, MemoryMatching};

use crate::parts::lookups::BankGradient;
use vireid_train::MethodError;

use crate::parts::settings::Checked;

/// The settings of a configuration's `[settings]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MmmSettings {
    /// Which reading of the method; sets every switch that is not set by name.
    pub profile: Profile,
    /// Temperature: logits are cosine similarities divided by it. Above 0.
    pub temperature: f64,
    /// Weight of the old prototype in the memories.
    pub momentum: f64,
    /// Neighbours ranked in the joint clustering.
    pub joint_k1: usize,
    /// Neighbours averaged in the joint clustering, the modalities counting equally.
    pub joint_k2: usize,
    /// Largest Jaccard distance of neighbours in the joint clustering.
    pub joint_eps: f64,
    /// How many memories a cluster has in the matching, at least 1.
    pub memories: usize,
    /// Match visible clusters with infrared ones by their memories. Off, stage 3 trains on the joint clusters of the
    /// baseline (the ablation without multi-memory matching).
    pub multi_memory: bool,
    /// Labels per batch of stage 3.
    pub ids_per_batch: usize,
    /// Images per label and modality in stage 3.
    pub images_per_id: usize,
    /// Epochs of stage 3 on the labels as they are, before confidences count.
    pub warm_up: usize,
    /// Margin of the triplet loss.
    pub margin: f64,
    /// Weight of the alignment within a modality; 0 is the ablation without it.
    pub intra: f64,
    /// Weight of the alignment between modalities; 0 is the ablation without it.
    pub inter: f64,
    /// Switches that differ from the profile's.
    #[serde(default, skip_serializing_if = "SwitchOverrides::is_empty")]
    pub switches: SwitchOverrides,
}

/// A reading of the method: which of the code's and the paper's differences it follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// The released code with its accidents.
    AsCoded,
    /// The released code, its accidents repaired.
    Clean,
    /// The paper where it differs from the released code, as far as it is known.
    Paper,
}

macro_rules! switches {
    ($($(#[$doc:meta])* $name:ident: $kind:ty = $as_coded:expr, $clean:expr, $paper:expr;)*) => {
        /// Every difference between the profiles.
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct Switches {
            $($(#[$doc])* pub $name: $kind,)*
        }

        /// Switches set by name. See [`Switches`].
        #[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
        pub struct SwitchOverrides {
            $(
                $(#[$doc])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $name: Option<$kind>,
            )*
        }

        impl SwitchOverrides {
            fn is_empty(&self) -> bool {
                *self == Self::default()
            }
        }

        impl Switches {
            /// The switches of a profile, with overrides.
            pub fn new(profile: Profile, overrides: &SwitchOverrides) -> Self {
                Self {
                    $($name: overrides.$name.unwrap_or_else(|| match profile {
                        Profile::AsCoded => $as_coded,
                        Profile::Clean => $clean,
                        Profile::Paper => $paper,
                    }),)*
                }
            }

            /// The switches by name, for listings.
            pub fn named(&self) -> Vec<(&'static str, String)> {
                vec![$((stringify!($name), format!("{:?}", self.$name).to_lowercase()),)*]
            }
        }
    };
}

switches! {
    /// Who gets whom in the matching.
    matching: Matching = Matching::Nearest, Matching::Nearest, Matching::Hungarian;
    /// Whose memories look for their nearest counterpart.
    direction: Direction = Direction::Infrared, Direction::Infrared, Direction::Visible;
    /// Leave the last cluster of either modality out of the matching.
    skip_last_cluster: bool = true, false, false;
    /// Of a cluster with fewer samples than memories take coordinates of the mean for memories, instead of its samples.
    coordinates_for_memories: bool = true, false, false;
    /// Keep visible images whose label is one beyond the infrared labels, and drop only labels further out.
    lenient_filter: bool = true, false, false;
    /// Passes over all images extend the shorter list by a constant and drop the last batch, instead of covering all.
    incomplete_passes: bool = true, false, false;
    /// A sample that a confidence pass left out counts as one with loss -1, instead of keeping its last confidence.
    unvisited_as_minus_one: bool = true, false, false;
    /// The first full epoch pulls features towards prototypes of zeros, instead of doing without that term.
    zero_first_prototypes: bool = true, false, false;
    /// What gradients see of the memories.
    bank_gradient: BankGradient = BankGradient::Live, BankGradient::Snapshot, BankGradient::Snapshot;
    /// How far a feature is from its prototype.
    intra_norm: IntraNorm = IntraNorm::L1, IntraNorm::L1, IntraNorm::L2;
    /// First epoch of stage 3 with the alignment within a modality, at least the warm-up.
    intra_from: usize = 0, 0, 1;
    /// First epoch of stage 3 with the alignment between modalities, at least the warm-up.
    inter_from: usize = 0, 0, 15;
    /// Divide a prototype by the sum of its weights, instead of by the number of its samples.
    weighted_prototypes: bool = false, false, false;
}

/// How clusters of the two modalities are matched: [`MemoryMatching`] as a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Matching {
    /// Every visible cluster gets its cheapest infrared one; several may get the same.
    Nearest,
    /// The assignment of pairs with the least total cost; visible clusters that are left over get their cheapest one.
    Hungarian,
}

impl From<Matching> for MemoryMatching {
    fn from(matching: Matching) -> Self {
        match matching {
            Matching::Nearest => Self::Nearest,
            Matching::Hungarian => Self::Hungarian,
        }
    }
}

/// Which side's memories search in the cost of a pair: [`CostDirection`] as a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Each memory of the infrared cluster looks for its nearest one of the visible cluster.
    Infrared,
    /// Each memory of the visible cluster looks for its nearest one of the infrared cluster.
    Visible,
    /// The mean of both costs.
    Symmetric,
}

impl From<Direction> for CostDirection {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Infrared => Self::SumOverInfrared,
            Direction::Visible => Self::SumOverVisible,
            Direction::Symmetric => Self::Symmetric,
        }
    }
}

/// How far a feature is from its prototype.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IntraNorm {
    /// Mean absolute difference.
    L1,
    /// Sum of squared differences.
    L2,
}

impl MmmSettings {
    /// The switches of the profile with those set by name.
    pub fn switches(&self) -> Switches {
        Switches::new(self.profile, &self.switches)
    }
}

impl Checked for MmmSettings {
    fn check(&self) -> Result<(), MethodError> {
        let settings = self;
        let refuse = |name: &str, what: &str| Err(MethodError::Config(format!("settings.{name} must be {what}")));
        if !(0.0..=1.0).contains(&settings.momentum) {
            return refuse("momentum", "from 0 to 1");
        }
        if settings.temperature.is_nan() || settings.temperature <= 0.0 {
            return refuse("temperature", "above 0");
        }
        if !(settings.joint_eps > 0.0 && settings.joint_eps < 1.0) {
            return refuse("joint_eps", "above 0 and below 1");
        }
        for (name, weight) in [("margin", settings.margin), ("intra", settings.intra), ("inter", settings.inter)] {
            if !(weight >= 0.0 && weight.is_finite()) {
                return refuse(name, "0 or more");
            }
        }
        for (name, count) in [
            ("joint_k1", settings.joint_k1),
            ("joint_k2", settings.joint_k2),
            ("memories", settings.memories),
            ("ids_per_batch", settings.ids_per_batch),
            ("images_per_id", settings.images_per_id),
            ("warm_up", settings.warm_up),
        ] {
            if count == 0 {
                return refuse(name, "at least 1");
            }
        }
        Ok(())
    }
}
