//! The service with a gallery in memory and a network that needs no weights, to try the page and the interface:
//! `cargo run -p vireid-serve --example stand_in -- 8080 [TOKEN_FILE]`. Port 0 is a free one. The first line is the address.

#[path = "../tests/common/stand_in.rs"]
mod stand_in;

use std::collections::BTreeMap;
use std::future::pending;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use vireid_gallery::{InMemory, Model};
use vireid_serve::{Service, Settings, Token, serve};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().as_deref().unwrap_or("0").parse()?;
    let token = arguments.next().map(|path| Token::from_file(Path::new(&path))).transpose()?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("http://{}", listener.local_addr()?);
    let model = Model { weights: "0123456789abcdef".into(), settings: BTreeMap::new(), dim: stand_in::DIM };
    let service = Service {
        store: Arc::new(InMemory::new(model)),
        embedder: Arc::new(stand_in::StandIn),
        verdicts: Some(Arc::new(stand_in::Half)),
        settings: Settings { token, keep_images: true, ..Settings::default() },
    };
    serve(listener, service, pending())?;
    Ok(())
}
