//! MMM against numbers that an independent implementation gave (`cases/mmm.json`), and every switch between its profiles.

#![allow(clippy::unwrap_used)]

use burn::tensor::{Device, Tensor, TensorData};
use serde_json::Value;
use vireid_backbone::Features;
use vireid_clustering::{
    ClusterMemories, CostDirection, Expansion, JaccardEncoding, NeighbourGraph, Origin, SparseRows, dbscan,
    memory_costs, nearest_neighbours,
};
use vireid_compare::{assert_close, assert_near};
use vireid_core::{Camera, Embeddings, Identity, Modality, PerModality, Streams};
use vireid_data::ViewRecipes;
use vireid_data::sampler::StepPlan;
use vireid_eval::quality::adjusted_rand_index;
use vireid_eval::{Annotations, regdb, sysu};
use vireid_losses::{batch_hard_triplet, label_tensor, weighted_cross_entropy};
use vireid_memory::MemoryBank;
use vireid_methods::epoch::{Epoch, EpochAt, Labelling};
use vireid_methods::method::{Method, Outputs, StepAt};
use vireid_methods::mmm::{
    IntraNorm, MatchedLabels, Mmm, Prepared, Profile, SwitchOverrides, Switches, filter, match_clusters,
    matched_batches, whole_set_batches,
};
use vireid_methods::parts::contrast::Contrast;
use vireid_methods::parts::lookups::BankGradient;
use vireid_methods::{EngineConfig, MethodError, MethodState};

fn cases() -> Value {
    serde_json::from_str(include_str!("cases/mmm.json")).unwrap()
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

fn embeddings(rows: &Value) -> Embeddings {
    let rows: Vec<Vec<f32>> = read(rows);
    let (count, dim) = (rows.len(), rows[0].len());
    Embeddings::new(rows.concat(), count, dim).unwrap()
}

fn rows(values: &[Vec<f32>], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.concat(), [values.len(), values[0].len()]), device)
}

fn at_angle(degrees: f32, norm: f32) -> Vec<f32> {
    let radians = degrees.to_radians();
    vec![norm * radians.cos(), norm * radians.sin()]
}

#[test]
fn memory_costs_in_both_directions() {
    let case = &cases()["mmlm_cost"];
    let memories = |name: &str| -> Vec<ClusterMemories> {
        case[name].as_array().unwrap().iter().map(|rows| ClusterMemories::Points(embeddings(rows))).collect()
    };
    for (name, direction) in [
        ("cost_code_sum_over_ir", CostDirection::SumOverInfrared),
        ("cost_paper_sum_over_vis", CostDirection::SumOverVisible),
    ] {
        let expected: Vec<Vec<f64>> = read(&case[name]);
        let costs = memory_costs(&memories("V"), &memories("R"), direction).unwrap();
        let sums: Vec<f64> = costs.iter().map(|cost| 4.0 * cost).collect();
        assert_close(&sums, &expected.concat(), 1e-6);
    }
}

/// Switches `direction` and `skip_last_cluster`: labels and adjusted Rand indices of the matching from end to end.
#[test]
fn matching_from_end_to_end() {
    let case = &cases()["mmlm_end_to_end"];
    let labels = |name: &str| -> Vec<Option<usize>> {
        read::<Vec<i64>>(&case[name]).into_iter().map(|label| usize::try_from(label).ok()).collect()
    };
    let data = PerModality { visible: embeddings(&case["Xv"]), infrared: embeddings(&case["Xr"]) };
    let own = PerModality { visible: labels("Lv"), infrared: labels("Lr") };
    let (of_visible, of_infrared): (Vec<u32>, Vec<u32>) = (read(&case["GTv"]), read(&case["GTr"]));
    for expected in case["cases"].as_array().unwrap() {
        let profile = if expected["direction"] == "code" { Profile::Clean } else { Profile::Paper };
        let overrides = SwitchOverrides {
            skip_last_cluster: expected["drop_last"].as_bool(),
            matching: Some(vireid_methods::mmm::Matching::Nearest),
            ..SwitchOverrides::default()
        };
        let switches = Switches::new(profile, &overrides);
        let matched = match_clusters(&data, &own, 4, &switches, Streams::new(0)).unwrap();
        let expected_labels: Vec<i64> = read(&expected["new_vis_labels"]);
        let number = |label: &Option<usize>| label.map_or(-1, |label| label as i64);
        let visible: Vec<i64> = matched.labels.visible.iter().map(number).collect();
        let infrared: Vec<i64> = matched.labels.infrared.iter().map(number).collect();
        assert_eq!(visible, expected_labels);
        assert_near(adjusted_rand_index(&visible, &of_visible), expected["ari_rgb"].as_f64().unwrap(), 1e-9);
        assert_near(adjusted_rand_index(&infrared, &of_infrared), expected["ari_ir"].as_f64().unwrap(), 1e-9);
        let (all, truth) = ([visible, infrared].concat(), [of_visible.clone(), of_infrared.clone()].concat());
        assert_near(adjusted_rand_index(&all, &truth), expected["ari_all"].as_f64().unwrap(), 1e-9);
    }
}

