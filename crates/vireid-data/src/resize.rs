//! Resampling as Pillow computes it: the references' numbers were made with it, and a grey level matters to a golden case.
//!
//! Separable, antialiased: a filter stretched by the shrink factor, horizontal pass first, each pass rounded to bytes,
//! weights in fixed point. A general library was tried first and missed Pillow by up to five grey levels when enlarging,
//! where the order of the passes and their clipping decide: see `docs/decisions/0003-own-resampling.md`.

use crate::ImageSize;

/// Fractional bits of the weights.
const PRECISION: u32 = 22;

/// Antialiased resampling filters, each as Pillow computes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResizeFilter {
    /// A triangle of one pixel to either side; `bilinear` in settings.
    Bilinear,
    /// Cubic with a = -0.5 (Catmull-Rom); `bicubic` in settings.
    Bicubic,
    /// Windowed sinc of three lobes: Pillow's `LANCZOS`, formerly `ANTIALIAS`; `lanczos` in settings.
    Lanczos,
}

impl ResizeFilter {
    /// The filter of a setting: `bilinear`, `bicubic` or `lanczos`; `None` for any other name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "bilinear" => Some(Self::Bilinear),
            "bicubic" => Some(Self::Bicubic),
            "lanczos" => Some(Self::Lanczos),
            _ => None,
        }
    }

    /// Half the width of the filter in source pixels, when not shrinking.
    fn support(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        let x = x.abs();
        if x >= self.support() {
            return 0.0;
        }
        match self {
            Self::Bilinear => 1.0 - x,
            Self::Bicubic if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            Self::Bicubic => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Self::Lanczos => sinc(x) * sinc(x / 3.0),
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * std::f64::consts::PI;
    libm::sin(x) / x
}

/// The source pixels that make one target pixel, and their weights.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

fn taps(from: usize, to: usize, filter: ResizeFilter) -> Vec<Taps> {
    let pitch = from as f64 / to as f64;
    let stretch = pitch.max(1.0);
    let support = filter.support() * stretch;
    (0..to)
        .map(|position| {
            let center = (position as f64 + 0.5) * pitch;
            let first = (center - support + 0.5).max(0.0) as usize;
            let last = ((center + support + 0.5) as usize).min(from);
            let weights: Vec<f64> =
                (first..last).map(|source| filter.weight((source as f64 - center + 0.5) / stretch)).collect();
            let total: f64 = weights.iter().sum();
            let fixed = |weight: f64| (weight / total * f64::from(1u32 << PRECISION)).round() as i32;
            Taps { first, weights: weights.into_iter().map(fixed).collect() }
        })
        .collect()
}

fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// Resizes an RGB image of interleaved bytes; `None` when `from` does not describe `pixels` or a side is 0.
pub fn resize_rgb(pixels: &[u8], from: ImageSize, to: ImageSize, filter: ResizeFilter) -> Option<Vec<u8>> {
    if from.area() == 0 || to.area() == 0 || pixels.len() != 3 * from.area() {
        return None;
    }
    let half = 1i32 << (PRECISION - 1);
    let columns = taps(from.width, to.width, filter);
    let mut narrow = Vec::with_capacity(3 * from.height * to.width);
    for row in pixels.chunks_exact(3 * from.width) {
        for taps in &columns {
            let mut sums = [half; 3];
            let source = &row[3 * taps.first..3 * (taps.first + taps.weights.len())];
            for (pixel, weight) in source.chunks_exact(3).zip(&taps.weights) {
                for (sum, &value) in sums.iter_mut().zip(pixel) {
                    *sum += i32::from(value) * weight;
                }
            }
            narrow.extend(sums.map(to_byte));
        }
    }
    let stride = 3 * to.width;
    let mut resized = Vec::with_capacity(stride * to.height);
    let mut sums = vec![half; stride];
    for taps in taps(from.height, to.height, filter) {
        sums.fill(half);
        for (offset, weight) in taps.weights.iter().enumerate() {
            let start = (taps.first + offset) * stride;
            for (sum, &value) in sums.iter_mut().zip(&narrow[start..start + stride]) {
                *sum += i32::from(value) * weight;
            }
        }
        resized.extend(sums.iter().copied().map(to_byte));
    }
    Some(resized)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Any filter keeps a flat image flat and the size asked for.
        #[test]
        fn flat_stays_flat(h in 1usize..40, w in 1usize..40, to_h in 1usize..40, to_w in 1usize..40, grey: u8) {
            let (from, to) = (ImageSize { height: h, width: w }, ImageSize { height: to_h, width: to_w });
            for filter in [ResizeFilter::Bilinear, ResizeFilter::Bicubic, ResizeFilter::Lanczos] {
                let resized = resize_rgb(&vec![grey; 3 * from.area()], from, to, filter).unwrap();
                prop_assert_eq!(resized, vec![grey; 3 * to.area()]);
            }
        }
    }

    #[test]
    fn the_same_size_changes_nothing_and_a_wrong_size_is_refused() {
        let size = ImageSize { height: 5, width: 4 };
        let pixels: Vec<u8> = (0..60).map(|i| i * 4).collect();
        assert_eq!(resize_rgb(&pixels, size, size, ResizeFilter::Lanczos).unwrap(), pixels);
        assert!(resize_rgb(&pixels[1..], size, size, ResizeFilter::Lanczos).is_none());
        assert!(resize_rgb(&pixels, size, ImageSize { height: 0, width: 4 }, ResizeFilter::Lanczos).is_none());
    }
}
