//! A trained network, ready to embed images.

use std::path::Path;

use vireid_backbone::Precision;
use vireid_backbone::onnx::Graph;
use vireid_backbone::parameters::NamedParameter;
use vireid_core::{Embeddings, Modality};
use vireid_data::{BadImage, DataError, ImageList, ImageSize};
use vireid_eval::{Cosine, Distances};

use crate::networks::{self, Embedder, NamedTensors};
use crate::onnx::drawn;
use crate::pixels::normalised;
use crate::{
    BackboneSettings, Checkpoint, CheckpointKind, Devices, EmbeddingRecipe, EngineConfig, MethodError, RunConfig,
    RunDir, Score, TestImages, TrainingRecord,
};

/// Images that are decoded at once.
const DECODED: usize = 1024;

/// The network of a run directory, of any kind that [`networks`] knows, ready to embed images.
#[derive(Debug)]
pub struct TrainedNetwork {
    network: Box<dyn Embedder>,
    config: RunConfig,
    recipe: EmbeddingRecipe,
    run: RunDir,
    devices: Devices,
}

impl TrainedNetwork {
    /// Reads the network of a run, off the autodiff side of the first device. Several devices embed batches in turn.
    ///
    /// # Errors
    ///
    /// `VR0510` when the folder holds no run, `VR0507` for a missing or damaged checkpoint, `VR0508` when its parameters are
    /// another network's.
    pub fn open(run: &Path, kind: CheckpointKind, devices: impl Into<Devices>) -> Result<Self, MethodError> {
        Self::open_as(run, kind, devices.into(), |_| ())
    }

    /// As [`open`](Self::open), in f32 whatever the network was trained in: what an exported graph computes.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open).
    pub fn open_in_f32(run: &Path, kind: CheckpointKind, devices: impl Into<Devices>) -> Result<Self, MethodError> {
        Self::open_as(run, kind, devices.into(), |settings| settings.precision = Precision::F32)
    }

    fn open_as(
        run: &Path,
        kind: CheckpointKind,
        devices: Devices,
        adapt: impl FnOnce(&mut BackboneSettings),
    ) -> Result<Self, MethodError> {
        let device = devices.first();
        let (run, config) = RunDir::open(run)?;
        let path = run.checkpoint(kind);
        if kind == CheckpointKind::Best && !path.exists() {
            let reason = "there is none: without a test set no checkpoint is the best".into();
            return Err(MethodError::BadCheckpoint { path, reason });
        }
        let checkpoint = Checkpoint::load(&path)?;
        // A prepared epoch is under way: its network, which may be a fresh one, is the checkpoint's.
        let trained_epochs = checkpoint.position.epoch + usize::from(checkpoint.prepared);
        // By name: a file's own order means nothing.
        let tensors: NamedTensors = checkpoint
            .model
            .into_iter()
            .filter(|(name, ..)| !name.starts_with("classifier."))
            .map(|(name, shape, values)| (name.trim_start_matches("network.").to_string(), (shape, values)))
            .collect();
        let bytes = tensors.iter().flat_map(|(name, (_, values))| {
            name.bytes().chain(values.iter().flat_map(|value| value.to_le_bytes())).collect::<Vec<u8>>()
        });
        let hash = format!("{:016x}", crate::system::fnv1a(bytes));
        // The starting weights are about to be replaced, and their file may be gone by now. Weights are f32 whatever the
        // precision, so a network that was trained in bf16 runs on a device without it too.
        let mut settings = BackboneSettings { weights: "none".into(), ..config.engine.backbone.clone() };
        if !settings.precision.is_supported(device) {
            settings.precision = Precision::F32;
        }
        adapt(&mut settings);
        let kind = networks::kind(&settings.name)?;
        let network = match kind.trained(&settings, config.engine.size(), device, tensors)? {
            Ok(network) => network,
            Err(found) => {
                let expected = format!("a {}", settings.name);
                return Err(MethodError::ForeignCheckpoint { path, what: "parameters", found, expected });
            }
        };
        let config = config.in_use(trained_epochs);
        let recipe = EmbeddingRecipe::new(&hash, network.dim(), &config.engine, &settings);
        Ok(Self { network, config, recipe, run, devices })
    }

    /// Settings of the run, as they hold for the network in use: images are resized and mirrored as in the test after the
    /// epoch that the checkpoint is of.
    pub fn config(&self) -> &EngineConfig {
        &self.config.engine
    }

    /// The same settings with the method's own sections.
    pub fn run_config(&self) -> &RunConfig {
        &self.config
    }

    /// A fingerprint of the parameters, 16 hexadecimal digits. Embeddings of networks with different ones can't be
    /// compared; nor those of one network that gets its pixels otherwise ([`recipe`](Self::recipe) tells those apart).
    pub fn hash(&self) -> &str {
        &self.recipe.weights
    }

    /// All that an embedding of this network depends on besides its image.
    pub fn recipe(&self) -> &EmbeddingRecipe {
        &self.recipe
    }

    /// Which images and people the network was trained on.
    ///
    /// # Errors
    ///
    /// `VR0510` when the run does not tell: an older version trained it, or its file is damaged.
    pub fn training_record(&self) -> Result<TrainingRecord, MethodError> {
        self.run.training_record()
    }

    /// Embeds every image of a list, in order, as training does for its labels: not scaled to length 1 again after averaging
    /// with the mirror image, where that is asked for.
    ///
    /// # Errors
    ///
    /// Those of [`extract`](crate::extract()).
    pub fn extract(
        &self,
        images: &ImageList,
        modality: Modality,
        flip_average: bool,
        mut progress: impl FnMut(usize),
    ) -> Result<Embeddings, MethodError> {
        let batch = self.config().extraction.batch;
        self.network.extract(images, modality, batch, flip_average, &self.devices, &mut progress)
    }

