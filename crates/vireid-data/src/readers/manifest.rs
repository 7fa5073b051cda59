use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::Path;

use vireid_core::{Camera, Identity, Modality, PerModality};

use crate::{DataError, Dataset, Names, Sample, TestSplit};

/// Columns that every manifest has, in any order.
const NEEDED: [&str; 3] = ["path", "modality", "camera"];
/// Columns that it may have.
const OPTIONAL: [&str; 2] = ["identity", "split"];

/// A row before names have become numbers.
struct Row {
    line: usize,
    path: String,
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
/// `split` is `train` (the default) or `test`. Identities of training images serve diagnostics only. When both modalities have test images, each queries the
/// other; those of one modality alone can be embedded, not scored.
///
/// # Errors
///
/// `VR0103` with the line for a wrong column, value or a path listed twice.
pub fn read_manifest(manifest: &Path) -> Result<Dataset, DataError> {
    let is_parquet = manifest.extension().is_some_and(|extension| extension == "parquet");
    let rows = rows(manifest, if is_parquet { read_parquet(manifest)? } else { read_csv(manifest)? })?;
    let numbers = |names: BTreeSet<&str>| {
        names.into_iter().enumerate().map(|(number, name)| (name.to_string(), number)).collect::<HashMap<_, _>>()
    };
    let cameras = numbers(rows.iter().map(|row| row.camera.as_str()).collect());
    let identities = numbers(rows.iter().filter_map(|row| row.identity.as_deref()).collect());
    let folder = manifest.parent().unwrap_or(Path::new(""));
    let samples = |modality: Modality, is_test: bool| {
        let of_part = rows.iter().filter(|row| row.modality == modality && row.is_test == is_test);
        let sample = |row: &Row| Sample {
            path: folder.join(&row.path),
            identity: row.identity.as_ref().map(|name| Identity(identities[name] as u32)),
            camera: Camera(cameras[&row.camera] as u16 + 1),
        };
        let mut samples: Vec<Sample> = of_part.map(sample).collect();
        samples.sort_unstable();
        samples
    };
    let both = |is_test| PerModality {
        visible: samples(Modality::Visible, is_test),
        infrared: samples(Modality::Infrared, is_test),
    };
    if let Some(row) = rows.iter().find(|row| row.is_test && row.identity.is_none()) {
        return Err(malformed(manifest, row.line, "a test image needs an identity to be scored by".into()));
    }
    let PerModality { visible, infrared } = both(true);
    let test = match visible.is_empty() && infrared.is_empty() {
        true => TestSplit::Nothing,
        false => TestSplit::Own { visible, infrared },
    };
    let names = Names {
        cameras: cameras.iter().map(|(name, number)| (Camera(*number as u16 + 1), name.clone())).collect(),
        people: identities.iter().map(|(name, number)| (Identity(*number as u32), name.clone())).collect(),
    };
    let name = format!("own data of {}", manifest.display());
    Ok(Dataset { name, synthetic: false, train: both(false), test, names })
}

#[cfg(feature = "parquet")]
fn read_parquet(manifest: &Path) -> Result<Table, DataError> {
    super::parquet_table::read(manifest)
}

#[cfg(not(feature = "parquet"))]
fn read_parquet(manifest: &Path) -> Result<Table, DataError> {
    Err(malformed(manifest, 1, "this build reads CSV only; build vireid-data with its feature `parquet`".into()))
}

pub(super) fn malformed(path: &Path, line: usize, reason: String) -> DataError {
    DataError::MalformedList { path: path.into(), line, reason }
}

fn read_csv(manifest: &Path) -> Result<Table, DataError> {
    let text = fs::read_to_string(manifest).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => malformed(manifest, 1, "it is not a text file".into()),
        _ => DataError::io("can't read", manifest)(error),
    })?;
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

fn rows(manifest: &Path, table: Table) -> Result<Vec<Row>, DataError> {
    let wrong = |line: usize, reason: String| malformed(manifest, line, reason);
    let columns: Vec<&str> = table.columns.iter().map(String::as_str).collect();
    let expected = || format!("columns are {}, and {} if known", NEEDED.join(", "), OPTIONAL.join(", "));
    if let Some(missing) = NEEDED.iter().find(|name| !columns.contains(name)) {
        return Err(wrong(1, format!("there is no column '{missing}' in '{}'; {}", columns.join(","), expected())));
    }
    if let Some(unknown) = columns.iter().find(|name| !NEEDED.contains(name) && !OPTIONAL.contains(name)) {
        return Err(wrong(1, format!("the column '{unknown}' is not known; {}", expected())));
    }
    let position = |name: &str| columns.iter().position(|column| *column == name);
    let mut seen = HashSet::new();
    let mut rows = Vec::new();
    for (line, record) in &table.rows {
        let line = *line;
        let value = |name: &str| position(name).and_then(|at| record.get(at)).filter(|value| !value.is_empty());
        let needed = |name: &str| value(name).ok_or_else(|| wrong(line, format!("'{name}' is empty")));
        let path = needed("path")?.clone();
        if !seen.insert(path.clone()) {
            return Err(wrong(line, format!("'{path}' is listed a second time")));
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
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Dataset, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("crops.csv");
        fs::write(&path, text).unwrap();
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
        let TestSplit::Own { visible, infrared } = dataset.test else { panic!("no test split") };
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
            ("a.png,visible,1,,\na.png,visible,1,,\n", "line 3: 'a.png' is listed"),
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
    fn a_file_that_is_no_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("manifest.csv");
        fs::write(&path, [0xff, 0xd8, 0xff, 0xe0]).unwrap();
        assert!(read_manifest(&path).unwrap_err().to_string().starts_with("VR0103"));
    }
}
