//! Which clusters of the two modalities are the same people.

use crate::{ClusterId, Infrared, Visible};

/// Which visible and which infrared clusters are taken for the same people: a many-to-many relation.
///
/// ```
/// use vireid_core::{Association, ClusterId};
///
/// let both = Association::from_fn(1, 2, |_infrared, _visible| true);
/// assert_eq!(both.visible_of(ClusterId::new(0)), [ClusterId::new(0), ClusterId::new(1)]);
/// assert_eq!(both.infrared_of(ClusterId::new(1)), [ClusterId::new(0)]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Association {
    visible_of_infrared: Vec<Vec<ClusterId<Visible>>>,
    infrared_of_visible: Vec<Vec<ClusterId<Infrared>>>,
}

impl Association {
    /// Builds the relation of `infrared` x `visible` clusters from a membership test.
    pub fn from_fn(infrared: usize, visible: usize, associated: impl Fn(usize, usize) -> bool) -> Self {
        let mut visible_of_infrared = vec![Vec::new(); infrared];
        let mut infrared_of_visible = vec![Vec::new(); visible];
        for (i, partners) in visible_of_infrared.iter_mut().enumerate() {
            for (v, back) in infrared_of_visible.iter_mut().enumerate() {
                if associated(i, v) {
                    partners.push(ClusterId::new(v));
                    back.push(ClusterId::new(i));
                }
            }
        }
        Self { visible_of_infrared, infrared_of_visible }
    }

    /// Number of infrared and of visible clusters.
    pub fn shape(&self) -> (usize, usize) {
        (self.visible_of_infrared.len(), self.infrared_of_visible.len())
    }

    /// Visible partners of an infrared cluster, ascending.
    pub fn visible_of(&self, infrared: ClusterId<Infrared>) -> &[ClusterId<Visible>] {
        &self.visible_of_infrared[infrared.index()]
    }

    /// Infrared partners of a visible cluster, ascending.
    pub fn infrared_of(&self, visible: ClusterId<Visible>) -> &[ClusterId<Infrared>] {
        &self.infrared_of_visible[visible.index()]
    }

    /// Every pair, ordered by infrared, then visible cluster.
    pub fn pairs(&self) -> impl Iterator<Item = (ClusterId<Infrared>, ClusterId<Visible>)> + '_ {
        self.visible_of_infrared
            .iter()
            .enumerate()
            .flat_map(|(i, partners)| partners.iter().map(move |&v| (ClusterId::new(i), v)))
    }

    /// Number of associated pairs.
    pub fn len(&self) -> usize {
        self.visible_of_infrared.iter().map(Vec::len).sum()
    }

    /// Whether no pair is associated.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
