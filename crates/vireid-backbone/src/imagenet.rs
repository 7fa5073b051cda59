use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use burn::store::{ModuleStore, PytorchStore, SafetensorsStore, bridge};
use vireid_core::guard_parser;

use crate::parameters::load_parameters;
use crate::{BackboneError, TwoStreamNet};

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Where weights are read from: a file, or bytes in memory such as [`SMALL_WEIGHTS`](crate::SMALL_WEIGHTS).
#[derive(Debug, Clone)]
pub enum WeightFile<'a> {
    /// A file of PyTorch or of safetensors: its content says which, whatever its ending.
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

    /// All tensors of the network in the file by name, in f32 whatever the file's number type.
    ///
    /// A network is found wherever it is in the file: names may begin with `module.`, or the network may be the entry
    /// `state_dict` of a larger one. What is outside of it, such as an optimiser's state, is left out.
    ///
    /// # Errors
    ///
    /// `VR0301` when the file is missing, damaged or of another kind, `VR0304` when it holds several networks, `VR0305` for a
    /// weight that is not a finite number.
    pub fn read(&self) -> Result<Tensors, BackboneError> {
        let path = self.path();
        let failed = |reason: String| BackboneError::Unreadable { path: path.clone(), reason };
        match self {
            WeightFile::Bytes(_, bytes) => guarded(&path, &mut SafetensorsStore::from_bytes(Some(bytes.to_vec()))),
            WeightFile::Path(_) if !path.is_file() => {
                let reason = "there is no such file; download torchvision's resnet weights yourself and name the file";
                Err(failed(reason.into()))
            }
            WeightFile::Path(_) => {
                if begins_like_safetensors(&path).map_err(|error| failed(error.to_string()))? {
                    let bytes = std::fs::read(&path).map_err(|error| failed(error.to_string()))?;
                    return guarded(&path, &mut SafetensorsStore::from_bytes(Some(bytes)));
                }
                // Numbers in names mean blocks: they stay as they are.
                guarded(&path, &mut PytorchStore::from_file(&path).map_indices_contiguous(false))
            }
        }
    }
}

/// Eight bytes of length, then a JSON object: no file of PyTorch begins like that.
fn begins_like_safetensors(path: &Path) -> std::io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(9).read_to_end(&mut start)?;
    Ok(start.last() == Some(&b'{') && start.len() == 9)
}

/// As [`read_network`]; a store that panics has found the file damaged.
fn guarded<S: ModuleStore>(path: &Path, store: &mut S) -> Result<Tensors, BackboneError>
where
    S::Error: Display,
{
    guard_parser(|| read_network(path, store))
        .unwrap_or_else(|reason| Err(BackboneError::Unreadable { path: path.into(), reason }))
}

/// The tensors of the one network of a file.
fn read_network<S: ModuleStore>(path: &Path, store: &mut S) -> Result<Tensors, BackboneError>
where
    S::Error: Display,
{
    let failed = |reason: String| BackboneError::Unreadable { path: path.into(), reason };
    let tensors = store.get_all_tensors().map_err(|error| failed(error.to_string()))?;
    let prefix = network_prefix(tensors.keys()).map_err(|networks| {
        let name = |network: &str| if network.is_empty() { "the top".into() } else { network.to_string() };
        let networks = networks.into_iter().map(name).collect();
        BackboneError::SeveralNetworks { path: path.into(), networks }
    })?;
    let of_network = tensors.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?, tensor)));
    let mut network = Tensors::new();
    for (name, tensor) in of_network.filter(|(name, _)| !name.ends_with("num_batches_tracked")) {
        if !tensor.dtype.is_float() {
            return Err(failed(format!("{name} is {:?}; weights are numbers with a fraction", tensor.dtype)));
        }
        let data = bridge::to_data(tensor).map_err(|error| failed(error.to_string()))?;
        let shape = data.shape().to_vec();
        let values = data.convert::<f32>().try_to_vec::<f32>().map_err(|error| failed(format!("{error:?}")))?;
        if !values.iter().all(|value| value.is_finite()) {
            return Err(BackboneError::NotFinite { path: path.into(), name: name.into() });
        }
        // What PyTorch puts before the names of a module that was trained on several devices.
        let name = name.trim_start_matches("module.");
        if network.insert(name.into(), (shape, values)).is_some() {
            return Err(failed(format!("{name} occurs twice, with and without 'module.'")));
        }
    }
    Ok(network)
}

/// What comes before the names of a file's network; all such prefixes where there are several networks.
///
/// A network is where the first convolution is and what follows it: torchvision's, or this project's own.
fn network_prefix<'a>(names: impl Iterator<Item = &'a String>) -> Result<&'a str, BTreeSet<&'a str>> {
    let names: BTreeSet<&str> = names.map(String::as_str).collect();
    let is_root = |prefix: &&str| prefix.is_empty() || prefix.ends_with(['.', '/']);
    let of_torchvision = names
        .iter()
        .filter_map(|name| name.strip_suffix("conv1.weight"))
        .filter(|prefix| names.contains(format!("{prefix}layer1.0.conv1.weight").as_str()));
    let own = names.iter().filter_map(|name| name.strip_suffix("stem_visible.conv.weight"));
    let networks: BTreeSet<&str> = of_torchvision.chain(own).filter(is_root).collect();
    match networks.len() {
        // None where there is no whole network: what is missing is told later.
        0 | 1 => Ok(networks.into_iter().next().unwrap_or_default()),
        _ => Err(networks),
    }
}

