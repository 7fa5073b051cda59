//! Golden operations of MBCCM.

use std::error::Error;

use burn::tensor::Tensor;
use vireid_clustering::{MatchOrientation, bilateral_match};
use vireid_core::PerModality;
use vireid_losses::{symmetric_divergence, symmetric_divergence_with_gradients};
use vireid_methods::mbccm::{MbccmSettings, MemoryBanks, stage1_step, stage2_step};
use vireid_methods::parts::lookups::BankGradient;
use vireid_methods::parts::views::{StepEmbeddings, StepLabels};

use super::case::{agrees_with_autodiff, values};
use super::{Case, Outputs};

/// The loss, and its gradients by autodiff; the closed form must agree.
pub fn consistency_loss(case: &Case) -> Result<Outputs, Box<dyn Error>> {
    let device = case.device().autodiff();
    let a = case.tensor::<2>("logits_a", &device)?.require_grad();
    let b = case.tensor::<2>("logits_b", &device)?.require_grad();
    let loss = symmetric_divergence(a.clone(), b.clone());
    let gradients = loss.backward();
    let by_autodiff = a.grad(&gradients).ok_or("no gradient")?;
    let (_, grad_a, grad_b) = symmetric_divergence_with_gradients(a.inner(), b.inner());
    agrees_with_autodiff(&values(grad_a.clone()), &values(by_autodiff))?;
    Ok(Outputs::from([("loss", values(loss.inner())), ("grad_a", values(grad_a)), ("grad_b", values(grad_b))]))
}

pub fn matching(case: &Case) -> Result<Outputs, Box<dyn Error>> {
    let (infrared, visible) = (case.embeddings("centroids_infrared")?, case.embeddings("centroids_visible")?);
    let association = bilateral_match(&infrared, &visible, MatchOrientation::AsReleased)?;
    let mut mask = vec![0.0; infrared.rows() * visible.rows()];
    association.pairs().for_each(|(i, v)| mask[i.index() * visible.rows() + v.index()] = 1.0);
    Ok(Outputs::from([("match", mask)]))
}

pub fn step(case: &Case) -> Result<Outputs, Box<dyn Error>> {
    let device = case.device();
    let autodiff = device.clone().autodiff();
    let momentum = case.parameter("momentum")?;
    let rule: String = case.parameter("bank_gradient")?;
    let settings = MbccmSettings {
        temperature: case.parameter("temperature")?,
        momentum_specific: momentum,
        momentum_agnostic: momentum,
        alpha: case.parameter("alpha")?,
        beta: case.parameter("beta")?,
        bank_gradient: match rule.as_str() {
            "live" => BankGradient::Live,
            "snapshot" => BankGradient::Snapshot,
            other => return Err(format!("unknown bank_gradient '{other}'").into()),
        },
        cc_cross_normalize: false,
        match_mirror: false,
        linear_transform: 0.0,
    };
    let view = |name: &str| -> Result<Tensor<2>, Box<dyn Error>> {
        Ok(case.tensor::<2>(&format!("embeddings_{name}"), &autodiff)?.require_grad())
    };
    let embeddings = StepEmbeddings {
        plain: view("visible_plain")?,
        augmented: view("visible_augmented")?,
        infrared: view("infrared")?,
    };
    let centroids = PerModality {
        visible: case.tensor::<2>("centroids_visible", &device)?,
        infrared: case.tensor::<2>("centroids_infrared", &device)?,
    };
    let (visible, infrared) = (case.indices("labels_visible")?, case.indices("labels_infrared")?);
    let labels = StepLabels { visible: &visible, infrared: &infrared };
    let mut banks = MemoryBanks::new(centroids, &settings);
    let loss = match case.parameter::<u32>("stage")? {
        1 => stage1_step(&mut banks, &embeddings, labels, &settings),
        2 => stage2_step(&mut banks, &embeddings, labels, &settings),
        stage => return Err(format!("unknown stage {stage}").into()),
    };
    let gradients = loss.objective.backward();
    let gradient = |view: &Tensor<2>| view.grad(&gradients).map(values).unwrap_or_default();
    Ok(Outputs::from([
        ("grad_visible_plain", gradient(&embeddings.plain)),
        ("grad_visible_augmented", gradient(&embeddings.augmented)),
        ("grad_infrared", gradient(&embeddings.infrared)),
        ("bank_visible", values(banks.visible.rows())),
        ("bank_infrared", values(banks.infrared.rows())),
        ("bank_agnostic_visible_labels", values(banks.agnostic_visible.rows())),
        ("bank_agnostic_infrared_labels", values(banks.agnostic_infrared.rows())),
    ]))
}
