//! Bad input gives an error with a code, the cause and a way out, and nothing is lost.

use std::fs;
use std::path::Path;

use crate::program::{Run, check_error, damaged, stderr, world};

fn check_data(damage: impl FnOnce(&Path), code: &str, words: &[&str]) {
    let data = damaged(damage);
    check_error(&Run::on(data.path()).train(&[]), code, words);
}

fn check_setting(set: &str, code: &str, words: &[&str]) {
    check_error(&Run::on(world()).train(&["--set", set]), code, words);
}

#[test]
fn missing_folder() {
    let nowhere = Path::new("no/such/folder");
    check_error(&Run::on(nowhere).train(&[]), "VR0101", &["no/such/folder", "docs/data/sysu.md"]);
}

#[test]
fn missing_split_file() {
    check_data(|root| fs::remove_file(root.join("exp/val_id.txt")).unwrap(), "VR0102", &["val_id.txt"]);
}

#[test]
fn malformed_split_file() {
    check_data(|root| fs::write(root.join("exp/test_id.txt"), "1,two,3\n").unwrap(), "VR0103", &["'two'", "line 1"]);
}

#[test]
fn empty_identity_folder() {
    let empty = |root: &Path| {
        let folder = root.join("cam2/0003");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder).unwrap();
    };
    check_data(empty, "VR0104", &["cam2/0003"]);
}

fn spoil(root: &Path) {
    let some = |camera: &str, number: usize| {
        let mut files: Vec<_> = fs::read_dir(root.join(camera))
            .unwrap()
            .flat_map(|d| fs::read_dir(d.unwrap().path()).unwrap())
            .map(|f| f.unwrap().path())
            .collect();
        files.sort();
        files[number].clone()
    };
    let truncated = some("cam1", 0);
    let bytes = fs::read(&truncated).unwrap();
    fs::write(truncated, &bytes[..bytes.len() / 2]).unwrap();
    fs::write(some("cam3", 1), b"").unwrap();
    let pixel = some("cam6", 2);
    image::RgbImage::new(1, 1).save(pixel).unwrap();
}

#[test]
fn truncated_empty_and_one_pixel_images_are_listed() {
    check_data(spoil, "VR0105", &["3 of", "cam1/", "cam3/", "cam6/", "1 x 1", "--skip-corrupt"]);
}

