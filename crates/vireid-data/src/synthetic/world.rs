//! A drawn world: its people, its cameras, its images.

use vireid_core::{Modality, Streams};

use super::canvas::Canvas;
use super::{CameraLook, Dials, Person, background, figure, sensor};
use crate::DataError;

/// Width of a drawn image in pixels.
pub const WIDTH: usize = 64;
/// Height of a drawn image in pixels.
pub const HEIGHT: usize = 128;

/// Places that LLCM's cameras look at.
pub(super) const LLCM_PLACES: usize = 9;

/// One drawn image: `HEIGHT x WIDTH x 3` interleaved bytes; three equal channels when it is infrared.
pub type Image = Vec<u8>;

/// People and cameras, from which images are drawn.
#[derive(Debug, Clone)]
pub struct World {
    dials: Dials,
    streams: Streams,
    people: Vec<Person>,
    cameras: Vec<CameraLook>,
}

impl World {
    /// Draws `people` people and SYSU-MM01's six cameras: 1, 2, 4, 5 visible, 3, 6 infrared; 1, 2, 3 indoors.
    pub fn sysu(seed: u64, people: usize, dials: Dials) -> Self {
        let cameras = [
            (Modality::Visible, true),
            (Modality::Visible, true),
            (Modality::Infrared, true),
            (Modality::Visible, false),
            (Modality::Visible, false),
            (Modality::Infrared, false),
        ];
        Self::with_cameras(seed, people, &cameras, dials)
    }

    /// Draws `people` people and RegDB's two cameras, outdoors: 1 visible, 2 thermal. They stand side by side and look at
    /// the same place.
    pub fn regdb(seed: u64, people: usize, dials: Dials) -> Self {
        let mut world =
            Self::with_cameras(seed, people, &[(Modality::Visible, false), (Modality::Infrared, false)], dials);
        let place = world.cameras[0].clone();
        world.cameras[1].stand_beside(&place);
        world
    }

    /// Draws `people` people and LLCM's nine places, outdoors, each with a visible camera (1 to 9) and a near-infrared one
    /// beside it (10 to 18).
    pub fn llcm(seed: u64, people: usize, dials: Dials) -> Self {
        let cameras = [[(Modality::Visible, false); LLCM_PLACES], [(Modality::Infrared, false); LLCM_PLACES]].concat();
        let mut world = Self::with_cameras(seed, people, &cameras, dials);
        let (visible, infrared) = world.cameras.split_at_mut(LLCM_PLACES);
        infrared.iter_mut().zip(visible).for_each(|(infrared, visible)| infrared.stand_beside(visible));
        world
    }

    /// Draws a world with cameras of the given modality, indoors or not.
    pub fn with_cameras(seed: u64, people: usize, cameras: &[(Modality, bool)], dials: Dials) -> Self {
        let streams = Streams::new(seed);
        let mut camera_stream = streams.stream("world.cameras", [0; 3]);
        let cameras = cameras
            .iter()
            .map(|&(modality, indoor)| CameraLook::draw(modality, indoor, dials.camera, &mut camera_stream))
            .collect();
        let mut drawn: Vec<Person> = Vec::with_capacity(people);
        for number in 0..people {
            let mut stream = streams.stream("world.person", [number as u64, 0, 0]);
            let mut person = Person::draw(dials.gap, &mut stream);
            if number > 0 && stream.chance(dials.collision) {
                person.borrow_from(&drawn[stream.below(number)], &mut stream);
            }
            drawn.push(person);
        }
        Self { dials, streams, people: drawn, cameras }
    }

    /// The people, in the order in which they were drawn.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// The cameras, in the order of their numbers.
    pub fn cameras(&self) -> &[CameraLook] {
        &self.cameras
    }

    /// Draws the `instance`-th image of a person by a camera (both counted from 0).
    ///
    /// # Errors
    ///
    /// `VR0110` when there is no such person or camera.
    pub fn draw(&self, person: usize, camera: usize, instance: usize) -> Result<Image, DataError> {
        let missing = || DataError::World(format!("there is no person {person} or no camera {camera}"));
        let (someone, look) = self.people.get(person).zip(self.cameras.get(camera)).ok_or_else(missing)?;
        let mut stream = self.streams.stream("world.instance", [person as u64, camera as u64, instance as u64]);
        let mut texture = self.streams.stream("world.texture", [look.texture_key, 0, 0]);
        let mut canvas = Canvas::new(WIDTH as u32, HEIGHT as u32, look.modality).ok_or_else(missing)?;
        background::draw(&mut canvas, look, &mut stream, &mut texture);
        figure::draw(&mut canvas, someone, look, self.dials.view, &mut stream);
        if stream.chance(self.dials.occlusion) {
            background::draw_occluder(&mut canvas, &mut stream);
        }
        Ok(sensor::expose(canvas.into_rgb(), look, &mut stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIALS: Dials = Dials { gap: 0.2, camera: 0.7, collision: 0.2, occlusion: 0.1, view: 0.6 };

    fn fnv(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
    }

    /// Pins the pixels themselves, so that a change of the drawing (or a machine that computes differently) is noticed.
    #[test]
    fn the_pixels_are_pinned() {
        let world = World::sysu(0, 40, DIALS);
        let mut all = Vec::new();
        for person in 0..40 {
            for camera in 0..6 {
                all.extend(world.draw(person, camera, person % 3).unwrap());
            }
        }
        assert_eq!(fnv(&all), 595_135_114_087_436_317);
    }

    #[test]
    fn infrared_is_grey_and_visible_is_not() {
        let world = World::sysu(1, 3, DIALS);
        let is_grey = |camera| world.draw(2, camera, 0).unwrap().chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]);
        assert_eq!([0, 1, 2, 3, 4, 5].map(is_grey), [false, false, true, false, false, true]);
    }

    #[test]
    fn more_people_do_not_change_the_first_and_instances_differ() {
        let (few, many) = (World::sysu(3, 4, DIALS), World::sysu(3, 50, DIALS));
        assert_eq!(few.draw(3, 1, 0).unwrap(), many.draw(3, 1, 0).unwrap());
        assert_ne!(few.draw(3, 1, 0).unwrap(), few.draw(3, 1, 1).unwrap());
        assert!(few.draw(4, 0, 0).unwrap_err().to_string().starts_with("VR0110"));
    }

    #[test]
    fn the_collision_dial_shares_outfits() {
        let shared = |collision| {
            let world = World::sysu(5, 60, Dials { collision, ..DIALS });
            let looks: Vec<String> = world.people().iter().map(|p| format!("{:?}", p.legs)).collect();
            let mut distinct = looks.clone();
            distinct.sort();
            distinct.dedup();
            looks.len() - distinct.len()
        };
        assert_eq!(shared(0.0), 0);
        assert!(shared(0.8) > 10);
    }
}
