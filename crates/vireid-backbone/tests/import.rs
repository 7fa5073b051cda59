//! Networks of others, in files as PyTorch writes them, give what they gave there. `fixtures/import/make.py` made the files
//! and the outputs.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use vireid_backbone::parameters::{fill_parameters, named_parameters};
use vireid_backbone::{
    BackboneError, StageConfig, StemConfig, TwoStreamNet, TwoStreamNetConfig, VitConfig, WeightFile, WeightNames,
    load_transformer, load_two_stream,
};
use vireid_compare::assert_close;
use vireid_core::{Modality, Streams};

const SHAPE: [usize; 4] = [2, 3, 32, 16];

fn fixture(name: &str) -> WeightFile<'static> {
    WeightFile::Path([env!("CARGO_MANIFEST_DIR"), "fixtures", "import", name].iter().collect::<PathBuf>())
}

/// What PyTorch gave, by network.
fn outputs(of: &str) -> Vec<f32> {
    let text = include_str!("../fixtures/import/outputs.json");
    serde_json::from_str::<BTreeMap<String, Vec<f32>>>(text).unwrap().remove(of).unwrap()
}

fn images() -> Tensor<4> {
    let count: usize = SHAPE.iter().product();
    let values: Vec<f32> = (0..count).map(|at| ((at * 37 % 101) as f32 - 50.0) / 32.0).collect();
    Tensor::from_data(TensorData::new(values, SHAPE), &Device::default())
}

fn small(non_local: usize) -> TwoStreamNet {
    let stages = vec![
        StageConfig::new(1, 4, 4, 1),
        StageConfig::new(2, 4, 4, 2).with_non_local(non_local),
        StageConfig::new(1, 8, 8, 1),
    ];
    start(&TwoStreamNetConfig::new(StemConfig::new(4, 7, true), stages, false))
}

fn start(config: &TwoStreamNetConfig) -> TwoStreamNet {
    config.init(&Device::default(), &mut Streams::new(0).stream("init", [0; 3]))
}

fn embedded(net: &TwoStreamNet, modality: Modality) -> Vec<f32> {
    net.forward_one(images(), modality).into_data().try_to_vec().unwrap()
}

/// Both containers, the network under `net`, `state_dict` and `model`, `module.` before names, an optimiser's state beside
/// them, half precision, and one storage for all weights with the channels last.
#[test]
fn a_published_two_stream_network_gives_what_it_gave() {
    for file in ["two_stream_legacy.pth", "two_stream_zip.pth", "two_stream_shared.pth"] {
        for names in [WeightNames::Auto, WeightNames::UslViReid] {
            let (net, report) = load_two_stream(small(2), &fixture(file), names).unwrap();
            assert_eq!(report.names, WeightNames::UslViReid, "{file}");
            assert_eq!(report.kept, Vec::<String>::new(), "{file}");
            assert_eq!(report.read, named_parameters(&net).len(), "{file}");
            for left in ["classifier.weight", "thermal_module.thermal.layer1.0.conv1.weight"] {
                assert!(report.left_out.iter().any(|name| name == left), "{file}: {left}");
            }
            assert_close(&embedded(&net, Modality::Visible), &outputs("two_stream/visible"), 1e-5 * 20.0);
            assert_close(&embedded(&net, Modality::Infrared), &outputs("two_stream/infrared"), 1e-5 * 20.0);
        }
    }
}

/// bf16 in either format, and one storage for all: the same network, without a neck.
#[test]
fn a_resnet_gives_what_it_gave_before_its_classifier() {
    for file in ["resnet_zip.pth", "resnet_shared.pth", "resnet.safetensors"] {
        for names in [WeightNames::Auto, WeightNames::Torchvision, WeightNames::Timm] {
            let (net, report) = load_two_stream(small(0), &fixture(file), names).unwrap();
            assert_eq!(report.kept.len(), 4, "{file}: the neck");
            assert_eq!(report.left_out, ["fc.bias", "fc.weight"]);
            // A neck that is the identity but for its epsilon.
            let net = fill_parameters(net, |name, shape| {
                (name == "neck.weight").then(|| vec![1.000_005; shape.iter().product()])
            });
            for modality in Modality::ALL {
                assert_close(&embedded(&net, modality), &outputs("resnet"), 1e-5 * 10.0);
            }
        }
    }
}

