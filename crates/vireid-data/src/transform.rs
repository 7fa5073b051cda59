//! Augmentations, each as published, composed into recipes.
//!
//! Images are planar (`3 x height x width`) f32. They start in [0, 1]; from [`Transform::Normalize`] on they are in the
//! network's units. Rounding is half to even throughout, as in the references.

use vireid_core::Stream;

use crate::ImageSize;

/// Channel means of ImageNet, which [`Transform::Normalize`] subtracts.
pub const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Channel deviations of ImageNet, which [`Transform::Normalize`] divides by.
pub const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];
/// What erased pixels are set to. The references write these raw constants into the already normalised image.
const ERASED: [f32; 3] = [0.4914, 0.4822, 0.4465];
/// Weights of the grey mix.
const GREY: [f32; 3] = [0.2989, 0.5870, 0.1140];
/// Rectangles tried by [`Transform::LinearTransform`] before it gives up on an image that stays black.
const LINEAR_ATTEMPTS: usize = 1000;

/// One step of a recipe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Transform {
    /// Mirrors left and right with this probability.
    Flip(f64),
    /// Pads all sides with this many black pixels and cuts a window of the old size at random.
    PadCrop(usize),
    /// Scales the channels of random rectangles by Beta(1/2, 1/2) draws until some pixel has been scaled down to 1e-6
    /// (MBCCM's `LinearTransform`, on [0, 1] values); done with this probability.
    LinearTransform(f64),
    /// Subtracts ImageNet's means and divides by its deviations.
    Normalize,
    /// Overwrites one random rectangle with constants, with this probability.
    Erase(f64),
    /// Copies one random channel over the others (`ChannelExchange` with `gray = 2`).
    ChannelPick,
    /// As `ChannelPick`, or with equal chance the grey mix (`ChannelExchange` with `gray = 3`).
    ChannelExchange,
    /// One time in four each channel over the others; one time in four the grey mix with this probability, else nothing
    /// (`ChannelAdapGray`). Probability 0 is `ChannelAdap`.
    ChannelPickOrGrey(f64),
    /// The grey mix in all channels.
    Grey,
    /// Brightness, contrast, saturation (factors from `1 - x` to `1 + x`) and hue (shift up to `x` turns) in random order.
    ColorJitter {
        /// Largest change of brightness; 0 is none.
        brightness: f64,
        /// Largest change of contrast; 0 is none.
        contrast: f64,
        /// Largest change of saturation; 0 is none.
        saturation: f64,
        /// Largest hue shift, in turns of the colour circle (0.5 is the opposite hue); 0 is none.
        hue: f64,
    },
}

/// A list of transforms applied in order.
pub type Recipe = Vec<Transform>;

/// The recipe of feature extraction and testing.
pub fn plain() -> Recipe {
    vec![Transform::Normalize]
}

/// Interleaved bytes to planar values in [0, 1].
pub fn to_planar(pixels: &[u8]) -> Vec<f32> {
    let area = pixels.len() / 3;
    let mut planar = vec![0.0; pixels.len()];
    for (position, pixel) in pixels.chunks_exact(3).enumerate() {
        for (channel, &value) in pixel.iter().enumerate() {
            planar[channel * area + position] = f32::from(value) / 255.0;
        }
    }
    planar
}

