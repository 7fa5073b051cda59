//! `vireid cluster --embeddings`: the labels of the library for every way in which NumPy may have written the same numbers, a
//! graph that can be read back, and what it says to files and arguments that make no sense.

#![allow(clippy::unwrap_used)]

mod calls;
mod world;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use vireid::npy::Entries;
use vireid::{read_npy, write_npy};
use vireid_clustering::{Expansion, JaccardClusters, JaccardDbscan, Origin};
use vireid_compare::assert_near;
use vireid_core::{Embeddings, Modality, Streams};
use world::world;

const SETTINGS: JaccardDbscan = JaccardDbscan { k1: 9, eps: 0.7, min_samples: 3 };
/// For the crowd.
const K2: usize = 2;
/// For the world, so that its expansions differ.
const WORLD_K2: usize = 4;

fn vireid(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vireid")).arg("cluster").args(arguments).env("NO_COLOR", "1").output().unwrap()
}

/// Standard output of a call that succeeds.
fn told(arguments: &[&str]) -> String {
    calls::told(&vireid(arguments), arguments)
}

/// Standard error of a call that fails with this status.
fn refused(status: i32, arguments: &[&str]) -> String {
    calls::refused(&vireid(arguments), status, arguments)
}

/// A file as NumPy writes it.
fn file(descr: &str, is_fortran: bool, shape: &str, format: u8, items: &[u8]) -> Vec<u8> {
    let order = if is_fortran { "True" } else { "False" };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    let digits = if format == 1 { 2 } else { 4 };
    while !(8 + digits + header.len() + 1).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let length = (header.len() as u32).to_le_bytes();
    [b"\x93NUMPY", &[format, 0][..], &length[..digits], header.as_bytes(), items].concat()
}

/// A folder of files.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_string()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.at(name), bytes).unwrap();
        self.at(name)
    }

    fn vector<const N: usize>(
        &self,
        name: &str,
        descr: &str,
        entries: impl ExactSizeIterator<Item = [u8; N]>,
    ) -> String {
        let shape = format!("({},)", entries.len());
        self.write(name, &file(descr, false, &shape, 1, &entries.flatten().collect::<Vec<u8>>()))
    }

    /// The labels that the program gives with some arguments.
    fn labels(&self, k2: usize, arguments: &[&str]) -> Vec<i64> {
        let out = self.at("labels.npy");
        let (k1, k2) = (SETTINGS.k1.to_string(), k2.to_string());
        let (eps, min) = (SETTINGS.eps.to_string(), SETTINGS.min_samples.to_string());
        let settings = ["--k1", &k1, "--k2", &k2, "--eps", &eps, "--min-samples", &min, "--labels", &out, "--quiet"];
        told(&[arguments, &settings[..]].concat());
        labels_of(&out)
    }
}

fn labels_of(path: &str) -> Vec<i64> {
    match Entries::read(Path::new(path)).unwrap() {
        Entries::Numbers(labels) => labels.into_iter().map(|label| i64::try_from(label).unwrap()).collect(),
        Entries::Names(names) => panic!("{names:?}"),
    }
}

fn expected(found: &JaccardClusters) -> Vec<i64> {
    found.labels.iter().map(|label| label.map_or(-1, |label| label as i64)).collect()
}

/// Six people with seven photos each and four strangers, from small whole numbers, which every type of numbers holds.
fn crowd() -> Embeddings {
    let mut stream = Streams::new(5).stream("crowd", [0; 3]);
    let mut rows = [[0.0f32; 16]; 46];
    for (photo, row) in rows.iter_mut().enumerate() {
        match photo.checked_sub(42) {
            Some(stranger) => row[12 + stranger] = 3.0,
            None => {
                row[photo % 6] = 2.0;
                row[6 + stream.below(6)] += 1.0;
            }
        }
    }
    Embeddings::new(rows.concat(), rows.len(), 16).unwrap()
}

