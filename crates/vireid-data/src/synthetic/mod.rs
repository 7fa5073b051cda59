//! A built-in world of people seen by colour and infrared cameras.
//!
//! Everything is drawn from one seed, to the byte, on every machine. The world takes the place of a licensed data set that is
//! absent: it has the licensed one's layout on disk, so the same reader reads both. Scores on it say nothing about
//! scores on real data.
//!
//! A [`Person`] and a [`CameraLook`] are drawn once; an image is a pose, a background and a sensor on top of them. Each of
//! the three kinds has random streams of its own, so one dial does not reshuffle the rest.

mod background;
mod camera;
mod canvas;
mod fabric;
mod figure;
mod person;
mod sensor;
mod spec;
mod world;
mod write;
mod write_llcm;
mod write_regdb;

pub use camera::CameraLook;
pub use fabric::Paint;
pub use person::{Bag, HeadKind, Lower, Pattern, Person, Sleeve, Upper};
pub use spec::WorldSpec;
pub use world::{HEIGHT, Image, WIDTH, World};
pub(crate) use write::STAMP;
pub use write::{SysuLayout, WorldSize, write_sysu};
pub use write_llcm::write_llcm;
pub use write_regdb::write_regdb;

/// How hard the world is. Each dial is 0 for easiest; what it changes is in its documentation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dials {
    /// Modality gap: how far the infrared brightness of a fabric is from its visible brightness, and how often a pattern
    /// vanishes in infrared.
    pub gap: f64,
    /// Camera bias: colour cast, exposure, blur, noise, preferred viewpoint, background of each camera.
    pub camera: f64,
    /// Share of people who wear half of somebody else's outfit.
    pub collision: f64,
    /// Share of images with something in front of the person.
    pub occlusion: f64,
    /// Spread of viewpoints: 0 always frontal, 1 every direction.
    pub view: f64,
}
