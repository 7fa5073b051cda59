//! `vireid lend`.

use clap::Args;
use vireid::{ProgramError, lend_devices};
use vireid_methods::{parse_devices, resolve_device};

use crate::output::Output;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Device, or several separated by commas
    #[arg(long, default_value = "auto")]
    device: String,
    /// Address to listen on; the default is reached from this machine alone
    #[arg(long, default_value = "127.0.0.1:3000")]
    listen: String,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    let names = resolve_device(&arguments.device);
    let devices = parse_devices(&names)?;
    let token = std::env::var("VIREID_TOKEN").unwrap_or_default();
    output.say(&format!(
        "lending {names} as ws://{}, unencrypted, to clients with the same VIREID_TOKEN",
        arguments.listen
    ));
    lend_devices(&devices, &arguments.listen, &token)
}