#[test]
fn labels_are_those_of_the_library_for_every_expansion() {
    let desk = Desk::new();
    let (rows, origins) = world();
    let embeddings = desk.at("e.npy");
    write_npy(Path::new(&embeddings), &rows).unwrap();
    let cameras = desk.vector("c.npy", "<u2", origins.iter().map(|origin| origin.camera.0.to_le_bytes()));
    let modality = |origin: &Origin| u8::from(origin.modality == Modality::Infrared);
    let modalities = desk.vector("m.npy", "|u1", origins.iter().map(|origin| [modality(origin)]));
    let mut seen = Vec::new();
    for name in Expansion::NAMES {
        let found = SETTINGS.fit(&rows, &Expansion::by_name(name, WORLD_K2, 2, &origins).unwrap()).unwrap();
        assert!(found.labels.iter().flatten().max().is_some_and(|&last| last > 0), "{name}");
        let arguments = ["--embeddings", &embeddings, "--cameras", &cameras, "--modalities", &modalities];
        let got = desk.labels(WORLD_K2, &[&arguments[..], &["--expansion", name, "--k3", "2"]].concat());
        assert_eq!(got, expected(&found), "{name}");
        seen.push(found.distances);
    }
    assert!(seen.iter().skip(1).all(|distances| *distances != seen[0]), "expansions that differ");
}

/// Names and numbers of any kind stand for the same cameras and modalities.
#[test]
fn cameras_and_modalities_by_any_name() {
    let desk = Desk::new();
    let (rows, origins) = world();
    let embeddings = desk.at("e.npy");
    write_npy(Path::new(&embeddings), &rows).unwrap();
    let found = SETTINGS.fit(&rows, &Expansion::ModalityCamera { k2: WORLD_K2, origins: &origins }).unwrap();
    let camera = |origin: &Origin| i64::from(origin.camera.0);
    let is_infrared = |origin: &Origin| origin.modality == Modality::Infrared;
    let letters = |name: &str| -> [u8; 32] {
        let mut letters = [0; 32];
        name.chars().enumerate().for_each(|(i, c)| letters[4 * i..][..4].copy_from_slice(&(c as u32).to_be_bytes()));
        letters
    };
    let cameras = [
        desk.vector("c0.npy", "<i8", origins.iter().map(|o| (camera(o) * 1_000_000_007 - 9_000_000_000).to_le_bytes())),
        desk.vector("c1.npy", ">i4", origins.iter().map(|o| (camera(o) as i32 - 3).to_be_bytes())),
        desk.vector("c2.npy", ">u8", origins.iter().map(|o| (u64::MAX - 99 + camera(o) as u64).to_be_bytes())),
        desk.vector("c3.npy", "|S2", origins.iter().map(|o| [b'a' + camera(o) as u8, 0])),
    ];
    let modalities = [
        desk.vector("m0.npy", "|b1", origins.iter().map(|o| [u8::from(is_infrared(o))])),
        desk.vector("m1.npy", "<i8", origins.iter().map(|o| i64::from(is_infrared(o)).to_le_bytes())),
        desk.vector("m2.npy", "|S3", origins.iter().map(|o| if is_infrared(o) { *b"ir\0" } else { *b"RGB" })),
        desk.vector(
            "m3.npy",
            ">U8",
            origins.iter().map(|o| letters(["Visible", "infrared"][usize::from(is_infrared(o))])),
        ),
    ];
    for (cameras, modalities) in cameras.iter().zip(&modalities) {
        let arguments = ["--embeddings", &embeddings, "--cameras", cameras, "--modalities", modalities];
        let got = desk.labels(WORLD_K2, &[&arguments[..], &["--expansion", "modality_camera"]].concat());
        assert_eq!(got, expected(&found), "{cameras} {modalities}");
    }
}

fn f16_of(value: f32) -> u16 {
    // Of 0 and the whole numbers that 16 bits hold.
    let bits = value.to_bits();
    if value == 0.0 { 0 } else { (((bits >> 23) - 112) << 10 | bits >> 13 & 1023) as u16 }
}

