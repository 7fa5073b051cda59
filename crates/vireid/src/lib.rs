//! What the `vireid` program and the examples share: opening data, training with a person watching, and the files of
//! embeddings.
//!
//! The verbs of the program are a few lines each over this crate and the libraries below it.

// The program's own modules name the library as its users do.
extern crate self as vireid;

mod calibrate;
#[doc(hidden)]
pub mod calibration;
mod cluster;
mod contact_sheet;
mod data;
mod data_kind;
mod embeddings_file;
mod embeddings_parquet;
mod error;
mod eval;
#[doc(hidden)]
pub mod evidence;
mod explain;
mod export;
mod extract;
mod filter_arguments;
mod fingerprint;
mod finished;
mod gallery;
mod graph_file;
mod import;
mod inspect;
mod interrupt;
mod labels_file;
mod lend;
mod lending;
mod misgiving_log;
mod model;
mod nearest;
mod network_embedder;
#[doc(hidden)]
pub mod npy;
#[doc(hidden)]
pub mod output;
mod overwriting;
mod program;
mod progress;
mod re_ranked;
#[doc(hidden)]
pub mod report;
mod search;
#[cfg(feature = "serve")]
mod serve;
mod source;
mod source_arguments;
mod table;
#[cfg(any(feature = "download", feature = "serve"))]
mod token;
#[cfg(feature = "trackforge")]
pub mod tracking;
mod train;
mod training;
mod watch;
mod watched;
mod weights;
mod worlds;

pub use contact_sheet::{Tile, write_contact_sheet, write_evidence_sheet};
pub use data_kind::DataKind;
pub use embeddings_file::{EmbeddedImage, EmbeddingsFile};
pub use error::ProgramError;
pub use explain::explain_code;
pub use finished::Finished;
pub use lending::lend_devices;
pub use nearest::{Hit, nearest};
pub use npy::{read_npy, write_npy};
pub use overwriting::{CLUSTERS_HEADER, OutputKind, Overwriting, REPORT_TITLE, write_bytes};
pub use program::program;
#[doc(hidden)]
pub use program::understand;
pub use progress::{ProgressObserver, open_images};
pub use re_ranked::ReRanked;
pub use source::{DEFAULT_WORLD, DataSource};
pub use source_arguments::SourceArguments;
pub use table::{evaluation_table, seconds_table};
pub use training::{TrainingOptions, explain_resume, quote, train};
pub use weights::{KNOWN_WEIGHTS, KnownWeights, Origin, WeightCache, WeightSource, find_weights};
pub use worlds::{draw_regdb_world, draw_world};

/// Exit status of a run that was interrupted and saved.
pub const EXIT_INTERRUPTED: u8 = 130;
