//! Images of all requests, embedded together.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use vireid_core::{Modality, quietly};

use crate::failure::Failure;
use crate::memory::Upload;
use crate::metrics::Metrics;
use crate::{Embedder, ServeError};

/// How long a batch that is not full waits for requests whose body is being read.
const PATIENCE: Duration = Duration::from_millis(3);

/// An image with its embedding.
pub type WithEmbedding = (Upload, Vec<f32>);

/// Images of all requests, embedded together by one thread.
pub struct Batcher {
    shared: Arc<Shared>,
    longest: usize,
    metrics: Arc<Metrics>,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// Requests that will bring images.
    coming: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    is_closed: bool,
}

struct Job {
    image: Upload,
    modality: Modality,
    answer: oneshot::Sender<Result<WithEmbedding, Trouble>>,
}

/// Why an image has no embedding.
enum Trouble {
    Image(String),
    Network(String),
}

/// A request whose images are on their way. What is queued waits a moment for it.
pub struct Coming(Arc<Shared>);

impl Drop for Coming {
    fn drop(&mut self) {
        self.0.coming.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Batcher {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    // No panic leaves a queue half changed.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next batch, of one modality; waits for it. `None` when nobody can bring any more.
    fn take(&self, batch: usize) -> Option<(Modality, Vec<Job>)> {
        let mut queue = self.lock();
        loop {
            // Nobody waits for the answer of a request that was given up.
            queue.jobs.retain(|job| !job.answer.is_closed());
            if queue.is_closed {
                return None;
            }
            if !queue.jobs.is_empty() {
                break;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        let modality = queue.jobs.front()?.modality;
        let until = Instant::now() + PATIENCE;
        while queue.jobs.iter().filter(|job| job.modality == modality).count() < batch
            && self.coming.load(Ordering::Relaxed) > 0
        {
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else { break };
            queue = self.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let mut taken = Vec::new();
        let mut left = VecDeque::new();
        for job in queue.jobs.drain(..) {
            if job.modality == modality && taken.len() < batch { taken.push(job) } else { left.push_back(job) }
        }
        queue.jobs = left;
        Some((modality, taken))
    }
}

impl Batcher {
    /// Starts the thread. It ends when this is dropped.
    pub fn start(
        embedder: Arc<dyn Embedder>,
        dim: usize,
        longest: usize,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ServeError> {
        let (queue, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { queue, changed, coming: AtomicUsize::new(0) });
        let batch = embedder.batch().max(1);
        let work = {
            let (shared, metrics) = (shared.clone(), metrics.clone());
            move || {
                while let Some((modality, jobs)) = shared.take(batch) {
                    embed(embedder.as_ref(), dim, modality, jobs, &metrics);
                }
            }
        };
        let thread = thread::Builder::new().name("embedder".into()).spawn(work);
        thread.map_err(|error| ServeError::System { reason: error.to_string() })?;
        Ok(Self { shared, longest, metrics })
    }

    /// Says that images will come.
    pub fn expect(&self) -> Coming {
        self.shared.coming.fetch_add(1, Ordering::Relaxed);
        Coming(self.shared.clone())
    }

    /// Images that wait.
    pub fn waiting(&self) -> usize {
        self.shared.lock().jobs.len()
    }

    /// The embeddings of images, in order.
    pub async fn embed(
        &self,
        images: Vec<Upload>,
        modality: Modality,
        coming: Coming,
    ) -> Result<Vec<WithEmbedding>, Failure> {
        let count = images.len();
        let mut answers = Vec::with_capacity(count);
        {
            let mut queue = self.shared.lock();
            if queue.jobs.len() + count > self.longest {
                queue.jobs.retain(|job| !job.answer.is_closed());
            }
            if queue.jobs.len() + count > self.longest {
                self.metrics.rejected("queue");
                return Err(Failure::busy("too many images wait for the network"));
            }
            for image in images {
                let (answer, receiver) = oneshot::channel();
                queue.jobs.push_back(Job { image, modality, answer });
                answers.push(receiver);
            }
        }
        drop(coming);
        self.shared.changed.notify_one();
        let mut embedded = Vec::with_capacity(count);
        for (number, answer) in (1..).zip(answers) {
            let of = if count > 1 { format!("image {number} of {count}") } else { "the image".into() };
            embedded.push(match answer.await {
                Ok(Ok(found)) => found,
                Ok(Err(Trouble::Image(reason))) => return Err(Failure::bad_image(format!("{of}: {reason}"))),
                Ok(Err(Trouble::Network(reason))) => return Err(Failure::unforeseen(reason)),
                Err(_) => return Err(Failure::unforeseen("the service is being stopped")),
            });
        }
        Ok(embedded)
    }
}

/// Embeds a batch and answers each of its requests. A panic of the embedder is an answer like any other.
fn embed(embedder: &dyn Embedder, dim: usize, modality: Modality, jobs: Vec<Job>, metrics: &Metrics) {
    let (answers, mut uploads): (Vec<_>, Vec<Upload>) = jobs.into_iter().map(|job| (job.answer, job.image)).unzip();
    let images: Vec<Vec<u8>> = uploads.iter_mut().map(|upload| std::mem::take(&mut upload.bytes)).collect();
    metrics.batch(images.len());
    let embedded = match quietly(|| embedder.embed(&images, modality)) {
        Ok(Ok(embedded)) if embedded.len() == images.len() => Ok(embedded),
        Ok(Ok(embedded)) => Err(format!("the network gave {} embeddings of {} images", embedded.len(), images.len())),
        Ok(Err(failed)) => Err(format!("the network failed: {}", failed.0)),
        Err(panic) => Err(format!("the network failed: {panic}")),
    };
    let results = match embedded {
        Ok(embedded) => embedded.into_iter().map(|one| one.map_err(Trouble::Image)).collect(),
        Err(reason) => {
            metrics.embedder_failed();
            images.iter().map(|_| Err(Trouble::Network(reason.clone()))).collect::<Vec<_>>()
        }
    };
    for (((answer, mut upload), image), result) in answers.into_iter().zip(uploads).zip(images).zip(results) {
        upload.bytes = image;
        let sound = |embedding: &Vec<f32>| embedding.len() == dim && embedding.iter().all(|value| value.is_finite());
        let result = match result {
            Ok(embedding) if !sound(&embedding) => {
                Err(Trouble::Network(format!("the network's embedding is not {dim} finite numbers")))
            }
            other => other,
        };
        if result.is_ok() {
            metrics.embedded(modality);
        }
        // An error is a client that went away.
        let _ = answer.send(result.map(|embedding| (upload, embedding)));
    }
}
