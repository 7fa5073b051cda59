//! The look-ups of a training step: comparisons of embeddings with memories that move while gradients are computed.
//!
//! The released code of several methods moves a memory inside the backward pass of each look-up, and backward passes run
//! in reverse order of creation; so the gradient of an earlier look-up is taken against prototypes that later ones have
//! moved already. Here that is written out: gradients with respect to the logits in closed form, the memories moved in
//! that order, and a linear objective that carries the gradient to the embeddings.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use vireid_kernels::matmul;
use vireid_memory::{MemoryBank, normalize_rows};

/// What the gradient of a memory look-up sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BankGradient {
    /// The memory as it is when the look-up's gradient is computed, some look-ups of the same step having moved it: the
    /// released code, whose memories move during the backward pass.
    Live,
    /// The memory before the step: the gradient of the loss as written.
    Snapshot,
}

/// How the rows of a memory follow the embeddings of a look-up.
pub type Update<'a> = Box<dyn FnMut(&mut MemoryBank, &Tensor<2>, &[usize]) + 'a>;

/// A look-up of a step, by its number in [`Lookups`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookUp(usize);

/// A batch of embeddings and the gradient that has come back to it.
struct View {
    /// The embeddings on the autodiff device.
    tracked: Tensor<2>,
    /// The embeddings off the autodiff device.
    plain: Tensor<2>,
    /// The embeddings off the autodiff device, rows of length 1.
    unit: Tensor<2>,
    /// Gradient with respect to the normalised embeddings, so far.
    unit_gradient: Tensor<2>,
    /// Gradient with respect to the embeddings themselves, so far.
    gradient: Tensor<2>,
}

struct Entry<'a> {
    bank: usize,
    view: usize,
    /// The rows that the embeddings move; `None` moves nothing.
    labels: Option<&'a [usize]>,
    normalized: bool,
    logits: Tensor<2>,
    gradient: Option<Tensor<2>>,
}

/// The look-ups of one step, in the order of their creation.
///
/// Make all of them, take their [`logits`](Self::logits), hand in the gradients with respect to them
/// ([`add_gradient`](Self::add_gradient)), and call [`backward`](Self::backward).
pub struct Lookups<'a> {
    views: Vec<View>,
    banks: Vec<&'a mut MemoryBank>,
    entries: Vec<Entry<'a>>,
    temperature: f64,
    rule: BankGradient,
    update: Update<'a>,
}

impl<'a> Lookups<'a> {
    /// A step on some memories and batches of embeddings; both are named by their position from here on. Memories move
    /// by [`MemoryBank::update`], unless [`with_update`](Self::with_update) says otherwise. Logits are cosine
    /// similarities divided by `temperature`.
    ///
    /// # Shapes
    ///
    /// - `views`: each `[batch, dim]`, on the autodiff device, not normalised
    pub fn new(banks: Vec<&'a mut MemoryBank>, views: &[&Tensor<2>], temperature: f64, rule: BankGradient) -> Self {
        let views = views
            .iter()
            .map(|&tracked| {
                let plain = tracked.clone().inner();
                let zero = plain.zeros_like();
                let unit = normalize_rows(plain.clone());
                View { tracked: tracked.clone(), unit, unit_gradient: zero.clone(), gradient: zero, plain }
            })
            .collect();
        Self { views, banks, entries: Vec::new(), temperature, rule, update: Box::new(MemoryBank::update) }
    }

    /// Moves memories by another rule than [`MemoryBank::update`].
    pub fn with_update(mut self, update: Update<'a>) -> Self {
        self.update = update;
        self
    }

    /// Compares a batch with a memory, which its embeddings then move: row `labels[i]` by embedding `i`.
    pub fn look_up(&mut self, bank: usize, view: usize, labels: &'a [usize]) -> LookUp {
        self.push(bank, view, Some(labels), true)
    }

    /// Compares a batch with a memory that stays as it is.
    pub fn peek(&mut self, bank: usize, view: usize) -> LookUp {
        self.push(bank, view, None, true)
    }

    /// As [`peek`](Self::peek), with embeddings that are not normalised.
    pub fn peek_unnormalized(&mut self, bank: usize, view: usize) -> LookUp {
        self.push(bank, view, None, false)
    }

    fn push(&mut self, bank: usize, view: usize, labels: Option<&'a [usize]>, normalized: bool) -> LookUp {
        let rows = if normalized { &self.views[view].unit } else { &self.views[view].plain };
        let logits = self.banks[bank].logits(rows.clone(), self.temperature);
        self.entries.push(Entry { bank, view, labels, normalized, logits, gradient: None });
        LookUp(self.entries.len() - 1)
    }

    /// The logits of a look-up, from the memory before the step, off the autodiff device.
    ///
    /// # Shapes
    ///
    /// - output: `[batch, clusters]`
    pub fn logits(&self, look_up: LookUp) -> Tensor<2> {
        self.entries[look_up.0].logits.clone()
    }

    /// Adds to the gradient of the loss with respect to a look-up's logits.
    ///
    /// # Shapes
    ///
    /// - `gradient`: `[batch, clusters]`
    pub fn add_gradient(&mut self, look_up: LookUp, gradient: Tensor<2>) {
        let entry = &mut self.entries[look_up.0];
        entry.gradient = Some(match entry.gradient.take() {
            Some(sum) => sum + gradient,
            None => gradient,
        });
    }

    /// The backward pass: first the look-ups that move nothing, then the others in reverse order of creation, each
    /// moving its memory after its gradient. Returns a scalar on the autodiff device whose gradient is the step's; its
    /// value means nothing.
    ///
    /// # Shapes
    ///
    /// - output: `[1]`
    pub fn backward(mut self) -> Tensor<1> {
        let before: Vec<Tensor<2>> = self.banks.iter().map(|bank| bank.rows()).collect();
        let (moving, still): (Vec<Entry<'a>>, Vec<Entry<'a>>) =
            self.entries.into_iter().partition(|entry| entry.labels.is_some());
        for entry in still.into_iter().chain(moving.into_iter().rev()) {
            let view = &mut self.views[entry.view];
            if let Some(gradient) = entry.gradient {
                let seen = match self.rule {
                    BankGradient::Live => self.banks[entry.bank].rows(),
                    BankGradient::Snapshot => before[entry.bank].clone(),
                };
                let share = matmul(gradient, seen).div_scalar(self.temperature);
                let sum = if entry.normalized { &mut view.unit_gradient } else { &mut view.gradient };
                *sum = sum.clone() + share;
            }
            if let Some(labels) = entry.labels {
                (self.update)(&mut *self.banks[entry.bank], &view.unit, labels);
            }
        }
        let objectives = self.views.into_iter().map(|view| {
            let unit = normalize_rows(view.tracked.clone()) * Tensor::from_inner(view.unit_gradient);
            (unit + view.tracked * Tensor::from_inner(view.gradient)).sum()
        });
        // A step has at least one view.
        objectives.reduce(|sum, objective| sum + objective).unwrap_or_else(|| Tensor::zeros([1], &Default::default()))
    }
}
