//! A small EfficientNet-Lite: its start, its pass, its pieces, its weights.

use burn::module::Module;
use burn::optim::SgdConfig;
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use vireid_compare::{assert_close, assert_near, largest_difference};
use vireid_core::{Modality, PerModality, Streams};

use super::{EfficientNet, EfficientNetConfig, InvertedStageConfig, load_efficient};
use crate::parameters::{NamedParameter, named_parameters};
use crate::{Backbone, Features, ParameterGroup, PieceSize, WeightFile, WeightNames, loss_gradients};

/// Of the structure of Lite0, a kernel and a stride of each kind.
fn tiny() -> EfficientNetConfig {
    let stage = InvertedStageConfig::new;
    EfficientNetConfig::new(8, vec![stage(1, 3, 1, 1, 4), stage(2, 5, 2, 6, 6), stage(1, 3, 2, 6, 8)], 16)
}

fn net(config: &EfficientNetConfig, device: &Device) -> EfficientNet {
    config.init(device, &mut Streams::new(0).stream("init", [0; 3]))
}

fn images(key: &str, count: usize, device: &Device) -> Tensor<4> {
    let mut stream = Streams::new(1).stream(key, [0; 3]);
    let values: Vec<f32> = (0..count * 3 * 40 * 20).map(|_| stream.normal(0.0, 1.0) as f32).collect();
    Tensor::from_data(TensorData::new(values, [count, 3, 40, 20]), device)
}

fn read(rows: Tensor<2>) -> Vec<f32> {
    rows.into_data().try_to_vec().unwrap()
}

fn values_of(named: &[NamedParameter], name: &str) -> Vec<f32> {
    named.iter().find(|one| one.0 == name).unwrap().2.clone()
}

/// Trained numbers: those of the published network without its classifier, 3,371,008, with a second first layer and the neck.
#[test]
fn sizes() {
    let named = named_parameters(&net(&EfficientNetConfig::lite0(), &Device::default()));
    let trained: usize = named.iter().filter(|one| !one.0.contains("running")).map(|one| one.2.len()).sum();
    assert_eq!(trained, 3_371_008 + 928 + 2 * 1280);
    assert!(EfficientNetConfig::by_name("efficientnet_lite0").is_some());
    assert!(EfficientNetConfig::by_name("efficientnet_b0").is_none());
}

/// Layer by layer by hand.
#[test]
fn activations_of_one_image() {
    let pieces = tiny().piece_sizes(40, 20);
    let of = |channels: usize, height: usize, width: usize| channels * height * width;
    let first = of(8, 20, 10);
    assert_eq!(pieces[0], PieceSize { inside: first, output: first });
    // No first convolution where nothing is expanded.
    assert_eq!(pieces[1], PieceSize { inside: of(8 + 4, 20, 10), output: of(4, 20, 10) });
    let shrinking = of(24, 20, 10) + of(24 + 6, 10, 5);
    assert_eq!(pieces[2], PieceSize { inside: shrinking, output: of(6, 10, 5) });
    assert_eq!(pieces[3], PieceSize { inside: of(36 + 36 + 6, 10, 5), output: of(6, 10, 5) });
    // An odd side is rounded up.
    assert_eq!(pieces[4], PieceSize { inside: of(36, 10, 5) + of(36 + 8, 5, 3), output: of(8, 5, 3) });
    assert_eq!(pieces[5], PieceSize { inside: of(16, 5, 3), output: 16 });
    assert_eq!(pieces.len(), net(&tiny(), &Device::default()).pieces());
    assert_eq!(tiny().activations(40, 20), pieces.iter().map(|piece| piece.inside).sum::<usize>());
}

