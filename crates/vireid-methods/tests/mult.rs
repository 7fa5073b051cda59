//! MULT against numbers that an independent implementation gave (`cases/mult.json`).
#![allow(clippy::unwrap_used)]

use burn::tensor::{Device, Tensor, TensorData};
use serde_json::Value;
use vireid_clustering::{Expansion, JaccardEncoding, NeighbourGraph, dbscan};
use vireid_compare::{assert_close, assert_near, is_near, largest_relative_difference};
use vireid_core::{Camera, Embeddings, Identity, PerModality};
use vireid_eval::{Annotations, regdb, sysu};
use vireid_losses::{refinement, refinement_gradients};
use vireid_methods::mult::{BatchLabels, MemoryBanks, MultSettings, SpaceLabels, association_step};
use vireid_methods::parts::settings::MethodTable;
use vireid_methods::parts::views::{StepEmbeddings, StepLabels, specific_step};
use vireid_methods::presets;

fn cases() -> Value {
    serde_json::from_str(include_str!("cases/mult.json")).unwrap()
}

fn rows(value: &Value, device: &Device) -> Tensor<2> {
    let rows: Vec<Vec<f32>> = serde_json::from_value(value.clone()).unwrap();
    let shape = [rows.len(), rows[0].len()];
    Tensor::from_data(TensorData::new(rows.concat(), shape), device)
}

fn numbers(value: &Value) -> Vec<usize> {
    serde_json::from_value(value.clone()).unwrap()
}

#[track_caller]
fn near(got: Tensor<2>, expected: &Value, allowed: f64) {
    let expected: Vec<Vec<f64>> = serde_json::from_value(expected.clone()).unwrap();
    assert_eq!(got.dims(), [expected.len(), expected[0].len()]);
    assert_close(&got.into_data().try_to_vec::<f32>().unwrap(), &expected.concat(), allowed);
}

#[test]
fn refinement_and_both_gradients() {
    let case = &cases()["refine_ce"];
    let device = Device::default();
    let (logits, teacher) = (rows(&case["pred_logits"], &device), rows(&case["target_logits"], &device));
    let loss = refinement(logits.clone(), teacher.clone(), 0.2).into_scalar::<f32>();
    assert_near(loss, case["loss"].as_f64().unwrap(), 1e-6);
    let (of_logits, of_teacher) = refinement_gradients(logits, teacher, 0.2);
    near(of_logits, &case["grad_pred"], 1e-6);
    near(of_teacher, &case["grad_target"], 1e-6);
}

