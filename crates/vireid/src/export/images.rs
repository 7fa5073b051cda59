//! Images that exported graphs are compared on.

use vireid::{DataSource, ProgramError};
use vireid_core::{Modality, Streams};
use vireid_data::{DataError, ImageSize};
use vireid_methods::{MethodError, TrainedNetwork, TrainingImages};

use crate::output::Output;

/// How many drawn images there are: a batch of one, and one of three.
const DRAWN: usize = 4;
/// How many images of a data set are taken, from its beginning to its end.
const OF_DATA: usize = 20;

/// Noise around a colour of each image's own: `height x width x 3` bytes.
pub fn drawn(size: ImageSize) -> Vec<Vec<u8>> {
    let mut stream = Streams::new(0).stream("export check", [0; 3]);
    let mut image = || {
        let colour = [0; 3].map(|_: i32| stream.uniform(30.0, 225.0));
        (0..3 * size.area()).map(|place| (colour[place % 3] + stream.uniform(-30.0, 30.0)) as u8).collect()
    };
    (0..DRAWN).map(|_| image()).collect()
}

/// Images of a modality from all over a data set, at the network's size.
///
/// # Errors
///
/// What is wrong with the data; `VR0606` where it has no image of the modality.
pub fn of_data(
    source: &DataSource,
    trained: &TrainedNetwork,
    modality: Modality,
    output: Output,
) -> Result<Vec<Vec<u8>>, ProgramError> {
    let images = TrainingImages::listed(source.open_with(!output.quiet)?, trained.config())?;
    let lists = [images.train.get(modality), images.test.images.get(modality)];
    let total: usize = lists.iter().map(|list| list.len()).sum();
    if total == 0 {
        return Err(ProgramError::Usage(format!("there is no {modality} image among the data to compare on")));
    }
    let pixels = |position: usize| -> Result<Vec<u8>, ProgramError> {
        let (list, position) = match position.checked_sub(lists[0].len()) {
            None => (lists[0], position),
            Some(position) => (lists[1], position),
        };
        let image = list.get(position).map_err(|bad| DataError::BadImages { images: vec![bad], total });
        Ok(image.map_err(MethodError::from)?.to_vec())
    };
    (0..total.min(OF_DATA)).map(|number| pixels(number * total / total.min(OF_DATA))).collect()
}
