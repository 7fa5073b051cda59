//! `vireid eval`.

use clap::Args;
use vireid::{ProgramError, ReRanked, evaluation_table};
use vireid_core::Modality;
use vireid_methods::{Evaluation, ImagePart, MethodError};

use crate::model::ModelArguments;
use crate::output::Output;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// Re-rank by k-reciprocal neighbours, with k1, k2 and lambda: 20,6,0.3 unless others are named. Published scores are
    /// without it unless they say so
    #[arg(long, value_name = "K1,K2,LAMBDA", num_args = 0..=1, require_equals = true, default_missing_value = "20,6,0.3")]
    rerank: Option<ReRanked>,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    let (trained, mut images, _) = arguments.model.open(output)?;
    if images.test.protocol.is_none() {
        let one = Modality::ALL.into_iter().find(|modality| !images.test.images.get(*modality).is_empty());
        let message = match one {
            Some(modality) => format!("the test set has {modality} images only; each modality queries the other"),
            None => "there is no test set; a manifest with identities and split = test makes one".into(),
        };
        return Err(MethodError::Config(message).into());
    }
    let told = images.notes.len();
    let (bar, count) = output.counter("decoding");
    let checked = images.check(&[ImagePart::Test], arguments.model.skip_corrupt, count);
    bar.finish_and_clear();
    checked?;
    // Those before were told when the data were opened.
    output.notes(&images.notes[told..]);
    if !images.skipped.is_empty() {
        output.say(&format!("{} images that can't be used left out", images.skipped.len()));
    }
    match trained.training_record() {
        Ok(record) => images.test.seen_people = Some(images.seen_people(&record)),
        Err(error) => output.warn(&error.to_string()),
    }
    let total = images.test.images.visible.len() + images.test.images.infrared.len();
    let bar = output.bar("testing", total);
    let progress = |done| bar.set_position(done as u64);
    let scores = match &arguments.rerank {
        None => trained.evaluate(&images.test, progress)?,
        Some(re_ranked) => trained.evaluate_by(&images.test, re_ranked, progress)?,
    };
    bar.finish_and_clear();
    let evaluation = Evaluation {
        moment: arguments.rerank.map_or("trained".into(), |of| format!("trained, re-ranked {of}")),
        epochs: trained.config().epochs(),
        scores,
        seen_people: images.test.seen_people,
    };
    let synthetic = if images.synthetic { " (synthetic: says nothing about real data)" } else { "" };
    let title = format!("{} on {}{synthetic}", arguments.model.network.model.display(), images.name);
    output.result(&evaluation, || evaluation_table(&title, &[&evaluation]))
}
