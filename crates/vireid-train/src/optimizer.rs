//! Optimisers as PyTorch defines them, and how a stage steps.

use std::collections::HashSet;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::{AdamWConfig, ModuleOptimizer};
use burn::tensor::{Bytes, Gradients, Tensor};
use vireid_backbone::{Backbone, ParameterGroup};
use vireid_core::guard_parser;
use vireid_kernels::{Adam, SgdNesterov};

use crate::learner::Learner;
use crate::replicas::summed_gradients;
use crate::{Devices, StageSettings};

/// How a stage steps: any of Burn's optimisers, and the share of the learning rate that a network's trunk gets.
///
/// ```
/// use burn::optim::AdamWConfig;
/// use vireid_train::Optimizer;
///
/// // Your own: the weight decay is the configuration's `optimizer.weight_decay`.
/// let own = Optimizer::new("my adamw", |weight_decay| {
///     AdamWConfig::new().with_weight_decay(weight_decay as f32).init()
/// });
/// assert_eq!(own.with_trunk_share(0.1).name(), "my adamw");
/// assert!(Optimizer::named("adamw").is_some());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Optimizer {
    name: &'static str,
    build: fn(f64) -> ModuleOptimizer,
    trunk_share: f64,
}

impl Optimizer {
    /// An optimiser of your own, which `build` makes for a weight decay. All parameters get the same learning rate,
    /// until [`with_trunk_share`](Self::with_trunk_share) says otherwise.
    pub fn new(name: &'static str, build: fn(f64) -> ModuleOptimizer) -> Self {
        Self { name, build, trunk_share: 1.0 }
    }

    /// Adam as [`adam`] makes it, with one learning rate for all parameters: `adam`.
    pub fn adam() -> Self {
        Self::new("adam", adam)
    }

    /// SGD as [`sgd_nesterov`](sgd_nesterov()) makes it, with momentum 0.9; the head has the learning rate, the trunk a
    /// tenth of it: `sgd_nesterov`.
    pub fn sgd_nesterov() -> Self {
        Self::new("sgd_nesterov", |weight_decay| sgd_nesterov(MOMENTUM, weight_decay)).with_trunk_share(TRUNK_SHARE)
    }

    /// Burn's AdamW, whose weight decay is not part of the gradient, with one learning rate for all parameters:
    /// `adamw`.
    pub fn adamw() -> Self {
        Self::new("adamw", |weight_decay| AdamWConfig::new().with_weight_decay(weight_decay as f32).init())
    }

    /// The optimiser that a stage's `optimizer` setting names: `adam`, `sgd_nesterov` or `adamw`. `None`
    /// for any other.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|optimizer| optimizer.name == name)
    }

    /// The names that configurations can use.
    pub(crate) fn names() -> [&'static str; 3] {
        Self::all().map(|optimizer| optimizer.name)
    }

    fn all() -> [Self; 3] {
        [Self::adam(), Self::sgd_nesterov(), Self::adamw()]
    }

    /// The same with a share of the learning rate, from 0 to 1, for what the network declares as its trunk; see
    /// [`Backbone::group`].
    #[must_use]
    pub fn with_trunk_share(self, trunk_share: f64) -> Self {
        Self { trunk_share, ..self }
    }

    /// The name it was made with, for listings. Only the built-in ones can be asked for by it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The one that a stage's settings name, or the method's own choice.
    pub(crate) fn of_stage(self, settings: &StageSettings) -> Self {
        settings.optimizer.as_deref().and_then(Self::named).unwrap_or(self)
    }
}

/// Share of the learning rate that [`Optimizer::sgd_nesterov`] gives the trunk.
const TRUNK_SHARE: f64 = 0.1;
/// The momentum that [`Optimizer::sgd_nesterov`] takes.
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

/// The optimiser of a running stage, with what it remembers.
pub(crate) struct StageOptimizer {
    trunk_share: f64,
    optimizer: ModuleOptimizer,
}

impl StageOptimizer {
    pub(crate) fn new(optimizer: Optimizer, weight_decay: f64) -> Self {
        Self { trunk_share: optimizer.trunk_share, optimizer: (optimizer.build)(weight_decay) }
    }

    /// Steps the first of some replicas with the sum of their gradients, and drops the others.
    pub(crate) fn step<B: Backbone>(
        &mut self,
        rate: f64,
        replicas: Vec<Learner<B>>,
        mut gradients: Vec<Gradients>,
        devices: &Devices,
    ) -> Option<Learner<B>> {
        let first = replicas.first()?;
        let share = self.trunk_share;
        let groups = match share == 1.0 {
            true => vec![(rate, parameters(first, |_| true))],
            false => {
                let of = |group| parameters(first, |path| Learner::<B>::group(path) == group);
                vec![(rate, of(ParameterGroup::Head)), (share * rate, of(ParameterGroup::Trunk))]
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

/// The parameters whose path of fields is chosen.
pub(crate) fn parameters<M: Module>(module: &M, is_chosen: impl Fn(&[&str]) -> bool) -> Vec<ParamId> {
    let mut visitor = Choose { path: Vec::new(), is_chosen, chosen: HashSet::new() };
    module.visit(&mut visitor);
    visitor.chosen.into_iter().collect()
}

struct Choose<F> {
    path: Vec<String>,
    is_chosen: F,
    chosen: HashSet<ParamId>,
}

impl<F: Fn(&[&str]) -> bool> ModuleVisitor for Choose<F> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        if (self.is_chosen)(&path) {
            self.chosen.insert(param.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use vireid_backbone::parameters::named_parameters;
    use vireid_backbone::{TwoStreamNet, TwoStreamNetConfig};
    use vireid_core::Streams;

    /// The neck and the classifier, and nothing else, have the full learning rate.
    #[test]
    fn the_head_is_neck_and_classifier() {
        let device = Device::default();
        let stream = |name| Streams::new(0).stream(name, [0; 3]);
        let net = TwoStreamNetConfig::small().init(&device, &mut stream("init"));
        let learner = Learner::new(net).with_classifier(3, &device, &mut stream("classifier"));
        let names = named_parameters(&learner).into_iter().map(|(name, ..)| name);
        let is_head = |name: &String| {
            let path: Vec<&str> = name.split('.').collect();
            Learner::<TwoStreamNet>::group(&path) == ParameterGroup::Head
        };
        let (head, trunk): (Vec<String>, Vec<String>) = names.partition(is_head);
        let leaves = ["weight", "bias", "running_mean", "running_var"].map(|leaf| format!("network.neck.{leaf}"));
        assert_eq!(head, [&leaves[..], &["classifier.weight".to_string()]].concat());
        assert!(trunk.iter().any(|name| name == "network.layers.0.blocks.0.conv1.weight"));
    }
}
