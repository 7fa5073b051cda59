//! Writing a drawn world in SYSU-MM01's layouts.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use image::codecs::jpeg::JpegEncoder;
use rayon::prelude::*;
use vireid_core::Streams;

use super::{HEIGHT, WIDTH, World, WorldSpec};
use crate::DataError;
use crate::readers::{INFRARED_CAMERAS, VISIBLE_CAMERAS};

/// Quality of the written JPEG files.
const JPEG_QUALITY: u8 = 95;
/// The name of the file that says a folder is complete, and of what.
pub(crate) const STAMP: &str = "synthetic.txt";
/// The name of the file that says what is being drawn into a folder.
const BEGUN: &str = "synthetic.begun.txt";

/// How many people and images a world has.
#[derive(Debug, Clone, PartialEq)]
pub enum WorldSize {
    /// A small world. Most training identities were seen by all cameras; every test identity was, with 4 images per
    /// visible and 5 per infrared camera. (In LLCM's manner: a person was seen at four of the nine places, in training as
    /// often as is said here.)
    Small {
        /// How many identities the training part has.
        train: usize,
        /// How many identities the test part has, none of them in training.
        test: usize,
        /// Training images of an identity per visible camera that saw it.
        visible: usize,
        /// Training images of an identity per infrared camera that saw it.
        infrared: usize,
    },
    /// The imitated data set's own numbers: SYSU-MM01's of images per identity and camera; RegDB's 412 identities with ten
    /// images of either modality; LLCM's 1,064 identities with as many images as it has in all, spread evenly.
    Full,
}

/// Which of the two layouts to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SysuLayout {
    /// `cam1..cam6/<id>/<n>.jpg` with split lists in `exp/`.
    Original,
    /// `rgb_modify` and `ir_modify` with `<id>_c<camera>_<n>.jpg`.
    Converted,
}

/// One identity's place in the data set: its number, its split, and images per camera.
struct Entry {
    person: usize,
    identity: u32,
    is_train: bool,
    counts: [usize; 6],
}

/// Draws a world in SYSU-MM01's layout under `root`, unless the same one is there already. `progress` is called with
/// (written, total).
///
/// A folder that was left half-written is completed: its stamp is written last.
///
/// # Errors
///
/// `VR0108` when the file system refuses; `VR0110` when `root` holds another world, or anything else.
pub fn write_sysu(
    root: &Path,
    seed: u64,
    spec: &WorldSpec,
    layout: SysuLayout,
    progress: impl Fn(usize, usize) + Sync,
) -> Result<(), DataError> {
    let WorldSpec { size, dials } = spec;
    let stamp =
        format!("synthetic world in SYSU-MM01's layout\nversion 1\nseed {seed}\n{size:?}\n{dials:?}\n{layout:?}\n");
    let is_drawn = is_there(root, &stamp)?;
    let entries = entries(seed, size)?;
    let mut jobs: Vec<Job> = Vec::new();
    for entry in &entries {
        for (camera, &count) in entry.counts.iter().enumerate() {
            for instance in 0..count {
                let path = root.join(relative_path(entry, camera as u16 + 1, instance, layout));
                jobs.push((path, entry.person, camera, instance));
            }
        }
    }
    if is_drawn {
        // Images that got lost are drawn again: the same.
        jobs.retain(|(path, ..)| !path.is_file());
    }
    let world = World::sysu(seed, entries.len(), *dials);
    let mut folders: Vec<&Path> = jobs.iter().filter_map(|(path, ..)| path.parent()).collect();
    folders.dedup();
    let mut folders: Vec<PathBuf> = folders.into_iter().map(Path::to_path_buf).collect();
    folders.push(root.join("exp"));
    if layout == SysuLayout::Converted {
        for modality in ["rgb_modify", "ir_modify"] {
            folders.extend(
                ["bounding_box_train", "query", "bounding_box_test"].map(|part| root.join(modality).join(part)),
            );
        }
    }
    make_folders(&folders)?;
    write_jpegs(&world, &jobs, progress)?;
    if is_drawn {
        return Ok(());
    }
    write_lists(root, &entries)?;
    write_stamp(root)
}

