//! What a method keeps in a checkpoint.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use vireid_core::{Camera, PerModality};

/// What a method keeps in a checkpoint: named tables of numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MethodState {
    /// Tables of real numbers by name: the shape, and the values row after row.
    pub floats: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    /// Lists of whole numbers by name; -1 stands for an absent one.
    pub integers: BTreeMap<String, Vec<i32>>,
}

impl MethodState {
    /// Adds the rows of a table under a name. Reads them off their device: this is for files, never for the step loop.
    ///
    /// # Shapes
    ///
    /// - `rows`: any `[rows, columns]`
    pub fn put_rows(&mut self, name: &str, rows: &Tensor<2>) {
        let shape = rows.dims().to_vec();
        let values = rows.clone().into_data().convert::<f32>().try_to_vec().unwrap_or_default();
        self.floats.insert(name.into(), (shape, values));
    }

    /// The table of a name, put on a device; `None` where there is none, or it does not have two dimensions.
    ///
    /// # Shapes
    ///
    /// - output: as put in
    pub fn rows(&self, name: &str, device: &Device) -> Option<Tensor<2>> {
        let (shape, values) = self.floats.get(name)?;
        (shape.len() == 2).then(|| Tensor::from_data(TensorData::new(values.clone(), shape.clone()), device))
    }

    /// Adds labels under a name; `None` is kept as -1.
    pub fn put_labels(&mut self, name: &str, labels: &[Option<usize>]) {
        self.integers.insert(name.into(), labels.iter().map(|label| label.map_or(-1, |label| label as i32)).collect());
    }

    /// The labels of a name, with `None` for a negative number; `None` where there is no such name.
    pub fn labels(&self, name: &str) -> Option<Vec<Option<usize>>> {
        Some(self.integers.get(name)?.iter().map(|&label| usize::try_from(label).ok()).collect())
    }

    /// Adds real numbers under a name, such as one score per image.
    pub fn put_values(&mut self, name: &str, values: &[f32]) {
        self.floats.insert(name.into(), (vec![values.len()], values.to_vec()));
    }

    /// The real numbers of a name; `None` where there is no such name.
    pub fn values(&self, name: &str) -> Option<Vec<f32>> {
        Some(self.floats.get(name)?.1.clone())
    }

    /// Adds the cameras of the training images, under names of their own.
    pub fn put_cameras(&mut self, cameras: &PerModality<Vec<Camera>>) {
        let numbers = |of: &[Camera]| of.iter().map(|camera| Some(usize::from(camera.0))).collect::<Vec<_>>();
        self.put_labels("cameras/visible", &numbers(&cameras.visible));
        self.put_labels("cameras/infrared", &numbers(&cameras.infrared));
    }

    /// The cameras that [`put_cameras`](Self::put_cameras) added; `None` where it was not called, or a number is not a
    /// camera's.
    pub fn cameras(&self) -> Option<PerModality<Vec<Camera>>> {
        let cameras = |name: &str| -> Option<Vec<Camera>> {
            self.labels(name)?.into_iter().map(|camera| u16::try_from(camera?).ok().map(Camera)).collect()
        };
        Some(PerModality { visible: cameras("cameras/visible")?, infrared: cameras("cameras/infrared")? })
    }
}
