//! From bytes to the numbers that a network learnt to see.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use vireid_onnx::{Graph, Value};

/// What numbers a network's first layer gets for bytes, as its weights learnt it. Networks here are given images that are
/// normalised by ImageNet's mean and deviation; one that learnt otherwise rescales them first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pixels {
    /// `(byte / 255 - mean) / deviation` with ImageNet's mean and deviation of each channel: torchvision's networks.
    #[default]
    Imagenet,
    /// `(byte / 255 - 0.5) / 0.5`: TransReID's published settings and many of timm's transformers.
    Half,
    /// `(byte - 127) / 128`, as TensorFlow's code prepares images for EfficientNet-Lite.
    Lite,
}

/// Mean and deviation of ImageNet's channels, of 1.
const IMAGENET: [(f64, f64); 3] = [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)];

impl Pixels {
    /// For each channel a factor and a term that make these numbers of those normalised by ImageNet; `None` where they are
    /// the same.
    fn line(self) -> Option<[[f32; 3]; 2]> {
        // Of bytes from 0 to 255.
        let (center, unit) = match self {
            Self::Imagenet => return None,
            Self::Half => (127.5, 127.5),
            Self::Lite => (127.0, 128.0),
        };
        let factor = IMAGENET.map(|(_, deviation)| (255.0 * deviation / unit) as f32);
        let term = IMAGENET.map(|(mean, _)| ((255.0 * mean - center) / unit) as f32);
        Some([factor, term])
    }

    /// # Shapes
    ///
    /// - `images`, output: `[batch, 3, height, width]`
    pub(crate) fn of(self, images: Tensor<4>) -> Tensor<4> {
        let Some(line) = self.line() else { return images };
        let device = images.device();
        let [factor, term] = line.map(|values| Tensor::<1>::from_floats(values, &device).reshape([1, 3, 1, 1]));
        images * factor + term
    }

    pub(crate) fn draw(self, graph: &mut Graph, images: &Value) -> Value {
        let Some([factor, term]) = self.line() else { return images.clone() };
        graph.within("pixels", |graph| {
            let factor = graph.weights("factor", &[1, 3, 1, 1], &factor);
            let term = graph.weights("term", &[1, 3, 1, 1], &term);
            let scaled = graph.mul(images, &factor);
            graph.add(&scaled, &term)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Backbone, EfficientNetConfig, InvertedStageConfig, TwoStreamNetConfig, VitConfig};
    use burn::tensor::{Device, TensorData};
    use vireid_compare::{assert_close, largest_difference};
    use vireid_core::{Modality, Streams};

    #[test]
    fn bytes_come_out_as_weights_want_them() {
        let bytes = [0.0f32, 127.0, 255.0];
        let of = |channel: usize| {
            let (mean, deviation) = IMAGENET[channel];
            bytes.map(|byte| ((f64::from(byte) / 255.0 - mean) / deviation) as f32)
        };
        let given = [of(0), of(1), of(2)].concat();
        let read = |pixels: Pixels| {
            let images = Tensor::<1>::from_floats(given.as_slice(), &Device::default()).reshape([1, 3, 1, 3]);
            pixels.of(images).into_data().try_to_vec::<f32>().unwrap()
        };
        assert_close(&read(Pixels::Imagenet), &given, 0.0);
        assert_close(&read(Pixels::Lite), &[-127.0 / 128.0, 0.0, 1.0].repeat(3), 1e-6);
        assert_close(&read(Pixels::Half), &[-1.0, -0.5 / 127.5, 1.0].repeat(3), 1e-6);
    }

    /// A network that learnt with other numbers rescales what it is given, in training as in use.
    #[test]
    fn networks_rescale_what_they_are_given() {
        let device = Device::default();
        let stream = || Streams::new(0).stream("init", [0; 3]);
        let vit = |pixels| VitConfig::tiny().with_pixels(pixels).init(&device, &mut stream()).unwrap();
        check([vit(Pixels::Half), vit(Pixels::Imagenet)], [32, 16]);
        let small = |pixels| TwoStreamNetConfig::small().with_pixels(pixels).init(&device, &mut stream());
        check([small(Pixels::Half), small(Pixels::Imagenet)], [32, 16]);
        let stages = vec![InvertedStageConfig::new(1, 3, 2, 1, 8)];
        let lite = EfficientNetConfig::new(8, stages, 8);
        let lite = |pixels| lite.clone().with_pixels(pixels).init(&device, &mut stream());
        check([lite(Pixels::Half), lite(Pixels::Imagenet)], [32, 16]);
        assert_eq!(EfficientNetConfig::lite0().pixels, Pixels::Lite);
    }

    fn check<B: Backbone>([other, plain]: [B; 2], [height, width]: [usize; 2]) {
        let mut stream = Streams::new(1).stream("images", [0; 3]);
        let values: Vec<f32> = (0..2 * 3 * height * width).map(|_| stream.normal(0.0, 1.0) as f32).collect();
        let images = Tensor::from_data(TensorData::new(values, [2, 3, height, width]), &Device::default());
        let read = |rows: Tensor<2>| rows.into_data().try_to_vec::<f32>().unwrap();
        let rescaled = Pixels::Half.of(images.clone());
        for modality in Modality::ALL {
            let expected = read(plain.embed(rescaled.clone(), modality));
            assert_close(&read(other.embed(images.clone(), modality)), &expected, 1e-6);
            assert!(largest_difference(&expected, &read(plain.embed(images.clone(), modality))) > 1e-4);
        }
        let pass = |net: &B, images: &Tensor<4>| read(net.forward(images.clone(), images.clone()).infrared.pooled);
        assert_close(&pass(&other, &images), &pass(&plain, &rescaled), 1e-5);
    }
}
