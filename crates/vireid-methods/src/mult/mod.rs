//! MULT: modality-unified label transfer with online cross-memory label refinement (He et al., IJCV 2024, arXiv
//! 2402.00672), as the authors' code does it.
//!
//! Stage 1 trains each modality on its own clusters. In stage 2 all images, noise included, get soft labels over the
//! clusters of both modalities: an optimal transport carries labels across, Jaccard affinities smooth them within
//! ([`transfer`]). Even epochs train in the space of visible clusters, odd ones in that of infrared clusters
//! ([`association_step`]).

mod labels;
mod settings;
mod step;

use burn::tensor::{Device, Tensor};
use vireid_clustering::{JaccardEncoding, cluster_means};
use vireid_core::{Embeddings, Modality, PerModality, Stream};
use vireid_data::ViewRecipes;
use vireid_data::sampler::{BatchShape, StepPlan, independent_clusters, shared_blocks, shared_labels};
use vireid_data::transform::Transform;
use vireid_losses::label_tensor;

use crate::parts::auto::Chosen;
use crate::parts::labelling::{Labels, eps_key, rows_on};
use crate::parts::settings::{MethodTable, read_clustering, refuse_neighbourhood};
use crate::parts::views::{SPECIFIC_PARTS, StepEmbeddings, StepLabels, specific_step};
use vireid_train::MethodState;
use vireid_train::epoch::{Epoch, EpochAt, Labelling};
use vireid_train::method::{Outputs, Part, Stage, StageStart, StepAt, StepLoss};
use vireid_train::{Method, MethodError, Optimizer, RunConfig, boxed};

use crate::presets::preset_files;
use crate::registry::MethodEntry;

pub use labels::{TransferredModality, TransferredPair, transfer};
pub use settings::{LabelSpace, MultSettings};
pub use step::{BatchLabels, MemoryBanks, PARTS, SpaceLabels, association_step};

/// Number of the stage with associated clusters.
const ASSOCIATED: usize = 1;

/// What the registry knows of it.
pub const ENTRY: MethodEntry = MethodEntry {
    name: "mult",
    build: |config| Ok(boxed(Mult::new(config)?)),
    presets: preset_files!["mult_paper", "mult_quick"],
    clustering: read_clustering,
};

/// MULT, ready to be trained.
#[derive(Debug)]
pub struct Mult {
    table: MethodTable<MultSettings>,
    padding: usize,
}

/// Labels and memories of an epoch.
#[derive(Debug)]
pub struct Prepared {
    labels: EpochLabels,
    banks: MemoryBanks,
}

#[derive(Debug)]
enum EpochLabels {
    Clusters(Labels),
    Transferred(Box<TransferredPair>),
}

impl Mult {
    /// Reads the method's settings.
    ///
    /// # Errors
    ///
    /// `VR0501`, `VR0502`.
    pub fn new(config: &RunConfig) -> Result<Self, MethodError> {
        let table: MethodTable<MultSettings> = MethodTable::read(config)?;
        refuse_neighbourhood(&table.clustering)?;
        Ok(Self { table, padding: config.engine.input.padding })
    }

    /// The labels of the second stage, reported.
    fn transferred(
        &self,
        epoch: &mut dyn Epoch,
        embeddings: &PerModality<Embeddings>,
        means: &PerModality<Embeddings>,
        encodings: &PerModality<JaccardEncoding>,
        chosen: Chosen,
    ) -> Result<TransferredPair, MethodError> {
        let distances = encodings.as_ref().map(|encoding| encoding.within(1.0));
        let (pair, rounds) = transfer(embeddings, means, &distances, &self.table.settings, epoch.device())?;
        let some = |labels: &[usize]| labels.iter().map(|&label| Some(label)).collect::<Vec<_>>();
        let own = pair.as_ref().map(|modality| some(&modality.own));
        let cross = pair.as_ref().map(|modality| some(&modality.cross));
        let joint = match self.table.settings.in_visible_space(epoch.at().epoch) {
            true => PerModality { visible: own.visible.as_slice(), infrared: cross.infrared.as_slice() },
            false => PerModality { visible: cross.visible.as_slice(), infrared: own.infrared.as_slice() },
        };
        let mut figures = chosen;
        figures.push(("rounds in visible space", rounds.visible as f64));
        figures.push(("rounds in infrared space", rounds.infrared as f64));
        epoch.report(&Labelling {
            labels: own.as_ref().map(Vec::as_slice),
            joint: Some(joint),
            figures,
            ..Labelling::default()
        });
        Ok(pair)
    }
}

impl Method for Mult {
    type Prepared = Prepared;

    fn name(&self) -> &str {
        ENTRY.name
    }