#[test]
fn a_transreid_gives_what_it_gave_with_its_neck() {
    let config = VitConfig::new(6, 1, 2).with_image([32, 16]).with_patch(8).with_stride(8);
    let init = || config.init(&Device::default(), &mut Streams::new(0).stream("init", [0; 3])).unwrap();
    for names in [WeightNames::Auto, WeightNames::Transreid] {
        let (net, report) = load_transformer(init(), &fixture("transreid.pth"), names).unwrap();
        assert_eq!((report.names, report.kept.len()), (WeightNames::Transreid, 0));
        assert_eq!(report.left_out, ["base.fc.bias", "base.fc.weight", "classifier.weight"]);
        for modality in Modality::ALL {
            let embedding = net.forward_one(images(), modality).embedding;
            assert_close(&embedding.into_data().try_to_vec::<f32>().unwrap(), &outputs("transreid"), 1e-5);
        }
    }
}

fn refused(net: TwoStreamNet, file: &WeightFile<'_>, names: WeightNames) -> String {
    let error: BackboneError = load_two_stream(net, file, names).unwrap_err();
    error.to_string()
}

/// What is missing, what is left over, and the set of names that fits.
#[test]
fn other_names_than_the_files_name_the_nearest() {
    let said = refused(small(0), &fixture("resnet_zip.pth"), WeightNames::UslViReid);
    assert!(said.starts_with("VR0302") && said.contains("0 of 64 names fit, as torchvision 60: read it so"), "{said}");
    assert!(
        said.contains("missing: ") && said.contains("more; unused: ") && said.contains("unused: bn1.bias"),
        "{said}"
    );
    let said = refused(small(2), &fixture("two_stream_legacy.pth"), WeightNames::Torchvision);
    assert!(said.contains("as usl-vi-reid") && said.contains("read it so"), "{said}");
}

#[test]
fn a_network_of_another_kind_is_named() {
    let resnet18 = start(&TwoStreamNetConfig::resnet18());
    let said = refused(resnet18, &fixture("resnet_zip.pth"), WeightNames::Auto);
    assert!(said.contains("the file is of a residual network of 1, 2, 1 basic blocks, which is not one"), "{said}");
    let said = refused(small(0), &fixture("two_stream_legacy.pth"), WeightNames::Auto);
    assert!(said.contains("backbone.non_local = true") && said.contains("unused: NL_2.0.W.0.bias"), "{said}");
    // Where its non-local blocks would go in another network, there are no blocks of the file.
    let resnet50 = start(&TwoStreamNetConfig::resnet50().with_non_local_blocks());
    let said = refused(resnet50, &fixture("two_stream_zip.pth"), WeightNames::Auto);
    assert!(said.contains("residual network of 1, 2, 1 basic blocks"), "{said}");
    let said = refused(small(0), &fixture("transreid.pth"), WeightNames::Auto);
    assert!(said.starts_with("VR0302") && said.contains("vision transformer of 1 blocks of 6"), "{said}");
}

#[test]
fn what_a_file_holds_is_told_before_a_network_is_built() {
    let found = fixture("two_stream_zip.pth").found(WeightNames::Auto).unwrap();
    assert_eq!((found.names, found.backbone, found.non_local), (WeightNames::UslViReid, None, true));
    let named: BTreeMap<_, _> = named_parameters(&start(&TwoStreamNetConfig::resnet18()))
        .into_iter()
        .map(|(name, shape, values)| (name, (shape, values)))
        .collect();
    let bytes = safetensors_of(&named);
    let found = WeightFile::Bytes("file", &bytes).found(WeightNames::Auto).unwrap();
    assert_eq!((found.names, found.backbone, found.non_local), (WeightNames::Own, Some("resnet18"), false));
    assert_eq!(found.description, "a resnet18");
}

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn safetensors_of(tensors: &Tensors) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> =
        tensors.values().map(|(_, values)| values.iter().flat_map(|value| value.to_le_bytes()).collect()).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, (shape, _)), bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

