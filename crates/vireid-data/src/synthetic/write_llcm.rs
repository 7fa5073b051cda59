//! Writing a drawn world in LLCM's layout.

use std::fs;
use std::path::{Path, PathBuf};

use vireid_core::Streams;

use super::world::LLCM_PLACES;
use super::write::{Job, is_there, make_folders, write_jpegs, write_stamp};
use super::{World, WorldSize, WorldSpec};
use crate::DataError;

/// Places at which a person was seen.
const SEEN_AT: usize = 4;
/// Test images of a person at a place in a small world, visible and infrared.
const SMALL_TEST: [usize; 2] = [4, 5];
/// LLCM's identities to train on and to test on.
const FULL_PEOPLE: [usize; 2] = [713, 351];
/// LLCM's images of both modalities to train on and to test on.
const FULL_IMAGES: [[usize; 2]; 2] = [[16_946, 13_975], [8_680, 7_166]];
/// Names of the modalities in folders and lists.
const MODALITIES: [&str; 2] = ["vis", "nir"];

/// Draws a world in LLCM's layout under `root`, or what is missing of it where the same one is there already: training images in
/// `vis/` and `nir/` with the lists `idx/train_vis.txt` and `idx/train_nir.txt`, test images in `test_vis/cam<c>/<id>/` and
/// `test_nir/cam<c>/<id>/` with `idx/test_id.txt`. `progress` is called with (written, total).
///
/// # Errors
///
/// `VR0108` when the file system refuses; `VR0110` when `root` holds another world.
pub fn write_llcm(
    root: &Path,
    seed: u64,
    spec: &WorldSpec,
    progress: impl Fn(usize, usize) + Sync,
) -> Result<(), DataError> {
    let stamp =
        format!("synthetic world in LLCM's layout\nversion 1\nseed {seed}\n{:?}\n{:?}\n", spec.size, spec.dials);
    let is_drawn = is_there(root, &stamp)?;
    let people = match spec.size {
        WorldSize::Small { train, test, .. } => [train, test],
        WorldSize::Full => FULL_PEOPLE,
    };
    let mut order: Vec<usize> = (0..people[0] + people[1]).collect();
    Streams::new(seed).stream("world.split", [0; 3]).shuffle(&mut order);
    let (mut jobs, mut lists): (Vec<Job>, [String; 2]) = Default::default();
    for (position, &person) in order.iter().enumerate() {
        let places = places(seed, person);
        let (part, place_in_part) = if position < people[0] { (0, position) } else { (1, position - people[0]) };
        for (modality, folder) in MODALITIES.into_iter().enumerate() {
            let counts = counts(&spec.size, part, modality, place_in_part, people[part]);
            for (&place, count) in places.iter().zip(counts) {
                for instance in 0..count {
                    let file = file(part, folder, position + 1, place + 1, instance + 1);
                    if part == 0 {
                        lists[modality] += &format!("{file} {position}\n");
                    }
                    jobs.push((root.join(file), person, place + modality * LLCM_PLACES, instance));
                }
            }
        }
    }
    if is_drawn {
        // Images that got lost are drawn again: the same.
        jobs.retain(|(path, ..)| !path.is_file());
    }
    let mut folders: Vec<PathBuf> = jobs.iter().filter_map(|(path, ..)| path.parent()).map(Path::to_path_buf).collect();
    folders.sort_unstable();
    folders.dedup();
    folders.push(root.join("idx"));
    make_folders(&folders)?;
    write_jpegs(&World::llcm(seed, order.len(), spec.dials), &jobs, progress)?;
    if is_drawn {
        return Ok(());
    }
    let tested: Vec<String> = (people[0] + 1..=order.len()).map(|identity| identity.to_string()).collect();
    let [visible, infrared] = lists;
    let lists = [("train_vis.txt", visible), ("train_nir.txt", infrared), ("test_id.txt", tested.join(",") + "\n")];
    for (name, text) in lists {
        let path = root.join("idx").join(name);
        fs::write(&path, text).map_err(DataError::io("can't write", &path))?;
    }
    write_stamp(root)
}