    fn stages(&self) -> Vec<Stage> {
        let stage = |name| Stage { name, start: StageStart::Continue, optimizer: Optimizer::adam() };
        vec![stage("stage 1"), stage("stage 2")]
    }

    fn composition(&self) -> Vec<Part> {
        let s = &self.table.settings;
        let memories = |which: &str| format!("{which}, momentum {}, gradients {:?}", s.momentum, s.bank_gradient);
        let transfer = match s.label_transfer {
            true => format!("label transfer until labels agree: alpha {}, lambda {}", s.alpha, s.lambda),
            false => "transport to the other modality's centroids, no rounds of transfer".into(),
        };
        let refinement = match s.refinement {
            true => format!(" + refinement of the mixed by the others, sharpened by {}", s.sharpen),
            false => String::new(),
        };
        vec![
            Part::new("stage 1", "labeller", "per modality: k-reciprocal Jaccard, DBSCAN, noise dropped"),
            Part::new("stage 1", "memories", memories("one per modality")),
            Part::new("stage 1", "sampler", "clusters of either modality, drawn independently"),
            Part::new("stage 1", "objective", format!("cluster contrast at temperature {}", s.temperature)),
            Part::new(
                "stage 2",
                "labeller",
                "per modality: k-reciprocal Jaccard, DBSCAN for the centroids; noise labelled",
            ),
            Part::new("stage 2", "associator", transfer),
            Part::new("stage 2", "targets", format!("{} hard + {:.3} soft", s.hard_share, 1.0 - s.hard_share)),
            Part::new("stage 2", "memories", memories("own, guest and mixed in the space of either modality")),
            Part::new("stage 2", "sampler", "half of the labels from visible clusters, half from infrared ones"),
            Part::new("stage 2", "label space", format!("{:?}", s.space).to_lowercase()),
            Part::new(
                "stage 2",
                "objective",
                format!("soft cluster contrast, own and mixed, at temperature {}{refinement}", s.temperature),
            ),
        ]
    }

    fn notes(&self) -> Vec<String> {
        self.table.clustering.notes()
    }

    fn largest_batch(&self, _at: EpochAt) -> usize {
        self.table.sampler.slots()
    }

    fn recipes(&self, at: EpochAt) -> ViewRecipes {
        use Transform::*;
        let head = [PadCrop(self.padding), Flip(0.5)];
        let with = |tail: &[Transform]| [&head, tail].concat();
        if at.stage >= ASSOCIATED {
            return ViewRecipes {
                visible: vec![with(&[Normalize, Erase(0.5)]), with(&[Normalize, Erase(0.5), ChannelPick])],
                infrared: vec![with(&[Normalize, Erase(0.5), ChannelPickOrGrey(0.5)])],
            };
        }
        let jitter = ColorJitter { brightness: 0.5, contrast: 0.5, saturation: 0.5, hue: 0.5 };
        ViewRecipes {
            visible: vec![
                with(&[LinearTransform(0.9), Normalize, Erase(0.9)]),
                with(&[jitter, Normalize, Erase(0.9), ChannelPick]),
            ],
            infrared: vec![with(&[jitter, Normalize, Erase(0.9), ChannelPickOrGrey(0.5)])],
        }
    }

    fn prepare(&mut self, epoch: &mut dyn Epoch) -> Result<Prepared, MethodError> {
        let embeddings = epoch.embeddings()?;
        let at = epoch.at();
        let c = &self.table.clustering;
        let within = |modality: Modality| (c.within(modality), eps_key(modality));
        let (of_visible, key) = within(Modality::Visible);
        let visible = of_visible.run(&embeddings.visible, at.epoch, &key, epoch.device())?;
        let (of_infrared, key) = within(Modality::Infrared);
        let infrared = of_infrared.run(&embeddings.infrared, at.epoch, &key, epoch.device())?;
        let labels = Labels { visible: visible.labels, infrared: infrared.labels };
        let encodings = PerModality { visible: visible.encoding, infrared: infrared.encoding };
        let chosen = [visible.chosen, infrared.chosen].concat();
        let means = PerModality {
            visible: cluster_means(&embeddings.visible, &labels.visible)?,
            infrared: cluster_means(&embeddings.infrared, &labels.infrared)?,
        };
        let device = epoch.device().clone();
        let rows = means.as_ref().map(|means| rows_on(&means.clone().normalized(), &device));
        let banks = MemoryBanks::new(rows, self.table.settings.momentum);
        let labels = if at.stage >= ASSOCIATED {
            EpochLabels::Transferred(Box::new(self.transferred(epoch, &embeddings, &means, &encodings, chosen)?))
        } else {
            let indices = labels.indices();
            let labels_of = indices.as_ref().map(Vec::as_slice);
            epoch.report(&Labelling { labels: labels_of, figures: chosen, ..Labelling::default() });
            EpochLabels::Clusters(labels)
        };
        Ok(Prepared { labels, banks })
    }

