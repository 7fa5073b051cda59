//! Golden operations of MMM.

use std::error::Error;

use vireid_core::PerModality;
use vireid_memory::MemoryBank;
use vireid_methods::parts::contrast::Contrast;
use vireid_methods::parts::lookups::BankGradient;

use super::case::values;
use super::{Case, Outputs};

/// A step of the baseline's second stage on the joint memory.
pub fn joint_step(case: &Case) -> Result<Outputs, Box<dyn Error>> {
    let device = case.device();
    let autodiff = device.clone().autodiff();
    let rule: String = case.parameter("bank_gradient")?;
    let contrast = Contrast {
        temperature: case.parameter("temperature")?,
        bank_gradient: match rule.as_str() {
            "live" => BankGradient::Live,
            "snapshot" => BankGradient::Snapshot,
            other => return Err(format!("unknown bank_gradient '{other}'").into()),
        },
    };
    let embeddings = PerModality {
        visible: case.tensor::<2>("embeddings_visible", &autodiff)?.require_grad(),
        infrared: case.tensor::<2>("embeddings_infrared", &autodiff)?.require_grad(),
    };
    let (visible, infrared) = (case.indices("labels_visible")?, case.indices("labels_infrared")?);
    let labels = PerModality { visible: visible.as_slice(), infrared: infrared.as_slice() };
    let mut bank = MemoryBank::new(case.tensor::<2>("bank", &device)?, case.parameter("momentum")?);
    let step = contrast.joint_step(&mut bank, &embeddings, labels, Box::new(MemoryBank::update));
    let parts = values(step.parts);
    let gradients = step.objective.backward();
    let gradient = |view: &burn::tensor::Tensor<2>| view.grad(&gradients).map(values).unwrap_or_default();
    Ok(Outputs::from([
        ("loss_visible", vec![parts[0]]),
        ("loss_infrared", vec![parts[1]]),
        ("grad_visible", gradient(&embeddings.visible)),
        ("grad_infrared", gradient(&embeddings.infrared)),
        ("bank", values(bank.rows())),
    ]))
}
