//! A method with what it has prepared.

use burn::tensor::Device;
use vireid_core::Stream;
use vireid_data::ViewRecipes;
use vireid_data::sampler::StepPlan;

use crate::epoch::{Epoch, EpochAt};
use crate::method::{Method, Outputs, Part, Stage, StepAt, StepLoss};
use crate::{MethodError, MethodState};

/// Any [`Method`], with what it has prepared: what the engine holds.
///
/// Made of a method by [`boxed`].
pub trait AnyMethod: Send {
    /// See [`Method::name`].
    fn name(&self) -> &str;
    /// See [`Method::stages`].
    fn stages(&self) -> Vec<Stage>;
    /// See [`Method::composition`].
    fn composition(&self) -> Vec<Part>;
    /// See [`Method::notes`].
    fn notes(&self) -> Vec<String>;
    /// See [`Method::recipes`].
    fn recipes(&self, at: EpochAt) -> ViewRecipes;
    /// See [`Method::largest_batch`].
    fn largest_batch(&self, at: EpochAt) -> usize;
    /// See [`Method::loss_parts`].
    fn loss_parts(&self, at: EpochAt) -> &'static [&'static str];
    /// Prepares an epoch and keeps what was made. See [`Method::prepare`].
    ///
    /// # Errors
    ///
    /// Those of the method.
    fn prepare(&mut self, epoch: &mut dyn Epoch) -> Result<(), MethodError>;
    /// Lets go of a prepared epoch, so that it is prepared again.
    fn forget(&mut self);
    /// Whether an epoch is prepared and not finished.
    fn is_prepared(&self) -> bool;
    /// See [`Method::plan`].
    ///
    /// # Errors
    ///
    /// Those of the method; `VR0522` when no epoch is prepared.
    fn plan(&self, at: EpochAt, iterations: usize, stream: &mut Stream) -> Result<Vec<StepPlan>, MethodError>;
    /// See [`Method::classes`]; none when no epoch is prepared.
    fn classes(&self) -> Option<usize>;
    /// See [`Method::step`].
    ///
    /// # Errors
    ///
    /// `VR0522` when no epoch is prepared.
    fn step(&mut self, at: StepAt, plan: &StepPlan, outputs: Outputs) -> Result<StepLoss, MethodError>;
    /// See [`Method::finish`].
    ///
    /// # Errors
    ///
    /// Those of the method; `VR0522` when no epoch is prepared.
    fn finish(&mut self, epoch: &mut dyn Epoch) -> Result<(), MethodError>;
    /// See [`Method::state`].
    fn state(&self) -> MethodState;
    /// See [`Method::restore`] and, where `within` names the epoch that the checkpoint is within, [`Method::restore_within`].
    fn restore(&mut self, state: &MethodState, within: Option<EpochAt>, device: &Device) -> Option<()>;
}

/// A method as the engine takes it, with nothing prepared.
pub fn boxed<M: Method + 'static>(method: M) -> Box<dyn AnyMethod> {
    Box::new(Running { method, prepared: None })
}

struct Running<M: Method> {
    method: M,
    prepared: Option<M::Prepared>,
}

impl<M: Method> Running<M> {
    fn not_prepared(&self) -> MethodError {
        MethodError::NotPrepared(self.method.name().to_string())
    }
}

impl<M: Method> AnyMethod for Running<M> {
    fn name(&self) -> &str {
        self.method.name()
    }

    fn stages(&self) -> Vec<Stage> {
        self.method.stages()
    }

    fn composition(&self) -> Vec<Part> {
        self.method.composition()
    }

    fn notes(&self) -> Vec<String> {
        self.method.notes()
    }

    fn recipes(&self, at: EpochAt) -> ViewRecipes {
        self.method.recipes(at)
    }

    fn largest_batch(&self, at: EpochAt) -> usize {
        self.method.largest_batch(at)
    }

    fn loss_parts(&self, at: EpochAt) -> &'static [&'static str] {
        self.method.loss_parts(at)
    }

    fn prepare(&mut self, epoch: &mut dyn Epoch) -> Result<(), MethodError> {
        self.prepared = None;
        self.prepared = Some(self.method.prepare(epoch)?);
        Ok(())
    }

    fn forget(&mut self) {
        self.prepared = None;
    }

    fn is_prepared(&self) -> bool {
        self.prepared.is_some()
    }

    fn plan(&self, at: EpochAt, iterations: usize, stream: &mut Stream) -> Result<Vec<StepPlan>, MethodError> {
        let prepared = self.prepared.as_ref().ok_or_else(|| self.not_prepared())?;
        self.method.plan(prepared, at, iterations, stream)
    }

    fn classes(&self) -> Option<usize> {
        self.method.classes(self.prepared.as_ref()?)
    }

    fn step(&mut self, at: StepAt, plan: &StepPlan, outputs: Outputs) -> Result<StepLoss, MethodError> {
        match &mut self.prepared {
            Some(prepared) => Ok(self.method.step(prepared, at, plan, outputs)),
            None => Err(self.not_prepared()),
        }
    }

    fn finish(&mut self, epoch: &mut dyn Epoch) -> Result<(), MethodError> {
        let prepared = self.prepared.take().ok_or_else(|| self.not_prepared())?;
        self.method.finish(prepared, epoch)
    }

    fn state(&self) -> MethodState {
        self.method.state(self.prepared.as_ref())
    }

    fn restore(&mut self, state: &MethodState, within: Option<EpochAt>, device: &Device) -> Option<()> {
        self.prepared = None;
        match within {
            Some(at) => self.prepared = Some(self.method.restore_within(state, at, device)?),
            None => self.method.restore(state, device)?,
        }
        Some(())
    }
}
