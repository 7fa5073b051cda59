//! Long calls: without the interpreter's lock, on threads of their own, followed and stopped from Python's.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use pyo3::prelude::*;
use rayon::ThreadPoolBuilder;
use vireid_core::{Watch, WatchStage, quietly};

use crate::failure::Failure;

/// Between two looks at signals and at how far the work is.
const LOOK: Duration = Duration::from_millis(50);
/// How long interrupted work may take to its next step before Python goes on without it.
const PATIENCE: Duration = Duration::from_secs(2);

/// How a long call runs: the last two arguments of every function that may take long.
pub struct Call<'py> {
    py: Python<'py>,
    /// 0 for all cores.
    threads: usize,
    /// Called with the name of a part of the work, the steps done and all steps.
    report: Option<Bound<'py, PyAny>>,
}

impl<'py> Call<'py> {
    pub fn new(py: Python<'py>, threads: usize, report: Option<Bound<'py, PyAny>>) -> Self {
        Self { py, threads, report }
    }

    /// Does some work. Ctrl-C ends it with `KeyboardInterrupt`, a panic is an error.
    pub fn run<T: Send + 'static, E: Into<Failure>>(
        &self,
        work: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> PyResult<T> {
        let watch = Arc::new(Watch::default());
        // More threads than cores would only wait for each other; results depend on neither.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (threads, entered) = (self.threads.min(cores), watch.clone());
        let (sender, receiver) = channel();
        // Not a scope: work that does not heed a stop must not keep Python waiting.
        let spawned = std::thread::Builder::new().spawn(move || {
            let done = quietly(|| {
                let pool =
                    ThreadPoolBuilder::new().num_threads(threads).start_handler(move |_| entered.enter()).build();
                pool.map(|pool| pool.install(|| work().map_err(Into::into)))
            });
            let done = match done {
                Ok(Ok(done)) => done,
                Ok(Err(error)) => Err(Failure::of_panic(&error.to_string())),
                Err(words) => Err(Failure::of_panic(&words)),
            };
            // Nobody waits for it any more after an interruption.
            _ = sender.send(done);
        });
        spawned.map_err(|error| Failure::of_panic(&error.to_string()))?;
        self.wait(&watch, receiver)
    }

    fn wait<T: Send>(&self, watch: &Watch, receiver: Receiver<Result<T, Failure>>) -> PyResult<T> {
        let mut receiver = receiver;
        let mut reported = None;
        loop {
            let (back, answer) = self.py.detach(move || {
                let answer = receiver.recv_timeout(LOOK);
                (receiver, answer)
            });
            receiver = back;
            match answer {
                Ok(done) => {
                    self.tell(watch, &mut reported)?;
                    return Ok(done?);
                }
                Err(RecvTimeoutError::Disconnected) => return Err(Failure::of_panic("its thread ended").into()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Err(stop) = self.py.check_signals().and_then(|()| self.tell(watch, &mut reported)) {
                watch.stop();
                self.py.detach(move || _ = receiver.recv_timeout(PATIENCE));
                return Err(stop);
            }
        }
    }

    /// Reports how far the work is, where that is new.
    fn tell(&self, watch: &Watch, reported: &mut Option<WatchStage>) -> PyResult<()> {
        let (Some(report), Some(stage)) = (&self.report, watch.stage()) else { return Ok(()) };
        if *reported != Some(stage) {
            report.call1((stage.name, stage.done, stage.total))?;
            *reported = Some(stage);
        }
        Ok(())
    }
}
