//! A network that needs no weights: what an image's bytes say, or a draw that they seed.

use vireid_core::Modality;
use vireid_serve::{Embedded, Embedder, EmbedderFailed, Verdict, Verdicts};

/// Numbers of an embedding.
pub const DIM: usize = 16;
pub const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const JPEG: &[u8] = b"\xff\xd8\xff";

pub struct StandIn;

impl Embedder for StandIn {
    fn embed(&self, images: &[Vec<u8>], _: Modality) -> Result<Vec<Embedded>, EmbedderFailed> {
        Ok(images.iter().map(|image| embedding(image)).collect())
    }

    fn batch(&self) -> usize {
        8
    }
}

/// A PNG's magic and `@DEGREES` are a unit vector at this angle; any other PNG or JPEG is at a place of its own.
pub fn embedding(image: &[u8]) -> Embedded {
    let told =
        image.strip_prefix(PNG).and_then(|rest| std::str::from_utf8(rest.strip_prefix(b"@")?).ok()?.parse().ok());
    if let Some(degrees) = told {
        let angle = f32::to_radians(degrees);
        let mut row = vec![0.0; DIM];
        (row[0], row[1]) = (angle.cos(), angle.sin());
        return Ok(row);
    }
    if !image.starts_with(PNG) && !image.starts_with(JPEG) {
        return Err("it is not a PNG or JPEG file".into());
    }
    let mut state = image
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    let mut row: Vec<f32> = (0..DIM)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect();
    let length = row.iter().map(|value| value * value).sum::<f32>().sqrt();
    row.iter_mut().for_each(|value| *value /= length);
    Ok(row)
}

/// The file of an image that the stand-in sees at an angle.
#[allow(dead_code)]
pub fn image_at(degrees: f32) -> Vec<u8> {
    [PNG, format!("@{degrees}").as_bytes()].concat()
}

/// A similarity of a half and more is the same person.
pub struct Half;

impl Verdicts for Half {
    fn verdict(&self, similarity: f32) -> Verdict {
        Verdict { probability: (f64::from(similarity) + 1.0).clamp(0.0, 2.0) / 2.0, same: f64::from(similarity) >= 0.5 }
    }

    fn threshold(&self) -> f64 {
        0.5
    }
}