/// An image to draw: where to, who, by which camera, which one.
pub(super) type Job = (PathBuf, usize, usize, usize);

/// Draws images into JPEG files; `progress` is called with (written, total).
pub(super) fn write_jpegs(
    world: &World,
    jobs: &[Job],
    progress: impl Fn(usize, usize) + Sync,
) -> Result<(), DataError> {
    let written = AtomicUsize::new(0);
    jobs.par_iter().try_for_each(|(path, person, camera, instance)| {
        let pixels = world.draw(*person, *camera, *instance)?;
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, JPEG_QUALITY)
            .encode(&pixels, WIDTH as u32, HEIGHT as u32, image::ExtendedColorType::Rgb8)
            .map_err(|error| DataError::World(error.to_string()))?;
        fs::write(path, jpeg).map_err(DataError::io("can't write", path))?;
        progress(written.fetch_add(1, Ordering::Relaxed) + 1, jobs.len());
        Ok(())
    })
}

/// Whether `root` holds this very world; otherwise it is marked as being drawn into. Another world there is an error, and so
/// is anything else: no other files are drawn over.
pub(super) fn is_there(root: &Path, stamp: &str) -> Result<bool, DataError> {
    let refuse = |what: &str| {
        Err(DataError::World(format!("{} holds {what}; name another folder or delete it", root.display())))
    };
    let begun = root.join(BEGUN);
    if let Ok(found) = fs::read_to_string(root.join(STAMP)) {
        return if found == stamp { Ok(true) } else { refuse("another world") };
    }
    if let Ok(found) = fs::read_to_string(&begun) {
        return if found == stamp { Ok(false) } else { refuse("a part of another world") };
    }
    if fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some()) {
        return refuse("something else");
    }
    make_folders(&[root.into()])?;
    fs::write(&begun, stamp).map_err(DataError::io("can't write", &begun))?;
    Ok(false)
}

/// Says that a world is complete: the last step.
pub(super) fn write_stamp(root: &Path) -> Result<(), DataError> {
    let path = root.join(STAMP);
    fs::rename(root.join(BEGUN), &path).map_err(DataError::io("can't write", &path))
}

pub(super) fn make_folders(folders: &[PathBuf]) -> Result<(), DataError> {
    folders.iter().try_for_each(|folder| fs::create_dir_all(folder).map_err(DataError::io("can't make folder", folder)))
}

fn relative_path(entry: &Entry, camera: u16, instance: usize, layout: SysuLayout) -> PathBuf {
    let (identity, number) = (entry.identity, instance + 1);
    match layout {
        SysuLayout::Original => format!("cam{camera}/{identity:04}/{number:04}.jpg").into(),
        SysuLayout::Converted => {
            let modality = if INFRARED_CAMERAS.contains(&camera) { "ir_modify" } else { "rgb_modify" };
            // The first four test images of an identity in the modality's listing are its queries.
            let cameras: &[u16] = if INFRARED_CAMERAS.contains(&camera) { &INFRARED_CAMERAS } else { &VISIBLE_CAMERAS };
            let before: usize =
                cameras.iter().filter(|&&c| c < camera).map(|&c| entry.counts[usize::from(c) - 1]).sum();
            let part = match entry.is_train {
                true => "bounding_box_train",
                false if before + instance < 4 => "query",
                false => "bounding_box_test",
            };
            format!("{modality}/{part}/{identity:04}_c{camera}_{number:04}.jpg").into()
        }
    }
}

/// Writes `exp/`: three quarters of the training identities to `train_id.txt`, the rest to `val_id.txt`, as in the
/// released data set, where both are trained on.
fn write_lists(root: &Path, entries: &[Entry]) -> Result<(), DataError> {
    let of = |is_train: bool| -> Vec<u32> {
        let mut list: Vec<u32> = entries.iter().filter(|e| e.is_train == is_train).map(|e| e.identity).collect();
        list.sort_unstable();
        list
    };
    let train = of(true);
    let (train, val) = train.split_at(train.len() * 3 / 4);
    for (file, list) in [("train_id.txt", train), ("val_id.txt", val), ("test_id.txt", &of(false)[..])] {
        let line = list.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let path = root.join("exp").join(file);
        fs::write(&path, line + "\n").map_err(DataError::io("can't write", &path))?;
    }
    Ok(())
}

