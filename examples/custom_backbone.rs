//! Your own network, registered by a name and trained by a method of the library on the synthetic world.
//!
//! ```text
//! cargo run --example custom_backbone --release
//! ```

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use vireid::{DataSource, ProgressObserver, open_images};
use vireid_backbone::{
    Backbone, BackboneError, BatchGroups, Features, GroupedBatchNorm, GroupedBatchNormConfig, Precision,
    with_batch_statistics,
};
use vireid_core::{Modality, PerModality, Streams};
use vireid_data::ImageSize;
use vireid_memory::normalize_rows;
use vireid_methods::networks::{self, NetworkKind};
use vireid_methods::{
    BackboneSettings, CheckpointKind, MethodError, Outcome, Session, SessionOptions, TrainedNetwork, parse_device,
    preset, registry,
};

/// Three strided convolutions that both modalities share, averages over the image, a batch-norm neck.
#[derive(Module, Debug)]
struct Plain {
    layers: Vec<Conv2d>,
    norms: Vec<GroupedBatchNorm>,
    neck: GroupedBatchNorm,
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
            norms: widths[1..].iter().map(|&width| GroupedBatchNormConfig::new(width).init(device)).collect(),
            neck: GroupedBatchNormConfig::new(widths[3]).init(device),
            dim: widths[3],
        }
    }

    fn features(&self, images: Tensor<4>) -> Features {
        let whole = BatchGroups::whole(images.dims()[0]);
        let layers = self.layers.iter().zip(&self.norms);
        let maps = layers.fold(images, |x, (layer, norm)| relu(norm.forward(layer.forward(x), &whole)));
        let [batch, channels, height, width] = maps.dims();
        let pooled = maps.reshape([batch, channels, height * width]).mean_dim(2).reshape([batch, channels]);
        Features { embedding: self.neck.forward(pooled.clone(), &whole), pooled }
    }
}

impl Backbone for Plain {
    fn dim(&self) -> usize {
        self.dim
    }

    fn forward(&self, visible: Tensor<4>, infrared: Tensor<4>) -> PerModality<Features> {
        PerModality { visible: self.features(visible), infrared: self.features(infrared) }
    }

    fn in_training_mode(self) -> Self {
        with_batch_statistics(self)
    }

    fn embed(&self, images: Tensor<4>, _modality: Modality) -> Tensor<2> {
        normalize_rows(self.features(images).embedding)
    }
}

/// Makes the network known: `backbone.name = "plain"`.
struct PlainKind;

impl NetworkKind for PlainKind {
    type Network = Plain;

    fn names(&self) -> Vec<String> {
        vec!["plain".into()]
    }

    fn init(
        &self,
        settings: &BackboneSettings,
        _: ImageSize,
        _: Streams,
        device: &Device,
    ) -> Result<Plain, MethodError> {
        // What the network does not have must not be taken without a word.
        let refused = [
            (settings.weights != "none", "it has no weights to start from; set backbone.weights to none"),
            (settings.non_local, "it has no non-local blocks; set backbone.non_local to false"),
            (settings.stride_in_1x1, "it has no bottlenecks; set backbone.stride_in_1x1 to false"),
            (settings.bn_groups != 1, "its batch norm sees the whole batch; set bn_groups to 1 per device"),
            (settings.pixels.is_some(), "it takes pixels as they are given; leave backbone.pixels out"),
            (settings.precision != Precision::F32, "it computes in f32 only; set backbone.precision to f32"),
        ];
        if let Some((_, message)) = refused.into_iter().find(|(is_refused, _)| *is_refused) {
            return Err(BackboneError::Config(format!("{}: {message}", settings.name)).into());
        }
        Ok(Plain::init(device))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    networks::register(PlainKind);
    // Short: an untrained network has little to cluster by.
    let settings = [
        "backbone.name=plain",
        "backbone.weights=none",
        "stage1.epochs=2",
        "stage2.epochs=1",
        "clustering.eps.visible=0.7",
        "clustering.eps.infrared=0.7",
    ];
    let config = preset("mbccm_sysu_quick", &settings.map(String::from))?;
    let dataset = DataSource::new(None, None, 0, false)?.open()?;
    let images = open_images(dataset, &config, false)?;

    let out = PathBuf::from("runs/custom_backbone");
    let _ = std::fs::remove_dir_all(&out);
    let method = registry::build(&config)?;
    let options = SessionOptions { config, out: out.clone(), resume: false, device: "cpu".into() };
    let mut session = Session::open(options, method, images.clone())?;
    if let Outcome::Finished(evaluations) = session.train(&mut ProgressObserver::new(), &AtomicBool::new(false))? {
        for evaluation in evaluations {
            println!("{}: mAP {:.1} % (synthetic)", evaluation.moment, evaluation.first_map());
        }
    }
    // Whatever opens a trained network finds its kind by the name.
    let trained = TrainedNetwork::open(&out, CheckpointKind::Last, parse_device("cpu")?)?;
    let embedded = trained.embed(&images.test.images.infrared, Modality::Infrared, |_| ())?;
    println!("{} embeddings of {} numbers", embedded.rows(), embedded.dim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// They were accepted without effect.
    #[test]
    fn settings_that_the_network_does_not_have_are_refused() {
        let init = |set: &[&str]| {
            let set = [&["backbone.name=plain", "backbone.weights=none"], set].concat().into_iter().map(String::from);
            let config = preset("mbccm_sysu_quick", &set.collect::<Vec<_>>())?.engine;
            PlainKind.init(&config.backbone, config.size(), Streams::new(0), &Device::default().autodiff())
        };
        assert!(init(&[]).is_ok());
        for set in [
            "backbone.weights=builtin:small",
            "backbone.non_local=true",
            "backbone.stride_in_1x1=true",
            "backbone.bn_groups=2",
            "backbone.precision=bf16",
        ] {
            let error = init(&[set]).err().map(|error| error.to_string()).unwrap_or_default();
            let key = set.split(['.', '=']).nth(1).unwrap_or_default();
            assert!(error.starts_with("VR0303") && error.contains(key), "{set}: {error}");
        }
    }
}
