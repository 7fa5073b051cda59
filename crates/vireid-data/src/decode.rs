//! A file as an image of bytes at the size of a network's input.

use image::{ColorType, DynamicImage, ImageFormat, guess_format, load_from_memory_with_format};
use vireid_core::{guard_parser, one_line};

use crate::{Depth, ImageSize, ResizeFilter, ValueRange, jpeg, resize_rgb};

/// Smallest side that an image of a person can have.
const SMALLEST_SIDE: usize = 8;

/// A decoded image, and what its numbers were where they have more than 8 bits.
pub(crate) struct Decoded {
    pub pixels: Vec<u8>,
    pub depth: Option<Depth>,
}

/// Decodes and resizes a file's bytes. At the first look a JPEG is searched for missing parts, and numbers of more than 8 bits
/// are counted.
///
/// # Errors
///
/// What is wrong with it, in one line.
pub(crate) fn decode(
    bytes: &[u8],
    size: ImageSize,
    filter: ResizeFilter,
    range: ValueRange,
    first_look: bool,
) -> Result<Decoded, String> {
    // By its contents: a name may have any ending.
    let format = guess_format(bytes).map_err(|_| "it is not an image of a kind that can be read".to_string())?;
    let image = guard_parser(|| match format {
        ImageFormat::Jpeg => jpeg::decode(bytes, first_look),
        format => load_from_memory_with_format(bytes, format).map_err(|error| error.to_string()),
    })?;
    let (image, depth) = to_bytes(image.map_err(|error| one_line(&error))?, range, first_look);
    let from = ImageSize { height: image.height() as usize, width: image.width() as usize };
    Ok(Decoded { pixels: fit(image.into_raw(), from, size, filter)?, depth })
}

/// An image of bytes at another size.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn fit(pixels: Vec<u8>, from: ImageSize, size: ImageSize, filter: ResizeFilter) -> Result<Vec<u8>, String> {
    if from.height.min(from.width) < SMALLEST_SIDE {
        let ImageSize { height, width } = from;
        return Err(format!("only {width} x {height} pixels; at least {SMALLEST_SIDE} a side are needed"));
    }
    match from == size {
        true => Ok(pixels),
        false => resize_rgb(&pixels, from, size, filter).ok_or_else(|| "can't be resized".to_string()),
    }
}

/// An image of 8 bits stays as it is; of the numbers of a deeper one, `range` becomes the 256 grey levels.
fn to_bytes(image: DynamicImage, range: ValueRange, first_look: bool) -> (image::RgbImage, Option<Depth>) {
    let values: Vec<f32> = match image.color() {
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => {
            image.to_rgb16().into_raw().into_iter().map(f32::from).collect()
        }
        ColorType::Rgb32F | ColorType::Rgba32F => image.to_rgb32f().into_raw(),
        _ => return (image.into_rgb8(), None),
    };
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = finite.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    let limits = match range {
        ValueRange::Full => None,
        ValueRange::Image => Some((low, high)),
        ValueRange::Limits { low, high } => Some((low, high)),
    };
    let bytes = match limits {
        // As the decoder's library converts.
        None => image.into_rgb8(),
        Some((low, high)) => {
            // A flat image, whose range is empty, is black; so is a number that is none.
            let to_byte = |value: f32| ((value - low) / (high - low) * 255.0).clamp(0.0, 255.0).round() as u8;
            let (width, height) = (image.width(), image.height());
            let bytes = values.iter().map(|&value| to_byte(value)).collect();
            // The buffer has three bytes for each pixel, as it must.
            image::RgbImage::from_raw(width, height, bytes).unwrap_or_default()
        }
    };
    let depth = first_look.then(|| Depth {
        low,
        high,
        levels: distinct(values.iter().map(|value| value.to_bits()).collect()),
        kept: distinct(bytes.as_raw().clone()),
    });
    (bytes, depth)
}

fn distinct<T: Ord>(mut values: Vec<T>) -> usize {
    values.sort_unstable();
    values.dedup();
    values.len()
}

#[cfg(test)]
mod tests {
    use image::{ImageBuffer, Luma, Rgb};

    use super::*;

    const SIZE: ImageSize = ImageSize { height: 16, width: 8 };