#[test]
fn the_same_numbers_in_any_type_order_and_format() {
    let desk = Desk::new();
    let rows = crowd();
    let (count, dim) = (rows.rows(), rows.dim());
    let found = expected(&SETTINGS.fit(&rows, &Expansion::Mean { k2: K2 }).unwrap());
    assert!(found.contains(&-1) && found.contains(&3), "{found:?}");
    let shape = format!("({count}, {dim})");
    let by_columns = || (0..dim).flat_map(|c| (0..count).map(move |r| (r, c))).map(|(r, c)| rows.row(r)[c]);
    macro_rules! check {
        ($letter:literal, $type:ty, $of:expr) => {
            let of: fn(f32) -> $type = $of;
            let size = size_of::<$type>();
            for (little, is_fortran) in [(true, false), (true, true), (false, false), (false, true)] {
                let values: Vec<f32> = if is_fortran { by_columns().collect() } else { rows.as_slice().to_vec() };
                let bytes = |value: f32| if little { of(value).to_le_bytes() } else { of(value).to_be_bytes() };
                let order = match (size, little) {
                    (1, _) => '|',
                    (_, true) => '<',
                    (_, false) => '>',
                };
                let descr = format!("{order}{}{size}", $letter);
                let format = 1 + (size as u8 + u8::from(little) + u8::from(is_fortran)) % 3;
                let items: Vec<u8> = values.into_iter().flat_map(bytes).collect();
                let path = desk.write("e.npy", &file(&descr, is_fortran, &shape, format, &items));
                assert_eq!(read_npy(Path::new(&path)).unwrap(), rows, "{descr} {is_fortran} {format}");
                if little || size == 4 {
                    assert_eq!(desk.labels(K2, &["--embeddings", &path]), found, "{descr} {is_fortran} {format}");
                }
            }
        };
    }
    check!('f', u16, f16_of);
    check!('f', f32, |value| value);
    check!('f', f64, f64::from);
    check!('i', i8, |value| value as i8);
    check!('i', i16, |value| value as i16);
    check!('i', i32, |value| value as i32);
    check!('i', i64, |value| value as i64);
    check!('u', u8, |value| value as u8);
    check!('u', u16, |value| value as u16);
    check!('u', u32, |value| value as u32);
    check!('u', u64, |value| value as u64);
}

/// The arrays of an archive whose members are not compressed.
fn member(archive: &[u8], name: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut archive.by_name(&format!("{name}.npy")).unwrap(), &mut bytes).unwrap();
    bytes
}

#[test]
fn the_graph_reads_back_and_its_bytes_are_the_same_twice() {
    let desk = Desk::new();
    let rows = crowd();
    let (embeddings, graph) = (desk.at("e.npy"), desk.at("graph.npz"));
    write_npy(Path::new(&embeddings), &rows).unwrap();
    let found = SETTINGS.fit(&rows, &Expansion::Mean { k2: K2 }).unwrap();
    desk.labels(K2, &["--embeddings", &embeddings, "--graph", &graph]);
    let archive = fs::read(&graph).unwrap();
    let numbers = |name: &str| labels_of(&desk.write("member.npy", &member(&archive, name)));
    assert_eq!(numbers("shape"), [rows.rows() as i64; 2]);
    assert!(member(&archive, "format").ends_with(b"csr"));
    let data = member(&archive, "data");
    let (starts, columns, values) = found.distances.into_parts_by_value();
    let data = &data[data.len() - 4 * values.len()..];
    assert!(data.chunks_exact(4).zip(&values).all(|(bytes, value)| bytes == value.to_le_bytes()));
    assert_eq!(numbers("indptr"), starts.iter().map(|&start| start as i64).collect::<Vec<_>>());
    assert_eq!(numbers("indices"), columns.iter().map(|&column| i64::from(column)).collect::<Vec<_>>());
    desk.labels(K2, &["--embeddings", &embeddings, "--graph", &graph]);
    assert_eq!(fs::read(&graph).unwrap(), archive);
    let none = desk.write("e.npy", &file("<f4", false, "(0, 8)", 1, &[]));
    assert_eq!(desk.labels(K2, &["--embeddings", &none, "--graph", &graph]), [0i64; 0]);
    assert_eq!(labels_of(&desk.write("member.npy", &member(&fs::read(&graph).unwrap(), "indptr"))), [0]);
}

