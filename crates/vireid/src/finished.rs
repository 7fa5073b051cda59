//! What a training has found, and its page.

use std::path::PathBuf;

use vireid_methods::Evaluation;
use vireid_methods::events::Seconds;

use crate::output::Output;
use crate::{DataSource, ProgramError, TrainingOptions, evidence, report};

/// How a run ended, and what it found.
#[derive(Debug)]
pub struct Finished {
    /// The run directory, which holds all that the run wrote.
    pub out: PathBuf,
    /// Its method: a resumed run's own.
    pub method: String,
    /// Whether the images were drawn, not photographed: every score has to say so.
    pub synthetic: bool,
    /// What the run would do and cost, when only that was asked for.
    pub plan: Option<String>,
    /// Scores at the ends of the stages; `None` for a run that was interrupted or only planned.
    pub evaluations: Option<Vec<Evaluation>>,
    /// Whether it was interrupted; then it is saved, and `--resume` goes on.
    pub interrupted: bool,
    /// What speaks against the labels that it learnt from, a sentence each: see [`misgivings`](vireid_methods::misgivings).
    pub misgivings: Vec<String>,
    /// How many seconds each kind of work took.
    pub seconds: Seconds,
}

impl Finished {
    /// Writes what the network shows (answers, matched clusters, a map) and the page `report.html` into the run directory of a run
    /// that came to its end. The page's path.
    ///
    /// # Errors
    ///
    /// When the network or the images can't be read again, or nothing can be written.
    pub fn write_report(&self, source: &DataSource, options: &TrainingOptions) -> Result<PathBuf, ProgramError> {
        evidence::write(&self.out, source, &options.device, Output { json: false, quiet: options.quiet })?;
        report::write(std::slice::from_ref(&self.out), &self.out.join("report.html"))
    }
}