    fn plan(
        &self,
        prepared: &Prepared,
        _at: EpochAt,
        steps: usize,
        stream: &mut Stream,
    ) -> Result<Vec<StepPlan>, MethodError> {
        let shape = self.table.sampler.shape();
        match &prepared.labels {
            EpochLabels::Clusters(labels) => {
                Ok(independent_clusters(&labels.visible, &labels.infrared, shape, steps, stream)?)
            }
            EpochLabels::Transferred(pair) => mixed_spaces(pair, shape, steps, stream),
        }
    }

    fn loss_parts(&self, at: EpochAt) -> &'static [&'static str] {
        if at.stage < ASSOCIATED { SPECIFIC_PARTS } else { PARTS }
    }

    fn step(&mut self, prepared: &mut Prepared, at: StepAt, plan: &StepPlan, outputs: Outputs) -> StepLoss {
        let embeddings = StepEmbeddings::new(outputs.features, plan.visible.len());
        let Prepared { labels, banks } = prepared;
        match labels {
            EpochLabels::Clusters(labels) => {
                let (visible, infrared) = labels.of(plan);
                let labels = StepLabels { visible: &visible, infrared: &infrared };
                let banks = PerModality { visible: &mut banks.visible, infrared: &mut banks.infrared };
                specific_step(
                    banks,
                    &embeddings,
                    labels,
                    self.table.settings.temperature,
                    self.table.settings.bank_gradient,
                )
            }
            EpochLabels::Transferred(pair) => {
                let labels = batch_labels(pair, plan);
                let in_visible_space = self.table.settings.in_visible_space(at.epoch.epoch);
                association_step(banks, &embeddings, &labels, in_visible_space, &self.table.settings)
            }
        }
    }

    fn state(&self, prepared: Option<&Prepared>) -> MethodState {
        let mut state = MethodState::default();
        let Some(Prepared { labels, banks }) = prepared else { return state };
        match labels {
            EpochLabels::Clusters(labels) => labels.put(&mut state),
            EpochLabels::Transferred(pair) => {
                pair.visible.put("visible", &mut state);
                pair.infrared.put("infrared", &mut state);
            }
        }
        banks.named().into_iter().for_each(|(name, bank)| state.put_rows(name, &bank.rows()));
        state
    }

    fn restore_within(&mut self, state: &MethodState, _at: EpochAt, device: &Device) -> Option<Prepared> {
        let labels = match Labels::take(state) {
            Some(labels) => EpochLabels::Clusters(labels),
            None => EpochLabels::Transferred(Box::new(PerModality {
                visible: TransferredModality::take("visible", state, device)?,
                infrared: TransferredModality::take("infrared", state, device)?,
            })),
        };
        let banks = MemoryBanks::restored(&|name| state.rows(name, device), self.table.settings.momentum)?;
        Some(Prepared { labels, banks })
    }
}

/// Steps of which half the labels are visible clusters and half infrared ones, each with images of both modalities.
fn mixed_spaces(
    pair: &TransferredPair,
    shape: BatchShape,
    steps: usize,
    stream: &mut Stream,
) -> Result<Vec<StepPlan>, MethodError> {
    let some = |labels: &[usize]| labels.iter().map(|&label| Some(label)).collect::<Vec<_>>();
    let of_visible_space = shared_labels(&some(&pair.visible.own), &some(&pair.infrared.cross));
    let of_infrared_space = shared_labels(&some(&pair.visible.cross), &some(&pair.infrared.own));
    let first = shape.clusters / 2;
    (0..steps)
        .map(|_| {
            let mut plan = shared_blocks(&of_visible_space, first, shape, stream)?;
            let second = shared_blocks(&of_infrared_space, shape.clusters - first, shape, stream)?;
            plan.visible.extend(second.visible);
            plan.infrared.extend(second.infrared);
            Ok(plan)
        })
        .collect()
}

fn batch_labels(pair: &TransferredPair, plan: &StepPlan) -> BatchLabels {
    let space = |hard: &[usize], targets: &Tensor<2>, positions: &[usize]| SpaceLabels {
        hard: positions.iter().map(|&position| hard[position]).collect(),
        targets: targets.clone().select(0, label_tensor(positions, &targets.device())),
    };
    let PerModality { visible, infrared } = pair;
    BatchLabels {
        own: PerModality {
            visible: space(&visible.own, &visible.own_targets, &plan.visible),
            infrared: space(&infrared.own, &infrared.own_targets, &plan.infrared),
        },
        cross: PerModality {
            visible: space(&visible.cross, &visible.cross_targets, &plan.visible),
            infrared: space(&infrared.cross, &infrared.cross_targets, &plan.infrared),
        },
    }
}
