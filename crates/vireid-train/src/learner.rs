//! What is trained: a network, and a classifier in some stages.

use std::collections::BTreeMap;

use burn::module::{Initializer, Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use vireid_backbone::parameters::{NamedParameter, named_parameters, named_parameters_where, number_parameters};
use vireid_backbone::{Backbone, Features, ParameterGroup};
use vireid_core::{PerModality, Stream};

use crate::method::Outputs;
use crate::optimizer::parameters;

/// Standard deviation of a fresh classifier's weights.
const CLASSIFIER_DEVIATION: f64 = 0.001;

/// What is trained: a network, and in some stages a classifier on its embeddings.
#[derive(Module, Debug)]
pub(crate) struct Learner<B: Backbone> {
    pub(crate) network: B,
    classifier: Option<Linear>,
}

impl<B: Backbone> Learner<B> {
    /// A network without a classifier, with parameters numbered by their place, so that a resumed optimiser finds its
    /// own.
    pub(crate) fn new(network: B) -> Self {
        number_parameters(Self { network, classifier: None })
    }

    /// The same with a classifier of `classes` logits without bias, drawn from `stream`.
    pub(crate) fn with_classifier(mut self, classes: usize, device: &Device, stream: &mut Stream) -> Self {
        let dim = self.network.dim();
        let config = LinearConfig::new(dim, classes).with_bias(false).with_initializer(Initializer::Zeros);
        let mut classifier = config.init(device);
        let values = (0..dim * classes).map(|_| stream.normal(0.0, CLASSIFIER_DEVIATION) as f32).collect::<Vec<f32>>();
        let weight = Tensor::<2>::from_data(TensorData::new(values, [dim, classes]), device);
        classifier.weight = Param::from_tensor(weight);
        self.classifier = Some(classifier);
        number_parameters(self)
    }

    /// How many classes the classifier tells apart; `None` without a classifier.
    pub(crate) fn classes(&self) -> Option<usize> {
        self.classifier.as_ref().map(|classifier| classifier.weight.dims()[1])
    }

    /// A training pass over one batch of both modalities, with logits where there is a classifier.
    ///
    /// # Shapes
    ///
    /// - as [`Backbone::forward`]
    pub(crate) fn forward(&self, visible: Tensor<4>, infrared: Tensor<4>) -> Outputs {
        self.classify(self.network.forward(visible, infrared))
    }

    /// Outputs for features that the network has given already.
    pub(crate) fn classify(&self, features: PerModality<Features>) -> Outputs {
        let classify = |classifier: &Linear| {
            let of = |features: &Features| classifier.forward(features.embedding.clone());
            PerModality { visible: of(&features.visible), infrared: of(&features.infrared) }
        };
        Outputs { logits: self.classifier.as_ref().map(classify), features }
    }

    /// The learner whose network is [in training mode](Backbone::in_training_mode).
    pub(crate) fn in_training_mode(self) -> Self {
        Self { network: self.network.in_training_mode(), ..self }
    }

    /// The group of a parameter by its path of fields: the network says it of its own; the classifier is a head.
    pub(crate) fn group(path: &[&str]) -> ParameterGroup {
        match path {
            ["network", within @ ..] => B::group(within),
            _ => ParameterGroup::Head,
        }
    }

    /// A field of the network's own by whose name a checkpoint could not tell it from the learner's.
    pub(crate) fn ambiguous_field(&self) -> Option<&'static str> {
        let is_there = |field: &str| !parameters(&self.network, |path| path.first() == Some(&field)).is_empty();
        ["classifier", "network"].into_iter().find(|field| is_there(field))
    }

    /// The running statistics of batch norms by name, the last batch's share of them included. Reads them from their device.
    pub(crate) fn running_statistics(&self) -> BTreeMap<String, Vec<f32>> {
        let is_statistic = |name: &str| name.ends_with("running_mean") || name.ends_with("running_var");
        // Burn keeps the last update aside until it is asked for, which visiting a module does not do.
        let named = named_parameters_where(&self.valid(), is_statistic);
        named.into_iter().map(|(name, _, values)| (name, values)).collect()
    }

    /// Parameters and running statistics: the network's by its own names, and `classifier.weight`.
    pub(crate) fn named(&self) -> Vec<NamedParameter> {
        let named = named_parameters(&self.valid());
        let rename = |(name, shape, values): NamedParameter| {
            (name.strip_prefix("network.").map(str::to_string).unwrap_or(name), shape, values)
        };
        named.into_iter().map(rename).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_backbone::TwoStreamNetConfig;
    use vireid_core::Streams;

    /// The last batch of a pass was lost; of a pass of one batch, all of it.
    #[test]
    fn one_batch_moves_the_running_statistics_that_are_read() {
        let device = Device::default();
        let net = TwoStreamNetConfig::small().init(&device, &mut Streams::new(0).stream("init", [0; 3]));
        let learner = Learner::new(net).in_training_mode();
        let before = learner.running_statistics();
        let images = |value: f64| Tensor::<4>::ones([2, 3, 32, 16], &device).mul_scalar(value);
        learner.forward(images(1.0), images(2.0));
        let after = learner.running_statistics();
        assert!(!before.is_empty());
        let still: Vec<&String> = before.keys().filter(|name| before[*name] == after[*name]).collect();
        assert!(still.is_empty(), "{still:?}");
    }
}
