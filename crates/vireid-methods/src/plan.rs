//! What a run would do and cost, before it is started.

use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use vireid_backbone::{Backbone, TwoStreamNet, loss_gradients};
use vireid_core::{Modality, PerModality, Streams};
use vireid_data::first_lines;

use crate::network::network_config;
use crate::replicas::stage_backbone;
use crate::step_memory::{activation_bytes, available_to, images_per_step, memory_needs};
use crate::{
    MemoryNeed, MethodError, RunConfig, TrainingImages, adam, build_network, parse_devices, registry, resolve_device,
};

/// Lines of a note that are shown: the sentence, and ten of the files that it is about.
const SHOWN: usize = 11;
/// Seconds that the timed steps may take together, about.
const PATIENCE: f64 = 3.0;
/// How much larger the next timed size is.
const GROWTH: usize = 4;
/// Share of the free memory that the activations of a timed step may take.
const SMALL: f64 = 0.125;
/// Bytes that they may take where the free memory is not known.
const LITTLE: f64 = (1u32 << 29) as f64;

impl TrainingImages {
    /// Images, stages and memory of a run in a few lines.
    pub fn describe(&self, config: &RunConfig) -> String {
        let (train, test) = (&self.train, &self.test.images);
        let decoded = self.decoded_bytes(config) as f64 / f64::from(1 << 20);
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
            None => match Modality::ALL.into_iter().find(|modality| !test.get(*modality).is_empty()) {
                Some(modality) => format!("{modality} ones alone for testing: nothing will be scored"),
                None => "none for testing: nothing will be scored".into(),
            },
        };
        let notes: String = self.notes.iter().map(|note| format!("\nnote: {}", first_lines(note, SHOWN))).collect();
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

    /// [`describe`](Self::describe), and an estimate of time and memory, in seconds on any machine: of time from small steps
    /// and small batches of embeddings made now on the first device, scaled to whole ones, of memory from the network's
    /// activations. What was assumed is said. Losses, memories, clustering and copies between devices are not in it.
    ///
    /// # Errors
    ///
    /// What opening the device, the network or the method refuses.
    pub fn plan(&self, config: &RunConfig, device: &str) -> Result<String, MethodError> {
        let names = resolve_device(device);
        let devices = parse_devices(&names)?;
        let (device, count) = (devices.first(), devices.count());
        let backbones = config.stages().into_iter().map(|stage| stage_backbone(config, stage, count));
        let backbones = backbones.collect::<Result<Vec<_>, _>>()?;
        let network = build_network(&backbones[0], Streams::new(config.seed), device)?;
        let parameters = network.num_params();

        let slots = config.sampler.clusters * config.sampler.instances;
        let share = slots.div_ceil(count);
        let recipes = registry::build(config)?.recipes(config.at(0));
        let views = PerModality { visible: recipes.visible.len(), infrared: recipes.infrared.len() };
        let first_name = names.split(',').next().unwrap_or_default().trim();
        let room = available_to(first_name).map_or(LITTLE, |free| SMALL * free);
        let of_image = activation_bytes(config, first_name, 1)?;
        let most = |images: usize, whole: usize| ((room / (images as f64 * of_image)) as usize).clamp(1, whole.max(1));
        let of_slot = views.visible + views.infrared;
        let (step, timed) = time_steps(network.clone(), config, device, views, most(of_slot, share));
        let step = step * share as f64;
        let most_at_once = most(1, config.clustering.batch);
        let (embedding, embedded_at_once) = time_embeddings(&network.valid(), config, device, most_at_once);
        let embedding = embedding / count as f64;

        let training = self.train.visible.len() + self.train.infrared.len();
        let testing = self.test.images.visible.len() + self.test.images.infrared.len();
        let of_epoch =
            |iterations: usize| if iterations == 0 { training.div_ceil(2 * slots.max(1)) } else { iterations };
        let steps: usize = config.stages().iter().map(|stage| stage.epochs * of_epoch(stage.iterations)).sum();
        let passes = |flip: bool| if flip { 2 } else { 1 };
        let embedded = config.epochs() * training * passes(config.clustering.flip_average)
            + (2 + config.epochs() / config.evaluation.every.max(1)) * testing * passes(config.evaluation.flip_average);
        let (stepping, embeddings) = (steps as f64 * step, embedded as f64 * embedding);
        let needs = memory_needs(config, &names, parameters, self.decoded_bytes(config))?;
        Ok(format!(
            "{}\n{steps} steps of {step:.3} s: {}; {embedded} embeddings of {:.2} ms: {}; together about {}\n\
             assumed: an image of a step takes as long as in steps of {} images, measured just now; a step has {}; embeddings as \
             in batches of {embedded_at_once}; losses, memories and clustering come on top\n{}",
            self.describe(config),
            duration(stepping),
            1e3 * embedding,
            duration(embeddings),
            duration(stepping + embeddings),
            timed * of_slot,
            slots * of_slot,
            describe_needs(config, &needs)?,
        ))
    }

