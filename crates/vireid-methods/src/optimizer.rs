use std::collections::HashSet;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Bytes, Gradients, Tensor};
use vireid_kernels::{Adam, SgdNesterov};

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

    pub(crate) fn step<M: Module>(&mut self, rate: f64, module: M, mut gradients: Gradients) -> M {
        match self.kind {
            OptimizerKind::Adam => {
                let gradients = GradientsParams::from_grads(gradients, &module);
                self.optimizer.step(rate, module, gradients)
            }
            OptimizerKind::SgdNesterov => {
                let (head, trunk) = head_and_trunk(&module);
                let of_head = GradientsParams::from_params(&mut gradients, &module, &head);
                let of_trunk = GradientsParams::from_params(&mut gradients, &module, &trunk);
                let module = self.optimizer.step(rate, module, of_head);
                self.optimizer.step(TRUNK_SHARE * rate, module, of_trunk)
            }
        }
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, String> {
        self.optimizer.into_bytes().map(|bytes| bytes.to_vec()).map_err(|error| error.to_string())
    }

    pub(crate) fn load(self, bytes: Vec<u8>) -> Result<Self, String> {
        let optimizer = self.optimizer.from_bytes(Bytes::from_bytes_vec(bytes)).map_err(|error| error.to_string())?;
        Ok(Self { optimizer, ..self })
    }
}

/// The parameters of neck and classifier, and all others.
fn head_and_trunk<M: Module>(module: &M) -> (Vec<ParamId>, Vec<ParamId>) {
    let mut visitor = Split { path: Vec::new(), head: HashSet::new(), trunk: HashSet::new() };
    module.visit(&mut visitor);
    (visitor.head.into_iter().collect(), visitor.trunk.into_iter().collect())
}

struct Split {
    path: Vec<String>,
    head: HashSet<ParamId>,
    trunk: HashSet<ParamId>,
}

impl ModuleVisitor for Split {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let is_head = self.path.iter().any(|name| name == "neck" || name == "classifier");
        if is_head { &mut self.head } else { &mut self.trunk }.insert(param.id);
    }
}
