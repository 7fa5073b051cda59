//! Training with true identities: the upper yardstick of a study, and the recipe of the pretrained weights. The only
//! place where identities make a loss; no library crate has it.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use vireid_backbone::{Backbone, TwoStreamNet};
use vireid_core::{Association, Identity, ModalityTag, PerModality, PseudoLabels, Streams};
use vireid_data::sampler::{BatchShape, associated_clusters};
use vireid_data::{Loader, LoaderConfig, Sample};
use vireid_losses::{batch_hard_triplet, cross_entropy, label_tensor};
use vireid_methods::{Labels, MethodError, RunConfig, Score, TrainingImages, adam, build_network, evaluate, registry};

/// Margin of the triplet loss, as a distance between embeddings of length 1.
pub const MARGIN: f64 = 0.3;
const STEPS: usize = 1000;
const RATE: f64 = 2e-3;
const SCALE: f64 = 20.0;
const SHAPE: BatchShape = BatchShape { clusters: 8, instances: 4, allow_few_clusters: false };

/// A softmax classifier on the cosines between embeddings and one direction per identity.
#[derive(Module, Debug)]
pub struct CosineClassifier {
    directions: Param<Tensor<2>>,
}

impl CosineClassifier {
    /// A classifier with one random direction per class, in a space of `dim` numbers.
    pub fn new(classes: usize, dim: usize, device: &Device) -> Self {
        let init = Initializer::Normal { mean: 0.0, std: 0.1 };
        Self { directions: init.init([classes, dim], device) }
    }

    /// Cosines between embeddings and directions, times `scale`.
    ///
    /// # Shapes
    ///
    /// - `unit_embeddings`: `[batch, dim]`, rows of length 1
    /// - output: `[batch, classes]`
    pub fn forward(&self, unit_embeddings: Tensor<2>, scale: f64) -> Tensor<2> {
        let directions = normalized(self.directions.val());
        unit_embeddings.matmul(directions.transpose()).mul_scalar(scale)
    }
}

/// Every row divided by its length.
///
/// # Shapes
///
/// - `rows` and output: `[batch, dim]`
pub fn normalized(rows: Tensor<2>) -> Tensor<2> {
    let norms = rows.clone().powi_scalar(2).sum_dim(1).clamp_min(1e-24).sqrt();
    rows / norms
}

#[derive(Module, Debug)]
struct Supervised {
    network: TwoStreamNet,
    classifier: CosineClassifier,
}

/// Trains the preset's network with the true identities of the training set and scores it.
pub fn bound(config: &RunConfig, images: &TrainingImages, device: &Device) -> Result<Vec<Score>, MethodError> {
    let streams = Streams::new(config.engine.seed);
    let autodiff = device.clone().autodiff();
    device.seed(config.engine.seed);
    let network = build_network(&config.engine.backbone, streams, device)?;
    let identities = identities(&images.train);
    let visible = classes(images.train.visible.samples(), &identities)?;
    let infrared = classes(images.train.infrared.samples(), &identities)?;
    let same = Association::from_fn(infrared.clusters(), visible.clusters(), |i, v| i == v);
    let truth = Labels { visible, infrared };
    let mut stream = streams.stream("sampler", [0; 3]);
    let plans = associated_clusters(&truth.visible, &truth.infrared, &same, SHAPE, STEPS, &mut stream)?;
    let recipes = registry::build(config)?.recipes(config.engine.at(0));
    let loader = LoaderConfig {
        stream: "augment",
        workers: config.engine.input.workers,
        prefetch: config.engine.input.prefetch,
    };
    let batches = Loader::start(images.train.clone(), recipes, plans, streams, 0, 0, loader);

    let classifier = CosineClassifier::new(identities.len(), network.dim(), &autodiff);
    let mut model = Supervised { network, classifier };
    let mut optimizer: ModuleOptimizer = adam(config.engine.optimizer.weight_decay);
    for (step, batch) in batches.enumerate() {
        let batch = batch?;
        let size = images.train.visible.size();
        let input = |pixels: Vec<f32>| {
            let count = pixels.len() / (3 * size.area());
            Tensor::<4>::from_data(TensorData::new(pixels, [count, 3, size.height, size.width]), &autodiff)
        };
        let (of_slots, of_infrared) = truth.of(&batch.plan);
        let labels = label_tensor(&[of_slots.clone(), of_slots, of_infrared].concat(), &autodiff);
        let PerModality { visible, infrared } =
            model.network.forward(input(batch.pixels.visible), input(batch.pixels.infrared));
        let unit = normalized(Tensor::cat(vec![visible.embedding, infrared.embedding], 0));
        let loss = cross_entropy(model.classifier.forward(unit.clone(), SCALE), labels.clone())
            + batch_hard_triplet(unit, labels, MARGIN);
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let rate = if step * 10 < STEPS * 6 { RATE } else { 0.1 * RATE };
        model = optimizer.step(rate, model, gradients);
    }
    evaluate(&model.network.valid(), &images.test, &config.engine, &device.clone().into(), |_| ())
}

fn identities(train: &PerModality<std::sync::Arc<vireid_data::ImageList>>) -> Vec<Identity> {
    let all = train.visible.samples().iter().chain(train.infrared.samples());
    let mut identities: Vec<Identity> = all.filter_map(|sample| sample.identity).collect();
    identities.sort_unstable();
    identities.dedup();
    identities
}

/// Identities as classes of the sampler.
fn classes<M: ModalityTag>(samples: &[Sample], identities: &[Identity]) -> Result<PseudoLabels<M>, MethodError> {
    let labels: Vec<_> = samples.iter().map(|sample| identities.binary_search(&sample.identity?).ok()).collect();
    Ok(PseudoLabels::new(&labels)?)
}