#[test]
fn the_seed_fixes_the_network_and_stems_start_equal() {
    let build = |seed| tiny().init(&Device::default(), &mut Streams::new(seed).stream("init", [0; 3]));
    let [a, b, other] = [0, 0, 1].map(|seed| named_parameters(&build(seed)));
    assert_eq!(a, b);
    assert!(a != other);
    assert_eq!(values_of(&a, "stem_visible.weight"), values_of(&a, "stem_infrared.weight"));
    let wide = named_parameters(&net(&EfficientNetConfig::lite0(), &Device::default()));
    let deviation = |name: &str| {
        let values = values_of(&wide, name);
        (values.iter().map(|x| f64::from(x * x)).sum::<f64>() / values.len() as f64).sqrt()
    };
    // He's, by fan-out: of 3x3 to 32 channels, of one 5x5 kernel, of 1x1 to 1280 channels.
    assert_near(deviation("stem_visible.weight"), (2.0f64 / (32.0 * 9.0)).sqrt(), 0.005);
    assert_near(deviation("blocks.13.depthwise.weight"), (2.0f64 / 25.0).sqrt(), 0.005);
    assert_near(deviation("last.conv.weight"), (2.0f64 / 1280.0).sqrt(), 0.001);
}

#[test]
fn embeddings_are_of_length_one_and_know_their_modality() {
    let device = Device::default();
    let net = crate::parameters::fill_parameters(net(&tiny(), &device), |name, shape| {
        (name == "stem_infrared.bn.bias").then(|| vec![0.5; shape.iter().product()])
    });
    let embed = |modality| read(net.embed(images("a", 3, &device), modality));
    let (visible, infrared) = (embed(Modality::Visible), embed(Modality::Infrared));
    assert_eq!(visible.len(), 3 * net.dim());
    for row in visible.chunks(net.dim()) {
        assert_near(row.iter().map(|x| f64::from(x * x)).sum::<f64>(), 1.0, 1e-5);
    }
    assert!(largest_difference(&visible, &infrared) > 0.01);
    let path = |name: &'static str| name.split('.').collect::<Vec<_>>();
    assert_eq!(EfficientNet::group(&path("neck.weight")), ParameterGroup::Head);
    assert_eq!(EfficientNet::group(&path("last.conv.weight")), ParameterGroup::Trunk);
}

/// Off the autodiff device a pass in training mode gives what one on it gives, and moves the running statistics as it does.
#[test]
fn training_mode_needs_no_gradients() {
    let device = Device::default();
    let trained = net(&tiny(), &device.clone().autodiff());
    let shadow = trained.valid().fork(&device).in_training_mode();
    let pass = |net: &EfficientNet, device: &Device| {
        let features = net.forward(images("v", 4, device), images("i", 3, device));
        [read(features.visible.embedding), read(features.infrared.embedding)].concat()
    };
    let expected = pass(&trained, &device.autodiff());
    assert_close(&pass(&shadow, &Device::default()), &expected, 0.0);
    let mean = |net: &EfficientNet| values_of(&named_parameters(&net.valid()), "blocks.2.depthwise.bn.running_mean");
    assert_close(&mean(&shadow), &mean(&trained), 1e-6);
    assert!(largest_difference(&mean(&shadow), &vec![0.0; 36]) > 1e-3);
}

/// Two groups are two devices: each sees its chunk of either modality and nothing else.
#[test]
fn groups_are_replicas() {
    let device = Device::default().autodiff();
    let (visible, infrared) = (images("v", 6, &device), images("i", 4, &device));
    let grouped = net(&tiny().with_bn_groups(2), &device).forward(visible.clone(), infrared.clone());
    let alone = net(&tiny(), &device).forward(visible.narrow(0, 3, 3), infrared.narrow(0, 2, 2));
    assert_close(&read(grouped.visible.narrow(3, 3).embedding), &read(alone.visible.embedding), 1e-4);
    assert_close(&read(grouped.infrared.narrow(2, 2).embedding), &read(alone.infrared.embedding), 1e-4);
}

/// What a step of length 1 downhill made of weights and running statistics, by name.
fn step(config: &EfficientNetConfig, checkpointing: bool) -> Vec<NamedParameter> {
    let device = Device::default().autodiff();
    let network = net(config, &device);
    let batch = PerModality { visible: images("v", 6, &device), infrared: images("i", 3, &device) };
    let loss = |features: PerModality<Features>| {
        let products = features.visible.embedding.matmul(features.infrared.embedding.transpose());
        products.powi_scalar(2).mean().sqrt() + features.visible.pooled.powi_scalar(3).mean()
    };
    let gradients = loss_gradients(&network, batch, checkpointing, loss);
    named_parameters(&SgdConfig::new().init().step(1.0, network, gradients).valid())
}

