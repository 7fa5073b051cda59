//! Weights of others for the two-stream residual networks.

use crate::loading::load_named;
use crate::{BackboneError, TwoStreamNet, WeightFile, WeightNames, WeightReport};

/// Loads weights into a two-stream network: its own (as [`named_parameters`](crate::parameters::named_parameters) names
/// them), or those of others whose names the file has.
///
/// # Errors
///
/// Those of [`load_two_stream`].
pub fn load_imagenet(net: TwoStreamNet, file: &WeightFile<'_>) -> Result<TwoStreamNet, BackboneError> {
    Ok(load_two_stream(net, file, WeightNames::Auto)?.0)
}

/// Loads weights into a two-stream network by the names of [`WeightNames`], and tells what was read. A single stem, such as
/// that of torchvision's ResNet, goes to both modalities, and classifiers are dropped.
///
/// # Errors
///
/// What [`WeightFile::read`] refuses; `VR0302` unless every tensor finds its place and every parameter its tensor.
/// A file of torchvision or timm may lack the neck, which it can't know; any file may lack all non-local blocks, which begin
/// as the identity.
pub fn load_two_stream(
    net: TwoStreamNet,
    file: &WeightFile<'_>,
    names: WeightNames,
) -> Result<(TwoStreamNet, WeightReport), BackboneError> {
    load_named(net, file, names, false, |_| Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TwoStreamNetConfig;
    use crate::parameters::named_parameters;
    use burn::tensor::Device;
    use safetensors::Dtype;
    use safetensors::tensor::TensorView;
    use vireid_compare::largest_difference;
    use vireid_core::Streams;

    fn resnet18() -> TwoStreamNet {
        TwoStreamNetConfig::resnet18().init(&Device::default(), &mut Streams::new(0).stream("init", [0; 3]))
    }

    /// A file as torchvision names it, made from our own names.
    fn torchvision_file(drop: &str, add: &str) -> Vec<u8> {
        let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
        for (name, shape, values) in named_parameters(&resnet18()) {
            let name = name
                .replace("stem_visible.conv", "conv1")
                .replace("stem_visible.bn", "bn1")
                .replace("layers.0.blocks", "layer1")
                .replace("layers.1.blocks", "layer2")
                .replace("layers.2.blocks", "layer3")
                .replace("layers.3.blocks", "layer4")
                .replace("downsample.conv", "downsample.0")
                .replace("downsample.bn", "downsample.1");
            if name.starts_with("stem_infrared") || name.starts_with("neck") || name == drop {
                continue;
            }
            tensors.push((name, shape, values.iter().flat_map(|x| (x + 1.0).to_le_bytes()).collect()));
        }
        tensors.push(("fc.weight".into(), vec![2], vec![0; 8]));
        if !add.is_empty() {
            tensors.push((add.into(), vec![1], vec![0; 4]));
        }
        let views = tensors.iter().map(|(n, s, b)| (n, TensorView::new(Dtype::F32, s.clone(), b).unwrap()));
        safetensors::serialize(views, None).unwrap()
    }

    #[test]
    fn torchvision_weights_go_to_both_stems() {
        let loaded = load_imagenet(resnet18(), &WeightFile::Bytes("file", &torchvision_file("", ""))).unwrap();
        let before = named_parameters(&resnet18());
        for ((name, _, new), (_, _, old)) in named_parameters(&loaded).iter().zip(&before) {
            let step = if name.starts_with("neck") { 0.0 } else { 1.0 };
            let moved: Vec<f32> = old.iter().map(|old| old + step).collect();
            assert!(largest_difference(new, &moved) < 1e-6, "{name}");
        }
    }

    #[test]
    fn a_missing_and_an_unused_tensor_are_named() {
        let missing = torchvision_file("layer2.0.conv1.weight", "");
        let error = load_imagenet(resnet18(), &WeightFile::Bytes("file", &missing)).unwrap_err().to_string();
        assert!(error.starts_with("VR0302") && error.contains("layers.1.blocks.0.conv1.weight"), "{error}");
        let unused = torchvision_file("", "layer5.conv.weight");
        let error = load_imagenet(resnet18(), &WeightFile::Bytes("file", &unused)).unwrap_err().to_string();
        assert!(error.contains("unused: layer5.conv.weight"), "{error}");
    }

    /// The weights that come with the crate know no non-local blocks, and start a network that has them.
    #[test]
    fn weights_without_non_local_blocks_start_a_network_with_them() {
        let with = TwoStreamNetConfig::small().with_non_local_blocks();
        let net = with.init(&Device::default(), &mut Streams::new(0).stream("init", [0; 3]));
        let file = WeightFile::Bytes("builtin:small", crate::SMALL_WEIGHTS);
        let loaded = named_parameters(&load_imagenet(net, &file).unwrap());
        let tensors = file.read().unwrap();
        assert!(loaded.iter().any(|p| p.0.contains(".non_local.")));
        let rest = loaded.iter().filter(|p| !p.0.contains(".non_local."));
        assert!(rest.into_iter().all(|(name, _, values)| *values == tensors[name].1));
    }

    /// The network within a checkpoint of a run is a start for another one.
    #[test]
    fn a_checkpoint_of_a_run_is_a_start() {
        let named = named_parameters(&resnet18());
        let bytes: Vec<Vec<u8>> =
            named.iter().map(|(_, _, values)| values.iter().flat_map(|value| value.to_le_bytes()).collect()).collect();
        let mut views: Vec<(String, TensorView<'_>)> = named
            .iter()
            .zip(&bytes)
            .map(|((name, shape, _), b)| {
                (format!("model/{name}"), TensorView::new(Dtype::F32, shape.clone(), b).unwrap())
            })
            .collect();
        views.push(("model/classifier.weight".into(), TensorView::new(Dtype::F32, vec![1], &bytes[0][..4]).unwrap()));
        views.push(("optimizer".into(), TensorView::new(Dtype::U8, vec![4], &bytes[0][..4]).unwrap()));
        views.push(("state/labels".into(), TensorView::new(Dtype::I32, vec![1], &bytes[0][..4]).unwrap()));
        let file = safetensors::serialize(views, None).unwrap();
        let other =
            TwoStreamNetConfig::resnet18().init(&Device::default(), &mut Streams::new(1).stream("init", [0; 3]));
        assert!(named_parameters(&other) != named);
        let loaded = load_imagenet(other, &WeightFile::Bytes("file", &file)).unwrap();
        assert!(named_parameters(&loaded) == named);
    }

    #[test]
    fn no_file_and_a_damaged_file() {
        let no_file = load_imagenet(resnet18(), &WeightFile::Path("nowhere.pth".into())).unwrap_err();
        assert!(no_file.to_string().starts_with("VR0301: weights nowhere.pth"));
        let folder = tempfile::tempdir().unwrap();
        for name in ["damaged.pth", "damaged.safetensors"] {
            let path = folder.path().join(name);
            std::fs::write(&path, b"not weights").unwrap();
            assert!(load_imagenet(resnet18(), &WeightFile::Path(path)).unwrap_err().to_string().starts_with("VR0301"));
        }
    }
}
