//! Long work with a bar for each of its parts.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use vireid_core::Watch;

use crate::output::Output;

/// Work that is done before this shows no bar.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks at how far the work is.
const LOOK: Duration = Duration::from_millis(100);

/// Does some work that can be followed, with a bar for each of its parts once it has taken seconds.
pub fn watched<T: Send>(output: Output, work: impl FnOnce() -> T + Send) -> T {
    let (watch, start) = (Arc::new(Watch::default()), Instant::now());
    let (sender, receiver) = channel::<()>();
    std::thread::scope(|scope| {
        let entered = watch.clone();
        let worker = scope.spawn(move || {
            // Dropped at the end, also at that of a panic.
            let _sender = sender;
            entered.enter();
            work()
        });
        let mut shown: Option<(&str, ProgressBar)> = None;
        while receiver.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
            let Some(stage) = watch.stage().filter(|_| start.elapsed() >= PATIENCE) else { continue };
            let bar = match shown.take() {
                Some((name, bar)) if name == stage.name => bar,
                other => {
                    if let Some((_, bar)) = other {
                        bar.finish_and_clear();
                    }
                    output.bar(stage.name, stage.total)
                }
            };
            bar.set_length(stage.total as u64);
            bar.set_position(stage.done as u64);
            shown = Some((stage.name, bar));
        }
        if let Some((_, bar)) = shown {
            bar.finish_and_clear();
        }
        worker.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use vireid_core::follow;

    use super::*;

    #[test]
    fn work_is_done_under_a_watch_and_its_panics_are_its_callers() {
        let output = Output { json: false, quiet: true };
        let held = [3, 4];
        assert_eq!(watched(output, || (0..2).filter(|_| follow("a part", 2).step()).map(|i| held[i]).sum::<i32>()), 7);
        let panicked = std::panic::catch_unwind(|| watched(output, || std::panic::panic_any("gone")));
        assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"gone"));
    }
}
