//! Seconds of steps and embeddings, measured on small ones: what the plan of a run's time goes by.

use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use vireid_backbone::{Backbone, loss_gradients};
use vireid_core::{Modality, PerModality};

use crate::{EngineConfig, adam};

/// Seconds that the timed steps may take together, about.
const PATIENCE: f64 = 3.0;
/// How much larger the next timed size is.
const GROWTH: usize = 4;

/// How long steps and embeddings took, and of which size they were.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepTiming {
    /// How many numbers the network's parameters have.
    pub(crate) parameters: usize,
    /// Seconds of a training step per image of a modality, views counted in.
    pub(crate) step: f64,
    /// Of how many images of a modality the steps were.
    pub(crate) step_size: usize,
    /// Seconds of an embedding, per image.
    pub(crate) embedding: f64,
    /// Of how many images the batches were.
    pub(crate) embedding_size: usize,
}

/// Times a network on the autodiff side of a device. `most` says how many images of a kind that takes so many views fit a
/// small share of the memory, up to a number; `share` is the part of a step that the device takes.
pub(crate) fn time_network<B: Backbone>(
    network: B,
    config: &EngineConfig,
    device: &Device,
    most: &dyn Fn(usize, usize) -> usize,
    views: PerModality<usize>,
    share: usize,
) -> StepTiming {
    let parameters = Module::num_params(&network);
    let largest = most(views.visible + views.infrared, share);
    let (step, step_size) = time_steps(network.clone(), config, device, views, largest);
    let at_once = most(1, config.extraction.batch);
    let (embedding, embedding_size) = time_embeddings(&network.valid(), config, device, at_once);
    StepTiming { parameters, step, step_size, embedding, embedding_size }
}

/// Seconds of a training step per slot of a batch, and of how many slots the steps were that tell.
fn time_steps<B: Backbone>(
    network: B,
    config: &EngineConfig,
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
fn time_embeddings<B: Backbone>(network: &B, config: &EngineConfig, device: &Device, largest: usize) -> (f64, usize) {
    seconds_per_unit(largest, PATIENCE / 2.0, |images| {
        drop(network.embed(blank(images, config, device), Modality::Visible).into_data());
    })
}

fn blank(count: usize, config: &EngineConfig, device: &Device) -> Tensor<4> {
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
