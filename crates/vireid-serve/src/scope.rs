//! Whether a request waits for its client or works.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a request is at: whether it waits for its client or works.
#[derive(Clone, Default)]
pub struct Scope(Arc<AtomicBool>);

impl Scope {
    /// Waits for a part of the request's body.
    pub async fn reading<T>(&self, part: impl Future<Output = T>) -> T {
        self.0.store(true, Ordering::Relaxed);
        let part = part.await;
        self.0.store(false, Ordering::Relaxed);
        part
    }

    pub fn is_reading(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
