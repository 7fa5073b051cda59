//! Every method but MBCCM, which the other tests run, trains, stops and goes on, and refuses settings that mean nothing.

#[cfg(unix)]
use crate::program::Stop;
use crate::program::{Run, check_error, stderr, world};

/// Settings that make a method's run take seconds on the tiny world.
pub fn settings(method: &str) -> Vec<String> {
    let mut settings: Vec<String> = vec![format!("{method}_sysu_quick")];
    let all = ["stage1.iterations=12", "stage2.iterations=12", "evaluation.every=10"];
    let own: &[&str] = match method {
        "mmm" => &[
            "stage2.epochs=1",
            "stage3.epochs=3",
            "settings.warm_up=1",
            "settings.ids_per_batch=2",
            "settings.images_per_id=2",
            "settings.memories=2",
            "settings.joint_k1=10",
            "settings.joint_k2=6",
        ],
        "dmic" => &[
            "settings.dnc.eps_phase1={ from = 0.6, to = 0.55 }",
            "settings.dnc.eps_phase2={ from = 0.6, to = 0.7 }",
            "settings.dnc.k1_phase1={ from = 8.0, to = 8.0 }",
            "settings.dnc.k1_phase2={ from = 8.0, to = 8.0 }",
            "settings.dnc.joint_k1={ from = 10.0, to = 10.0 }",
            "settings.dnc.joint_k2={ from = 4.0, to = 6.0 }",
        ],
        "bmil" => &["settings.joint_k1=10", "settings.joint_k2=6", "settings.joint_eps=0.7"],
        "ecul" => &["settings.emcc.joint_k1=10", "settings.emcc.joint_k2=6", "settings.tsmem.switch_epoch=2"],
        _ => &[],
    };
    settings.extend(all.iter().chain(own).map(|set| set.to_string()));
    settings
}

/// A preset, which comes first, and settings as the program takes them.
pub fn arguments(settings: &[String]) -> Vec<&str> {
    let sets = settings[1..].iter().flat_map(|set| ["--set", set.as_str()]);
    ["--preset", settings[0].as_str()].into_iter().chain(sets).collect()
}

