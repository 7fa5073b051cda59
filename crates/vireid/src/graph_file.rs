//! A graph of distances as SciPy keeps matrices in compressed rows: `scipy.sparse.load_npz` reads it.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use vireid_clustering::SparseRows;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::ProgramError;
use crate::npy::header_bytes;
use crate::overwriting::write_whole;

/// The archive's comment, by which a graph of ours is told from another.
const COMMENT: &str = "distances by vireid";

/// Writes distances; what is not stored is far.
///
/// # Errors
///
/// `VR0605`.
pub fn write_graph(path: &Path, distances: SparseRows) -> Result<(), ProgramError> {
    let rows = distances.rows();
    let (starts, columns, values) = distances.into_parts_by_value();
    // As SciPy: both indices of one type, the smaller one where it is large enough.
    let is_small = values.len().max(rows) <= i32::MAX as usize;
    let indices = if is_small { "<i4" } else { "<i8" };
    let index = |index: usize| index.to_le_bytes().into_iter().take(if is_small { 4 } else { 8 });
    let vector = |length: usize| format!("({length},)");
    write_whole(path, |file| {
        let mut archive = ZipWriter::new_stream(BufWriter::new(file));
        archive.set_comment(COMMENT)?;
        let columns = columns.iter().map(|&column| column as usize);
        member(&mut archive, "indices", indices, &vector(values.len()), columns.flat_map(index))?;
        let starts = if rows == 0 { vec![0] } else { starts };
        member(&mut archive, "indptr", indices, &vector(starts.len()), starts.into_iter().flat_map(index))?;
        member(&mut archive, "format", "|S3", "()", "csr".bytes())?;
        member(
            &mut archive,
            "shape",
            "<i8",
            "(2,)",
            [rows; 2].into_iter().flat_map(|side| (side as u64).to_le_bytes()),
        )?;
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        member(&mut archive, "data", "<f4", &vector(values.len()), bytes)?;
        archive.finish()?.into_inner().flush()
    })
}

/// Adds an array to an archive.
fn member<W: Write + Seek>(
    archive: &mut ZipWriter<W>,
    name: &str,
    descr: &str,
    shape: &str,
    bytes: impl Iterator<Item = u8>,
) -> Result<(), std::io::Error> {
    // The same bytes at any time of day.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .large_file(true);
    archive.start_file(format!("{name}.npy"), options)?;
    let mut block = header_bytes(descr, shape, 0);
    for byte in bytes {
        block.push(byte);
        if block.len() >= 1 << 16 {
            archive.write_all(&block)?;
            block.clear();
        }
    }
    archive.write_all(&block)
}

/// Whether [`write_graph`] wrote a file.
pub(crate) fn is_graph(path: &Path) -> bool {
    let end = || -> Result<Vec<u8>, std::io::Error> {
        let mut file = File::open(path)?;
        let mut end = Vec::new();
        file.seek(SeekFrom::End(-(COMMENT.len() as i64)))?;
        file.read_to_end(&mut end)?;
        Ok(end)
    };
    end().is_ok_and(|end| end == COMMENT.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphs_are_known_again_and_are_the_same_bytes_every_time() {
        let folder = tempfile::tempdir().unwrap();
        let [first, second] = ["a.npz", "b.npz"].map(|name| folder.path().join(name));
        let graph = SparseRows::from_rows(vec![vec![(0, 0.0), (1, 0.25)], vec![(0, 0.25), (1, 0.0)], vec![]]);
        write_graph(&first, graph.clone()).unwrap();
        write_graph(&second, graph).unwrap();
        assert!(is_graph(&first));
        assert_eq!(std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap());
        std::fs::write(&second, "short").unwrap();
        assert!(!is_graph(&second) && !is_graph(folder.path()) && !is_graph(&folder.path().join("none")));
    }
}
