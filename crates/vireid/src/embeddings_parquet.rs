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
use vireid_core::Embeddings;
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
    let reader = File::open(path).ok().and_then(|file| SerializedFileReader::new(file).ok());
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

/// Reads the file and what it tells about itself.
pub(crate) fn load(path: &Path) -> Result<(EmbeddingsFile, Fingerprint), ProgramError> {
    let bad = |reason: String| ProgramError::BadIndex { path: path.into(), reason };
    let broken = |error: ParquetError| bad(format!("it is no Parquet file of embeddings: {error}"));
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
        return Err(bad("its columns are others than vireid extract writes".into()));
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
    let (paths, _) = read_column::<ByteArrayType>(group, 0, rows)?;
    let (modalities, _) = read_column::<ByteArrayType>(group, 1, rows)?;
    let (cameras, _) = read_column::<ByteArrayType>(group, 2, rows)?;
    let (identities, is_known) = read_column::<ByteArrayType>(group, 3, rows)?;
    values.extend(read_column::<FloatType>(group, 4, rows)?.0);
    let mut identities = identities.iter();
    let text = |name: &ByteArray| name.as_utf8().map(str::to_string);
    for (((path, modality), camera), is_known) in paths.iter().zip(&modalities).zip(&cameras).zip(is_known) {
        images.push(EmbeddedImage {
            path: PathBuf::from(path.as_utf8()?),
            modality: modality.as_utf8()?.to_string(),
            camera: camera.as_utf8()?.to_string(),
            identity: if is_known > 0 { identities.next().map(text).transpose()? } else { None },
        });
    }
    if images.len() < rows {
        return Err(ParquetError::EOF("columns of different lengths".into()));
    }
    Ok(())
}

/// The present values of a column and its definition levels.
fn read_column<T: DataType>(
    group: &dyn RowGroupReader,
    column: usize,
    rows: usize,
) -> Result<(Vec<T::T>, Vec<i16>), ParquetError> {
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
    Ok((values, definitions))
}
