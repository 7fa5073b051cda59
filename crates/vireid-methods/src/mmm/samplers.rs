//! The batches of stage 3.

use vireid_core::{PerModality, Stream};
use vireid_data::DataError;
use vireid_data::sampler::StepPlan;

use super::matching::MatchedLabels;

/// Positions of the images that have a label, by modality.
pub fn labelled(labels: &MatchedLabels) -> PerModality<Vec<usize>> {
    let of = |labels: &[Option<usize>]| (0..labels.len()).filter(|&position| labels[position].is_some()).collect();
    PerModality { visible: of(&labels.labels.visible), infrared: of(&labels.labels.infrared) }
}

/// Batches of `ids` labels with `images` images of either modality each, as many batches as one pass over the larger
/// modality takes, rounded down, and one.
///
/// Labels are drawn among those of visible images; one with fewer than `images` images of either modality is drawn again,
/// and may then come twice.
///
/// # Errors
///
/// `VR0107` when fewer than `ids` visible labels exist or none has enough images of both modalities.
pub fn matched_batches(
    matched: &MatchedLabels,
    ids: usize,
    images: usize,
    stream: &mut Stream,
) -> Result<Vec<StepPlan>, DataError> {
    let members = matched.labels.as_ref().map(|labels| {
        let mut members = vec![Vec::new(); matched.classes];
        for (position, label) in labels.iter().enumerate() {
            label.iter().for_each(|&label| members[label].push(position));
        }
        members
    });
    let of_visible: Vec<usize> = (0..matched.classes).filter(|&label| !members.visible[label].is_empty()).collect();
    let qualifies = |label: usize| members.visible[label].len() >= images && members.infrared[label].len() >= images;
    let lawful = of_visible.iter().filter(|&&label| qualifies(label)).count();
    let remedy = match (of_visible.len() < ids, lawful == 0) {
        (false, false) => None,
        (true, false) => Some("lower settings.ids_per_batch"),
        (false, true) => Some("lower settings.images_per_id"),
        (true, true) => Some("lower settings.ids_per_batch and settings.images_per_id"),
    };
    if let Some(remedy) = remedy {
        return Err(DataError::TooFewShared { found: lawful, needed: ids, remedy });
    }
    let all = labelled(matched);
    let larger = all.visible.len().max(all.infrared.len());
    Ok((0..larger / (ids * images) + 1)
        .map(|_| {
            let mut plan = StepPlan::default();
            for mut pick in stream.distinct(of_visible.len(), ids) {
                while !qualifies(of_visible[pick]) {
                    pick = stream.below(of_visible.len());
                }
                let label = of_visible[pick];
                let draw = |of: &[usize], stream: &mut Stream| -> Vec<usize> {
                    (0..images).map(|_| of[stream.below(of.len())]).collect()
                };
                plan.visible.extend(draw(&members.visible[label], stream));
                plan.infrared.extend(draw(&members.infrared[label], stream));
            }
            plan
        })
        .collect())
}

/// Positions that the released code adds to the longer list: 14 for SYSU-MM01, 20 for RegDB, so that their full sizes
/// are whole numbers of batches.
fn released_extension(cameras: usize) -> usize {
    if cameras > 1 { 14 } else { 20 }
}

/// Batches that visit all labelled images, the two modalities shuffled and unrelated.
///
/// The shorter list is repeated to the length of the longer, and both to whole batches. With `incomplete` as the released
/// code does: a constant number of images is added, the last batch dropped.
///
/// # Errors
///
/// `VR0107` when a modality has no labelled image.
pub fn whole_set_batches(
    matched: &MatchedLabels,
    batch: usize,
    incomplete: bool,
    visible_cameras: usize,
    stream: &mut Stream,
) -> Result<Vec<StepPlan>, DataError> {
    let all = labelled(matched);
    if all.visible.is_empty() || all.infrared.is_empty() {
        return Err(DataError::TooFewShared { found: 0, needed: 1, remedy: "" });
    }
    let larger = all.visible.len().max(all.infrared.len());
    let length = match incomplete {
        true => all.visible.len() + released_extension(visible_cameras),
        false => larger.div_ceil(batch) * batch,
    };
    let mut order = |of: &[usize]| {
        let mut extended: Vec<usize> = of.iter().copied().cycle().take(length.max(of.len())).collect();
        stream.shuffle(&mut extended);
        extended
    };
    let (visible, infrared) = (order(&all.visible), order(&all.infrared));
    let steps = visible.chunks_exact(batch).zip(infrared.chunks_exact(batch));
    Ok(steps.map(|(v, i)| StepPlan { visible: v.to_vec(), infrared: i.to_vec(), part: 0 }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_core::Streams;

    /// They named settings of the other stages, which change nothing here.
    #[test]
    fn too_few_labels_name_the_settings_of_this_stage() {
        let of = |classes: usize, images: usize| MatchedLabels {
            labels: PerModality {
                visible: (0..classes * images).map(|image| Some(image % classes)).collect(),
                infrared: (0..classes * images).map(|image| Some(image % classes)).collect(),
            },
            classes,
        };
        for (classes, images, says) in [
            (3, 4, "lower settings.ids_per_batch"),
            (6, 2, "lower settings.images_per_id"),
            (3, 2, "lower settings.ids_per_batch and settings.images_per_id"),
        ] {
            let mut stream = Streams::new(0).stream("test", [0; 3]);
            let error = matched_batches(&of(classes, images), 6, 4, &mut stream).unwrap_err().to_string();
            assert!(error.starts_with("VR0107") && error.ends_with(says) && !error.contains("sampler."), "{error}");
        }
        let nothing = MatchedLabels { labels: PerModality { visible: vec![], infrared: vec![] }, classes: 0 };
        let mut stream = Streams::new(0).stream("test", [0; 3]);
        let error = whole_set_batches(&nothing, 8, false, 1, &mut stream).unwrap_err().to_string();
        assert!(error.starts_with("VR0107") && !error.contains("sampler.") && !error.ends_with("or "), "{error}");
    }
}