/// Applies a recipe to one image.
pub fn apply(recipe: &[Transform], image: &mut Vec<f32>, size: ImageSize, stream: &mut Stream) {
    for transform in recipe {
        match *transform {
            Transform::Flip(probability) => {
                if stream.chance(probability) {
                    flip(image, size);
                }
            }
            Transform::PadCrop(padding) => {
                let (top, left) = (stream.below(2 * padding + 1), stream.below(2 * padding + 1));
                *image = shifted(image, size, top as isize - padding as isize, left as isize - padding as isize);
            }
            Transform::LinearTransform(probability) => {
                if stream.unit() <= probability {
                    linear_transform(image, size, stream);
                }
            }
            Transform::Normalize => normalize(image, size),
            Transform::Erase(probability) => {
                if stream.unit() <= probability {
                    erase(image, size, stream);
                }
            }
            Transform::ChannelPick => pick_channel(image, size, stream.below(3)),
            Transform::ChannelExchange => match stream.below(4) {
                3 => grey(image, size),
                channel => pick_channel(image, size, channel),
            },
            Transform::ChannelPickOrGrey(probability) => match stream.below(4) {
                3 if stream.unit() <= probability => grey(image, size),
                3 => {}
                channel => pick_channel(image, size, channel),
            },
            Transform::Grey => grey(image, size),
            Transform::ColorJitter { brightness, contrast, saturation, hue } => {
                color_jitter(image, size, [brightness, contrast, saturation, hue], stream);
            }
        }
    }
}

fn flip(image: &mut [f32], size: ImageSize) {
    for row in image.chunks_exact_mut(size.width) {
        row.reverse();
    }
}

/// The window at (`top`, `left`) of the image, black outside.
fn shifted(image: &[f32], size: ImageSize, top: isize, left: isize) -> Vec<f32> {
    let mut window = vec![0.0; image.len()];
    let (height, width) = (size.height as isize, size.width as isize);
    let (first, last) = ((-left).clamp(0, width), (width - left).clamp(0, width));
    for channel in 0..3 {
        for y in 0..height {
            let from = y + top;
            if (0..height).contains(&from) && first < last {
                let to_row = channel * size.area() + (y * width) as usize;
                let from_row = channel * size.area() + (from * width) as usize;
                let source = from_row + (first + left) as usize..from_row + (last + left) as usize;
                window[to_row + first as usize..to_row + last as usize].copy_from_slice(&image[source]);
            }
        }
    }
    window
}

fn normalize(image: &mut [f32], size: ImageSize) {
    for (channel, plane) in image.chunks_exact_mut(size.area()).enumerate() {
        plane.iter_mut().for_each(|x| *x = (*x - MEAN[channel]) / DEVIATION[channel]);
    }
}

fn pick_channel(image: &mut [f32], size: ImageSize, channel: usize) {
    let plane = image[channel * size.area()..(channel + 1) * size.area()].to_vec();
    for target in image.chunks_exact_mut(size.area()) {
        target.copy_from_slice(&plane);
    }
}

fn grey(image: &mut [f32], size: ImageSize) {
    let area = size.area();
    for position in 0..area {
        let mix = (0..3).map(|channel| GREY[channel] * image[channel * area + position]).sum();
        for channel in 0..3 {
            image[channel * area + position] = mix;
        }
    }
}

/// A rectangle by its first row and column, height and width.
struct Rectangle {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

impl Rectangle {
    /// A rectangle of 2 to 40 % of the image and aspect 0.3 to 1/0.3; `None` when the draw does not fit in the image.
    fn draw(size: ImageSize, stream: &mut Stream) -> Option<Self> {
        let (fraction, aspect) = (stream.uniform(0.02, 0.4), stream.uniform(0.3, 1.0 / 0.3));
        let (height, width) = Self::sides(size, fraction, aspect)?;
        let (top, left) = (stream.below(size.height - height + 1), stream.below(size.width - width + 1));
        Some(Self { top, left, height, width })
    }

    fn sides(size: ImageSize, fraction: f64, aspect: f64) -> Option<(usize, usize)> {
        let area = fraction * size.area() as f64;
        let height = (area * aspect).sqrt().round_ties_even() as usize;
        let width = (area / aspect).sqrt().round_ties_even() as usize;
        (width < size.width && height < size.height).then_some((height, width))
    }

    /// The positions of the rectangle's rows in one plane.
    fn rows(&self, size: ImageSize) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        (self.top..self.top + self.height).map(move |y| {
            let start = y * size.width + self.left;
            start..start + self.width
        })
    }
}

