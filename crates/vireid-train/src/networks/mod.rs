//! Networks by name: what `backbone.name` can be.
//!
//! The built-in kinds are the one list below. A network of your own becomes one of them by [`register`]: from then on every
//! session and every trained network of the process finds it by its name. So do all verbs of a program that
//! calls `vireid::program` after it.
//!
//! ```
//! use burn::tensor::Device;
//! use vireid_core::Streams;
//! use vireid_data::ImageSize;
//! use vireid_train::networks::{self, NetworkKind};
//! use vireid_train::{BackboneSettings, MethodError};
//! use vireid_backbone::{TwoStreamNet, TwoStreamNetConfig};
//!
//! /// A residual network here; any `Backbone` would do.
//! struct Mine;
//!
//! impl NetworkKind for Mine {
//!     type Network = TwoStreamNet;
//!
//!     fn names(&self) -> Vec<String> {
//!         vec!["mine".into()]
//!     }
//!
//!     fn init(
//!         &self,
//!         _settings: &BackboneSettings,
//!         _size: ImageSize,
//!         streams: Streams,
//!         device: &Device,
//!     ) -> Result<TwoStreamNet, MethodError> {
//!         // Weights drawn from the run's own random streams make a run repeatable.
//!         Ok(TwoStreamNetConfig::small().init(device, &mut streams.stream("init", [0; 3])))
//!     }
//! }
//!
//! networks::register(Mine);
//! assert!(networks::names().contains(&"mine".to_string()));
//! ```

mod efficient;
mod erased;
mod residual;
mod settings;
mod transformer;

use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use burn::tensor::Device;
use vireid_backbone::{Backbone, BackboneError, PieceSize, WeightReport};
use vireid_core::Streams;
use vireid_data::ImageSize;

use crate::{BackboneSettings, MethodError};
pub use efficient::Efficient;
pub(crate) use erased::{AnyNetworkKind, Embedder, EngineParts, NamedTensors, TrainingEngine};
pub use residual::{Residual, build_network};
pub use transformer::Transformer;

/// A kind of network that configurations name.
pub trait NetworkKind: Send + Sync + 'static {
    /// The type of the networks that [`init`](Self::init) makes.
    type Network: Backbone;

    /// The names by which configurations call it, in `backbone.name`.
    fn names(&self) -> Vec<String>;

    /// A network with its starting weights on `device`, which is on the autodiff side, for images of `size`.
    ///
    /// For a trained network it is called with `weights = "none"`, since others replace them at once, and on a device that lacks
    /// the precision with `f32`: a kind must take both.
    ///
    /// # Errors
    ///
    /// `VR0301` to `VR0303` for settings or weights that can't be used, `VR0502` for a precision that the device does not
    /// have.
    fn init(
        &self,
        settings: &BackboneSettings,
        size: ImageSize,
        streams: Streams,
        device: &Device,
    ) -> Result<Self::Network, MethodError>;

    /// As [`init`](Self::init), and what was read of the file of weights, where that is told.
    ///
    /// # Errors
    ///
    /// Those of [`init`](Self::init).
    fn import(
        &self,
        settings: &BackboneSettings,
        size: ImageSize,
        streams: Streams,
        device: &Device,
    ) -> Result<(Self::Network, Option<WeightReport>), MethodError> {
        Ok((self.init(settings, size, streams, device)?, None))
    }

    /// What a training pass of one image keeps: the plan of a run's memory goes by it. `None`, the default, is not
    /// known: then no memory is planned.
    ///
    /// # Errors
    ///
    /// `VR0303` for settings that can't be used.
    fn footprint(&self, _settings: &BackboneSettings, _size: ImageSize) -> Result<Option<Footprint>, MethodError> {
        Ok(None)
    }
}

/// What a training pass of one image keeps.
#[derive(Debug, Clone)]
pub struct Footprint {
    /// How many numbers layers give that gradients need, for one image.
    pub activations: usize,
    /// The sizes piece by piece, for passes that keep only what pieces give; see `backbone.checkpointing`.
    pub pieces: Vec<PieceSize>,
    /// Which numbers were counted.
    pub counted: Counted,
}

/// Which numbers of a pass a [`Footprint`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// What convolutions give. A step keeps what batch norms make of it beside.
    Convolutions,
    /// All that gradients need.
    Everything,
}

/// The kinds that come with the project. To add one, list it here.
static KINDS: LazyLock<RwLock<Vec<Arc<dyn AnyNetworkKind>>>> =
    LazyLock::new(|| RwLock::new(vec![Arc::new(Residual), Arc::new(Efficient), Arc::new(Transformer)]));

/// Makes a kind of network known by its names, for the rest of the process. Of several kinds with one name the newest
/// counts.
pub fn register(kind: impl NetworkKind) {
    KINDS.write().unwrap_or_else(PoisonError::into_inner).insert(0, Arc::new(kind));
}

/// The names of all kinds of networks that are known in this process, the newest first.
pub fn names() -> Vec<String> {
    kinds().iter().flat_map(|kind| kind.names()).collect()
}

/// The kind of network that has a name.
///
/// # Errors
///
/// `VR0303` for an unknown one.
pub(crate) fn kind(name: &str) -> Result<Arc<dyn AnyNetworkKind>, MethodError> {
    let found = kinds().into_iter().find(|kind| kind.names().iter().any(|known| known == name));
    let message = || format!("there is no '{name}'; there are {}", names().join(", "));
    found.ok_or_else(|| BackboneError::Config(message()).into())
}

fn kinds() -> Vec<Arc<dyn AnyNetworkKind>> {
    KINDS.read().unwrap_or_else(PoisonError::into_inner).clone()
}
