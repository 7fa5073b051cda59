//! Rows of images as one picture.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use image::imageops::{FilterType, overlay, resize};
use image::{Rgb, RgbImage};
use vireid_core::guard_parser;

use crate::ProgramError;
use crate::overwriting::write_whole;

/// Size of an image on a sheet.
const WIDTH: u32 = 64;
const HEIGHT: u32 = 128;
/// Width of the frame around an image, and of the space between two.
const FRAME: u32 = 3;
const SPACE: u32 = 4;
const BACKGROUND: Rgb<u8> = Rgb([255, 255, 255]);
/// Colour of an image that can't be read.
const MISSING: Rgb<u8> = Rgb([200, 200, 200]);

/// Key and value by which a sheet is known again.
const SOFTWARE: &str = "Software";
const CONTACT_SHEET: &str = "vireid contact sheet";

/// One image of a sheet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// Path of the image; one that can't be read is drawn as a grey tile.
    pub path: PathBuf,
    /// Colour of its frame, red, green and blue: one of the constants below, or your own.
    pub frame: [u8; 3],
}

impl Tile {
    /// Frame of a query: blue.
    pub const QUERY: [u8; 3] = [40, 90, 200];
    /// Frame of an answer whose identity is not known: grey.
    pub const PLAIN: [u8; 3] = [150, 150, 150];
    /// Frame of a right answer: green.
    pub const RIGHT: [u8; 3] = [20, 150, 60];
    /// Frame of a wrong answer: red.
    pub const WRONG: [u8; 3] = [200, 40, 40];
}

/// Writes rows of images as one PNG. An image that can't be read is grey; returns which they are.
///
/// # Errors
///
/// `VR0605`.
pub fn write_contact_sheet(path: &Path, rows: &[Vec<Tile>]) -> Result<Vec<PathBuf>, ProgramError> {
    write_pictures(path, rows, CONTACT_SHEET)
}

/// As [`write_contact_sheet`], for a run directory: no contact sheet takes its place.
///
/// # Errors
///
/// `VR0605`.
pub fn write_evidence_sheet(path: &Path, rows: &[Vec<Tile>]) -> Result<Vec<PathBuf>, ProgramError> {
    write_pictures(path, rows, "vireid evidence")
}

fn write_pictures(path: &Path, rows: &[Vec<Tile>], software: &str) -> Result<Vec<PathBuf>, ProgramError> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0).max(1) as u32;
    let (across, down) = (WIDTH + 2 * FRAME + SPACE, HEIGHT + 2 * FRAME + SPACE);
    let mut sheet = RgbImage::from_pixel(columns * across + SPACE, rows.len().max(1) as u32 * down + SPACE, BACKGROUND);
    let mut unreadable = Vec::new();
    for (y, row) in rows.iter().enumerate() {
        for (x, tile) in row.iter().enumerate() {
            // By content, whatever a file's name ends in, as images are read everywhere.
            let read = std::fs::read(&tile.path).ok();
            let read = read.and_then(|bytes| guard_parser(|| image::load_from_memory(&bytes).ok()).ok().flatten());
            let picture = match read {
                Some(picture) => resize(&picture.into_rgb8(), WIDTH, HEIGHT, FilterType::Triangle),
                None => {
                    unreadable.push(tile.path.clone());
                    RgbImage::from_pixel(WIDTH, HEIGHT, MISSING)
                }
            };
            let frame = RgbImage::from_pixel(WIDTH + 2 * FRAME, HEIGHT + 2 * FRAME, Rgb(tile.frame));
            let (left, top) = (i64::from(SPACE + x as u32 * across), i64::from(SPACE + y as u32 * down));
            overlay(&mut sheet, &frame, left, top);
            overlay(&mut sheet, &picture, left + i64::from(FRAME), top + i64::from(FRAME));
        }
    }
    write_whole(path, |file| {
        let mut encoder = png::Encoder::new(BufWriter::new(file), sheet.width(), sheet.height());
        encoder.set_color(png::ColorType::Rgb);
        encoder.add_text_chunk(SOFTWARE.into(), software.into())?;
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&sheet)?;
        Ok(writer.finish()?)
    })?;
    Ok(unreadable)
}

/// Whether a file is a sheet that was written here.
pub(crate) fn is_sheet(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    let Ok(reader) = png::Decoder::new(BufReader::new(file)).read_info() else { return false };
    let mut texts = reader.info().uncompressed_latin1_text.iter();
    texts.any(|text| (text.keyword.as_str(), text.text.as_str()) == (SOFTWARE, CONTACT_SHEET))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_unreadable_images() {
        let folder = tempfile::tempdir().unwrap();
        let (png, sheet) = (folder.path().join("red.png"), folder.path().join("sheet.png"));
        RgbImage::from_pixel(10, 30, Rgb([255, 0, 0])).save(&png).unwrap();
        // A name that tells nothing.
        let red = folder.path().join("red.crop");
        std::fs::rename(&png, &red).unwrap();
        let tile = |path: &Path, frame| Tile { path: path.into(), frame };
        let row = vec![tile(&red, Tile::QUERY), tile(&folder.path().join("gone.png"), Tile::WRONG)];
        let unreadable = write_contact_sheet(&sheet, &[row]).unwrap();
        assert_eq!(unreadable, [folder.path().join("gone.png")]);
        assert!(is_sheet(&sheet));
        let evidence = folder.path().join("pairs.png");
        write_evidence_sheet(&evidence, &[]).unwrap();
        assert!(!is_sheet(&evidence), "a search would write its sheet over a run's picture");
        let sheet = image::open(&sheet).unwrap().into_rgb8();
        assert_eq!(sheet.dimensions(), (2 * 74 + 4, 138 + 4));
        assert_eq!(sheet.get_pixel(5, 5).0, Tile::QUERY);
        assert_eq!(sheet.get_pixel(40, 70).0, [255, 0, 0]);
        assert_eq!(sheet.get_pixel(120, 70).0, MISSING.0);
    }
}