fn entries(seed: u64, size: &WorldSize) -> Result<Vec<Entry>, DataError> {
    let streams = Streams::new(seed);
    match size {
        WorldSize::Small { train, test, visible, infrared } => {
            // Shuffled, so that people who share outfits are found on both sides of the split.
            let mut people: Vec<usize> = (0..train + test).collect();
            streams.stream("world.split", [0; 3]).shuffle(&mut people);
            let entry = |(position, person): (usize, usize)| {
                let is_train = position < *train;
                let mut stream = streams.stream("world.presence", [person as u64, 0, 0]);
                let counts =
                    if is_train { small_train_counts(*visible, *infrared, &mut stream) } else { [4, 4, 5, 4, 4, 5] };
                Entry { person, identity: position as u32 + 1, is_train, counts }
            };
            Ok(people.into_iter().enumerate().map(entry).collect())
        }
        WorldSize::Full => full_counts(),
    }
}

fn small_train_counts(visible: usize, infrared: usize, stream: &mut vireid_core::Stream) -> [usize; 6] {
    let mut counts = [0; 6];
    for camera in VISIBLE_CAMERAS {
        counts[usize::from(camera) - 1] = if stream.chance(0.9) { visible } else { 0 };
    }
    if counts.iter().filter(|&&count| count > 0).count() < 2 {
        (counts[0], counts[3]) = (visible, visible);
    }
    for camera in INFRARED_CAMERAS {
        counts[usize::from(camera) - 1] = if stream.chance(0.92) { infrared } else { 0 };
    }
    if counts[2] + counts[5] == 0 {
        counts[2] = infrared;
    }
    counts
}

/// Images per identity and camera of SYSU-MM01: `id,split,cam1,...,cam6`.
const SYSU_COUNTS: &str = include_str!("sysu_counts.csv");

