//! Where the image of a JPEG file ends, and whether all of it is there.
//!
//! A file may go on after its image (a buffer's rest, a film, the next image), may lack its end marker, and may have one
//! although half of the image is missing. Decoders fill what is missing with grey and say nothing. So the segments are
//! followed here, and the decoder is asked whether its data sufficed: pixels of a whole image do not depend on what comes
//! after its data.
//!
//! A progressive file that never sends some coefficients is valid, and looks like one that was cut between two scans and
//! given an end marker: it is refused as well. A hole followed by data of the same scan is found only if it makes the
//! decoder want more of them.

use std::ops::Range;

use image::{DynamicImage, ImageFormat, ImageResult, load_from_memory_with_format};

const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];
/// No code of a JPEG is all ones: a decoder that still needs data goes astray in these, one that has all it needs never
/// looks at them. A 0xff within data is followed by 0.
const ONES: [u8; 64] = {
    let mut ones = [0; 64];
    let mut at = 0;
    while at < ones.len() {
        ones[at] = 0xff;
        at += 2;
    }
    ones
};
/// Coefficients of a block.
const COEFFICIENTS: usize = 64;
/// A run of equal bytes at the end of a scan that is worth a question.
const LONG_RUN: usize = 64;
const CUT: &str = "the JPEG data end before the image does";
const HOLE: &str = "a large part of the JPEG data is blank";

/// Decodes a JPEG file. At the `first_look` an image of which a part is missing is refused; that takes a second
/// decoding.
///
/// # Errors
///
/// What is wrong with it, as a sentence.
pub(crate) fn decode(bytes: &[u8], first_look: bool) -> Result<DynamicImage, String> {
    let said = |error: image::ImageError| error.to_string();
    let Some(scans) = Scans::of(bytes) else {
        // Not even a scan: the decoder knows best what is wrong.
        return load_from_memory_with_format(bytes, ImageFormat::Jpeg).map_err(said);
    };
    if first_look && !scans.are_all_there() {
        return Err(CUT.into());
    }
    let image = decode_parts(&[&bytes[..scans.end()]]).map_err(said)?;
    if !first_look {
        return Ok(image);
    }
    let is_same_without = |data: Range<usize>| {
        let other = decode_parts(&[&bytes[..data.start], &ONES, &bytes[data.end..scans.end()]]);
        other.is_ok_and(|other| other.as_bytes() == image.as_bytes())
    };
    if !is_same_without(scans.end()..scans.end()) {
        return Err(CUT.into());
    }
    // A hole in a file is read as zeros, which are valid data. Too many of them stay behind; without any, the image lacks
    // something, or it had all it needs and they only fill the file up.
    let is_hole = |scan: &Range<usize>| {
        let run = run_at_the_end(&bytes[scan.clone()]);
        let is_long = run > LONG_RUN && run > scan.len() / 4;
        is_long && is_same_without(scan.end - LONG_RUN / 4..scan.end) && !is_same_without(scan.end - run..scan.end)
    };
    if scans.data.iter().any(is_hole) {
        return Err(HOLE.into());
    }
    Ok(image)
}

fn decode_parts(parts: &[&[u8]]) -> ImageResult<DynamicImage> {
    load_from_memory_with_format(&[&parts.concat()[..], &END_OF_IMAGE].concat(), ImageFormat::Jpeg)
}

/// How many equal bytes a scan ends in. A zero after 0xff belongs to that.
fn run_at_the_end(data: &[u8]) -> usize {
    let run = data.iter().rev().take_while(|byte| Some(*byte) == data.last()).count();
    run - usize::from(data[..data.len() - run].last() == Some(&0xff))
}

/// The scans of a JPEG file.
struct Scans {
    /// Where the data of each scan are.
    data: Vec<Range<usize>>,
    is_progressive: bool,
    /// Of each component, the lowest bit that has been given of each coefficient.
    components: Vec<(u8, [Option<u8>; COEFFICIENTS])>,
}