    /// Scores the network on test images. See [`evaluate`](crate::evaluate()).
    ///
    /// # Errors
    ///
    /// Those of [`evaluate`](crate::evaluate()).
    pub fn evaluate(&self, test: &TestImages, mut progress: impl FnMut(usize)) -> Result<Vec<Score>, MethodError> {
        self.network.evaluate(test, self.config(), &self.devices, &Cosine, &mut progress)
    }

    /// As [`evaluate`](Self::evaluate), ranked by other distances than the cosine.
    ///
    /// # Errors
    ///
    /// Those of [`evaluate`](crate::evaluate()) and of the distances.
    pub fn evaluate_by(
        &self,
        test: &TestImages,
        distances: &dyn Distances,
        mut progress: impl FnMut(usize),
    ) -> Result<Vec<Score>, MethodError> {
        self.network.evaluate(test, self.config(), &self.devices, distances, &mut progress)
    }

    /// The network's pass over images of one modality as an ONNX graph, with its weights.
    ///
    /// Its input `images` are bytes, `[batch, height, width, 3]`, red first, of images of [`size`](Self::size); its output
    /// `embedding` is `[batch, dim]`, as [`embed`](Self::embed) gives it. Scaling, normalisation, the mirror image where tests average over it and
    /// unit length are within. A `raw` graph is the network alone: from `[batch, 3, height, width]`, normalised, to what the
    /// neck gives, without mirror images and unit length.
    ///
    /// # Errors
    ///
    /// `VR0530` for a network of your own without [`Backbone::draw`](vireid_backbone::Backbone::draw).
    pub fn onnx(&self, modality: Modality, raw: bool) -> Result<Graph, MethodError> {
        drawn(&*self.network, self.config(), modality, raw)
    }

    /// All parameters and running statistics by name.
    pub fn parameters(&self) -> Vec<NamedParameter> {
        self.network.parameters()
    }

    /// The fingerprint of the data that the run was started with; see [`RunDir::data_manifest`].
    ///
    /// # Errors
    ///
    /// `VR0510` when the run does not tell.
    pub fn data_fingerprint(&self) -> Result<String, MethodError> {
        self.run.data_manifest()
    }

    /// Embeds images that are in memory, each row of length 1: `[height, width, 3]` bytes of images of [`size`](Self::size),
    /// red first. `flip_average` is what [`embed`](Self::embed) takes from the settings of tests.
    ///
    /// # Errors
    ///
    /// `VR0502` for an image of another size, `VR0002` when the network answers with NaN, `VR0511` when a device fails.
    pub fn embed_bytes(
        &self,
        images: &[Vec<u8>],
        modality: Modality,
        flip_average: bool,
    ) -> Result<Embeddings, MethodError> {
        let size = self.size();
        if let Some(image) = images.iter().find(|image| image.len() != 3 * size.area()) {
            let (height, width, found) = (size.height, size.width, image.len());
            return Err(MethodError::Config(format!("an image of {found} bytes is not {height} x {width} x 3")));
        }
        let mut values = Vec::with_capacity(images.len() * self.dim());
        for batch in images.chunks(self.config().extraction.batch.max(1)) {
            let pixels = batch.iter().flat_map(|image| normalised(image, size)).collect();
            values.extend(self.network.embed_pixels(pixels, size, modality, flip_average, self.devices.first())?);
        }
        Ok(Embeddings::new(values, images.len(), self.dim())?.normalized())
    }

    /// How many numbers an embedding has.
    pub fn dim(&self) -> usize {
        self.network.dim()
    }

    /// The size that all images are resized to.
    pub fn size(&self) -> ImageSize {
        self.config().size()
    }

    /// Embeds every image of a list that can be used, each decoded once and let go again, so that a list may be longer than
    /// the memory is. Returns the embeddings in order, and the images that can't be used.
    ///
    /// # Errors
    ///
    /// `VR0105` naming the images that can't be used, unless they may be skipped; those of [`extract`](Self::extract).
    pub fn embed_usable(
        &self,
        images: &ImageList,
        modality: Modality,
        skip_corrupt: bool,
        mut progress: impl FnMut(usize),
    ) -> Result<(Embeddings, Vec<BadImage>), MethodError> {
        let batch = self.config().extraction.batch;
        // Whole batches, so that they are those of the whole list.
        let at_once = batch * (DECODED / batch).max(1);
        let (mut values, mut bad) = (Vec::new(), Vec::new());
        for start in (0..images.len()).step_by(at_once) {
            let part = images.select(start..(start + at_once).min(images.len()));
            let unusable = part.check(|| ());
            let usable = if unusable.is_empty() { part } else { part.without(&unusable) };
            bad.extend(unusable);
            // An error it will be: what is left is looked at only to name all of them.
            if bad.is_empty() || skip_corrupt {
                values.extend_from_slice(self.embed(&usable, modality, |done| progress(start + done))?.as_slice());
            }
        }
        if !bad.is_empty() && !skip_corrupt {
            return Err(DataError::BadImages { images: bad, total: images.len() }.into());
        }
        Ok((Embeddings::new(values, images.len() - bad.len(), self.dim())?, bad))
    }

    /// Embeds every image of a list, in order, each row of length 1.
    ///
    /// # Errors
    ///
    /// Those of [`extract`](Self::extract).
    pub fn embed(
        &self,
        images: &ImageList,
        modality: Modality,
        mut progress: impl FnMut(usize),
    ) -> Result<Embeddings, MethodError> {
        let batch = self.config().extraction.batch;
        let mirrored = self.config().evaluation.flip_average;
        Ok(self.network.extract(images, modality, batch, mirrored, &self.devices, &mut progress)?.normalized())
    }
}
