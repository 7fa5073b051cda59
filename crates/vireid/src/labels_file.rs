//! Labels as a vector of i64 in a `.npy` file; -1 is noise.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::ProgramError;
use crate::npy::{Header, Kind, header_bytes};
use crate::overwriting::write_whole;

/// Bytes before the first label. NumPy takes 128: by this, which no reader minds, labels of ours are told from somebody's list of
/// people, which must not be written over.
const START: usize = 192;

/// Writes labels.
///
/// # Errors
///
/// `VR0605`.
pub fn write_labels(path: &Path, labels: &[Option<usize>]) -> Result<(), ProgramError> {
    let mut bytes = header_bytes("<i8", &format!("({},)", labels.len()), START);
    let numbers = labels.iter().map(|label| label.map_or(-1, |label| label as i64));
    bytes.extend(numbers.flat_map(i64::to_le_bytes));
    write_whole(path, |mut file| file.write_all(&bytes))
}

/// Whether [`write_labels`] wrote a file.
pub(crate) fn is_labels(path: &Path) -> bool {
    let header = File::open(path).ok().and_then(|mut file| Header::read(&mut file).ok());
    header.is_some_and(|header| {
        header.start == START && header.kind == Kind::Signed && header.item == 8 && header.shape.len() == 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::npy::Entries;

    #[test]
    fn labels_are_known_again_and_lists_of_numpy_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.npy");
        write_labels(&path, &[Some(0), None, Some(300)]).unwrap();
        assert!(is_labels(&path));
        assert_eq!(Entries::read(&path), Ok(Entries::Numbers(vec![0, -1, 300])));
        let mut of_numpy = header_bytes("<i8", "(1,)", 128);
        of_numpy.extend(5i64.to_le_bytes());
        std::fs::write(&path, of_numpy).unwrap();
        assert_eq!(Entries::read(&path), Ok(Entries::Numbers(vec![5])));
        assert!(!is_labels(&path));
    }
}
