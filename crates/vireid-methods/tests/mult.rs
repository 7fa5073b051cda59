//! MULT against numbers that an independent implementation gave (`cases/mult.json`).
#![allow(clippy::unwrap_used)]

use burn::tensor::{Device, Tensor, TensorData};
use serde_json::Value;
use vireid_core::PerModality;
use vireid_losses::{refinement, refinement_gradients};
use vireid_methods::mult::{BatchLabels, MemoryBanks, MultSettings, SpaceLabels, association_step};
use vireid_methods::views::{StepEmbeddings, StepLabels, specific_step};
use vireid_methods::{RunConfig, presets};

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

fn near(got: Tensor<2>, expected: &Value, allowed: f32) {
    let expected = rows(expected, &got.device());
    let difference = (got - expected).abs().max().into_scalar::<f32>();
    assert!(difference <= allowed, "off by {difference}, {allowed} is allowed");
}

#[test]
fn refinement_and_both_gradients() {
    let case = &cases()["refine_ce"];
    let device = Device::default();
    let (logits, teacher) = (rows(&case["pred_logits"], &device), rows(&case["target_logits"], &device));
    let loss = refinement(logits.clone(), teacher.clone(), 0.2).into_scalar::<f32>();
    assert!((f64::from(loss) - case["loss"].as_f64().unwrap()).abs() < 1e-6);
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
        assert!((f64::from(got.iter().sum::<f32>()) - total).abs() < 1e-4 * total, "{name}: {got:?}");
        if let Some(parts) = parts {
            let part = |name: &str| case[parts][name].as_f64().unwrap();
            let split = [part("ms_rgb") + part("ms_ir"), part("ma_rgb") + part("ma_ir"), part("oclr")];
            for (got, expected) in got.iter().zip(split) {
                assert!((f64::from(*got) - expected).abs() < 2e-5 * expected, "{name}: {got} {expected}");
            }
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
    let config = RunConfig::from_preset("mult_sysu_paper", &[]).unwrap();
    for (epoch, rate) in cases()["lr"].as_object().unwrap() {
        let at = config.at(epoch.parse().unwrap());
        assert_eq!(config.stage(at).rate(at.in_stage), rate.as_f64().unwrap(), "epoch {epoch}");
    }
}

#[test]
fn paper_presets_have_the_released_values() {
    for name in presets().filter(|name| name.starts_with("mult") && name.ends_with("paper")) {
        let config = RunConfig::from_preset(&name, &[]).unwrap();
        assert_eq!(MultSettings::read(&config).unwrap(), MultSettings::released(), "{name}");
    }
}
