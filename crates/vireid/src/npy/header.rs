//! The header of a `.npy` file.

use std::io::Read;

/// What every file of NumPy begins with.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";
/// A whole header is a multiple of this long.
pub(crate) const ALIGNMENT: usize = 64;
/// NumPy itself takes 10,000 bytes.
const LONGEST: usize = 1 << 16;

/// What the items of an array are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Signed,
    Unsigned,
    Float,
    /// Characters of 4 bytes.
    Text,
    /// Characters of one byte.
    Bytes,
}

/// The header of a `.npy` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// The type as the file has it, such as `<f4`.
    pub descr: String,
    pub kind: Kind,
    /// Bytes of an item; at least 1.
    pub item: usize,
    pub is_big_endian: bool,
    /// Columns one after another.
    pub is_fortran: bool,
    pub shape: Vec<usize>,
    /// Where the items begin in the file.
    pub start: usize,
}

impl Header {
    /// Reads the header, and nothing beyond it.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for a person to read.
    pub(crate) fn read(source: &mut impl Read) -> Result<Self, String> {
        let mut magic = [0; MAGIC.len() + 2];
        let is_whole = source.read_exact(&mut magic).is_ok();
        if !is_whole || !magic.starts_with(MAGIC) {
            return Err("it is not a file of NumPy".into());
        }
        let major = magic[MAGIC.len()];
        let mut length = [0; 4];
        let digits = if major == 1 { 2 } else { 4 };
        if !(1..=3).contains(&major) {
            return Err(format!("it is of NumPy's format {major}, and 1 to 3 are known"));
        }
        source.read_exact(&mut length[..digits]).map_err(|_| CUT)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > LONGEST {
            return Err(format!("its header is said to be {length} bytes long"));
        }
        let mut text = vec![0; length];
        source.read_exact(&mut text).map_err(|_| CUT)?;
        let start = magic.len() + digits + length;
        let (descr, is_fortran, shape) = entries(&String::from_utf8_lossy(&text)).ok_or(
            "its header can't be read: it holds no plain array of numbers or names (of records, perhaps, or of Python's objects)",
        )?;
        let (is_big_endian, kind, item) = item(&descr).ok_or_else(|| {
            format!("it holds items of the type '{descr}': convert it with NumPy's astype, to float32 or int64 say")
        })?;
        Ok(Self { descr, kind, item, is_big_endian, is_fortran, shape, start })
    }
}

pub(crate) const CUT: &str = "it is cut short";

/// Byte order, kind and bytes of the items of a type.
fn item(descr: &str) -> Option<(bool, Kind, usize)> {
    let mut letters = descr.chars();
    let is_big_endian = match letters.next()? {
        '<' | '|' => false,
        '>' => true,
        _ => return None,
    };
    let kind = letters.next()?;
    let length: usize = letters.as_str().parse().ok()?;
    let (kind, item) = match (kind, length) {
        ('b', 1) => (Kind::Boolean, 1),
        ('i', 1 | 2 | 4 | 8) => (Kind::Signed, length),
        ('u', 1 | 2 | 4 | 8) => (Kind::Unsigned, length),
        ('f', 2 | 4 | 8) => (Kind::Float, length),
        ('U', 1..) => (Kind::Text, length.checked_mul(4)?),
        ('S', 1..) => (Kind::Bytes, length),
        _ => return None,
    };
    Some((is_big_endian, kind, item))
}

/// Type, order and shape by the text of a header: a dictionary as Python writes it, in any order.
fn entries(text: &str) -> Option<(String, bool, Vec<usize>)> {
    let mut rest = Rest(text);
    let (mut descr, mut is_fortran, mut shape) = (None, None, None);
    rest.mark("{")?;
    while rest.mark("}").is_none() {
        let key = rest.quoted()?;
        rest.mark(":")?;
        match key {
            "descr" => descr = Some(rest.quoted()?.to_string()),
            "fortran_order" => is_fortran = Some(rest.boolean()?),
            "shape" => shape = Some(rest.numbers()?),
            _ => return None,
        }
        if rest.mark(",").is_none() {
            rest.mark("}")?;
            break;
        }
    }
    Some((descr?, is_fortran?, shape?))
}

/// What is left of a text.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// Goes behind a mark, which is next.
    fn mark(&mut self, mark: &str) -> Option<()> {
        self.0 = self.0.trim_start().strip_prefix(mark)?;
        Some(())
    }

    fn quoted(&mut self) -> Option<&'a str> {
        let text = self.0.trim_start();
        let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
        let (word, rest) = text[1..].split_once(quote)?;
        self.0 = rest;
        Some(word)
    }

    fn boolean(&mut self) -> Option<bool> {
        self.mark("True").map(|()| true).or_else(|| self.mark("False").map(|()| false))
    }

    /// A tuple of whole numbers.
    fn numbers(&mut self) -> Option<Vec<usize>> {
        self.mark("(")?;
        let (inside, rest) = self.0.split_once(')')?;
        self.0 = rest;
        // Python 2 ends its long numbers with an L.
        let numbers = inside.split(',').map(|number| number.trim().trim_end_matches('L'));
        numbers.filter(|number| !number.is_empty()).map(|number| number.parse().ok()).collect()
    }
}

/// The beginning of a file of format 1.0, in C order, at least so many bytes long.
pub(crate) fn header_bytes(descr: &str, shape: &str, least: usize) -> Vec<u8> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let before = MAGIC.len() + 4;
    let total = (before + text.len() + 1).max(least).div_ceil(ALIGNMENT) * ALIGNMENT;
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend(((total - before) as u16).to_le_bytes());
    bytes.extend(format!("{text:<width$}\n", width = total - before - 1).bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dictionaries_as_python_writes_them() {
        let plain = Some(("<f4".to_string(), false, vec![3, 2]));
        for text in [
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }      \n",
            "{\"shape\": (3L,2L),'fortran_order':False , 'descr':'<f4'}",
        ] {
            assert_eq!(entries(text), plain, "{text}");
        }
        let vector = "{'descr': '|u1', 'fortran_order': True, 'shape': (7,), }";
        assert_eq!(entries(vector), Some(("|u1".into(), true, vec![7])));
        assert!(entries(&vector.replace("(7,)", "()")).unwrap().2.is_empty());
        for bad in [
            "",
            "{",
            "{}",
            "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,)}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}",
        ] {
            assert_eq!(entries(bad), None, "{bad}");
        }
    }

    #[test]
    fn types() {
        assert_eq!(item(">i8"), Some((true, Kind::Signed, 8)));
        assert_eq!(item("<U3"), Some((false, Kind::Text, 12)));
        for bad in ["", "f4", "<f16", "<c8", "|O", "|S0", "<U0", "<U99999999999999999999", "<M8[ns]", "<i3", "é"] {
            assert_eq!(item(bad), None, "{bad}");
        }
        assert_eq!(item("<U4611686018427387904"), None, "four times as many bytes are beyond all numbers");
    }

    #[test]
    fn lengths_are_not_believed() {
        let read = |bytes: &[u8]| Header::read(&mut &bytes[..]).unwrap_err();
        assert!(read(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{").contains("4294967295 bytes"));
        assert!(read(b"\x93NUMPY\x02\x00\xff\xff\x00\x00{").contains(CUT));
        assert!(read(b"\x93NUMPY\x04\x00").contains("format 4"));
        assert!(read(b"\x93NUMP").contains("not a file of NumPy"));
    }
}
