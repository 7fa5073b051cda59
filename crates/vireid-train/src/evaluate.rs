//! Scoring a network on test images.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vireid_backbone::Backbone;
use vireid_core::{Embeddings, Modality, PerModality};
use vireid_data::{ImageList, Sample};
use vireid_eval::{Annotations, Cosine, Distances, Protocol, Score};

use crate::{Devices, EngineConfig, MethodError, SeenPeople, extract};

/// The test images of a run and how they are scored.
#[derive(Debug, Clone)]
pub struct TestImages {
    /// The test images of each modality; both empty without a test set.
    pub images: PerModality<Arc<ImageList>>,
    /// The protocol that scores them; `None` when there is nothing to score, and then no test is made.
    pub protocol: Option<Arc<dyn Protocol>>,
    /// How many of the test's people the network was trained on; `None` where that was not looked up.
    pub seen_people: Option<SeenPeople>,
}

/// The scores of a network at one moment of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Which test of the run it is: `untrained`, `stage 1`, `epoch 5`, `final`.
    pub moment: String,
    /// How many epochs, over all stages, were trained before it.
    pub epochs: usize,
    /// One score per search mode or direction, in the protocol's order.
    pub scores: Vec<Score>,
    /// How many of the test's people the network was trained on; `None` where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_people: Option<SeenPeople>,
}

impl Evaluation {
    /// The mAP of the first search mode, as a percentage; 0 without a score. The best checkpoint is chosen by it, on
    /// test data: label it so.
    pub fn first_map(&self) -> f64 {
        self.scores.first().map_or(0.0, |score| score.map.mean)
    }

    /// A sentence for each thing that weakens the scores: queries that do not count, people that the network was
    /// trained on.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self.scores.iter().filter_map(Score::warning).collect();
        warnings.extend(self.seen_people.and_then(|seen| seen.warning()));
        warnings
    }
}

/// Embeds the test images, each row of length 1, and scores them by their protocol. Without a protocol there is no
/// score. `progress` is called with the number of images done. `network` must be off the autodiff device, as for
/// [`extract`](extract()).
///
/// # Errors
///
/// `VR0502` when the identity of a test image is not known; what [`extract`](extract()) and the protocol refuse.
pub fn evaluate<B: Backbone>(
    network: &B,
    test: &TestImages,
    config: &EngineConfig,
    devices: &Devices,
    progress: impl FnMut(usize),
) -> Result<Vec<Score>, MethodError> {
    evaluate_by(network, test, config, devices, &Cosine, progress)
}

/// As [`evaluate`], ranked by other distances than the cosine.
///
/// # Errors
///
/// Those of [`evaluate`] and of the distances.
pub fn evaluate_by<B: Backbone>(
    network: &B,
    test: &TestImages,
    config: &EngineConfig,
    devices: &Devices,
    distances: &dyn Distances,
    mut progress: impl FnMut(usize),
) -> Result<Vec<Score>, MethodError> {
    let Some(protocol) = &test.protocol else { return Ok(Vec::new()) };
    let mut done = 0;
    let mut embed = |modality: Modality| -> Result<Embeddings, MethodError> {
        let images = test.images.get(modality);
        let batch = config.extraction.batch;
        let embeddings =
            extract(network, images, modality, batch, config.evaluation.flip_average, devices, |n| progress(done + n))?;
        done += images.len();
        // The mean of an image and its mirror image is shorter than 1.
        Ok(embeddings.normalized())
    };
    let (visible, infrared) = (embed(Modality::Visible)?, embed(Modality::Infrared)?);
    let of = |modality| annotations(test.images.get(modality).samples());
    let (on_visible, on_infrared) = (of(Modality::Visible)?, of(Modality::Infrared)?);
    let trials = config.evaluation.trials;
    Ok(protocol.score_by(&visible, &on_visible, &infrared, &on_infrared, trials, distances)?)
}

