//! What a protocol is.

use std::fmt::Debug;

use vireid_core::Embeddings;

use crate::{Annotations, Cosine, Distances, EvalError, Score};

/// The searches of protocols in which each modality queries the other.
pub(crate) const BOTH_WAYS: [&str; 2] = ["visible-to-infrared", "infrared-to-visible"];

/// How a test is scored: who queries whom, with which galleries, and what counts as found.
///
/// A data set's test names one. Yours may be one that is not here: implement this and hand it over with the test images.
pub trait Protocol: Debug + Send + Sync {
    /// The name that people know it by.
    fn name(&self) -> &'static str;

    /// Search modes or directions: [`Score::search`] of each score, in their order.
    fn searches(&self) -> &[&'static str];

    /// Splits into training and test that are trained for one by one, numbered from 1; figures are means over them.
    fn splits(&self) -> u32 {
        1
    }

    /// Scores the embeddings of all test images, ranked by the cosine: see [`score_by`](Self::score_by).
    ///
    /// # Errors
    ///
    /// Those of [`score_by`](Self::score_by).
    fn score(
        &self,
        visible: &Embeddings,
        on_visible: &Annotations,
        infrared: &Embeddings,
        on_infrared: &Annotations,
        trials: u32,
    ) -> Result<Vec<Score>, EvalError> {
        self.score_by(visible, on_visible, infrared, on_infrared, trials, &Cosine)
    }

    /// Scores the embeddings of all test images, ranked by some distances; one score for each of [`searches`](Self::searches).
    ///
    /// `trials` is how many galleries are drawn and averaged, where the protocol draws any.
    ///
    /// # Shapes
    ///
    /// `visible` and `infrared` have one row of length 1 per test image of their modality, in the order of `on_visible` and
    /// `on_infrared`, which say who is on each image and which camera took it.
    ///
    /// # Errors
    ///
    /// `VR0401` when no query has a match, `VR0402` when lengths do not agree.
    fn score_by(
        &self,
        visible: &Embeddings,
        on_visible: &Annotations,
        infrared: &Embeddings,
        on_infrared: &Annotations,
        trials: u32,
        distances: &dyn Distances,
    ) -> Result<Vec<Score>, EvalError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{llcm::LlcmProtocol, own::OwnProtocol, regdb::RegdbProtocol, sysu::SysuProtocol};
    use vireid_core::{Camera, Identity};

    fn scored(protocol: &dyn Protocol) -> Vec<Score> {
        let rows = Embeddings::new(vec![1.0, 0.0, 0.0, 1.0], 2, 2).unwrap();
        let on = |cameras: [u16; 2]| Annotations {
            identities: vec![Identity(1), Identity(2)],
            cameras: cameras.map(Camera).to_vec(),
        };
        protocol.score(&rows, &on([1, 2]), &rows, &on([3, 6]), 10).unwrap()
    }

    #[test]
    fn every_score_is_of_a_search_that_the_protocol_names() {
        let protocols: [&dyn Protocol; 4] = [&SysuProtocol, &RegdbProtocol, &LlcmProtocol, &OwnProtocol];
        for protocol in protocols {
            let scores = scored(protocol);
            let searches: Vec<&str> = scores.iter().map(|score| score.search.as_str()).collect();
            assert_eq!(searches, protocol.searches(), "{}", protocol.name());
        }
        let of = |protocol: &dyn Protocol| scored(protocol).iter().map(|score| score.trials).collect::<Vec<_>>();
        assert_eq!((of(&SysuProtocol), of(&RegdbProtocol)), (vec![10, 10], vec![1, 1]));
        assert_eq!((of(&LlcmProtocol), of(&OwnProtocol)), (vec![10, 10], vec![1, 1]));
        assert_eq!(protocols.map(Protocol::splits), [1, 10, 1, 1]);
    }
}
