//! The operators that networks are made of, with their settings in words.

use crate::graph::{Attribute, Element, Graph, Value};

impl Graph {
    /// `a + b`, broadcast.
    pub fn add(&mut self, a: &Value, b: &Value) -> Value {
        self.node("Add", &[a, b], &[])
    }

    /// `a - b`, broadcast.
    pub fn sub(&mut self, a: &Value, b: &Value) -> Value {
        self.node("Sub", &[a, b], &[])
    }

    /// `a * b`, broadcast.
    pub fn mul(&mut self, a: &Value, b: &Value) -> Value {
        self.node("Mul", &[a, b], &[])
    }

    /// `a / b`, broadcast.
    pub fn div(&mut self, a: &Value, b: &Value) -> Value {
        self.node("Div", &[a, b], &[])
    }

    /// The greater of two, broadcast.
    pub fn max(&mut self, a: &Value, b: &Value) -> Value {
        self.node("Max", &[a, b], &[])
    }

    /// `base` to the power of `exponent`, broadcast.
    pub fn power(&mut self, base: &Value, exponent: &Value) -> Value {
        self.node("Pow", &[base, exponent], &[])
    }

    /// The square root.
    pub fn sqrt(&mut self, x: &Value) -> Value {
        self.node("Sqrt", &[x], &[])
    }

    /// The error function.
    pub fn erf(&mut self, x: &Value) -> Value {
        self.node("Erf", &[x], &[])
    }

    /// `max(x, 0)`.
    pub fn relu(&mut self, x: &Value) -> Value {
        self.node("Relu", &[x], &[])
    }

    /// In 32-bit numbers.
    pub fn to_f32(&mut self, x: &Value) -> Value {
        self.node("Cast", &[x], &[Attribute::Int("to", i64::from(Element::F32.code()))])
    }

    /// A convolution with a square stride and padding; `weight` is `[out, in, kernel, kernel]`, `bias` `[out]`.
    pub fn conv(&mut self, x: &Value, weight: &Value, bias: Option<&Value>, stride: usize, padding: usize) -> Value {
        let inputs: Vec<&Value> = [x, weight].into_iter().chain(bias).collect();
        self.node("Conv", &inputs, &window(stride, padding))
    }

    /// A convolution without bias in groups of channels, whose zeros both sides share so that it divides the size by the stride,
    /// rounded up; the odd one is behind.
    pub fn conv_same(&mut self, x: &Value, weight: &Value, stride: usize, groups: usize) -> Value {
        let strides = Attribute::Ints("strides", vec![stride as i64; 2]);
        let padding = Attribute::Text("auto_pad", "SAME_UPPER");
        self.node("Conv", &[x, weight], &[strides, padding, Attribute::Int("group", groups as i64)])
    }

    /// `min(max(x, least), most)`.
    pub fn clip(&mut self, x: &Value, least: f32, most: f32) -> Value {
        let (least, most) = (self.scalar("least", least), self.scalar("most", most));
        self.node("Clip", &[x, &least, &most], &[])
    }

    /// Max pooling over square windows.
    pub fn max_pool(&mut self, x: &Value, kernel: usize, stride: usize, padding: usize) -> Value {
        let kernel = Attribute::Ints("kernel_shape", vec![kernel as i64; 2]);
        let attributes: Vec<Attribute> = std::iter::once(kernel).chain(window(stride, padding)).collect();
        self.node("MaxPool", &[x], &attributes)
    }

    /// `(x - mean) / sqrt(variance + epsilon) * weight + bias` along axis 1; the four are `[weight, bias, mean, variance]`.
    pub fn batch_norm(&mut self, x: &Value, [weight, bias, mean, variance]: [&Value; 4], epsilon: f32) -> Value {
        self.node("BatchNormalization", &[x, weight, bias, mean, variance], &[Attribute::Float("epsilon", epsilon)])
    }