/// Switch `lenient_filter`: noise counts as a label in the released limit, so labels one beyond the last survive it; this
/// project drops what would not fit its classifier.
#[test]
fn the_released_filter() {
    let infrared: Vec<Option<usize>> = (0..4).flat_map(|label| [Some(label); 4]).chain([None]).collect();
    for (last, kept) in [(3, true), (4, false), (6, false)] {
        let visible = vec![Some(0), Some(1), Some(1), Some(2), Some(last), None];
        let labels = PerModality { visible, infrared: infrared.clone() };
        let matched = filter(labels, true);
        assert_eq!((matched.classes, matched.labels.visible[4].is_some()), (4, kept), "{last}");
        assert_eq!(matched.labels.infrared, infrared);
    }
}

/// The look-ups of the baseline's first stage: all of a memory's gradients before it moves.
#[test]
fn a_memory_of_one_modality() {
    let case = &cases()["cluster_memory"];
    let device = Device::default();
    let tracked = device.clone().autodiff();
    let bank = |degrees: &[f32]| {
        let prototypes: Vec<Vec<f32>> = degrees.iter().map(|&degree| at_angle(degree, 1.0)).collect();
        MemoryBank::new(rows(&prototypes, &device), 0.1)
    };
    let (mut visible, mut infrared) = (bank(&[0.0, 10.0, 20.0]), bank(&[0.0]));
    let points = [at_angle(4.0, 2.0), at_angle(12.0, 3.0), at_angle(-2.0, 1.0)];
    let embeddings = PerModality {
        visible: rows(&points, &tracked).require_grad(),
        infrared: rows(&[at_angle(0.0, 1.0)], &tracked).require_grad(),
    };
    let contrast = Contrast { temperature: 0.05, bank_gradient: BankGradient::Live };
    let labels = PerModality { visible: [0usize, 1, 0].as_slice(), infrared: [0usize].as_slice() };
    let banks = PerModality { visible: &mut visible, infrared: &mut infrared };
    let step = contrast.specific_step(banks, &embeddings, labels, Box::new(MemoryBank::update));
    let parts = step.parts.into_data().try_to_vec::<f32>().unwrap();
    assert_near(parts[0], case["loss"].as_f64().unwrap(), 1e-5);
    let gradients = step.objective.backward();
    let got = embeddings.visible.grad(&gradients).unwrap().into_data().try_to_vec::<f32>().unwrap();
    let expected: Vec<Vec<f64>> = read(&case["grad"]);
    assert_close(&got, &expected.concat(), 1e-5);
    let got = visible.rows().into_data().try_to_vec::<f32>().unwrap();
    let expected: Vec<Vec<f64>> = read(&case["mem_after"]);
    assert_close(&got, &expected.concat(), 1e-6);
}

