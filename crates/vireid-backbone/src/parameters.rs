//! Parameters and running statistics of a module by name.
//!
//! A name is the path of fields, such as `layers.0.blocks.0.conv1.weight`: PyTorch's way, so files travel both ways.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Tensor, TensorData};

/// Name, shape and values (row-major) of one parameter.
pub type NamedParameter = (String, Vec<usize>, Vec<f32>);

/// Names that did not match when weights were loaded. All lists are empty when everything did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters of the module that no tensor was given for: they keep their values.
    pub missing: Vec<String>,
    /// Tensors that the module has no parameter for.
    pub unused: Vec<String>,
    /// Parameters whose tensor has another shape, with both shapes: they keep their values.
    pub wrong_shape: Vec<String>,
}

impl LoadReport {
    /// Whether every tensor found its parameter and every parameter its tensor.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unused.is_empty() && self.wrong_shape.is_empty()
    }
}

impl fmt::Display for LoadReport {
    /// How many of each, and the first few by name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        let parts = [("missing", &self.missing), ("unknown", &self.unused), ("of another shape", &self.wrong_shape)];
        let told = parts.iter().filter(|(_, names)| !names.is_empty()).map(|(what, names)| {
            let more = if names.len() > SHOWN { ", ..." } else { "" };
            format!("{} {what} ({}{more})", names.len(), names[..names.len().min(SHOWN)].join(", "))
        });
        f.write_str(&told.collect::<Vec<_>>().join(", "))
    }
}

/// All parameters and running statistics, in visiting order.
pub fn named_parameters<M: Module>(module: &M) -> Vec<NamedParameter> {
    named_parameters_where(module, |_| true)
}

/// Those whose name is chosen. The others are not read from their device.
pub fn named_parameters_where<M: Module>(module: &M, is_chosen: impl Fn(&str) -> bool) -> Vec<NamedParameter> {
    let mut visitor = Collect { path: Vec::new(), is_chosen, found: Vec::new() };
    module.visit(&mut visitor);
    visitor.found
}

/// Shapes of all parameters and running statistics by name; no value is read from its device.
pub(crate) fn parameter_shapes<M: Module>(module: &M) -> BTreeMap<String, Vec<usize>> {
    let mut visitor = Shapes { path: Vec::new(), found: BTreeMap::new() };
    module.visit(&mut visitor);
    visitor.found
}

/// Replaces the parameters for which `values(name, shape)` gives something.
pub fn fill_parameters<M: Module>(module: M, values: impl FnMut(&str, &[usize]) -> Option<Vec<f32>>) -> M {
    let mut mapper = Fill { path: Vec::new(), values };
    module.map(&mut mapper)
}

/// Replaces parameters by the tensors of the same name and shape.
pub fn load_parameters<M: Module>(module: M, mut tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>) -> (M, LoadReport) {
    let mut report = LoadReport::default();
    let module = fill_parameters(module, |name, shape| match tensors.remove(name) {
        Some((found, values)) if found == shape => Some(values),
        Some((found, _)) => {
            report.wrong_shape.push(format!("{name} {found:?} instead of {shape:?}"));
            None
        }
        None => {
            report.missing.push(name.to_string());
            None
        }
    });
    report.unused = tensors.into_keys().collect();
    (module, report)
}

/// Numbers the parameters in visiting order, so that an optimiser's state, which Burn keys by parameter number, fits the
/// same network in another process.
pub fn number_parameters<M: Module>(module: M) -> M {
    module.map(&mut Number { next: 1, seen: HashMap::new() })
}

/// The values of a tensor, row-major: for files, never for the step loop.
pub(crate) fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_to_vec().unwrap_or_default()
}

struct Collect<F> {
    path: Vec<String>,
    is_chosen: F,
    found: Vec<NamedParameter>,
}

impl<F: Fn(&str) -> bool> ModuleVisitor for Collect<F> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.path.join(".");
        if !(self.is_chosen)(&name) {
            return;
        }
        let tensor = param.val();
        let shape = tensor.dims().to_vec();
        self.found.push((name, shape, host(tensor)));
    }
}

struct Shapes {
    path: Vec<String>,
    found: BTreeMap<String, Vec<usize>>,
}

impl ModuleVisitor for Shapes {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.insert(self.path.join("."), param.lazy_shape().to_vec());
    }
}

struct Fill<F> {
    path: Vec<String>,
    values: F,
}

impl<F: FnMut(&str, &[usize]) -> Option<Vec<f32>>> ModuleMapper for Fill<F> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.lazy_shape();
        let Some(values) = (self.values)(&self.path.join("."), &shape.to_vec()) else { return param };
        param.map(|old| {
            let device = old.device();
            let required = old.is_require_grad();
            Tensor::from_data(TensorData::new(values, shape), &device).set_require_grad(required)
        })
    }
}

struct Number {
    next: u64,
    seen: HashMap<ParamId, ParamId>,
}

impl ModuleMapper for Number {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (old, tensor, mapper) = param.consume();
        let next = &mut self.next;
        let id = *self.seen.entry(old).or_insert_with(|| {
            let id = ParamId::from(*next);
            *next += 1;
            id
        });
        Param::from_mapped_value(id, tensor, mapper)
    }
}
