//! The kernels against Burn's own operations and against finite differences.

// A test that meets an unexpected error should stop right there.
#![allow(clippy::unwrap_used)]

use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::activation::relu;
use burn::tensor::module::{
    batch_norm as stock_inference, batch_norm_train as stock_batch_norm, conv2d as stock_conv2d,
};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};
use vireid_compare::{assert_close, is_near, largest_difference, worse};
use vireid_core::{Stream, Streams};
use vireid_kernels::{Tail, batch_norm_inference, batch_norm_train, conv2d, depthwise_conv2d};

fn stream(key: u64) -> Stream {
    Streams::new(11).stream("kernels", [key, 0, 0])
}

fn random<const D: usize>(shape: [usize; D], key: u64, device: &Device) -> Tensor<D> {
    let mut stream = stream(key);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| stream.normal(0.0, 1.0) as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn near(got: TensorData, expected: TensorData, what: &str) {
    assert_eq!(got.shape(), expected.shape(), "{what}");
    let (got, expected) = (got.try_to_vec::<f32>().unwrap(), expected.try_to_vec::<f32>().unwrap());
    let scale = expected.iter().fold(1.0, |scale, value| worse(scale, f64::from(value.abs())));
    let worst = largest_difference(&got, &expected);
    assert!(worst <= 2e-5 * scale, "{what}: off by {worst:e}, largest value {scale:e}");
}

/// Batch, channels in, height, width, channels out, kernel, stride, padding.
type Case = (usize, usize, usize, usize, usize, usize, usize, usize);

fn check_convolution(case: Case) {
    let (batch, channels, height, width, output, kernel, stride, padding) = case;
    let device = Device::default().autodiff();
    let inputs = || {
        let input = random([batch, channels, height, width], 1, &device).require_grad();
        let weight = random([output, channels, kernel, kernel], 2, &device).require_grad();
        (input, weight)
    };
    let ((x, w), (sx, sw)) = (inputs(), inputs());
    let y = conv2d(x.clone(), w.clone(), stride, padding);
    let options = ConvOptions::new([stride, stride], [padding, padding], [1, 1], 1);
    let sy = stock_conv2d(sx.clone(), sw.clone(), None, options);
    assert_eq!(y.dims(), sy.dims(), "{case:?}");
    near(y.clone().into_data(), sy.clone().into_data(), &format!("{case:?} output"));
    let upstream = random(y.dims(), 3, &device);
    let gradients = (y * upstream.clone()).sum().backward();
    let stock = (sy * upstream).sum().backward();
    let (gx, gw) = (x.grad(&gradients).unwrap(), w.grad(&gradients).unwrap());
    near(gx.into_data(), sx.grad(&stock).unwrap().into_data(), &format!("{case:?} input gradient"));
    near(gw.into_data(), sw.grad(&stock).unwrap().into_data(), &format!("{case:?} weight gradient"));
}

#[test]
fn convolutions_of_the_networks() {
    // The small network at its own size, and ResNet's kinds of layer at reduced height and width.
    let cases: [Case; 12] = [
        (3, 3, 96, 48, 24, 5, 2, 2),
        (3, 24, 48, 24, 32, 3, 2, 1),
        (3, 32, 24, 12, 32, 3, 1, 1),
        (3, 24, 48, 24, 32, 1, 2, 0),
        (3, 64, 12, 6, 128, 3, 1, 1),
        (3, 64, 12, 6, 128, 1, 1, 0),
        (2, 3, 36, 18, 64, 7, 2, 3),
        (2, 64, 18, 9, 64, 1, 1, 0),
        (2, 64, 18, 9, 256, 1, 1, 0),
        (2, 128, 18, 9, 128, 3, 2, 1),
        (2, 256, 18, 9, 512, 1, 2, 0),
        (2, 64, 9, 5, 64, 3, 1, 1),
    ];
    cases.into_iter().for_each(check_convolution);
}

#[test]
fn odd_sizes_and_single_images() {
    let cases: [Case; 8] = [
        (1, 1, 1, 1, 1, 1, 1, 0),
        (1, 2, 1, 1, 3, 3, 1, 1),
        (1, 3, 7, 5, 4, 3, 2, 1),
        (5, 2, 5, 8, 3, 5, 3, 2),
        (1, 2, 4, 4, 2, 4, 1, 0),
        (7, 3, 6, 3, 5, 3, 3, 0),
        (2, 1, 9, 9, 1, 7, 2, 3),
        (4, 5, 3, 11, 2, 1, 3, 0),
    ];
    cases.into_iter().for_each(check_convolution);
}

/// Zeros around the input, so that windows fit: half on each side, the odd one behind.
fn surrounded(input: Tensor<4>, kernel: usize, stride: usize) -> Tensor<4> {
    let [batch, channels, height, width] = input.dims();
    let zeros = |side: usize| ((side.div_ceil(stride) - 1) * stride + kernel).saturating_sub(side);
    let (rows, columns) = (zeros(height), zeros(width));
    let (above, left) = (rows / 2, columns / 2);
    let around = Tensor::zeros([batch, channels, height + rows, width + columns], &input.device());
    around.slice_assign([0..batch, 0..channels, above..above + height, left..left + width], input)
}

/// Batch, channels, height, width, kernel, stride.
type DepthwiseCase = (usize, usize, usize, usize, usize, usize);

fn check_depthwise(case: DepthwiseCase) {
    let (batch, channels, height, width, kernel, stride) = case;
    let device = Device::default().autodiff();
    let inputs = || {
        let input = random([batch, channels, height, width], 1, &device).require_grad();
        let weight = random([channels, 1, kernel, kernel], 2, &device).require_grad();
        (input, weight)
    };
    let ((x, w), (sx, sw)) = (inputs(), inputs());
    let y = depthwise_conv2d(x.clone(), w.clone(), stride);
    let options = ConvOptions::new([stride, stride], [0, 0], [1, 1], channels);
    let sy = stock_conv2d(surrounded(sx.clone(), kernel, stride), sw.clone(), None, options);
    assert_eq!(y.dims(), [batch, channels, height.div_ceil(stride), width.div_ceil(stride)], "{case:?}");
    near(y.clone().into_data(), sy.clone().into_data(), &format!("{case:?} output"));
    let upstream = random(y.dims(), 3, &device);
    let gradients = (y * upstream.clone()).sum().backward();
    let stock = (sy * upstream).sum().backward();
    let (gx, gw) = (x.grad(&gradients).unwrap(), w.grad(&gradients).unwrap());
    near(gx.into_data(), sx.grad(&stock).unwrap().into_data(), &format!("{case:?} input gradient"));
    near(gw.into_data(), sw.grad(&stock).unwrap().into_data(), &format!("{case:?} weight gradient"));
}

#[test]
fn depthwise_convolutions() {
    // EfficientNet-Lite0's layers at 128 x 64 with fewer channels, then odd sizes.
    let cases: [DepthwiseCase; 17] = [
        (2, 9, 64, 32, 3, 1),
        (2, 9, 64, 32, 3, 2),
        (3, 5, 32, 16, 3, 1),
        (3, 5, 32, 16, 5, 2),
        (3, 5, 16, 8, 5, 1),
        (3, 5, 16, 8, 3, 2),
        (3, 17, 8, 4, 5, 1),
        (3, 17, 8, 4, 5, 2),
        (1, 1, 1, 1, 3, 1),
        (1, 1, 1, 1, 5, 2),
        (1, 3, 2, 7, 5, 1),
        (2, 4, 7, 5, 5, 2),
        (2, 3, 9, 1, 3, 2),
        (2, 3, 5, 11, 3, 3),
        (2, 3, 5, 11, 2, 3),
        (1, 2, 6, 6, 1, 2),
        (1, 8, 10, 5, 5, 2),
    ];
    cases.into_iter().for_each(check_depthwise);
}

/// Images may come as views of others, such as a mirror image.
#[test]
fn a_depthwise_convolution_reads_a_view() {
    let device = Device::default();
    let base = random([2, 6, 5, 3], 1, &device);
    let weight = random([3, 1, 3, 3], 2, &device);
    let view = base.permute([0, 3, 2, 1]);
    let copy = Tensor::<4>::from_data(view.clone().into_data(), &device);
    let [got, expected] = [view, copy].map(|input| depthwise_conv2d(input, weight.clone(), 2).into_data());
    got.assert_eq(&expected, true);
}

/// In other number types the stock operation runs; in bf16 sums are made in f32 and rounded once.
#[test]
fn depthwise_convolutions_in_other_number_types() {
    use burn::tensor::DType;
    use burn::tensor::FloatDType::{BF16, F32};
    let device = Device::default().autodiff();
    let rounded = |tensor: Tensor<4>| tensor.cast(BF16).cast(F32).detach().require_grad();
    let (x, w) = (rounded(random([2, 3, 7, 5], 1, &device)), rounded(random([3, 1, 5, 5], 2, &device)));
    let run = |kind: DType| {
        let y = depthwise_conv2d(x.clone().cast(kind), w.clone().cast(kind), 2);
        assert_eq!(y.dtype(), kind);
        let y = y.cast(F32);
        let gradients = (y.clone() * random(y.dims(), 3, &device).cast(BF16).cast(F32)).sum().backward();
        [y.inner(), x.grad(&gradients).unwrap(), w.grad(&gradients).unwrap()]
    };
    let whole = run(DType::F32);
    for (double, whole) in run(DType::F64).into_iter().zip(&whole) {
        near(double.into_data(), whole.clone().into_data(), "in f64");
    }
    for (half, whole) in run(DType::BF16).into_iter().zip(whole) {
        half.into_data().assert_eq(&whole.cast(BF16).cast(F32).into_data(), true);
    }
}

#[test]
fn a_view_is_read_in_its_own_order() {
    let device = Device::default();
    let base = random([2, 6, 5, 3], 1, &device);
    let weight = random([4, 3, 3, 3], 2, &device);
    let view = base.permute([0, 3, 2, 1]);
    let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    let expected = stock_conv2d(view.clone(), weight.clone(), None, options);
    near(conv2d(view, weight, 1, 1).into_data(), expected.into_data(), "permuted input");
}

#[test]
fn convolution_gradients_are_finite_differences() {
    let device = Device::default();
    let tracked = device.clone().autodiff();
    let (x, w) = (random([2, 2, 5, 4], 1, &device), random([3, 2, 3, 3], 2, &device));
    let upstream = random([2, 3, 3, 2], 3, &device);
    let loss = |x: Tensor<4>, w: Tensor<4>| (conv2d(x, w, 2, 1) * upstream.clone()).sum().into_scalar::<f32>();
    let (tx, tw) = (Tensor::from_inner(x.clone()).require_grad(), Tensor::from_inner(w.clone()).require_grad());
    let upstream_tracked: Tensor<4> = Tensor::from_inner(upstream.clone());
    assert_eq!(tx.device(), tracked);
    let gradients = (conv2d(tx.clone(), tw.clone(), 2, 1) * upstream_tracked).sum().backward();
    let step = 1e-2f32;
    let check = |base: &Tensor<4>, gradient: Tensor<4>, loss: &dyn Fn(Tensor<4>) -> f32| {
        let gradient = gradient.into_data().try_to_vec::<f32>().unwrap();
        let (values, shape) = (base.clone().into_data().try_to_vec::<f32>().unwrap(), base.dims());
        for position in 0..values.len() {
            let moved = |by: f32| {
                let mut values = values.clone();
                values[position] += by;
                loss(Tensor::from_data(TensorData::new(values, shape), &device))
            };
            let expected = (moved(step) - moved(-step)) / (2.0 * step);
            assert!(is_near(gradient[position], expected, 2e-3), "{position}: {} {expected}", gradient[position]);
        }
    };
    check(&x, tx.grad(&gradients).unwrap(), &|moved| loss(moved, w.clone()));
    check(&w, tw.grad(&gradients).unwrap(), &|moved| loss(x.clone(), moved));
}

/// Batch norm and each tail against the stock operations.
fn check_batch_norm<const D: usize>(shape: [usize; D]) {
    for tail in ["nothing", "relu", "relu6", "residual"] {
        check_batch_norm_then(shape, tail);
    }
}

fn check_batch_norm_then<const D: usize>(shape: [usize; D], tail: &str) {
    let device = Device::default().autodiff();
    let channels = [shape[1]];
    let inputs = || {
        let x = random(shape, 1, &device).mul_scalar(3.0).add_scalar(5.0);
        let x = Tensor::from_inner(x.inner()).require_grad();
        // Wide enough for some values to be above 6.
        let wide = if tail == "relu6" { 4.0 } else { 1.0 };
        let scale = Tensor::from_inner(random(channels, 2, &device).mul_scalar(wide).inner());
        let parameters = [scale.require_grad(), random(channels, 3, &device).require_grad()];
        (x, parameters, random(shape, 5, &device).require_grad())
    };
    let ((x, [w, b], r), (sx, [sw, sb], sr)) = (inputs(), inputs());
    let ours_tail = match tail {
        "nothing" => Tail::Nothing,
        "relu" => Tail::Relu,
        "relu6" => Tail::Relu6,
        _ => Tail::Residual(r.clone()),
    };
    let ours = batch_norm_train(x.clone(), w.clone(), b.clone(), 1e-5, ours_tail);
    let stock = stock_batch_norm(sx.clone(), sw.clone(), sb.clone(), 1e-5);
    let expected = match tail {
        "nothing" => stock.output,
        "relu" => relu(stock.output),
        "relu6" => stock.output.clamp(0.0, 6.0),
        _ => relu(stock.output + sr.clone()),
    };
    let what = |part: &str| format!("{shape:?} {tail} {part}");
    near(ours.output.clone().into_data(), expected.clone().into_data(), &what("output"));
    near(ours.mean.into_data(), stock.mean.into_data(), &what("mean"));
    near(ours.variance.into_data(), stock.variance.into_data(), &what("variance"));
    let upstream = random(shape, 4, &device);
    let gradients = (ours.output * upstream.clone()).sum().backward();
    let expected = (expected * upstream).sum().backward();
    near(x.grad(&gradients).unwrap().into_data(), sx.grad(&expected).unwrap().into_data(), &what("input gradient"));
    near(w.grad(&gradients).unwrap().into_data(), sw.grad(&expected).unwrap().into_data(), &what("weight gradient"));
    near(b.grad(&gradients).unwrap().into_data(), sb.grad(&expected).unwrap().into_data(), &what("bias gradient"));
    if tail == "residual" {
        near(r.grad(&gradients).unwrap().into_data(), sr.grad(&expected).unwrap().into_data(), &what("shortcut"));
    }
}

#[test]
fn batch_norms() {
    check_batch_norm([6, 5]);
    check_batch_norm([120, 128]);
    check_batch_norm([5, 3, 7, 5]);
    check_batch_norm([4, 24, 48, 24]);
    check_batch_norm([2, 7, 1, 1]);
}

/// A mean far from zero must not eat the variance.
#[test]
fn batch_norm_of_a_large_mean() {
    let device = Device::default();
    let x = random::<4>([4, 3, 9, 7], 1, &device);
    let near_zero = batch_norm_train(x.clone(), ones(&device), ones(&device), 1e-5, Tail::Nothing);
    let far = batch_norm_train(x.add_scalar(1000.0), ones(&device), ones(&device), 1e-5, Tail::Nothing);
    let ratios = (far.variance / near_zero.variance).into_data().try_to_vec::<f32>().unwrap();
    assert_close(&ratios, &[1.0; 3], 1e-3);
}

fn ones(device: &Device) -> Tensor<1> {
    Tensor::ones([3], device)
}

/// Values that are not numbers must not vanish in a ReLU.
#[test]
fn nan_passes_a_relu() {
    let device = Device::default();
    for tail in [Tail::Relu, Tail::Relu6] {
        let x = Tensor::<4>::full([2, 3, 2, 2], f32::NAN, &device);
        let output = batch_norm_train(x, ones(&device), ones(&device), 1e-5, tail).output;
        assert!(output.into_data().try_to_vec::<f32>().unwrap().iter().all(|value| value.is_nan()));
    }
}

/// At 0 and at 6 no gradient passes, as in PyTorch.
#[test]
fn a_relu6_ends_where_it_bends() {
    let device = Device::default().autodiff();
    let x = Tensor::<2>::from_floats([[-1.0], [0.0], [3.0], [6.0], [7.0]], &device).require_grad();
    let one = || Tensor::<1>::ones([1], &device);
    let nothing = || Tensor::<1>::zeros([1], &device);
    let plain = |x: &Tensor<2>| {
        let (one, nothing) = (one().inner(), nothing().inner());
        batch_norm_inference(x.clone().inner(), one.clone(), nothing.clone(), nothing, one, 0.0, Tail::Relu6)
    };
    assert_close(&plain(&x).into_data().try_to_vec::<f32>().unwrap(), &[0.0, 0.0, 3.0, 6.0, 6.0], 0.0);
    // With mean 0 and deviation 1 of the batch, the bias puts the values around 0 and 6.
    let values = Tensor::<2>::from_floats([[-1.0], [1.0]], &device).require_grad();
    for (scale, bias, expected) in [(1.0, 0.5, 1.0), (1.0, 5.5, 1.0), (3.0, 3.0, 0.0)] {
        let bias = Tensor::<1>::from_floats([bias], &device).require_grad();
        let scale = Tensor::<1>::from_floats([scale], &device);
        let output = batch_norm_train(values.clone(), scale, bias.clone(), 0.0, Tail::Relu6).output;
        let gradients = output.sum().backward();
        assert_close(&bias.grad(&gradients).unwrap().into_data().try_to_vec::<f32>().unwrap(), &[expected], 0.0);
    }
}

#[test]
fn batch_norm_with_given_statistics() {
    let device = Device::default();
    let (x, r) = (random([3, 5, 7, 4], 1, &device), random([3, 5, 7, 4], 6, &device));
    let channel = |key| random([5], key, &device);
    let variance = channel(5).powi_scalar(2);
    let ours = |tail| {
        batch_norm_inference(x.clone(), channel(2), channel(3), channel(4), variance.clone(), 1e-5, tail).into_data()
    };
    let stock = stock_inference(x.clone(), channel(2), channel(3), channel(4), variance.clone(), 1e-5);
    near(ours(Tail::Nothing), stock.clone().into_data(), "output");
    near(ours(Tail::Relu), relu(stock.clone()).into_data(), "output after a ReLU");
    near(ours(Tail::Residual(r.clone())), relu(stock + r).into_data(), "output after a sum");
}

/// Both optimisers on the same gradients; a parameter that somebody else holds is left alone.
#[derive(burn::module::Module, Debug)]
struct One {
    weight: burn::module::Param<Tensor<2>>,
}

/// Five steps of both optimisers from one start agree, and a tensor held elsewhere keeps its values.
fn check_optimizer(ours: ModuleOptimizer, stock: ModuleOptimizer) {
    let device = Device::default();
    let id = burn::module::ParamId::from(1);
    let start: Tensor<2> = random([70, 500], 1, &device);
    let held = start.clone();
    let model =
        || One { weight: burn::module::Param::initialized(id, Tensor::from_inner(start.clone()).require_grad()) };
    let (mut ours, mut theirs) = ((ours, model()), (stock, model()));
    for step in 0..5 {
        for (optimizer, model) in [&mut ours, &mut theirs] {
            let mut gradients = GradientsParams::new();
            gradients.register(id, random([70, 500], 10 + step, &device));
            *model = optimizer.step(1e-2, model.clone(), gradients);
        }
    }
    near(ours.1.weight.val().into_data(), theirs.1.weight.val().into_data(), "weights");
    near(held.into_data(), random([70, 500], 1, &device).into_data(), "a tensor held elsewhere");
}

#[test]
fn adam_is_burns() {
    let decay = WeightDecayConfig::new(0.01);
    let stock = AdamConfig::new().with_epsilon(1e-8).with_weight_decay(Some(decay)).init();
    check_optimizer(vireid_kernels::Adam::new(0.01).init(), stock);
}

#[test]
fn sgd_with_nesterov_momentum_is_burns() {
    let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0).with_nesterov(true);
    let decay = WeightDecayConfig::new(0.01);
    let stock = SgdConfig::new().with_momentum(Some(momentum)).with_weight_decay(Some(decay)).init();
    check_optimizer(vireid_kernels::SgdNesterov::new(0.9, 0.01).init(), stock);
}