/// Switch `bank_gradient`: the infrared gradient sees the joint memory as visible embeddings have moved it, or as it was.
#[test]
fn the_joint_memory() {
    let case = &cases()["cluster_memory_joint"];
    let device = Device::default();
    let tracked = device.clone().autodiff();
    for (rule, infrared_gradient) in
        [(BankGradient::Live, "grad_ir_as_coded"), (BankGradient::Snapshot, "grad_ir_frozen_memory")]
    {
        let prototypes: Vec<Vec<f32>> = [0.0, 10.0, 20.0].iter().map(|&degree| at_angle(degree, 1.0)).collect();
        let mut bank = MemoryBank::new(rows(&prototypes, &device), 0.1);
        let embeddings = PerModality {
            visible: rows(&[at_angle(8.0, 1.0)], &tracked).require_grad(),
            infrared: rows(&[at_angle(3.0, 1.0)], &tracked).require_grad(),
        };
        let labels = PerModality { visible: [0usize].as_slice(), infrared: [0usize].as_slice() };
        let contrast = Contrast { temperature: 0.05, bank_gradient: rule };
        let step = contrast.joint_step(&mut bank, &embeddings, labels, Box::new(MemoryBank::update));
        let parts = step.parts.into_data().try_to_vec::<f32>().unwrap();
        assert_near(parts[0], case["loss_rgb"].as_f64().unwrap(), 1e-5);
        assert_near(parts[1], case["loss_ir"].as_f64().unwrap(), 1e-5);
        let gradients = step.objective.backward();
        for (view, name) in [(&embeddings.visible, "grad_rgb"), (&embeddings.infrared, infrared_gradient)] {
            let got = view.grad(&gradients).unwrap().into_data().try_to_vec::<f32>().unwrap();
            let expected: Vec<Vec<f64>> = read(&case[name]);
            assert_close(&got, &expected.concat(), 2e-5);
        }
        let got = bank.rows().into_data().try_to_vec::<f32>().unwrap();
        let expected: Vec<Vec<f64>> = read(&case["mem_after"]);
        assert_close(&got, &expected.concat(), 1e-6);
    }
}

#[test]
fn losses_of_the_third_stage() {
    let device = Device::default();
    let case = &cases()["weighted_ce"];
    let logits: Vec<Vec<f32>> = read(&case["logits"]);
    let (labels, weights): (Vec<usize>, Vec<f32>) = (read(&case["y"]), read(&case["w"]));
    let weights = Tensor::<1>::from_data(TensorData::new(weights.clone(), [weights.len()]), &device);
    let loss = weighted_cross_entropy(rows(&logits, &device), label_tensor(&labels, &device), weights);
    assert_near(f64::from(loss.into_scalar::<f32>()), case["loss"].as_f64().unwrap(), 1e-6);
    let case = &cases()["triplet"];
    let (points, labels): (Vec<Vec<f32>>, Vec<usize>) = (read(&case["X"]), read(&case["y"]));
    let loss = batch_hard_triplet(rows(&points, &device), label_tensor(&labels, &device), 0.2);
    assert_near(f64::from(loss.into_scalar::<f32>()), case["loss"].as_f64().unwrap(), 1e-6);
}

fn all_of(visible: usize, infrared: usize) -> MatchedLabels {
    let labels = |count: usize| (0..count).map(|position| Some(position % 100)).collect();
    MatchedLabels { labels: PerModality { visible: labels(visible), infrared: labels(infrared) }, classes: 100 }
}

/// Switch `incomplete_passes`: numbers of batches at the sizes of the real data sets.
#[test]
fn numbers_of_batches() {
    let mut stream = Streams::new(0).stream("sampler", [0; 3]);
    let sysu = all_of(22_258, 11_909);
    assert_eq!(matched_batches(&sysu, 6, 4, &mut stream).unwrap().len(), 928);
    assert_eq!(whole_set_batches(&sysu, 24, true, 4, &mut stream).unwrap().len(), 928);
    assert_eq!(matched_batches(&all_of(2060, 2060), 6, 4, &mut stream).unwrap().len(), 86);
    assert_eq!(whole_set_batches(&all_of(2060, 2060), 24, true, 1, &mut stream).unwrap().len(), 86);
    let odd = all_of(19_000, 9_000);
    assert_eq!(matched_batches(&odd, 6, 4, &mut stream).unwrap().len(), 792);
    let visited = |incomplete, stream: &mut _| {
        let batches = whole_set_batches(&odd, 24, incomplete, 4, stream).unwrap();
        let mut seen: Vec<usize> = batches.iter().flat_map(|plan| plan.visible.clone()).collect();
        seen.sort_unstable();
        seen.dedup();
        seen.len()
    };
    assert_eq!(visited(false, &mut stream), 19_000);
    assert!(visited(true, &mut stream) < 19_000);
}

