//! The protocol of your own data: both directions, all images, Rank-k counts images, as in [RegDB](crate::regdb)'s.

use vireid_core::Embeddings;

use crate::protocol::BOTH_WAYS;
use crate::regdb::both_directions;
use crate::{Annotations, Distances, EvalError, Protocol, Score};

/// The protocol of your own data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnProtocol;

impl Protocol for OwnProtocol {
    fn name(&self) -> &'static str {
        "own data"
    }

    fn searches(&self) -> &[&'static str] {
        &BOTH_WAYS
    }

    fn score_by(
        &self,
        visible: &Embeddings,
        on_visible: &Annotations,
        infrared: &Embeddings,
        on_infrared: &Annotations,
        _trials: u32,
        distances: &dyn Distances,
    ) -> Result<Vec<Score>, EvalError> {
        both_directions(BOTH_WAYS, (visible, &on_visible.identities), (infrared, &on_infrared.identities), distances)
    }
}