fn erase(image: &mut [f32], size: ImageSize, stream: &mut Stream) {
    let Some(rectangle) = (0..100).find_map(|_| Rectangle::draw(size, stream)) else { return };
    for (channel, plane) in image.chunks_exact_mut(size.area()).enumerate() {
        for row in rectangle.rows(size) {
            plane[row].fill(ERASED[channel]);
        }
    }
}

fn linear_transform(image: &mut [f32], size: ImageSize, stream: &mut Stream) {
    let mut scale = vec![1.0f32; image.len()];
    for _ in 0..LINEAR_ATTEMPTS {
        let Some(rectangle) = Rectangle::draw(size, stream) else { continue };
        let mut smallest = f32::INFINITY;
        for (plane, scale) in image.chunks_exact_mut(size.area()).zip(scale.chunks_exact_mut(size.area())) {
            let brightest = rectangle.rows(size).flat_map(|row| &plane[row]).copied().fold(0.0f32, f32::max);
            if brightest > 0.0 {
                let factor = stream.arcsine() as f32 / brightest;
                for row in rectangle.rows(size) {
                    plane[row.clone()].iter_mut().for_each(|x| *x *= factor);
                    scale[row.clone()].iter_mut().for_each(|x| *x *= factor);
                    smallest = scale[row].iter().copied().fold(smallest, f32::min);
                }
            }
        }
        // Only this rectangle has changed, so the smallest scale of the image is below the limit exactly now or never.
        if smallest <= 1e-6 {
            return;
        }
    }
}

fn color_jitter(image: &mut [f32], size: ImageSize, strength: [f64; 4], stream: &mut Stream) {
    let mut order = [0usize, 1, 2, 3];
    stream.shuffle(&mut order);
    let area = size.area();
    for step in order {
        if strength[step] == 0.0 {
            continue;
        }
        let factor = stream.uniform(1.0 - strength[step], 1.0 + strength[step]).max(0.0) as f32;
        match step {
            0 => image.iter_mut().for_each(|x| *x = (*x * factor).clamp(0.0, 1.0)),
            1 => {
                let mean = (0..area).map(|p| grey_of(image, area, p)).sum::<f32>() / area as f32;
                image.iter_mut().for_each(|x| *x = (mean + (*x - mean) * factor).clamp(0.0, 1.0));
            }
            2 => {
                for position in 0..area {
                    let mean = grey_of(image, area, position);
                    for channel in 0..3 {
                        let x = &mut image[channel * area + position];
                        *x = (mean + (*x - mean) * factor).clamp(0.0, 1.0);
                    }
                }
            }
            _ => {
                for position in 0..area {
                    let rgb = [image[position], image[area + position], image[2 * area + position]];
                    let shifted = shift_hue(rgb, factor - 1.0);
                    for (channel, x) in shifted.into_iter().enumerate() {
                        image[channel * area + position] = x;
                    }
                }
            }
        }
    }
}

fn grey_of(image: &[f32], area: usize, position: usize) -> f32 {
    (0..3).map(|channel| GREY[channel] * image[channel * area + position]).sum()
}

