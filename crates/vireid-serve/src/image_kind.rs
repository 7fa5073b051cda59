//! The content type of an image by how its file begins.

/// The content type of an image by how its file begins; `None` for what a browser is not to show.
pub fn image_kind(bytes: &[u8]) -> Option<&'static str> {
    let starts = |with: &[u8]| bytes.starts_with(with);
    if starts(b"\xff\xd8\xff") {
        Some("image/jpeg")
    } else if starts(b"\x89PNG\r\n\x1a\n") {
        Some("image/png")
    } else if starts(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        Some("image/webp")
    } else if starts(b"BM") {
        Some("image/bmp")
    } else if starts(b"II*\0") || starts(b"MM\0*") {
        Some("image/tiff")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_how_a_file_begins() {
        assert_eq!(image_kind(b"\xff\xd8\xff\xe0"), Some("image/jpeg"));
        assert_eq!(image_kind(b"\x89PNG\r\n\x1a\n.."), Some("image/png"));
        assert_eq!(image_kind(b"RIFF....WEBPVP8 "), Some("image/webp"));
        assert_eq!(image_kind(b"BM......"), Some("image/bmp"));
        assert_eq!(image_kind(b"II*\0"), Some("image/tiff"));
        assert_eq!(image_kind(b"MM\0*"), Some("image/tiff"));
        for other in [&b""[..], b"RIFF....WAVE", b"RIFF", b"<svg", b"<!doctype html>", b"GIF89a"] {
            assert_eq!(image_kind(other), None);
        }
    }
}