#[test]
fn matched_batches_hold_one_label_per_slot() {
    let mut stream = Streams::new(0).stream("sampler", [0; 3]);
    let mut matched = all_of(900, 500);
    // A label that no infrared image has is never drawn.
    matched.labels.infrared.iter_mut().for_each(|label| *label = label.filter(|&label| label != 7));
    for plan in matched_batches(&matched, 6, 4, &mut stream).unwrap() {
        assert_eq!((plan.visible.len(), plan.infrared.len()), (24, 24));
        for (v, i) in plan.visible.iter().zip(&plan.infrared) {
            assert!(matched.labels.visible[*v] == matched.labels.infrared[*i] && matched.labels.visible[*v] != Some(7));
        }
    }
    let few = MatchedLabels { classes: 2, labels: PerModality { visible: vec![Some(0)], infrared: vec![Some(0)] } };
    assert!(matched_batches(&few, 6, 4, &mut stream).unwrap_err().to_string().starts_with("VR0107"));
}

#[test]
fn the_paper_schedule() {
    let config = vireid_methods::preset("mmm_sysu_paper", &[]).unwrap();
    for (epoch, rate) in
        [(0, 0.01), (4, 0.05), (5, 0.06), (9, 0.1), (10, 0.1), (19, 0.1), (20, 0.01), (39, 0.01), (40, 0.001)]
    {
        let at = config.engine.at(100 + epoch);
        assert_eq!((at.stage, at.in_stage, config.engine.stage(at).rate(at.in_stage)), (2, epoch, rate));
    }
}

/// A method in its third stage: eight images of either modality, labels 0 and 1.
fn third_stage(overrides: &[&str]) -> (Mmm, Prepared) {
    let (mut method, state) = matched(overrides);
    let prepared = method.restore_within(&state, at(3), &Device::default()).unwrap();
    (method, prepared)
}

/// A method before its third stage begins, and the state of a checkpoint of it.
fn matched(overrides: &[&str]) -> (Mmm, MethodState) {
    let overrides: Vec<String> =
        overrides.iter().map(|o| o.to_string()).chain(["settings.ids_per_batch=2".into()]).collect();
    let config = vireid_methods::preset("mmm_sysu_quick", &overrides).unwrap();
    let mut state = MethodState::default();
    let labels: Vec<Option<usize>> = (0..8).map(|position| Some(position / 4)).collect();
    for modality in ["visible", "infrared"] {
        state.put_labels(&format!("matched/{modality}"), &labels);
        state.put_labels(&format!("cameras/{modality}"), &[Some(1); 8]);
    }
    state.put_labels("matched/classes", &[Some(2)]);
    (0..3).for_each(|view| state.put_values(&format!("confidence/{view}"), &[0.5; 8]));
    (Mmm::new(&config).unwrap(), state)
}

fn at(in_stage: usize) -> EpochAt {
    EpochAt { stage: 2, epoch: 10 + in_stage, in_stage, of: 20 }
}

fn plan() -> StepPlan {
    StepPlan { visible: (0..8).collect(), infrared: (0..8).collect(), part: 0 }
}

fn outputs(device: &Device) -> Outputs {
    let table = |count: usize, seed: u64| {
        let mut stream = Streams::new(3).stream("outputs", [seed, 0, 0]);
        let values: Vec<f32> = (0..count * 2).map(|_| stream.normal(0.0, 1.0) as f32).collect();
        Tensor::<2>::from_data(TensorData::new(values, [count, 2]), device)
    };
    let features = |count, seed| Features { pooled: table(count, seed), embedding: table(count, seed) };
    Outputs {
        features: PerModality { visible: features(16, 1), infrared: features(8, 2) },
        logits: Some(PerModality { visible: table(16, 3), infrared: table(8, 4) }),
    }
}

/// Identity, triplet, intra, inter of a step.
fn parts((method, prepared): &mut (Mmm, Prepared), in_stage: usize) -> Vec<f32> {
    let device = Device::default().autodiff();
    let step = StepAt::new(at(in_stage), 0, Streams::new(0));
    let step = method.step(prepared, step, &plan(), outputs(&device));
    step.parts.into_data().try_to_vec::<f32>().unwrap()
}

