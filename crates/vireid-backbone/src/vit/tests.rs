//! A small vision transformer: its start, its pass, its pieces, its weights.

use std::time::Instant;

use burn::module::Module;
use burn::optim::SgdConfig;
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use vireid_compare::{assert_close, assert_near, largest_difference};
use vireid_core::{Modality, PerModality, Streams};

use crate::parameters::{NamedParameter, fill_parameters, named_parameters};
use crate::{Backbone, Features, ParameterGroup, VitConfig, VitNet, WeightFile, load_vit, loss_gradients};

fn net(config: &VitConfig, device: &Device) -> VitNet {
    config.init(device, &mut Streams::new(0).stream("init", [0; 3])).unwrap()
}

fn images(key: &str, count: usize, [height, width]: [usize; 2], device: &Device) -> Tensor<4> {
    let mut stream = Streams::new(1).stream(key, [0; 3]);
    let values: Vec<f32> = (0..count * 3 * height * width).map(|_| stream.normal(0.0, 1.0) as f32).collect();
    Tensor::from_data(TensorData::new(values, [count, 3, height, width]), device)
}

fn read(rows: Tensor<2>) -> Vec<f32> {
    rows.into_data().try_to_vec().unwrap()
}

fn values_of(named: &[NamedParameter], name: &str) -> Vec<f32> {
    named.iter().find(|one| one.0 == name).unwrap().2.clone()
}

/// Trained numbers: those of timm's networks without the classifier for images of 224 x 224 (21,665,664 and 85,798,656), with
/// fewer positions, the second patch embedding, and the neck's scale and bias.
#[test]
fn sizes() {
    let trained = |config: VitConfig| {
        let named = named_parameters(&net(&config, &Device::default()));
        named.iter().filter(|one| !one.0.contains("running")).map(|one| one.2.len()).sum::<usize>()
    };
    let expected = |of_timm: usize, dim: usize| of_timm - (196 - 128) * dim + (3 * 256 + 1) * dim + 2 * dim;
    assert_eq!(trained(VitConfig::by_name("vit_small_16").unwrap()), expected(21_665_664, 384));
    let shared = VitConfig::small16().with_shared_patch_embedding(true);
    assert_eq!(trained(shared), expected(21_665_664, 384) - (3 * 256 + 1) * 384);
    assert_eq!(VitConfig::base16().with_stride(12).grid(), [21, 10]);
    assert!(VitConfig::by_name("vit_huge_14").is_none());
}

#[test]
#[ignore = "draws 86 million numbers"]
fn size_of_the_base_network() {
    let named = named_parameters(&net(&VitConfig::base16(), &Device::default()));
    let trained: usize = named.iter().filter(|one| !one.0.contains("running")).map(|one| one.2.len()).sum();
    assert_eq!(trained, 85_798_656 - (196 - 128) * 768 + (3 * 256 + 1) * 768 + 2 * 768);
}

#[test]
fn sizes_that_do_not_go_together_are_refused() {
    let refused = |config: VitConfig, word: &str| {
        let error = config.init(&Device::default(), &mut Streams::new(0).stream("init", [0; 3])).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("VR0303") && error.contains(word), "{error}");
    };
    refused(VitConfig::new(48, 2, 5), "5 heads");
    refused(VitConfig::tiny().with_image([4, 16]), "4 x 16");
    refused(VitConfig::tiny().with_stride(0), "0");
}

#[test]
fn the_seed_fixes_the_network_and_patch_embeddings_start_equal() {
    let build = |seed| VitConfig::tiny().init(&Device::default(), &mut Streams::new(seed).stream("init", [0; 3]));
    let [a, b, other] = [0, 0, 1].map(|seed| named_parameters(&build(seed).unwrap()));
    assert_eq!(a, b);
    assert!(a != other);
    for leaf in ["weight", "bias"] {
        let of = |field: &str| values_of(&a, &format!("{field}.proj.{leaf}"));
        assert_eq!(of("patch_embed"), of("patch_embed_infrared"));
    }
    let deviation = |name: &str| {
        let values = values_of(&a, name);
        (values.iter().map(|x| f64::from(x * x)).sum::<f64>() / values.len() as f64).sqrt()
    };
    assert_near(deviation("blocks.1.mlp.fc1.weight"), 0.02, 0.001);
    assert_near(deviation("pos_embed"), 0.02, 0.004);
    assert_near(deviation("patch_embed.proj.weight"), 1.0 / 192f64.sqrt() / 3f64.sqrt(), 0.002);
    assert_near(deviation("cls_token"), 1e-6, 5e-7);
    assert_near(deviation("blocks.0.attn.qkv.bias"), 0.0, 0.0);
    assert_near(deviation("norm.weight"), 1.0, 0.0);
}

