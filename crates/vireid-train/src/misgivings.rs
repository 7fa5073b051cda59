//! What speaks against an epoch's labels, judged without identities: on data of one's own nothing else can be looked at.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use vireid_core::{Camera, Modality, PerModality};

use crate::epoch::Labelling;

/// Share of a modality's images without a cluster from which on training learns from a minority.
const MOSTLY: f64 = 0.5;
/// Share of a camera's images in one cluster from which on it can't be one person, unless the camera saw hardly anyone else.
const MELTED: f64 = 0.5;
/// Fewest images of a camera that say something about a share of them.
const FEW_IMAGES: usize = 20;
/// Adjusted Rand index between two epochs below which nothing of the one is left in the other.
const UNSTABLE: f64 = 0.2;

/// A reason not to trust an epoch's labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Misgiving {
    /// What kind of reason it is.
    pub kind: MisgivingKind,
    /// What was seen, and which setting to change.
    pub sentence: String,
}

/// Kinds of reasons not to trust labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MisgivingKind {
    /// No cluster holds images of both modalities, or has a partner in the other one.
    NothingShared,
    /// Most images of a modality are in no cluster.
    MostlyNoise,
    /// A cluster holds most of a camera's images.
    Melted,
    /// What ties the modalities together has little to do with what did in the epoch before.
    Unstable,
}

impl MisgivingKind {
    /// Its name, as in the events.
    pub fn name(self) -> &'static str {
        match self {
            Self::NothingShared => "nothing_shared",
            Self::MostlyNoise => "mostly_noise",
            Self::Melted => "melted",
            Self::Unstable => "unstable",
        }
    }
}

/// The settings that decide about labels, by their keys in a configuration: what a warning names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelKeys {
    /// The radius within each modality.
    pub eps: PerModality<String>,
    /// The radius of the joint clustering; empty where the stage has none.
    pub joint_eps: String,
    /// How many neighbours make a core sample.
    pub min_samples: String,
}

impl Default for LabelKeys {
    /// The keys that most methods have, without a joint clustering.
    fn default() -> Self {
        let eps = |modality: Modality| format!("clustering.eps.{modality}");
        Self {
            eps: PerModality { visible: eps(Modality::Visible), infrared: eps(Modality::Infrared) },
            joint_eps: String::new(),
            min_samples: "clustering.min_samples".into(),
        }
    }
}

/// What speaks against the labels. `cameras` are those of the images; `tied` is what [`ties`] the modalities together, and
/// `stability` the adjusted Rand index between that and the same of the epoch before, where it is known.
pub(crate) fn misgivings(
    labelling: &Labelling<'_>,
    cameras: &PerModality<Vec<Camera>>,
    tied: Option<&PerModality<Vec<Option<usize>>>>,
    stability: Option<f64>,
) -> Vec<Misgiving> {
    let keys = &labelling.keys;
    let mut found = Vec::new();
    let mut add = |kind, sentence| found.push(Misgiving { kind, sentence });
    let widen = |eps: &str| match eps {
        "" => format!("lower {}, to 2 where people have two or three images", keys.min_samples),
        eps => format!("raise {eps}, or lower {}, to 2 where people have two or three images", keys.min_samples),
    };
    let has_both = !labelling.labels.visible.is_empty() && !labelling.labels.infrared.is_empty();
    if has_both && tied.is_some_and(|tied| !is_any_shared(tied)) {
        let what = match labelling.joint {
            Some(_) => "joint cluster holds images of both modalities",
            None => "cluster has a partner in the other modality",
        };
        let remedy = widen(&keys.joint_eps);
        add(MisgivingKind::NothingShared, format!("no {what}, so nothing ties the two together: {remedy}"));
    }
    for modality in Modality::ALL {
        let labels = *labelling.labels.get(modality);
        let noise = labels.iter().filter(|label| label.is_none()).count();
        let eps = keys.eps.get(modality);
        if noise as f64 > MOSTLY * labels.len() as f64 {
            let (of, remedy) = (labels.len(), widen(eps));
            add(MisgivingKind::MostlyNoise, format!("{noise} of {of} {modality} images are in no cluster: {remedy}"));
        }
        if let Some((images, camera, of)) = largest_share(labels, cameras.get(modality)) {
            let sentence = format!(
                "one {modality} cluster holds {images} of the {of} images of camera {}: people have melted into one, or hardly anyone \
                 else passed it; lower {eps}",
                camera.0
            );
            add(MisgivingKind::Melted, sentence);
        }
    }
    if let Some(stability) = stability.filter(|&stability| stability < UNSTABLE) {
        let sentence = format!(
            "what ties the modalities together has little to do with the epoch before (adjusted Rand index {stability:.2}): the \
             network changes faster than its labels; a lower learning rate, or more steps per epoch before clustering again"
        );
        add(MisgivingKind::Unstable, sentence);
    }
    found
}

/// Labels in one space for both modalities: joint ones, or else infrared clusters, and for visible images their cluster's first
/// partner. `None` where nothing ties the modalities in this stage.
pub(crate) fn ties(labelling: &Labelling<'_>) -> Option<PerModality<Vec<Option<usize>>>> {
    if let Some(joint) = labelling.joint {
        return Some(PerModality { visible: joint.visible.to_vec(), infrared: joint.infrared.to_vec() });
    }
    let association = labelling.association?;
    let mut partner: HashMap<usize, usize> = HashMap::new();
    for (infrared, visible) in association.pairs() {
        let first = partner.entry(visible.index()).or_insert(infrared.index());
        *first = (*first).min(infrared.index());
    }
    let visible = labelling.labels.visible.iter();
    Some(PerModality {
        visible: visible.map(|label| label.and_then(|label| partner.get(&label).copied())).collect(),
        infrared: labelling.labels.infrared.to_vec(),
    })
}

