//! Embeddings in one Parquet file: columns `path`, `modality`, `camera`, `identity` (absent where unknown) and `embedding` (a
//! list of floats), and the fingerprints in the file's metadata.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, FloatType};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use vireid_core::{Embeddings, guard_parser};
use vireid_methods::EmbeddingRecipe;

use crate::fingerprint::Fingerprint;
use crate::overwriting::write_whole;
use crate::{EmbeddedImage, EmbeddingsFile, ProgramError};

const SCHEMA: &str = "message embeddings {
    required binary path (UTF8);
    required binary modality (UTF8);
    required binary camera (UTF8);
    optional binary identity (UTF8);
    repeated float embedding;
}";
const MODEL: &str = "vireid.model";
const DATA: &str = "vireid.data";
const FINGERPRINT: &str = "vireid.fingerprint";
const VERSION: &str = "vireid.version";
/// Rows of a row group: bounds the memory that writing takes.
const GROUP: usize = 65_536;

/// Writes the file.
pub(crate) fn save(of: &EmbeddingsFile, path: &Path, fingerprint: &Fingerprint) -> Result<(), ProgramError> {
    let entry = |key: &str, value: &str| KeyValue::new(key.to_string(), value.to_string());
    let told = serde_json::to_string(fingerprint).map_err(std::io::Error::other);
    let entries = vec![
        entry(MODEL, &of.recipe.weights),
        entry(DATA, &of.data),
        entry(VERSION, env!("CARGO_PKG_VERSION")),
        entry(FINGERPRINT, &told.map_err(ProgramError::io("can't write", path))?),
    ];
    let properties = WriterProperties::builder().set_key_value_metadata(Some(entries)).build();
    let write = |file: File| -> Result<(), ParquetError> {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties))?;
        for first in (0..of.images.len()).step_by(GROUP) {
            let rows = first..(first + GROUP).min(of.images.len());
            let images = &of.images[rows.clone()];
            let mut group = writer.next_row_group()?;
            let bytes = |text: &str| ByteArray::from(text);
            let paths: Vec<ByteArray> = images.iter().map(|image| bytes(&image.path.to_string_lossy())).collect();
            column::<ByteArrayType>(&mut group, &paths, None, None)?;
            let modalities: Vec<ByteArray> = images.iter().map(|image| bytes(&image.modality)).collect();
            column::<ByteArrayType>(&mut group, &modalities, None, None)?;
            let cameras: Vec<ByteArray> = images.iter().map(|image| bytes(&image.camera)).collect();
            column::<ByteArrayType>(&mut group, &cameras, None, None)?;
            let known: Vec<ByteArray> =
                images.iter().filter_map(|image| image.identity.as_deref()).map(bytes).collect();
            let is_known: Vec<i16> = images.iter().map(|image| i16::from(image.identity.is_some())).collect();
            column::<ByteArrayType>(&mut group, &known, Some(&is_known), None)?;
            let dim = of.embeddings.dim();
            let values = &of.embeddings.as_slice()[rows.start * dim..rows.end * dim];
            // A value repeats its row's list, but for the first, which begins it.
            let repeats: Vec<i16> = (0..values.len()).map(|at| i16::from(at % dim != 0)).collect();
            column::<FloatType>(&mut group, values, Some(&vec![1; values.len()]), Some(&repeats))?;
            group.close()?;
        }
        writer.close().map(|_| ())
    };
    write_whole(path, |file| write(file).map_err(std::io::Error::other))
}

/// Whether a file is one that [`save`] wrote.
pub(crate) fn is_ours(path: &Path) -> bool {
    let open = || File::open(path).ok().and_then(|file| SerializedFileReader::new(file).ok());
    let reader = guard_parser(open).ok().flatten();
    let entries = reader.and_then(|reader| reader.metadata().file_metadata().key_value_metadata().cloned());
    entries.is_some_and(|entries| entries.iter().any(|entry| entry.key == MODEL))
}

fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    values: &[T::T],
    definitions: Option<&[i16]>,
    repetitions: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let missing = || ParquetError::General("the schema has no further column".into());
    let mut writer = group.next_column()?.ok_or_else(missing)?;
    writer.typed::<T>().write_batch(values, definitions, repetitions)?;
    writer.close()
}

/// Reads the file and its metadata.
pub(crate) fn load(path: &Path) -> Result<(EmbeddingsFile, Fingerprint), ProgramError> {
    guard_parser(|| parse(path)).unwrap_or_else(|reason| Err(ProgramError::BadIndex { path: path.into(), reason }))
}

fn parse(path: &Path) -> Result<(EmbeddingsFile, Fingerprint), ProgramError> {
    let bad = |reason: String| ProgramError::BadIndex { path: path.into(), reason };
    let broken = |error: ParquetError| bad(format!("it is not a Parquet file of embeddings: {error}"));
    let file = File::open(path).map_err(|error| bad(error.to_string()))?;
    let reader = SerializedFileReader::new(file).map_err(broken)?;
    let metadata = reader.metadata().file_metadata();
    let expected = parse_message_type(SCHEMA).map_err(broken)?;
    let value = |key: &str| {
        let entry = metadata.key_value_metadata()?.iter().find(|entry| entry.key == key)?;
        entry.value.clone()
    };
    // Before the columns: older versions had others.
    if value(MODEL).is_some() && value(FINGERPRINT).is_none() {
        return Err(ProgramError::NoFingerprint { path: path.into() });
    }
    if metadata.schema().get_fields() != expected.get_fields() {
        return Err(bad("its columns are not those that vireid extract writes".into()));
    }
    let told = |key: &str| value(key).ok_or_else(|| bad(format!("its metadata lacks {key}")));
    let (weights, data) = (told(MODEL)?, told(DATA)?);
    let fingerprint: Fingerprint = serde_json::from_str(&told(FINGERPRINT)?)
        .map_err(|error| bad(format!("{FINGERPRINT} in its metadata: {error}")))?;
    let (mut images, mut values) = (Vec::new(), Vec::new());
    for number in 0..reader.num_row_groups() {
        let group = reader.get_row_group(number).map_err(broken)?;
        read_group(group.as_ref(), &mut images, &mut values).map_err(broken)?;
    }
    let dim = values.len().checked_div(images.len()).unwrap_or(0);
    let embeddings = Embeddings::new(values, images.len(), dim).map_err(|error| bad(error.to_string()))?;
    let recipe = EmbeddingRecipe { weights, settings: fingerprint.settings.clone() };
    Ok((EmbeddingsFile { embeddings, images, recipe, data }, fingerprint))
}

fn read_group(
    group: &dyn RowGroupReader,
    images: &mut Vec<EmbeddedImage>,
    values: &mut Vec<f32>,
) -> Result<(), ParquetError> {
    let rows = group.metadata().num_rows() as usize;
    let Column { values: paths, .. } = read_column::<ByteArrayType>(group, 0, rows)?;
    let Column { values: modalities, .. } = read_column::<ByteArrayType>(group, 1, rows)?;
    let Column { values: cameras, .. } = read_column::<ByteArrayType>(group, 2, rows)?;
    let Column { values: identities, definitions: is_known, .. } = read_column::<ByteArrayType>(group, 3, rows)?;
    let embeddings = read_column::<FloatType>(group, 4, rows)?;
    check_rows(&embeddings, rows)?;
    values.extend(embeddings.values);
    let mut identities = identities.iter();
    let before = images.len();
    let text = |name: &ByteArray| name.as_utf8().map(str::to_string);
    for (((path, modality), camera), is_known) in paths.iter().zip(&modalities).zip(&cameras).zip(is_known) {
        images.push(EmbeddedImage {
            path: PathBuf::from(path.as_utf8()?),
            modality: modality.as_utf8()?.to_string(),
            camera: camera.as_utf8()?.to_string(),
            identity: if is_known > 0 { identities.next().map(text).transpose()? } else { None },
        });
    }
    if images.len() - before != rows {
        return Err(ParquetError::EOF("columns of different lengths".into()));
    }
    Ok(())
}

