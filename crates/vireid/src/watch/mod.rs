//! The verb `watch`: crops go into a gallery as a tracker writes them.

mod arrivals;
mod receiver;
#[cfg(feature = "download")]
mod service;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use serde_json::json;
use vireid::ProgramError;
use vireid_gallery::Scalar;
use vireid_methods::parse_device;

use crate::filter_arguments::{distinct, pair};
use crate::gallery::{model_of, open_or_create};
use crate::interrupt::stop_on_interrupt;
use crate::model::{NetworkArguments, Which};
use crate::output::Output;
use arrivals::Arrivals;
use receiver::{Gallery, Receiver, Taken};

/// How long the folder is left alone between two looks unless something else is asked for.
const PAUSE: &str = "2";
/// Crops that are embedded at once.
const AT_ONCE: usize = 32;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The folder that crops are written to: visible/<camera>/* and infrared/<camera>/*
    folder: PathBuf,
    /// Run directory of the network; not with --service, which has its own
    #[arg(long, required_unless_present = "service", requires = "gallery", conflicts_with = "service")]
    model: Option<PathBuf>,
    /// Which of its networks
    #[arg(long, value_enum, default_value_t = Which::Last)]
    which: Which,
    /// The gallery that they go to: a folder, or the address of an engine
    #[arg(long, required_unless_present = "service", requires = "model", conflicts_with = "service")]
    gallery: Option<String>,
    /// A service that they go to instead, such as http://127.0.0.1:8080
    #[arg(long)]
    service: Option<String>,
    /// File with the service's token [default: what the variable VIREID_SERVE_TOKEN holds]
    #[arg(long, requires = "service")]
    token_file: Option<PathBuf>,
    /// Keep the images themselves; a service decides that itself
    #[arg(long, conflicts_with = "service")]
    keep_images: bool,
    /// Say this of every entry; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    meta: Vec<(String, Scalar)>,
    /// What ids begin with, for folders of several places whose paths are alike
    #[arg(long, default_value = "")]
    prefix: String,
    /// Seconds between two looks at the folder
    #[arg(long, default_value = PAUSE, value_parser = seconds)]
    every: Duration,
    /// Add what is there, and end
    #[arg(long)]
    once: bool,
    /// Device that embeds, such as cpu or cuda:0
    #[arg(long, default_value = "cpu", conflicts_with = "service")]
    device: String,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let form = || format!("'{text}' is not a number of seconds from 0.05 to 3600");
    let seconds: f64 = text.parse().map_err(|_| form())?;
    if (0.05..=3600.0).contains(&seconds) { Ok(Duration::from_secs_f64(seconds)) } else { Err(form()) }
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    let receiver = arguments.receiver()?;
    let mut arrivals = Arrivals::new(&arguments.folder, &arguments.prefix);
    let stop = stop_on_interrupt();
    output.say(&format!("watching {}; Ctrl-C ends it", arguments.folder.display()));
    let (mut added, mut there, mut unusable) = (0, 0, 0);
    let (mut notes, mut has_looked) = (Vec::new(), false);
    while !stop.load(Ordering::Relaxed) {
        let (looked, mut is_refused) = (arrivals.look(), false);
        let arrived = match looked {
            Ok(look) => {
                // Once, and again only where they change.
                if look.notes != notes {
                    output.notes(&look.notes);
                    notes = look.notes;
                }
                look.arrivals
            }
            // The first look finds out that there is no such folder; later ones may meet a disk that is away for a while.
            Err(error) if has_looked => {
                output.warn(&format!("{error}; tried again in {} s", arguments.every.as_secs_f32()));
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        has_looked = true;
        for part in arrived.chunks(AT_ONCE) {
            // What was not taken comes again at the next look.
            if is_refused || stop.load(Ordering::Relaxed) {
                part.iter().for_each(|arrival| arrivals.put_off(arrival));
                continue;
            }
            for (arrival, taken) in part.iter().zip(receiver.take(part)?) {
                match taken {
                    Taken::Added => {
                        added += 1;
                        output.say(&format!("added {}", arrival.id));
                    }
                    Taken::WasThere => there += 1,
                    Taken::Unusable(reason) if arrivals.try_again(arrival) => {
                        output.say(&format!("{}: {reason}; looked at again later", arrival.id));
                    }
                    Taken::Unusable(reason) => {
                        unusable += 1;
                        output.warn(&format!("{}: {reason}; left out until it changes", arrival.id));
                    }
                    Taken::NotNow(reason) => {
                        arrivals.put_off(arrival);
                        if !std::mem::replace(&mut is_refused, true) {
                            output.warn(&format!("{reason}; tried again in {} s", arguments.every.as_secs_f32()));
                        }
                    }
                }
            }
        }
        if arguments.once && arrivals.is_quiet() {
            break;
        }
        wait(arguments.every, &stop);
    }
    let result = json!({ "added": added, "were_there": there, "unusable": unusable });
    output.result(&result, || {
        format!("{added} entries added, {there} were there already, {unusable} images can't be used")
    })
}

impl Arguments {
    /// What the crops go to.
    fn receiver(&self) -> Result<Box<dyn Receiver>, ProgramError> {
        let metadata = distinct(&self.meta)?;
        if let Some(address) = &self.service {
            return service(address, self.token_file.as_deref(), metadata);
        }
        let (Some(model), Some(gallery)) = (&self.model, &self.gallery) else {
            return Err(ProgramError::Usage("--model and --gallery, or --service, must be given".into()));
        };
        let network = NetworkArguments { model: model.clone(), which: self.which }.open(parse_device(&self.device)?)?;
        let store = open_or_create(gallery, &model_of(&network), self.keep_images)?;
        Ok(Box::new(Gallery { store, network, metadata }))
    }
}

#[cfg(feature = "download")]
fn service(
    address: &str,
    token_file: Option<&Path>,
    metadata: BTreeMap<String, Scalar>,
) -> Result<Box<dyn Receiver>, ProgramError> {
    let token = crate::token::token(token_file)?;
    Ok(Box::new(service::Service::new(address, token, metadata)))
}

#[cfg(not(feature = "download"))]
fn service(address: &str, _: Option<&Path>, _: BTreeMap<String, Scalar>) -> Result<Box<dyn Receiver>, ProgramError> {
    Err(ProgramError::Usage(format!("this build can't send to {address}; build with --features download")))
}

/// Sleeps, and wakes up early to stop.
fn wait(pause: Duration, stop: &AtomicBool) {
    let end = std::time::Instant::now() + pause;
    while !stop.load(Ordering::Relaxed) {
        let left = end.saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            break;
        }
        std::thread::sleep(left.min(Duration::from_millis(100)));
    }
}
