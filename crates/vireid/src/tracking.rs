//! A trained network as what the trackers of the crate `trackforge` tell people apart by.

use std::error::Error;

use image::{DynamicImage, RgbImage, imageops};
use trackforge::traits::AppearanceExtractor;
use trackforge::types::BoundingBox;
use vireid_core::{Camera, Modality};
use vireid_data::{CacheBudget, DataError, ImageList, ImageSize, Sample};
use vireid_methods::{MethodError, TrainedNetwork};

/// A trained network that embeds the boxes of a frame, for `DeepOcSort` and `DeepSortTracker`.
///
/// Its embeddings are those of `vireid extract`, of length 1: a crop is the part of its box within the frame, resized as the images
/// that the network was trained on, with the mean over its mirror image where the network's tests take it. Frames of more than 8
/// bits are brought to 8 by dividing.
#[derive(Debug)]
pub struct Appearance {
    network: TrainedNetwork,
    modality: Option<Modality>,
}

impl Appearance {
    /// For frames of one kind of camera.
    pub fn new(network: TrainedNetwork, modality: Modality) -> Self {
        Self { network, modality: Some(modality) }
    }

    /// For frames of colour and infrared cameras in turn, or of one that turns to infrared at night: a frame is infrared where no
    /// pixel of it has a colour.
    pub fn of_mixed_frames(network: TrainedNetwork) -> Self {
        Self { network, modality: None }
    }

    /// The network.
    pub fn network(&self) -> &TrainedNetwork {
        &self.network
    }

    /// Embeds boxes of a frame, a row each.
    fn rows(&self, frame: &RgbImage, boxes: &[BoundingBox]) -> Result<Vec<Vec<f32>>, MethodError> {
        let config = self.network.config();
        let sample = |number| Sample { path: format!("box {number}").into(), identity: None, camera: Camera(0) };
        let samples = (0..boxes.len()).map(sample).collect();
        let mut crops = ImageList::new(samples, config.size(), config.filter()?, CacheBudget::new(0));
        for (position, of_person) in boxes.iter().enumerate() {
            let crop = crop(frame, of_person);
            let size = ImageSize { height: crop.height() as usize, width: crop.width() as usize };
            let held = crops.hold(position, size, crop.as_raw());
            held.map_err(|bad| DataError::BadImages { images: vec![bad], total: boxes.len() })?;
        }
        let modality = self.modality.unwrap_or_else(|| modality_of(frame));
        let embeddings = self.network.embed(&crops, modality, |_| ())?;
        Ok((0..embeddings.rows()).map(|row| embeddings.row(row).to_vec()).collect())
    }
}

impl AppearanceExtractor for Appearance {
    /// A box with next to nothing in the frame fails all of them, as an image of that size would: leave such boxes out before
    /// tracking.
    ///
    /// # Errors
    ///
    /// `VR0105` for a box of which too little is within the frame to be a person; those of
    /// [`TrainedNetwork::extract`].
    fn extract(&mut self, image: &DynamicImage, bboxes: &[BoundingBox]) -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
        if bboxes.is_empty() {
            return Ok(Vec::new());
        }
        let rows = match image {
            DynamicImage::ImageRgb8(frame) => self.rows(frame, bboxes),
            frame => self.rows(&frame.to_rgb8(), bboxes),
        };
        Ok(rows?)
    }
}

/// The part of a box within a frame, to whole pixels.
fn crop(frame: &RgbImage, of_person: &BoundingBox) -> RgbImage {
    // No box is outside: the conversion saturates, and takes what is not a number for 0.
    let within = |at: f32, length: u32| at.round().clamp(0.0, length as f32) as u32;
    let [left, right] = [of_person.x, of_person.x + of_person.width].map(|x| within(x, frame.width()));
    let [top, bottom] = [of_person.y, of_person.y + of_person.height].map(|y| within(y, frame.height()));
    imageops::crop_imm(frame, left, top, right.saturating_sub(left), bottom.saturating_sub(top)).to_image()
}

