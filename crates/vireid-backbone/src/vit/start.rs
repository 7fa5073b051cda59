//! The starting values of a vision transformer.

use vireid_core::Stream;

use super::VitNet;
use crate::parameters::fill_parameters;

/// Standard deviation of linear layers and positions.
const DEVIATION: f64 = 0.02;
/// Standard deviation of the class token.
const CLASS_DEVIATION: f64 = 1e-6;
/// Where timm cuts off its normal distribution.
const CUT: f64 = 2.0;

/// Draws the starting values: patch embeddings from equal copies of one stream, the rest from another.
pub(super) fn started(net: VitNet, stream: &mut Stream) -> VitNet {
    let mut patches = [stream.clone(), stream.clone()];
    let mut trunk = stream.fork();
    // The values under a patch, of the embedding whose weight was visited last; its bias is the next parameter.
    let mut window = 1;
    fill_parameters(net, |path, shape| {
        let count = shape.iter().product();
        let draw = |one: &mut dyn FnMut(&mut Stream) -> f64, stream: &mut Stream| {
            Some((0..count).map(|_| one(stream) as f32).collect())
        };
        match path.split('.').collect::<Vec<_>>()[..] {
            [field @ ("patch_embed" | "patch_embed_infrared"), ..] => {
                if shape.len() == 4 {
                    window = shape[1..].iter().product();
                }
                let bound = 1.0 / (window as f64).sqrt();
                draw(&mut |stream| stream.uniform(-bound, bound), &mut patches[usize::from(field != "patch_embed")])
            }
            ["cls_token"] => draw(&mut |stream| stream.normal(0.0, CLASS_DEVIATION), &mut trunk),
            ["neck", "weight"] => draw(&mut |stream| stream.normal(1.0, 0.01), &mut trunk),
            ["pos_embed"] => draw(&mut truncated_normal, &mut trunk),
            _ if shape.len() == 2 => draw(&mut truncated_normal, &mut trunk),
            _ => None,
        }
    })
}

fn truncated_normal(stream: &mut Stream) -> f64 {
    loop {
        let value = stream.normal(0.0, DEVIATION);
        if value.abs() <= CUT {
            return value;
        }
    }
}
