//! What is behind and before the people of a drawn world.

use vireid_core::Stream;

use super::camera::{CameraLook, Texture};
use super::canvas::{Canvas, oval, rectangle};
use super::{HEIGHT, Paint, WIDTH};

const W: f64 = WIDTH as f64;
const H: f64 = HEIGHT as f64;

/// Draws wall, texture, floor and sometimes clutter. `texture` is the camera's own stream: only the offset of the texture
/// changes from image to image.
pub(super) fn draw(canvas: &mut Canvas, camera: &CameraLook, stream: &mut Stream, texture: &mut Stream) {
    let floor = camera.floor * H + stream.normal(0.0, 3.0);
    let offset = stream.uniform(-20.0, 20.0);
    let wall = rectangle(0.0, 0.0, W, floor);
    canvas.fill(wall.clone(), camera.wall);
    canvas.clip_to(wall);
    draw_texture(canvas, camera, floor, offset, texture);
    canvas.unclip();
    canvas.fill(rectangle(0.0, floor, W, H), camera.ground);
    canvas.stroke_butt(&[(0.0, floor), (W, floor)], 1.5, camera.ground.shaded(0.6));
    if stream.chance(0.35) {
        let x = if stream.chance(0.5) { stream.uniform(-8.0, 6.0) } else { stream.uniform(W - 6.0, W + 8.0) };
        let (width, top) = (stream.uniform(4.0, 10.0), floor * stream.uniform(0.2, 0.7));
        let paint = random_paint(stream, 0.06, 0.6);
        canvas.fill(rectangle(x, top, x + width, H), Paint { infrared: paint.infrared.max(0.1), ..paint });
    }
}

/// A thing of any colour.
fn random_paint(stream: &mut Stream, darkest: f64, brightest: f64) -> Paint {
    let value = stream.uniform(0.1, 0.8);
    let color = [0.0; 3].map(|_: f64| (value + stream.normal(0.0, 0.1)).clamp(0.0, 1.0));
    Paint { color, infrared: stream.uniform(darkest, brightest) }
}

fn draw_texture(canvas: &mut Canvas, camera: &CameraLook, floor: f64, offset: f64, texture: &mut Stream) {
    let (paint, size) = (camera.texture_paint, camera.texture_size);
    match camera.texture {
        Texture::Brick => {
            let (mut y, mut odd) = (floor, false);
            while y > 0.0 {
                canvas.stroke_butt(&[(0.0, y), (W, y)], 1.0, paint);
                let mut x = -40.0 + offset + if odd { size } else { 0.0 };
                while x < W {
                    canvas.stroke_butt(&[(x, y), (x, y - 0.6 * size)], 1.0, paint);
                    x += 2.0 * size;
                }
                y -= 0.6 * size;
                odd = !odd;
            }
        }
        Texture::Panel => {
            let mut x = -60.0 + offset;
            while x < W {
                let width = size * (0.6 + 0.8 * texture.unit());
                canvas.fill_alpha(rectangle(x, 0.0, x + width, floor), paint, 0.4 + 0.6 * texture.unit());
                x += size * (1.3 + texture.unit());
            }
        }
        Texture::Tile => {
            let step = 1.2 * size;
            let mut x = -60.0 + offset;
            while x < W {
                canvas.stroke_butt(&[(x, 0.0), (x, floor)], 1.0, paint);
                x += step;
            }
            let mut y = floor;
            while y > 0.0 {
                canvas.stroke_butt(&[(0.0, y), (W, y)], 1.0, paint);
                y -= step;
            }
        }
        Texture::Foliage => {
            for _ in 0..46 {
                let (x, y) = (texture.uniform(-25.0, W + 25.0) + offset, texture.uniform(-5.0, floor));
                let radius = texture.uniform(0.3, 0.9) * size;
                let leaf = paint.shaded(texture.uniform(0.7, 1.3));
                canvas.fill_alpha(oval(x - radius, y - 0.7 * radius, x + radius, y + 0.7 * radius), leaf, 0.6);
            }
        }
        Texture::Window => {
            let mut x = -60.0 + offset;
            while x < W {
                let (bottom, middle) = (6.0 + 0.55 * floor, x + 0.65 * size);
                canvas.fill(rectangle(x, 6.0, x + 1.3 * size, bottom), paint);
                canvas.stroke_butt(&[(middle, 6.0), (middle, bottom)], 1.0, camera.wall.shaded(0.7));
                x += 2.4 * size;
            }
        }
        Texture::Rail => {
            for height in [0.55, 0.68, 0.81] {
                canvas.stroke_butt(&[(0.0, height * floor), (W, height * floor)], 2.0, paint);
            }
            let mut x = -60.0 + offset;
            while x < W {
                canvas.stroke_butt(&[(x, 0.52 * floor), (x, floor)], 2.5, paint);
                x += 1.8 * size;
            }
        }
    }
}

/// Draws something in front of the person.
pub(super) fn draw_occluder(canvas: &mut Canvas, stream: &mut Stream) {
    let paint = random_paint(stream, 0.08, 0.7);
    let extent = stream.uniform(0.12, 0.36);
    match stream.weighted(&[0.4, 0.4, 0.2]) {
        0 => canvas.fill(rectangle(0.0, H * (1.0 - extent), W, H), paint),
        1 => {
            let top = H * stream.uniform(0.0, 0.3);
            let (left, right) = if stream.chance(0.5) { (0.0, extent * W) } else { (W * (1.0 - extent), W) };
            canvas.fill(rectangle(left, top, right, H), paint);
        }
        _ => {
            let x = W * stream.uniform(0.2, 0.8);
            let foot = x + stream.normal(0.0, 3.0);
            canvas.stroke_butt(&[(x, 0.0), (foot, H)], stream.uniform(3.0, 7.0), paint);
        }
    }
}
