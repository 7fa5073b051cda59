//! What a service counts of itself.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vireid_core::Modality;
use vireid_gallery::Count;

const SECONDS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
const IMAGES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// What a service counts of itself.
#[derive(Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<(String, &'static str, u16), u64>>,
    request_seconds: Mutex<BTreeMap<String, Histogram<10>>>,
    search_seconds: Mutex<Histogram<10>>,
    batches: Mutex<Histogram<8>>,
    rejected: Mutex<BTreeMap<&'static str, u64>>,
    visible: AtomicU64,
    infrared: AtomicU64,
    failures: AtomicU64,
}

/// How many values were at most each bound.
struct Histogram<const N: usize> {
    counts: [u64; N],
    count: u64,
    sum: f64,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Self { counts: [0; N], count: 0, sum: 0.0 }
    }
}

impl<const N: usize> Histogram<N> {
    fn observe(&mut self, bounds: &[f64; N], value: f64) {
        for (count, bound) in self.counts.iter_mut().zip(bounds) {
            *count += u64::from(value <= *bound);
        }
        self.count += 1;
        self.sum += value;
    }

    fn write(&self, text: &mut String, name: &str, bounds: &[f64; N], labels: &str) {
        let separated = if labels.is_empty() { String::new() } else { format!("{labels},") };
        let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        for (count, bound) in self.counts.iter().zip(bounds) {
            line(text, format_args!("{name}_bucket{{{separated}le=\"{bound}\"}} {count}"));
        }
        let (count, sum) = (self.count, self.sum);
        line(text, format_args!("{name}_bucket{{{separated}le=\"+Inf\"}} {count}"));
        line(text, format_args!("{name}_sum{braced} {sum}"));
        line(text, format_args!("{name}_count{braced} {count}"));
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // A String takes all that is written to it.
    let _ = writeln!(text, "{line}");
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    line(text, format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
}

// No panic leaves a number half counted.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Metrics {
    /// A request to a route, by the pattern of its path, was answered.
    pub fn answered(&self, route: &str, method: &'static str, status: u16, time: Duration) {
        *lock(&self.requests).entry((route.into(), method, status)).or_default() += 1;
        lock(&self.request_seconds).entry(route.into()).or_default().observe(&SECONDS, time.as_secs_f64());
    }

    pub fn searched(&self, time: Duration) {
        lock(&self.search_seconds).observe(&SECONDS, time.as_secs_f64());
    }

    /// The network is given so many images at once.
    pub fn batch(&self, images: usize) {
        lock(&self.batches).observe(&IMAGES, images as f64);
    }

    pub fn embedded(&self, modality: Modality) {
        let counter = match modality {
            Modality::Visible => &self.visible,
            Modality::Infrared => &self.infrared,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub fn embedder_failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub fn rejected(&self, reason: &'static str) {
        *lock(&self.rejected).entry(reason).or_default() += 1;
    }

    /// All of it as Prometheus reads it. What the store holds is left out where it can't be asked.
    pub fn text(&self, waiting: usize, entries: Option<Count>) -> String {
        let text = &mut String::new();
        head(text, "vireid_requests_total", "counter", "Requests answered.");
        for ((route, method, status), count) in lock(&self.requests).iter() {
            let labels = format_args!("route=\"{route}\",method=\"{method}\",status=\"{status}\"");
            line(text, format_args!("vireid_requests_total{{{labels}}} {count}"));
        }
        head(text, "vireid_request_seconds", "histogram", "Time from a request's header to its answer.");
        for (route, histogram) in lock(&self.request_seconds).iter() {
            histogram.write(text, "vireid_request_seconds", &SECONDS, &format!("route=\"{route}\""));
        }
        head(text, "vireid_search_seconds", "histogram", "Time of a search in the store, ranking again included.");
        lock(&self.search_seconds).write(text, "vireid_search_seconds", &SECONDS, "");
        head(text, "vireid_batch_images", "histogram", "Images that were embedded at once.");
        lock(&self.batches).write(text, "vireid_batch_images", &IMAGES, "");
        head(text, "vireid_embeddings_total", "counter", "Images embedded.");
        for (modality, count) in [("visible", &self.visible), ("infrared", &self.infrared)] {
            let count = count.load(Ordering::Relaxed);
            line(text, format_args!("vireid_embeddings_total{{modality=\"{modality}\"}} {count}"));
        }
        head(text, "vireid_embedder_failures_total", "counter", "Batches that the network failed on.");
        line(text, format_args!("vireid_embedder_failures_total {}", self.failures.load(Ordering::Relaxed)));
        head(text, "vireid_queue_images", "gauge", "Images that wait for the network.");
        line(text, format_args!("vireid_queue_images {waiting}"));
        head(
            text,
            "vireid_rejected_total",
            "counter",
            "Requests refused because the service was busy or they took too long.",
        );
        for (reason, count) in lock(&self.rejected).iter() {
            line(text, format_args!("vireid_rejected_total{{reason=\"{reason}\"}} {count}"));
        }
        if let Some(Count { visible, infrared }) = entries {
            head(text, "vireid_entries", "gauge", "Entries of the gallery.");
            line(text, format_args!("vireid_entries{{modality=\"visible\"}} {visible}"));
            line(text, format_args!("vireid_entries{{modality=\"infrared\"}} {infrared}"));
        }
        std::mem::take(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_up() {
        let metrics = Metrics::default();
        for images in [1, 3, 200] {
            metrics.batch(images);
        }
        let text = metrics.text(5, Some(Count { visible: 2, infrared: 1 }));
        for line in [
            "vireid_batch_images_bucket{le=\"1\"} 1",
            "vireid_batch_images_bucket{le=\"2\"} 1",
            "vireid_batch_images_bucket{le=\"4\"} 2",
            "vireid_batch_images_bucket{le=\"+Inf\"} 3",
            "vireid_batch_images_sum 204",
            "vireid_batch_images_count 3",
            "vireid_queue_images 5",
            "vireid_entries{modality=\"visible\"} 2",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
        assert!(!Metrics::default().text(0, None).contains("vireid_entries"));
    }
}
