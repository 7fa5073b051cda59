//! A `.npy` file with an entry per image.

use std::path::Path;

use super::file::{NpyFile, shape_text};
use super::header::Kind;

/// A vector of a `.npy` file, an entry per image: cameras, modalities, people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entries {
    /// Whole numbers, or `True` and `False` as 1 and 0.
    Numbers(Vec<i128>),
    /// Strings, of text or of bytes.
    Names(Vec<String>),
}

impl Entries {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for a person to read.
    pub fn read(path: &Path) -> Result<Self, String> {
        let file = NpyFile::open(path)?;
        let header = &file.header;
        if header.shape.len() != 1 {
            let shape = shape_text(&header.shape);
            return Err(format!("it holds an array of shape {shape}, not a vector with an entry per image"));
        }
        match header.kind {
            Kind::Text | Kind::Bytes => file.names().map(Self::Names),
            Kind::Float => Err(format!(
                "it holds floats ('{}'), not whole numbers or names: save it with NumPy's astype(int)",
                header.descr
            )),
            Kind::Boolean | Kind::Signed | Kind::Unsigned => file.integers().map(Self::Numbers),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Names(names) => names.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Numbers from 0 for what they are, in its order: as `numpy.unique` with `return_inverse` gives them.
    pub fn numbered(&self) -> Vec<usize> {
        fn numbers<T: Ord>(entries: &[T]) -> Vec<usize> {
            let mut all: Vec<&T> = entries.iter().collect();
            all.sort_unstable();
            all.dedup();
            // Every entry is among all.
            entries.iter().map(|entry| all.binary_search(&entry).unwrap_or(0)).collect()
        }
        match self {
            Self::Numbers(entries) => numbers(entries),
            Self::Names(entries) => numbers(entries),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_in_their_order() {
        assert_eq!(Entries::Numbers(vec![7, -1, 7, 300]).numbered(), [1, 0, 1, 2]);
        assert_eq!(Entries::Names(["b", "a", "B"].map(String::from).into()).numbered(), [2, 1, 0]);
        assert!(Entries::Names(vec![]).numbered().is_empty());
    }
}
