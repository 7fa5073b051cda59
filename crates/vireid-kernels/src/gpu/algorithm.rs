//! Which algorithm computes convolutions.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;

use cubek::convolution::{AcceleratedTileKind, ConvAlgorithm};

/// A way to compute the passes of a convolution on a graphics card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConvolutionAlgorithm {
    /// Burn's own choice.
    Stock,
    /// Windows laid out in memory, and one matrix product.
    Product,
    /// A matrix product that gathers the windows as it goes.
    Implicit(ConvAlgorithm, AcceleratedTileKind),
    /// The fastest of all but the stock one, found by trying them for each shape.
    Fastest,
}

const READERS: [(&str, ConvAlgorithm); 3] = [
    ("sync", ConvAlgorithm::SimpleSyncCyclic),
    ("async", ConvAlgorithm::SimpleAsyncCyclic),
    ("tma", ConvAlgorithm::SimpleAsyncTma),
];
const TILES: [(&str, AcceleratedTileKind); 2] =
    [("cmma", AcceleratedTileKind::Cmma), ("mma", AcceleratedTileKind::Mma)];

impl ConvolutionAlgorithm {
    /// What [`ConvolutionAlgorithm::Fastest`] tries.
    pub fn candidates() -> Vec<Self> {
        let implicit = READERS.iter().flat_map(|(_, reader)| TILES.map(|(_, tile)| Self::Implicit(*reader, tile)));
        [Self::Product].into_iter().chain(implicit).collect()
    }
}

impl fmt::Display for ConvolutionAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Implicit(algorithm, kind) = self else {
            return f.write_str(match self {
                Self::Stock => "stock",
                Self::Product => "product",
                _ => "fastest",
            });
        };
        let reader = READERS.iter().find(|(_, reader)| reader == algorithm).map_or("other", |(name, _)| name);
        let tile = TILES.iter().find(|(_, tile)| tile == kind).map_or("other", |(name, _)| name);
        write!(f, "{reader}-{tile}")
    }
}

impl FromStr for ConvolutionAlgorithm {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let mut all = Self::candidates();
        all.extend([Self::Stock, Self::Fastest]);
        let names: Vec<String> = all.iter().map(ToString::to_string).collect();
        let found = all.into_iter().find(|algorithm| algorithm.to_string() == name);
        found.ok_or_else(|| format!("'{name}' is none of {}", names.join(", ")))
    }
}

static CHOSEN: Mutex<ConvolutionAlgorithm> = Mutex::new(ConvolutionAlgorithm::Product);

/// The algorithm of this process.
pub(super) fn convolution_algorithm() -> ConvolutionAlgorithm {
    *CHOSEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Sets the algorithm of this process, for measurements.
pub fn set_convolution_algorithm(algorithm: ConvolutionAlgorithm) {
    *CHOSEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = algorithm;
}