/// Switches `zero_first_prototypes`, `intra_from` and `inter_from`.
#[test]
fn when_the_alignments_begin() {
    let warm_up = parts(&mut third_stage(&[]), 1);
    assert!(warm_up[0] > 0.0 && warm_up[1..] == [0.0; 3]);
    let first = parts(&mut third_stage(&[]), 2);
    assert!(first[2] == 0.0 && first[3] > 0.0, "no prototypes yet: {first:?}");
    let as_coded = parts(&mut third_stage(&["settings.profile=as_coded"]), 2);
    assert!(as_coded[2] > 0.0, "towards zeros: {as_coded:?}");
    let zeros = "settings.switches.zero_first_prototypes=true";
    assert_eq!(parts(&mut third_stage(&[zeros, "settings.switches.intra_from=5"]), 4)[2], 0.0);
    assert!(parts(&mut third_stage(&[zeros, "settings.switches.intra_from=5"]), 5)[2] > 0.0);
    let paper = |in_stage| parts(&mut third_stage(&["settings.profile=paper"]), in_stage)[3];
    assert!(paper(14) == 0.0 && paper(15) > 0.0);
    let without = parts(&mut third_stage(&["settings.inter=0", "settings.intra=0", zeros]), 3);
    assert!(without[2..] == [0.0, 0.0]);
}

/// Switch `intra_norm`: squared distances summed, or absolute ones averaged.
#[test]
fn norms_of_the_alignment_within() {
    let zeros = "settings.switches.zero_first_prototypes=true";
    let intra = |norm: &str| parts(&mut third_stage(&[zeros, &format!("settings.switches.intra_norm={norm}")]), 3)[2];
    let Outputs { features, .. } = outputs(&Device::default());
    let values = |rows: Tensor<2>| rows.into_data().try_to_vec::<f32>().unwrap();
    let (visible, infrared) = (values(features.visible.pooled), values(features.infrared.pooled));
    let expected = |norm: IntraNorm| {
        let distance = |row: &[f32]| match norm {
            IntraNorm::L1 => row.iter().map(|x| x.abs()).sum::<f32>() / 2.0,
            IntraNorm::L2 => row.iter().map(|x| x * x).sum::<f32>(),
        };
        let mean = |rows: &[f32]| rows.chunks(2).map(|row| 0.5 * distance(row)).sum::<f32>() / 8.0;
        0.5 * (0.5 * mean(&visible) + mean(&infrared))
    };
    assert_near(f64::from(intra("l1")), f64::from(expected(IntraNorm::L1)), 1e-5);
    assert_near(f64::from(intra("l2")), f64::from(expected(IntraNorm::L2)), 1e-5);
}

/// An epoch whose passes give fixed outputs.
struct FixedEpoch {
    config: EngineConfig,
    device: Device,
    /// Whether passes end with an error.
    fails: bool,
}

fn fixed_epoch() -> FixedEpoch {
    let config = vireid_methods::preset("mmm_sysu_quick", &[]).unwrap().engine;
    FixedEpoch { config, device: Device::default(), fails: false }
}

