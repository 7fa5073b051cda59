//! The cameras of a drawn world.

use vireid_core::{Modality, Stream};

use super::Paint;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Texture {
    Brick,
    Panel,
    Tile,
    Foliage,
    Window,
    Rail,
}

/// What one camera does to everything it sees, and the place it looks at.
#[derive(Debug, Clone)]
pub struct CameraLook {
    pub(super) modality: Modality,
    pub(super) white_balance: [f64; 3],
    pub(super) exposure: f64,
    pub(super) gamma: f64,
    pub(super) blur: f64,
    pub(super) resolution: f64,
    pub(super) noise: f64,
    pub(super) squash: f64,
    pub(super) scale: f64,
    pub(super) black: f64,
    pub(super) lean: f64,
    pub(super) yaw: f64,
    pub(super) yaw_weight: f64,
    pub(super) floor: f64,
    pub(super) light: f64,
    pub(super) wall: Paint,
    pub(super) ground: Paint,
    pub(super) texture: Texture,
    pub(super) texture_paint: Paint,
    pub(super) texture_size: f64,
    /// Names the stream of the texture, so that the wall is the camera's and not the image's.
    pub(super) texture_key: u64,
    pub(super) vignette: f64,
    pub(super) vignette_center: [f64; 2],
    pub(super) knee: f64,
}

impl CameraLook {
    /// Takes another camera's place and direction; what the sensor does stays.
    pub(super) fn stand_beside(&mut self, other: &Self) {
        (self.squash, self.scale, self.lean, self.floor) = (other.squash, other.scale, other.lean, other.floor);
        (self.yaw, self.yaw_weight) = (other.yaw, other.yaw_weight);
        (self.wall, self.ground) = (other.wall, other.ground);
        (self.texture, self.texture_paint) = (other.texture, other.texture_paint);
        (self.texture_size, self.texture_key) = (other.texture_size, other.texture_key);
    }

    /// Draws a camera with bias `c`.
    pub(super) fn draw(modality: Modality, indoor: bool, c: f64, stream: &mut Stream) -> Self {
        let mut white_balance = [0.0; 3].map(|_: f64| stream.log_normal(0.09 * c));
        let mean = white_balance.iter().sum::<f64>() / 3.0;
        white_balance.iter_mut().for_each(|w| *w /= mean);
        let mut exposure = stream.log_normal(0.13 * c);
        let mut gamma = stream.log_normal(0.13 * c);
        let blur = 0.35 + 0.45 * c * stream.unit();
        let resolution = 1.0 - 0.35 * c * stream.unit();
        let mut noise = 0.006 + 0.012 * c * stream.unit();
        let squash = 1.0 + c * stream.uniform(-0.09, 0.05);
        let scale = 0.84 + c * stream.uniform(-0.05, 0.05);
        let black = 0.06 * c * stream.unit();
        let lean = c * stream.normal(0.0, 1.5);
        let yaw = stream.uniform(-std::f64::consts::PI, std::f64::consts::PI);
        let floor = 0.76 + c * stream.uniform(-0.1, 0.1);
        let light = c * stream.normal(0.0, 0.18);
        let around = |value: f64, spread: f64, stream: &mut Stream| {
            [0.0; 3].map(|_: f64| (value + stream.normal(0.0, spread)).clamp(0.05, 0.95))
        };
        let brightness = stream.uniform(0.35, 0.75);
        let wall = Paint {
            color: around(brightness, if indoor { 0.035 } else { 0.06 }, stream),
            infrared: stream.uniform(0.12, 0.4),
        };
        let brightness = stream.uniform(0.3, 0.6);
        let ground = Paint { color: around(brightness, 0.05, stream), infrared: stream.uniform(0.15, 0.4) };
        let texture = [Texture::Brick, Texture::Panel, Texture::Tile, Texture::Foliage, Texture::Window, Texture::Rail]
            [stream.below(6)];
        let sign = if stream.chance(0.5) { 1.0 } else { -1.0 };
        let step = sign * stream.uniform(0.08, 0.2);
        let texture_paint = Paint {
            color: wall.color.map(|w| (w + step + stream.normal(0.0, 0.05)).clamp(0.03, 0.97)),
            infrared: (wall.infrared + sign * stream.uniform(0.05, 0.16)).clamp(0.04, 0.6),
        };
        let texture_size = stream.uniform(7.0, 16.0);
        let texture_key = stream.next_u64();
        let (mut vignette, mut vignette_center, mut knee) = (0.0, [0.5, 0.42], 0.0);
        if modality == Modality::Infrared {
            vignette = c * stream.uniform(0.35, 0.7);
            vignette_center = [0.5 + c * stream.uniform(-0.15, 0.15), 0.42 + c * stream.uniform(-0.12, 0.12)];
            exposure = libm::exp(stream.normal(0.2, 0.12 * c));
            gamma = libm::exp(stream.normal(-0.1, 0.18 * c));
            knee = c * stream.uniform(0.0, 0.5);
            noise += 0.006;
        }
        Self {
            modality,
            white_balance,
            exposure,
            gamma,
            blur,
            resolution,
            noise,
            squash,
            scale,
            black,
            lean,
            yaw,
            yaw_weight: 0.35 * c,
            floor,
            light,
            wall,
            ground,
            texture,
            texture_paint,
            texture_size,
            texture_key,
            vignette,
            vignette_center,
            knee,
        }
    }
}