/// Loss, its parts, all gradients and all six memories of a first-stage step, an even and an odd epoch.
#[test]
fn steps() {
    let case = &cases()["iteration"];
    let device = Device::default();
    let tracked = device.clone().autodiff();
    let settings = MultSettings::released();
    let centroids = PerModality { visible: rows(&case["mem_v0"], &device), infrared: rows(&case["mem_r0"], &device) };
    let view = |name: &str| rows(&case[name], &tracked).require_grad();
    let labels =
        |hard: &str, targets: &str| SpaceLabels { hard: numbers(&case[hard]), targets: rows(&case[targets], &device) };
    let batch = BatchLabels {
        own: PerModality { visible: labels("label_v", "y_v"), infrared: labels("label_r", "y_r") },
        cross: PerModality { visible: labels("cm_label_v", "cm_y_v"), infrared: labels("cm_label_r", "cm_y_r") },
    };
    for (name, parts) in [("stage1", None), ("even_epoch", Some("even_parts")), ("odd_epoch", Some("odd_parts"))] {
        let expected = &case[name];
        let mut banks = MemoryBanks::new(centroids.clone(), 0.1);
        let e = StepEmbeddings { plain: view("feat_plain"), augmented: view("feat_chan"), infrared: view("feat_ir") };
        let step = match name {
            "stage1" => {
                let of = PerModality { visible: &mut banks.visible, infrared: &mut banks.infrared };
                let labels = StepLabels { visible: &batch.own.visible.hard, infrared: &batch.own.infrared.hard };
                specific_step(of, &e, labels, settings.temperature, settings.bank_gradient)
            }
            _ => association_step(&mut banks, &e, &batch, name == "even_epoch", &settings),
        };
        let got = step.parts.into_data().try_to_vec::<f32>().unwrap();
        let total = expected["loss"].as_f64().unwrap();
        assert!(is_near(got.iter().sum::<f32>(), total, 1e-4 * total), "{name}: {got:?}");
        if let Some(parts) = parts {
            let part = |name: &str| case[parts][name].as_f64().unwrap();
            let split = ["ms_rgb", "ms_ir", "ma_rgb", "ma_ir", "oclr"].map(part);
            assert!(largest_relative_difference(&split, &got, 0.0) < 2e-5, "{name}: {got:?} {split:?}");
        }
        let gradients = step.objective.backward();
        for (view, gradient) in [(&e.plain, "grad_plain"), (&e.augmented, "grad_chan"), (&e.infrared, "grad_ir")] {
            near(view.grad(&gradients).unwrap(), &expected[gradient], 2e-3);
        }
        for (bank, rows) in [
            ("V", &banks.visible),
            ("R", &banks.infrared),
            ("Va", &banks.mixed_visible_space),
            ("Ra", &banks.mixed_infrared_space),
            ("Rcm", &banks.infrared_in_visible_space),
            ("Vcm", &banks.visible_in_infrared_space),
        ] {
            near(rows.rows(), &expected["mem_after"][bank], 1e-6);
        }
    }
}

#[test]
fn the_paper_schedule() {
    let config = vireid_methods::preset("mult_sysu_paper", &[]).unwrap();
    for (epoch, rate) in cases()["lr"].as_object().unwrap() {
        let at = config.engine.at(epoch.parse().unwrap());
        assert_eq!(config.engine.stage(at).rate(at.in_stage), rate.as_f64().unwrap(), "epoch {epoch}");
    }
}

#[test]
fn paper_presets_have_the_released_values() {
    for name in presets().filter(|name| name.starts_with("mult") && name.ends_with("paper")) {
        let config = vireid_methods::preset(&name, &[]).unwrap();
        assert_eq!(MethodTable::<MultSettings>::read(&config).unwrap().settings, MultSettings::released(), "{name}");
    }
}

fn signed(labels: Vec<Option<usize>>) -> Vec<i64> {
    labels.into_iter().map(|label| label.map_or(-1, |label| label as i64)).collect()
}

fn clusters(encoding: &JaccardEncoding, eps: f64, min_samples: usize) -> Vec<i64> {
    signed(dbscan(&NeighbourGraph::from_jaccard(encoding, eps).unwrap(), min_samples).unwrap())
}

/// The generator of the case's inputs.
fn generated(mut seed: u64, rows: usize, columns: usize) -> Vec<f32> {
    let mut next = || {
        seed = (1_103_515_245 * seed + 12_345) % (1 << 31);
        (seed as f64 / f64::from(1u32 << 31) - 0.5) as f32
    };
    (0..rows * columns).map(|_| next()).collect()
}

