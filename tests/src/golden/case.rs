//! Golden cases and the outputs they expect.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};
use vireid_compare::largest_difference;
use vireid_core::Embeddings;

/// Values and shape of one tensor; every number type fits in f64 here.
#[derive(Debug, Clone)]
pub struct Values {
    /// The shape.
    pub shape: Vec<usize>,
    /// The values, row-major.
    pub values: Vec<f64>,
}

/// Outputs by name.
pub type Outputs = HashMap<&'static str, Vec<f64>>;

/// One golden case.
#[derive(Debug)]
pub struct Case {
    path: PathBuf,
    device: Device,
    metadata: HashMap<String, String>,
    tensors: BTreeMap<String, Values>,
}

impl Case {
    /// Reads a case whose tensors are to live on `device`.
    ///
    /// # Errors
    ///
    /// When the file is no safetensors file or holds an unknown number type.
    pub fn load(path: &Path, device: Device) -> Result<Self, Box<dyn Error>> {
        let bytes = std::fs::read(path)?;
        let (_, header) = SafeTensors::read_metadata(&bytes)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let file = SafeTensors::deserialize(&bytes)?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.tensors() {
            let data = view.data();
            let values = match view.dtype() {
                Dtype::F32 => data.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(four(b)))).collect(),
                Dtype::F64 => data.chunks_exact(8).map(|b| f64::from_le_bytes(eight(b))).collect(),
                Dtype::I64 => data.chunks_exact(8).map(|b| i64::from_le_bytes(eight(b)) as f64).collect(),
                Dtype::I32 => data.chunks_exact(4).map(|b| f64::from(i32::from_le_bytes(four(b)))).collect(),
                Dtype::U8 | Dtype::BOOL => data.iter().map(|&b| f64::from(b)).collect(),
                other => return Err(format!("tensor '{name}' has the unknown type {other:?}").into()),
            };
            tensors.insert(name, Values { shape: view.shape().to_vec(), values });
        }
        Ok(Self { path: path.into(), device, metadata, tensors })
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The device of the case's tensors.
    pub fn device(&self) -> Device {
        self.device.clone()
    }

    /// The operation.
    pub fn op(&self) -> &str {
        self.metadata.get("op").map_or("", String::as_str)
    }

    /// A scalar parameter.
    ///
    /// # Errors
    ///
    /// When it is missing or of another kind.
    pub fn parameter<T: FromStr>(&self, name: &str) -> Result<T, Box<dyn Error>> {
        let text = self.metadata.get(name).ok_or_else(|| format!("parameter '{name}' is missing"))?;
        text.parse().map_err(|_| format!("parameter '{name}' = '{text}' can't be read").into())
    }

    /// The error allowed for an output.
    ///
    /// # Errors
    ///
    /// When none is stated, or one that lets anything pass.
    pub fn tolerance(&self, output: &str) -> Result<f64, Box<dyn Error>> {
        let text = self.metadata.get(&format!("tol.{output}"));
        match text.ok_or_else(|| format!("no tolerance for '{output}'"))?.as_str() {
            "exact" => Ok(0.0),
            number => match number.parse::<f64>()? {
                allowed if allowed.is_finite() && allowed >= 0.0 => Ok(allowed),
                _ => Err(format!("the tolerance of '{output}' is {number}, with which nothing can fail").into()),
            },
        }
    }

    /// The expected outputs.
    pub fn expected(&self) -> Vec<(String, Vec<f64>)> {
        let out =
            |(name, tensor): (&String, &Values)| Some((name.strip_prefix("out.")?.to_string(), tensor.values.clone()));
        self.tensors.iter().filter_map(out).collect()
    }

    /// An input, when it is there.
    pub fn optional(&self, name: &str) -> Option<&Values> {
        self.tensors.get(&format!("in.{name}"))
    }

    /// An input.
    ///
    /// # Errors
    ///
    /// When it is missing.
    pub fn input(&self, name: &str) -> Result<&Values, Box<dyn Error>> {
        self.optional(name).ok_or_else(|| format!("input '{name}' is missing").into())
    }

    /// An input as f32.
    ///
    /// # Errors
    ///
    /// When it is missing.
    pub fn floats(&self, name: &str) -> Result<Vec<f32>, Box<dyn Error>> {
        Ok(self.input(name)?.values.iter().map(|&v| v as f32).collect())
    }

    /// An input as numbers from 0 on.
    ///
    /// # Errors
    ///
    /// When it is missing or holds a negative number.
    pub fn indices(&self, name: &str) -> Result<Vec<usize>, Box<dyn Error>> {
        let index = |&v: &f64| if v >= 0.0 { Ok(v as usize) } else { Err(format!("'{name}' holds {v}").into()) };
        self.input(name)?.values.iter().map(index).collect()
    }

    /// An input of rank D as a tensor.
    ///
    /// # Errors
    ///
    /// When it is missing or has another rank.
    pub fn tensor<const D: usize>(&self, name: &str, device: &Device) -> Result<Tensor<D>, Box<dyn Error>> {
        let shape: [usize; D] =
            self.input(name)?.shape.clone().try_into().map_err(|_| format!("'{name}' has another rank"))?;
        Ok(Tensor::from_data(TensorData::new(self.floats(name)?, shape), device))
    }

    /// An input matrix as embeddings.
    ///
    /// # Errors
    ///
    /// When it is missing or no matrix of finite numbers.
    pub fn embeddings(&self, name: &str) -> Result<Embeddings, Box<dyn Error>> {
        let [rows, dim] = self.input(name)?.shape[..] else { return Err(format!("'{name}' is no matrix").into()) };
        Ok(Embeddings::new(self.floats(name)?, rows, dim)?)
    }
}

fn four(bytes: &[u8]) -> [u8; 4] {
    [bytes[0], bytes[1], bytes[2], bytes[3]]
}

fn eight(bytes: &[u8]) -> [u8; 8] {
    [bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]]
}

/// Compares a gradient in closed form with that of autodiff.
///
/// # Errors
///
/// When they differ by more than rounding.
pub fn agrees_with_autodiff(closed: &[f64], automatic: &[f64]) -> Result<(), Box<dyn Error>> {
    let difference = largest_difference(closed, automatic);
    if difference <= 1e-6 {
        return Ok(());
    }
    Err(format!("autodiff and the closed form differ by {difference:e}").into())
}

/// The values of a tensor.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().convert::<f64>().try_to_vec().unwrap_or_default()
}
