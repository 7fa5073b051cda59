//! A mixture of two Gaussians on a line, for telling clean samples from noisy ones by their losses.

/// Added to a variance.
const REGULARIZATION: f64 = 5e-4;
/// The iteration ends when the mean log-likelihood changes by less.
const TOLERANCE: f64 = 1e-2;
/// Most iterations.
const MAX_ITERATIONS: usize = 100;

/// A mixture of two Gaussians on a line, fitted by expectation maximisation.
///
/// As scikit-learn fits it with the settings of the published label-noise methods: variances regularised by 5e-4, until
/// the mean log-likelihood changes by less than 0.01, at most 100 iterations. The tolerance is so loose that the result
/// depends on the start, which is therefore an argument of [`fit_from`](Self::fit_from).
///
/// ```
/// use vireid_clustering::TwoGaussians;
///
/// let losses = [0.1, 0.12, 0.08, 0.9, 0.95];
/// let by_hand = TwoGaussians::fit_from(&losses, &[false, false, false, true, true]);
/// assert_eq!(TwoGaussians::fit(&losses), Some(by_hand));
/// assert!(by_hand.low_posterior(0.1) > 0.99);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TwoGaussians {
    /// Weight, mean and variance of either component.
    pub components: [Gaussian; 2],
    /// How many iterations the fit took.
    pub iterations: usize,
}

/// One of the two components of a mixture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gaussian {
    /// Share of all samples that is the component's.
    pub weight: f64,
    /// Mean of its samples, weighted by their share in it.
    pub mean: f64,
    /// Variance about the mean, with the regularisation of 5e-4 in it.
    pub variance: f64,
}

impl TwoGaussians {
    /// Fits from the exact 2-means split of the values (the first one on ties). `None` for fewer than two values.
    pub fn fit(values: &[f64]) -> Option<Self> {
        let threshold = two_means_threshold(values)?;
        let high: Vec<bool> = values.iter().map(|&value| value > threshold).collect();
        Some(Self::fit_from(values, &high))
    }

    /// Fits from a given split: `high[i]` puts value `i` into the second component.
    pub fn fit_from(values: &[f64], high: &[bool]) -> Self {
        let mut share: Vec<f64> = high.iter().map(|&high| f64::from(u8::from(high))).collect();
        let mut fitted = Self { components: maximize(values, &share), iterations: 0 };
        let mut bound = f64::NEG_INFINITY;
        while fitted.iterations < MAX_ITERATIONS {
            fitted.iterations += 1;
            let mut total = 0.0;
            for (&value, share) in values.iter().zip(&mut share) {
                let (log_likelihood, of_second) = fitted.expect(value);
                total += log_likelihood;
                *share = of_second;
            }
            let before = bound;
            bound = total / values.len().max(1) as f64;
            fitted.components = maximize(values, &share);
            if (bound - before).abs() < TOLERANCE {
                break;
            }
        }
        fitted
    }

    /// The probability that a value belongs to the component with the smaller mean.
    pub fn low_posterior(&self, value: f64) -> f64 {
        let of_second = self.expect(value).1;
        if self.components[0].mean <= self.components[1].mean { 1.0 - of_second } else { of_second }
    }

    /// Log-likelihood of a value and the probability of the second component.
    fn expect(&self, value: f64) -> (f64, f64) {
        let [a, b] = self.components.map(|c| {
            let deviation = (value - c.mean).powi(2) / c.variance;
            c.weight.ln() - 0.5 * (deviation + c.variance.ln() + (2.0 * std::f64::consts::PI).ln())
        });
        let largest = a.max(b);
        let log_likelihood = largest + ((a - largest).exp() + (b - largest).exp()).ln();
        (log_likelihood, (b - log_likelihood).exp())
    }
}

