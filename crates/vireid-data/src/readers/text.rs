//! Text files in the encodings that people's programs write.

use std::fs;
use std::path::Path;

use super::malformed;
use crate::DataError;

/// Reads a text file as people's programs write them: UTF-8, with or without a byte order mark, or UTF-16 with one; lines
/// end in LF, CR LF or CR, and come back ending in LF.
///
/// # Errors
///
/// `VR0108` when it can't be read, `VR0103` with the line when it is not text.
pub(super) fn read_text(path: &Path) -> Result<String, DataError> {
    let bytes = fs::read(path).map_err(DataError::io("can't read", path))?;
    let text = match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest),
        rest => utf8(rest),
    };
    let text = text.map_err(|line| malformed(path, line, "it is not a text file in UTF-8".into()))?;
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

/// The text, or the line where it stops being one.
fn utf8(bytes: &[u8]) -> Result<String, usize> {
    let line = |error: std::str::Utf8Error| 1 + bytes[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count();
    std::str::from_utf8(bytes).map(str::to_string).map_err(line)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, usize> {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
    String::from_utf16(&units).map_err(|_| 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_and_line_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.txt");
        let read = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            read_text(&path).map_err(|error| error.to_string())
        };
        let wide = |mark: [u8; 2], to: fn(u16) -> [u8; 2]| {
            [&mark[..], &"1\r\n2\u{e9}".encode_utf16().flat_map(to).collect::<Vec<u8>>()].concat()
        };
        for bytes in [b"1\n2\xc3\xa9".to_vec(), b"\xef\xbb\xbf1\r\n2\xc3\xa9".to_vec(), b"1\r2\xc3\xa9".to_vec()] {
            assert_eq!(read(&bytes).unwrap(), "1\n2\u{e9}");
        }
        assert_eq!(read(&wide([0xff, 0xfe], u16::to_le_bytes)).unwrap(), "1\n2\u{e9}");
        assert_eq!(read(&wide([0xfe, 0xff], u16::to_be_bytes)).unwrap(), "1\n2\u{e9}");
        let error = read(b"1\n2\xe9").unwrap_err();
        assert!(error.starts_with("VR0103") && error.contains("line 2: it is not a text"), "{error}");
    }
}