fn annotations(samples: &[Sample]) -> Result<Annotations, MethodError> {
    let identity = |sample: &Sample| {
        let message = || format!("the test image {} has no identity", sample.path.display());
        sample.identity.ok_or_else(|| MethodError::Config(message()))
    };
    Ok(Annotations {
        identities: samples.iter().map(identity).collect::<Result<_, _>>()?,
        cameras: samples.iter().map(|sample| sample.camera).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::{Module, Param};
    use burn::tensor::{Device, Tensor};
    use std::path::{Path, PathBuf};
    use vireid_backbone::Features;
    use vireid_core::{Camera, Identity};
    use vireid_data::{CacheBudget, ImageSize, ResizeFilter};
    use vireid_eval::own::OwnProtocol;
    use vireid_eval::{QueryCount, regdb};

    const SIZE: ImageSize = ImageSize { height: 8, width: 8 };

    /// Embeds an image by the red of its left half, the red of its right half and its green.
    #[derive(Module, Debug)]
    struct Halves {
        // A module needs a parameter.
        scale: Param<Tensor<1>>,
    }

    impl Backbone for Halves {
        fn dim(&self) -> usize {
            3
        }

        fn forward(&self, _visible: Tensor<4>, _infrared: Tensor<4>) -> PerModality<Features> {
            unreachable!("this network is not trained")
        }

        fn in_training_mode(self) -> Self {
            self
        }

        fn embed(&self, images: Tensor<4>, _modality: Modality) -> Tensor<2> {
            let batch = images.dims()[0];
            let mean = |channel: usize, start: usize, width: usize, center: f64, deviation: f64| {
                let part = images.clone().slice([0..batch, channel..channel + 1, 0..8, start..start + width]);
                part.reshape([batch, 8 * width]).mean_dim(1).mul_scalar(deviation).add_scalar(center)
            };
            let red = |start| mean(0, start, 4, 0.485, 0.229);
            let rows: Tensor<2> = Tensor::cat(vec![red(0), red(4), mean(1, 0, 8, 0.456, 0.224)], 1);
            let norms = rows.clone().powi_scalar(2).sum_dim(1).sqrt();
            rows / norms
        }
    }

    /// A bitmap of one colour in the left half and another in the right one, each red and green.
    fn bitmap(path: &Path, halves: [[u8; 2]; 2]) {
        let row = (0..8).flat_map(|column| {
            let [red, green] = halves[column / 4];
            [0, green, red]
        });
        let pixels: Vec<u8> = row.collect::<Vec<u8>>().repeat(8);
        let mut bytes = b"BM".to_vec();
        let words = [54 + pixels.len() as u32, 0, 54, 40, 8, 8, 1 | 24 << 16, 0, pixels.len() as u32, 0, 0, 0, 0];
        words.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
        std::fs::write(path, [bytes, pixels].concat()).unwrap();
    }

    /// The mean of an image and its mirror image is short where the two differ; its direction alone counts.
    #[test]
    fn flip_averages_are_scaled_to_unit_length() {
        let folder = tempfile::tempdir().unwrap();
        let list = |people: [[[u8; 2]; 2]; 2], name: &str| {
            let samples = people.into_iter().enumerate().map(|(person, halves)| {
                let path: PathBuf = folder.path().join(format!("{name}{person}.bmp"));
                bitmap(&path, halves);
                Sample { path, identity: Some(Identity(person as u32)), camera: Camera(1) }
            });
            let budget = CacheBudget::new(usize::MAX);
            Arc::new(ImageList::new(samples.collect(), SIZE, ResizeFilter::Lanczos, budget))
        };
        // The first person is red on one side and, seen in infrared, on both; the second is the same in both modalities.
        let images = PerModality {
            visible: list([[[200, 0], [0, 0]], [[140, 90], [140, 90]]], "visible"),
            infrared: list([[[150, 0], [150, 0]], [[140, 90], [140, 90]]], "infrared"),
        };
        let test = TestImages { images, protocol: Some(Arc::new(OwnProtocol)), seen_people: None };
        let config = crate::testing::config(&["evaluation.flip_average=true"]).engine;
        assert!(config.evaluation.flip_average);
        let device = Device::default();
        let network = Halves { scale: Param::from_tensor(Tensor::ones([1], &device)) };
        let scores = evaluate(&network, &test, &config, &device.into(), |_| ()).unwrap();
        let rank1: Vec<f64> = scores.iter().map(|score| score.rank1.mean).collect();
        assert_eq!(rank1, [100.0, 100.0]);
    }

    /// Half the queries had no match, and a Rank-1 of 100 was all that was said.
    #[test]
    fn a_score_tells_how_many_queries_it_rests_on() {
        let rows = Embeddings::new(vec![1.0, 0.0, 0.0, 1.0], 2, 2).unwrap();
        let of = |ids: [u32; 2]| ids.map(Identity);
        let metrics = regdb::evaluate(&rows, &of([1, 9]), &rows, &of([1, 2])).unwrap();
        let scores = vec![Score::of("visible-to-infrared", &[metrics])];
        assert_eq!((scores[0].rank1.mean, scores[0].queries), (100.0, Some(QueryCount { counted: 1, of: 2 })));
        let mut evaluation = Evaluation { moment: "final".into(), epochs: 1, scores, seen_people: None };
        assert!(evaluation.warnings()[0].contains("1 of 2 queries"), "{:?}", evaluation.warnings());
        let json = serde_json::to_string(&evaluation).unwrap();
        assert!(json.contains("\"queries\":{\"counted\":1,\"of\":2}"), "{json}");

        evaluation.scores[0].queries = None;
        assert!(evaluation.warnings().is_empty());
        let older = serde_json::to_string(&evaluation).unwrap();
        assert_eq!(serde_json::from_str::<Evaluation>(&older).unwrap(), evaluation, "files of older versions are read");
    }
}