/// The components of responsibilities: `share[i]` of value `i` belongs to the second.
fn maximize(values: &[f64], share: &[f64]) -> [Gaussian; 2] {
    let of = |second: bool| {
        let part = |share: f64| if second { share } else { 1.0 - share };
        let count = share.iter().map(|&s| part(s)).sum::<f64>() + 10.0 * f64::EPSILON;
        let mean = values.iter().zip(share).map(|(&x, &s)| part(s) * x).sum::<f64>() / count;
        let square = values.iter().zip(share).map(|(&x, &s)| part(s) * (x - mean).powi(2)).sum::<f64>() / count;
        Gaussian { weight: count / values.len().max(1) as f64, mean, variance: square + REGULARIZATION }
    };
    [of(false), of(true)]
}

/// The largest value of the lower part of the best split into two by squared distances to the parts' means.
fn two_means_threshold(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let total: f64 = sorted.iter().sum();
    let count = sorted.len() as f64;
    let (mut below, mut best) = (0.0, None);
    for split in 1..sorted.len() {
        below += sorted[split - 1];
        let (low, high) = (split as f64, count - split as f64);
        // Less squared distance within means more between.
        let between = below * below / low + (total - below).powi(2) / high;
        if best.is_none_or(|(most, _)| between > most) {
            best = Some((between, sorted[split - 1]));
        }
    }
    best.map(|(_, threshold)| threshold)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use vireid_compare::assert_near;

    fn losses() -> Vec<f64> {
        let raw = [0.20, 0.35, 0.25, 0.60, 0.42, 3.10, 4.40, 3.90, 0.52, 0.31, 1.60, 2.20];
        raw.iter().map(|x| (x - 0.20) / (4.40 - 0.20)).collect()
    }

    #[track_caller]
    fn near(got: f64, expected: f64) {
        assert_near(got, expected, 2e-6);
    }

    /// Against scikit-learn, from the exact 2-means split.
    #[test]
    fn from_the_best_split() {
        let fitted = TwoGaussians::fit(&losses()).unwrap();
        assert_eq!(fitted.iterations, 5);
        let [low, high] = fitted.components;
        near(low.weight, 0.578_288);
        near(high.weight, 0.421_712);
        near(low.mean, 0.042_371);
        near(high.mean, 0.668_810);
        near(low.variance, 0.001_505);
        near(high.variance, 0.065_192);
        let expected = [0.993_531, 0.994_828, 0.994_521, 0.978_007, 0.993_825, 0.0, 0.0, 0.0, 0.989_160, 0.994_934];
        for (value, expected) in losses().into_iter().zip(expected) {
            near(fitted.low_posterior(value), expected);
        }
    }

    /// Against scikit-learn, from another split: the loose tolerance leaves another result.
    #[test]
    fn the_start_matters() {
        let high: Vec<bool> = (0..12).map(|i| [5, 6, 7].contains(&i)).collect();
        let fitted = TwoGaussians::fit_from(&losses(), &high);
        assert_eq!(fitted.iterations, 2);
        near(fitted.components[0].mean, 0.118_852);
        near(fitted.components[1].mean, 0.843_191);
        near(fitted.low_posterior(losses()[10]), 0.997_780);
        near(fitted.low_posterior(losses()[11]), 0.814_714);
    }

    #[test]
    fn too_few_values_and_equal_ones() {
        assert_eq!(TwoGaussians::fit(&[]), None);
        assert_eq!(TwoGaussians::fit(&[1.0]), None);
        let equal = TwoGaussians::fit(&[0.5; 4]).unwrap();
        assert!((0.0..=1.0).contains(&equal.low_posterior(0.5)));
    }

    proptest! {
        #[test]
        fn posteriors_are_probabilities(values in prop::collection::vec(0.0f64..1.0, 2..40)) {
            let fitted = TwoGaussians::fit(&values).unwrap();
            for value in values {
                prop_assert!((0.0..=1.0).contains(&fitted.low_posterior(value)));
            }
        }
    }
}
