//! Drawing worlds with a progress bar.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};
use vireid_data::DataError;
use vireid_data::synthetic::{SysuLayout, WorldSpec, write_regdb, write_sysu};

/// Draws a world in SYSU-MM01's layout into a folder, with a progress bar, unless it is there.
///
/// # Errors
///
/// What the file system refuses.
pub fn draw_world(root: &Path, seed: u64, spec: &WorldSpec) -> Result<(), DataError> {
    draw_with(true, |progress| write_sysu(root, seed, spec, SysuLayout::Original, progress))
}

/// As [`draw_world`], in RegDB's layout.
///
/// # Errors
///
/// What the file system refuses.
pub fn draw_regdb_world(root: &Path, seed: u64, spec: &WorldSpec) -> Result<(), DataError> {
    draw_with(true, |progress| write_regdb(root, seed, spec, progress))
}

/// Draws with a progress bar, where it is to be shown.
pub(crate) fn draw_with(
    is_shown: bool,
    draw: impl FnOnce(&(dyn Fn(usize, usize) + Sync)) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let bar = if is_shown { ProgressBar::new(0) } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{prefix:>10} [{bar:32}] {pos}/{len} {elapsed}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    bar.set_prefix("drawing");
    let written = draw(&|done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    written
}
