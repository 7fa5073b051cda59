//! Golden operations of MULT.

use std::error::Error;

use burn::tensor::Tensor;
use vireid_core::PerModality;
use vireid_losses::{refinement, refinement_gradients};
use vireid_methods::mult::{BatchLabels, MemoryBanks, MultSettings, SpaceLabels, association_step};
use vireid_methods::parts::lookups::BankGradient;
use vireid_methods::parts::views::{StepEmbeddings, StepLabels, specific_step};

use super::case::{agrees_with_autodiff, values};
use super::{Case, Outputs};

pub fn oclr_loss(case: &Case) -> Result<Outputs, Box<dyn Error>> {
    let device = case.device().autodiff();
    let logits = case.tensor::<2>("logits", &device)?.require_grad();
    let teacher = case.tensor::<2>("target_logits", &device)?.require_grad();
    let sharpen = case.parameter("sharpen")?;
    let loss = refinement(logits.clone(), teacher.clone(), sharpen);
    let gradients = loss.backward();
    let closed = refinement_gradients(logits.clone().inner(), teacher.clone().inner(), sharpen);
    for (tensor, closed) in [(&logits, &closed.0), (&teacher, &closed.1)] {
        let automatic = tensor.grad(&gradients).ok_or("no gradient")?;
        agrees_with_autodiff(&values(closed.clone()), &values(automatic))?;
    }
    Ok(Outputs::from([
        ("loss", values(loss.inner())),
        ("grad_logits", values(closed.0)),
        ("grad_target_logits", values(closed.1)),
    ]))
}

pub fn step(case: &Case) -> Result<Outputs, Box<dyn Error>> {
    let device = case.device();
    let autodiff = device.clone().autodiff();
    let rule: String = case.parameter("bank_gradient")?;
    let settings = MultSettings {
        temperature: case.parameter("temperature")?,
        sharpen: case.parameter("sharpen")?,
        bank_gradient: match rule.as_str() {
            "live" => BankGradient::Live,
            "snapshot" => BankGradient::Snapshot,
            other => return Err(format!("unknown bank_gradient '{other}'").into()),
        },
        ..MultSettings::released()
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
    let mut banks = MemoryBanks::new(centroids, case.parameter("momentum")?);
    let loss = match case.parameter::<u32>("stage")? {
        1 => {
            let (visible, infrared) = (case.indices("labels_visible")?, case.indices("labels_infrared")?);
            let labels = StepLabels { visible: &visible, infrared: &infrared };
            let of = PerModality { visible: &mut banks.visible, infrared: &mut banks.infrared };
            specific_step(of, &embeddings, labels, settings.temperature, settings.bank_gradient)
        }
        _ => {
            let labels = |kind: &str, modality: &str| -> Result<SpaceLabels, Box<dyn Error>> {
                Ok(SpaceLabels {
                    hard: case.indices(&format!("{kind}labels_{modality}"))?,
                    targets: case.tensor::<2>(&format!("{kind}targets_{modality}"), &device)?,
                })
            };
            let both = |kind: &str| -> Result<PerModality<SpaceLabels>, Box<dyn Error>> {
                Ok(PerModality { visible: labels(kind, "visible")?, infrared: labels(kind, "infrared")? })
            };
            let labels = BatchLabels { own: both("")?, cross: both("cross_")? };
            let in_visible_space = settings.in_visible_space(case.parameter("epoch")?);
            association_step(&mut banks, &embeddings, &labels, in_visible_space, &settings)
        }
    };
    let gradients = loss.objective.backward();
    let gradient = |view: &Tensor<2>| view.grad(&gradients).map(values).unwrap_or_default();
    Ok(Outputs::from([
        ("grad_visible_plain", gradient(&embeddings.plain)),
        ("grad_visible_augmented", gradient(&embeddings.augmented)),
        ("grad_infrared", gradient(&embeddings.infrared)),
        ("bank_visible", values(banks.visible.rows())),
        ("bank_infrared", values(banks.infrared.rows())),
        ("bank_infrared_in_visible_space", values(banks.infrared_in_visible_space.rows())),
        ("bank_mixed_visible_space", values(banks.mixed_visible_space.rows())),
        ("bank_visible_in_infrared_space", values(banks.visible_in_infrared_space.rows())),
        ("bank_mixed_infrared_space", values(banks.mixed_infrared_space.rows())),
    ]))
}
