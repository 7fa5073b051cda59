//! What the first layer gets.
//!
//! Images come normalised by ImageNet's mean and deviation, as all networks here get them. EfficientNet-Lite's published
//! weights want `(byte - 127) / 128`: the running means behind the first convolution of the converted weights fit the mean
//! of ImageNet so scaled, and no other. So the network rescales what it gets.

use burn::tensor::Tensor;
use vireid_onnx::{Graph, Value};

/// Mean and deviation of ImageNet's channels, of 1.
const IMAGENET: [(f64, f64); 3] = [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)];
/// What is subtracted from a byte, and what it is divided by.
const CENTER: f64 = 127.0;
const UNIT: f64 = 128.0;

/// For each channel factor and term.
fn line() -> [[f32; 3]; 2] {
    let factor = IMAGENET.map(|(_, deviation)| (255.0 * deviation / UNIT) as f32);
    let term = IMAGENET.map(|(mean, _)| ((255.0 * mean - CENTER) / UNIT) as f32);
    [factor, term]
}

/// # Shapes
///
/// - `images`, output: `[batch, 3, height, width]`
pub(super) fn rescaled(images: Tensor<4>) -> Tensor<4> {
    let [factor, term] = line().map(|values| Tensor::<1>::from_floats(values, &images.device()).reshape([1, 3, 1, 1]));
    images * factor + term
}

pub(super) fn draw_rescaled(graph: &mut Graph, images: &Value) -> Value {
    graph.within("pixels", |graph| {
        let [factor, term] = line();
        let factor = graph.weights("factor", &[1, 3, 1, 1], &factor);
        let term = graph.weights("term", &[1, 3, 1, 1], &term);
        let scaled = graph.mul(images, &factor);
        graph.add(&scaled, &term)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use vireid_compare::assert_close;

    #[test]
    fn bytes_come_out_as_the_weights_want_them() {
        let bytes = [0.0f32, 127.0, 255.0];
        let of = |channel: usize| {
            let (mean, deviation) = IMAGENET[channel];
            bytes.map(|byte| ((f64::from(byte) / 255.0 - mean) / deviation) as f32)
        };
        let images = Tensor::<1>::from_floats([of(0), of(1), of(2)].concat().as_slice(), &Device::default());
        let rescaled = rescaled(images.reshape([1, 3, 1, 3])).into_data().try_to_vec::<f32>().unwrap();
        let expected = [-127.0 / 128.0, 0.0, 1.0];
        assert_close(&rescaled, &[expected, expected, expected].concat(), 1e-6);
    }
}