#[test]
fn the_summary_and_the_agreement_with_the_truth() {
    let desk = Desk::new();
    let rows = crowd();
    let embeddings = desk.at("e.npy");
    write_npy(Path::new(&embeddings), &rows).unwrap();
    let labels = desk.labels(K2, &["--embeddings", &embeddings]);
    let person = |row: usize| if row < 42 { (row % 6) as i64 * 11 } else { -1 };
    let truth = desk.vector("truth.npy", "<i8", (0..rows.rows()).map(|row| person(row).to_le_bytes()));
    let arguments = ["--embeddings", &embeddings, "--k1", "9", "--k2", "2", "--eps", "0.7", "--min-samples", "3"];
    let plain: Value = serde_json::from_str(&told(&[&arguments[..], &["--json"]].concat())).unwrap();
    assert!(plain.get("against").is_none(), "{plain}");
    let summary = told(&[&arguments[..], &["--against", &truth, "--json"]].concat());
    let summary: Value = serde_json::from_str(&summary).unwrap();
    let count = |key: &str| summary[key].as_u64().unwrap() as usize;
    assert_eq!(count("images"), 46);
    assert_eq!(count("noise"), labels.iter().filter(|&&label| label == -1).count());
    assert_eq!(count("clusters") as i64, labels.iter().max().unwrap() + 1);
    assert!(summary["seconds"].as_f64().is_some() && summary["largest"].as_u64().unwrap() >= 3, "{summary}");
    let compared: Vec<(i64, i64)> = labels
        .iter()
        .enumerate()
        .map(|(row, &label)| (label, person(row)))
        .filter(|&(l, p)| l >= 0 && p >= 0)
        .collect();
    let against = &summary["against"];
    assert_eq!(against["compared"].as_u64().unwrap() as usize, compared.len());
    assert_eq!((against["known"].as_u64(), against["people"].as_u64()), (Some(42), Some(6)));
    let (labels, people): (Vec<i64>, Vec<i64>) = compared.into_iter().unzip();
    let ari = vireid_eval::quality::adjusted_rand_index(&labels, &people);
    assert_near(against["ari"].as_f64().unwrap(), ari, 1e-12);
    for key in ["nmi", "purity", "b_cubed_precision", "b_cubed_recall", "b_cubed_f"] {
        assert!(against[key].as_f64().is_some_and(|figure| (0.0..=1.0).contains(&figure)), "{key}: {against}");
    }
    let table = told(&[&arguments[..], &["--against", &truth]].concat());
    assert!(
        ["median", "ARI", "B-cubed", "42 images of 6 known people"].iter().all(|word| table.contains(word)),
        "{table}"
    );
}

#[test]
fn files_that_make_no_sense_are_named_with_what_they_hold() {
    let desk = Desk::new();
    let rows = crowd();
    let count = rows.rows();
    let embeddings = desk.at("e.npy");
    write_npy(Path::new(&embeddings), &rows).unwrap();
    let bad = |option: &str, path: &str, code: &str, words: &[&str]| {
        let arguments = match option {
            "--embeddings" => vec!["--embeddings", path],
            option => vec!["--embeddings", &embeddings, option, path],
        };
        let said = refused(1, &arguments);
        assert!(said.contains(code), "{option}: {said}");
        assert!(words.iter().all(|word| said.contains(word)), "{option}: {words:?} in {said}");
    };
    let of =
        |name: &str, descr: &str, shape: &str, items: &[u8]| desk.write(name, &file(descr, false, shape, 1, items));
    bad("--embeddings", &desk.at("missing.npy"), "VR0628", &["missing.npy"]);
    bad("--embeddings", &desk.write("p.npy", b"\xff\xd8\xff\xe0"), "VR0628", &["p.npy", "not a file of NumPy"]);
    bad("--embeddings", &of("v.npy", "<f4", "(3,)", &[0; 12]), "VR0628", &["v.npy", "(3,)", "row per image"]);
    bad("--embeddings", &of("x.npy", "<f4", "(3, 0)", &[]), "VR0628", &["x.npy", "(3, 0)"]);
    bad("--embeddings", &of("x.npy", "<c8", "(1, 1)", &[0; 8]), "VR0628", &["x.npy", "<c8", "astype"]);
    bad("--embeddings", &of("x.npy", "|b1", "(1, 1)", &[0]), "VR0628", &["x.npy", "|b1"]);
    bad("--embeddings", &of("x.npy", "<f4", "(900000000000, 2)", &[0; 8]), "VR0628", &["x.npy", "cut short"]);
    let doubles = |values: [f64; 4]| values.map(f64::to_le_bytes).concat();
    bad(
        "--embeddings",
        &of("x.npy", "<f8", "(2, 2)", &doubles([0.0, 1.0, 2.0, -1e300])),
        "VR0628",
        &["row 1", "-1e300"],
    );
    bad("--embeddings", &of("x.npy", "<f8", "(2, 2)", &doubles([0.0, 1.0, f64::NAN, 0.0])), "VR0002", &["embedding 1"]);
    let columns = file("<f8", true, "(2, 2)", 2, &doubles([0.0, 1.0, 1e39, 0.0]));
    bad("--embeddings", &desk.write("x.npy", &columns), "VR0628", &["row 0", "1e39"]);
    let zeros = vec![0; 8 * count];
    let all = format!("({count},)");
    for option in ["--cameras", "--modalities", "--against"] {
        bad(option, &of("s.npy", "<i8", "(5,)", &[0; 40]), "VR0628", &["s.npy", "5 entries", &count.to_string()]);
        bad(option, &of("f.npy", "<f8", &all, &zeros), "VR0628", &["f.npy", "floats", "astype(int)"]);
        bad(option, &of("t.npy", "<i8", &format!("({count}, 1)"), &zeros), "VR0628", &["t.npy", "vector"]);
    }
    bad("--modalities", &of("m.npy", "|u1", &all, &vec![7; count]), "VR0628", &["m.npy", "entry 0 is 7"]);
    bad("--modalities", &of("m.npy", "|S2", &all, &b"uv".repeat(count)), "VR0628", &["m.npy", "'uv'", "infrared"]);
    for (option, value) in [("--eps", "1"), ("--eps", "nan"), ("--k1", "0"), ("--k2", "0"), ("--min-samples", "0")] {
        assert!(refused(1, &["--embeddings", &embeddings, option, value]).contains("VR0201"), "{option}");
    }
}