impl Scans {
    /// Follows the segments up to the first end marker outside one; `None` without a scan.
    fn of(bytes: &[u8]) -> Option<Self> {
        let mut scans = Self { data: Vec::new(), is_progressive: false, components: Vec::new() };
        let mut at = 2;
        while let Some((marker, behind)) = next_marker(bytes, at) {
            match marker {
                0xd8 | 0xd9 => break,
                0x01 | 0xd0..=0xd7 => at = behind,
                _ => {
                    let Some(length) = bytes.get(behind..).and_then(|rest| rest.first_chunk()) else { break };
                    let length = usize::from(u16::from_be_bytes(*length));
                    let Some(segment) = bytes.get(behind + 2..behind + length) else { break };
                    at = behind + length;
                    match marker {
                        0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => scans.begin_frame(marker, segment),
                        0xda => {
                            if scans.take(segment).is_none() {
                                break;
                            }
                            scans.data.push(at..end_of_data(bytes, at));
                            at = scans.end();
                            if !scans.is_progressive && scans.are_all_there() {
                                break;
                            }
                        }
                        _ => (),
                    }
                }
            }
        }
        Some(scans).filter(|scans| !scans.data.is_empty())
    }

    /// Where the data of the last scan end.
    fn end(&self) -> usize {
        self.data.last().map_or(0, |last| last.end)
    }

    fn begin_frame(&mut self, marker: u8, segment: &[u8]) {
        self.is_progressive = marker & 3 == 2;
        let components = segment.get(6..).unwrap_or_default().chunks_exact(3);
        self.components = components.map(|component| (component[0], [None; COEFFICIENTS])).collect();
    }

    /// Notes what a scan gives, from its header; `None` for a header that is none.
    fn take(&mut self, header: &[u8]) -> Option<()> {
        let count = usize::from(*header.first()?);
        let [first, last, bits] = *header.get(1 + 2 * count..)?.first_chunk()?;
        let band = if self.is_progressive { usize::from(first)..=usize::from(last) } else { 0..=COEFFICIENTS - 1 };
        let lowest = if self.is_progressive { bits & 0xf } else { 0 };
        for component in header[1..1 + 2 * count].chunks_exact(2) {
            let named = self.components.iter_mut().filter(|(name, _)| *name == component[0]);
            for (_, given) in named {
                given.get_mut(band.clone())?.fill(Some(lowest));
            }
        }
        Some(())
    }

    /// Whether some scan gave every bit of every coefficient.
    fn are_all_there(&self) -> bool {
        self.components.iter().all(|(_, given)| given.iter().all(|lowest| *lowest == Some(0)))
    }
}

/// The next marker from a position on, and the position after it.
fn next_marker(bytes: &[u8], from: usize) -> Option<(u8, usize)> {
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == 0xff)?;
        at += bytes[at..].iter().position(|byte| *byte != 0xff)?;
        if bytes[at] != 0 {
            return Some((bytes[at], at + 1));
        }
    }
}

