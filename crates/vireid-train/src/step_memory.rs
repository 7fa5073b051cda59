//! How much memory a training step takes, and how much there is: by the activations of the network, before any is allocated.

use std::collections::BTreeMap;

use vireid_backbone::{PieceSize, Precision};

use crate::networks::{self, Counted, Footprint};
use crate::running::AnyMethod;
use crate::system::{available_card_memory, available_memory};
use crate::{EngineConfig, MethodError, StageSettings};

/// How often the CPU's kernels keep an activation: what a convolution gives, what batch norm makes of it, and what a backward
/// pass holds beside them at its peak. Measured; a test measures again.
const KEPT_ON_CPU: f64 = 2.08;
/// The same in bf16, where what stands between layers takes half as much.
const KEPT_ON_CPU_BF16: f64 = 1.05;
/// How often graphics cards do, with the room that CubeCL keeps for later: what it asks CUDA's driver for, on a stand-in that
/// computes nothing. For steps of 432 and of 192 images of 288 x 144 with ResNet-50: 80.3 and 38.1 GB.
const KEPT_ON_CARDS: f64 = 4.45;
/// The same with convolutions in bf16: 48.4 and 22.8 GB.
const KEPT_ON_CARDS_BF16: f64 = 2.65;
/// How much more cards ask for than the CPU where activations are recomputed: 35.5 and 18.2 GB in f32, 26.0 and 11.7 GB
/// in bf16.
const CARDS_CHECKPOINTED: f64 = 2.95;
/// The same with convolutions in bf16.
const CARDS_CHECKPOINTED_BF16: f64 = 3.2;
/// How often the CPU holds the numbers of a block at once whose activations are recomputed for its gradients. Measured,
/// as above.
const HELD_OF_A_BLOCK: f64 = 3.0;
/// The same in bf16, where a convolution's operands stand beside their copies in f32.
const HELD_OF_A_BLOCK_BF16: f64 = 4.9;
/// The same of what a stem's convolution gives, and of what its pooling gives, which comes with places.
const HELD_OF_A_STEM: (f64, f64) = (4.3, 8.8);
/// How often the CPU holds the numbers of a network all of whose kept numbers are counted: once, and what a backward pass needs
/// beside them at its peak. Measured, as above.
const EVERYTHING_ON_CPU: f64 = 1.07;
/// The same of a block whose activations are recomputed.
const EVERYTHING_OF_A_BLOCK: f64 = 1.3;
/// How much more cards ask for: as much as of residual networks, which is not measured.
const EVERYTHING_ON_CARDS: f64 = KEPT_ON_CARDS / KEPT_ON_CPU;
/// How often a weight is kept: itself, its gradient, the optimiser's two moments, and room for convolutions.
const WEIGHTS_KEPT: f64 = 6.0;
/// Bytes of a number in f32.
const NUMBER: f64 = 4.0;
/// The memory of the machine, in which the CPU works too.
const MAIN: &str = "main memory";

/// What one memory has to hold while a run steps.
#[derive(Debug, Clone, PartialEq)]
pub struct MemoryNeed {
    /// Which memory: `main memory`, or the name of the device whose own it is.
    pub place: String,
    /// Bytes that the largest step takes, an estimate.
    pub needed: f64,
    /// Bytes that are free for it; `None` where that can't be told.
    pub available: Option<f64>,
}

impl MemoryNeed {
    /// `VR0520` as a warning when more is needed than is free; `None` when it suffices, or when it is not known what is
    /// free.
    pub fn shortage(&self) -> Option<MethodError> {
        let available = self.available.filter(|available| self.needed > *available)?;
        let gib = |bytes: f64| bytes / f64::from(1 << 30);
        Some(MethodError::LittleMemory {
            place: self.place.clone(),
            needed: gib(self.needed),
            available: gib(available),
        })
    }
}

/// The memory in which a device works.
fn place_of(device: &str) -> &str {
    if device == "cpu" { MAIN } else { device }
}

fn available_in(place: &str) -> Option<f64> {
    if place == MAIN { available_memory() } else { available_card_memory(place) }
}

/// Bytes that are free to a device, where that can be told.
pub(crate) fn available_to(device: &str) -> Option<f64> {
    available_in(place_of(device))
}

