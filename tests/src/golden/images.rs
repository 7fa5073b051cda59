//! Golden operations on images.

use std::error::Error;

use vireid_data::{ImageSize, ResizeFilter, resize_rgb};

use super::{Case, Outputs};

pub fn resize(case: &Case) -> Result<Outputs, Box<dyn Error>> {
    let image = case.input("image")?;
    let from = ImageSize { height: image.shape[0], width: image.shape[1] };
    let to = ImageSize { height: case.parameter("height")?, width: case.parameter("width")? };
    let filter = case.op().strip_prefix("resize_").and_then(ResizeFilter::from_name).ok_or("unknown filter")?;
    let pixels: Vec<u8> = image.values.iter().map(|&v| v as u8).collect();
    let resized = resize_rgb(&pixels, from, to, filter).ok_or("it can't be resized")?;
    Ok(Outputs::from([("image", resized.into_iter().map(f64::from).collect())]))
}
