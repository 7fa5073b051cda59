//! All that an embedding depends on besides its image.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{BackboneSettings, EngineConfig};

/// Settings of these tables that change no embedding: how fast images are read, what only training looks at. Any other
/// does, one that is added later too.
const WITHOUT_EFFECT: [(&str, &[&str]); 3] = [
    ("input", &["padding", "cache_mib", "workers", "prefetch"]),
    ("backbone", &["weights", "names", "bn_groups"]),
    ("evaluation", &["every", "trials"]),
];

/// All that an embedding depends on besides its image. Embeddings of different recipes can't be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddingRecipe {
    /// A fingerprint of the network's parameters, 16 hexadecimal digits; see
    /// [`TrainedNetwork::hash`](crate::TrainedNetwork::hash).
    pub weights: String,
    /// Settings by name, as JSON text: the size of images, their filter and, where it is not the full one, their range of
    /// numbers, the network's kind and precision, averaging over mirror images, length and dimension of an embedding.
    pub settings: BTreeMap<String, String>,
}

/// A setting in which two recipes differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipeDifference {
    /// Name of the setting, such as `input.filter`.
    pub field: String,
    /// Its value in the first recipe, as JSON; `not recorded` where that recipe lacks it.
    pub found: String,
    /// Its value in the second recipe, likewise.
    pub expected: String,
}

impl EmbeddingRecipe {
    /// Of embeddings of length 1; `backbone` are the settings of the network as it was built, which may be less precise
    /// than the run's.
    pub(crate) fn new(weights: &str, dim: usize, config: &EngineConfig, backbone: &BackboneSettings) -> Self {
        let mut settings = BTreeMap::new();
        settings.insert("dimension".to_string(), dim.to_string());
        settings.insert("unit_length".to_string(), true.to_string());
        settings.insert("backbone.precision".to_string(), json(&backbone.precision).to_string());
        let tables = [json(&config.input), json(backbone), json(&config.evaluation)];
        for ((table, without_effect), values) in WITHOUT_EFFECT.iter().zip(tables) {
            for (key, value) in values.as_object().into_iter().flatten() {
                if !without_effect.contains(&key.as_str()) {
                    settings.insert(format!("{table}.{key}"), value.to_string());
                }
            }
        }
        Self { weights: weights.into(), settings }
    }

    /// The first setting in which two recipes differ, the weights left aside. `None` when the settings agree.
    pub fn difference(&self, other: &Self) -> Option<RecipeDifference> {
        let value = |of: &Self, field: &str| of.settings.get(field).map_or("not recorded".into(), String::clone);
        let mut fields = self.settings.keys().chain(other.settings.keys());
        let field = fields.find(|field| self.settings.get(*field) != other.settings.get(*field))?;
        Some(RecipeDifference { field: field.clone(), found: value(self, field), expected: value(other, field) })
    }
}

fn json(settings: &impl Serialize) -> Value {
    serde_json::to_value(settings).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(overrides: &[&str], dim: usize) -> EmbeddingRecipe {
        let config = crate::testing::config(overrides).engine;
        EmbeddingRecipe::new("w", dim, &config, &config.backbone)
    }

    #[test]
    fn what_changes_an_embedding_is_named_and_nothing_else() {
        let plain = recipe(&[], 128);
        for (setting, field) in [
            ("input.height=64", "input.height"),
            ("input.width=32", "input.width"),
            ("input.filter=bilinear", "input.filter"),
            ("evaluation.flip_average=false", "evaluation.flip_average"),
            ("backbone.precision=bf16", "backbone.precision"),
            ("backbone.name=resnet18", "backbone.name"),
        ] {
            let other = match setting {
                "evaluation.flip_average=false" if plain.settings[field] == "false" => {
                    recipe(&["evaluation.flip_average=true"], 128)
                }
                "input.filter=bilinear" if plain.settings[field].contains("bilinear") => {
                    recipe(&["input.filter=lanczos"], 128)
                }
                _ => recipe(&[setting], 128),
            };
            let difference = other.difference(&plain).unwrap();
            assert_eq!(difference.field, field);
            assert_eq!(difference.expected, plain.settings[field]);
        }
        assert_eq!(recipe(&[], 64).difference(&plain).unwrap().field, "dimension");
        for harmless in ["input.workers=7", "input.cache_mib=1", "backbone.bn_groups=2", "evaluation.every=9", "seed=8"]
        {
            assert_eq!(recipe(&[harmless], 128).difference(&plain), None, "{harmless}");
        }
        let ranged = recipe(&["input.range=image"], 128).difference(&plain).unwrap();
        assert_eq!((&*ranged.field, &*ranged.found), ("input.range", "\"image\""));
        let mut older = plain.clone();
        older.settings.remove("input.filter");
        assert_eq!(older.difference(&plain).unwrap().found, "not recorded");
    }
}
