//! Opening the gallery that a command line names.

use clap::Args;
use vireid::ProgramError;
use vireid_gallery::{Address, Model, Opening, Store};
use vireid_methods::TrainedNetwork;

/// Which gallery, on a command line.
#[derive(Debug, Args)]
pub struct GalleryArguments {
    /// The gallery: a folder, or the address of an engine
    gallery: String,
}

impl GalleryArguments {
    /// The gallery, whichever network it is of.
    pub fn open(&self) -> Result<Box<dyn Store>, ProgramError> {
        open(&self.gallery, None)
    }

    /// Its address, without a password.
    pub fn shown(&self) -> String {
        shown(&self.gallery)
    }
}

/// A gallery that is there; of a network, where one is named.
pub fn open(address: &str, model: Option<&Model>) -> Result<Box<dyn Store>, ProgramError> {
    let opening = model.map_or(Opening::AsItIs, Opening::Of);
    Ok(Address::parse(address)?.open(opening)?)
}

/// A gallery of a network, made where there is none; one that keeps images, where that is asked for.
///
/// # Errors
///
/// `VR0606` where images are to be kept and it keeps none.
pub fn open_or_create(address: &str, model: &Model, images: bool) -> Result<Box<dyn Store>, ProgramError> {
    let store = Address::parse(address)?.open(Opening::OrCreate { model, images })?;
    if images && !store.keeps().images {
        let shown = shown(address);
        let message = format!(
            "{shown} keeps no images, which is settled when a gallery is made; leave --keep-images out, or make another"
        );
        return Err(ProgramError::Usage(message));
    }
    Ok(store)
}

/// An address without its password.
pub fn shown(address: &str) -> String {
    Address::parse(address).map_or_else(|_| "the gallery".into(), |address| address.to_string())
}

/// A network as galleries know it.
pub fn model_of(network: &TrainedNetwork) -> Model {
    let recipe = network.recipe();
    Model { weights: recipe.weights.clone(), settings: recipe.settings.clone(), dim: network.dim() }
}