fn full_counts() -> Result<Vec<Entry>, DataError> {
    let mut by_identity = BTreeMap::new();
    for line in SYSU_COUNTS.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let numbers: Option<Vec<usize>> = fields.iter().skip(2).map(|field| field.trim().parse().ok()).collect();
        let parsed = fields.first().and_then(|id| id.parse::<u32>().ok()).zip(numbers);
        let Some((identity, numbers)) = parsed.filter(|(_, numbers)| numbers.len() == 6) else {
            return Err(DataError::World(format!("the table of counts is damaged at '{line}'")));
        };
        let mut counts = [0; 6];
        counts.copy_from_slice(&numbers);
        // Some identities of the released folders are in no split.
        match fields[1] {
            "train" | "val" => by_identity.insert(identity, (true, counts)),
            "test" => by_identity.insert(identity, (false, counts)),
            _ => None,
        };
    }
    let entry = |(person, (identity, (is_train, counts)))| Entry { person, identity, is_train, counts };
    Ok(by_identity.into_iter().enumerate().map(entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sample;
    use crate::readers::{read_sysu, read_sysu_converted};
    use vireid_core::PerModality;

    fn tiny() -> WorldSpec {
        WorldSpec { size: WorldSize::Small { train: 6, test: 3, visible: 5, infrared: 6 }, ..WorldSpec::sysu() }
    }

    #[test]
    fn the_full_world_has_the_published_counts() {
        let entries = full_counts().unwrap();
        let images = |train: bool, cameras: &[u16]| -> usize {
            let of = |e: &Entry| cameras.iter().map(|&c| e.counts[usize::from(c) - 1]).sum::<usize>();
            entries.iter().filter(|e| e.is_train == train).map(of).sum()
        };
        assert_eq!(entries.iter().filter(|e| e.is_train).count(), 395);
        assert_eq!((images(true, &VISIBLE_CAMERAS), images(true, &INFRARED_CAMERAS)), (22_258, 11_909));
        assert_eq!(images(false, &INFRARED_CAMERAS), 3_803);
    }

    #[test]
    fn both_layouts_hold_the_same_images() {
        let folder = tempfile::tempdir().unwrap();
        let (original, converted) = (folder.path().join("original"), folder.path().join("converted"));
        write_sysu(&original, 1, &tiny(), SysuLayout::Original, |_, _| ()).unwrap();
        write_sysu(&converted, 1, &tiny(), SysuLayout::Converted, |_, _| ()).unwrap();
        let (a, b) = (read_sysu(&original).unwrap(), read_sysu_converted(&converted).unwrap());
        assert_eq!((a.notes.len(), b.notes.len()), (0, 0), "{:?} {:?}", a.notes, b.notes);
        let key = |sample: &Sample| (sample.identity, sample.camera, fs::read(&sample.path).unwrap());
        let keys = |samples: &[Sample]| {
            let mut keys: Vec<_> = samples.iter().map(key).collect();
            keys.sort();
            keys
        };
        assert!(a.train.visible.len() > 60 && a.train.infrared.len() > 30);
        assert_eq!(keys(&a.train.visible), keys(&b.train.visible));
        assert_eq!(keys(&a.train.infrared), keys(&b.train.infrared));
        let PerModality { visible: pool, infrared: queries } = a.test.images();
        let PerModality { visible: p, infrared: q } = b.test.images();
        assert_eq!((queries.len(), pool.len()), (3 * 10, 3 * 16));
        assert_eq!(keys(queries), keys(q));
        // The order of a gallery's draws: by identity, camera, file.
        let order = |samples: &[Sample]| {
            let mut sorted: Vec<_> =
                samples.iter().map(|s| (s.identity, s.camera, fs::read(&s.path).unwrap())).collect();
            sorted.sort_by_key(|(identity, camera, _)| (*identity, *camera));
            sorted
        };
        assert_eq!(order(pool), order(p));
    }

    #[test]
    fn a_second_call_keeps_the_world_and_another_world_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let calls = AtomicUsize::new(0);
        let count = |_, _| {
            calls.fetch_add(1, Ordering::Relaxed);
        };
        write_sysu(folder.path(), 1, &tiny(), SysuLayout::Original, count).unwrap();
        let first = calls.load(Ordering::Relaxed);
        write_sysu(folder.path(), 1, &tiny(), SysuLayout::Original, count).unwrap();
        assert_eq!(calls.load(Ordering::Relaxed), first);
        // One that got lost is drawn again, the same.
        let lost = read_sysu(folder.path()).unwrap().train.visible[0].path.clone();
        let before = fs::read(&lost).unwrap();
        fs::remove_file(&lost).unwrap();
        write_sysu(folder.path(), 1, &tiny(), SysuLayout::Original, count).unwrap();
        assert_eq!((fs::read(&lost).unwrap(), calls.load(Ordering::Relaxed)), (before, first + 1));
        let other = write_sysu(folder.path(), 2, &tiny(), SysuLayout::Original, count);
        assert!(other.unwrap_err().to_string().starts_with("VR0110"));
    }

    /// A folder with photographs in the same layout was drawn over.
    #[test]
    fn nothing_is_drawn_into_a_folder_that_holds_something_else() {
        let folder = tempfile::tempdir().unwrap();
        let photograph = folder.path().join("cam1/0001/0001.jpg");
        fs::create_dir_all(photograph.parent().unwrap()).unwrap();
        fs::write(&photograph, "a photograph").unwrap();
        let refused = write_sysu(folder.path(), 1, &tiny(), SysuLayout::Original, |_, _| ()).unwrap_err().to_string();
        assert!(refused.starts_with("VR0110") && refused.contains("something else"), "{refused}");
        assert_eq!(fs::read_to_string(photograph).unwrap(), "a photograph");
    }

    #[test]
    fn a_world_that_was_begun_is_completed_and_no_other_mixed_in() {
        let folder = tempfile::tempdir().unwrap();
        let draw = |seed| write_sysu(folder.path(), seed, &tiny(), SysuLayout::Original, |_, _| ());
        draw(1).unwrap();
        fs::rename(folder.path().join(STAMP), folder.path().join(BEGUN)).unwrap();
        assert!(draw(2).unwrap_err().to_string().contains("a part of another world"));
        draw(1).unwrap();
        assert!(folder.path().join(STAMP).exists() && !folder.path().join(BEGUN).exists());
    }
}