#[test]
fn other_number_types_keep_the_stock_operation() {
    let device = Device::default();
    let (x, w) = (random([1, 2, 4, 4], 1, &device), random([3, 2, 3, 3], 2, &device));
    let double = |t: Tensor<4>| t.cast(burn::tensor::DType::F64);
    let expected = conv2d(x.clone(), w.clone(), 1, 1).into_data();
    let got = conv2d(double(x), double(w), 1, 1).into_data();
    assert_eq!(got.dtype(), burn::tensor::DType::F64);
    let [got, expected] = [got, expected].map(|data| data.convert::<f32>().try_to_vec::<f32>().unwrap());
    assert_close(&got, &expected, 1e-4);
}

/// In bf16 every pass is the f32 pass over rounded values, rounded once.
#[test]
fn bf16_convolution_sums_in_f32() {
    use burn::tensor::FloatDType::{BF16, F32};
    let device = Device::default().autodiff();
    let rounded = |tensor: Tensor<4>| tensor.cast(BF16).cast(F32);
    let x = rounded(random([2, 5, 8, 6], 1, &device)).detach().require_grad();
    let w = rounded(random([7, 5, 3, 3], 2, &device)).detach().require_grad();
    let upstream = rounded(random([2, 7, 4, 3], 3, &device));
    let run = |half: bool| {
        let y = match half {
            true => conv2d(x.clone().cast(BF16), w.clone().cast(BF16), 2, 1).cast(F32),
            false => conv2d(x.clone(), w.clone(), 2, 1),
        };
        let gradients = (y.clone() * upstream.clone()).sum().backward();
        [y.inner(), x.grad(&gradients).unwrap(), w.grad(&gradients).unwrap()]
    };
    for (half, whole) in run(true).into_iter().zip(run(false)) {
        half.into_data().assert_eq(&rounded(whole).into_data(), true);
    }
}

