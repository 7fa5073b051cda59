//! A run as a person sees it: bars and lines.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use vireid_data::Dataset;
use vireid_methods::events::{ClusterReport, Event, ModalityReport, Observer};
use vireid_methods::{MethodError, RunConfig, TrainingImages};

/// Seconds of a first step that are worth a line.
const LONG_STEP: f64 = 1.0;

/// Shows a run to a person: a bar per stage and a line per epoch on standard error.
#[derive(Debug)]
pub struct ProgressObserver {
    bar: ProgressBar,
    stage: String,
    clusters: Option<ClusterReport>,
}

impl ProgressObserver {
    /// A quiet observer until the first stage begins.
    pub fn new() -> Self {
        Self { bar: ProgressBar::hidden(), stage: String::new(), clusters: None }
    }

    /// A line above the bar.
    pub(crate) fn line(&self, text: &str) {
        if self.bar.is_hidden() {
            eprintln!("{text}");
        } else {
            self.bar.println(text);
        }
    }
}

impl Default for ProgressObserver {
    fn default() -> Self {
        Self::new()
    }
}

/// A bar of `total` items with a name; lines of text only where there is no terminal.
fn bar(name: &str, total: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{prefix:>10} [{bar:32}] {pos}/{len} {elapsed} (left {eta}) {wide_msg}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ");
    ProgressBar::new(total as u64).with_style(style).with_prefix(name.to_string())
}

/// Decodes every image of a data set that is to be trained on, with a progress bar. See [`TrainingImages::open`].
///
/// # Errors
///
/// Those of [`TrainingImages::open`].
pub fn open_images(dataset: Dataset, config: &RunConfig, skip_corrupt: bool) -> Result<TrainingImages, MethodError> {
    let bar = bar("decoding", 0);
    let images = TrainingImages::open(dataset, &config.engine, skip_corrupt, |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    images
}

impl Observer for ProgressObserver {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Stage { name, epochs, steps, done, .. } => {
                self.bar.finish_and_clear();
                self.stage = name.clone();
                self.bar = bar(name, epochs * steps);
                self.bar.set_position(*done as u64);
                self.bar.reset_eta();
            }
            Event::Clusters(report) => {
                self.bar.set_message("");
                if !report.moment.is_empty() {
                    let ClusterReport { stage, epoch, moment, .. } = report.as_ref();
                    self.line(&format!("{stage} epoch {epoch}, {moment}: {}", describe(report)));
                }
                self.clusters = Some(report.as_ref().clone());
            }
            Event::Step { .. } => self.bar.inc(1),
            Event::FirstStep { seconds, .. } if *seconds >= LONG_STEP => {
                self.line(&format!("the first step took {seconds:.1} s, with what the device compiled for it"));
            }
            Event::FirstStep { .. } => {}
            Event::Epoch { epoch, losses, seconds } => {
                let losses: Vec<String> = losses.iter().map(|(name, value)| format!("{name} {value:.3}")).collect();
                let clusters = self.clusters.as_ref().map(describe).unwrap_or_default();
                let text = format!(
                    "{} epoch {epoch}: {clusters}; {}; {:.1} s",
                    self.stage,
                    losses.join(", "),
                    seconds.total()
                );
                self.line(&text);
            }
            Event::Evaluation { evaluation, seconds } => {
                self.bar.set_message("");
                let scores: Vec<String> = evaluation
                    .scores
                    .iter()
                    .map(|s| {
                        let queries = s.queries.map_or(String::new(), |queries| format!(" over {queries} queries"));
                        format!("{} Rank-1 {:.1} mAP {:.1}{queries}", s.search, s.rank1.mean, s.map.mean)
                    })
                    .collect();
                self.line(&format!("test ({}): {} ({seconds:.1} s)", evaluation.moment, scores.join(", ")));
            }
            Event::Interrupted { epoch, step } => {
                self.bar.finish_and_clear();
                self.line(&format!("stopped in epoch {epoch} after {step} steps; everything is saved"));
            }
        }
    }

    fn tick(&mut self, activity: &'static str, done: usize, total: usize) {
        self.bar.set_message(format!("{activity} {done}/{total}"));
    }
}

impl Drop for ProgressObserver {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn describe(report: &ClusterReport) -> String {
    let one = |name: &str, r: &ModalityReport| {
        let evidence = match (r.agreement, r.stability) {
            (Some(agreement), _) => format!(", ARI {:.2}", agreement.ari),
            (None, Some(stability)) => format!(", stability {stability:.2}"),
            (None, None) => String::new(),
        };
        format!("{name} {} clusters, {} noise of {}{evidence}", r.clusters, r.noise, r.samples)
    };
    let mut text = format!("{}; {}", one("visible", &report.visible), one("infrared", &report.infrared));
    if let Some(association) = &report.association {
        text += &match (association.precision, association.recall) {
            (Some(precision), Some(recall)) => format!("; matches: precision {precision:.2} recall {recall:.2}"),
            _ => format!("; matches: {:.0} % of the clusters have a partner", 100.0 * association.partnered),
        };
    }
    if let Some(joint) = &report.joint {
        text += &format!("; joint: {} labels, {} shared", joint.clusters, joint.shared);
        if let Some(ari) = joint.ari {
            let share = |share: Option<f64>| share.map_or("-".into(), |s| format!("{s:.2}"));
            let (precision, recall) = (share(joint.pair_precision), share(joint.pair_recall));
            text += &format!(", ARI {ari:.2}, pairs: precision {precision} recall {recall}");
        }
    }
    let figures: Vec<String> = report.figures.iter().map(|(name, value)| format!("{name} {value:.3}")).collect();
    if !figures.is_empty() {
        text += &format!("; {}", figures.join(", "));
    }
    text
}
