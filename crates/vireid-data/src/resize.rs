use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::ImageSize;

/// Antialiased resampling filters, each as Pillow computes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResizeFilter {
    /// Triangle.
    Bilinear,
    /// Cubic with a = -0.5 (Catmull-Rom).
    Bicubic,
    /// Windowed sinc of three lobes: Pillow's `LANCZOS`, formerly `ANTIALIAS`.
    Lanczos,
}

impl ResizeFilter {
    /// The filter of a configuration key.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "bilinear" => Some(Self::Bilinear),
            "bicubic" => Some(Self::Bicubic),
            "lanczos" => Some(Self::Lanczos),
            _ => None,
        }
    }
}

/// Resizes an RGB image of interleaved bytes; `None` when `from` does not describe `pixels` or a side is 0.
pub fn resize_rgb(pixels: &[u8], from: ImageSize, to: ImageSize, filter: ResizeFilter) -> Option<Vec<u8>> {
    let source = ImageRef::new(from.width as u32, from.height as u32, pixels, PixelType::U8x3).ok()?;
    let mut target = Image::new(to.width as u32, to.height as u32, PixelType::U8x3);
    let filter = match filter {
        ResizeFilter::Bilinear => FilterType::Bilinear,
        ResizeFilter::Bicubic => FilterType::CatmullRom,
        ResizeFilter::Lanczos => FilterType::Lanczos3,
    };
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    Resizer::new().resize(&source, &mut target, &options).ok()?;
    Some(target.into_vec())
}
