//! Images on a map, near where their embeddings are.

use bhtsne::tSNE;
use rayon::ThreadPoolBuilder;
use serde::{Deserialize, Serialize};
use vireid_core::{Modality, Streams};

use super::{Embedded, known_name, name, spread};

/// Images of each modality on the map.
const IMAGES: usize = 250;
const PERPLEXITY: f32 = 20.0;
const EPOCHS: usize = 1000;
/// The paper's. With the library's 12 and half the epochs, the map of a well trained network stayed a line.
const EXAGGERATION: f32 = 4.0;

/// An image on the map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub x: f32,
    pub y: f32,
    pub modality: String,
    /// What the user calls the camera.
    #[serde(deserialize_with = "name")]
    pub camera: String,
    /// What the user calls the person, where known.
    #[serde(deserialize_with = "known_name")]
    pub identity: Option<String>,
}

/// Exact t-SNE (van der Maaten and Hinton, 2008) of images spread evenly over the lists, on cosine distances; the same
/// picture for the same embeddings and seed. Empty where there are too few images for it to mean anything.
pub fn map(images: &Embedded<'_>, seed: u64) -> Vec<Point> {
    let mut rows: Vec<&[f32]> = Vec::new();
    let mut points = Vec::new();
    for modality in Modality::ALL {
        let (embeddings, samples) = (images.rows.get(modality), images.samples.get(modality));
        for at in spread(IMAGES, samples.len()) {
            rows.push(embeddings.row(at));
            let sample = &samples[at];
            let identity = sample.identity.map(|identity| images.names.person(identity));
            let camera = images.names.camera(sample.camera);
            points.push(Point { x: 0.0, y: 0.0, modality: modality.to_string(), camera, identity });
        }
    }
    // The library wants more than three times the perplexity.
    if rows.len() as f32 <= 3.0 * PERPLEXITY + 1.0 {
        return Vec::new();
    }
    let mut stream = Streams::new(seed).stream("map", [0; 3]);
    let start: Vec<f32> = (0..2 * rows.len()).map(|_| stream.normal(0.0, 1e-4) as f32).collect();
    let cosine_distance = |a: &&[f32], b: &&[f32]| {
        let product: f32 = a.iter().zip(*b).map(|(a, b)| a * b).sum();
        (2.0 - 2.0 * product).max(0.0).sqrt()
    };
    // On one thread: on several the library's sums come in another order each time, and so does the picture.
    let Ok(one_thread) = ThreadPoolBuilder::new().num_threads(1).build() else { return Vec::new() };
    let places = one_thread.install(|| {
        let mut embedding = tSNE::<f32, &[f32], 2>::new(&rows);
        embedding.perplexity(PERPLEXITY).epochs(EPOCHS).early_exaggeration(EXAGGERATION);
        embedding.initial_embedding(start).exact(cosine_distance);
        embedding.embedding()
    });
    for (point, place) in points.iter_mut().zip(places.chunks_exact(2)) {
        (point.x, point.y) = (place[0], place[1]);
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;
    use vireid_core::{Camera, Embeddings, Identity, PerModality};
    use vireid_data::{Names, Sample};

    #[test]
    fn people_lie_together_and_the_picture_repeats() {
        let mut stream = Streams::new(3).stream("test", [0; 3]);
        let samples: Vec<Sample> = (0..60)
            .map(|n| Sample { path: n.to_string().into(), identity: Some(Identity(n % 3)), camera: Camera(1) })
            .collect();
        let mut rows = || {
            let value = |n: usize| {
                (0..3).map(|axis| if n % 3 == axis { 1.0 } else { 0.0 } + stream.normal(0.0, 0.05) as f32).collect()
            };
            let values: Vec<Vec<f32>> = (0..60).map(value).collect();
            Embeddings::new(values.concat(), 60, 3).unwrap().normalized()
        };
        let rows = PerModality { visible: rows(), infrared: rows() };
        let names = Names::default();
        let samples = PerModality { visible: &samples[..], infrared: &samples[..] };
        let images = Embedded { samples, rows, names: &names };
        let points = map(&images, 0);
        assert_eq!(points.len(), 120);
        assert_eq!(points, map(&images, 0));
        let distance = |a: &Point, b: &Point| f64::from((a.x - b.x).hypot(a.y - b.y));
        let (mut same, mut other) = ((0.0, 0), (0.0, 0));
        for a in &points {
            for b in &points {
                let sum = if a.identity == b.identity { &mut same } else { &mut other };
                *sum = (sum.0 + distance(a, b), sum.1 + 1);
            }
        }
        assert!(same.0 / f64::from(same.1) < 0.5 * other.0 / f64::from(other.1));
    }
}