/// Where a person was seen, counted from 0, in order.
fn places(seed: u64, person: usize) -> [usize; SEEN_AT] {
    let mut all: [usize; LLCM_PLACES] = std::array::from_fn(|place| place);
    Streams::new(seed).stream("world.presence", [person as u64, 0, 0]).shuffle(&mut all);
    let mut places = [0; SEEN_AT];
    places.copy_from_slice(&all[..SEEN_AT]);
    places.sort_unstable();
    places
}

/// Images of a person at each place, where the person is one of `people` in training (`part` 0) or in the test.
fn counts(size: &WorldSize, part: usize, modality: usize, person: usize, people: usize) -> [usize; SEEN_AT] {
    match size {
        WorldSize::Small { visible, infrared, .. } => {
            [[*visible, *infrared], SMALL_TEST][part].map(|count| [count; SEEN_AT])[modality]
        }
        WorldSize::Full => {
            let share = |of: usize, parts: usize, number: usize| of * (number + 1) / parts - of * number / parts;
            let images = share(FULL_IMAGES[part][modality], people, person);
            std::array::from_fn(|place| share(images, SEEN_AT, place))
        }
    }
}

fn file(part: usize, modality: &str, identity: usize, camera: usize, number: usize) -> String {
    match part {
        0 => format!("{modality}/{identity:04}/{identity:04}_c{camera:02}_{number:04}.jpg"),
        _ => format!("test_{modality}/cam{camera}/{identity:04}/{number:04}.jpg"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use vireid_core::PerModality;

    use super::*;
    use crate::Sample;
    use crate::readers::read_llcm;

    #[test]
    fn a_world_as_the_reader_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let size = WorldSize::Small { train: 3, test: 2, visible: 2, infrared: 3 };
        let spec = WorldSpec { size, ..WorldSpec::llcm() };
        write_llcm(folder.path(), 1, &spec, |_, _| ()).unwrap();
        let dataset = read_llcm(folder.path()).unwrap();
        assert!(dataset.synthetic && dataset.notes.is_empty(), "{:?}", dataset.notes);
        assert_eq!((dataset.train.visible.len(), dataset.train.infrared.len()), (3 * 4 * 2, 3 * 4 * 3));
        let PerModality { visible, infrared } = dataset.test.images();
        assert_eq!((visible.len(), infrared.len()), (2 * 4 * 4, 2 * 4 * 5));
        // A person was seen by the same cameras in both modalities, and by no more than four.
        let seen = |samples: &[Sample]| samples.iter().map(|s| (s.identity, s.camera)).collect::<BTreeSet<_>>();
        assert_eq!(seen(&dataset.train.visible), seen(&dataset.train.infrared));
        assert_eq!((seen(visible).len(), seen(infrared).len()), (2 * 4, 2 * 4));
        // A second call finds it, one that got lost is drawn again, another world is refused.
        let lost = &dataset.train.infrared[0].path;
        let before = fs::read(lost).unwrap();
        fs::remove_file(lost).unwrap();
        write_llcm(folder.path(), 1, &spec, |done, total| assert_eq!((done, total), (1, 1))).unwrap();
        assert_eq!(fs::read(lost).unwrap(), before);
        assert!(write_llcm(folder.path(), 2, &spec, |_, _| ()).unwrap_err().to_string().starts_with("VR0110"));
    }

    #[test]
    fn the_full_world_has_the_published_counts() {
        for part in 0..2 {
            let people = FULL_PEOPLE[part];
            let images = |modality: usize| -> usize {
                (0..people).flat_map(|person| counts(&WorldSize::Full, part, modality, person, people)).sum()
            };
            assert_eq!([images(0), images(1)], FULL_IMAGES[part]);
        }
        assert_eq!(FULL_IMAGES.concat().iter().sum::<usize>(), 46_767);
    }
}
