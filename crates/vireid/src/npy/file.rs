//! The values of a `.npy` file.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use rayon::prelude::*;

use super::header::{CUT, Header, Kind};

/// Items that are read at a time.
const BLOCK: usize = 1 << 16;
/// Rows of a matrix in Fortran order that are gathered at a time.
const ROWS: usize = 64;

/// A `.npy` file whose header has been read.
///
/// Whatever the header says, no more is asked of the memory than the file holds.
pub(crate) struct NpyFile {
    pub header: Header,
    data: BufReader<File>,
    items: usize,
    /// Whether the file is known to hold all items. It is not for a pipe.
    is_whole: bool,
}

impl NpyFile {
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let entry = file.metadata().map_err(|error| error.to_string())?;
        if entry.is_dir() {
            return Err("it is a folder".into());
        }
        let mut data = BufReader::with_capacity(1 << 18, file);
        let header = Header::read(&mut data)?;
        let items = header.shape.iter().try_fold(1usize, |product, &side| product.checked_mul(side));
        let length = items.and_then(|items| items.checked_mul(header.item)?.checked_add(header.start));
        let (Some(items), Some(length)) = (items, length) else {
            return Err("its shape is beyond all numbers".into());
        };
        if entry.is_file() && entry.len() < length as u64 {
            return Err(CUT.into());
        }
        if entry.is_file() && entry.len() > length as u64 {
            return Err(TRAILING.into());
        }
        Ok(Self { header, data, items, is_whole: entry.is_file() })
    }

    /// A matrix of 32-bit floats, row by row; rows and columns.
    pub(crate) fn floats(self) -> Result<(Vec<f32>, usize, usize), String> {
        let &[rows, dim] = self.header.shape.as_slice() else {
            let shape = &self.header.shape;
            return Err(format!("it holds an array of shape {}, not a matrix with a row per image", shape_text(shape)));
        };
        let is_fortran = self.header.is_fortran;
        let is_big = self.header.is_big_endian;
        let too_large = |index: usize, value: f64| {
            let row = if is_fortran { index % rows.max(1) } else { index / dim.max(1) };
            format!("row {row} holds {value:e}, which is too large for 32-bit floats")
        };
        let values = match (self.header.kind, self.header.item) {
            (Kind::Float, 2) => self.read(|_, item| Ok(f32_of_f16(unsigned(item, is_big) as u16))),
            (Kind::Float, 4) => self.read(|_, item| Ok(f32::from_bits(unsigned(item, is_big) as u32))),
            (Kind::Float, 8) => self.read(|index, item| {
                let value = f64::from_bits(unsigned(item, is_big));
                let short = value as f32;
                if short.is_infinite() && value.is_finite() { Err(too_large(index, value)) } else { Ok(short) }
            }),
            (Kind::Signed, _) => self.read(|_, item| Ok(signed(item, is_big) as f32)),
            (Kind::Unsigned, _) => self.read(|_, item| Ok(unsigned(item, is_big) as f32)),
            _ => Err(format!("it holds items of the type '{}', not numbers", self.header.descr)),
        }?;
        Ok((if is_fortran { by_rows(&values, rows, dim) } else { values }, rows, dim))
    }

    /// A vector of whole numbers.
    pub(crate) fn integers(self) -> Result<Vec<i128>, String> {
        let is_big = self.header.is_big_endian;
        match self.header.kind {
            Kind::Boolean => self.read(|_, item| Ok(i128::from(item[0] != 0))),
            Kind::Signed => self.read(|_, item| Ok(signed(item, is_big).into())),
            Kind::Unsigned => self.read(|_, item| Ok(unsigned(item, is_big).into())),
            _ => Err(format!("it holds items of the type '{}', not whole numbers", self.header.descr)),
        }
    }

    /// A vector of names.
    pub(crate) fn names(self) -> Result<Vec<String>, String> {
        let is_big = self.header.is_big_endian;
        match self.header.kind {
            // Latin 1, as whatever wrote such names may have meant; ASCII in all likelihood.
            Kind::Bytes => self.read(|_, item| Ok(trimmed(item.iter().map(|&byte| char::from(byte)).collect()))),
            Kind::Text => self.read(|index, item| {
                let letters = item.chunks_exact(4).map(|letter| char::from_u32(unsigned(letter, is_big) as u32));
                letters.collect::<Option<String>>().map(trimmed).ok_or_else(|| format!("entry {index} is no text"))
            }),
            _ => Err(format!("it holds items of the type '{}', not names", self.header.descr)),
        }
    }

    /// All items, by their places in the file.
    fn read<T>(mut self, decode: impl Fn(usize, &[u8]) -> Result<T, String>) -> Result<Vec<T>, String> {
        let item = self.header.item;
        let mut values = Vec::with_capacity(if self.is_whole { self.items } else { 0 });
        let mut block = Vec::new();
        while values.len() < self.items {
            let now = (self.items - values.len()).min((BLOCK / item).max(1)) * item;
            block.clear();
            self.data.by_ref().take(now as u64).read_to_end(&mut block).map_err(|error| error.to_string())?;
            if block.len() < now {
                return Err(CUT.into());
            }
            for bytes in block.chunks_exact(item) {
                values.push(decode(values.len(), bytes)?);
            }
        }
        match self.data.read(&mut [0]) {
            Ok(0) => Ok(values),
            _ => Err(TRAILING.into()),
        }
    }
}

