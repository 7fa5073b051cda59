//! `vireid gallery check`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use vireid::ProgramError;
use vireid_gallery::Local;

use crate::output::Output;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The gallery's folder
    gallery: PathBuf,
    /// Take out what is damaged, and say what was lost
    #[arg(long)]
    repair: bool,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    let health = if arguments.repair { Local::repair(&arguments.gallery)? } else { Local::check(&arguments.gallery)? };
    let faults: Vec<String> = health
        .faults
        .iter()
        .map(|fault| format!("{}: {} bytes from byte {} on", fault.path.display(), fault.bytes, fault.offset))
        .collect();
    let (visible, infrared) = (health.entries.visible, health.entries.infrared);
    let result = json!({
        "visible": visible,
        "infrared": infrared,
        "judgements": health.judgements,
        "logs": health.logs,
        "bytes": health.bytes,
        "erased_bytes": health.erased,
        "torn_bytes": health.torn,
        "damaged": faults,
        "repaired": arguments.repair,
    });
    output.result(&result, || {
        let mut text = format!(
            "{visible} visible and {infrared} infrared entries; logs: {}, of {} bytes, {} of them erased",
            health.logs, health.bytes, health.erased
        );
        if health.torn > 0 {
            text +=
                &format!("\n{} bytes of requests that were never answered; the next opening drops them", health.torn);
        }
        for fault in &faults {
            text += &format!("\n{}: {fault}", if arguments.repair { "lost" } else { "damaged" });
        }
        text
    })?;
    match faults.is_empty() || arguments.repair {
        true => Ok(()),
        false => Err(ProgramError::DamagedGallery { path: arguments.gallery.clone(), faults: faults.len() }),
    }
}