/// The names of the published code for a network's own, and those of the parts that its modules do not use.
fn published(net: &TwoStreamNet) -> Tensors {
    let mut tensors = Tensors::new();
    for (name, shape, values) in named_parameters(net) {
        let parts: Vec<&str> = name.split('.').collect();
        let unused = |name: &str| [format!("visible_module.visible.{name}"), format!("thermal_module.thermal.{name}")];
        let name = match parts[..] {
            ["stem_visible", part, leaf] => {
                tensors.insert(format!("base_resnet.base.{part}1.{leaf}"), (vec![1], vec![0.0]));
                format!("visible_module.visible.{part}1.{leaf}")
            }
            ["stem_infrared", part, leaf] => format!("thermal_module.thermal.{part}1.{leaf}"),
            ["neck", leaf] => format!("bottleneck.{leaf}"),
            ["layers", stage, "blocks", block, "non_local", part, leaf] => {
                let (stage, block): (usize, usize) = (stage.parse().unwrap(), block.parse().unwrap());
                // Two of the four blocks of the second stage, three of the six of the third.
                let first = [0, 2, 3, 0][stage];
                let part = match part {
                    "g" => "g.0",
                    "out" => "W.0",
                    "bn" => "W.1",
                    other => other,
                };
                format!("NL_{}.{}.{part}.{leaf}", stage + 1, block - first)
            }
            ["layers", stage, "blocks", block, ref rest @ ..] => {
                let rest =
                    rest.join(".").replace("downsample.conv", "downsample.0").replace("downsample.bn", "downsample.1");
                let name = format!("layer{}.{block}.{rest}", stage.parse::<usize>().unwrap() + 1);
                tensors.extend(unused(&name).map(|name| (name, (vec![1], vec![0.0]))));
                format!("base_resnet.base.{name}")
            }
            _ => panic!("{name}"),
        };
        tensors.insert(format!("module.{name}"), (shape, values));
    }
    let tensors: Tensors = tensors
        .into_iter()
        .map(|(name, tensor)| (format!("state_dict.module.{}", name.trim_start_matches("module.")), tensor))
        .collect();
    tensors
}

/// ResNet-50 with all its tensors and non-local blocks, as the published code saves it.
#[test]
fn a_whole_resnet50_of_the_published_code() {
    let config = TwoStreamNetConfig::resnet50().with_non_local_blocks();
    let net = start(&config);
    let moved = fill_parameters(net.clone(), |name, shape| {
        let key = name.bytes().map(f32::from).sum::<f32>();
        Some((0..shape.iter().product()).map(|at| key + (at % 97) as f32 / 128.0).collect())
    });
    let mut tensors = published(&moved);
    tensors.insert("state_dict.module.classifier.weight".into(), (vec![1], vec![0.0]));
    let bytes = safetensors_of(&tensors);
    let file = WeightFile::Bytes("file", &bytes);
    let found = file.found(WeightNames::Auto).unwrap();
    assert_eq!((found.names, found.backbone, found.non_local), (WeightNames::UslViReid, Some("resnet50"), true));
    let (loaded, report) = load_two_stream(net, &file, WeightNames::Auto).unwrap();
    assert!(named_parameters(&loaded) == named_parameters(&moved));
    assert_eq!((report.names, report.kept.len()), (WeightNames::UslViReid, 0));
}

/// Kernels in the order of other libraries, and the inner width of another non-local block.
#[test]
fn shapes_that_do_not_fit_say_why() {
    let mut tensors: Tensors =
        named_parameters(&small(2)).into_iter().map(|(name, shape, values)| (name, (shape, values))).collect();
    tensors.get_mut("layers.0.blocks.0.conv1.weight").unwrap().0 = vec![3, 3, 4, 4];
    let bytes = safetensors_of(&tensors);
    let said = refused(small(2), &WeightFile::Bytes("file", &bytes), WeightNames::Auto);
    assert!(said.starts_with("VR0302") && said.contains("another order"), "{said}");
    tensors.get_mut("layers.0.blocks.0.conv1.weight").unwrap().0 = vec![4, 4, 3, 3];
    tensors.insert("layers.1.blocks.0.non_local.theta.weight".into(), (vec![2, 4, 1, 1], vec![0.0; 8]));
    let bytes = safetensors_of(&tensors);
    let said = refused(small(2), &WeightFile::Bytes("file", &bytes), WeightNames::Own);
    assert!(said.contains("another width inside"), "{said}");
}

/// A file cut anywhere, in either container, is refused with a code and without a panic.
#[test]
fn files_that_are_cut_short_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["two_stream_legacy.pth", "resnet_zip.pth", "resnet.safetensors"] {
        let WeightFile::Path(path) = fixture(name) else { unreachable!() };
        let whole = std::fs::read(path).unwrap();
        for cut in [1, 9, whole.len() / 3, whole.len() - 1] {
            let path = folder.path().join(name);
            std::fs::write(&path, &whole[..cut]).unwrap();
            let said = load_two_stream(small(2), &WeightFile::Path(path), WeightNames::Auto).unwrap_err().to_string();
            assert!(said.starts_with("VR0301"), "{name} cut to {cut}: {said}");
        }
    }
}
