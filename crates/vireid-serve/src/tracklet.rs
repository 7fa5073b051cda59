//! The crops of a track as one entry.

/// What the crops of a track have in common.
#[derive(Debug, PartialEq)]
pub struct Tracklet {
    /// Mean of their embeddings, of length 1.
    pub embedding: Vec<f32>,
    /// Mean of 1 - cosine to it.
    pub spread: f32,
    /// The crop nearest to it.
    pub nearest: usize,
}

/// Sums up embeddings of length 1; `None` where there are none or they cancel each other out.
pub fn mean(embeddings: &[Vec<f32>]) -> Option<Tracklet> {
    if let [single] = embeddings {
        return Some(Tracklet { embedding: single.clone(), spread: 0.0, nearest: 0 });
    }
    let mut sum = vec![0.0f64; embeddings.first()?.len()];
    for embedding in embeddings {
        sum.iter_mut().zip(embedding).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let length = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
    if length < 1e-6 {
        return None;
    }
    let embedding: Vec<f32> = sum.iter().map(|value| (value / length) as f32).collect();
    let cosine =
        |other: &Vec<f32>| other.iter().zip(&embedding).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let cosines: Vec<f64> = embeddings.iter().map(cosine).collect();
    let away = cosines.iter().map(|cosine| 1.0 - cosine).sum::<f64>() / cosines.len() as f64;
    let mut nearest = 0;
    for (crop, cosine) in cosines.iter().enumerate() {
        if *cosine > cosines[nearest] {
            nearest = crop;
        }
    }
    Some(Tracklet { embedding, spread: away.clamp(0.0, 2.0) as f32, nearest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(degrees: f32) -> Vec<f32> {
        vec![degrees.to_radians().cos(), degrees.to_radians().sin()]
    }

    #[test]
    fn the_middle_of_three_is_their_mean() {
        let found = mean(&[at(0.0), at(30.0), at(60.0)]).unwrap();
        assert_eq!(found.nearest, 1);
        for (value, right) in found.embedding.iter().zip(at(30.0)) {
            assert!((value - right).abs() < 1e-6);
        }
        let right = 2.0 / 3.0 * (1.0 - 30f32.to_radians().cos());
        assert!((found.spread - right).abs() < 1e-6, "{} {right}", found.spread);
    }

    #[test]
    fn a_single_crop_is_itself_and_opposites_are_nothing() {
        assert_eq!(mean(&[at(10.0)]).unwrap(), Tracklet { embedding: at(10.0), spread: 0.0, nearest: 0 });
        assert_eq!(mean(&[vec![1.0, 0.0], vec![-1.0, 0.0]]), None);
        assert_eq!(mean(&[]), None);
    }
}
