//! What a run would do and cost, before it is started.

use vireid_core::{Modality, PerModality};
use vireid_data::first_lines;

use crate::networks;
use crate::replicas::stage_backbone;
use crate::running::AnyMethod;
use crate::step_memory::{activation_bytes, activations, available_to, images_per_step, memory_needs};
use crate::step_timing::StepTiming;
use crate::{EngineConfig, MemoryNeed, MethodError, TrainingImages, parse_devices, resolve_device};

/// Lines of a note that are shown: the sentence, and ten of the files that it is about.
const SHOWN: usize = 11;
/// Share of the free memory that the activations of a timed step may take.
const SMALL: f64 = 0.125;
/// Bytes that they may take where the free memory is not known.
const LITTLE: f64 = (1u32 << 29) as f64;
/// Bytes that an image of a step is taken to keep where the network does not tell.
const UNKNOWN: f64 = (1u32 << 26) as f64;

impl TrainingImages {
    /// Says in a few lines how many images a run has, what its stages are, and how much of the cache its decoded images
    /// take.
    pub fn describe(&self, config: &EngineConfig) -> String {
        let (train, test) = (&self.train, &self.test.images);
        let decoded = self.decoded_bytes(config) as f64 / f64::from(1 << 20);
        let epochs: Vec<String> = config
            .stages
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
                Some(modality) => format!("only {modality} ones for testing: nothing will be scored"),
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
    pub fn plan(&self, config: &EngineConfig, method: &dyn AnyMethod, device: &str) -> Result<String, MethodError> {
        let names = resolve_device(device);
        let devices = parse_devices(&names)?;
        let (device, count) = (devices.first(), devices.count());
        let backbones = config.stages.iter().map(|stage| stage_backbone(config, stage, count));
        let backbones = backbones.collect::<Result<Vec<_>, _>>()?;

        let slots = method.largest_batch(config.at(0));
        let share = slots.div_ceil(count);
        let recipes = method.recipes(config.at(0));
        let views = PerModality { visible: recipes.visible.len(), infrared: recipes.infrared.len() };
        let first_name = names.split(',').next().unwrap_or_default().trim();
        let room = available_to(first_name).map_or(LITTLE, |free| SMALL * free);
        let of_image = activation_bytes(config, first_name, 1)?.unwrap_or(UNKNOWN);
        let most = |images: usize, whole: usize| ((room / (images as f64 * of_image)) as usize).clamp(1, whole.max(1));
        let of_slot = views.visible + views.infrared;
        let kind = networks::kind(&config.backbone.name)?;
        let timing = kind.time(&backbones[config.at(0).stage], config, device, &most, views, share)?;
        let StepTiming { parameters, step, step_size: timed, embedding, embedding_size: embedded_at_once } = timing;
        let step = step * share as f64;
        let embedding = embedding / count as f64;

        let training = self.train.visible.len() + self.train.infrared.len();
        let testing = self.test.images.visible.len() + self.test.images.infrared.len();
        let of_epoch =
            |iterations: usize| if iterations == 0 { training.div_ceil(2 * slots.max(1)) } else { iterations };
        let steps: usize = config.stages.iter().map(|stage| stage.epochs * of_epoch(stage.iterations)).sum();
        let passes = |flip: bool| if flip { 2 } else { 1 };
        let embedded = config.epochs() * training * passes(config.extraction.flip_average)
            + (2 + config.epochs() / config.evaluation.every.max(1)) * testing * passes(config.evaluation.flip_average);
        let (stepping, embeddings) = (steps as f64 * step, embedded as f64 * embedding);
        let images = images_per_step(config, method);
        let needs = memory_needs(config, &names, images, parameters, self.decoded_bytes(config))?;
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
            describe_needs(config, images, &needs)?,
        ))
    }

    /// Bytes of all images of the run, decoded.
    pub(crate) fn decoded_bytes(&self, config: &EngineConfig) -> usize {
        let (train, test) = (&self.train, &self.test.images);
        let images = train.visible.len() + train.infrared.len() + test.visible.len() + test.infrared.len();
        images * 3 * config.input.height * config.input.width
    }
}

/// A line for every memory that the run uses, and a warning for each that is too small.
fn describe_needs(config: &EngineConfig, images: usize, needs: &[MemoryNeed]) -> Result<String, MethodError> {
    let gib = |bytes: f64| bytes / f64::from(1 << 30);
    let Some(activations) = activations(config)? else {
        return Ok(format!("memory: not known, {} does not tell what a step keeps", config.backbone.name));
    };
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
        "(estimated from a step of {} images with {:.1} million activations each{kept}, the weights, and decoded images in main \
         memory)",
        images,
        activations as f64 / 1e6
    ));
    lines.extend(needs.iter().filter_map(MemoryNeed::shortage).map(|shortage| format!("warning: {shortage}")));
    Ok(lines.join("\n"))
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
