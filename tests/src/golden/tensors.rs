//! Golden operations on tensors: losses, optimisers and layers.

use std::collections::BTreeMap;
use std::error::Error;

use burn::module::{Module, Param, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;
use vireid_backbone::parameters::load_parameters;
use vireid_backbone::{BatchGroups, GroupedBatchNorm, GroupedBatchNormConfig, NonLocalBlockConfig, gem_pool_clamped};
use vireid_losses::{batch_hard_triplet, cross_entropy, label_tensor, mmd, soft_cross_entropy};
use vireid_memory::{MemoryBank, normalize_rows};
use vireid_methods::{adam, sgd_nesterov};

use super::case::values;
use super::{Case, Outputs};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One parameter, for an optimiser to work on.
#[derive(Module, Debug)]
struct Weights {
    weights: Param<Tensor<2>>,
}

pub fn adam_l2(case: &Case) -> Result<Outputs> {
    let expected = [("beta1", 0.9), ("beta2", 0.999), ("eps", 1e-8)];
    for (name, value) in expected {
        let given: f64 = case.parameter(name)?;
        if (given - value).abs() > 1e-15 {
            return Err(format!("{name} = {given}; this project's Adam has {value}").into());
        }
    }
    optimize(case, adam(case.parameter("weight_decay")?))
}

pub fn sgd_nesterov_l2(case: &Case) -> Result<Outputs> {
    optimize(case, sgd_nesterov(case.parameter("momentum")?, case.parameter("weight_decay")?))
}

/// Steps along given gradients.
fn optimize(case: &Case, mut optimizer: ModuleOptimizer) -> Result<Outputs> {
    let device = case.device().autodiff();
    let id = ParamId::from(1);
    let mut model = Weights { weights: Param::initialized(id, case.tensor::<2>("weights", &device)?.require_grad()) };
    let gradients = case.tensor::<3>("grads", &case.device())?;
    let [steps, rows, columns] = gradients.dims();
    let rate: f64 = case.parameter("lr")?;
    for step in 0..steps {
        let mut given = GradientsParams::new();
        given.register(id, gradients.clone().narrow(0, step, 1).reshape::<2, _>([rows, columns]));
        model = optimizer.step(rate, model, given);
    }
    Ok(Outputs::from([("weights", values(model.weights.val().inner()))]))
}

pub fn mmd_loss(case: &Case) -> Result<Outputs> {
    let (kernels, multiple): (u32, f64) = (case.parameter("kernel_num")?, case.parameter("kernel_mul")?);
    if (kernels, multiple) != (5, 2.0) {
        return Err(format!("{kernels} kernels, each {multiple} times as wide; this project has 5, each twice").into());
    }
    let device = case.device().autodiff();
    let source = case.tensor::<2>("source", &device)?.require_grad();
    let target = case.tensor::<2>("target", &device)?;
    let loss = mmd(source.clone().unsqueeze(), target.unsqueeze());
    let gradients = loss.backward();
    let gradient = source.grad(&gradients).map(values).unwrap_or_default();
    Ok(Outputs::from([("loss", values(loss.inner())), ("grad_source", gradient)]))
}

pub fn batch_hard_triplet_loss(case: &Case) -> Result<Outputs> {
    let device = case.device().autodiff();
    let embeddings = case.tensor::<2>("features", &device)?.require_grad();
    let labels = label_tensor(&case.indices("labels")?, &device);
    let loss = batch_hard_triplet(embeddings.clone(), labels, case.parameter("margin")?);
    let gradient = embeddings.grad(&loss.backward()).ok_or("no gradient")?;
    Ok(Outputs::from([("loss", values(loss.inner())), ("grad_features", values(gradient))]))
}

pub fn batch_norm_train(case: &Case) -> Result<Outputs> {
    match case.input("x")?.shape.len() {
        2 => batch_norm_of_rank::<2>(case),
        4 => batch_norm_of_rank::<4>(case),
        rank => Err(format!("rank {rank} is not used").into()),
    }
}

fn batch_norm_of_rank<const D: usize>(case: &Case) -> Result<Outputs> {
    let device = case.device().autodiff();
    let x = case.tensor::<D>("x", &device)?.require_grad();
    let config = GroupedBatchNormConfig::new(x.dims()[1])
        .with_momentum(case.parameter("momentum")?)
        .with_epsilon(case.parameter("eps")?);
    let norm: GroupedBatchNorm =
        load_named(config.init(&device), case, &["weight", "bias", "running_mean", "running_var"])?;
    let groups = BatchGroups::chunks(x.dims()[0], case.parameter("groups")?);
    let y = norm.forward(x.clone(), &groups);
    let upstream = case.tensor::<D>("upstream", &device)?;
    let gradients = (y.clone() * upstream).sum().backward();
    let of = |tensor: Option<Tensor<1>>| tensor.map(values).unwrap_or_default();
    Ok(Outputs::from([
        ("y", values(y.inner())),
        ("running_mean", values(norm.running_mean.value_sync().inner())),
        ("running_var", values(norm.running_var.value_sync().inner())),
        ("grad_x", x.grad(&gradients).map(values).unwrap_or_default()),
        ("grad_weight", of(norm.weight.val().grad(&gradients))),
        ("grad_bias", of(norm.bias.val().grad(&gradients))),
    ]))
}

/// Puts inputs of a case into a module's parameters of the same name.
fn load_named<M: Module>(module: M, case: &Case, names: &[&str]) -> Result<M> {
    load_renamed(module, case, names.iter().map(|&name| (name, name)))
}

fn load_renamed<'a, M: Module>(module: M, case: &Case, names: impl Iterator<Item = (&'a str, &'a str)>) -> Result<M> {
    let mut tensors = BTreeMap::new();
    for (input, parameter) in names {
        tensors.insert(parameter.to_string(), (case.input(input)?.shape.clone(), case.floats(input)?));
    }
    let (module, report) = load_parameters(module, tensors);
    if !report.unused.is_empty() || !report.wrong_shape.is_empty() {
        return Err(format!("{report:?}").into());
    }
    Ok(module)
}