#[test]
fn a_checkpointed_step_is_a_plain_one() {
    for config in [tiny(), tiny().with_bn_groups(2)] {
        let (plain, checkpointed) = (step(&config, false), step(&config, true));
        assert!(checkpointed == plain, "to the bit");
        let untrained = named_parameters(&net(&config, &Device::default()));
        let still = plain.iter().zip(&untrained).filter(|(new, old)| new == old).map(|(new, _)| new.0.as_str());
        assert_eq!(still.collect::<Vec<_>>(), ["neck.bias"], "everything else moves");
    }
}

/// A file of the package's names, made from our own, with a classifier; `edit` may change it.
fn package_file(edit: impl FnOnce(&mut Vec<NamedParameter>)) -> Vec<u8> {
    let mut named = named_parameters(&net(&tiny(), &Device::default()));
    named.retain(|one| !one.0.starts_with("neck.") && !one.0.starts_with("stem_infrared."));
    for (name, _, values) in &mut named {
        *name = name
            .replace("stem_visible.bn", "_bn0")
            .replace("stem_visible", "_conv_stem")
            .replace("last.conv", "_conv_head")
            .replace("last.bn", "_bn1")
            .replace("blocks", "_blocks")
            .replace("expand.conv", "_expand_conv")
            .replace("expand.bn", "_bn0")
            .replace("depthwise.bn", "_bn1")
            .replace("depthwise", "_depthwise_conv")
            .replace("project.conv", "_project_conv")
            .replace("project.bn", "_bn2");
        values.iter_mut().for_each(|value| *value += 1.0);
    }
    named.push(("_fc.weight".into(), vec![2], vec![0.0; 2]));
    edit(&mut named);
    let bytes: Vec<Vec<u8>> = named.iter().map(|one| one.2.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let views = named.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        (format!("state_dict.module.{name}"), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn the_packages_weights_go_to_both_stems() {
    let before = named_parameters(&net(&tiny(), &Device::default()));
    let load = |bytes: &[u8], names| {
        load_efficient(net(&tiny(), &Device::default()), &WeightFile::Bytes("file", bytes), names)
    };
    for names in [WeightNames::Auto, WeightNames::EfficientnetPytorch] {
        let (loaded, report) = load(&package_file(|_| ()), names).unwrap();
        assert_eq!(
            (report.names, &report.left_out[..]),
            (WeightNames::EfficientnetPytorch, &["_fc.weight".into()][..])
        );
        for ((name, _, new), (_, _, old)) in named_parameters(&loaded).iter().zip(&before) {
            let step = if name.starts_with("neck") { 0.0 } else { 1.0 };
            let moved: Vec<f32> = old.iter().map(|old| old + step).collect();
            assert!(largest_difference(new, &moved) < 1e-6, "{name}");
        }
    }
    let lacking = package_file(|named| named.retain(|one| one.0 != "_blocks.1._bn2.bias"));
    let error = load(&lacking, WeightNames::Auto).unwrap_err().to_string();
    assert!(error.starts_with("VR0302") && error.contains("missing: blocks.1.project.bn.bias"), "{error}");
}

/// What is saved here is found again, and said to be what it is.
#[test]
fn its_own_weights_come_back() {
    let named = named_parameters(&net(&EfficientNetConfig::lite0(), &Device::default()));
    let bytes: Vec<Vec<u8>> = named.iter().map(|one| one.2.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let views = named.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        (format!("model/{name}"), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    let file = safetensors::serialize(views, None).unwrap();
    let file = WeightFile::Bytes("file", &file);
    let found = file.found(WeightNames::Auto).unwrap();
    assert_eq!((found.names, found.backbone), (WeightNames::Own, Some("efficientnet_lite0")));
    let other = EfficientNetConfig::lite0().init(&Device::default(), &mut Streams::new(9).stream("init", [0; 3]));
    let (loaded, _) = load_efficient(other, &file, WeightNames::Auto).unwrap();
    assert!(named_parameters(&loaded) == named);
}