    /// The mean over axes, which keep the length 1.
    pub fn mean(&mut self, x: &Value, axes: &[i64]) -> Value {
        self.node("ReduceMean", &[x], &reduced(axes))
    }

    /// The root of the sum of squares over axes, which keep the length 1.
    pub fn norm(&mut self, x: &Value, axes: &[i64]) -> Value {
        self.node("ReduceL2", &[x], &reduced(axes))
    }

    /// The product of matrices, which are the last two axes.
    pub fn matmul(&mut self, a: &Value, b: &Value) -> Value {
        self.node("MatMul", &[a, b], &[])
    }

    /// Exponentials over their sum, along an axis.
    pub fn softmax(&mut self, x: &Value, axis: i64) -> Value {
        self.node("Softmax", &[x], &[Attribute::Int("axis", axis)])
    }

    /// Axes in another order.
    pub fn transpose(&mut self, x: &Value, order: &[i64]) -> Value {
        self.node("Transpose", &[x], &[Attribute::Ints("perm", order.to_vec())])
    }

    /// The same values in another shape: 0 is an axis as it is, -1 one that follows from the others.
    pub fn reshape(&mut self, x: &Value, shape: &[i64]) -> Value {
        let name = shape.iter().map(i64::to_string).collect::<Vec<_>>().join("_");
        let shape = self.integers(&format!("shape_{name}"), shape);
        self.node("Reshape", &[x, &shape], &[])
    }

    /// The entries at some positions of an axis, in their order.
    pub fn gather(&mut self, x: &Value, positions: &Value, axis: i64) -> Value {
        self.node("Gather", &[x, positions], &[Attribute::Int("axis", axis)])
    }

    /// A single position for [`gather`](Self::gather), which takes its axis away.
    pub fn position(&mut self, number: i64) -> Value {
        self.index(&format!("position_{number}"), number)
    }

    /// `(x - mean) / sqrt(variance + epsilon) * weight + bias` along the last axis.
    pub fn layer_norm(&mut self, x: &Value, weight: &Value, bias: &Value, epsilon: f32) -> Value {
        let attributes = [Attribute::Int("axis", -1), Attribute::Float("epsilon", epsilon)];
        self.node("LayerNormalization", &[x, weight, bias], &attributes)
    }

    /// `x Phi(x)`, exact.
    pub fn gelu(&mut self, x: &Value) -> Value {
        let root = self.scalar("root_of_two", std::f32::consts::SQRT_2);
        let (one, half) = (self.scalar("one", 1.0), self.scalar("half", 0.5));
        let scaled = self.div(x, &root);
        let error = self.erf(&scaled);
        let twice = self.add(&error, &one);
        let product = self.mul(x, &twice);
        self.mul(&product, &half)
    }

    /// One after another along an axis.
    pub fn concat(&mut self, parts: &[&Value], axis: i64) -> Value {
        self.node("Concat", parts, &[Attribute::Int("axis", axis)])
    }

    /// Zeros before and after each axis.
    pub fn pad(&mut self, x: &Value, before: &[i64], after: &[i64]) -> Value {
        let pads = self.integers("pads", &[before, after].concat());
        self.node("Pad", &[x, &pads], &[])
    }

    /// Rows of length 1, of `[batch, dim]`; a row of zeros stays as it is.
    pub fn unit_rows(&mut self, rows: &Value) -> Value {
        let least = self.scalar("least_length", 1e-12);
        let lengths = self.norm(rows, &[1]);
        let lengths = self.max(&lengths, &least);
        self.div(rows, &lengths)
    }
}

fn window(stride: usize, padding: usize) -> [Attribute; 2] {
    [Attribute::Ints("strides", vec![stride as i64; 2]), Attribute::Ints("pads", vec![padding as i64; 4])]
}

fn reduced(axes: &[i64]) -> [Attribute; 2] {
    [Attribute::Ints("axes", axes.to_vec()), Attribute::Int("keepdims", 1)]
}
