use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use vireid::{EmbeddingsFile, ProgramError};
use vireid_clustering::{MatchOrientation, bilateral_match};
use vireid_core::{Modality, PerModality};
use vireid_methods::{CheckpointKind, MethodError, RunDir, TrainedNetwork, cluster, parse_device};

use crate::output::{Output, table};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Run directory of the network: its clustering settings are used
    #[arg(long)]
    model: PathBuf,
    /// Embeddings, as `vireid extract` writes them
    #[arg(long)]
    index: PathBuf,
    /// CSV to write: path, modality, cluster, partners in the other modality
    #[arg(long)]
    out: PathBuf,
}

#[derive(Serialize)]
struct Row<'a> {
    path: &'a PathBuf,
    modality: &'a str,
    /// Empty for noise.
    cluster: Option<usize>,
    /// Numbers of the associated clusters of the other modality.
    partners: String,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<(), ProgramError> {
    let device = parse_device("cpu")?;
    let trained = TrainedNetwork::open(&arguments.model, CheckpointKind::Last, device.clone())?;
    let config = RunDir::open(&arguments.model)?.1;
    let file = EmbeddingsFile::load(&arguments.index)?;
    file.check_recipe(&arguments.index, trained.recipe())?;
    let rows = |modality: Modality| {
        let name = modality.to_string();
        (0..file.images.len()).filter(|&row| file.images[row].modality == name).collect::<Vec<usize>>()
    };
    let of = PerModality { visible: rows(Modality::Visible), infrared: rows(Modality::Infrared) };
    let embeddings = of.as_ref().map(|rows| file.embeddings.select(rows));
    let clusters = cluster(&embeddings, &config.clustering, 0, &device)?;
    let association =
        bilateral_match(&clusters.centroids.infrared, &clusters.centroids.visible, MatchOrientation::AsReleased)
            .map_err(MethodError::from)?;
    let labels = clusters.labels.indices();
    let listed = |modality: Modality, cluster: usize| {
        let pairs = association.pairs().map(|(i, v)| (i.index(), v.index()));
        let partners = pairs.filter_map(|(i, v)| match modality {
            Modality::Visible => (v == cluster).then_some(i),
            Modality::Infrared => (i == cluster).then_some(v),
        });
        partners.map(|partner| partner.to_string()).collect::<Vec<_>>().join(" ")
    };
    let failed = |error: csv::Error| ProgramError::Io {
        action: "can't write",
        path: arguments.out.clone(),
        source: std::io::Error::other(error),
    };
    let mut writer = csv::Writer::from_path(&arguments.out).map_err(failed)?;
    for modality in Modality::ALL {
        for (&row, &cluster) in of.get(modality).iter().zip(labels.get(modality)) {
            let image = &file.images[row];
            let partners = cluster.map_or_else(String::new, |cluster| listed(modality, cluster));
            writer
                .serialize(Row { path: &image.path, modality: &image.modality, cluster, partners })
                .map_err(failed)?;
        }
    }
    writer.flush().map_err(|error| failed(error.into()))?;
    let summary: Vec<(String, usize, usize, usize)> = Modality::ALL
        .into_iter()
        .map(|modality| {
            let labels = labels.get(modality);
            let clusters = labels.iter().flatten().max().map_or(0, |largest| largest + 1);
            (modality.to_string(), labels.len(), clusters, labels.iter().filter(|label| label.is_none()).count())
        })
        .collect();
    output.result(&summary, || {
        let rows = summary.iter().map(|(modality, images, clusters, noise)| {
            vec![modality.clone(), images.to_string(), clusters.to_string(), noise.to_string()]
        });
        let table = table(&["modality", "images", "clusters", "noise"], rows, 1);
        format!("{table}\n{} pairs of clusters associated; labels in {}", association.len(), arguments.out.display())
    })
}
