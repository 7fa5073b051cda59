//! Reading files of weights: safetensors, PyTorch's, and bytes in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use burn::store::{ModuleStore, PytorchStore, SafetensorsStore, bridge};
use vireid_core::guard_parser;

use crate::BackboneError;
use crate::archive::unpack_weights;
use crate::name_rules::{RULE_SETS, RuleSet};
use crate::not_weights::why_not_weights;

/// Shape and values of tensors by name.
pub(crate) type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Where weights are read from: a file, or bytes in memory such as [`SMALL_WEIGHTS`](crate::SMALL_WEIGHTS).
#[derive(Debug, Clone)]
pub enum WeightFile<'a> {
    /// A file of PyTorch or of safetensors, or an archive with one of them, such as a Python wheel: its content says which,
    /// whatever its ending.
    Path(PathBuf),
    /// The bytes of a safetensors file, with a name for messages.
    Bytes(&'static str, &'a [u8]),
}

impl WeightFile<'_> {
    /// The file, or what stands for it in messages.
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            WeightFile::Path(path) => path.clone(),
            WeightFile::Bytes(name, _) => PathBuf::from(name),
        }
    }

    /// Whether there is a file that may hold weights, without reading them.
    ///
    /// # Errors
    ///
    /// `VR0301` when the file is missing, or plainly something else: a folder, a web page.
    pub fn check(&self) -> Result<(), BackboneError> {
        let WeightFile::Path(path) = self else { return Ok(()) };
        let failed = |reason: &str| BackboneError::Unreadable { path: path.clone(), reason: reason.into() };
        if !path.exists() {
            return Err(failed("there is no such file; download the network's weights yourself and name the file"));
        }
        match why_not_weights(path).map_err(|error| failed(&error.to_string()))? {
            Some(reason) => Err(failed(reason)),
            None => Ok(()),
        }
    }

    /// All tensors of the network in the file by name, in f32 whatever the file's number type.
    ///
    /// A network is found wherever it is in the file: names may begin with `module.`, or the network may be the entry
    /// `state_dict` of a larger one. What is outside of it, such as an optimiser's state, is left out. Where a file has a
    /// teacher and its student, as DINO saves them, the network is the teacher.
    ///
    /// # Errors
    ///
    /// `VR0301` when the file is missing, damaged or of another kind, `VR0304` when it holds several networks, `VR0305` for a
    /// weight that is not a finite number, `VR0309` when what an archive has can't be unpacked.
    pub fn read(&self) -> Result<Tensors, BackboneError> {
        let path = self.path();
        let failed = |reason: String| BackboneError::Unreadable { path: path.clone(), reason };
        match self {
            WeightFile::Bytes(_, bytes) => guarded(&path, &mut SafetensorsStore::from_bytes(Some(bytes.to_vec()))),
            WeightFile::Path(_) => {
                self.check()?;
                let unpacked = unpack_weights(&path, tempfile::NamedTempFile::new)?;
                let file = unpacked.as_ref().map_or(path.as_path(), |unpacked| unpacked.path());
                if begins_like_safetensors(file).map_err(|error| failed(error.to_string()))? {
                    let bytes = std::fs::read(file).map_err(|error| failed(error.to_string()))?;
                    return guarded(&path, &mut SafetensorsStore::from_bytes(Some(bytes)));
                }
                // Numbers in names mean blocks: they stay as they are.
                guarded(&path, &mut PytorchStore::from_file(file).map_indices_contiguous(false))
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
    let damaged = |error: S::Error| {
        failed(format!("{error}; if it is a file of weights, it is damaged or cut short: fetch it again"))
    };
    let tensors = store.get_all_tensors().map_err(damaged)?;
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
    if network.is_empty() {
        return Err(failed("there are no weights in it, nor is what else it may ask for run".into()));
    }
    Ok(network)
}

/// What comes before the names of a file's network; all such prefixes where there are several networks.
///
/// A network is where its first layer is and what follows it, by the names of one of the rule sets.
fn network_prefix<'a>(names: impl Iterator<Item = &'a String>) -> Result<&'a str, BTreeSet<&'a str>> {
    let names: BTreeSet<&str> = names.map(String::as_str).collect();
    let is_root = |prefix: &&str| prefix.is_empty() || prefix.ends_with(['.', '/']);
    let with = |[first, other]: [&str; 2]| -> Vec<&'a str> {
        let prefixes = names.iter().filter_map(|name| name.strip_suffix(first)).filter(is_root);
        prefixes.filter(|prefix| names.contains(format!("{prefix}{other}").as_str())).collect()
    };
    let of = |set: &RuleSet| set.anchors.iter().flat_map(|anchors| with(*anchors)).collect::<Vec<_>>();
    let around: Vec<&str> = RULE_SETS.iter().filter(|set| set.is_around_others).flat_map(of).collect();
    let is_inside = |prefix: &&str| around.iter().any(|of| prefix.len() > of.len() && prefix.starts_with(of));
    let networks: BTreeSet<&str> = RULE_SETS.iter().flat_map(of).filter(|prefix| !is_inside(prefix)).collect();
    let mut all = networks.iter().copied();
    match (all.next(), all.next(), all.next()) {
        // None where there is no whole network: what is missing is told later.
        (only, None, _) => Ok(only.unwrap_or_default()),
        // In order of the alphabet.
        (Some(student), Some(teacher), None) if is_of("student", student) && is_of("teacher", teacher) => Ok(teacher),
        _ => Err(networks),
    }
}

/// Whether a beginning of names has a part.
fn is_of(part: &str, prefix: &str) -> bool {
    prefix.split(['.', '/']).any(|one| one == part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{bf16, f16};
    use safetensors::Dtype;
    use safetensors::tensor::TensorView;

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

    /// DINO saves the two networks that taught each other; published features are the teacher's.
    #[test]
    fn of_teacher_and_student_the_teacher_is_read() {
        let names = [
            "student.module.backbone.cls_token",
            "student.module.backbone.pos_embed",
            "teacher.backbone.cls_token",
            "teacher.backbone.pos_embed",
            "teacher.head.last_layer.weight",
        ];
        let numbers = |number: f32| number.to_le_bytes().to_vec();
        let entries =
            names.map(|name| (name, Dtype::F32, vec![1], numbers(f32::from(u8::from(name.starts_with('t'))))));
        let read = WeightFile::Bytes("file", &safetensors_of(&entries)).read().unwrap();
        let expected = ["cls_token", "pos_embed"].map(|name| (name.to_string(), (vec![1], vec![1.0])));
        assert_eq!(read, Tensors::from(expected));
        let only_a_student = &entries[..2];
        assert_eq!(WeightFile::Bytes("file", &safetensors_of(only_a_student)).read().unwrap().len(), 2);
    }

    /// A pipe kept its reader waiting for ever.
    #[cfg(unix)]
    #[test]
    fn a_pipe_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.pth");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let error = WeightFile::Path(pipe).read().unwrap_err().to_string();
        assert!(error.starts_with("VR0301") && error.contains("no ordinary file"), "{error}");
    }

    /// The file asks its reader to run a program, as a pickle can; nothing is run.
    #[test]
    fn a_malicious_pickle_is_not_executed() {
        let refused = fixture("malicious.pth").read().unwrap_err().to_string();
        assert!(refused.starts_with("VR0301"), "{refused}");
        assert!(!Path::new("pickle_was_executed").exists());
    }
}
