//! From a clean drawing to what a camera delivers. Plain f64 arithmetic with `libm`: the same bytes on every machine.

use vireid_core::{Modality, Stream};

use super::camera::CameraLook;
use super::{HEIGHT, WIDTH};

/// Light, exposure, tone, blur, resolution and noise, in this order; `pixels` is interleaved RGB in [0, 1].
pub(super) fn expose(mut pixels: Vec<f64>, camera: &CameraLook, stream: &mut Stream) -> Vec<u8> {
    light(&mut pixels, camera, stream);
    let exposure = camera.exposure * stream.log_normal(0.12);
    let gamma = camera.gamma;
    match camera.modality {
        Modality::Infrared => {
            vignette(&mut pixels, camera);
            for x in &mut pixels {
                *x *= exposure;
                *x = 0.9 * *x * (1.0 + camera.knee) / (1.0 + camera.knee * *x);
            }
        }
        Modality::Visible => {
            let cast = camera.white_balance.map(|w| w * stream.log_normal(0.03) * exposure);
            for pixel in pixels.chunks_exact_mut(3) {
                pixel.iter_mut().zip(cast).for_each(|(x, factor)| *x *= factor);
            }
        }
    }
    let gamma = gamma * stream.log_normal(0.06);
    for x in &mut pixels {
        *x = camera.black + (1.0 - camera.black) * libm::pow(x.clamp(1e-4, 1.0), gamma);
    }
    pixels = gaussian_blur(&pixels, camera.blur * stream.log_normal(0.25));
    let scale = (camera.resolution * stream.log_normal(0.1)).min(1.0);
    if scale < 0.95 {
        let (height, width) = (scaled(HEIGHT, scale), scaled(WIDTH, scale));
        let small = quantized(resample(&pixels, (HEIGHT, WIDTH), (height, width)));
        pixels = quantized(resample(&small, (height, width), (HEIGHT, WIDTH)));
    }
    add_noise(&mut pixels, camera, stream);
    pixels.into_iter().map(|x| libm::rint(x.clamp(0.0, 1.0) * 255.0) as u8).collect()
}

fn scaled(side: usize, scale: f64) -> usize {
    (libm::rint(side as f64 * scale) as usize).max(1)
}

fn quantized(pixels: Vec<f64>) -> Vec<f64> {
    pixels.into_iter().map(|x| libm::rint(x.clamp(0.0, 1.0) * 255.0) / 255.0).collect()
}

fn light(pixels: &mut [f64], camera: &CameraLook, stream: &mut Stream) {
    let sideways = camera.light + stream.normal(0.0, 0.08);
    let upward = stream.normal(0.0, 0.07);
    for (position, pixel) in pixels.chunks_exact_mut(3).enumerate() {
        let u = (position % WIDTH) as f64 / (WIDTH - 1) as f64 - 0.5;
        let v = (position / WIDTH) as f64 / (HEIGHT - 1) as f64;
        let factor = (1.0 + sideways * 2.0 * u + upward * 2.0 * (v - 0.5)).clamp(0.4, 1.6);
        pixel.iter_mut().for_each(|x| *x *= factor);
    }
}

fn vignette(pixels: &mut [f64], camera: &CameraLook) {
    for (position, pixel) in pixels.chunks_exact_mut(3).enumerate() {
        let x = (position % WIDTH) as f64 / WIDTH as f64 - camera.vignette_center[0];
        let y = (position / WIDTH) as f64 / (HEIGHT - 1) as f64 - camera.vignette_center[1];
        let distance = (x / 0.75) * (x / 0.75) + (y / 0.75) * (y / 0.75);
        let factor = 1.0 - camera.vignette + camera.vignette * libm::exp(-1.1 * distance);
        pixel.iter_mut().for_each(|x| *x *= factor);
    }
}

fn add_noise(pixels: &mut [f64], camera: &CameraLook, stream: &mut Stream) {
    for pixel in pixels.chunks_exact_mut(3) {
        match camera.modality {
            Modality::Infrared => {
                let common = stream.normal(0.0, camera.noise);
                pixel.iter_mut().for_each(|x| *x += common);
            }
            Modality::Visible => {
                let common = 0.6 * stream.normal(0.0, camera.noise);
                pixel.iter_mut().for_each(|x| *x += common + 0.6 * stream.normal(0.0, camera.noise));
            }
        }
    }
}

fn gaussian_blur(pixels: &[f64], sigma: f64) -> Vec<f64> {
    let radius = libm::ceil(3.0 * sigma) as isize;
    let weights: Vec<f64> = (-radius..=radius).map(|d| libm::exp(-((d * d) as f64) / (2.0 * sigma * sigma))).collect();
    let total: f64 = weights.iter().sum();
    let taps: Vec<(isize, f64)> = (-radius..=radius).zip(weights.into_iter().map(|w| w / total)).collect();
    let across = |pixels: &[f64], along_rows: bool| -> Vec<f64> {
        let mut blurred = vec![0.0; pixels.len()];
        for y in 0..HEIGHT as isize {
            for x in 0..WIDTH as isize {
                let target = 3 * (y as usize * WIDTH + x as usize);
                for &(d, weight) in &taps {
                    let (from_x, from_y) = if along_rows { (x + d, y) } else { (x, y + d) };
                    let from_x = from_x.clamp(0, WIDTH as isize - 1) as usize;
                    let from_y = from_y.clamp(0, HEIGHT as isize - 1) as usize;
                    let source = 3 * (from_y * WIDTH + from_x);
                    for channel in 0..3 {
                        blurred[target + channel] += weight * pixels[source + channel];
                    }
                }
            }
        }
        blurred
    };
    across(&across(pixels, true), false)
}

/// Bilinear, antialiased: a triangle as wide as the larger of the two pixel pitches.
fn resample(pixels: &[f64], from: (usize, usize), to: (usize, usize)) -> Vec<f64> {
    let columns = taps(from.1, to.1);
    let mut narrow = vec![0.0; 3 * from.0 * to.1];
    for y in 0..from.0 {
        for (x, taps) in columns.iter().enumerate() {
            for &(source, weight) in taps {
                for channel in 0..3 {
                    narrow[3 * (y * to.1 + x) + channel] += weight * pixels[3 * (y * from.1 + source) + channel];
                }
            }
        }
    }
    let mut resampled = vec![0.0; 3 * to.0 * to.1];
    for (y, taps) in taps(from.0, to.0).iter().enumerate() {
        for &(source, weight) in taps {
            let (target, source) = (3 * y * to.1, 3 * source * to.1);
            for offset in 0..3 * to.1 {
                resampled[target + offset] += weight * narrow[source + offset];
            }
        }
    }
    resampled
}

fn taps(from: usize, to: usize) -> Vec<Vec<(usize, f64)>> {
    let pitch = from as f64 / to as f64;
    let support = pitch.max(1.0);
    (0..to)
        .map(|position| {
            let center = (position as f64 + 0.5) * pitch;
            let first = libm::floor(center - support).max(0.0) as usize;
            let last = (libm::ceil(center + support) as usize).min(from);
            let weights: Vec<(usize, f64)> = (first..last)
                .map(|source| (source, (1.0 - ((source as f64 + 0.5 - center) / support).abs()).max(0.0)))
                .collect();
            let total: f64 = weights.iter().map(|&(_, weight)| weight).sum();
            weights.into_iter().map(|(source, weight)| (source, weight / total)).collect()
        })
        .collect()
}
