//! What a run would do and cost, before it is started.

use std::time::Instant;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use vireid_backbone::Backbone;
use vireid_core::{Modality, Streams};

use crate::replicas::stage_backbone;
use crate::{MethodError, RunConfig, TrainingImages, adam, build_network, parse_devices, peak_memory_mib, registry};

/// Steps timed; the fastest counts, since the first ones also warm up.
const TIMED: usize = 3;

impl TrainingImages {
    /// Images, stages and memory of a run in a few lines.
    pub fn describe(&self, config: &RunConfig) -> String {
        let (train, test) = (&self.train, &self.test.images);
        let images = train.visible.len() + train.infrared.len() + test.visible.len() + test.infrared.len();
        let decoded = (images * 3 * config.input.height * config.input.width) as f64 / f64::from(1 << 20);
        let epochs: Vec<String> = config
            .stages()
            .iter()
            .map(|stage| match stage.iterations {
                0 => format!("{} epochs over all images", stage.epochs),
                steps => format!("{} epochs of {steps} steps", stage.epochs),
            })
            .collect();
        let skipped = match self.skipped.len() {
            0 => String::new(),
            n => format!(", {n} that can't be used left out"),
        };
        let testing = match self.test.protocol {
            Some(_) => format!("{} and {} for testing", test.visible.len(), test.infrared.len()),
            None => "none for testing: nothing will be scored".into(),
        };
        let notes: String = self.notes.iter().map(|note| format!("\nnote: {note}")).collect();
        format!(
            "{}: {} visible and {} infrared training images, {testing}{skipped}{notes}\n\
             {} ({}), {}: {}; decoded images take {decoded:.0} MiB of {} MiB",
            self.name,
            train.visible.len(),
            train.infrared.len(),
            config.method,
            config.preset,
            config.backbone.name,
            epochs.join(" + "),
            config.input.cache_mib,
        )
    }

    /// [`describe`](Self::describe), and an estimate of time and memory from a few steps and a batch of embeddings made on
    /// the first device now, which takes its share of them where there are others. Losses, memories, clustering and copies
    /// between devices are not in it.
    ///
    /// # Errors
    ///
    /// What opening the device, the network or the method refuses.
    pub fn plan(&self, config: &RunConfig, device: &str) -> Result<String, MethodError> {
        let devices = parse_devices(device)?;
        let (device, count) = (devices.first(), devices.count());
        let (tracked, size) = (device.clone().autodiff(), [config.input.height, config.input.width]);
        let backbones = config.stages().into_iter().map(|stage| stage_backbone(config, stage, count));
        let backbones = backbones.collect::<Result<Vec<_>, _>>()?;
        let mut network = build_network(&backbones[0], Streams::new(config.seed), device)?;
        let recipes = registry::build(config)?.recipes(config.at(0));
        let slots = config.sampler.clusters * config.sampler.instances;
        let share = slots.div_ceil(count);
        let blank = |count: usize, device: &Device| Tensor::<4>::zeros([count, 3, size[0], size[1]], device);
        let mut optimizer = adam(config.optimizer.weight_decay);
        let (mut step, mut embedding) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..TIMED {
            let clock = Instant::now();
            let visible = blank(share * recipes.visible.len(), &tracked);
            let features = network.forward(visible, blank(share * recipes.infrared.len(), &tracked));
            let loss =
                features.visible.embedding.powi_scalar(2).mean() + features.infrared.embedding.powi_scalar(2).mean();
            let gradients = GradientsParams::from_grads(loss.backward(), &network);
            network = optimizer.step(1e-9, network, gradients);
            let _ = device.sync();
            step = step.min(clock.elapsed().as_secs_f64());
        }
        let batch = config.clustering.batch;
        for _ in 0..TIMED {
            let clock = Instant::now();
            drop(network.valid().embed(blank(batch, device), Modality::Visible).into_data());
            embedding = embedding.min(clock.elapsed().as_secs_f64() / (batch * count) as f64);
        }
        let training = self.train.visible.len() + self.train.infrared.len();
        let testing = self.test.images.visible.len() + self.test.images.infrared.len();
        let of_epoch =
            |iterations: usize| if iterations == 0 { training.div_ceil(2 * slots.max(1)) } else { iterations };
        let steps: usize = config.stages().iter().map(|stage| stage.epochs * of_epoch(stage.iterations)).sum();
        let passes = |flip: bool| if flip { 2 } else { 1 };
        let embedded = config.epochs() * training * passes(config.clustering.flip_average)
            + (2 + config.epochs() / config.evaluation.every.max(1)) * testing * passes(config.evaluation.flip_average);
        let (stepping, embeddings) = (steps as f64 * step, embedded as f64 * embedding);
        let memory = peak_memory_mib().map_or("unknown".into(), |mib| format!("{mib:.0} MiB of main memory so far"));
        Ok(format!(
            "{}\n{steps} steps of {step:.3} s: {}; {embedded} embeddings of {:.2} ms: {}; together about {}\n\
             (measured just now; losses, memories and clustering come on top). {memory}",
            self.describe(config),
            duration(stepping),
            1e3 * embedding,
            duration(embeddings),
            duration(stepping + embeddings),
        ))
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
