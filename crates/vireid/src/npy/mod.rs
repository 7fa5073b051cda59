//! Arrays as NumPy keeps them in `.npy` files. Written are matrices of f32 and vectors of i64, format 1.0, little endian, in C order.
//! Read are formats 1.0 to 3.0, floats of 16 to 64 bits, whole numbers of any width, booleans and strings, in either byte order,
//! C and Fortran order.
//!
//! A reader of our own: the crates that do this bring a parser generator along, for a header of three entries.

mod entries;
mod file;
mod header;

use std::fs::File;
use std::io::Write;
use std::path::Path;

use vireid_core::{CoreError, Embeddings};

use crate::ProgramError;
use crate::overwriting::Prepared;

pub use entries::Entries;
pub(crate) use header::{Header, Kind, header_bytes};

/// Writes a matrix.
///
/// # Errors
///
/// `VR0605`.
pub fn write_npy(path: &Path, embeddings: &Embeddings) -> Result<(), ProgramError> {
    prepare_npy(path, embeddings)?.rename()
}

/// The same under a temporary name still.
pub(crate) fn prepare_npy(path: &Path, embeddings: &Embeddings) -> Result<Prepared, ProgramError> {
    let mut bytes = header_bytes("<f4", &format!("({}, {})", embeddings.rows(), embeddings.dim()), 0);
    bytes.extend(embeddings.as_slice().iter().flat_map(|value| value.to_le_bytes()));
    Prepared::write(path, |mut file| file.write_all(&bytes))
}

/// What is wrong with a matrix.
#[derive(Debug)]
pub(crate) enum BadMatrix {
    /// The file, for a person to read.
    File(String),
    /// What it holds.
    Values(CoreError),
}

/// Reads a matrix that [`write_npy`] or NumPy wrote: of floats or whole numbers, in C or Fortran order.
///
/// # Errors
///
/// `VR0601` when the file is something else.
pub fn read_npy(path: &Path) -> Result<Embeddings, ProgramError> {
    read_matrix(path).map_err(|bad| {
        let reason = match bad {
            BadMatrix::File(reason) => reason,
            BadMatrix::Values(error) => error.to_string(),
        };
        ProgramError::BadIndex { path: path.into(), reason }
    })
}

/// The same with the fault apart from the file.
pub(crate) fn read_matrix(path: &Path) -> Result<Embeddings, BadMatrix> {
    let (values, rows, dim) = file::NpyFile::open(path).and_then(file::NpyFile::floats).map_err(BadMatrix::File)?;
    if dim == 0 {
        return Err(BadMatrix::File(format!("it holds rows of no numbers: its shape is ({rows}, 0)")));
    }
    Embeddings::new(values, rows, dim).map_err(BadMatrix::Values)
}

/// Rows and columns of a file that [`write_npy`] wrote; `None` for another.
pub(crate) fn npy_shape(path: &Path) -> Option<(usize, usize)> {
    let Header { descr, is_fortran, shape, .. } = Header::read(&mut File::open(path).ok()?).ok()?;
    match shape.as_slice() {
        &[rows, dim] if descr == "<f4" && !is_fortran => Some((rows, dim)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn round_trip_and_alignment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        let embeddings = Embeddings::new((0..12).map(|i| i as f32 / 7.0).collect(), 4, 3).unwrap();
        write_npy(&path, &embeddings).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!((bytes.len() - 48) % 64, 0);
        assert_eq!(bytes[bytes.len() - 49], b'\n');
        assert_eq!(read_npy(&path).unwrap().as_slice(), embeddings.as_slice());
        assert_eq!(npy_shape(&path), Some((4, 3)));
    }

    #[test]
    fn other_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        write_npy(&path, &Embeddings::new(vec![0.0; 6], 2, 3).unwrap()).unwrap();
        let whole = fs::read(&path).unwrap();
        let said = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            read_npy(&path).unwrap_err().to_string()
        };
        assert!(said(b"\xff\xd8\xff\xe0 a picture").starts_with("VR0601"));
        for length in [0, 7, 9, 40, whole.len() - 1] {
            assert!(said(&whole[..length]).starts_with("VR0601"), "{length}");
        }
        assert!(said(&[&whole[..], &[0]].concat()).contains("more than its header says"));
        let other = |from: &str, to: &str| {
            let at = whole.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
            [&whole[..at], to.as_bytes(), &whole[at + from.len()..]].concat()
        };
        assert!(said(&other("<f4", "<f8")).contains("cut short"));
        assert!(said(&other("<f4", "<c8")).contains("'<c8'"));
        assert!(said(&other("(2, 3)", "(6,  )")).contains("of shape (6,)"));
        fs::remove_file(&path).unwrap();
        assert!(read_npy(&path).unwrap_err().to_string().starts_with("VR0601"));
        assert!(read_npy(folder.path()).unwrap_err().to_string().contains("a folder"));
    }

    /// The numbers in a header are those of whoever wrote the file.
    #[test]
    fn no_header_makes_the_memory_run_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        for (descr, shape) in [
            ("<f4", "(4611686018427387904, 4)"),
            ("<f8", "(1000000000000, 1)"),
            ("<U1000000000000000", "(1,)"),
            ("|S9", "(1152921504606846976,)"),
            ("<f4", "(1152921504606846976, 0)"),
            ("<f4", "(0, 1152921504606846976)"),
            (">i2", "(0, 1152921504606846976)"),
        ] {
            fs::write(&path, header_bytes(descr, shape, 0)).unwrap();
            let empty = shape.starts_with("(0,");
            assert_eq!(read_npy(&path).is_ok(), empty, "{descr} {shape}");
            assert!(Entries::read(&path).is_err(), "{descr} {shape}");
        }
    }
}