#[test]
fn embeddings_are_of_length_one_and_know_their_modality() {
    let device = Device::default();
    let config = VitConfig::tiny().with_stride(6);
    let net = net(&config, &device);
    let net = fill_parameters(net, |name, shape| {
        (name == "patch_embed_infrared.proj.bias").then(|| vec![0.5; shape.iter().product()])
    });
    let embed = |modality| read(net.embed(images("a", 3, config.image, &device), modality));
    let (visible, infrared) = (embed(Modality::Visible), embed(Modality::Infrared));
    assert_eq!(visible.len(), 3 * net.dim());
    for row in visible.chunks(net.dim()) {
        assert_near(row.iter().map(|x| f64::from(x * x)).sum::<f64>(), 1.0, 1e-5);
    }
    assert!(largest_difference(&visible, &infrared) > 0.01);
    let path = |name: &'static str| name.split('.').collect::<Vec<_>>();
    assert_eq!(VitNet::group(&path("neck.weight")), ParameterGroup::Head);
    assert_eq!(VitNet::group(&path("blocks.0.norm1.weight")), ParameterGroup::Trunk);
}

/// Off the autodiff device a pass in training mode gives what one on it gives, and moves the running statistics as it does.
#[test]
fn training_mode_needs_no_gradients() {
    let (device, config) = (Device::default(), VitConfig::tiny());
    let trained = net(&config, &device.clone().autodiff());
    let shadow = trained.valid().fork(&device).in_training_mode();
    let pass = |net: &VitNet, device: &Device| {
        let features = net.forward(images("v", 4, config.image, device), images("i", 3, config.image, device));
        [read(features.visible.embedding), read(features.infrared.embedding)].concat()
    };
    let expected = pass(&trained, &device.autodiff());
    assert_close(&pass(&shadow, &Device::default()), &expected, 0.0);
    let mean = |net: &VitNet| values_of(&named_parameters(&net.valid()), "neck.running_mean");
    assert_close(&mean(&shadow), &mean(&trained), 1e-6);
    assert!(largest_difference(&mean(&shadow), &vec![0.0; 48]) > 1e-3);
}

/// Two groups are two devices: each sees its chunk of either modality and nothing else.
#[test]
fn groups_are_replicas() {
    let (device, size) = (Device::default().autodiff(), VitConfig::tiny().image);
    let (visible, infrared) = (images("v", 6, size, &device), images("i", 4, size, &device));
    let grouped = net(&VitConfig::tiny().with_bn_groups(2), &device).forward(visible.clone(), infrared.clone());
    let alone = net(&VitConfig::tiny(), &device).forward(visible.narrow(0, 3, 3), infrared.narrow(0, 2, 2));
    assert_close(&read(grouped.visible.narrow(3, 3).embedding), &read(alone.visible.embedding), 1e-4);
    assert_close(&read(grouped.infrared.narrow(2, 2).embedding), &read(alone.infrared.embedding), 1e-4);
}

/// A loss that couples every image with every other, and depends on what stands before the neck as well.
fn loss(features: PerModality<Features>) -> Tensor<1> {
    let products = features.visible.embedding.matmul(features.infrared.embedding.transpose());
    products.powi_scalar(2).mean().sqrt() + features.visible.pooled.powi_scalar(3).mean()
}

/// The loss, and by name what a step of length 1 downhill made of weights and running statistics.
fn step(config: &VitConfig, checkpointing: bool) -> (Vec<f32>, Vec<NamedParameter>) {
    let device = Device::default().autodiff();
    let network = net(config, &device);
    let batch =
        PerModality { visible: images("v", 6, config.image, &device), infrared: images("i", 3, config.image, &device) };
    let mut value = None;
    let gradients = loss_gradients(&network, batch, checkpointing, |features| {
        let loss = loss(features);
        value = Some(loss.clone());
        loss
    });
    let moved = SgdConfig::new().init().step(1.0, network, gradients);
    (value.unwrap().into_data().try_to_vec().unwrap(), named_parameters(&moved.valid()))
}

#[test]
fn a_checkpointed_step_is_a_plain_one() {
    for config in [VitConfig::tiny(), VitConfig::tiny().with_bn_groups(2).with_shared_patch_embedding(true)] {
        let (plain, checkpointed) = (step(&config, false), step(&config, true));
        assert!(checkpointed == plain, "to the bit");
        let untrained = named_parameters(&net(&config, &Device::default()));
        let still = plain.1.iter().zip(&untrained).filter(|(new, old)| new == old).map(|(new, _)| new.0.as_str());
        assert_eq!(still.collect::<Vec<_>>(), ["neck.bias"], "everything else moves");
    }
}

#[test]
fn a_network_has_a_piece_per_block() {
    assert_eq!(net(&VitConfig::tiny(), &Device::default()).pieces(), 4);
}