#[test]
fn distances_and_clusters() {
    let case = &cases()["jaccard_small"];
    for (side, k1, k2) in [("v", 5, 2), ("r", 4, 2)] {
        let rows: Vec<Vec<f32>> = serde_json::from_value(case[format!("feat_{side}")].clone()).unwrap();
        let embeddings = Embeddings::new(rows.concat(), rows.len(), rows[0].len()).unwrap();
        let encoding = JaccardEncoding::new(&embeddings, k1, &Expansion::Mean { k2 }).unwrap();
        let expected: Vec<Vec<f32>> = serde_json::from_value(case[format!("dist_{side}")].clone()).unwrap();
        let distances = encoding.within(1.0);
        for (row, expected) in expected.iter().enumerate() {
            let mut dense = vec![1.0; expected.len()];
            distances.pairs(row).for_each(|(column, distance)| dense[column as usize] = distance);
            assert_close(&dense, expected, 2e-6);
        }
        let labels: Vec<i64> = serde_json::from_value(case[format!("dbscan_eps0.6_min3_{side}")].clone()).unwrap();
        assert_eq!(clusters(&encoding, 0.6, 3), labels);
    }

    let case = &cases()["jaccard_mid"];
    let (base, noise) = (generated(31, 6, 8), generated(32, 48, 8));
    let mixed: Vec<f32> = (0..48 * 8).map(|i| base[i / 64 * 8 + i % 8] + 0.9 * noise[i]).collect();
    let embeddings = Embeddings::new(mixed, 48, 8).unwrap().normalized();
    let encoding = JaccardEncoding::new(&embeddings, 12, &Expansion::Mean { k2: 3 }).unwrap();
    let distances = encoding.within(1.0);
    assert_eq!(distances.entries(), case["nnz_similarity"].as_u64().unwrap() as usize);
    let stored: f64 = (0..48).flat_map(|row| distances.pairs(row)).map(|(_, distance)| f64::from(distance)).sum();
    let sum = stored + (48 * 48 - distances.entries()) as f64;
    assert_near(sum, case["sum"].as_f64().unwrap(), 1e-3);
    for (eps, labels) in case["dbscan"].as_object().unwrap() {
        let labels: Vec<i64> = serde_json::from_value(labels.clone()).unwrap();
        assert_eq!(clusters(&encoding, eps.parse().unwrap(), 4), labels, "eps {eps}");
    }
}

/// Two cliques and a chain at exactly eps.
#[test]
fn border_points() {
    let case = &cases()["dbscan_border"];
    let mut distances = [[1.0f32; 10]; 10];
    (0..10).for_each(|i| distances[i][i] = 0.0);
    let mut link = |a: usize, b: usize, distance| (distances[a][b], distances[b][a]) = (distance, distance);
    for clique in [[0, 1, 2, 3], [5, 6, 7, 8]] {
        for (a, b) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
            link(clique[a], clique[b], 0.2);
        }
    }
    [(3, 4), (4, 5), (4, 9)].into_iter().for_each(|(a, b)| link(a, b, 0.6));
    let graph = NeighbourGraph::from_dense(&distances.concat(), 10, 0.6).unwrap();
    let expected: Vec<Vec<i64>> = serde_json::from_value(case["labels"].clone()).unwrap();
    for (min_samples, expected) in numbers(&case["min_samples"]).into_iter().zip(expected) {
        assert_eq!(signed(dbscan(&graph, min_samples).unwrap()), expected, "{min_samples}");
    }
}

#[test]
fn protocols() {
    let case = &cases()["eval"];
    let distances: Vec<Vec<f32>> = serde_json::from_value(case["dist"].clone()).unwrap();
    let annotations = |identities: &str, cameras: &str| Annotations {
        identities: numbers(&case[identities]).into_iter().map(|id| Identity(id as u32)).collect(),
        cameras: numbers(&case[cameras]).into_iter().map(|camera| Camera(camera as u16)).collect(),
    };
    let (queries, gallery) = (annotations("q_id", "q_cam"), annotations("g_id", "g_cam"));
    let of_sysu = sysu::evaluate_distances(&distances.concat(), &queries, &gallery, 3).unwrap();
    let of_regdb = regdb::evaluate_distances(&distances.concat(), &queries.identities, &gallery.identities, 5).unwrap();
    for (got, expected, cmc) in [(of_sysu, &case["sysu"], "cmc_first3"), (of_regdb, &case["regdb"], "cmc_first5")] {
        assert_near(got.map, expected["mAP"].as_f64().unwrap(), 1e-6);
        assert_near(got.minp, expected["mINP"].as_f64().unwrap(), 1e-6);
        let cmc: Vec<f64> = serde_json::from_value(expected[cmc].clone()).unwrap();
        let ranks: Vec<f64> = (1..=cmc.len()).map(|rank| got.rank(rank)).collect();
        assert_close(&ranks, &cmc, 1e-9);
    }
}
