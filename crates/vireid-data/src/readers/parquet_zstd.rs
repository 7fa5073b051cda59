//! Parquet columns that are compressed with Zstandard. The `parquet` crate's own codec is a C library; here its pages are
//! read as they are and decompressed by `ruzstd`.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::RowGroupReader;
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;
use ruzstd::decoding::StreamingDecoder;

/// No page of a table of images is larger: a damaged one is not to fill the memory.
const LARGEST_PAGE: u64 = 1 << 30;

/// A row group whose columns may be compressed with Zstandard.
pub(super) struct RowGroup<'a> {
    pub file: Arc<File>,
    pub of: Box<dyn RowGroupReader + 'a>,
}

impl RowGroupReader for RowGroup<'_> {
    fn metadata(&self) -> &RowGroupMetaData {
        self.of.metadata()
    }

    fn num_columns(&self) -> usize {
        self.of.num_columns()
    }

    fn get_column_page_reader(&self, number: usize) -> Result<Box<dyn PageReader>> {
        let column = self.metadata().column(number);
        if !matches!(column.compression(), Compression::ZSTD(_)) {
            return self.of.get_column_page_reader(number);
        }
        // So that pages come as they are in the file.
        let raw = column.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build()?;
        let rows = usize::try_from(self.metadata().num_rows())?;
        Ok(Box::new(Pages(SerializedPageReader::new(self.file.clone(), &raw, rows, None)?)))
    }

    fn get_column_bloom_filter(&self, number: usize) -> Option<&Sbbf> {
        self.of.get_column_bloom_filter(number)
    }

    fn get_row_iter(&self, projection: Option<Type>) -> Result<RowIter<'_>> {
        RowIter::from_row_group(projection, self)
    }
}

/// The pages of a column, decompressed.
struct Pages(SerializedPageReader<File>);

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let Some(mut page) = self.0.get_next_page()? else { return Ok(None) };
        match &mut page {
            Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => *buf = decompress(buf, 0)?.into(),
            // Levels stand before the values and are never compressed.
            Page::DataPageV2 { buf, is_compressed: true, def_levels_byte_len, rep_levels_byte_len, .. } => {
                let levels = *def_levels_byte_len as usize + *rep_levels_byte_len as usize;
                *buf = decompress(buf, levels)?.into();
            }
            Page::DataPageV2 { .. } => (),
        }
        Ok(Some(page))
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.0.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.0.skip_next_page()
    }
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

/// The bytes of a page, decompressed after the first `plain` ones.
fn decompress(page: &[u8], plain: usize) -> Result<Vec<u8>> {
    let broken = |error: String| ParquetError::General(format!("a page can't be decompressed: {error}"));
    let (plain, compressed) = page.split_at_checked(plain).ok_or_else(|| broken("it is too short".into()))?;
    let mut bytes = plain.to_vec();
    if !compressed.is_empty() {
        let decoder = StreamingDecoder::new(compressed).map_err(|error| broken(error.to_string()))?;
        decoder.take(LARGEST_PAGE).read_to_end(&mut bytes).map_err(|error| broken(error.to_string()))?;
    }
    Ok(bytes)
}