#[test]
fn arguments_that_do_not_belong_together() {
    let index = ["--model", "m", "--index", "i.npy", "--out", "o.csv"];
    let said = refused(2, &[]);
    assert!(said.contains("--model") && said.contains("--embeddings"), "{said}");
    for option in [["--embeddings", "e.npy"], ["--k1", "5"], ["--labels", "l.npy"], ["--expansion", "plain"]] {
        let said = refused(2, &[&index[..], &option].concat());
        assert!(said.contains("cannot be used with") && said.contains(option[0]), "{said}");
    }
    for option in [["--model", "m"], ["--index", "i.npy"], ["--out", "o.csv"], ["--set", "x=1"], ["--which", "best"]] {
        let said = refused(2, &[&["--embeddings", "e.npy"][..], &option].concat());
        assert!(said.contains("cannot be used with") && said.contains(option[0]), "{said}");
    }
    assert!(refused(2, &["--labels", "l.npy"]).contains("--embeddings"));
    assert!(refused(2, &["--model", "m", "--index", "i.npy"]).contains("--out"));
    assert!(refused(2, &["--embeddings", "e.npy", "--expansion", "other"]).contains("modality_camera"));
    let said = refused(1, &["--embeddings", "e.npy", "--expansion", "modality"]);
    assert!(said.contains("VR0606") && said.contains("--modalities"), "{said}");
    for expansion in ["capped", "modality_camera"] {
        let said = refused(1, &["--embeddings", "e.npy", "--expansion", expansion]);
        assert!(said.contains("VR0606") && said.contains("--cameras"), "{said}");
    }
    let said = refused(1, &["--embeddings", "e.npy", "--labels", "x", "--graph", "x"]);
    assert!(said.contains("VR0606"), "{said}");
}

/// A list of people, which looks just like labels, was written by somebody.
#[test]
fn what_was_not_written_here_is_not_written_over() {
    let desk = Desk::new();
    let rows = crowd();
    let embeddings = desk.at("e.npy");
    write_npy(Path::new(&embeddings), &rows).unwrap();
    let people = desk.vector("people.npy", "<i8", (0..rows.rows()).map(|row| (row as i64).to_le_bytes()));
    let before = fs::read(&people).unwrap();
    let of = |option: &str, out: &str| refused(1, &["--embeddings", &embeddings, "--against", &people, option, out]);
    for option in ["--labels", "--graph"] {
        assert!(of(option, &embeddings).contains("VR0625"), "{option}");
        assert!(of(option, &people).contains("VR0625"), "{option}");
        let said = refused(1, &["--embeddings", &embeddings, option, &people]);
        assert!(said.contains("VR0626"), "{said}");
    }
    assert_eq!(fs::read(&people).unwrap(), before);
    let (labels, graph) = (desk.at("made/labels.npy"), desk.at("made/graph.npz"));
    for _ in 0..2 {
        told(&["--embeddings", &embeddings, "--labels", &labels, "--graph", &graph]);
    }
    assert!(refused(1, &["--embeddings", &embeddings, "--labels", &graph]).contains("VR0626"));
    assert!(refused(1, &["--embeddings", &embeddings, "--graph", &labels]).contains("VR0626"));
    told(&["--embeddings", &embeddings, "--labels", &people, "--force"]);
    assert_eq!(labels_of(&people).len(), rows.rows());
    let names: Vec<PathBuf> = fs::read_dir(desk.at("made")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}