/// Images of a step in the stage that takes most, views counted, over all devices.
pub(crate) fn images_per_step(config: &EngineConfig, method: &dyn AnyMethod) -> usize {
    let first_epochs = config.stages.iter().scan(0, |next: &mut usize, stage: &StageSettings| {
        let first = *next;
        *next += stage.epochs;
        Some((first, stage.epochs))
    });
    // Batches may grow or shrink over a stage: its ends stand for it.
    let ends = first_epochs.filter(|(_, epochs)| *epochs > 0).flat_map(|(first, epochs)| [first, first + epochs - 1]);
    let images = ends.map(|epoch| {
        let at = config.at(epoch);
        let recipes = method.recipes(at);
        method.largest_batch(at).saturating_mul(recipes.visible.len() + recipes.infrared.len())
    });
    images.max().unwrap_or_default()
}

/// What a training pass of one image keeps in the network of the settings, where that is known.
fn footprint(config: &EngineConfig) -> Result<Option<Footprint>, MethodError> {
    networks::kind(&config.backbone.name)?.footprint(&config.backbone, config.size())
}

/// Activations of one image in a training pass, where that is known.
pub(crate) fn activations(config: &EngineConfig) -> Result<Option<usize>, MethodError> {
    Ok(footprint(config)?.map(|footprint| footprint.activations))
}

/// Bytes that the activations of `images` images take in a training step on the device of that name: an estimate. `None` where
/// what the network keeps is not known.
///
/// # Errors
///
/// `VR0303` for an unknown network.
pub fn activation_bytes(config: &EngineConfig, device: &str, images: usize) -> Result<Option<f64>, MethodError> {
    let Some(Footprint { activations, pieces, counted }) = footprint(config)? else { return Ok(None) };
    if counted == Counted::Everything {
        let of_image = match config.backbone.checkpointing {
            true => peak_piece(&pieces, |piece| EVERYTHING_OF_A_BLOCK * piece.inside as f64),
            false => EVERYTHING_ON_CPU * activations as f64,
        };
        let of_cards = if device == "cpu" { 1.0 } else { EVERYTHING_ON_CARDS };
        return Ok(Some(images as f64 * of_cards * of_image * NUMBER));
    }
    if config.backbone.checkpointing {
        let of_cards = match (device, config.backbone.precision) {
            ("cpu", _) => 1.0,
            (_, Precision::F32) => CARDS_CHECKPOINTED,
            (_, Precision::Bf16) => CARDS_CHECKPOINTED_BF16,
        };
        let of_image = checkpointed_bytes(&pieces, config.backbone.precision);
        return Ok(Some(images as f64 * of_cards * of_image));
    }
    let kept = match (device, config.backbone.precision) {
        ("cpu", Precision::F32) => KEPT_ON_CPU,
        ("cpu", Precision::Bf16) => KEPT_ON_CPU_BF16,
        (_, Precision::Bf16) => KEPT_ON_CARDS_BF16,
        (_, Precision::F32) => KEPT_ON_CARDS,
    };
    Ok(Some(images as f64 * activations as f64 * kept * NUMBER))
}

/// Bytes of one image at the peak of a step that recomputes its activations, of a residual network.
fn checkpointed_bytes(pieces: &[PieceSize], precision: Precision) -> f64 {
    let (number, of_a_block) = match precision {
        Precision::F32 => (NUMBER, HELD_OF_A_BLOCK),
        Precision::Bf16 => (NUMBER / 2.0, HELD_OF_A_BLOCK_BF16),
    };
    let stem = pieces.first();
    let held = |piece: &PieceSize| {
        let (inside, output) = (piece.inside as f64, piece.output as f64);
        match stem.is_some_and(|stem| std::ptr::eq(stem, piece)) {
            true if piece.output < piece.inside => HELD_OF_A_STEM.0 * inside + HELD_OF_A_STEM.1 * output,
            true => HELD_OF_A_STEM.0 * inside,
            false => of_a_block * inside,
        }
    };
    number * peak_piece(pieces, held)
}

/// The most numbers that a pass piece by piece holds: while a piece is in work, which holds `held`, what the pieces before it
/// and itself passed on is still to be used.
fn peak_piece(pieces: &[PieceSize], held: impl Fn(&PieceSize) -> f64) -> f64 {
    let mut passed_on = 0.0;
    let peaks = pieces.iter().map(|piece| {
        passed_on += piece.output as f64;
        passed_on + held(piece)
    });
    peaks.max_by(f64::total_cmp).unwrap_or(0.0)
}

