//! The reader of manifests: tables of images.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use vireid_core::{Camera, Identity, Modality, PerModality};

use super::files::{Files, Naming, listed_file};
use super::people::note_trained_on;
use super::spelling::note_spellings;
use super::text::read_text;
use super::{malformed, numbered_camera};
use crate::notes::Notes;
use crate::{DataError, Dataset, Names, Sample, TestSplit};

/// Columns that every manifest has, in any order.
const NEEDED: [&str; 3] = ["path", "modality", "camera"];
/// Columns that it may have.
const OPTIONAL: [&str; 2] = ["identity", "split"];

/// A row before names have become numbers.
struct Row {
    line: usize,
    path: PathBuf,
    modality: Modality,
    camera: String,
    identity: Option<String>,
    is_test: bool,
}

/// A table of text: its columns, and its rows with the line that errors name.
pub(super) struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<(usize, Vec<String>)>,
}

/// Reads a list of images: a CSV file with a header and the columns `path,modality,camera[,identity][,split]`, or, with the
/// feature `parquet`, a Parquet file (`.parquet`) with these columns.
///
/// Paths are relative to the manifest's folder. `modality` is `visible` or `infrared`; `camera` and `identity` are names of
/// any kind, numbered here in order of their names ([`Dataset::names`] keeps them); an empty `identity` is an unknown one;
/// `split` is `train` (the default) or `test`. Identities of training images serve diagnostics only. When both modalities
/// have test images, each queries the other; those of one modality alone can be embedded, not scored.
///
/// # Errors
///
/// `VR0103` with the line for a wrong column, one that occurs twice, a wrong value, or a file listed twice under whatever
/// name; without one for more cameras than there are numbers.
pub fn read_manifest(manifest: &Path) -> Result<Dataset, DataError> {
    read_listed(manifest).map(|(dataset, _)| dataset)
}

/// Reads a manifest: what it says, and the files that it names.
pub(super) fn read_listed(manifest: &Path) -> Result<(Dataset, Files), DataError> {
    let is_parquet = manifest.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"));
    let (rows, files) = rows(manifest, if is_parquet { read_parquet(manifest)? } else { read_csv(manifest)? })?;
    let cameras: BTreeSet<&str> = rows.iter().map(|row| row.camera.as_str()).collect();
    let cameras = cameras.into_iter().enumerate().map(|(place, name)| Ok((name, numbered_camera(place, manifest)?)));
    let cameras = cameras.collect::<Result<BTreeMap<&str, Camera>, DataError>>()?;
    let identities: BTreeSet<&str> = rows.iter().filter_map(|row| row.identity.as_deref()).collect();
    let identities = identities.into_iter().enumerate().map(|(place, name)| (name, Identity(place as u32)));
    let identities: BTreeMap<&str, Identity> = identities.collect();
    let samples = |modality: Modality, is_test: bool| {
        let of_part = rows.iter().filter(|row| row.modality == modality && row.is_test == is_test);
        let sample = |row: &Row| Sample {
            path: row.path.clone(),
            identity: row.identity.as_deref().map(|name| identities[name]),
            camera: cameras[row.camera.as_str()],
        };
        let mut samples: Vec<Sample> = of_part.map(sample).collect();
        samples.sort_unstable();
        samples
    };
    let both = |is_test| PerModality {
        visible: samples(Modality::Visible, is_test),
        infrared: samples(Modality::Infrared, is_test),
    };
    let people = |is_test: bool| -> BTreeSet<&str> {
        rows.iter().filter(|row| row.is_test == is_test).filter_map(|row| row.identity.as_deref()).collect()
    };
    if let Some(row) = rows.iter().find(|row| row.is_test && row.identity.is_none()) {
        return Err(malformed(manifest, row.line, "a test image needs an identity to be scored by".into()));
    }
    let test = TestSplit::own(both(true));
    let names = Names {
        cameras: cameras.iter().map(|(name, camera)| (*camera, name.to_string())).collect(),
        people: identities.iter().map(|(name, person)| (*person, name.to_string())).collect(),
    };
    let mut notes = Notes::default();
    let people_of_rows = rows.iter().filter_map(|row| Some((row.identity.as_deref()?, !row.is_test)));
    note_spellings("identity", people_of_rows, &mut notes);
    note_spellings("camera", rows.iter().map(|row| (row.camera.as_str(), false)), &mut notes);
    note_trained_on(&people(false), &people(true), &mut notes);
    let name = format!("own data of {}", manifest.display());
    let notes = notes.into_texts();
    Ok((Dataset { name, synthetic: false, train: both(false), test, notes, names }, files))
}