/// Where entropy-coded data end: at a marker other than a restart, or at the end of the file.
fn end_of_data(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some((marker, behind)) = next_marker(bytes, at) {
        if !matches!(marker, 0xd0..=0xd7) {
            // Markers may have any number of 0xff before them.
            let before = bytes[..behind - 1].iter().rposition(|byte| *byte != 0xff).map_or(0, |last| last + 1);
            return before.max(from);
        }
        at = behind;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Drawn patterns of 24 x 40 pixels as libjpeg writes them.
    const FILES: [(&str, &[u8]); 4] = [
        ("baseline", include_bytes!("../tests/files/baseline.jpg")),
        ("progressive", include_bytes!("../tests/files/progressive.jpg")),
        ("restarts", include_bytes!("../tests/files/restarts.jpg")),
        // Its lower half is a row of zeros that belong to the image.
        ("grey", include_bytes!("../tests/files/grey_half_black.jpg")),
    ];

    fn scan_starts(bytes: &[u8]) -> Vec<usize> {
        (0..bytes.len() - 1).filter(|&at| bytes[at..at + 2] == [0xff, 0xda]).collect()
    }

    #[test]
    fn whole_images_with_anything_behind_them() {
        for (name, bytes) in FILES {
            let pixels = decode(bytes, true).unwrap();
            assert_eq!(pixels, load_from_memory_with_format(bytes, ImageFormat::Jpeg).unwrap(), "{name}");
            let noise: Vec<u8> = (0..20_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
            let film = [&noise[..], b"\xff\xd9", &noise, b"\xff\xda", &noise].concat();
            let endings: [&[u8]; 5] =
                [&[0; 512], b"....moov\x12\xff\xda\x00\x0ctail", &film, &bytes[..bytes.len() - 20], b"\xff\xd9"];
            for ending in endings {
                assert_eq!(decode(&[bytes, ending].concat(), true).unwrap(), pixels, "{name}");
            }
            // Without an end marker all is there still; with fill bytes before it, too.
            let data = &bytes[..bytes.len() - 2];
            assert_eq!(decode(data, true).unwrap(), pixels, "{name}");
            assert_eq!(decode(&[data, &[0xff, 0xff, 0xff, 0xd9]].concat(), true).unwrap(), pixels, "{name}");
        }
    }

    /// Cut in its data, a JPEG is refused whatever follows: nothing, an end marker, a rest, another image.
    #[test]
    fn cut_images_whatever_stands_behind_them() {
        for (name, bytes) in FILES {
            let first = scan_starts(bytes)[0];
            for end in (first + 14..bytes.len() - 2).filter(|end| bytes[end - 1] != 0xff) {
                let cut = &bytes[..end];
                let endings: [&[u8]; 3] = [b"", &END_OF_IMAGE, bytes];
                for ending in endings {
                    let said = decode(&[cut, ending].concat(), true);
                    assert!(said.is_err(), "{name} cut at {end} of {}, then {} bytes", bytes.len(), ending.len());
                }
            }
        }
    }

    #[test]
    fn a_hole_in_the_data() {
        for (name, bytes) in FILES {
            for scan in Scans::of(bytes).unwrap().data {
                let half = scan.start + scan.len() / 2;
                // To the end of the scan, and to the end of the file.
                for behind in [&bytes[scan.end..], &END_OF_IMAGE] {
                    let hole = [&bytes[..half], &vec![0; 20 * bytes.len()], behind].concat();
                    let reason = decode(&hole, true).expect_err(name);
                    assert!(scan.end + 2 < bytes.len() || reason == HOLE, "{name} {scan:?}: {reason}");
                }
            }
        }
    }

    /// Some cameras fill a file up to a whole number of blocks before its end marker, or leave that out.
    #[test]
    fn zeros_behind_all_the_data_are_no_hole() {
        for (name, bytes) in FILES {
            let pixels = decode(bytes, true).unwrap();
            for end in [&END_OF_IMAGE[..], b""] {
                let filled = [&bytes[..bytes.len() - 2], &vec![0; 2 * bytes.len()], end].concat();
                assert_eq!(decode(&filled, true), Ok(pixels.clone()), "{name}");
            }
        }
    }

    #[test]
    fn what_is_no_image_is_refused_without_a_panic() {
        for bytes in
            [&b"\xff\xd8"[..], b"\xff\xd8\xff\xda\0\x03\x01", b"\xff\xd8\xff\xc0\0\x02\xff\xda\0\x08\x01\x01\0\0\x3f\0"]
        {
            assert!(decode(bytes, true).is_err());
        }
        for (_, bytes) in FILES {
            (0..scan_starts(bytes)[0]).for_each(|end| assert!(decode(&bytes[..end], true).is_err()));
        }
    }
}
