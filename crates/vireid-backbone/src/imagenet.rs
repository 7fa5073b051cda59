use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::store::{ModuleStore, PytorchStore};
use safetensors::{Dtype, SafeTensors};
use vireid_core::guard_parser;

use crate::parameters::load_parameters;
use crate::{BackboneError, TwoStreamNet};

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Where weights are read from.
#[derive(Debug, Clone)]
pub enum WeightFile<'a> {
    /// A `.pth` or `.safetensors` file.
    Path(PathBuf),
    /// The bytes of a safetensors file, with a name for messages.
    Bytes(&'static str, &'a [u8]),
}

impl WeightFile<'_> {
    fn path(&self) -> PathBuf {
        match self {
            WeightFile::Path(path) => path.clone(),
            WeightFile::Bytes(name, _) => PathBuf::from(name),
        }
    }

    /// All tensors by name.
    ///
    /// # Errors
    ///
    /// `VR0301` when the file is missing, damaged or of another kind.
    pub fn read(&self) -> Result<Tensors, BackboneError> {
        let failed = |reason: String| BackboneError::Unreadable { path: self.path(), reason };
        match self {
            WeightFile::Bytes(_, bytes) => {
                guard_parser(|| read_safetensors(bytes)).and_then(|read| read).map_err(failed)
            }
            WeightFile::Path(path) => {
                if !path.is_file() {
                    let reason =
                        "there is no such file; download torchvision's resnet weights yourself and name the file";
                    return Err(failed(reason.into()));
                }
                if path.extension().is_some_and(|extension| extension == "safetensors") {
                    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
                    return guard_parser(|| read_safetensors(&bytes)).and_then(|read| read).map_err(failed);
                }
                guard_parser(|| read_pytorch(path)).and_then(|read| read).map_err(failed)
            }
        }
    }
}

fn read_safetensors(bytes: &[u8]) -> Result<Tensors, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    file.tensors()
        .into_iter()
        .filter(|(name, _)| !name.ends_with("num_batches_tracked"))
        .map(|(name, view)| {
            if view.dtype() != Dtype::F32 {
                return Err(format!("{name} is {:?}; only F32 weights are read", view.dtype()));
            }
            let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            Ok((name, (view.shape().to_vec(), values)))
        })
        .collect()
}

fn read_pytorch(path: &Path) -> Result<Tensors, String> {
    let mut store = PytorchStore::from_file(path);
    let tensors = store.get_all_tensors().map_err(|error| error.to_string())?;
    tensors
        .iter()
        .filter(|(name, _)| !name.ends_with("num_batches_tracked"))
        .map(|(name, tensor)| {
            let data = burn::store::bridge::to_data(tensor).map_err(|error| error.to_string())?;
            let shape = data.shape().to_vec();
            let values = data.convert::<f32>().try_to_vec::<f32>().map_err(|error| format!("{error:?}"))?;
            Ok((name.trim_start_matches("module.").to_string(), (shape, values)))
        })
        .collect()
}

/// Loads weights into a two-stream network: its own (as [`named_parameters`](crate::parameters::named_parameters) names
/// them), or torchvision's ResNet, whose `conv1` and `bn1` go to both stems and whose classifier is dropped.
///
/// # Errors
///
/// `VR0301` when the file can't be read; `VR0302` unless every tensor finds its place and every parameter its tensor.
/// Only a torchvision file may lack the neck and the non-local blocks, which it can't know.
pub fn load_imagenet(net: TwoStreamNet, file: &WeightFile<'_>) -> Result<TwoStreamNet, BackboneError> {
    let tensors = file.read()?;
    let from_torchvision = tensors.contains_key("conv1.weight");
    let tensors = if from_torchvision { renamed(tensors) } else { tensors };
    let (net, mut report) = load_parameters(net, tensors);
    if from_torchvision {
        report.missing.retain(|name| !name.starts_with("neck.") && !name.contains(".non_local."));
    }
    if report.is_complete() {
        return Ok(net);
    }
    Err(BackboneError::Mismatch { missing: report.missing, unused: report.unused, wrong_shape: report.wrong_shape })
}

/// Torchvision's names to ours.
fn renamed(tensors: Tensors) -> Tensors {
    let mut renamed = Tensors::new();
    for (name, tensor) in tensors {
        let parts: Vec<&str> = name.split('.').collect();
        match parts[..] {
            ["fc", ..] => {}
            ["conv1", leaf] => stems(&mut renamed, "conv", leaf, tensor),
            ["bn1", leaf] => stems(&mut renamed, "bn", leaf, tensor),
            [layer, block, "downsample", "0", leaf] => {
                renamed.insert(format!("{}.{block}.downsample.conv.{leaf}", stage(layer)), tensor);
            }
            [layer, block, "downsample", "1", leaf] => {
                renamed.insert(format!("{}.{block}.downsample.bn.{leaf}", stage(layer)), tensor);
            }
            [layer, ref rest @ ..] if layer.starts_with("layer") => {
                renamed.insert(format!("{}.{}", stage(layer), rest.join(".")), tensor);
            }
            _ => {
                renamed.insert(name, tensor);
            }
        }
    }
    renamed
}

fn stems(tensors: &mut Tensors, part: &str, leaf: &str, tensor: (Vec<usize>, Vec<f32>)) {
    tensors.insert(format!("stem_visible.{part}.{leaf}"), tensor.clone());
    tensors.insert(format!("stem_infrared.{part}.{leaf}"), tensor);
}

/// `layer1` to `layers.0.blocks`.
fn stage(layer: &str) -> String {
    let number: usize = layer.trim_start_matches("layer").parse().unwrap_or(0);
    format!("layers.{}.blocks", number.wrapping_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TwoStreamNetConfig;
    use crate::parameters::named_parameters;
    use burn::tensor::Device;
    use safetensors::tensor::TensorView;
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
            assert!(new.iter().zip(old).all(|(n, o)| (n - o - step).abs() < 1e-6), "{name}");
        }
    }

    #[test]
    fn a_missing_and_an_unused_tensor_are_named() {
        let missing = torchvision_file("layer2.0.conv1.weight", "");
        let error = load_imagenet(resnet18(), &WeightFile::Bytes("file", &missing)).unwrap_err().to_string();
        assert!(error.starts_with("VR0302") && error.contains("layers.1.blocks.0.conv1.weight"), "{error}");
        let unused = torchvision_file("", "layer5.conv.weight");
        let error = load_imagenet(resnet18(), &WeightFile::Bytes("file", &unused)).unwrap_err().to_string();
        assert!(error.contains("unused: layers.4.blocks.conv.weight"), "{error}");
    }

    fn fixture(name: &str) -> WeightFile<'static> {
        WeightFile::Path([env!("CARGO_MANIFEST_DIR"), "fixtures", name].iter().collect())
    }

    #[test]
    fn a_pytorch_file() {
        let tensors = fixture("tiny.pth").read().unwrap();
        let names: Vec<&str> = tensors.keys().map(String::as_str).collect();
        assert_eq!(names, ["conv1.weight", "layer1.0.bn1.weight"]);
        assert_eq!(tensors["conv1.weight"], (vec![2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]));
        assert_eq!(tensors["layer1.0.bn1.weight"].1, [0.5, -1.0]);
    }

    /// The file asks its reader to run a program, as a pickle can; nothing is run.
    #[test]
    fn a_malicious_pickle_is_not_executed() {
        let read = fixture("malicious.pth").read();
        assert!(read.is_err() || read.is_ok_and(|tensors| tensors.is_empty()));
        assert!(!Path::new("pickle_was_executed").exists());
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