/// Loads weights into a two-stream network: its own (as [`named_parameters`](crate::parameters::named_parameters) names
/// them), or torchvision's ResNet, whose `conv1` and `bn1` go to both stems and whose classifier is dropped.
///
/// # Errors
///
/// What [`WeightFile::read`] refuses; `VR0302` unless every tensor finds its place and every parameter its tensor.
/// A torchvision file may lack the neck, which it can't know; any file may lack all non-local blocks, which begin as the
/// identity.
pub fn load_imagenet(net: TwoStreamNet, file: &WeightFile<'_>) -> Result<TwoStreamNet, BackboneError> {
    let tensors = file.read()?;
    let from_torchvision = tensors.contains_key("conv1.weight");
    let mut tensors = if from_torchvision { renamed(tensors) } else { tensors };
    // A run's last stage may train a classifier, which no network in use has.
    tensors.retain(|name, _| !name.starts_with("classifier."));
    let has_non_local = tensors.keys().any(|name| name.contains(".non_local."));
    let (net, mut report) = load_parameters(net, tensors);
    report.missing.retain(|name| {
        let may_lack = from_torchvision && name.starts_with("neck.") || !has_non_local && name.contains(".non_local.");
        !may_lack
    });
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
    use burn::tensor::{Device, bf16, f16};
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

    /// Name, type and shape of a tensor, and its bytes.
    type Entry<'a> = (&'a str, Dtype, Vec<usize>, Vec<u8>);

    fn safetensors_of(entries: &[Entry<'_>]) -> Vec<u8> {
        let views =
            entries.iter().map(|(name, kind, shape, b)| (name, TensorView::new(*kind, shape.clone(), b).unwrap()));
        safetensors::serialize(views, None).unwrap()
    }

    const VALUES: [f32; 6] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];

    fn in_bytes<const N: usize>(to: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
        VALUES.iter().flat_map(|&value| to(value)).collect()
    }

    /// `module.` before every name, half precision and a `state_dict` within more, in either container.
    #[test]
    fn both_containers_are_read_alike() {
        let expected = Tensors::from([
            ("conv1.weight".into(), (vec![2, 3], VALUES.to_vec())),
            ("layer1.0.conv1.weight".into(), (vec![2], vec![0.5, -1.0])),
        ]);
        assert_eq!(fixture("nested_half.pth").read().unwrap(), expected);
        let kinds = [
            (Dtype::F32, in_bytes(f32::to_le_bytes)),
            (Dtype::F64, in_bytes(|value| f64::from(value).to_le_bytes())),
            (Dtype::F16, in_bytes(|value| f16::from_f32(value).to_le_bytes())),
            (Dtype::BF16, in_bytes(|value| bf16::from_f32(value).to_le_bytes())),
        ];
        for (kind, bytes) in kinds {
            for prefix in ["", "module.", "module.module.", "state_dict.", "state_dict.module.", "model.backbone."] {
                let [conv, block, tracked] = ["conv1.weight", "layer1.0.conv1.weight", "bn1.num_batches_tracked"]
                    .map(|name| format!("{prefix}{name}"));
                let small = [0.5f32, -1.0].iter().flat_map(|value| value.to_le_bytes()).collect();
                let mut entries = vec![
                    (conv.as_str(), kind, vec![2, 3], bytes.clone()),
                    (block.as_str(), Dtype::F32, vec![2], small),
                    (tracked.as_str(), Dtype::I64, vec![], vec![0; 8]),
                ];
                if !prefix.is_empty() {
                    entries.push(("optimizer.state.0.momentum_buffer", Dtype::F32, vec![1], vec![0; 4]));
                }
                let read = WeightFile::Bytes("file", &safetensors_of(&entries)).read().unwrap();
                assert_eq!(read, expected, "{prefix} {kind:?}");
            }
        }
    }

    /// The content says what a file is, not its ending.
    #[test]
    fn endings_do_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let entry = ("module.conv1.weight", Dtype::F32, vec![2, 3], in_bytes(f32::to_le_bytes));
        let whole = std::fs::read([env!("CARGO_MANIFEST_DIR"), "fixtures", "tiny.pth"].iter().collect::<PathBuf>());
        let (safetensors, pytorch) = (safetensors_of(&[entry]), whole.unwrap());
        for ending in ["SAFETENSORS", "safetensors", "pth", "PTH", "bin", "pth.tar"] {
            let path = folder.path().join(format!("weights.{ending}"));
            for content in [&safetensors, &pytorch] {
                std::fs::write(&path, content).unwrap();
                let tensors = WeightFile::Path(path.clone()).read().unwrap();
                assert_eq!(tensors["conv1.weight"], (vec![2, 3], VALUES.to_vec()), "{ending}");
            }
        }
    }

    #[test]
    fn several_networks_and_weights_that_are_no_numbers_are_refused() {
        let read =
            |entries: &[Entry<'_>]| WeightFile::Bytes("file", &safetensors_of(entries)).read().unwrap_err().to_string();
        let floats = |name: &'static str| (name, Dtype::F32, vec![1], 1f32.to_le_bytes().to_vec());
        let names = ["a.conv1.weight", "a.layer1.0.conv1.weight", "b.conv1.weight", "b.layer1.0.conv1.weight"];
        let error = read(&names.map(floats));
        assert!(error.starts_with("VR0304: weights file") && error.contains("a., b."), "{error}");
        let error = read(&[("conv1.weight", Dtype::F32, vec![1], f32::NAN.to_le_bytes().to_vec())]);
        assert!(error.starts_with("VR0305: weights file") && error.contains("conv1.weight"), "{error}");
        let too_large = f16::from_f32(1e9).to_le_bytes().to_vec();
        assert!(read(&[("conv1.weight", Dtype::F16, vec![1], too_large)]).starts_with("VR0305"));
        let error = read(&[("conv1.weight", Dtype::I32, vec![1], vec![0; 4])]);
        assert!(error.starts_with("VR0301") && error.contains("conv1.weight is I32"), "{error}");
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