    fn png(image: &DynamicImage) -> Vec<u8> {
        let mut bytes = Vec::new();
        image.write_to(&mut std::io::Cursor::new(&mut bytes), ImageFormat::Png).unwrap();
        bytes
    }

    fn grey(bytes: &[u8], range: ValueRange) -> (Vec<u8>, Option<Depth>) {
        let decoded = decode(bytes, SIZE, ResizeFilter::Lanczos, range, true).unwrap();
        (decoded.pixels.chunks(3).map(|pixel| pixel[0]).collect(), decoded.depth)
    }

    /// A thermal camera's numbers: 29,000 to 29,254 of 65,535.
    fn narrow() -> Vec<u8> {
        png(&ImageBuffer::from_fn(8, 16, |x, y| Luma([29_000 + 2 * (8 * y + x) as u16])).into())
    }

    #[test]
    fn sixteen_bits_of_a_narrow_range_collapse_and_are_stretched() {
        let (full, depth) = grey(&narrow(), ValueRange::Full);
        let depth = depth.unwrap();
        assert_eq!((depth.low, depth.high, depth.levels), (29_000.0, 29_254.0, 128));
        assert!(depth.kept <= 2 && depth.collapses(), "{depth:?}");
        assert_eq!((full[0], full[127]), (113, 114));

        let (stretched, depth) = grey(&narrow(), ValueRange::Image);
        assert_eq!((stretched[0], stretched[64], stretched[127]), (0, 129, 255));
        assert!(!depth.unwrap().collapses());
        let (limits, _) = grey(&narrow(), ValueRange::Limits { low: 29_100.0, high: 29_200.0 });
        assert_eq!((limits[0], limits[50], limits[75], limits[127]), (0, 0, 128, 255));
    }

    #[test]
    fn numbers_of_32_bits_with_a_fraction() {
        // A quarter of the pixels each; the last is no number.
        let values = [0.25, 0.5, 1.5, f32::NAN];
        let floats = ImageBuffer::from_fn(8, 16, |_, y| Rgb([values[y as usize / 4]; 3]));
        let mut tiff = std::io::Cursor::new(Vec::new());
        DynamicImage::ImageRgb32F(floats).write_to(&mut tiff, ImageFormat::Tiff).unwrap();
        let (stretched, depth) = grey(tiff.get_ref(), ValueRange::Image);
        assert_eq!([0, 32, 64, 96].map(|at| stretched[at]), [0, 51, 255, 0]);
        assert_eq!(depth.map(|depth| (depth.low, depth.high)), Some((0.25, 1.5)));
        // The whole range of a fraction is 0 to 1.
        let (full, _) = grey(tiff.get_ref(), ValueRange::Full);
        assert_eq!([0, 32, 64].map(|at| full[at]), [64, 128, 255]);
    }

    /// Grey pictures as a thermal camera's program writes them.
    #[test]
    fn tiff_of_16_bits() {
        let grey16 = ImageBuffer::from_fn(8, 16, |x, y| Luma([29_000 + 2 * (8 * y + x) as u16]));
        let mut tiff = std::io::Cursor::new(Vec::new());
        DynamicImage::from(grey16).write_to(&mut tiff, ImageFormat::Tiff).unwrap();
        assert_eq!(grey(tiff.get_ref(), ValueRange::Image), grey(&narrow(), ValueRange::Image));
    }

    #[test]
    fn eight_bits_are_never_stretched_and_sixteen_that_hold_eight_do_not_collapse() {
        let eight = ImageBuffer::from_fn(8, 16, |x, y| Luma([50 + (y + x) as u8]));
        let plain = grey(&png(&DynamicImage::from(eight.clone())), ValueRange::Image);
        assert_eq!((plain.0, plain.1), (eight.clone().into_raw(), None));
        let doubled = ImageBuffer::from_fn(8, 16, |x, y| Luma([257 * u16::from(eight.get_pixel(x, y).0[0])]));
        let (pixels, depth) = grey(&png(&doubled.into()), ValueRange::Full);
        assert_eq!(pixels, eight.into_raw());
        assert!(!depth.unwrap().collapses());
        let flat = ImageBuffer::from_pixel(8, 16, Luma([30_000u16]));
        assert_eq!(grey(&png(&flat.into()), ValueRange::Image).0, [0; 128]);
    }
}
