//! How far the label of every image can be trusted.

use vireid_clustering::TwoGaussians;

/// Confidences of the images of one modality, one list per view, by position in the training list.
pub type Confidences = Vec<Vec<f32>>;

/// Turns the loss of every view of every image into a confidence: losses are scaled to [0, 1] view by view, a mixture of
/// two Gaussians is fitted to all views together, and the probability of the component with the smaller mean is the
/// confidence.
///
/// `losses[view][i]` belongs to the image at `positions[i]`; `None` has not been visited. Unvisited images keep the
/// confidence of `before` (at first 1), or with `minus_one` count as losses of -1, which also squeezes all others.
pub fn confidences(
    losses: &[Vec<Option<f32>>],
    positions: &[usize],
    before: &Confidences,
    minus_one: bool,
) -> Confidences {
    let mut result = before.clone();
    let mut scaled: Vec<Vec<Option<f64>>> = Vec::with_capacity(losses.len());
    for view in losses {
        let view: Vec<Option<f64>> =
            view.iter().map(|loss| loss.map(f64::from).or(minus_one.then_some(-1.0))).collect();
        let (low, high) =
            view.iter().flatten().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &x| (l.min(x), h.max(x)));
        let span = if high > low { high - low } else { 1.0 };
        scaled.push(view.into_iter().map(|loss| loss.map(|loss| (loss - low) / span)).collect());
    }
    let values: Vec<f64> = scaled.iter().flatten().flatten().copied().collect();
    let Some(mixture) = TwoGaussians::fit(&values) else { return result };
    for (confidence, view) in result.iter_mut().zip(&scaled) {
        for (&position, loss) in positions.iter().zip(view) {
            if let Some(loss) = loss {
                confidence[position] = mixture.low_posterior(*loss) as f32;
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_compare::assert_close;

    const RAW: [f32; 12] = [0.20, 0.35, 0.25, 0.60, 0.42, 3.10, 4.40, 3.90, 0.52, 0.31, 1.60, 2.20];

    /// Images that the pass left out: their released treatment against the repaired one, in numbers of scikit-learn's
    /// mixture.
    #[test]
    fn an_unvisited_image() {
        let positions: Vec<usize> = (0..12).collect();
        let mut losses: Vec<Option<f32>> = RAW.iter().map(|&loss| Some(loss)).collect();
        losses[3] = None;
        let before = vec![vec![0.25; 12]];
        let released = confidences(std::slice::from_ref(&losses), &positions, &before, true);
        assert_close(&[released[0][3], released[0][10]], &[0.999_950, 0.703_341], 2e-6);
        let repaired = confidences(&[losses], &positions, &before, false);
        assert_eq!(repaired[0][3], 0.25);
        assert!(repaired[0][10] < 0.01);
    }

    #[test]
    fn positions_are_those_of_the_list() {
        let losses = vec![vec![Some(0.1), Some(0.1), Some(5.0)]];
        let result = confidences(&losses, &[4, 1, 2], &vec![vec![1.0; 6]], false);
        assert!(result[0][4] > 0.9 && result[0][1] > 0.9 && result[0][2] < 0.1);
        assert_eq!((result[0][0], result[0][5]), (1.0, 1.0));
    }
}
