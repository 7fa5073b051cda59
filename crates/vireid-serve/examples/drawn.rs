//! The service with a gallery in memory and a network that knows drawn figures only: what the tests of the page can start.
//!
//! It prints its address and serves until it is stopped. `--token T` asks for a token, `--no-images` keeps none,
//! `--not-calibrated` gives no verdicts, `--port N` takes that port.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Cursor, Write};
use std::net::TcpListener;
use std::sync::Arc;

use vireid_core::Modality;
use vireid_gallery::{InMemory, Model};
use vireid_serve::{Embedded, Embedder, EmbedderFailed, Service, Settings, Token, Verdict, Verdicts, serve};

const ROWS: usize = 128;

/// How many bright pixels each row of an image has, less their mean.
struct Widths;

impl Embedder for Widths {
    fn embed(&self, images: &[Vec<u8>], _: Modality) -> Result<Vec<Embedded>, EmbedderFailed> {
        Ok(images.iter().map(|image| widths(image).map_err(|error| error.to_string())).collect())
    }

    fn batch(&self) -> usize {
        8
    }
}

fn widths(image: &[u8]) -> Result<Vec<f32>, Box<dyn Error>> {
    let mut reader = png::Decoder::new(Cursor::new(image)).read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or("too large")?];
    let shape = reader.next_frame(&mut pixels)?;
    if shape.height as usize != ROWS || shape.color_type != png::ColorType::Rgb {
        return Err("not a drawn figure".into());
    }
    let is_bright = |pixel: &&[u8]| pixel.iter().map(|&value| u32::from(value)).sum::<u32>() > 3 * 85;
    let rows = pixels.chunks(3 * shape.width as usize);
    let counts: Vec<f32> = rows.map(|row| row.chunks(3).filter(is_bright).count() as f32).collect();
    let mean = counts.iter().sum::<f32>() / ROWS as f32;
    let length = counts.iter().map(|count| (count - mean).powi(2)).sum::<f32>().sqrt();
    if length == 0.0 {
        return Err("nothing is drawn".into());
    }
    Ok(counts.iter().map(|count| (count - mean) / length).collect())
}

struct Steep;

impl Verdicts for Steep {
    fn verdict(&self, similarity: f32) -> Verdict {
        let similarity = f64::from(similarity);
        let probability = 1.0 / (1.0 + (-150.0 * (similarity - self.threshold())).exp());
        Verdict { probability, same: similarity >= self.threshold() }
    }

    fn threshold(&self) -> f64 {
        0.945
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let flags: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| flags.iter().any(|flag| flag == name);
    let value = |name: &str| flags.iter().position(|flag| flag == name).and_then(|at| flags.get(at + 1));
    let mut settings = Settings { keep_images: !has("--no-images"), ..Settings::default() };
    if let Some(token) = value("--token") {
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(token.as_bytes())?;
        settings.token = Some(Token::from_file(file.path())?);
    }
    let model = Model { weights: "drawn".into(), settings: BTreeMap::new(), dim: ROWS };
    let verdicts = (!has("--not-calibrated")).then(|| Arc::new(Steep) as Arc<dyn Verdicts>);
    let service = Service { store: Arc::new(InMemory::new(model)), embedder: Arc::new(Widths), verdicts, settings };
    let port: u16 = value("--port").map_or(Ok(0), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("http://{}", listener.local_addr()?);
    Ok(serve(listener, service, std::future::pending())?)
}
