//! What takes crops in, and the gallery of this process that does.

use std::collections::BTreeMap;

use vireid::ProgramError;
use vireid_core::Modality;
use vireid_gallery::{Existing, Facts, GalleryError, Item, Moment, Scalar, Store};
use vireid_methods::TrainedNetwork;

use crate::network_embedder::embed_files;
use crate::watch::arrivals::Arrival;

/// What became of a crop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is an entry now.
    Added,
    /// It was one already.
    WasThere,
    /// It is of no use as it is; why.
    Unusable(String),
    /// It could not be taken now, and may be later; why.
    NotNow(String),
}

/// What takes crops in.
pub trait Receiver {
    /// Takes crops in, as far as it can; what became of each.
    fn take(&self, arrivals: &[Arrival]) -> Result<Vec<Taken>, ProgramError>;
}

/// What is known of a crop: the time of its file is the time at which it was seen.
pub fn facts(arrival: &Arrival, metadata: &BTreeMap<String, Scalar>) -> Facts {
    let mut facts = Facts::new(arrival.id.clone(), arrival.modality);
    facts.camera = arrival.camera.clone();
    facts.time = Some(Moment::from(arrival.modified));
    facts.metadata = metadata.clone();
    facts
}

/// A gallery that this process holds, and the network that embeds for it.
pub struct Gallery {
    pub store: Box<dyn Store>,
    pub network: TrainedNetwork,
    pub metadata: BTreeMap<String, Scalar>,
}

impl Receiver for Gallery {
    fn take(&self, arrivals: &[Arrival]) -> Result<Vec<Taken>, ProgramError> {
        let mut taken = vec![Taken::WasThere; arrivals.len()];
        for modality in Modality::ALL {
            let (mut positions, mut files) = (Vec::new(), Vec::new());
            for (position, arrival) in arrivals.iter().enumerate().filter(|(_, arrival)| arrival.modality == modality) {
                // Whatever way it came in: what people said of it stays. A file that changed while it was watched is another crop.
                match self.store.get(&arrival.id) {
                    Ok(Some(_)) if !arrival.is_changed => continue,
                    Ok(_) => (),
                    Err(error) => {
                        taken[position] = Taken::NotNow(error.to_string());
                        continue;
                    }
                }
                match std::fs::read(&arrival.path) {
                    Ok(file) => {
                        positions.push(position);
                        files.push(file);
                    }
                    Err(error) => taken[position] = Taken::Unusable(error.to_string()),
                }
            }
            for ((position, file), row) in
                positions.into_iter().zip(&files).zip(embed_files(&self.network, &files, modality)?)
            {
                taken[position] = match row {
                    Ok(row) => self.add(&arrivals[position], row, file)?,
                    Err(reason) => Taken::Unusable(reason),
                };
            }
        }
        Ok(taken)
    }
}

impl Gallery {
    fn add(&self, arrival: &Arrival, embedding: Vec<f32>, file: &[u8]) -> Result<Taken, ProgramError> {
        let image = self.store.keeps().images.then(|| file.to_vec());
        let item = Item { facts: facts(arrival, &self.metadata), embedding, image };
        match self.store.add(vec![item], Existing::Replace) {
            Ok(_) => Ok(Taken::Added),
            Err(GalleryError::BadEntry { what, reason }) => Ok(Taken::Unusable(format!("{what}: {reason}"))),
            // A full disk may be emptied, an engine may come back.
            Err(error @ (GalleryError::CantWrite { .. } | GalleryError::Engine { .. })) => {
                Ok(Taken::NotNow(error.to_string()))
            }
            Err(error) => Err(error.into()),
        }
    }
}
