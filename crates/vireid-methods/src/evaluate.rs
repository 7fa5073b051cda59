use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vireid_backbone::Backbone;
use vireid_core::{Embeddings, Modality, PerModality};
use vireid_data::{ImageList, Sample, TestSplit};
use vireid_eval::sysu::SearchMode;
use vireid_eval::{Annotations, RankMetrics, llcm, regdb, sysu};

use crate::{Devices, MethodError, RunConfig, SeenPeople, extract};

/// The test images of a run and how they are scored.
#[derive(Debug, Clone)]
pub struct TestImages {
    /// Visible and infrared test images.
    pub images: PerModality<Arc<ImageList>>,
    /// Whose protocol applies; `None` when there is nothing to test.
    pub protocol: Option<Protocol>,
    /// How many of the people the network under test was trained on, where that was looked up.
    pub seen_people: Option<SeenPeople>,
}

/// A data set's protocol of testing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// SYSU-MM01: infrared queries, visible galleries that are drawn, all-search and indoor.
    Sysu,
    /// RegDB: both directions, all images.
    RegDb,
    /// LLCM: both directions, galleries that are drawn.
    Llcm,
    /// Data of one's own: both directions, all images.
    Own,
}

impl Protocol {
    /// The protocol of a split; none where there is nothing to test, or images of one modality of one's own.
    pub fn of(split: &TestSplit) -> Option<Self> {
        Some(match split {
            TestSplit::Own { visible, infrared } if visible.is_empty() || infrared.is_empty() => return None,
            TestSplit::Sysu { .. } => Protocol::Sysu,
            TestSplit::RegDb { .. } => Protocol::RegDb,
            TestSplit::Llcm { .. } => Protocol::Llcm,
            TestSplit::Own { .. } => Protocol::Own,
            TestSplit::Nothing => return None,
        })
    }
}

/// Mean and sample standard deviation over trials, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Sample standard deviation; 0 for one trial.
    pub std: f64,
}

impl Spread {
    /// Of some values.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / n;
        let square = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>();
        let std = if values.len() > 1 { (square / (n - 1.0)).sqrt() } else { 0.0 };
        Self { mean, std }
    }
}

/// How many queries a score rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueryCount {
    /// Queries with a match in the gallery, in the draw with the fewest: all figures are means over these.
    pub counted: usize,
    /// All queries.
    pub of: usize,
}

impl std::fmt::Display for QueryCount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.counted, self.of)
    }
}

/// The scores of one search mode or direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// `all`, `indoor`, or a direction such as `visible-to-thermal`.
    pub search: String,
    /// Trials averaged.
    pub trials: usize,
    /// Queries that count; `None` in files of versions that did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queries: Option<QueryCount>,
    /// Rank-1 in percent.
    pub rank1: Spread,
    /// Rank-5 in percent.
    pub rank5: Spread,
    /// Rank-10 in percent.
    pub rank10: Spread,
    /// Rank-20 in percent.
    pub rank20: Spread,
    /// Mean average precision in percent.
    pub map: Spread,
    /// Mean inverse negative penalty in percent.
    pub minp: Spread,
}

/// The scores of a network at one moment of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Which moment: `untrained`, `stage 1`, `epoch 5`, `final`.
    pub moment: String,
    /// Epochs trained before it.
    pub epochs: usize,
    /// One entry per search mode or direction.
    pub scores: Vec<Score>,
    /// How many of the test's people the network was trained on, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_people: Option<SeenPeople>,
}

impl Evaluation {
    /// The mAP of the first search mode, by which the best checkpoint is chosen (on test data: label it so).
    pub fn first_map(&self) -> f64 {
        self.scores.first().map_or(0.0, |score| score.map.mean)
    }

    /// What weakens the scores: queries that do not count, people that the network was trained on.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = self.scores.iter().filter_map(Score::warning).collect();
        warnings.extend(self.seen_people.and_then(|seen| seen.warning()));
        warnings
    }
}

impl Score {
    fn warning(&self) -> Option<String> {
        let QueryCount { counted, of } = self.queries.filter(|queries| queries.counted < queries.of)?;
        let left_out = of - counted;
        Some(format!("{}: {left_out} of {of} queries have no match in the gallery and count in no figure", self.search))
    }
}

