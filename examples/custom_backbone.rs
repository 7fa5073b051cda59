//! Your own network, trained by a method of the library on a drawn world.
//!
//! ```text
//! cargo run --example custom_backbone --release
//! ```

use std::path::Path;
use std::sync::atomic::AtomicBool;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use vireid::{DataKind, DataSource};
use vireid_backbone::{Backbone, Features};
use vireid_core::{Modality, PerModality};
use vireid_memory::normalize_rows;
use vireid_methods::{Engine, Outcome, ProgressObserver, RunConfig, RunDir, TrainingImages, parse_device, registry};

/// Three strided convolutions that both modalities share, averages over the image, a batch-norm neck.
#[derive(Module, Debug)]
struct Plain {
    layers: Vec<Conv2d>,
    norms: Vec<BatchNorm>,
    neck: BatchNorm,
    dim: usize,
}

impl Plain {
    fn init(device: &Device) -> Self {
        let widths = [3, 32, 64, 128];
        let layer = |pair: &[usize]| {
            let config = Conv2dConfig::new([pair[0], pair[1]], [3, 3]).with_stride([2, 2]).with_bias(false);
            config.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).init(device)
        };
        Self {
            layers: widths.windows(2).map(layer).collect(),
            norms: widths[1..].iter().map(|&width| BatchNormConfig::new(width).init(device)).collect(),
            neck: BatchNormConfig::new(widths[3]).init(device),
            dim: widths[3],
        }
    }

    fn features(&self, images: Tensor<4>) -> Features {
        let layers = self.layers.iter().zip(&self.norms);
        let maps = layers.fold(images, |x, (layer, norm)| relu(norm.forward(layer.forward(x))));
        let [batch, channels, height, width] = maps.dims();
        let pooled = maps.reshape([batch, channels, height * width]).mean_dim(2).reshape([batch, channels]);
        Features { embedding: self.neck.forward(pooled.clone()), pooled }
    }
}

impl Backbone for Plain {
    fn dim(&self) -> usize {
        self.dim
    }

    fn forward(&self, visible: Tensor<4>, infrared: Tensor<4>) -> PerModality<Features> {
        PerModality { visible: self.features(visible), infrared: self.features(infrared) }
    }

    fn embed(&self, images: Tensor<4>, _modality: Modality) -> Tensor<2> {
        normalize_rows(self.features(images).embedding)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Short: an untrained network has little to cluster by.
    let settings = ["stage1.epochs=2", "stage2.epochs=1", "clustering.eps.visible=0.7", "clustering.eps.infrared=0.7"];
    let mut config = RunConfig::from_preset("mbccm_sysu_quick", &settings.map(String::from))?;
    config.backbone.name = "plain".into();
    let dataset = DataSource::new(None, Some(DataKind::Synthetic), 0, false)?.open()?;
    let images = TrainingImages::open(dataset, &config, false)?;

    let out = Path::new("runs/custom_backbone");
    let _ = std::fs::remove_dir_all(out);
    let run = RunDir::create(out, &config, &"an example")?;
    let device = parse_device("cpu")?;
    let build = {
        let device = device.clone().autodiff();
        Box::new(move |_: &_| Ok(Plain::init(&device)))
    };
    let method = registry::build(&config)?;
    let mut engine = Engine::new(config, method, build, device, images.train, images.test, run)?;
    if let Outcome::Finished(evaluations) = engine.run(&mut ProgressObserver::new(), &AtomicBool::new(false))? {
        for evaluation in evaluations {
            println!("{}: mAP {:.1} % (synthetic)", evaluation.moment, evaluation.first_map());
        }
    }
    Ok(())
}
