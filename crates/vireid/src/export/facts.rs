//! What an exported file tells about itself.

use vireid::ProgramError;
use vireid::calibration::Calibration;
use vireid_core::Modality;
use vireid_methods::TrainedNetwork;

use crate::calibrate::file_of;
use crate::model::NetworkArguments;
use crate::output::Output;

/// Keys and values, all keys beginning with `vireid.`.
type Facts = Vec<(String, String)>;

const LICENCE: &str = "vireid is MIT or Apache-2.0; these weights are under the terms of what they were trained on and started from, which may forbid commercial use";

/// Of any exported file.
pub fn of(network: &NetworkArguments, trained: &TrainedNetwork, output: Output) -> Result<Facts, ProgramError> {
    let config = trained.config();
    let mut facts: Facts = [
        ("method", config.method.clone()),
        ("network", config.backbone.name.clone()),
        ("weights", trained.hash().to_string()),
        ("dimension", trained.dim().to_string()),
        ("licence", LICENCE.to_string()),
    ]
    .map(fact)
    .to_vec();
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
