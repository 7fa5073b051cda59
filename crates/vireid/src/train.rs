//! `vireid train`.

use std::process::ExitCode;

use clap::Args;
use vireid::{
    DataKind, EXIT_INTERRUPTED, ProgramError, SourceArguments, TrainingOptions, evaluation_table, explain_resume,
    seconds_table, train,
};
use vireid_methods::Evaluation;

use crate::output::Output;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Method, such as mbccm: `vireid methods list` has all
    #[arg(long, default_value = "mbccm")]
    method: String,
    #[command(flatten)]
    source: SourceArguments,
    #[command(flatten)]
    options: TrainingOptions,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<ExitCode, ProgramError> {
    let mut options = TrainingOptions { quiet: output.quiet, ..arguments.options.clone() };
    let source = match options.resume {
        // Which run it is, the data named here may say; which data it has, the run says.
        true => {
            let named = arguments.source.source().map_or_else(|_| DataKind::default(), |source| source.kind);
            let run = options.run_directory(&arguments.method, named);
            let source = arguments.source.of_run(&run)?;
            options.out = Some(run);
            source
        }
        false => arguments.source.source()?,
    };
    let finished = train(&arguments.method, &source, &options)?;
    if let Some(plan) = finished.plan {
        output.result(&plan, || plan.clone())?;
        return Ok(ExitCode::SUCCESS);
    }
    if finished.interrupted {
        eprintln!("{}", explain_resume(&arguments.source, &options, &finished.out));
        return Ok(ExitCode::from(EXIT_INTERRUPTED));
    }
    for sentence in &finished.misgivings {
        eprintln!("warning: {sentence}");
    }
    let evaluations = finished.evaluations.as_deref().unwrap_or_default();
    let data = if finished.synthetic { "synthetic world; says nothing about real data" } else { source.kind.title() };
    output.result(&evaluations, || {
        if evaluations.is_empty() {
            let out = finished.out.display();
            return format!(
                "trained without a test set, so there is no score; what speaks for the labels is in {out}/report.html\n\
                 next: vireid extract --model {} --out gallery.npy",
                vireid::quote(&finished.out.display().to_string())
            );
        }
        let title = format!("{}: {data} (mean ± standard deviation over gallery draws, %)", finished.method);
        let all = evaluations.iter().collect::<Vec<&Evaluation>>();
        format!("{}\n{}", evaluation_table(&title, &all), seconds_table(&finished.seconds))
    })?;
    let page = finished.write_report(&source, &options)?;
    output.say(&format!("run directory: {}; report: {}", finished.out.display(), page.display()));
    Ok(ExitCode::SUCCESS)
}
