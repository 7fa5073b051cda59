//! The same engine on a RegDB tree, through the library.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use vireid_data::Dataset;
use vireid_data::readers::read_regdb;
use vireid_methods::{Outcome, Session, SessionOptions, TrainingImages, registry};

use crate::program::{TINY, world};

/// A RegDB tree of the tiny world's images: camera 1 is the visible one, camera 6 the thermal one; six people train, four
/// test.
fn regdb(root: &Path) -> Dataset {
    fs::create_dir_all(root.join("idx")).unwrap();
    for (folder, modality, camera) in [("Visible", "visible", "cam1"), ("Thermal", "thermal", "cam6")] {
        let mut people: Vec<_> = fs::read_dir(world().join(camera)).unwrap().map(|e| e.unwrap().path()).collect();
        people.sort();
        let (mut train, mut test) = (String::new(), String::new());
        for person in people {
            let id: usize = person.file_name().unwrap().to_str().unwrap().parse().unwrap();
            // Identities 1 to 10 are the training people, 11 to 14 the test people.
            let (list, label) = if id <= 10 { (&mut train, id - 1) } else { (&mut test, id - 11) };
            let target = root.join(folder).join(id.to_string());
            fs::create_dir_all(&target).unwrap();
            for image in fs::read_dir(person).unwrap() {
                let image = image.unwrap();
                let name = image.file_name().into_string().unwrap();
                fs::copy(image.path(), target.join(&name)).unwrap();
                *list += &format!("{folder}/{id}/{name} {label}\n");
            }
        }
        fs::write(root.join(format!("idx/train_{modality}_1.txt")), train).unwrap();
        fs::write(root.join(format!("idx/test_{modality}_1.txt")), test).unwrap();
    }
    read_regdb(root, 1).unwrap()
}

#[test]
fn both_directions_are_scored() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = regdb(folder.path());
    assert_eq!(dataset.name, "RegDB trial 1");
    let test = dataset.test.images();
    assert_eq!((test.visible.len(), test.infrared.len()), (4 * 4, 4 * 5));
    let paths: Vec<_> = dataset.train.visible.iter().map(|s| s.path.clone()).collect();
    assert!(paths.is_sorted() && paths.iter().all(|path| path.is_file()));

    let mut overrides: Vec<String> = TINY.iter().map(|set| set.to_string()).collect();
    overrides.push("stage2.epochs=1".into());
    let config = vireid_methods::preset("mbccm_sysu_quick", &overrides).unwrap();
    let images = TrainingImages::open(dataset, &config.engine, false, |_, _| ()).unwrap();
    let out = folder.path().join("run");
    let method = registry::build(&config).unwrap();
    let options = SessionOptions { config, out, resume: false, device: "cpu".into() };
    let mut session = Session::open(options, method, images).unwrap();
    let outcome = session.train(&mut (), &AtomicBool::new(false)).unwrap();
    let Outcome::Finished(evaluations) = outcome else { panic!("nobody interrupted") };
    let searches: Vec<&str> = evaluations[0].scores.iter().map(|score| score.search.as_str()).collect();
    assert_eq!(searches, ["visible-to-thermal", "thermal-to-visible"]);
    assert!(evaluations.iter().flat_map(|e| &e.scores).all(|s| s.map.mean > 0.0 && s.trials == 1));
}

#[test]
fn a_missing_trial_and_a_malformed_line() {
    let folder = tempfile::tempdir().unwrap();
    regdb(folder.path());
    let missing = read_regdb(folder.path(), 2).unwrap_err().to_string();
    assert!(missing.starts_with("VR0102") && missing.contains("train_visible_2.txt"), "{missing}");
    fs::write(folder.path().join("idx/test_thermal_1.txt"), "Thermal/11/0001.jpg 0\nnonsense\n").unwrap();
    let malformed = read_regdb(folder.path(), 1).unwrap_err().to_string();
    assert!(malformed.starts_with("VR0103") && malformed.contains("line 2"), "{malformed}");
}
