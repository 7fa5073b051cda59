//! Images of more than 8 bits as 256 grey levels.

/// Which numbers of an image with more than 8 bits become the 256 grey levels that a network sees. Images of 8 bits stay as
/// they are.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum ValueRange {
    /// All that the file's type can hold: a thermal image that uses a small part of it keeps a few levels only.
    #[default]
    Full,
    /// From the image's smallest number to its largest one: each image on its own, so equal temperatures of two images
    /// differ.
    Image,
    /// These, in the file's numbers (0 to 65535 for 16 bits): one scale for all images. What is outside is clipped.
    Limits {
        /// This number and all below it become grey level 0.
        low: f32,
        /// This number and all above it become grey level 255.
        high: f32,
    },
}

/// The numbers of an image with more than 8 bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Depth {
    /// Smallest number of the image, as the file has it.
    pub low: f32,
    /// Largest number of the image, as the file has it.
    pub high: f32,
    /// How many different ones there are.
    pub levels: usize,
    /// How many grey levels of 8 bits are left of them.
    pub kept: usize,
}

impl Depth {
    /// Whether too few grey levels are left to see a person in, and there were more.
    pub fn collapses(&self) -> bool {
        const ENOUGH: usize = 64;
        self.kept < ENOUGH && 2 * self.kept < self.levels
    }
}