/// Embeds the test images, each row of length 1, and scores them by their protocol; no score where there is none.
///
/// # Errors
///
/// `VR0502` when a test image's identity is not known; what extraction and the protocol refuse.
pub fn evaluate<B: Backbone>(
    network: &B,
    test: &TestImages,
    config: &RunConfig,
    devices: &Devices,
    mut progress: impl FnMut(usize),
) -> Result<Vec<Score>, MethodError> {
    let Some(protocol) = test.protocol else { return Ok(Vec::new()) };
    let mut done = 0;
    let mut embed = |modality: Modality| -> Result<Embeddings, MethodError> {
        let images = test.images.get(modality);
        let batch = config.clustering.batch;
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
    Ok(match protocol {
        Protocol::Sysu => {
            let mut scores = Vec::new();
            for mode in SearchMode::BOTH {
                let trials = sysu::evaluate(&infrared, &on_infrared, &visible, &on_visible, mode, trials)?;
                scores.push(score(mode.name(), &trials));
            }
            scores
        }
        Protocol::RegDb | Protocol::Own => {
            let (visible_ids, infrared_ids) = (&on_visible.identities, &on_infrared.identities);
            let there = regdb::evaluate(&visible, visible_ids, &infrared, infrared_ids)?;
            let back = regdb::evaluate(&infrared, infrared_ids, &visible, visible_ids)?;
            let names = match protocol {
                Protocol::RegDb => ["visible-to-thermal", "thermal-to-visible"],
                _ => ["visible-to-infrared", "infrared-to-visible"],
            };
            vec![score(names[0], &[there]), score(names[1], &[back])]
        }
        Protocol::Llcm => {
            let there = llcm::evaluate(&visible, &on_visible, &infrared, &on_infrared, trials)?;
            let back = llcm::evaluate(&infrared, &on_infrared, &visible, &on_visible, trials)?;
            vec![score("visible-to-infrared", &there), score("infrared-to-visible", &back)]
        }
    })
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

fn score(search: &str, trials: &[RankMetrics]) -> Score {
    let spread = |figure: &dyn Fn(&RankMetrics) -> f64| {
        Spread::of(&trials.iter().map(|trial| 100.0 * figure(trial)).collect::<Vec<_>>())
    };
    Score {
        search: search.into(),
        trials: trials.len(),
        queries: trials
            .iter()
            .map(|m| QueryCount { counted: m.valid_queries, of: m.queries })
            .min_by_key(|q| q.counted),
        rank1: spread(&|m| m.rank(1)),
        rank5: spread(&|m| m.rank(5)),
        rank10: spread(&|m| m.rank(10)),
        rank20: spread(&|m| m.rank(20)),
        map: spread(&|m| m.map),
        minp: spread(&|m| m.minp),
    }
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
        let test = TestImages { images, protocol: Some(Protocol::Own), seen_people: None };
        let config = RunConfig::from_preset("mult_sysu_quick", &[]).unwrap();
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
        let scores = vec![score("visible-to-infrared", &[metrics])];
        assert_eq!((scores[0].rank1.mean, scores[0].queries), (100.0, Some(QueryCount { counted: 1, of: 2 })));
        let mut evaluation = Evaluation { moment: "final".into(), epochs: 1, scores, seen_people: None };
        assert!(evaluation.warnings()[0].contains("1 of 2 queries"), "{:?}", evaluation.warnings());
        let json = serde_json::to_string(&evaluation).unwrap();
        assert!(json.contains("\"queries\":{\"counted\":1,\"of\":2}"), "{json}");
        let table = crate::evaluation_table("title", &[&evaluation]);
        assert!(table.contains("1 of 2") && table.contains("have no match"), "{table}");

        evaluation.scores[0].queries = None;
        assert!(evaluation.warnings().is_empty());
        let older = serde_json::to_string(&evaluation).unwrap();
        assert_eq!(serde_json::from_str::<Evaluation>(&older).unwrap(), evaluation, "files of older versions are read");
    }
}
