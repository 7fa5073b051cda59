//! `vireid cluster` on an index of `vireid extract`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use vireid::{CLUSTERS_HEADER, EmbeddingsFile, OutputKind, Overwriting, ProgramError, write_bytes};
use vireid_clustering::{MatchOrientation, bilateral_match};
use vireid_core::{Modality, PerModality};
use vireid_methods::{MethodError, RunConfig, cluster, parse_device, registry};

use crate::model::{NetworkArguments, Which};
use crate::output::{Output, table};

/// The form for an index of `vireid extract` and the network that made it.
#[derive(Debug, Args)]
#[group(skip)]
pub struct Arguments {
    /// Run directory of the network
    #[arg(long, required_unless_present = "embeddings", conflicts_with = "embeddings")]
    model: Option<PathBuf>,
    /// Which of its networks: that of the last epoch, or the one that scored best in a test while it was trained (chosen by
    /// test scores: not to be reported as if it were chosen blindly)
    #[arg(long, value_enum, default_value_t = Which::Last, conflicts_with = "embeddings")]
    which: Which,
    /// Embeddings, as `vireid extract` writes them
    #[arg(long, required_unless_present = "embeddings", conflicts_with = "embeddings")]
    index: Option<PathBuf>,
    /// CSV to write: path, modality, cluster, partners in the other modality
    #[arg(long, required_unless_present = "embeddings", conflicts_with = "embeddings")]
    out: Option<PathBuf>,
    /// Override one of the run's clustering settings, such as `clustering.eps.visible=0.5`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", conflicts_with = "embeddings")]
    overrides: Vec<String>,
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

impl Arguments {
    pub fn run(&self, overwriting: Overwriting, output: Output) -> Result<(), ProgramError> {
        let (Some(model), Some(index), Some(out)) = (&self.model, &self.index, &self.out) else {
            return Err(ProgramError::Usage("--model, --index and --out are needed, or --embeddings".into()));
        };
        let network = NetworkArguments { model: model.clone(), which: self.which };
        run(&network, index, out, &self.overrides, overwriting, output)
    }
}

fn run(
    network: &NetworkArguments,
    path: &Path,
    out: &Path,
    overrides: &[String],
    overwriting: Overwriting,
    output: Output,
) -> Result<(), ProgramError> {
    let device = parse_device("cpu")?;
    if let Some(other) = overrides.iter().find(|set| !set.trim_start().starts_with("clustering.")) {
        return Err(ProgramError::Usage(format!("--set {other} changes nothing here: only clustering.* settings do")));
    }
    let read = ["npy", "csv", "json", "parquet"].map(|ending| path.with_extension(ending));
    overwriting.check(out, OutputKind::Clusters, &read)?;
    let trained = network.open(device.clone())?;
    let config = RunConfig::from_toml(&trained.run_config().to_toml(), overrides)?;
    let file = EmbeddingsFile::load(path)?;
    file.check_recipe(path, trained.recipe())?;
    let rows = |modality: Modality| {
        let name = modality.to_string();
        (0..file.images.len()).filter(|&row| file.images[row].modality == name).collect::<Vec<usize>>()
    };
    let of = PerModality { visible: rows(Modality::Visible), infrared: rows(Modality::Infrared) };
    let embeddings = of.as_ref().map(|rows| file.embeddings.select(rows));
    let clusters = cluster(&embeddings, &registry::clustering(&config)?, 0, &device)?;
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
        path: out.to_path_buf(),
        source: std::io::Error::other(error),
    };
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    writer.write_record(CLUSTERS_HEADER.split(',')).map_err(failed)?;
    for modality in Modality::ALL {
        for (&row, &cluster) in of.get(modality).iter().zip(labels.get(modality)) {
            let image = &file.images[row];
            let partners = cluster.map_or_else(String::new, |cluster| listed(modality, cluster));
            writer
                .serialize(Row { path: &image.path, modality: &image.modality, cluster, partners })
                .map_err(failed)?;
        }
    }
    write_bytes(out, &writer.into_inner().map_err(|error| failed(error.into_error().into()))?)?;
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
        format!("{table}\n{} pairs of clusters associated; labels in {}", association.len(), out.display())
    })
}
