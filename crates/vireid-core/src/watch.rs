//! Following long work from another thread, and stopping it.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::CoreError;

thread_local! {
    static FOLLOWED: RefCell<Option<Arc<Watch>>> = const { RefCell::new(None) };
}

/// Follows long work from another thread: how far it is, and whether it is to stop.
///
/// Work that can be followed says so itself, by [`follow`]; whoever does not care calls it as ever. A thread, or each thread of
/// a pool, works under a watch after [`enter`](Self::enter).
///
/// ```
/// use std::sync::Arc;
/// use vireid_core::{Watch, follow};
///
/// let watch = Arc::new(Watch::default());
/// let worker = std::thread::spawn({
///     let watch = watch.clone();
///     move || {
///         watch.enter();
///         let steps = follow("counting", 10);
///         (0..10).take_while(|_| steps.step()).count()
///     }
/// });
/// assert_eq!(worker.join().ok(), Some(10));
/// assert_eq!(watch.stage().map(|stage| (stage.name, stage.done, stage.total)), Some(("counting", 10, 10)));
/// ```
#[derive(Debug, Default)]
pub struct Watch {
    stopped: AtomicBool,
    done: AtomicUsize,
    stage: Mutex<Option<(&'static str, usize)>>,
}

/// How far a part of the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchStage {
    /// What is done, such as `neighbours`.
    pub name: &'static str,
    /// Steps done so far.
    pub done: usize,
    /// Steps in all.
    pub total: usize,
}

impl Watch {
    /// Work of this thread is under this watch from now on.
    pub fn enter(self: &Arc<Self>) {
        FOLLOWED.set(Some(self.clone()));
    }

    /// Asks the work to stop. It ends with `VR0004` at its next step.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// The part that is under way; `None` before the first.
    pub fn stage(&self) -> Option<WatchStage> {
        let stage = *self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        stage.map(|(name, total)| WatchStage { name, done: self.done.load(Ordering::Relaxed).min(total), total })
    }
}

/// The steps of a part of some work, for the watch of the thread that began it. Shared by the threads that do it.
#[derive(Debug)]
pub struct Followed(Option<Arc<Watch>>);

/// Begins a part of some work, of so many steps.
pub fn follow(name: &'static str, steps: usize) -> Followed {
    let watch = FOLLOWED.with_borrow(Clone::clone);
    if let Some(watch) = &watch {
        watch.done.store(0, Ordering::Relaxed);
        *watch.stage.lock().unwrap_or_else(PoisonError::into_inner) = Some((name, steps));
    }
    Followed(watch)
}

impl Followed {
    /// Counts a step that is about to be taken. When it is false, the work is to stop: leave out what is left, and let
    /// [`check`](Self::check) make an error of it.
    pub fn step(&self) -> bool {
        let Some(watch) = &self.0 else { return true };
        watch.done.fetch_add(1, Ordering::Relaxed);
        !watch.stopped.load(Ordering::Relaxed)
    }

    /// Whether the work went to its end.
    ///
    /// # Errors
    ///
    /// `VR0004` when it was asked to stop.
    pub fn check(&self) -> Result<(), CoreError> {
        match &self.0 {
            Some(watch) if watch.stopped.load(Ordering::Relaxed) => Err(CoreError::Stopped),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_watch_ends_the_work_of_its_thread_and_no_other() {
        let watch = Arc::new(Watch::default());
        let inside = std::thread::spawn({
            let watch = watch.clone();
            move || {
                watch.enter();
                let steps = follow("first", 3);
                assert!(steps.step() && steps.check().is_ok());
                watch.stop();
                (steps.step(), steps.check())
            }
        });
        assert_eq!(inside.join().unwrap(), (false, Err(CoreError::Stopped)));
        assert_eq!(watch.stage(), Some(WatchStage { name: "first", done: 2, total: 3 }));
        let outside = follow("second", 1);
        assert!(outside.step() && outside.check().is_ok());
    }
}
