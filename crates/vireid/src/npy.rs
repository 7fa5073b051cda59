//! Matrices of f32 as NumPy writes them (format 1.0, little endian, C order).

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use vireid_core::Embeddings;

use crate::ProgramError;
use crate::overwriting::Prepared;

const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
/// The whole header is a multiple of this long.
const ALIGNMENT: usize = 64;

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
    let (rows, dim) = (embeddings.rows(), embeddings.dim());
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}");
    let unpadded = MAGIC.len() + 2 + header.len() + 1;
    let length = unpadded.div_ceil(ALIGNMENT) * ALIGNMENT - MAGIC.len() - 2;
    let mut bytes = MAGIC.to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(format!("{header:<width$}\n", width = length - 1).bytes());
    bytes.extend(embeddings.as_slice().iter().flat_map(|value| value.to_le_bytes()));
    Prepared::write(path, |mut file| file.write_all(&bytes))
}

/// Reads a matrix that [`write_npy`] or NumPy (f32, C order) wrote.
///
/// # Errors
///
/// `VR0601` when the file is something else.
pub fn read_npy(path: &Path) -> Result<Embeddings, ProgramError> {
    let bad = |reason: &str| ProgramError::BadIndex { path: path.into(), reason: reason.into() };
    let bytes = fs::read(path).map_err(|error| bad(&error.to_string()))?;
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| bad("it is not a NumPy file of format 1.0"))?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(|| bad("it is cut short"))?;
    let length = usize::from(u16::from_le_bytes(*length));
    let (header, data) = rest.split_at_checked(length).ok_or_else(|| bad("it is cut short"))?;
    let header = String::from_utf8_lossy(header);
    if !header.contains("'<f4'") || !header.contains("'fortran_order': False") {
        return Err(bad("it does not hold 32-bit floats in C order"));
    }
    let (rows, dim) = shape(&header).ok_or_else(|| bad("it does not hold a matrix"))?;
    if rows.checked_mul(dim).and_then(|values| values.checked_mul(4)) != Some(data.len()) {
        return Err(bad("it is cut short"));
    }
    let values = data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    Embeddings::new(values, rows, dim).map_err(|error| bad(&error.to_string()))
}

/// Rows and columns by the header of a file.
fn shape(header: &str) -> Option<(usize, usize)> {
    let (_, rest) = header.split_once("'shape': (")?;
    let (rows, rest) = rest.split_once(',')?;
    let (dim, _) = rest.split_once(')')?;
    Some((rows.trim().parse().ok()?, dim.trim().trim_end_matches(',').parse().ok()?))
}

/// Rows and columns of a file that [`write_npy`] wrote; `None` for another.
pub(crate) fn npy_shape(path: &Path) -> Option<(usize, usize)> {
    let mut beginning = Vec::new();
    File::open(path).ok()?.take(2 * ALIGNMENT as u64).read_to_end(&mut beginning).ok()?;
    beginning.strip_prefix(MAGIC)?;
    shape(&String::from_utf8_lossy(&beginning))
}

#[cfg(test)]
mod tests {
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
        let doubles = String::from_utf8_lossy(&whole).replace("<f4", "<f8").into_bytes();
        assert!(said(&doubles).starts_with("VR0601"));
        fs::remove_file(&path).unwrap();
        assert!(read_npy(&path).unwrap_err().to_string().starts_with("VR0601"));
    }
}
