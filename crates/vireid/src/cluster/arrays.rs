//! `vireid cluster` on embeddings from anywhere.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde::Serialize;
use vireid::{OutputKind, Overwriting, ProgramError};
use vireid_clustering::{Expansion, JaccardDbscan};
use vireid_core::Embeddings;
use vireid_methods::MethodError;

use super::origins::origins;
use super::truth::{Agreement, truth};
use crate::graph_file::write_graph;
use crate::labels_file::write_labels;
use crate::npy::{BadMatrix, read_matrix};
use crate::output::{Output, table};
use crate::watched::watched;

/// Arguments of the form for an index. A default that nobody gave conflicts with nothing.
const OTHER_FORM: [&str; 3] = ["model", "index", "out"];

/// The form for embeddings from anywhere, without a model.
#[derive(Debug, Args)]
#[command(next_help_heading = "Embeddings of your own, without a model")]
#[group(skip)]
pub struct Arguments {
    /// Cluster these: a `.npy` matrix with a row per image, as a rule of length 1
    #[arg(long, value_name = "NPY")]
    embeddings: Option<PathBuf>,
    /// A `.npy` vector with the camera of each row: whole numbers or names
    #[arg(long, value_name = "NPY", requires = "embeddings", conflicts_with_all = OTHER_FORM)]
    cameras: Option<PathBuf>,
    /// A `.npy` vector with the modality of each row: 0 or `visible`, 1 or `infrared`
    #[arg(long, value_name = "NPY", requires = "embeddings", conflicts_with_all = OTHER_FORM)]
    modalities: Option<PathBuf>,
    /// Neighbours of the k-reciprocal sets, the image itself included
    #[arg(long, value_name = "N", default_value_t = 30, requires = "embeddings", conflicts_with_all = OTHER_FORM)]
    k1: usize,
    /// Neighbours whose encodings are averaged, the image itself included; 1 for none
    #[arg(long, value_name = "N", default_value_t = 6, requires = "embeddings", conflicts_with_all = OTHER_FORM)]
    k2: usize,
    /// Images of one camera that count at most, for `--expansion capped`
    #[arg(long, value_name = "N", default_value_t = 1, requires = "embeddings", conflicts_with_all = OTHER_FORM)]
    k3: usize,
    /// Largest Jaccard distance of two neighbours, above 0 and below 1
    #[arg(long, default_value_t = 0.6, requires = "embeddings", conflicts_with_all = OTHER_FORM)]
    eps: f64,
    /// Neighbours, the image itself included, that make a core sample
    #[arg(long, value_name = "N", default_value_t = 4, requires = "embeddings", conflicts_with_all = OTHER_FORM)]
    min_samples: usize,
    /// How encodings are averaged: over the k2 nearest, with each modality counting equally, with each camera of each modality
    /// (DMIC), or with at most k3 images of a camera (ECUL)
    #[arg(long, default_value = Expansion::NAMES[0], value_parser = Expansion::NAMES, requires = "embeddings", conflicts_with_all = OTHER_FORM)]
    expansion: String,
    /// Write the cluster of each row to this `.npy`: int64, -1 is noise
    #[arg(long, value_name = "NPY", requires = "embeddings", conflicts_with_all = OTHER_FORM)]
    labels: Option<PathBuf>,
    /// Write the Jaccard distances of at most eps to this `.npz`, which `scipy.sparse.load_npz` reads
    #[arg(long, value_name = "NPZ", requires = "embeddings", conflicts_with_all = OTHER_FORM)]
    graph: Option<PathBuf>,
    /// Compare the clusters with the people in this `.npy` vector: numbers or names; rows of a negative number are left out
    #[arg(long, value_name = "NPY", requires = "embeddings", conflicts_with_all = OTHER_FORM)]
    against: Option<PathBuf>,
}

impl Arguments {
    /// What is to be clustered, if this form of the verb was chosen.
    pub fn inputs(&self) -> Option<Inputs<'_>> {
        self.embeddings.as_deref().map(|embeddings| Inputs { embeddings, arguments: self })
    }
}

/// Embeddings of a file, and what is to be done with them.
pub struct Inputs<'a> {
    embeddings: &'a Path,
    arguments: &'a Arguments,
}

/// What a person learns of a clustering.
#[derive(Serialize)]
struct Summary {
    images: usize,
    clusters: usize,
    noise: usize,
    largest: usize,
    median: f64,
    /// Of the clustering, without reading and writing.
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<Agreement>,
}

