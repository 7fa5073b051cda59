#![doc = include_str!("../README.md")]

mod batching;
mod cameras;
mod document;
mod embedder;
mod error;
mod failure;
mod fields;
mod form;
mod grouping;
mod guard;
mod image_kind;
mod json_body;
mod listen;
mod memory;
mod metrics;
mod origin;
mod re_ranking;
mod routes;
mod scope;
mod server;
mod service;
mod settings;
mod shapes;
mod token;
mod tracklet;
mod verdicts;

pub use embedder::{Embedded, Embedder, EmbedderFailed};
pub use error::ServeError;
pub use listen::check_listen;
pub use routes::router;
pub use server::serve;
pub use service::Service;
pub use settings::Settings;
pub use token::Token;
pub use verdicts::{Verdict, Verdicts};

use service::App;