/// What every memory has to hold that a run on `devices` (names separated by commas, none of them `auto`) with steps of
/// `images` images uses; nothing where what the network keeps is not known. `decoded` bytes of images are kept beside.
///
/// # Errors
///
/// What the network's kind refuses.
pub(crate) fn memory_needs(
    config: &EngineConfig,
    devices: &str,
    images: usize,
    parameters: usize,
    decoded: usize,
) -> Result<Vec<MemoryNeed>, MethodError> {
    let names: Vec<&str> = devices.split(',').map(str::trim).collect();
    let share = images.div_ceil(names.len());
    let batch = images as f64 * (3 * config.input.height * config.input.width) as f64 * NUMBER;
    let kept = (decoded as f64).min((config.input.cache_mib << 20) as f64);
    // Batches wait for their step, and one is on its way.
    let mut needs = BTreeMap::from([(MAIN, kept + batch * (config.input.prefetch + 1) as f64)]);
    for name in names {
        let place = place_of(name);
        let Some(activations) = activation_bytes(config, name, share)? else { return Ok(Vec::new()) };
        *needs.entry(place).or_default() += activations + parameters as f64 * WEIGHTS_KEPT * NUMBER;
    }
    let need =
        |(place, needed): (&str, f64)| MemoryNeed { place: place.into(), needed, available: available_in(place) };
    Ok(needs.into_iter().map(need).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_compare::largest_relative_difference;

    /// The network and the images of the papers.
    fn paper(overrides: &[&str]) -> EngineConfig {
        let network = ["backbone.name=resnet50", "input.height=288", "input.width=144"];
        crate::testing::config(&[&network, overrides].concat()).engine
    }

    /// Against what CUDA was asked for at most, in GB (`docs/results/memory_cuda.json`).
    #[test]
    fn steps_of_the_paper_on_a_card() {
        let gigabytes = |images: usize, overrides: &[&str]| {
            let config = paper(overrides);
            let parameters = 23_500_000.0 * WEIGHTS_KEPT * NUMBER;
            (activation_bytes(&config, "cuda:0", images).unwrap().unwrap() + parameters) / 1e9
        };
        let (bf16, again) = ("backbone.precision=bf16", "backbone.checkpointing=true");
        let got =
            [&[][..], &[bf16], &[again], &[bf16, again]].map(|set| [432, 192].map(|images| gigabytes(images, set)));
        let asked = [80.3, 38.1, 48.4, 22.8, 35.5, 18.2, 26.0, 11.7];
        assert!(largest_relative_difference(&asked, &got.concat(), 1.0) < 0.12, "{got:?}");
    }

    /// The plan of a transformer named no memory.
    #[test]
    fn steps_of_a_transformer() {
        let bytes = |name: &str, overrides: &[&str]| {
            let config = crate::testing::config(&[&[name, "input.height=256", "input.width=128"], overrides].concat());
            activation_bytes(&config.engine, "cpu", 64).unwrap().unwrap()
        };
        let small = bytes("backbone.name=vit_small_16", &[]);
        assert!((4e9..6e9).contains(&small), "{small}");
        let base = bytes("backbone.name=vit_base_16", &[]);
        assert!((1.9..2.1).contains(&(base / small)), "{base}");
        let again = bytes("backbone.name=vit_small_16", &["backbone.checkpointing=true"]);
        assert!(again < 0.3 * small, "{again}");
    }

    #[test]
    fn devices_share_a_batch_and_one_named_twice_holds_both_parts() {
        let config = paper(&["input.cache_mib=1024", "input.prefetch=1"]);
        let of = |devices: &str| memory_needs(&config, devices, 432, 1_000_000, 5 << 30).unwrap();
        let bytes = |images| activation_bytes(&config, "cpu", images).unwrap().unwrap();
        let weights = 1e6 * WEIGHTS_KEPT * NUMBER;
        let host = f64::from(1 << 30) + 2.0 * (432 * 3 * 288 * 144 * 4) as f64;
        let needed: Vec<f64> = of("cpu,cpu").iter().map(|need| need.needed).collect();
        assert_eq!(needed, [host + bytes(432) + 2.0 * weights]);
        let on_cards = of("cuda:0, cuda:1");
        let places: Vec<&str> = on_cards.iter().map(|need| need.place.as_str()).collect();
        assert_eq!(places, ["cuda:0", "cuda:1", MAIN]);
        assert_eq!(on_cards[2].needed, host);
        assert_eq!(on_cards[0].needed, activation_bytes(&config, "cuda:0", 216).unwrap().unwrap() + weights);
    }

    #[test]
    fn a_shortage_is_said_with_both_figures() {
        let gib = f64::from(1 << 30);
        let need = |available| MemoryNeed { place: MAIN.into(), needed: 3.5 * gib, available };
        assert!(need(None).shortage().is_none() && need(Some(4.0 * gib)).shortage().is_none());
        let said = need(Some(2.0 * gib)).shortage().unwrap().to_string();
        assert!(said.starts_with("VR0520") && said.contains("3.5 GiB") && said.contains("2.0 GiB"), "{said}");
    }
}