    /// Bytes of all images of the run, decoded.
    pub(crate) fn decoded_bytes(&self, config: &RunConfig) -> usize {
        let (train, test) = (&self.train, &self.test.images);
        let images = train.visible.len() + train.infrared.len() + test.visible.len() + test.infrared.len();
        images * 3 * config.input.height * config.input.width
    }
}

/// A line for every memory that the run uses, and a warning for each that is too small.
fn describe_needs(config: &RunConfig, needs: &[MemoryNeed]) -> Result<String, MethodError> {
    let gib = |bytes: f64| bytes / f64::from(1 << 30);
    let activations = network_config(&config.backbone)?.activations(config.input.height, config.input.width);
    let mut lines: Vec<String> = needs
        .iter()
        .map(|need| {
            let free =
                need.available.map_or("what is free is not known".into(), |b| format!("{:.1} GiB are free", gib(b)));
            format!("{}: about {:.1} GiB needed, {free}", need.place, gib(need.needed))
        })
        .collect();
    let kept = if config.backbone.checkpointing { ", most of them not kept" } else { "" };
    lines.push(format!(
        "(reckoned from a step of {} images with {:.1} million activations each{kept}, the weights, and decoded images in main \
         memory)",
        images_per_step(config)?,
        activations as f64 / 1e6
    ));
    lines.extend(needs.iter().filter_map(MemoryNeed::shortage).map(|shortage| format!("warning: {shortage}")));
    Ok(lines.join("\n"))
}

/// Seconds of a training step per slot of a batch, and of how many slots the steps were that tell.
fn time_steps(
    network: TwoStreamNet,
    config: &RunConfig,
    device: &Device,
    views: PerModality<usize>,
    largest: usize,
) -> (f64, usize) {
    let (tracked, mut optimizer) = (device.clone().autodiff(), adam(config.optimizer.weight_decay));
    let mut network = Some(network);
    seconds_per_unit(largest, PATIENCE, |slots| {
        let Some(net) = network.take() else { unreachable!("a step gives the network back") };
        let images = views.map(|views| blank(slots * views, config, &tracked));
        let gradients = loss_gradients(&net, images, config.backbone.checkpointing, |features| {
            features.visible.embedding.powi_scalar(2).mean() + features.infrared.embedding.powi_scalar(2).mean()
        });
        network = Some(optimizer.step(1e-9, net, gradients));
        let _ = device.sync();
    })
}

/// Seconds of an embedding, and of how many images the batches were that tell.
fn time_embeddings(network: &TwoStreamNet, config: &RunConfig, device: &Device, largest: usize) -> (f64, usize) {
    seconds_per_unit(largest, PATIENCE / 2.0, |images| {
        drop(network.embed(blank(images, config, device), Modality::Visible).into_data());
    })
}

fn blank(count: usize, config: &RunConfig, device: &Device) -> Tensor<4> {
    Tensor::zeros([count, 3, config.input.height, config.input.width], device)
}

/// Times work of growing size, and returns its seconds by size and the size: of the largest up to `largest` that the patience
/// (in seconds) allows for. A size is tried twice where time allows: the first time it also warms up.
fn seconds_per_unit(largest: usize, patience: f64, mut work: impl FnMut(usize)) -> (f64, usize) {
    let start = Instant::now();
    let mut time = |size: usize| {
        let clock = Instant::now();
        work(size);
        clock.elapsed().as_secs_f64()
    };
    let (mut size, mut seconds) = (1, time(1));
    if start.elapsed().as_secs_f64() + seconds < patience {
        seconds = time(1);
    }
    while size < largest {
        let next = (GROWTH * size).min(largest);
        let twice = 2.0 * seconds * next as f64 / size as f64;
        if start.elapsed().as_secs_f64() + twice > patience {
            break;
        }
        time(next);
        (size, seconds) = (next, time(next));
    }
    (seconds / size as f64, size)
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The work grows as long as the patience lasts, and never beyond the whole.
    #[test]
    fn timed_work_stays_small() {
        let sizes = |largest: usize, patience: f64| {
            let mut sizes = Vec::new();
            let (_, size) = seconds_per_unit(largest, patience, |size| sizes.push(size));
            assert_eq!(sizes.last(), Some(&size));
            sizes
        };
        assert_eq!(sizes(10, f64::INFINITY), [1, 1, 4, 4, 10, 10]);
        assert_eq!(sizes(1, f64::INFINITY), [1, 1]);
        assert_eq!(sizes(1_000_000, 0.0), [1]);
    }
}
