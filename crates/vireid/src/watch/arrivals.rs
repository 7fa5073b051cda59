//! Crops that come into a folder.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use vireid::ProgramError;
use vireid_core::Modality;
use vireid_data::DataError;
use vireid_data::readers::read_folder;

/// How often an image that can't be used is looked at before it is left out: it may not be whole yet.
const TRIES: u32 = 3;

/// A crop that has come, and is no longer being written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    pub path: PathBuf,
    /// Its path below the folder, by which the gallery knows it.
    pub id: String,
    pub modality: Modality,
    pub camera: String,
    pub modified: SystemTime,
    /// Whether it was handed out before and has changed since: another crop of that name.
    pub is_changed: bool,
}

/// The length of a file and the time of its last change.
type Stamp = (u64, SystemTime);

/// What is known of a file of the folder.
#[derive(Debug)]
struct Known {
    stamp: Stamp,
    /// Whether it has been handed out as it is now.
    is_settled: bool,
    /// Whether it was handed out as it was before.
    is_changed: bool,
    tries: u32,
}

impl Known {
    /// A file as it is now, and whether it is to be handed out: it is as it was at the last look, and was not handed out as such.
    fn at(before: Option<Known>, stamp: Stamp) -> (Self, bool) {
        match before {
            None => (Self { stamp, is_settled: false, is_changed: false, tries: 0 }, false),
            Some(known) if known.stamp != stamp => {
                let is_changed = known.is_settled || known.is_changed;
                (Self { stamp, is_settled: false, is_changed, tries: 0 }, false)
            }
            Some(known) => {
                let is_new = !known.is_settled;
                (Self { is_settled: true, ..known }, is_new)
            }
        }
    }
}

/// What a look at the folder finds.
#[derive(Debug, Default)]
pub struct Look {
    /// Crops that have come since the last one.
    pub arrivals: Vec<Arrival>,
    /// What the reader of the folder has to say.
    pub notes: Vec<String>,
}

/// The crops that come into a folder, each handed out once it has been the same at two looks.
#[derive(Debug)]
pub struct Arrivals {
    folder: PathBuf,
    prefix: String,
    known: HashMap<PathBuf, Known>,
}

impl Arrivals {
    /// Of a folder whose crops have ids that begin with a prefix.
    pub fn new(folder: &Path, prefix: &str) -> Self {
        Self { folder: folder.into(), prefix: prefix.into(), known: HashMap::new() }
    }

    /// Looks for crops that have come since the last look.
    ///
    /// # Errors
    ///
    /// Where the folder can't be read. It need not hold anything yet.
    pub fn look(&mut self) -> Result<Look, ProgramError> {
        let data = match read_folder(&self.folder) {
            // Folders of cameras come with their first crop.
            Err(DataError::MissingPart { .. }) => {
                let note = format!("there is neither visible nor infrared in {} yet", self.folder.display());
                self.known.clear();
                return Ok(Look { arrivals: Vec::new(), notes: vec![note] });
            }
            read => read?,
        };
        let (mut arrivals, mut listed) = (Vec::new(), HashMap::new());
        for modality in Modality::ALL {
            for sample in data.train.get(modality) {
                // A file that has gone since the folder was listed is no arrival.
                let Ok(stamp) = stamp(&sample.path) else { continue };
                let known = self.known.remove(&sample.path);
                let (known, is_new) = Known::at(known, stamp);
                if is_new {
                    let below = sample.path.strip_prefix(&self.folder).unwrap_or(&sample.path);
                    let id = self.prefix.clone() + &below.to_string_lossy().replace('\\', "/");
                    let (path, camera) = (sample.path.clone(), data.names.camera(sample.camera));
                    let (modified, is_changed) = (stamp.1, known.is_changed);
                    arrivals.push(Arrival { path, id, modality, camera, modified, is_changed });
                }
                listed.insert(sample.path.clone(), known);
            }
        }
        // What is gone is forgotten.
        self.known = listed;
        Ok(Look { arrivals, notes: data.notes })
    }

    /// Hands an arrival out again at the next look, for it could not be taken.
    pub fn put_off(&mut self, arrival: &Arrival) {
        if let Some(known) = self.known.get_mut(&arrival.path) {
            known.is_settled = false;
        }
    }