/// A file of timm's names, made from our own, with a classifier; `edit` may change it.
fn timm_file(prefix: &str, edit: impl FnOnce(&mut Vec<NamedParameter>)) -> Vec<u8> {
    let mut named = named_parameters(&net(&VitConfig::tiny(), &Device::default()));
    named.retain(|one| !one.0.starts_with("neck.") && !one.0.starts_with("patch_embed_infrared."));
    named.iter_mut().flat_map(|one| &mut one.2).for_each(|value| *value += 1.0);
    named.push(("head.weight".into(), vec![2], vec![0.0; 2]));
    edit(&mut named);
    let bytes: Vec<Vec<u8>> = named.iter().map(|one| one.2.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let views = named.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        (format!("{prefix}{name}"), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

fn load(bytes: &[u8]) -> Result<VitNet, String> {
    let net = net(&VitConfig::tiny(), &Device::default());
    load_vit(net, &WeightFile::Bytes("file", bytes)).map_err(|error| error.to_string())
}

#[test]
fn timm_weights_go_to_both_patch_embeddings() {
    let before = named_parameters(&net(&VitConfig::tiny(), &Device::default()));
    for prefix in ["", "module.", "base.", "state_dict.module.backbone.", "teacher.backbone.", "model/"] {
        let loaded = load(&timm_file(prefix, |_| ())).unwrap();
        for ((name, _, new), (_, _, old)) in named_parameters(&loaded).iter().zip(&before) {
            let step = if name.starts_with("neck") { 0.0 } else { 1.0 };
            let moved: Vec<f32> = old.iter().map(|old| old + step).collect();
            assert!(largest_difference(new, &moved) < 1e-6, "{prefix} {name}");
        }
    }
}

#[test]
fn what_a_file_lacks_and_has_too_much_is_named() {
    let error = load(&timm_file("", |named| named.retain(|one| one.0 != "blocks.1.norm2.bias"))).unwrap_err();
    assert!(error.starts_with("VR0302") && error.contains("missing: blocks.1.norm2.bias"), "{error}");
    let add = |name: &str, shape: Vec<usize>| {
        let values = vec![0.0; shape.iter().product()];
        load(&timm_file("", |named| named.push((name.into(), shape, values)))).unwrap_err()
    };
    let error = add("blocks.2.norm1.weight", vec![48]);
    assert!(error.starts_with("VR0302") && error.contains("unused: blocks.2.norm1.weight"), "{error}");
    let error = add("patch_embed.conv.0.weight", vec![4, 3, 3, 3]);
    assert!(error.starts_with("VR0306") && error.contains("patch_embed.conv.0.weight"), "{error}");
    let positions = |count: usize| {
        load(&timm_file("", |named| {
            let of = named.iter_mut().find(|one| one.0 == "pos_embed").unwrap();
            (of.1, of.2) = (vec![1, count, 48], vec![0.25; count * 48]);
        }))
    };
    let error = positions(1 + 21 * 10).unwrap_err();
    assert!(error.starts_with("VR0302") && error.contains("pos_embed [1, 211, 48] instead of [1, 9, 48]"), "{error}");
    let resized = named_parameters(&positions(1 + 14 * 14).unwrap());
    assert_close(&values_of(&resized, "pos_embed"), &[0.25; 9 * 48], 1e-6);
}

/// A file as DINO saves it with PyTorch: teacher and student in half precision, an optimiser, a namespace of settings.
#[test]
fn a_dino_checkpoint() {
    let config = VitConfig::new(6, 1, 2).with_image([8, 8]).with_patch(4).with_stride(4);
    let path = [env!("CARGO_MANIFEST_DIR"), "fixtures", "dino.pth"].iter().collect();
    let loaded = named_parameters(&load_vit(net(&config, &Device::default()), &WeightFile::Path(path)).unwrap());
    let pattern: Vec<f32> = (0..6).map(|number| number as f32 / 8.0).collect();
    assert_close(&values_of(&loaded, "cls_token"), &pattern, 0.0);
    let bias: Vec<f32> = pattern.iter().map(|value| value + 3.0 / 8.0).collect();
    assert_close(&values_of(&loaded, "patch_embed_infrared.proj.bias"), &bias, 0.0);
}

/// Run it by name, with `--ignored --nocapture`, in release.
#[test]
#[ignore = "a measurement"]
fn seconds_of_a_step_of_the_small_network() {
    let (config, device) = (VitConfig::small16(), Device::default().autodiff());
    let network = net(&config, &device);
    for checkpointing in [false, false, false, true] {
        let images = |key| images(key, 8, config.image, &device);
        let batch = PerModality { visible: images("v"), infrared: images("i") };
        let clock = Instant::now();
        let gradients = loss_gradients(&network, batch, checkpointing, loss);
        println!("checkpointing {checkpointing}: {:.2} s", clock.elapsed().as_secs_f64());
        drop(gradients);
    }
    let (network, batch) = (network.valid(), images("v", 16, config.image, &Device::default()));
    let clock = Instant::now();
    let _ = read(network.embed(batch, Modality::Visible));
    println!("embedding 16 images: {:.2} s", clock.elapsed().as_secs_f64());
}
