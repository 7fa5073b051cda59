use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use vireid::{DataKind, DataSource, EXIT_INTERRUPTED, ProgramError, TrainingOptions, explain_resume, train};
use vireid_methods::{Evaluation, evaluation_table, seconds_table};

use crate::output::Output;
use crate::{evidence, report};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Method: mbccm, mult, mmm, dmic or ecul
    #[arg(long, default_value = "mbccm")]
    method: String,
    #[command(flatten)]
    source: SourceArguments,
    #[command(flatten)]
    options: TrainingOptions,
}

/// Where images come from, on a command line.
#[derive(Debug, Clone, Args)]
pub struct SourceArguments {
    /// Data: a folder, or a manifest [default: a synthetic world]
    #[arg(long)]
    data: Option<PathBuf>,
    /// Kind of data [default: told from what is there]
    #[arg(long, value_enum)]
    dataset: Option<DataKind>,
    /// Which of RegDB's ten trials
    #[arg(long, default_value_t = 1)]
    trial: u32,
    /// Seed of the synthetic world
    #[arg(long, default_value_t = 0)]
    world_seed: u64,
}

impl SourceArguments {
    /// The source that they name.
    pub fn source(&self) -> Result<DataSource, ProgramError> {
        let mut source = DataSource::new(self.data.as_deref(), self.dataset, self.world_seed, false)?;
        source.trial = self.trial;
        Ok(source)
    }
}

pub fn run(arguments: &Arguments, output: Output) -> Result<ExitCode, ProgramError> {
    let source = arguments.source.source()?;
    let options = TrainingOptions { quiet: output.quiet, ..arguments.options.clone() };
    let finished = train(&arguments.method, &source, &options)?;
    if let Some(plan) = finished.plan {
        output.result(&plan, || plan.clone())?;
        return Ok(ExitCode::SUCCESS);
    }
    if finished.interrupted {
        eprintln!("{}", explain_resume(arguments.source.data.as_deref(), &options.device, &finished.out));
        return Ok(ExitCode::from(EXIT_INTERRUPTED));
    }
    let evaluations = finished.evaluations.unwrap_or_default();
    let data = if finished.synthetic { "synthetic world; says nothing about real data" } else { source.kind.title() };
    output.result(&evaluations, || {
        if evaluations.is_empty() {
            let out = finished.out.display();
            return format!(
                "trained without a test set, so there is no score; what speaks for the labels is in {out}/report.html\n\
                 next: vireid extract --model {out} --data {} --out gallery.npy",
                source.path.display()
            );
        }
        let title = format!("{}: {data} (mean ± standard deviation over gallery draws, %)", arguments.method);
        let all = evaluations.iter().collect::<Vec<&Evaluation>>();
        format!("{}\n{}", evaluation_table(&title, &all), seconds_table(&finished.seconds))
    })?;
    evidence::write(&finished.out, &source, &options.device, output)?;
    let page = report::write(std::slice::from_ref(&finished.out), &finished.out.join("report.html"))?;
    output.say(&format!("run directory: {}; report: {}", finished.out.display(), page.display()));
    Ok(ExitCode::SUCCESS)
}