#[test]
fn bad_images_can_be_skipped_and_are_counted() {
    let data = damaged(spoil);
    let output = Run::on(data.path()).train(&["--skip-corrupt", "--set", "stage2.epochs=0"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("3 that can't be used left out"));
}

#[test]
fn a_modality_without_images() {
    let no_infrared = |root: &Path| {
        for camera in ["cam3", "cam6"] {
            fs::remove_dir_all(root.join(camera)).unwrap();
            fs::create_dir_all(root.join(camera)).unwrap();
        }
    };
    check_data(no_infrared, "VR0106", &["no infrared image"]);
}

#[test]
fn too_few_clusters() {
    let few = ["--set", "sampler.allow_few_clusters=false", "--set", "sampler.clusters=40"];
    check_error(&Run::on(world()).train(&few), "VR0107", &["visible clusters", "sampler.clusters"]);
}

#[test]
fn no_clusters() {
    check_setting("clustering.min_samples=500", "VR0505", &["no visible cluster", "clustering.eps.visible"]);
}

#[test]
fn unknown_setting() {
    check_setting("sampler.cluster=4", "VR0501", &["sampler.cluster'", "sampler.clusters"]);
    check_setting("settings.betta=1", "VR0501", &["settings.betta", "settings.beta"]);
}

#[test]
fn unknown_preset_and_backbone() {
    check_error(&Run::on(world()).train(&["--preset", "nothing"]), "VR0503", &["mbccm_sysu_quick"]);
    check_setting("backbone.name=resnet51", "VR0303", &["resnet50"]);
    check_setting("backbone.weights=none.pth", "VR0301", &["none.pth"]);
    check_setting("backbone.name=resnet18", "VR0302", &["missing"]);
}

#[test]
fn a_device_that_is_not_there() {
    check_error(&Run::on(world()).train(&["--device", "cuda:7"]), "VR0504", &["cuda:7", "has: cpu"]);
}

#[test]
fn nan_in_the_loss_stops_the_run_and_keeps_the_good_checkpoint() {
    let run = Run::on(world());
    let rates = "stage2.learning_rate=[{ from = 0, rate = 1e30 }]";
    check_error(&run.train(&["--set", rates]), "VR0506", &["epoch 1", "visible_plain"]);
    let checkpoint = vireid_methods::Checkpoint::load(&run.out().join("checkpoints/last.safetensors")).unwrap();
    assert_eq!(checkpoint.position.epoch, 1);
    assert!(checkpoint.model.iter().all(|(_, _, values)| values.iter().all(|x| x.is_finite())));
}

#[cfg(target_os = "linux")]
#[test]
fn no_space_left_while_saving() {
    let run = Run::on(world());
    let checkpoints = run.out().join("checkpoints");
    fs::create_dir_all(&checkpoints).unwrap();
    std::os::unix::fs::symlink("/dev/full", checkpoints.join("last.tmp")).unwrap();
    check_error(&run.train(&[]), "VR0509", &["No space left", "untouched"]);
    // The link is gone with the failed attempt; the run can go on.
    let output = run.resume();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_run_directory_in_use_and_one_that_is_none() {
    let run = Run::on(world());
    check_error(&run.resume(), "VR0510", &["there is no run in", "config.toml"]);
    assert!(run.train(&["--set", "stage2.epochs=0"]).status.success());
    check_error(&run.train(&[]), "VR0510", &["holds a run already", "--resume"]);
}

#[test]
fn checkpoints_that_do_not_belong() {
    let run = Run::on(world());
    assert!(run.train(&["--set", "stage2.epochs=0"]).status.success());
    let path = run.out().join("checkpoints/last.safetensors");
    let good = fs::read(&path).unwrap();

    fs::write(&path, &good[..good.len() - 1000]).unwrap();
    check_error(&run.resume(), "VR0507", &["truncated", "last.safetensors"]);
    let edit = |from: &str, to: &str| {
        let position = good.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        let mut edited = good.clone();
        edited[position..position + to.len()].copy_from_slice(to.as_bytes());
        fs::write(&path, edited).unwrap();
    };
    edit("\\\"version\\\":2", "\\\"version\\\":7");
    check_error(&run.resume(), "VR0507", &["newer program"]);
    edit("\\\"method\\\":\\\"mbccm\\\"", "\\\"method\\\":\\\"other\\\"");
    check_error(&run.resume(), "VR0508", &["method", "other", "mbccm"]);
    edit("\\\"backbone\\\":\\\"small\\\"", "\\\"backbone\\\":\\\"large\\\"");
    check_error(&run.resume(), "VR0508", &["backbone", "large", "small"]);
    fs::write(&path, good).unwrap();
    assert!(run.resume().status.success());
}

#[test]
fn a_run_is_not_resumed_on_other_data() {
    let mut run = Run::on(world());
    assert!(run.train(&["--set", "stage2.epochs=0"]).status.success());
    let fewer = damaged(|root| {
        fs::remove_file(root.join("cam4/0001/0001.jpg")).or(fs::remove_file(root.join("cam5/0001/0001.jpg"))).unwrap()
    });
    run.data = fewer.path().into();
    check_error(&run.resume(), "VR0508", &["data"]);
}

/// Two images that are exchanged keep their names and lengths; the run's data are their contents.
#[test]
fn a_run_is_not_resumed_on_images_that_were_exchanged() {
    let [one, other] = ["cam1/0011", "cam1/0012"].map(|person| Path::new(person).join("0001.jpg"));
    // What stands behind the end of a JPEG is no part of the image, so both can have the same length.
    let long = |root: &Path| {
        let images = [&one, &other].map(|image| fs::read(root.join(image)).unwrap());
        let length = images.iter().map(Vec::len).max().unwrap();
        images.map(|mut bytes| {
            bytes.resize(length, 0);
            bytes
        })
    };
    let write = |root: &Path, images: [&[u8]; 2]| {
        fs::write(root.join(&one), images[0]).unwrap();
        fs::write(root.join(&other), images[1]).unwrap();
    };
    let padded = damaged(|root| {
        let [a, b] = long(root);
        write(root, [&a, &b]);
    });
    let exchanged = damaged(|root| {
        let [a, b] = long(root);
        write(root, [&b, &a]);
    });
    let mut run = Run::on(padded.path());
    assert!(run.train(&["--set", "stage2.epochs=0"]).status.success());
    run.data = exchanged.path().into();
    check_error(&run.resume(), "VR0508", &["data"]);

    // Earlier versions recorded names and lengths only; their runs go on.
    let environment = run.out().join("environment.json");
    let mut recorded: serde_json::Value = serde_json::from_slice(&fs::read(&environment).unwrap()).unwrap();
    recorded["data_manifest"] = recorded["data_quick_manifest"].clone();
    fs::write(&environment, recorded.to_string()).unwrap();
    run.data = padded.path().into();
    let output = run.resume();
    assert!(output.status.success(), "{}", stderr(&output));
}
