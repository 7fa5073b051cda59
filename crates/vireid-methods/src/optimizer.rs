use std::collections::HashSet;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::ModuleOptimizer;
use burn::tensor::{Bytes, Gradients, Tensor};
use vireid_core::guard_parser;
use vireid_kernels::{Adam, SgdNesterov};

use crate::Devices;
use crate::replicas::summed_gradients;

/// How a stage steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptimizerKind {
    /// See [`adam`]; one learning rate for all.
    Adam,
    /// See [`sgd_nesterov`]; the neck and the classifier have the learning rate, everything else a tenth of it.
    SgdNesterov,
}

/// Share of the learning rate that [`OptimizerKind::SgdNesterov`] gives what lies before the neck.
const TRUNK_SHARE: f64 = 0.1;
/// Momentum of [`OptimizerKind::SgdNesterov`].
const MOMENTUM: f64 = 0.9;

/// Adam as PyTorch defines it: betas 0.9 and 0.999, epsilon 1e-8, weight decay as an L2 term in the gradient.
pub fn adam(weight_decay: f64) -> ModuleOptimizer {
    Adam::new(weight_decay).init()
}

/// Stochastic gradient descent with Nesterov momentum as PyTorch defines it: no dampening, weight decay as an L2 term in
/// the gradient.
pub fn sgd_nesterov(momentum: f64, weight_decay: f64) -> ModuleOptimizer {
    SgdNesterov::new(momentum, weight_decay).init()
}

/// The optimiser of a stage.
pub(crate) struct StageOptimizer {
    kind: OptimizerKind,
    optimizer: ModuleOptimizer,
}

impl StageOptimizer {
    pub(crate) fn new(kind: OptimizerKind, weight_decay: f64) -> Self {
        let optimizer = match kind {
            OptimizerKind::Adam => adam(weight_decay),
            OptimizerKind::SgdNesterov => sgd_nesterov(MOMENTUM, weight_decay),
        };
        Self { kind, optimizer }
    }

    /// Steps the first of some replicas with the sum of their gradients, and drops the others.
    pub(crate) fn step<M: Module>(
        &mut self,
        rate: f64,
        replicas: Vec<M>,
        mut gradients: Vec<Gradients>,
        devices: &Devices,
    ) -> Option<M> {
        let first = replicas.first()?;
        let groups = match self.kind {
            OptimizerKind::Adam => vec![(rate, parameters(first, |_| true))],
            OptimizerKind::SgdNesterov => {
                vec![(rate, parameters(first, is_head)), (TRUNK_SHARE * rate, parameters(first, |path| !is_head(path)))]
            }
        };
        let sums: Vec<_> = groups
            .into_iter()
            .map(|(rate, group)| (rate, summed_gradients(&mut gradients, &replicas, &group, devices.first())))
            .collect();
        // Nothing else holds the weights then, so the optimiser may write them in place.
        drop(gradients);
        let module = replicas.into_iter().next()?;
        Some(sums.into_iter().fold(module, |module, (rate, sum)| self.optimizer.step(rate, module, sum)))
    }

    /// What it remembers, the same bytes for the same memory: Burn writes its tensors in the order of a hash table.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let bytes = self.optimizer.into_bytes().map_err(|error| error.to_string())?;
        in_order(bytes).map(|bytes| bytes.to_vec()).map_err(|error| error.to_string())
    }

    pub(crate) fn load(self, bytes: Vec<u8>) -> Result<Self, String> {
        let read = guard_parser(|| self.optimizer.from_bytes(Bytes::from_bytes_vec(bytes)))?;
        let optimizer = read.map_err(|error| error.to_string())?;
        Ok(Self { optimizer, ..self })
    }
}

/// The tensors of a record by name.
fn in_order(record: Bytes) -> Result<Bytes, burn_pack::Error> {
    let reader = burn_pack::Reader::from_bytes(record)?;
    let (scalars, metadata) = (reader.scalars().clone(), reader.metadata().clone());
    let mut tensors = reader.into_tensors()?;
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let writer = burn_pack::Writer::new(tensors);
    let writer = scalars.iter().fold(writer, |writer, (key, value)| writer.with_scalar(key, *value));
    metadata.iter().fold(writer, |writer, (key, value)| writer.with_metadata(key, value)).into_bytes()
}

/// Whether a path of fields leads into neck or classifier.
fn is_head(path: &[String]) -> bool {
    path.iter().any(|name| name == "neck" || name == "classifier")
}

/// The parameters whose path of fields is chosen.
fn parameters<M: Module>(module: &M, is_chosen: impl Fn(&[String]) -> bool) -> Vec<ParamId> {
    let mut visitor = Choose { path: Vec::new(), is_chosen, chosen: HashSet::new() };
    module.visit(&mut visitor);
    visitor.chosen.into_iter().collect()
}

struct Choose<F> {
    path: Vec<String>,
    is_chosen: F,
    chosen: HashSet<ParamId>,
}

impl<F: Fn(&[String]) -> bool> ModuleVisitor for Choose<F> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if (self.is_chosen)(&self.path) {
            self.chosen.insert(param.id);
        }
    }
}