fn is_any_shared(ties: &PerModality<Vec<Option<usize>>>) -> bool {
    let infrared: HashSet<usize> = ties.infrared.iter().flatten().copied().collect();
    ties.visible.iter().flatten().any(|label| infrared.contains(label))
}

/// The largest cluster of a camera, where it holds more than [`MELTED`] of its images: how many, of which camera, and how many that
/// has.
fn largest_share(labels: &[Option<usize>], cameras: &[Camera]) -> Option<(usize, Camera, usize)> {
    let (mut of_camera, mut of_cluster) = (HashMap::new(), HashMap::new());
    for (label, camera) in labels.iter().zip(cameras) {
        *of_camera.entry(*camera).or_insert(0usize) += 1;
        if let Some(label) = label {
            *of_cluster.entry((*camera, *label)).or_insert(0usize) += 1;
        }
    }
    let shares = of_cluster.into_iter().map(|((camera, label), images)| (images, camera, label, of_camera[&camera]));
    let melted = shares.filter(|&(images, .., of)| of >= FEW_IMAGES && images as f64 > MELTED * of as f64);
    let largest = melted.max_by_key(|&(images, camera, label, _)| (images, std::cmp::Reverse((camera, label))));
    largest.map(|(images, camera, _, of)| (images, camera, of))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(labelling: &Labelling<'_>, cameras: usize, stability: Option<f64>) -> Vec<MisgivingKind> {
        let of = |labels: &[Option<usize>]| (0..labels.len()).map(|i| Camera((i % cameras) as u16)).collect();
        let cameras = PerModality { visible: of(labelling.labels.visible), infrared: of(labelling.labels.infrared) };
        let tied = ties(labelling);
        misgivings(labelling, &cameras, tied.as_ref(), stability).into_iter().map(|misgiving| misgiving.kind).collect()
    }

    /// Thirty people with two images each.
    fn sound() -> Vec<Option<usize>> {
        (0..60).map(|image| Some(image / 2)).collect()
    }

    #[test]
    fn kinds_are_named_as_in_the_events() {
        use MisgivingKind::{Melted, MostlyNoise, NothingShared, Unstable};
        for kind in [NothingShared, MostlyNoise, Melted, Unstable] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }

    #[test]
    fn sound_labels_have_none() {
        let labels = sound();
        let own = PerModality { visible: &labels[..], infrared: &labels[..] };
        assert!(kinds(&Labelling { labels: own, ..Labelling::default() }, 2, None).is_empty());
        let joint = Labelling { labels: own, joint: Some(own), ..Labelling::default() };
        assert!(kinds(&joint, 2, Some(0.5)).is_empty());
        assert_eq!(kinds(&joint, 2, Some(0.1)), [MisgivingKind::Unstable]);
        assert!(kinds(&Labelling::default(), 1, None).is_empty(), "no image");
    }

    /// A foreign set with three infrared images per person: with `min_samples = 4` DMIC said nothing.
    #[test]
    fn clusters_of_one_modality_tie_nothing() {
        let labels = sound();
        let apart: Vec<Option<usize>> = labels.iter().map(|label| label.map(|label| label + 30)).collect();
        let joint = PerModality { visible: &labels[..], infrared: &apart[..] };
        let keys = LabelKeys { joint_eps: "settings.joint_eps".into(), ..LabelKeys::default() };
        let labelling = Labelling { labels: joint, joint: Some(joint), keys, ..Labelling::default() };
        assert_eq!(kinds(&labelling, 1, None), [MisgivingKind::NothingShared]);
        let cameras = PerModality { visible: vec![Camera(0); 60], infrared: vec![Camera(0); 60] };
        let tied = ties(&labelling);
        let said = &misgivings(&labelling, &cameras, tied.as_ref(), None)[0].sentence;
        assert!(said.contains("raise settings.joint_eps, or lower clustering.min_samples"), "{said}");
        let association = vireid_core::Association::from_fn(30, 30, |_, _| false);
        let none = Labelling { labels: joint, association: Some(&association), ..Labelling::default() };
        assert_eq!(kinds(&none, 1, None), [MisgivingKind::NothingShared]);
    }

    #[test]
    fn noise_and_melted_people_are_named_by_modality() {
        let labels = sound();
        let noise: Vec<Option<usize>> = labels.iter().map(|label| label.filter(|&label| label < 14)).collect();
        let labelling =
            Labelling { labels: PerModality { visible: &labels[..], infrared: &noise[..] }, ..Labelling::default() };
        assert_eq!(kinds(&labelling, 1, None), [MisgivingKind::MostlyNoise]);
        // One cluster has 22 of a camera's 30 images, and all that another camera took are too few to say anything.
        let melted: Vec<Option<usize>> = (0..60).map(|i| Some(if i % 2 == 0 && i < 44 { 99 } else { i })).collect();
        let labelling =
            Labelling { labels: PerModality { visible: &melted[..], infrared: &labels[..] }, ..Labelling::default() };
        assert_eq!(kinds(&labelling, 2, None), [MisgivingKind::Melted]);
        let few = [Some(0); 10];
        let labelling =
            Labelling { labels: PerModality { visible: &few[..], infrared: &few[..] }, ..Labelling::default() };
        assert!(kinds(&labelling, 1, None).is_empty());
    }
}
