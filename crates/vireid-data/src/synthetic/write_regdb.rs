//! Writing a drawn world in RegDB's layout.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use image::ExtendedColorType;
use image::codecs::bmp::BmpEncoder;
use rayon::prelude::*;
use vireid_core::Streams;

use super::write::{is_there, make_folders, write_stamp};
use super::{HEIGHT, WIDTH, World, WorldSize, WorldSpec};
use crate::DataError;

/// Splits into training and test identities, each with its own lists.
const TRIALS: u64 = 10;
/// Identities of RegDB, and images of each in either modality.
const FULL: (usize, usize) = (412, 10);
/// Folders of the two modalities, and their names in the lists.
const MODALITIES: [(&str, &str); 2] = [("Visible", "visible"), ("Thermal", "thermal")];

/// Draws a world in RegDB's layout under `root`, or what is missing of it where the same one is there already:
/// `Visible/<id>/<n>.bmp`, `Thermal/<id>/<n>.bmp`, and for each of ten trials the lists of a random split in `idx/`.
/// `progress` is called with (written, total).
///
/// # Errors
///
/// `VR0108` when the file system refuses; `VR0110` when `root` holds another world.
pub fn write_regdb(
    root: &Path,
    seed: u64,
    spec: &WorldSpec,
    progress: impl Fn(usize, usize) + Sync,
) -> Result<(), DataError> {
    let stamp =
        format!("synthetic world in RegDB's layout\nversion 2\nseed {seed}\n{:?}\n{:?}\n", spec.size, spec.dials);
    let is_drawn = is_there(root, &stamp)?;
    let (train, people, images) = match spec.size {
        WorldSize::Small { train, test, visible, infrared } => (train, train + test, [visible, infrared]),
        WorldSize::Full => (FULL.0 / 2, FULL.0, [FULL.1; 2]),
    };
    let world = World::regdb(seed, people, spec.dials);
    let mut jobs: Vec<(PathBuf, usize, usize, usize)> = Vec::new();
    let mut folders = vec![root.join("idx")];
    for person in 0..people {
        for (camera, (folder, _)) in MODALITIES.iter().enumerate() {
            folders.push(root.join(folder).join((person + 1).to_string()));
            jobs.extend((0..images[camera]).map(|n| (root.join(image(folder, person, n)), person, camera, n)));
        }
    }
    if is_drawn {
        // Images that got lost are drawn again: the same.
        jobs.retain(|(path, ..)| !path.is_file());
    }
    make_folders(&folders)?;
    let written = AtomicUsize::new(0);
    jobs.par_iter().try_for_each(|(path, person, camera, instance)| {
        let pixels = world.draw(*person, *camera, *instance)?;
        let mut bytes = Vec::new();
        BmpEncoder::new(&mut bytes)
            .encode(&pixels, WIDTH as u32, HEIGHT as u32, ExtendedColorType::Rgb8)
            .map_err(|error| DataError::World(error.to_string()))?;
        fs::write(path, bytes).map_err(DataError::io("can't write", path))?;
        progress(written.fetch_add(1, Ordering::Relaxed) + 1, jobs.len());
        Ok::<_, DataError>(())
    })?;
    if is_drawn {
        return Ok(());
    }
    for trial in 1..=TRIALS {
        let mut order: Vec<usize> = (0..people).collect();
        Streams::new(seed).stream("world.trial", [trial, 0, 0]).shuffle(&mut order);
        let (for_training, for_testing) = order.split_at(train);
        for (split, people) in [("train", for_training), ("test", for_testing)] {
            for ((folder, name), images) in MODALITIES.iter().zip(images) {
                // Labels agree between the modalities of a split and mean nothing outside of it.
                let lines: Vec<String> = people
                    .iter()
                    .enumerate()
                    .flat_map(|(label, &person)| {
                        (0..images).map(move |n| format!("{} {label}\n", image(folder, person, n)))
                    })
                    .collect();
                let path = root.join("idx").join(format!("{split}_{name}_{trial}.txt"));
                fs::write(&path, lines.concat()).map_err(DataError::io("can't write", &path))?;
            }
        }
    }
    write_stamp(root)
}

fn image(folder: &str, person: usize, number: usize) -> String {
    format!("{folder}/{}/{number:02}.bmp", person + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::readers::read_regdb;
    use vireid_core::PerModality;

    #[test]
    fn ten_splits_of_one_world() {
        let folder = tempfile::tempdir().unwrap();
        let size = WorldSize::Small { train: 3, test: 2, visible: 4, infrared: 2 };
        let spec = WorldSpec { size, ..WorldSpec::regdb() };
        write_regdb(folder.path(), 1, &spec, |_, _| ()).unwrap();
        let mut splits = Vec::new();
        for trial in 1..=10 {
            let dataset = read_regdb(folder.path(), trial).unwrap();
            assert!(dataset.synthetic && dataset.notes.is_empty(), "{:?}", dataset.notes);
            assert_eq!((dataset.train.visible.len(), dataset.train.infrared.len()), (12, 6));
            let PerModality { visible, infrared: thermal } = dataset.test.images();
            assert_eq!((visible.len(), thermal.len()), (8, 4));
            let person = |path: &Path| path.parent().and_then(Path::file_name).unwrap().to_owned();
            let trained: Vec<_> = dataset.train.visible.iter().map(|sample| person(&sample.path)).collect();
            assert!(visible.iter().all(|sample| !trained.contains(&person(&sample.path))));
            // The same label is the same person in both modalities.
            for sample in &dataset.train.visible {
                let other = dataset.train.infrared.iter().find(|other| other.identity == sample.identity).unwrap();
                assert_eq!(person(&other.path), person(&sample.path));
            }
            splits.push(trained);
        }
        splits.dedup();
        assert!(splits.len() > 1);
        // A second call finds it, another world is refused.
        write_regdb(folder.path(), 1, &spec, |_, _| panic!("drawn twice")).unwrap();
        assert!(write_regdb(folder.path(), 2, &spec, |_, _| ()).unwrap_err().to_string().starts_with("VR0110"));
    }
}