    /// As [`put_off`](Self::put_off) for an image that can't be used, some times; then no more, and false.
    pub fn try_again(&mut self, arrival: &Arrival) -> bool {
        let Some(known) = self.known.get_mut(&arrival.path) else { return false };
        known.tries += 1;
        known.is_settled = known.tries >= TRIES;
        !known.is_settled
    }

    /// Whether all that is in the folder has been handed out.
    pub fn is_quiet(&self) -> bool {
        self.known.values().all(|known| known.is_settled)
    }
}

fn stamp(path: &Path) -> std::io::Result<Stamp> {
    let entry = std::fs::metadata(path)?;
    Ok((entry.len(), entry.modified()?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn ids(arrivals: &mut Arrivals) -> Vec<String> {
        arrivals.look().unwrap().arrivals.into_iter().map(|arrival| arrival.id).collect()
    }

    #[test]
    fn a_crop_arrives_once_it_has_stopped_changing() {
        let folder = tempfile::tempdir().unwrap();
        let mut arrivals = Arrivals::new(folder.path(), "");
        assert!(ids(&mut arrivals).is_empty() && arrivals.is_quiet(), "nothing there yet");
        let door = folder.path().join("visible/door");
        fs::create_dir_all(&door).unwrap();
        fs::write(door.join("a.png"), "half").unwrap();
        assert!(ids(&mut arrivals).is_empty() && !arrivals.is_quiet());
        fs::write(door.join("a.png"), "half and the rest").unwrap();
        assert!(ids(&mut arrivals).is_empty(), "it was still being written to");
        fs::write(door.join("b.png"), "whole").unwrap();
        assert_eq!(ids(&mut arrivals), ["visible/door/a.png"]);
        let come = arrivals.look().unwrap().arrivals;
        assert_eq!((come.len(), &*come[0].id, &*come[0].camera), (1, "visible/door/b.png", "door"));
        assert_eq!(come[0].modality, Modality::Visible);
        assert!(ids(&mut arrivals).is_empty() && arrivals.is_quiet());
        fs::write(door.join("a.png"), "another one").unwrap();
        assert!(ids(&mut arrivals).is_empty());
        let changed = arrivals.look().unwrap().arrivals;
        assert_eq!((changed.len(), &*changed[0].id, changed[0].is_changed), (1, "visible/door/a.png", true));
    }

    /// A call that was to end once all is in never did.
    #[test]
    fn what_goes_before_it_was_handed_out_is_waited_for_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let door = folder.path().join("visible/door");
        fs::create_dir_all(&door).unwrap();
        fs::write(door.join("a.part.png"), "whole").unwrap();
        let mut arrivals = Arrivals::new(folder.path(), "north/");
        assert!(ids(&mut arrivals).is_empty() && !arrivals.is_quiet());
        fs::rename(door.join("a.part.png"), door.join("a.png")).unwrap();
        assert!(ids(&mut arrivals).is_empty());
        assert_eq!(ids(&mut arrivals), ["north/visible/door/a.png"]);
        assert!(arrivals.is_quiet());
        fs::remove_file(door.join("a.png")).unwrap();
        assert!(ids(&mut arrivals).is_empty() && arrivals.is_quiet());
    }

    #[test]
    fn what_could_not_be_taken_comes_again_and_what_can_not_be_used_comes_three_times() {
        let folder = tempfile::tempdir().unwrap();
        let night = folder.path().join("infrared/night");
        fs::create_dir_all(&night).unwrap();
        fs::write(night.join("a.png"), "no image").unwrap();
        let mut arrivals = Arrivals::new(folder.path(), "");
        arrivals.look().unwrap();
        let arrival = arrivals.look().unwrap().arrivals.remove(0);
        for _ in 0..5 {
            arrivals.put_off(&arrival);
            assert_eq!(arrivals.look().unwrap().arrivals, std::slice::from_ref(&arrival));
        }
        let mut tries = 1;
        while arrivals.try_again(&arrival) {
            assert_eq!(arrivals.look().unwrap().arrivals, std::slice::from_ref(&arrival));
            tries += 1;
        }
        assert_eq!(tries, 3);
        assert!(arrivals.look().unwrap().arrivals.is_empty() && arrivals.is_quiet());
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let said = Arrivals::new(Path::new("no/such/folder"), "").look().unwrap_err().to_string();
        assert!(said.starts_with("VR0101"), "{said}");
    }
}