pub fn cluster_contrast_loss(case: &Case) -> Result<Outputs> {
    let device = case.device().autodiff();
    let embeddings = case.tensor::<2>("features", &device)?.require_grad();
    let bank = MemoryBank::new(case.tensor::<2>("bank", &case.device())?, 0.1);
    let logits = bank.logits(normalize_rows(embeddings.clone()), case.parameter("temperature")?);
    let loss = if case.optional("soft_labels").is_some() {
        soft_cross_entropy(logits, case.tensor::<2>("soft_labels", &device)?)
    } else {
        cross_entropy(logits, label_tensor(&case.indices("labels")?, &device))
    };
    let gradient = embeddings.grad(&loss.backward()).ok_or("no gradient")?;
    Ok(Outputs::from([("loss", values(loss.inner())), ("grad_features", values(gradient))]))
}

pub fn gem_pool(case: &Case) -> Result<Outputs> {
    let device = case.device().autodiff();
    let x = case.tensor::<4>("x", &device)?.require_grad();
    let y = gem_pool_clamped(x.clone(), case.parameter("p")?, case.parameter("eps")?);
    let gradients = (y.clone() * case.tensor::<2>("upstream", &device)?).sum().backward();
    Ok(Outputs::from([("y", values(y.inner())), ("grad_x", x.grad(&gradients).map(values).unwrap_or_default())]))
}

pub fn memory_update_hard(case: &Case) -> Result<Outputs> {
    memory_update(case, MemoryBank::update_hardest)
}

pub fn memory_update_momentum(case: &Case) -> Result<Outputs> {
    memory_update(case, MemoryBank::update)
}

fn memory_update(case: &Case, update: fn(&mut MemoryBank, &Tensor<2>, &[usize])) -> Result<Outputs> {
    let device = case.device();
    let mut bank = MemoryBank::new(case.tensor::<2>("bank", &device)?, case.parameter("momentum")?);
    update(&mut bank, &normalize_rows(case.tensor::<2>("features", &device)?), &case.indices("labels")?);
    Ok(Outputs::from([("bank", values(bank.rows()))]))
}

pub fn non_local_block(case: &Case) -> Result<Outputs> {
    let device = case.device().autodiff();
    let x = case.tensor::<4>("x", &device)?.require_grad();
    let [batch, channels, ..] = x.dims();
    let names = [
        ("theta_weight", "theta.weight"),
        ("theta_bias", "theta.bias"),
        ("phi_weight", "phi.weight"),
        ("phi_bias", "phi.bias"),
        ("g_weight", "g.weight"),
        ("g_bias", "g.bias"),
        ("out_weight", "out.weight"),
        ("out_bias", "out.bias"),
        ("bn_weight", "bn.weight"),
        ("bn_bias", "bn.bias"),
    ];
    let block = load_renamed(NonLocalBlockConfig::new(channels).init(&device), case, names.into_iter())?;
    let z = block.forward(x.clone(), &BatchGroups::whole(batch));
    let gradients = (z.clone() * case.tensor::<4>("upstream", &device)?).sum().backward();
    Ok(Outputs::from([("z", values(z.inner())), ("grad_x", x.grad(&gradients).map(values).unwrap_or_default())]))
}