impl Epoch for FixedEpoch {
    fn at(&self) -> EpochAt {
        at(3)
    }
    fn config(&self) -> &EngineConfig {
        &self.config
    }
    fn device(&self) -> &Device {
        &self.device
    }
    fn streams(&self) -> Streams {
        Streams::new(0)
    }
    fn cameras(&self) -> PerModality<Vec<Camera>> {
        PerModality { visible: vec![Camera(1); 8], infrared: vec![Camera(3); 8] }
    }
    fn embeddings(&mut self) -> Result<PerModality<Embeddings>, MethodError> {
        unreachable!("the third stage embeds nothing")
    }
    fn report(&mut self, _labelling: &Labelling<'_>) {}
    fn pass(
        &mut self,
        _stream: &'static str,
        _recipes: ViewRecipes,
        _plans: Vec<StepPlan>,
        each: &mut dyn FnMut(&StepPlan, Outputs),
    ) -> Result<(), MethodError> {
        each(&plan(), outputs(&self.device));
        if self.fails { Err(MethodError::Config("a pass that fails".into())) } else { Ok(()) }
    }
    fn tick(&mut self, _activity: &'static str, _done: usize, _total: usize) {}
}

/// Switch `weighted_prototypes`: with all confidences one half, dividing by their sum doubles a prototype. And what a
/// checkpoint holds is what was measured.
#[test]
fn prototypes() {
    let prototypes = |overrides: &[&str]| {
        let (mut method, prepared) = third_stage(overrides);
        method.finish(prepared, &mut fixed_epoch()).unwrap();
        let state = method.state(None);
        assert!(third_stage(&[]).0.restore(&state, &Device::default()).is_some());
        state.values("prototypes/2").unwrap()
    };
    let Outputs { features, .. } = outputs(&Device::default());
    let infrared = features.infrared.pooled.into_data().try_to_vec::<f32>().unwrap();
    let first = infrared.chunks(2).take(4).map(|row| 0.5 * row[0]).sum::<f32>() / 4.0;
    let by_count = prototypes(&[]);
    assert_near(by_count[0], f64::from(first), 1e-6);
    let by_weight = prototypes(&["settings.switches.weighted_prototypes=true"]);
    let twice: Vec<f32> = by_count.iter().map(|count| 2.0 * count).collect();
    assert_close(&by_weight, &twice, 1e-6);
}

/// Without the alignment that uses them the prototypes are measured all the same: the pass moves the running statistics that
/// the tests of the ablation see.
#[test]
fn the_prototype_pass_does_not_depend_on_loss_weights() {
    let (mut method, prepared) = third_stage(&["settings.intra=0", "settings.inter=0"]);
    method.finish(prepared, &mut fixed_epoch()).unwrap();
    let state = method.state(None);
    assert!(state.values("prototypes/2").is_some());
    let prepared = method.restore_within(&state, at(4), &Device::default()).unwrap();
    assert_eq!(parts(&mut (method, prepared), 4)[2], 0.0);
}

#[test]
fn confidences_are_measured_and_kept() {
    let (mut method, state) = matched(&["settings.images_per_id=4"]);
    method.restore(&state, &Device::default()).unwrap();
    let prepared = method.prepare(&mut fixed_epoch()).unwrap();
    let state = method.state(Some(&prepared));
    let confidence = state.values("confidence/0").unwrap();
    assert!(confidence.iter().any(|&c| c != 0.5) && confidence.iter().all(|c| (0.0..=1.0).contains(c)));
}

/// After an error the labels were gone, and the next epoch made others of a network that had learnt from them.
#[test]
fn labels_outlive_an_error_of_the_third_stage() {
    let (mut method, state) = matched(&["settings.images_per_id=4"]);
    let labels = |state: &MethodState| state.labels("matched/visible").unwrap();
    let expected = labels(&state);
    let (mut whole, mut failing) = (fixed_epoch(), FixedEpoch { fails: true, ..fixed_epoch() });
    method.restore(&state, &Device::default()).unwrap();
    assert!(method.prepare(&mut failing).is_err());
    assert_eq!(labels(&method.state(None)), expected);
    let prepared = method.prepare(&mut whole).unwrap();
    assert!(method.finish(prepared, &mut failing).is_err());
    assert_eq!(labels(&method.state(None)), expected);
    let prepared = method.prepare(&mut whole).unwrap();
    assert_eq!(labels(&method.state(Some(&prepared))), expected);
}

/// As a checkpoint within the stage that has lost them; the fixed epoch can't make any.
#[test]
fn a_third_stage_without_labels_is_refused() {
    let (mut method, _) = matched(&[]);
    let error = method.prepare(&mut fixed_epoch()).unwrap_err().to_string();
    assert!(error.starts_with("VR0522: mmm, stage 3"), "{error}");
}

#[test]
fn settings_without_meaning_are_refused() {
    for (set, says) in [
        ("settings.memories=0", "settings.memories"),
        ("settings.profile=best", "unknown variant"),
        ("settings.switches.skip_last=true", "VR0501"),
        ("settings.joint_eps=1.5", "settings.joint_eps"),
        ("settings.warm_up=0", "settings.warm_up"),
        ("settings.intra=-1", "settings.intra"),
    ] {
        let config = vireid_methods::preset("mmm_sysu_quick", &[set.to_string()]).unwrap();
        let error = Mmm::new(&config).unwrap_err().to_string();
        assert!(error.contains(says), "{set}: {error}");
    }
}

/// The adjusted Rand index with noise as one ordinary cluster.
#[test]
fn rand_indices() {
    for case in cases()["ari"].as_array().unwrap() {
        let (predicted, truth): (Vec<i64>, Vec<i64>) = (read(&case["pred"]), read(&case["true"]));
        assert_near(adjusted_rand_index(&predicted, &truth), case["ari"].as_f64().unwrap(), 1e-9);
    }
}

/// A border point goes to the earlier cluster, which may leave a cluster of one; and eps itself is near enough.
#[test]
fn a_stolen_border_point() {
    let case = &cases()["dbscan_stolen"];
    for name in ["d", "d_eq_eps"] {
        let dense: Vec<Vec<f32>> = read(&case[name]);
        let graph = NeighbourGraph::from_dense(&dense.concat(), dense.len(), 0.6).unwrap();
        let labels: Vec<i64> =
            dbscan(&graph, 4).unwrap().into_iter().map(|label| label.map_or(-1, |label| label as i64)).collect();
        assert_eq!(labels, read::<Vec<i64>>(&case["labels"]), "{name}");
    }
}

/// Ranking, encoding with plain and with modality-balanced expansion, and distances of ten points on a circle.
#[test]
fn jaccard_distances() {
    let case = &cases()["jaccard"];
    let angles: Vec<f32> = read(&case["angles_deg"]);
    let points: Vec<f32> = angles.iter().flat_map(|&angle| at_angle(angle, 1.0)).collect();
    let points = Embeddings::new(points, angles.len(), 2).unwrap();
    let ranking = nearest_neighbours(&points, 5).unwrap();
    let expected: Vec<Vec<u32>> = read(&case["rank"]);
    expected.iter().enumerate().for_each(|(row, expected)| assert_eq!(ranking.row(row), expected));
    let origin = |letter: char| Origin {
        modality: if letter == 'v' { Modality::Visible } else { Modality::Infrared },
        camera: Camera(1),
    };
    let origins: Vec<Origin> = case["modality"].as_str().unwrap().chars().map(origin).collect();
    for (expansion, weights, distances) in [
        (Expansion::None, "V", None),
        (Expansion::Mean { k2: 3 }, "Q", Some("J")),
        (Expansion::ModalityBalanced { k2: 3, origins: &origins }, "Q_modal", Some("J_modal")),
    ] {
        let encoding = JaccardEncoding::new(&points, 5, &expansion).unwrap();
        let check = |got: &SparseRows, expected: &Value, missing: f64| {
            let expected: Vec<Vec<f64>> = read(expected);
            for (row, expected) in expected.iter().enumerate() {
                let mut dense = vec![missing; expected.len()];
                got.pairs(row).for_each(|(column, value)| dense[column as usize] = f64::from(value));
                assert_close(&dense, expected, 1e-6);
            }
        };
        check(encoding.weights(), &case[weights], 0.0);
        if let Some(distances) = distances {
            check(&encoding.within(1.0), &case[distances], 1.0);
        }
    }
}

#[test]
fn protocols() {
    let case = &cases()["eval"];
    let similar: Vec<Vec<f32>> = read(&case["S"]);
    let distances: Vec<f32> = similar.concat().into_iter().map(|s| -s).collect();
    let annotations = |identities: &str, cameras: &str| Annotations {
        identities: read::<Vec<u32>>(&case[identities]).into_iter().map(Identity).collect(),
        cameras: read::<Vec<u16>>(&case[cameras]).into_iter().map(Camera).collect(),
    };
    let (queries, gallery) = (annotations("q", "qc"), annotations("gq", "gc"));
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    let sysu = sysu::evaluate_distances(&distances, &queries, &gallery, 3).unwrap();
    let rows: Vec<Vec<f64>> = read(&case["sysu"]["rows"]);
    (0..3).for_each(|rank| assert_near(sysu.rank(rank + 1), mean(rows.iter().map(|row| row[rank]).collect()), 1e-9));
    assert_near(sysu.map, mean(read(&case["sysu"]["ap"])), 1e-9);
    let regdb = regdb::evaluate_distances(&distances, &queries.identities, &gallery.identities, 3).unwrap();
    assert_near(regdb.map, mean(read(&case["regdb"]["ap"])), 1e-9);
    assert_near(regdb.minp, mean(read(&case["regdb"]["inp"])), 1e-9);
}
