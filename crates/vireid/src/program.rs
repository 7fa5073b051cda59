//! The command line: each verb is a few lines over the libraries.
//!
//! Results go to standard output, as tables or with `--json`; talk and progress go to standard error.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::{Shell, generate};
use vireid_kernels::keep_freed_memory;

use crate::output::Output;
use crate::{
    ProgramError, calibrate, cluster, data, eval, explain, export, extract, gallery, import, inspect, lend, output,
    report, search, train, watch, weights,
};

/// Train, use and judge visible-infrared person re-identification.
///
/// From unlabelled crops of people seen by colour and by infrared cameras, learn embeddings in which the same person
/// matches across both; then search with them.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "A first run, without any data:\n  vireid train --method mbccm\n\nTwo folders of crops (visible/<camera>/*, infrared/<camera>/*):\n  vireid train --method mbccm --data crops --out model\n  vireid extract --model model --data crops --out gallery.npy\n  vireid search --model model --index gallery.npy --query person.jpg --modality infrared\n\nExit status: 0 done, 1 an error (its code is explained by: vireid explain CODE), 2 wrong arguments, 130 interrupted and saved."
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    /// Print results as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Say nothing but results, warnings and errors
    #[arg(long, short, global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Train a method on a data set, on crops of your own, or on the built-in synthetic world
    Train(train::Arguments),
    /// Score a trained network on a test set
    Eval(eval::Arguments),
    /// Write the embeddings of images
    Extract(extract::Arguments),
    /// Make a run directory of a network that was trained elsewhere, or of an untrained one
    Import(import::Arguments),
    /// Public weights to start from: which are known, and getting them
    Weights {
        #[command(subcommand)]
        what: weights::What,
    },
    /// Write a trained network as a file for other programs: ONNX or safetensors
    Export(export::Arguments),
    /// Find the images most similar to one
    Search(search::Arguments),
    /// Cluster images by their embeddings: those of a model, both modalities associated, or a matrix of your own
    Cluster(cluster::Arguments),
    /// From labelled pairs, a threshold for "the same person", kept with the network
    Calibrate(calibrate::Arguments),
    /// A gallery that lives: add entries, delete them, copy it, measure it
    Gallery {
        #[command(subcommand)]
        what: gallery::What,
    },
    /// A gallery over HTTP, with a page to search it
    #[cfg(feature = "serve")]
    Serve(crate::serve::Arguments),
    /// Add crops to a gallery as they are written to a folder
    Watch(watch::Arguments),
    /// One HTML page of a run
    Report(report::Arguments),
    /// Check a data set, or draw a synthetic one
    Data {
        #[command(subcommand)]
        what: data::What,
    },
    /// What the methods are made of
    Methods {
        #[command(subcommand)]
        what: Option<inspect::Methods>,
    },
    /// Print a preset with its comments
    Config(inspect::Config),
    /// The devices that this build can use on this machine
    Devices,
    /// Lend this machine's devices to other hosts (a build with the feature `remote`)
    Lend(lend::Arguments),
    /// Explain an error code, such as VR0107
    Explain(explain::Arguments),
    /// Print completions for a shell
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: Shell,
    },
    /// Print the manual page, or that of a verb
    Man {
        /// Verb, with those below it, such as `data check`
        verb: Vec<String>,
    },
}

/// The program `vireid`: what its `main` calls. A program of your own that registers networks, methods or data sets first
/// has all verbs for them.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     // vireid_methods::networks::register(MyNetwork);
///     vireid::program(std::env::args_os())
/// }
/// ```
///
/// Wrong arguments, `--help` and `--version` end the process, as they do in any program.
pub fn program(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    keep_freed_memory();
    let Arguments { verb, json, quiet } = Arguments::parse_from(arguments);
    let output = Output { json, quiet };
    match run(verb, output) {
        Ok(code) => code,
        Err(error) => {
            error.tell();
            ExitCode::FAILURE
        }
    }
}

/// Whether the program understands these words behind its name, without doing what they ask for: for tests of what pages
/// tell people to type.
///
/// # Errors
///
/// What the program says to words that it does not understand; the help and the version, where the words ask for them.
#[doc(hidden)]
pub fn understand(words: &[String]) -> Result<(), String> {
    let all = std::iter::once("vireid").chain(words.iter().map(String::as_str));
    Arguments::try_parse_from(all).map(drop).map_err(|error| error.to_string())
}

fn run(verb: Verb, output: Output) -> Result<ExitCode, ProgramError> {
    match verb {
        Verb::Train(arguments) => return train::run(&arguments, output),
        Verb::Eval(arguments) => eval::run(&arguments, output)?,
        Verb::Extract(arguments) => extract::run(&arguments, output)?,
        Verb::Import(arguments) => import::run(&arguments, output)?,
        Verb::Weights { what } => weights::run(&what, output)?,
        Verb::Export(arguments) => export::run(&arguments, output)?,
        Verb::Search(arguments) => search::run(&arguments, output)?,
        Verb::Cluster(arguments) => cluster::run(&arguments, output)?,
        Verb::Calibrate(arguments) => calibrate::run(&arguments, output)?,
        Verb::Gallery { what } => gallery::run(&what, output)?,
        #[cfg(feature = "serve")]
        Verb::Serve(arguments) => crate::serve::run(&arguments, output)?,
        Verb::Watch(arguments) => watch::run(&arguments, output)?,
        Verb::Report(arguments) => report::run(&arguments, output)?,
        Verb::Data { what } => data::run(&what, output)?,
        Verb::Methods { what } => inspect::methods(what.as_ref(), output)?,
        Verb::Config(arguments) => inspect::config(&arguments, output)?,
        Verb::Devices => inspect::devices(output)?,
        Verb::Lend(arguments) => lend::run(&arguments, output)?,
        Verb::Explain(arguments) => explain::run(&arguments, output)?,
        Verb::Completions { shell } => {
            let mut text = Vec::new();
            generate(shell, &mut Arguments::command(), "vireid", &mut text);
            output::print(&String::from_utf8_lossy(&text))?;
        }
        Verb::Man { verb } => output::print(&manual_page(&verb).unwrap_or_else(|error| error.exit()))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The manual page of a verb; of the program, where none is named.
fn manual_page(verb: &[String]) -> Result<String, clap::Error> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    // Gives every verb its whole name.
    command.build();
    let unknown = |name: &String| {
        let message = format!("there is no verb '{name}'; `vireid help` lists them");
        Arguments::command().error(ErrorKind::InvalidSubcommand, message)
    };
    let of = verb.iter().try_fold(&command, |of, name| of.find_subcommand(name).ok_or_else(|| unknown(name)))?;
    let mut text = Vec::new();
    // Into memory: nothing can fail.
    let _ = clap_mangen::Man::new(of.clone()).render(&mut text);
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_verb_has_a_manual_page() {
        let page = |verb: &[&str]| manual_page(&verb.iter().map(|word| word.to_string()).collect::<Vec<_>>());
        let whole = page(&[]).unwrap();
        assert!(whole.contains(".TH vireid ") && whole.contains("vireid\\-train(1)"), "{whole}");
        assert!(page(&["data", "check"]).unwrap().contains(".TH vireid-data-check "));
        assert!(page(&["data", "chek"]).unwrap_err().to_string().contains("'chek'"));
    }
}
