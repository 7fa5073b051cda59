//! Whole MBCCM stage-2 steps on made-up images: what benchmarks time and devices are compared by.

use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor, TensorData};
use vireid_backbone::{Backbone, loss_gradients};
use vireid_core::{PerModality, Stream};
use vireid_memory::normalize_rows;
use vireid_methods::adam;
use vireid_methods::mbccm::{MbccmSettings, MemoryBanks, stage2_step};
use vireid_methods::parts::views::{StepEmbeddings, StepLabels};

const VISIBLE_CLUSTERS: usize = 100;
const INFRARED_CLUSTERS: usize = 60;
const RATE: f64 = 3.5e-4;
const WEIGHT_DECAY: f64 = 5e-4;

/// A network in training. Images, memories and labels come from the host's random stream, so they are the same on every
/// device.
pub struct Steps<B> {
    network: Option<B>,
    optimizer: ModuleOptimizer,
    banks: MemoryBanks,
    settings: MbccmSettings,
    inputs: (Tensor<4>, Tensor<4>),
    labels: (Vec<usize>, Vec<usize>),
    slots: usize,
    checkpointing: bool,
}

impl<B: Backbone> Steps<B> {
    /// `network` on the autodiff device of `device`; `slots` images of each modality, visible ones in two views.
    pub fn new(network: B, slots: usize, size: [usize; 2], stream: &mut Stream, device: &Device) -> Self {
        let tracked = device.clone().autodiff();
        let settings = MbccmSettings::released();
        let dim = network.dim();
        let mut rows = |count: usize| {
            let values: Vec<f32> = (0..count * dim).map(|_| stream.normal(0.0, 1.0) as f32).collect();
            normalize_rows(Tensor::from_data(TensorData::new(values, [count, dim]), device))
        };
        let centroids = PerModality { visible: rows(VISIBLE_CLUSTERS), infrared: rows(INFRARED_CLUSTERS) };
        let banks = MemoryBanks::new(centroids, &settings);
        let inputs = (noise(2 * slots, size, stream, &tracked), noise(slots, size, stream, &tracked));
        let labels = ((0..slots).map(|slot| slot / 5).collect(), (0..slots).map(|slot| slot / 5 + 3).collect());
        Self {
            network: Some(network),
            optimizer: adam(WEIGHT_DECAY),
            banks,
            settings,
            inputs,
            labels,
            slots,
            checkpointing: false,
        }
    }

    /// The same with activations that are recomputed instead of kept, or not.
    pub fn with_checkpointing(self, checkpointing: bool) -> Self {
        Self { checkpointing, ..self }
    }

    /// One step: both modalities forward, losses, memories, backward, Adam. The parts of the loss.
    pub fn step(&mut self) -> Tensor<1> {
        let Some(network) = self.network.take() else { unreachable!("it is put back below") };
        let (banks, settings, mut parts) = (&mut self.banks, &self.settings, None);
        let labels = StepLabels { visible: &self.labels.0, infrared: &self.labels.1 };
        let images = PerModality { visible: self.inputs.0.clone(), infrared: self.inputs.1.clone() };
        let gradients = loss_gradients(&network, images, self.checkpointing, |features| {
            let loss = stage2_step(banks, &StepEmbeddings::new(features, self.slots), labels, settings);
            parts = Some(loss.parts);
            loss.objective
        });
        self.network = Some(self.optimizer.step(RATE, network, gradients));
        let Some(parts) = parts else { unreachable!("the loss was asked for") };
        parts
    }

    /// The memories' rows, one after another.
    pub fn memories(&self) -> Vec<Tensor<2>> {
        let banks = &self.banks;
        [&banks.visible, &banks.infrared, &banks.agnostic_visible, &banks.agnostic_infrared]
            .map(|bank| bank.rows())
            .into()
    }
}

/// Images of evenly distributed noise from -0.5 to 0.5: drawn on the host, so they are the same on every device.
///
/// # Shapes
///
/// - output: `[count, 3, height, width]`
pub fn noise(count: usize, [height, width]: [usize; 2], stream: &mut Stream, device: &Device) -> Tensor<4> {
    let values: Vec<f32> = (0..count * 3 * height * width).map(|_| stream.unit() as f32 - 0.5).collect();
    Tensor::from_data(TensorData::new(values, [count, 3, height, width]), device)
}
