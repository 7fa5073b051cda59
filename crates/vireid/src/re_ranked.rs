//! k-reciprocal re-ranking, as command lines name it.

use std::fmt;
use std::str::FromStr;

use vireid_clustering::ReRanking;
use vireid_core::Embeddings;
use vireid_eval::{Distances, EvalError};

/// k-reciprocal re-ranking as command lines name it: `20,6,0.3` is k1, k2 and lambda. Distances are mixed with how many
/// neighbours two images share among queries and gallery.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReRanked(pub ReRanking);

impl FromStr for ReRanked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || format!("'{text}' is not k1,k2,lambda, such as 20,6,0.3");
        let [k1, k2, lambda] = text.split(',').map(str::trim).collect::<Vec<_>>()[..] else { return Err(form()) };
        let count = |text: &str| text.parse::<usize>().map_err(|_| form());
        let of = ReRanking { k1: count(k1)?, k2: count(k2)?, lambda: lambda.parse().map_err(|_| form())? };
        if of.k1 == 0 || of.k2 == 0 || !(0.0..=1.0).contains(&of.lambda) {
            return Err(format!("'{text}': k1 and k2 are at least 1, lambda is from 0 to 1"));
        }
        Ok(Self(of))
    }
}

impl fmt::Display for ReRanked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{}", self.0.k1, self.0.k2, self.0.lambda)
    }
}

impl Distances for ReRanked {
    fn between(&self, queries: &Embeddings, gallery: &Embeddings) -> Result<Vec<f32>, EvalError> {
        self.0.distances(queries, gallery).map_err(|error| EvalError::Distances(error.to_string()))
    }

    fn are_of_pairs(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_name_it_by_three_numbers() {
        let read = |text: &str| text.parse::<ReRanked>();
        assert_eq!(read("20,6,0.3").unwrap(), ReRanked(ReRanking::default()));
        assert_eq!(read(" 5, 1 ,1").unwrap().to_string(), "5,1,1");
        for (text, says) in [("20,6", "k1,k2,lambda"), ("20,6,x", "k1,k2,lambda"), ("-1,6,0.3", "k1,k2,lambda")] {
            assert!(read(text).unwrap_err().contains(says), "{text}");
        }
        for text in ["0,6,0.3", "20,0,0.3", "20,6,1.1", "20,6,NaN"] {
            assert!(read(text).unwrap_err().contains("at least 1"), "{text}");
        }
    }
}
