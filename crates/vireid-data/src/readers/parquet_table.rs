//! Parquet files as tables of text.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use vireid_core::guard_parser;

use super::malformed;
use super::manifest::Table;
use super::parquet_zstd::RowGroup;
use crate::DataError;

/// Reads the columns of a Parquet file as text; an absent value is an empty one. Rows count from 1.
///
/// # Errors
///
/// `VR0103` for a file that is not Parquet, or a column that is neither text nor whole numbers.
pub(super) fn read(path: &Path) -> Result<Table, DataError> {
    guard_parser(|| parse(path)).unwrap_or_else(|reason| Err(malformed(path, 1, reason)))
}

fn parse(path: &Path) -> Result<Table, DataError> {
    let wrong = |error: ParquetError| malformed(path, 1, format!("it can't be read as a Parquet file: {error}"));
    let file = File::open(path).map_err(DataError::io("can't read", path))?;
    let second = file.try_clone().map_err(DataError::io("can't read", path))?;
    let (reader, file) = (SerializedFileReader::new(file).map_err(wrong)?, Arc::new(second));
    let schema = reader.metadata().file_metadata().schema();
    let columns = schema.get_fields().iter().map(|field| field.name().to_string()).collect();
    let mut read: Vec<Row> = Vec::new();
    for number in 0..reader.num_row_groups() {
        let group = RowGroup { file: file.clone(), of: reader.get_row_group(number).map_err(wrong)? };
        for row in RowIter::from_row_group(None, &group).map_err(wrong)? {
            read.push(row.map_err(wrong)?);
        }
    }
    let mut rows = Vec::new();
    for (number, row) in read.into_iter().enumerate() {
        let text = |(name, field): (&String, &Field)| match field {
            Field::Null => Ok(String::new()),
            Field::Str(text) => Ok(text.trim().to_string()),
            Field::Byte(_)
            | Field::Short(_)
            | Field::Int(_)
            | Field::Long(_)
            | Field::UByte(_)
            | Field::UShort(_)
            | Field::UInt(_)
            | Field::ULong(_) => Ok(field.to_string()),
            _ => Err(malformed(path, number + 1, format!("'{name}' is neither text nor a whole number"))),
        };
        rows.push((number + 1, row.get_column_iter().map(text).collect::<Result<Vec<String>, DataError>>()?));
    }
    Ok(Table { columns, rows })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use crate::readers::read_manifest;

    /// Two images and a column of some kind, usually identities, that is empty for the second.
    fn write(path: &std::path::Path, images: [&str; 2], column: &str) {
        let schema = format!(
            "message m {{ required binary path (UTF8); required binary modality (UTF8); required int64 camera; optional {column}; }}"
        );
        let schema = Arc::new(parse_message_type(&schema).unwrap());
        let file = std::fs::File::create(path).unwrap();
        let mut writer = SerializedFileWriter::new(file, schema, Arc::new(WriterProperties::default())).unwrap();
        let mut group = writer.next_row_group().unwrap();
        for column in [images, ["visible", "infrared"]] {
            let mut of = group.next_column().unwrap().unwrap();
            of.typed::<ByteArrayType>().write_batch(&column.map(ByteArray::from), None, None).unwrap();
            of.close().unwrap();
        }
        let mut of = group.next_column().unwrap().unwrap();
        of.typed::<Int64Type>().write_batch(&[7, 8], None, None).unwrap();
        of.close().unwrap();
        let mut of = group.next_column().unwrap().unwrap();
        match column {
            "double identity" => {
                of.typed::<parquet::data_type::DoubleType>().write_batch(&[0.5], Some(&[1, 0]), None).unwrap();
            }
            _ => {
                of.typed::<ByteArrayType>().write_batch(&["eve".into()], Some(&[1, 0]), None).unwrap();
            }
        }
        of.close().unwrap();
        group.close().unwrap();
        writer.close().unwrap();
    }

    #[test]
    fn a_parquet_manifest_reads_as_a_csv_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("crops.parquet");
        // Bytes that are not declared to be text, and fractions.
        for identity in ["binary identity", "double identity"] {
            write(&path, ["a.png", "b.png"], identity);
            let error = read_manifest(&path).unwrap_err().to_string();
            assert!(error.starts_with("VR0103") && error.contains("'identity' is neither"), "{error}");
        }
        write(&path, ["a.png", "b.png"], "binary identity (UTF8)");
        let csv = folder.path().join("crops.csv");
        std::fs::write(&csv, "path,modality,camera,identity\na.png,visible,7,eve\nb.png,infrared,8,\n").unwrap();
        let (from_parquet, from_csv) = (read_manifest(&path).unwrap(), read_manifest(&csv).unwrap());
        assert_eq!(from_parquet.train.visible, from_csv.train.visible);
        assert_eq!(from_parquet.train.infrared, from_csv.train.infrared);
        assert!(from_parquet.test.is_empty());
    }

    #[test]
    fn what_stands_there_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("crops.parquet");
        let cases = [
            (["a.png", "b.png"], "binary camera (UTF8)", "the column 'camera' occurs twice"),
            (["a.png", "./a.png"], "binary identity (UTF8)", "line 2: './a.png' is the same file as line 1"),
        ];
        for (images, column, word) in cases {
            write(&path, images, column);
            let error = read_manifest(&path).unwrap_err().to_string();
            assert!(error.starts_with("VR0103") && error.contains(word), "{error}");
        }
    }

    /// As pyarrow writes it with `compression="zstd"`, in pages of either version; and what the `parquet` crate writes.
    #[test]
    fn every_codec_that_other_writers_use() {
        let folder = tempfile::tempdir().unwrap();
        let csv = folder.path().join("crops.csv");
        let rows: String = (0..40)
            .map(|i| format!("door/{i:03}.png,visible,door,{}\nnight/{i:03}.png,infrared,night,\n", i % 7))
            .collect();
        std::fs::write(&csv, format!("path,modality,camera,identity\n{rows}")).unwrap();
        let expected = read_manifest(&csv).unwrap();
        let files: [(&str, &[u8]); 5] = [
            ("zstd", include_bytes!("../../tests/files/zstd.parquet")),
            ("zstd2", include_bytes!("../../tests/files/zstd_pages2.parquet")),
            ("gzip", include_bytes!("../../tests/files/gzip.parquet")),
            ("lz4", include_bytes!("../../tests/files/lz4.parquet")),
            ("brotli", include_bytes!("../../tests/files/brotli.parquet")),
        ];
        for (codec, bytes) in files {
            let path = folder.path().join("crops.parquet");
            std::fs::write(&path, bytes).unwrap();
            let read = read_manifest(&path).unwrap();
            assert_eq!(read.train.visible, expected.train.visible, "{codec}");
            assert_eq!(read.train.infrared, expected.train.infrared, "{codec}");
        }
        // A damaged page is an error, not a panic. It begins behind the file's four letters.
        let mut damaged = files[0].1.to_vec();
        damaged[40..60].fill(7);
        let path = folder.path().join("crops.parquet");
        std::fs::write(&path, damaged).unwrap();
        let error = read_manifest(&path).unwrap_err().to_string();
        assert!(error.starts_with("VR0103") && error.contains("Parquet"), "{error}");
    }

    #[test]
    fn a_picture_is_no_parquet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("crops.parquet");
        std::fs::write(&path, [0xff, 0xd8, 0xff, 0xe0, 0, 16, b'J', b'F', b'I', b'F', 0, 1]).unwrap();
        let error = read_manifest(&path).unwrap_err().to_string();
        assert!(error.starts_with("VR0103") && error.contains("Parquet"), "{error}");
    }
}
