//! A convolution layer over this project's kernels.

use burn::config::Config;
use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use vireid_kernels::conv2d;
use vireid_onnx::{Graph, Value};

use crate::Precision;
use crate::parameters::host;

/// Configuration of a [`Convolution`].
#[derive(Config, Debug)]
pub struct ConvolutionConfig {
    /// Channels of the input and of the output.
    pub channels: [usize; 2],
    /// Side of the kernel; the padding is half of it.
    pub kernel: usize,
    /// Pixels from one window to the next.
    pub stride: usize,
    /// Number type that it computes in; 32 bits by default. The weight is kept in 32 bits.
    #[config(default = "Precision::F32")]
    pub precision: Precision,
}

/// A convolution without bias, padded to keep the size at stride 1; on the CPU it runs this project's kernels.
#[derive(Module, Debug)]
pub struct Convolution {
    /// The kernels, `[channels_out, channels_in, kernel, kernel]`, in 32 bits.
    pub weight: Param<Tensor<4>>,
    stride: usize,
    padding: usize,
    #[module(skip)]
    precision: Precision,
}

impl ConvolutionConfig {
    /// Builds the layer, with He's normal initialisation (fan-out).
    pub fn init(&self, device: &Device) -> Convolution {
        let [input, output] = self.channels;
        let area = self.kernel * self.kernel;
        let initializer = Initializer::KaimingNormal { gain: 2f64.sqrt(), fan_out_only: true };
        let shape = [output, input, self.kernel, self.kernel];
        let weight = initializer.init_with(shape, Some(input * area), Some(output * area), device);
        Convolution { weight, stride: self.stride, padding: self.kernel / 2, precision: self.precision }
    }
}

impl Convolution {
    /// # Shapes
    ///
    /// - `input`: `[batch, channels_in, height, width]`
    /// - output: `[batch, channels_out, height / stride, width / stride]`, rounded up
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let convolve = |input, weight| conv2d(input, weight, self.stride, self.padding);
        self.precision.run(input, self.weight.val(), convolve)
    }

    /// [`forward`](Self::forward) as a node of a graph.
    pub(crate) fn draw(&self, graph: &mut Graph, input: &Value) -> Value {
        let weight = graph.weights("weight", &self.weight.dims(), &host(self.weight.val()));
        graph.conv(input, &weight, None, self.stride, self.padding)
    }
}
