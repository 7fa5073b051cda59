//! What an exported file tells about itself.

use std::path::Path;

use vireid::calibration::Calibration;
use vireid::{KnownWeights, ProgramError};
use vireid_core::Modality;
use vireid_methods::{RunDir, TrainedNetwork};

use crate::calibrate::file_of;
use crate::model::NetworkArguments;
use crate::output::Output;

/// Keys and values, all keys beginning with `vireid.`.
type Facts = Vec<(String, String)>;

const LICENCE: &str = "vireid is MIT or Apache-2.0; these weights are under the terms of what they were trained on and started from, which may forbid commercial use";

/// How many runs may have started one from another.
const LONGEST_LINE: usize = 32;

/// The known weights that a network began with: its own, or those of the run that it started from, and so on.
fn origin(weights: &str) -> Option<&'static KnownWeights> {
    let mut weights = weights.to_string();
    for _ in 0..LONGEST_LINE {
        if let Some(known) = KnownWeights::of_path(Path::new(&weights)) {
            return Some(known);
        }
        // A run's checkpoint, in its folder of checkpoints.
        let run = Path::new(&weights).parent()?.parent()?;
        weights = RunDir::open(run).ok()?.1.engine.backbone.weights;
    }
    None
}

/// Under which terms a network is, as far as that is known.
fn licence(origin: Option<&KnownWeights>) -> String {
    match origin {
        Some(KnownWeights { name, about, licence, origin, .. }) => {
            format!("{LICENCE}; they started from {name} ({about}; {origin}), which its makers give under {licence}")
        }
        None => LICENCE.into(),
    }
}

/// Of any exported file.
pub fn of(network: &NetworkArguments, trained: &TrainedNetwork, output: Output) -> Result<Facts, ProgramError> {
    let config = trained.config();
    let mut facts: Facts = [
        ("method", config.method.clone()),
        ("network", config.backbone.name.clone()),
        ("weights", trained.hash().to_string()),
        ("dimension", trained.dim().to_string()),
        ("licence", licence(origin(&config.backbone.weights))),
    ]
    .map(fact)
    .to_vec();
    let pixels =
        config.backbone.pixels.and_then(|pixels| Some(serde_json::to_value(pixels).ok()?.as_str()?.to_string()));
    facts.extend(pixels.map(|pixels| fact(("pixels", pixels))));
    match trained.data_fingerprint() {
        Ok(fingerprint) if fingerprint.is_empty() => {}
        Ok(fingerprint) => facts.push(fact(("data", fingerprint))),
        Err(error) => output.warn(&error.to_string()),
    }
    if let Some(calibration) = Calibration::load(&file_of(network))? {
        match calibration.unfit_for(trained.recipe()) {
            None => facts.extend(
                [("threshold", calibration.threshold.to_string()), ("threshold.far", calibration.far.to_string())]
                    .map(fact),
            ),
            Some(reason) => output.warn(&format!("no threshold in the file: {reason}")),
        }
    }
    Ok(facts)
}

/// Of a graph: how to feed it.
pub fn of_graph(trained: &TrainedNetwork, modality: Modality, raw: bool) -> Facts {
    let (config, size) = (trained.config(), trained.size());
    let (height, width) = (size.height, size.width);
    let input = if raw {
        format!(
            "float32 [batch, 3, {height}, {width}], red first, (value / 255 - mean) / deviation, mean 0.485 0.456 0.406, deviation 0.229 0.224 0.225"
        )
    } else {
        format!("uint8 [batch, {height}, {width}, 3], red first")
    };
    [
        ("modality", modality.to_string()),
        ("input", input),
        ("height", height.to_string()),
        ("width", width.to_string()),
        ("resize", config.input.filter.clone()),
        (
            "range",
            serde_json::to_value(&config.input)
                .ok()
                .and_then(|input| Some(input.get("range")?.to_string()))
                .unwrap_or("full".into()),
        ),
        ("raw", raw.to_string()),
        ("mirror_average", (!raw && config.evaluation.flip_average).to_string()),
        ("unit_length", (!raw).to_string()),
    ]
    .map(fact)
    .to_vec()
}

fn fact((key, value): (&str, String)) -> (String, String) {
    (format!("vireid.{key}"), value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid::KNOWN_WEIGHTS;
    use vireid_methods::preset;

    /// Also of a network that was trained from a network that was imported.
    #[test]
    fn known_weights_are_told_with_their_licence() {
        let folder = tempfile::tempdir().unwrap();
        let run = |name: &str, weights: &str| {
            let weights = format!("backbone.weights={}", serde_json::to_string(weights).unwrap());
            let run = folder.path().join(name);
            RunDir::create(&run, &preset("mbccm_sysu_quick", &[weights]).unwrap(), &"").unwrap();
            run.join("checkpoints/last.safetensors").to_str().unwrap().to_string()
        };
        for known in KNOWN_WEIGHTS {
            let imported = run(&format!("imported-{}", known.name), &format!("/somewhere/{}", known.file));
            let trained = run(&format!("trained-{}", known.name), &imported);
            for weights in [known.name, known.file, &imported, &trained] {
                let told = licence(origin(weights));
                assert!(
                    told.starts_with(LICENCE)
                        && told.contains(known.licence)
                        && told.contains(&known.origin.to_string()),
                    "{told}"
                );
            }
        }
        let of_none = run("untrained", "none");
        for weights in
            ["none", "builtin:small", "/somewhere/mine.pth", &of_none, "/nowhere/checkpoints/last.safetensors"]
        {
            assert_eq!(licence(origin(weights)), LICENCE, "{weights}");
        }
        // One that says it started from itself ends too.
        let own = folder.path().join("itself/checkpoints/last.safetensors");
        assert_eq!(run("itself", own.to_str().unwrap()), own.to_str().unwrap());
        assert_eq!(origin(own.to_str().unwrap()), None);
    }
}
