//! Which algorithm computes convolutions.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;

use cubek::convolution::{AcceleratedTileKind, ConvAlgorithm};

/// How a graphics card computes the forward and backward passes of a convolution. Only with the feature `gpu`, which
/// `wgpu`, `vulkan` and `cuda` turn on.
///
/// Its names, for [`FromStr`] and [`Display`](fmt::Display): `stock`, `product`, `fastest`, and a reader and a tile
/// such as `async-mma`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConvolutionAlgorithm {
    /// What Burn's own convolution does.
    Stock,
    /// One kernel lays all windows out in memory, one matrix product does the rest. The default.
    Product,
    /// A matrix product that gathers the windows as it goes: how they are read, and on which kind of tensor-core
    /// instruction it runs. Not every card has all of them.
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
    /// The algorithms that [`ConvolutionAlgorithm::Fastest`] tries on each shape: all but the stock one.
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

/// Sets the algorithm of all later convolutions of this process, on every card; meant for measurements. Only with the
/// feature `gpu`.
pub fn set_convolution_algorithm(algorithm: ConvolutionAlgorithm) {
    *CHOSEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = algorithm;
}