/// Moves the hue by a fraction of a turn, keeping value and saturation.
fn shift_hue(rgb: [f32; 3], turns: f32) -> [f32; 3] {
    let [r, g, b] = rgb;
    let (high, low) = (r.max(g).max(b), r.min(g).min(b));
    let chroma = high - low;
    if chroma == 0.0 {
        return rgb;
    }
    let sector = if high == r {
        (g - b) / chroma
    } else if high == g {
        2.0 + (b - r) / chroma
    } else {
        4.0 + (r - g) / chroma
    };
    let hue = (sector / 6.0 + turns).rem_euclid(1.0) * 6.0;
    [5.0, 3.0, 1.0].map(|offset: f32| {
        let k = (offset + hue) % 6.0;
        high - chroma * k.min(4.0 - k).clamp(0.0, 1.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use vireid_compare::{assert_close, assert_near};
    use vireid_core::Streams;

    const SIZE: ImageSize = ImageSize { height: 288, width: 144 };
    const SMALL: ImageSize = ImageSize { height: 24, width: 12 };

    fn stream(seed: u64) -> Stream {
        Streams::new(seed).stream("transform", [0; 3])
    }

    fn noise(size: ImageSize, seed: u64) -> Vec<f32> {
        let mut stream = stream(seed);
        (0..3 * size.area()).map(|_| stream.unit() as f32).collect()
    }

    fn run(transform: Transform, image: &[f32], size: ImageSize, seed: u64) -> Vec<f32> {
        let mut image = image.to_vec();
        apply(&[transform], &mut image, size, &mut stream(seed));
        image
    }

    /// Share of seeds whose result satisfies a predicate.
    fn share(trials: u64, predicate: impl Fn(u64) -> bool) -> f64 {
        (0..trials).filter(|&seed| predicate(seed)).count() as f64 / trials as f64
    }

    #[test]
    fn rectangle_sides() {
        let sides = |fraction, aspect| Rectangle::sides(SIZE, fraction, aspect);
        assert_eq!(sides(0.02, 1.0), Some((29, 29)));
        assert_eq!(sides(0.1, 2.0), Some((91, 46)));
        assert_eq!(sides(0.4, 1.0), Some((129, 129)));
        assert_eq!(sides(0.4, 0.3), None, "as wide as the image");
        assert_eq!(sides(0.4, 1.0 / 0.3), Some((235, 71)));
        assert_eq!(sides(0.25, 2.0), Some((144, 72)));
    }

    #[test]
    fn normalized_black() {
        let black = run(Transform::Normalize, &vec![0.0; 3 * SMALL.area()], SMALL, 0);
        for (channel, expected) in [-2.117_904, -2.035_714, -1.804_444].into_iter().enumerate() {
            assert_near(black[channel * SMALL.area()], expected, 1e-5);
        }
    }

    #[test]
    fn grey_mix() {
        let size = ImageSize { height: 2, width: 2 };
        let image: Vec<f32> = (0..12).map(|i| i as f32 / 12.0).collect();
        let mixed = run(Transform::Grey, &image, size, 0);
        assert_close(&mixed, &[0.271_666_7, 0.354_991_7, 0.438_316_7, 0.521_641_7].repeat(3), 1e-6);
    }

    #[test]
    fn flips_half_of_the_time_and_twice_is_nothing() {
        let image = noise(SMALL, 1);
        let flipped = share(2000, |seed| run(Transform::Flip(0.5), &image, SMALL, seed) != image);
        assert_near(flipped, 0.5, 0.05);
        let twice = run(Transform::Flip(1.0), &run(Transform::Flip(1.0), &image, SMALL, 0), SMALL, 0);
        assert_eq!(twice, image);
    }

    #[test]
    fn crops_are_uniform_shifts() {
        // One bright pixel in the middle tells where the window was cut.
        let mut image = vec![0.0; 3 * SMALL.area()];
        let middle = 12 * SMALL.width + 6;
        image[middle] = 1.0;
        let mut seen = std::collections::HashMap::new();
        for seed in 0..5000 {
            let cut = run(Transform::PadCrop(2), &image, SMALL, seed);
            let position = cut.iter().position(|&x| x == 1.0).unwrap();
            *seen.entry(position).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 25);
        assert!(seen.values().all(|&count| (120..290).contains(&count)), "{seen:?}");
    }

    #[test]
    fn erases_one_rectangle_half_of_the_time() {
        let image = vec![9.0; 3 * SIZE.area()];
        let erased = share(600, |seed| run(Transform::Erase(0.5), &image, SIZE, seed) != image);
        assert_near(erased, 0.5, 0.07);
        for seed in 0..50 {
            let result = run(Transform::Erase(1.0), &image, SIZE, seed);
            for (channel, plane) in result.chunks_exact(SIZE.area()).enumerate() {
                let hit: Vec<usize> = (0..SIZE.area()).filter(|&p| plane[p] != 9.0).collect();
                assert!(hit.iter().all(|&p| plane[p] == ERASED[channel]));
                let fraction = hit.len() as f64 / SIZE.area() as f64;
                assert!((0.018..0.405).contains(&fraction), "{fraction}");
                let (first, last) = (hit[0], hit[hit.len() - 1]);
                let (height, width) = ((last / 144) - (first / 144) + 1, (last % 144) - (first % 144) + 1);
                assert_eq!(height * width, hit.len(), "a full rectangle");
            }
        }
    }

    #[test]
    fn channel_picks() {
        let image = noise(SMALL, 2);
        let area = SMALL.area();
        let kind = |result: &[f32]| {
            let equal = result[..area] == result[area..2 * area] && result[..area] == result[2 * area..];
            if result == image {
                "same"
            } else if !equal {
                "mixed"
            } else if image.chunks_exact(area).any(|plane| plane == &result[..area]) {
                "picked"
            } else {
                "grey"
            }
        };
        let shares = |transform| {
            ["picked", "grey", "same", "mixed"]
                .map(|name| share(4000, |seed| kind(&run(transform, &image, SMALL, seed)) == name))
        };
        assert_close(&shares(Transform::ChannelPick), &[1.0, 0.0, 0.0, 0.0], 0.025);
        assert_close(&shares(Transform::ChannelExchange), &[0.75, 0.25, 0.0, 0.0], 0.025);
        assert_close(&shares(Transform::ChannelPickOrGrey(0.5)), &[0.75, 0.125, 0.125, 0.0], 0.025);
        assert_close(&shares(Transform::ChannelPickOrGrey(0.0)), &[0.75, 0.0, 0.25, 0.0], 0.025);
    }

    #[test]
    fn the_linear_transform_touches_most_of_an_image_and_stays_in_range() {
        let image = noise(SIZE, 3);
        let mut touched = 0.0;
        for seed in 0..20 {
            let result = run(Transform::LinearTransform(1.0), &image, SIZE, seed);
            assert!(result.iter().all(|x| (0.0..=1.0001).contains(x)));
            let changed = result.iter().zip(&image).filter(|(a, b)| a != b).count();
            touched += changed as f64 / image.len() as f64 / 20.0;
        }
        // The reference touches about 72 % of the channel-pixels on such images.
        assert!((0.6..0.85).contains(&touched), "{touched}");
        let skipped =
            share(1000, |seed| run(Transform::LinearTransform(0.8), &noise(SMALL, 3), SMALL, seed) == noise(SMALL, 3));
        assert_near(skipped, 0.2, 0.04);
    }

    #[test]
    fn a_black_image_ends() {
        let black = vec![0.0; 3 * SMALL.area()];
        assert_eq!(run(Transform::LinearTransform(1.0), &black, SMALL, 0), black);
    }

    proptest! {
        #[test]
        fn hue_turns(r in 0.0f32..1.0, g in 0.0f32..1.0, b in 0.0f32..1.0, turns in -0.5f32..0.5) {
            let there = shift_hue([r, g, b], turns);
            let back = shift_hue(there, -turns);
            assert_close(&back, &[r, g, b], 1e-3);
            assert_close(&shift_hue([r, g, b], 1.0 / 3.0), &[b, r, g], 1e-3);
        }

        #[test]
        fn colour_jitter_stays_in_range(seed: u64) {
            let jitter = Transform::ColorJitter { brightness: 0.5, contrast: 0.5, saturation: 0.5, hue: 0.5 };
            let result = run(jitter, &noise(SMALL, 1), SMALL, seed);
            prop_assert!(result.iter().all(|x| (0.0..=1.0).contains(x)));
        }
    }
}
