//! The program under test: an example's entry point. At the first event that `TRAINER_MOMENT` (a part of its line in the event
//! log) names, it sends itself the signal `TRAINER_SIGNAL`, so that a test stops it exactly there.

use std::process::{Command, ExitCode};
use std::sync::Once;

use vireid_methods::events::Event;

fn main() -> ExitCode {
    vireid_examples::run_watched("mbccm_sysu", stop_at_the_moment)
}

fn stop_at_the_moment(event: &Event) {
    static SENT: Once = Once::new();
    let (Ok(moment), Ok(signal)) = (std::env::var("TRAINER_MOMENT"), std::env::var("TRAINER_SIGNAL")) else { return };
    let line = serde_json::to_string(event).unwrap_or_default();
    if line.contains(&moment) {
        SENT.call_once(|| {
            // A signal that kills ends this process while it waits.
            let sent = Command::new("kill").args([format!("-{signal}"), std::process::id().to_string()]).status();
            assert!(sent.is_ok_and(|status| status.success()), "the signal could not be sent");
        });
    }
}