impl Inputs<'_> {
    pub fn run(&self, overwriting: Overwriting, output: Output) -> Result<(), ProgramError> {
        let arguments = self.arguments;
        self.check_outputs(overwriting)?;
        self.check_expansion(output)?;
        let rows = self.rows()?;
        let (cameras, modalities) = (arguments.cameras.as_deref(), arguments.modalities.as_deref());
        let origins = origins(cameras, modalities, rows.rows())?;
        let people = arguments.against.as_deref().map(|path| truth(path, rows.rows())).transpose()?;
        let expansion = Expansion::by_name(&arguments.expansion, arguments.k2, arguments.k3, &origins);
        let expansion = expansion.map_err(MethodError::from)?;
        let settings = JaccardDbscan { k1: arguments.k1, eps: arguments.eps, min_samples: arguments.min_samples };
        let start = Instant::now();
        let found = watched(output, || settings.fit(&rows, &expansion)).map_err(MethodError::from)?;
        let seconds = start.elapsed().as_secs_f64();
        drop(rows);
        if let Some(path) = &arguments.labels {
            write_labels(path, &found.labels)?;
        }
        if let Some(path) = &arguments.graph {
            write_graph(path, found.distances)?;
        }
        let against = people.map(|people| Agreement::new(&found.labels, &people));
        let summary = Summary { against, seconds, ..Summary::of(&found.labels) };
        output.result(&summary, || summary.text())
    }

    /// Before the work begins.
    fn check_outputs(&self, overwriting: Overwriting) -> Result<(), ProgramError> {
        let Arguments { cameras, modalities, against, labels, graph, .. } = self.arguments;
        let mut read = vec![self.embeddings.to_path_buf()];
        read.extend([cameras, modalities, against].into_iter().flatten().cloned());
        if let Some(labels) = labels {
            overwriting.check(labels, OutputKind::Labels, &read)?;
        }
        if let Some(graph) = graph {
            overwriting.check(graph, OutputKind::Graph, &read)?;
        }
        if labels.is_some() && labels == graph {
            return Err(ProgramError::Usage("--labels and --graph name the same file".into()));
        }
        Ok(())
    }

    /// Whether the expansion has what it needs; says what it does not read.
    fn check_expansion(&self, output: Output) -> Result<(), ProgramError> {
        let Arguments { expansion, cameras, modalities, k3, .. } = self.arguments;
        let needed = match expansion.as_str() {
            "modality" if modalities.is_none() => Some("--modalities"),
            "modality_camera" | "capped" if cameras.is_none() => Some("--cameras"),
            _ => None,
        };
        if let Some(needed) = needed {
            return Err(ProgramError::Usage(format!("--expansion {expansion} needs {needed}")));
        }
        let unread = match expansion.as_str() {
            "plain" if cameras.is_some() || modalities.is_some() => Some("neither --cameras nor --modalities"),
            "modality" if cameras.is_some() => Some("no --cameras"),
            _ if *k3 != 1 && expansion != "capped" => Some("no --k3"),
            _ => None,
        };
        if let Some(unread) = unread {
            output.say(&format!("note: --expansion {expansion} reads {unread}"));
        }
        Ok(())
    }

    fn rows(&self) -> Result<Embeddings, ProgramError> {
        read_matrix(self.embeddings).map_err(|bad| match bad {
            BadMatrix::File(reason) => ProgramError::BadArray { path: self.embeddings.into(), reason },
            BadMatrix::Values(error) => MethodError::from(error).into(),
        })
    }
}

impl Summary {
    /// The figures of some labels.
    fn of(labels: &[Option<usize>]) -> Self {
        let clusters = labels.iter().flatten().max().map_or(0, |largest| largest + 1);
        let mut sizes = vec![0; clusters];
        labels.iter().flatten().for_each(|&label| sizes[label] += 1);
        sizes.sort_unstable();
        let middle = |from: usize| sizes.get(from / 2).copied().unwrap_or(0) as f64;
        Self {
            images: labels.len(),
            clusters,
            noise: labels.iter().filter(|label| label.is_none()).count(),
            largest: sizes.last().copied().unwrap_or(0),
            median: (middle(clusters.saturating_sub(1)) + middle(clusters)) / 2.0,
            seconds: 0.0,
            against: None,
        }
    }

    fn text(&self) -> String {
        let Self { images, clusters, noise, largest, median, seconds, against } = self;
        let counts = [images, clusters, noise, largest].map(usize::to_string);
        let row = counts.into_iter().chain([median.to_string(), format!("{seconds:.2}")]).collect();
        let header = ["images", "clusters", "noise", "largest", "median", "seconds"];
        let text = table(&header, [row], 0);
        match against {
            Some(agreement) => format!("{text}\n{}", agreement.text()),
            None => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_labels() {
        let figures = |labels: &[i64]| {
            let labels: Vec<Option<usize>> = labels.iter().map(|&label| usize::try_from(label).ok()).collect();
            let Summary { images, clusters, noise, largest, median, .. } = Summary::of(&labels);
            (images, clusters, noise, largest, median)
        };
        assert_eq!(figures(&[]), (0, 0, 0, 0, 0.0));
        assert_eq!(figures(&[-1, -1]), (2, 0, 2, 0, 0.0));
        assert_eq!(figures(&[0, 0, 1, -1]), (4, 2, 1, 2, 1.5));
        assert_eq!(figures(&[0, 0, 1, 2, 2, 2]), (6, 3, 0, 3, 2.0));
    }
}