/// Killed and interrupted at the events that `moments` name (a part of the event's line, what is sent at it), a run goes on to
/// the same bytes.
#[cfg(unix)]
fn check(method: &str, moments: &[(&str, &str)]) {
    let settings = settings(method);
    let arguments = arguments(&settings);
    let undisturbed = Run::on(world());
    let output = undisturbed.train(&arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    let expected = undisturbed.ending();
    for &(moment, signal) in moments {
        let run = Run::on(world());
        run.train_until(&arguments, Stop { signal, moment });
        let output = run.resume();
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(run.ending() == expected, "{method}, {signal} at '{moment}'");
    }
}

/// The ends of epochs, counted over all stages, and the test after the first stage.
const EPOCH_0: &str = r#""event":"epoch","epoch":0,"#;
const EPOCH_1: &str = r#""event":"epoch","epoch":1,"#;
const EPOCH_2: &str = r#""event":"epoch","epoch":2,"#;
const EPOCH_3: &str = r#""event":"epoch","epoch":3,"#;
const TEST: &str = r#""event":"evaluation","moment":"stage 1""#;

#[cfg(unix)]
#[test]
fn mult_goes_on() {
    check("mult", &[(EPOCH_0, "INT"), (TEST, "KILL"), (EPOCH_1, "INT")]);
}

/// In the baseline, within the matching, and in the third stage, whose confidences and prototypes outlive an epoch.
#[cfg(unix)]
#[test]
fn mmm_goes_on() {
    let matching = r#""moment":"before matching""#;
    check("mmm", &[(EPOCH_0, "INT"), (matching, "KILL"), (matching, "INT"), (EPOCH_2, "INT"), (EPOCH_3, "KILL")]);
}

#[cfg(unix)]
#[test]
fn dmic_goes_on() {
    check("dmic", &[(TEST, "INT"), (EPOCH_1, "KILL")]);
}

#[cfg(unix)]
#[test]
fn ecul_goes_on() {
    check("ecul", &[(EPOCH_0, "KILL"), (EPOCH_1, "INT")]);
}

#[test]
#[cfg(unix)]
fn bmil_goes_on() {
    check("bmil", &[(EPOCH_1, "KILL"), (TEST, "INT")]);
}

/// The ablations that the papers report are settings.
#[test]
fn ablations_by_configuration() {
    for (method, sets) in [
        ("mult", &["settings.label_transfer=false", "settings.refinement=false", "settings.space=visible"][..]),
        ("mmm", &["settings.intra=0", "settings.inter=0", "settings.memories=3"][..]),
        ("mmm", &["settings.profile=as_coded"][..]),
        ("mmm", &["settings.profile=paper", "settings.switches.matching=nearest"][..]),
        ("dmic", &["settings.instance=triplet", "settings.update=random_of_each", "settings.expansion=plain"][..]),
        ("dmic", &["settings.instance=memory"][..]),
        ("ecul", &["settings.instance_weight=0.5", "settings.instance=second_memory"][..]),
        (
            "ecul",
            &["settings.instance_weight=0.5", "settings.cross_weight=0.25", "settings.aggregation.mutual=true"][..],
        ),
        (
            "bmil",
            &["settings.prototypes=joint", "clustering.neighbourhood=plain", "settings.visible_per_infrared=0.5"][..],
        ),
        ("bmil", &["settings.positives=each_alone", "settings.joint_sampler=aligned", "settings.own_steps=false"][..]),
        (
            "bmil",
            &[
                "clustering.eps=auto",
                "clustering.k1=auto",
                "clustering.min_samples=auto",
                "settings.joint_k1=auto",
                "settings.joint_eps=auto",
            ][..],
        ),
        ("mult", &["clustering.eps=auto", "clustering.min_samples=auto", "clustering.neighbours=device"][..]),
        ("dmic", &["clustering.neighbourhood=balanced", "clustering.neighbours=device"][..]),
        ("mmm", &["clustering.neighbourhood=camera_aware"][..]),
        ("ecul", &["settings.emcc.variant=reciprocal", "settings.tsmem.ramp=true", "settings.tsmem.second=mean"][..]),
    ] {
        let mut settings = settings(method);
        settings.extend(sets.iter().map(|set| set.to_string()));
        let output = Run::on(world()).train(&arguments(&settings));
        assert!(output.status.success(), "{method} {sets:?}: {}", stderr(&output));
    }
}

/// On a set of other people DMIC formed no cluster of both modalities in any epoch, and said nothing.
#[test]
fn labels_that_tie_nothing_are_told() {
    let mut settings = settings("bmil");
    settings.push("settings.joint_eps=0.01".into());
    let run = Run::on(world());
    let output = run.train(&arguments(&settings));
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    let told: Vec<&str> = said.lines().filter(|line| line.contains("nothing ties the two together")).collect();
    assert!(told.len() == 2 && told[0].contains("stage 2 epoch"), "at the epoch and at the end: {said}");
    assert!(
        told.iter().all(|line| line.starts_with("warning: ") && line.contains("raise settings.joint_eps")),
        "{said}"
    );
    let events = std::fs::read_to_string(run.out().join("events.jsonl")).unwrap();
    assert!(events.contains("nothing_shared"), "{events}");
}

#[test]
fn settings_that_have_no_meaning() {
    for (preset, set, code, words) in [
        ("mult_sysu_quick", "settings.alpha=2", "VR0502", "settings.alpha"),
        ("mult_sysu_quick", "settings.spaces=1", "VR0501", "settings.space"),
        ("mmm_sysu_quick", "settings.memories=0", "VR0502", "settings.memories"),
        ("mmm_sysu_quick", "stage3.epoch=1", "VR0501", "stage3.epochs"),
        ("mbccm_sysu_quick", "clustering.neighbourhood=balanced", "VR0501", "clustering.neighbourhood"),
        ("mult_sysu_quick", "clustering.neighbourhood=balanced", "VR0501", "clustering.neighbourhood"),
        ("bmil_sysu_quick", "clustering.neighbourhood=near", "VR0502", "neighbourhood"),
        ("mbccm_sysu_quick", "clustering.k1=many", "VR0502", "a number or \"auto\""),
        ("mbccm_sysu_quick", "clustering.eps=wide", "VR0502", "\"auto\""),
        ("dmic_sysu_quick", "clustering.k1=auto", "VR0502", "k1"),
        ("dmic_sysu_quick", "settings.dnc.shape=square", "VR0502", "settings"),
        ("ecul_sysu_quick", "settings.emcc.k2=0", "VR0502", "settings.emcc.k2"),
        ("ecul_sysu_quick", "clustering.min_samples=1000", "VR0505", "visible"),
        ("mmm_sysu_quick", "clustering.min_samples=1000", "VR0505", "visible"),
        ("ecul_sysu_quick", "sampler.allow_few_clusters=false", "VR0107", "clusters"),
        ("mult_sysu_quick", "stage2.learning_rate=[{ from = 0, rate = 1e30 }]", "VR0506", "own"),
    ] {
        let arguments = ["--preset", preset, "--set", set, "--set", "sampler.clusters=30"];
        check_error(&Run::on(world()).train(&arguments), code, &[words]);
    }
}