const TRAILING: &str = "it holds more than its header says";

/// A shape as Python writes it.
pub(crate) fn shape_text(shape: &[usize]) -> String {
    let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
    if let [side] = sides.as_slice() { format!("({side},)") } else { format!("({})", sides.join(", ")) }
}

/// A number of at most 8 bytes.
fn unsigned(item: &[u8], is_big_endian: bool) -> u64 {
    let add = |number: u64, &byte: &u8| number << 8 | u64::from(byte);
    if is_big_endian { item.iter().fold(0, add) } else { item.iter().rev().fold(0, add) }
}

/// The same in two's complement.
fn signed(item: &[u8], is_big_endian: bool) -> i64 {
    let unused = 64 - 8 * item.len() as u32;
    (unsigned(item, is_big_endian) << unused) as i64 >> unused
}

/// A number of 16 bits, exactly.
fn f32_of_f16(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (u32::from(bits >> 15) << 31, u32::from(bits >> 10 & 31), u32::from(bits & 1023));
    match exponent {
        0 => f32::from_bits(sign | (fraction as f32 / 16_777_216.0).to_bits()),
        31 => f32::from_bits(sign | 255 << 23 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

/// Without the zeros that fill an entry.
fn trimmed(mut name: String) -> String {
    name.truncate(name.trim_end_matches('\0').len());
    name
}

/// A matrix row by row that was column by column.
fn by_rows(columns: &[f32], rows: usize, dim: usize) -> Vec<f32> {
    let mut values = vec![0.0; columns.len()];
    if values.is_empty() {
        return values;
    }
    values.par_chunks_mut(dim * ROWS).enumerate().for_each(|(block, values)| {
        for (column, all) in columns.chunks_exact(rows).enumerate() {
            for (row, value) in values.chunks_exact_mut(dim).enumerate() {
                value[column] = all[block * ROWS + row];
            }
        }
    });
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_length_and_order() {
        assert_eq!(unsigned(&[1, 2], false), 513);
        assert_eq!(unsigned(&[1, 2], true), 258);
        assert_eq!(unsigned(&[255; 8], true), u64::MAX);
        assert_eq!(signed(&[254], false), -2);
        assert_eq!(signed(&[255, 254], true), -2);
        assert_eq!(signed(&i64::MIN.to_le_bytes(), false), i64::MIN);
    }

    /// Against the definition: (1 + fraction / 1024) x 2^(exponent - 15), and without the 1 for exponent 0.
    #[test]
    fn halves() {
        for bits in 0..=u16::MAX {
            let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023) / 1024.0);
            let size = match exponent {
                0 => fraction * 2f64.powi(-14),
                31 if fraction == 0.0 => f64::INFINITY,
                31 => f64::NAN,
                _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
            };
            let expected = (if bits >> 15 == 1 { -size } else { size }) as f32;
            let got = f32_of_f16(bits);
            assert!(
                got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan(),
                "{bits}: {got} {expected}"
            );
        }
    }

    #[test]
    fn columns_become_rows() {
        let (rows, dim) = (150, 3);
        let columns: Vec<f32> = (0..dim).flat_map(|c| (0..rows).map(move |r| (r * dim + c) as f32)).collect();
        let expected: Vec<f32> = (0..rows * dim).map(|value| value as f32).collect();
        assert_eq!(by_rows(&columns, rows, dim), expected);
        assert!(by_rows(&[], 4, 0).is_empty());
    }
}