/// Refuses a row whose embedding is longer or shorter than the first row's: later rows would take its values.
fn check_rows(embeddings: &Column<f32>, rows: usize) -> Result<(), ParquetError> {
    let starts: Vec<usize> = (0..embeddings.repetitions.len()).filter(|&at| embeddings.repetitions[at] == 0).collect();
    let is_even = embeddings.values.len() == embeddings.repetitions.len()
        && starts.len() == rows
        && starts.iter().enumerate().all(|(row, start)| start * rows == row * embeddings.values.len());
    if is_even { Ok(()) } else { Err(ParquetError::General("embeddings of different lengths".into())) }
}

/// The present values of a column, and the levels of all.
struct Column<T> {
    values: Vec<T>,
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
}

fn read_column<T: DataType>(
    group: &dyn RowGroupReader,
    column: usize,
    rows: usize,
) -> Result<Column<T::T>, ParquetError> {
    let mut reader = get_typed_column_reader::<T>(group.get_column_reader(column)?);
    let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
    let mut read = 0;
    while read < rows {
        let (records, ..) =
            reader.read_records(rows - read, Some(&mut definitions), Some(&mut repetitions), &mut values)?;
        if records == 0 {
            return Err(ParquetError::EOF("the file ends before its last row".into()));
        }
        read += records;
    }
    Ok(Column { values, definitions, repetitions })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(rows: usize, dim: usize) -> EmbeddingsFile {
        let image = |row: usize| EmbeddedImage {
            path: format!("{row}.png").into(),
            modality: "visible".into(),
            camera: "2".into(),
            identity: row.is_multiple_of(2).then(|| row.to_string()),
        };
        EmbeddingsFile {
            embeddings: Embeddings::new((0..rows * dim).map(|value| value as f32).collect(), rows, dim).unwrap(),
            images: (0..rows).map(image).collect(),
            recipe: EmbeddingRecipe { weights: "m".into(), settings: Default::default() },
            data: "d".into(),
        }
    }

    /// A damaged page makes the crate that reads it panic at some of these places.
    #[test]
    fn a_file_with_any_byte_damaged_is_read_or_refused_but_ends_no_program() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gallery.parquet");
        file(5, 3).save(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let mut gave_up = 0;
        for place in 0..whole.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[place] ^= mask;
                std::fs::write(&path, damaged).unwrap();
                if let Err(error) = load(&path) {
                    let said = error.to_string();
                    // Where the name of the fingerprint is damaged, it is a file of an earlier version that lacks one.
                    assert!(said.starts_with("VR0601") || said.starts_with("VR0611"), "{said}");
                    gave_up += usize::from(said.contains("gave up"));
                }
            }
        }
        assert!(gave_up > 0, "no byte makes the parser panic any more; is the guard still needed?");
    }

    #[test]
    fn rows_of_different_lengths_are_refused() {
        let column = |repetitions: &[i16], values: usize| Column {
            values: vec![0.5; values],
            definitions: vec![1; values],
            repetitions: repetitions.to_vec(),
        };
        assert!(check_rows(&column(&[0, 1, 0, 1], 4), 2).is_ok());
        assert!(check_rows(&column(&[], 0), 0).is_ok());
        assert!(check_rows(&column(&[0, 0, 1, 1], 4), 2).is_err());
        assert!(check_rows(&column(&[0, 1, 0], 3), 2).is_err());
        // An absent value has levels but no number.
        assert!(check_rows(&column(&[0, 0], 1), 2).is_err());
    }
}
