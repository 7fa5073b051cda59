//! Golden passes of EfficientNet-Lite.

use std::error::Error;

use vireid_backbone::{EfficientNetConfig, InvertedStageConfig, WeightFile, WeightNames, load_efficient};
use vireid_core::Streams;

use super::network::{training_pass, weights};
use super::{Case, Outputs};

/// The gradients that cases hold.
const GRADIENTS: &[&str] = &[
    "gradient.stem_visible.weight",
    "gradient.stem_infrared.bn.bias",
    "gradient.blocks.0.depthwise.weight",
    "gradient.blocks.1.expand.conv.weight",
    "gradient.blocks.1.depthwise.weight",
    "gradient.blocks.2.project.bn.weight",
    "gradient.blocks.3.depthwise.bn.bias",
    "gradient.blocks.5.depthwise.weight",
    "gradient.last.conv.weight",
];

/// A training pass of an EfficientNet-Lite with weights of efficientnet_pytorch's names, and the gradients of a linear loss of
/// its features. The cases are made by `tests/golden/efficient.py`. One has images of odd sizes.
pub fn efficient(case: &Case) -> Result<Outputs, Box<dyn Error>> {
    let stages: String = case.parameter("stages")?;
    let stage = |text: &str| -> Result<InvertedStageConfig, Box<dyn Error>> {
        let numbers = text.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>()?;
        let [blocks, kernel, stride, expansion, output] = numbers[..] else {
            return Err("a stage has 5 numbers".into());
        };
        Ok(InvertedStageConfig::new(blocks, kernel, stride, expansion, output))
    };
    let stages = stages.split(' ').map(stage).collect::<Result<Vec<_>, _>>()?;
    let config = EfficientNetConfig::new(case.parameter("stem")?, stages, case.parameter("last")?);
    let device = case.device().autodiff();
    let net = config.init(&device, &mut Streams::new(0).stream("init", [0; 3]));
    let weights = weights(case)?;
    let file = WeightFile::Bytes("the case's weights", &weights);
    let (mut net, _) = load_efficient(net, &file, WeightNames::Auto)?;
    // The cases have no neck of their own, and their last batch norm no weights.
    net = vireid_backbone::parameters::fill_parameters(net, |name, shape| {
        (name == "neck.weight").then(|| vec![1.0; shape.iter().product()])
    });
    training_pass(case, &device, net, true, GRADIENTS)
}
