//! Tags that tell the clusters of different sets apart in the type checker.

use std::fmt;
use std::hash::Hash;

use crate::{Infrared, Visible};

/// What tells clusters of different sets of samples apart in the type checker: a [`ClusterId`](crate::ClusterId) of one
/// tag can't stand where one of another tag is expected.
///
/// [`Visible`] and [`Infrared`] are the tags of the two modalities, `()` is that of a single set. Your own sets get tags
/// of your own:
///
/// ```
/// use vireid_core::{ClusterTag, PseudoLabels};
///
/// #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
/// struct Portraits;
/// impl ClusterTag for Portraits {
///     const NAME: &'static str = "portrait";
/// }
/// let gap = PseudoLabels::<Portraits>::new(&[Some(1)]).unwrap_err();
/// assert!(gap.to_string().starts_with("VR0003: portrait clusters"));
/// ```
pub trait ClusterTag: Copy + fmt::Debug + Eq + Hash + Ord + Send + Sync + 'static {
    /// The word that stands before "clusters" in messages; empty where there is only one set.
    const NAME: &'static str;
}

impl ClusterTag for () {
    const NAME: &'static str = "";
}

impl ClusterTag for Visible {
    const NAME: &'static str = "visible";
}

impl ClusterTag for Infrared {
    const NAME: &'static str = "infrared";
}