/// Infrared where red, green and blue are alike everywhere.
fn modality_of(frame: &RgbImage) -> Modality {
    let is_grey = frame.pixels().all(|pixel| pixel.0[0] == pixel.0[1] && pixel.0[1] == pixel.0[2]);
    if is_grey { Modality::Infrared } else { Modality::Visible }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;
    use vireid_data::synthetic::{Dials, HEIGHT, WIDTH, World};
    use vireid_methods::{CheckpointKind, parse_device};

    const DIALS: Dials = Dials { gap: 0.2, camera: 0.3, collision: 0.0, occlusion: 0.0, view: 0.1 };

    /// The small network as it comes with the program.
    fn network(folder: &std::path::Path) -> TrainedNetwork {
        let run = folder.join("network");
        if !run.exists() {
            let mirrored = ["--set", "evaluation.flip_average=true"];
            let words = ["vireid", "import", "--weights", "builtin:small", "--out", run.to_str().unwrap()];
            crate::program(words.into_iter().chain(mirrored).map(Into::into));
        }
        TrainedNetwork::open(&run, CheckpointKind::Last, parse_device("cpu").unwrap()).unwrap()
    }

    fn person(world: &World, number: usize, camera: usize) -> RgbImage {
        RgbImage::from_raw(WIDTH as u32, HEIGHT as u32, world.draw(number, camera, 0).unwrap()).unwrap()
    }

    /// Two people in a frame give what their crops in files of their own give, each as images of the frame's modality.
    #[test]
    fn boxes_of_a_frame_are_embedded_like_crops_in_files() {
        let folder = tempfile::tempdir().unwrap();
        let world = World::regdb(4, 2, DIALS);
        for (camera, modality) in [(0, Modality::Visible), (1, Modality::Infrared)] {
            let mut frame = RgbImage::from_pixel(300, 200, Rgb([90, 90, 90]));
            let mut samples = Vec::new();
            for number in 0..2 {
                let crop = person(&world, number, camera);
                imageops::replace(&mut frame, &crop, 10 + 150 * number as i64, 40);
                let path = folder.path().join(format!("{modality}-{number}.png"));
                crop.save(&path).unwrap();
                samples.push(Sample { path, identity: None, camera: Camera(0) });
            }
            let network = network(folder.path());
            let config = network.config();
            let list = ImageList::new(samples, config.size(), config.filter().unwrap(), CacheBudget::new(0));
            let expected = network.embed(&list, modality, |_| ()).unwrap();
            let at = |x: f32| BoundingBox::new(x, 40.0, WIDTH as f32, HEIGHT as f32);
            let boxes = [at(10.0), at(160.0)];
            for mut appearance in
                [Appearance::of_mixed_frames(network), Appearance::new(self::network(folder.path()), modality)]
            {
                let rows = appearance.extract(&frame.clone().into(), &boxes).unwrap();
                assert_eq!(rows.concat(), expected.as_slice());
                assert_ne!(rows[0], rows[1]);
            }
        }
    }

    #[test]
    fn a_frame_without_colour_is_infrared() {
        let grey = RgbImage::from_pixel(8, 8, Rgb([7, 7, 7]));
        assert_eq!(modality_of(&grey), Modality::Infrared);
        let mut coloured = grey;
        coloured.put_pixel(7, 7, Rgb([7, 7, 8]));
        assert_eq!(modality_of(&coloured), Modality::Visible);
    }

    #[test]
    fn boxes_end_at_the_edges_of_the_frame() {
        let frame = RgbImage::from_fn(40, 60, |x, y| Rgb([x as u8, y as u8, 0]));
        let cut = |x, y, width, height| crop(&frame, &BoundingBox::new(x, y, width, height));
        let whole = cut(-10.0, -5.0, 100.0, f32::INFINITY);
        assert!(whole == frame);
        let inner = cut(3.4, 4.6, 10.0, 20.0);
        assert_eq!((inner.dimensions(), inner.get_pixel(0, 0).0), ((10, 20), [3, 5, 0]));
        assert_eq!(cut(50.0, 0.0, 10.0, 10.0).dimensions().0, 0);
        assert_eq!(cut(f32::NAN, 0.0, 10.0, 10.0).dimensions().0, 0);
    }

    #[test]
    fn a_box_without_a_person_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut appearance = Appearance::of_mixed_frames(network(folder.path()));
        let frame = DynamicImage::new_rgb8(100, 100);
        assert_eq!(appearance.extract(&frame, &[]).unwrap(), Vec::<Vec<f32>>::new());
        let boxes = [BoundingBox::new(0.0, 0.0, 50.0, 100.0), BoundingBox::new(200.0, 0.0, 50.0, 100.0)];
        let error = appearance.extract(&frame, &boxes).unwrap_err().to_string();
        assert!(error.starts_with("VR0105") && error.contains("box 1"), "{error}");
    }
}