/// Images in bf16 beside weights in f32: every pass is the f32 pass over the rounded images, rounded once; statistics and
/// gradients of weights stay f32.
#[test]
fn bf16_batch_norm_sums_in_f32() {
    use burn::tensor::{
        DType,
        FloatDType::{BF16, F32},
    };
    let device = Device::default().autodiff();
    let rounded = |tensor: Tensor<4>| tensor.cast(BF16).cast(F32);
    let x = rounded(random([3, 4, 5, 2], 1, &device)).detach().require_grad();
    let shortcut = rounded(random([3, 4, 5, 2], 2, &device)).detach().require_grad();
    let upstream = rounded(random([3, 4, 5, 2], 3, &device));
    let weight = random([4], 4, &device).require_grad();
    let bias = random([4], 5, &device).require_grad();
    for kind in 0..3 {
        let run = |half: bool| {
            let images = |tensor: &Tensor<4>| if half { tensor.clone().cast(BF16) } else { tensor.clone() };
            let tail = match kind {
                0 => Tail::Nothing,
                1 => Tail::Relu,
                _ => Tail::Residual(images(&shortcut)),
            };
            let result = batch_norm_train(images(&x), weight.clone(), bias.clone(), 1e-5, tail.clone());
            assert_eq!((result.mean.dtype(), result.variance.dtype()), (DType::F32, DType::F32));
            assert_eq!(result.output.dtype(), if half { DType::BF16 } else { DType::F32 });
            let y = result.output.cast(F32);
            let gradients = (y.clone() * upstream.clone()).sum().backward();
            let (mean, variance) = (result.mean.clone().inner(), result.variance.clone().inner());
            let plain = |tensor: &Tensor<4>| images(tensor).inner();
            let tail = match kind {
                0 => Tail::Nothing,
                1 => Tail::Relu,
                _ => Tail::Residual(plain(&shortcut)),
            };
            let (w, b) = (weight.clone().inner(), bias.clone().inner());
            let inferred = batch_norm_inference(plain(&x), w, b, mean.clone(), variance.clone(), 1e-5, tail).cast(F32);
            let images = [y.inner(), inferred, x.grad(&gradients).unwrap()];
            (images, [mean, variance, weight.grad(&gradients).unwrap(), bias.grad(&gradients).unwrap()])
        };
        let ((half, half_sums), (whole, whole_sums)) = (run(true), run(false));
        for (half, whole) in half.into_iter().zip(whole) {
            half.into_data().assert_eq(&rounded(whole).into_data(), true);
        }
        for (half, whole) in half_sums.into_iter().zip(whole_sums) {
            half.into_data().assert_eq(&whole.into_data(), true);
        }
    }
}