#[cfg(feature = "parquet")]
fn read_parquet(manifest: &Path) -> Result<Table, DataError> {
    super::parquet_table::read(manifest)
}

#[cfg(not(feature = "parquet"))]
fn read_parquet(manifest: &Path) -> Result<Table, DataError> {
    Err(malformed(manifest, 1, "this build reads CSV only; build vireid-data with its feature `parquet`".into()))
}

fn read_csv(manifest: &Path) -> Result<Table, DataError> {
    let text = read_text(manifest)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| malformed(manifest, 1, error.to_string()))?;
    let columns = header.iter().map(str::to_string).collect();
    let rows = reader.records().map(|record| {
        let record = record.map_err(|error| {
            let line = error.position().map_or(0, |position| position.line() as usize);
            malformed(manifest, line, error.to_string())
        })?;
        let line = record.position().map_or(0, |position| position.line() as usize);
        Ok((line, record.iter().map(str::to_string).collect()))
    });
    Ok(Table { columns, rows: rows.collect::<Result<_, DataError>>()? })
}

fn rows(manifest: &Path, table: Table) -> Result<(Vec<Row>, Files), DataError> {
    let wrong = |line: usize, reason: String| malformed(manifest, line, reason);
    let columns: Vec<&str> = table.columns.iter().map(String::as_str).collect();
    let expected =
        || format!("columns are {}, and {} if known, between commas", NEEDED.join(", "), OPTIONAL.join(", "));
    if let Some(missing) = NEEDED.iter().find(|name| !columns.contains(name)) {
        return Err(wrong(1, format!("there is no column '{missing}' in '{}'; {}", columns.join(","), expected())));
    }
    if let Some(unknown) = columns.iter().find(|name| !NEEDED.contains(name) && !OPTIONAL.contains(name)) {
        return Err(wrong(1, format!("the column '{unknown}' is not known; {}", expected())));
    }
    if let Some(twice) = NEEDED.iter().chain(&OPTIONAL).find(|name| columns.iter().filter(|of| of == name).count() > 1)
    {
        return Err(wrong(1, format!("the column '{twice}' occurs twice; leave one")));
    }
    let folder = manifest.parent().unwrap_or(Path::new(""));
    let position = |name: &str| columns.iter().position(|column| *column == name);
    let mut files = Files::default();
    let mut rows = Vec::new();
    for (line, record) in &table.rows {
        let line = *line;
        let value = |name: &str| position(name).and_then(|at| record.get(at)).filter(|value| !value.is_empty());
        let needed = |name: &str| value(name).ok_or_else(|| wrong(line, format!("'{name}' is empty")));
        let written = needed("path")?;
        let path = listed_file(folder, written);
        if let Naming::Again { line: first } = files.name(&path, manifest, line, None)? {
            return Err(wrong(line, format!("'{written}' is the same file as line {first}")));
        }
        let modality = needed("modality")?;
        let named = |known: &Modality| known.to_string() == *modality;
        let modality = Modality::ALL.into_iter().find(named);
        let modality = modality.ok_or_else(|| wrong(line, "modality is visible or infrared".into()))?;
        let is_test = match value("split").map(String::as_str) {
            None | Some("train") => false,
            Some("test") => true,
            Some(other) => return Err(wrong(line, format!("split is train or test, not '{other}'"))),
        };
        let identity = value("identity").cloned();
        rows.push(Row { line, path, modality, camera: needed("camera")?.clone(), identity, is_test });
    }
    Ok((rows, files))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Dataset, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("crops.csv");
        std::fs::write(&path, text).unwrap();
        read_manifest(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn identities_and_splits_where_given() {
        let dataset = read(
            "modality, path, camera, split, identity\n\
             visible, a.png, door, train,\n infrared, b.png, night, , bob\n\
             visible, c.png, door, test, eve\ninfrared,\"d, e.png\", night, test, bob\n",
        )
        .unwrap();
        assert_eq!(dataset.train.visible[0].identity, None);
        assert_eq!(dataset.train.infrared[0].identity, Some(Identity(0)));
        assert_eq!([1, 2].map(|camera| dataset.names.camera(Camera(camera))), ["door", "night"]);
        assert_eq!([0, 1].map(|person| dataset.names.person(Identity(person))), ["bob", "eve"]);
        let PerModality { visible, infrared } = dataset.test.images;
        assert_eq!((visible[0].identity, visible[0].camera), (Some(Identity(1)), Camera(1)));
        assert!(infrared[0].path.ends_with("d, e.png") && infrared[0].camera == Camera(2));
    }

    #[test]
    fn wrong_tables_are_told_where() {
        let header = "path,modality,camera,identity,split\n";
        let cases = [
            ("path,camera\n", "no column 'modality'"),
            ("path,modality,camera,colour\n", "'colour' is not known"),
            ("a.png,visible,1,,\nb.png,radar,1,,\n", "line 3: modality"),
            ("a.png,visible,1,,\na.png,visible,1,,\n", "line 3: 'a.png' is the same file as line 2"),
            ("a.png,visible,1,,\n./a.png,visible,1,,\n", "line 3: './a.png' is the same file as line 2"),
            ("x/../a.png,visible,1,,\na.png,infrared,1,1,test\n", "line 3: 'a.png' is the same file as line 2"),
            ("path,modality,camera,camera\na.png,visible,1,2\n", "'camera' occurs twice"),
            ("a.png,visible,,,\n", "'camera' is empty"),
            ("a.png,visible,1,,test\n", "needs an identity"),
            ("a.png,visible,1,,dev\n", "not 'dev'"),
            ("a.png,visible\n", "line"),
        ];
        for (text, expected) in cases {
            let text = if text.starts_with("path") { text.to_string() } else { format!("{header}{text}") };
            let error = read(&text).unwrap_err();
            assert!(error.starts_with("VR0103") && error.contains(expected), "{error}");
        }
    }

    /// They vanished: a test set needed both.
    #[test]
    fn rows_of_one_modality_are_kept() {
        let header = "path,modality,camera,identity,split\n";
        let dataset = read(&format!("{header}a.png,visible,1,eve,test\nb.png,visible,1,,\n")).unwrap();
        assert_eq!((dataset.test.images().visible.len(), dataset.test.images().infrared.len()), (1, 0));
        assert_eq!((dataset.train.visible.len(), dataset.train.infrared.len()), (1, 0));
        assert!(dataset.check_modalities().unwrap_err().to_string().starts_with("VR0106"));
    }

    #[test]
    fn a_file_under_two_names_is_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("door")).unwrap();
        std::fs::write(folder.path().join("door/a.png"), b"").unwrap();
        let path = folder.path().join("crops.csv");
        let read = |names: [&str; 2]| {
            let rows = names.map(|name| format!("{name},visible,1\n")).concat();
            std::fs::write(&path, format!("path,modality,camera\n{rows}b.png,infrared,1\n")).unwrap();
            read_manifest(&path).map_err(|error| error.to_string())
        };
        #[cfg(unix)]
        std::os::unix::fs::symlink(folder.path().join("door/a.png"), folder.path().join("link.png")).unwrap();
        let whole = text_of(&folder.path().join("door/a.png"));
        let others = [
            "door/./a.png",
            "door\\a.png",
            whole.as_str(),
            #[cfg(unix)]
            "link.png",
        ];
        for other in others {
            let error = read(["door/a.png", other]).unwrap_err();
            assert!(error.contains("line 3") && error.contains("line 2"), "{other}: {error}");
        }
        let dataset = read(["door\\a.png", "door/c.png"]).unwrap();
        assert!(dataset.train.visible[0].path.is_file());
    }

    fn text_of(path: &Path) -> String {
        path.to_str().unwrap().to_string()
    }

    #[test]
    fn what_reads_well_and_may_mean_something_else_is_told() {
        let dataset = read(
            "path,modality,camera,identity,split\n\
             a.png,visible,1,007,train\nb.png,infrared,2,7,train\nc.png,visible,null,nan,train\n\
             d.png,visible,1,7,test\ne.png,infrared,2,eve,test\nf.png,infrared,2,None,test\n\
             g.png,visible,1,Jos\u{e9},train\nh.png,visible,1,Jose\u{301},train\n",
        )
        .unwrap();
        let notes = dataset.notes.join("\n") + "\n";
        for word in [
            "'007' and '7'",
            "'Jose\u{301}' and 'Jos\u{e9}'",
            "the identity 'nan' of 1 image is taken for a name; a training image's may be empty if it is not known\n",
            // These can't be empty.
            "the identity 'None' of 1 image is taken for a name\n",
            "the camera 'null' of 1 image is taken for a name\n",
            "of the 3 people of the test, 1 is in training too",
        ] {
            assert!(notes.contains(word), "{word}: {notes}");
        }
    }

    #[test]
    fn more_cameras_than_there_are_numbers() {
        let rows: String = (0..65_536).map(|i| format!("{i}.png,visible,{i}\n")).collect();
        let error = read(&format!("path,modality,camera\n{rows}")).unwrap_err();
        assert!(error.starts_with("VR0103") && error.contains("more cameras than 65535"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.csv");
        std::fs::write(&path, [0xff, 0xd8, 0xff, 0xe0]).unwrap();
        assert!(read_manifest(&path).unwrap_err().to_string().starts_with("VR0103"));
    }
}
