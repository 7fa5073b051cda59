//! `vireid gallery delete`.

use clap::Args;
use serde_json::json;
use vireid::ProgramError;

use crate::filter_arguments::FilterArguments;
use crate::gallery::GalleryArguments;
use crate::output::Output;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    gallery: GalleryArguments,
    /// The entry of this id; may be given several times
    #[arg(long, conflicts_with_all = ["among", "camera", "from", "until", "meta", "all"])]
    id: Vec<String>,
    #[command(flatten)]
    filter: FilterArguments,
    /// Every entry
    #[arg(long, conflicts_with_all = ["among", "camera", "from", "until", "meta"])]
    all: bool,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    let filter = arguments.filter.filter()?;
    if arguments.id.is_empty() && filter.is_empty() && !arguments.all {
        let message =
            "say which entries are to go: --id, --from, --until, --camera, --among or --meta, or --all for every one";
        return Err(ProgramError::Usage(message.into()));
    }
    let store = arguments.gallery.open()?;
    let deleted = match arguments.id.is_empty() {
        true => store.delete_matching(&filter)?,
        false => store.delete(&arguments.id)?,
    };
    output.result(&json!({ "deleted": deleted }), || format!("{deleted} entries are forgotten"))
}
