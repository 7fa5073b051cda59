//! Surfaces of a drawn world, as visible and infrared light see them.

use vireid_core::Stream;

/// A surface: what colour cameras see of it and what infrared cameras do, both in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Paint {
    /// Red, green and blue as a colour camera sees them, each in [0, 1].
    pub color: [f64; 3],
    /// Brightness as an infrared camera sees it, in [0, 1].
    pub infrared: f64,
}

impl Paint {
    /// The same surface in light that is `factor` times as bright, clipped to [0, 1].
    pub fn shaded(self, factor: f64) -> Self {
        Self {
            color: self.color.map(|c| (c * factor).clamp(0.0, 1.0)),
            infrared: (self.infrared * factor).clamp(0.0, 1.0),
        }
    }

    /// Brightness as a colour camera sees it, in [0, 1] (weights of BT.601).
    pub fn luminance(self) -> f64 {
        0.299 * self.color[0] + 0.587 * self.color[1] + 0.114 * self.color[2]
    }
}

/// How strongly `gap` decouples infrared from visible brightness.
const DECOUPLING: f64 = 0.6;

/// Hue (in turns), saturation and value of the fabrics that clothes are made of.
const PALETTE: [[f64; 3]; 20] = [
    [0.0, 0.0, 0.08],
    [0.0, 0.0, 0.25],
    [0.0, 0.0, 0.5],
    [0.0, 0.0, 0.72],
    [0.0, 0.0, 0.95],
    [0.0, 0.85, 0.7],
    [0.03, 0.8, 0.9],
    [0.08, 0.55, 0.6],
    [0.1, 0.35, 0.75],
    [0.14, 0.8, 0.9],
    [0.3, 0.6, 0.45],
    [0.38, 0.7, 0.55],
    [0.5, 0.5, 0.7],
    [0.58, 0.75, 0.75],
    [0.62, 0.8, 0.4],
    [0.6, 0.3, 0.8],
    [0.75, 0.5, 0.55],
    [0.85, 0.4, 0.8],
    [0.93, 0.6, 0.75],
    [0.07, 0.7, 0.35],
];

/// All palette entries.
pub(super) const ANY: [usize; 20] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19];

/// Draws a fabric from some palette entries; also returns which entry.
pub(super) fn fabric(entries: &[usize], gap: f64, stream: &mut Stream) -> (Paint, usize) {
    let entry = entries[stream.below(entries.len())];
    let [h, s, v] = PALETTE[entry];
    let h = h + stream.normal(0.0, 0.012);
    let s = (s + stream.normal(0.0, 0.06)).clamp(0.0, 1.0);
    let v = (v + stream.normal(0.0, 0.05)).clamp(0.03, 1.0);
    let color = hsv_to_rgb(h, s, v).map(|c| c.clamp(0.02, 1.0));
    let paint = Paint { color, infrared: 0.0 };
    let t = DECOUPLING * gap;
    let infrared = ((1.0 - t) * paint.luminance() + t * stream.uniform(0.12, 0.95)).clamp(0.08, 0.97);
    (Paint { infrared, ..paint }, entry)
}

fn hsv_to_rgb(h: f64, s: f64, v: f64) -> [f64; 3] {
    let sector = (h - libm::floor(h)) * 6.0;
    [5.0, 3.0, 1.0].map(|offset: f64| {
        let k = (offset + sector) % 6.0;
        v - v * s * k.min(4.0 - k).clamp(0.0, 1.0)
    })
}
