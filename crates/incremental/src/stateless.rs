//! Steps that learn nothing: they are fitted as soon as they know their columns.

use std::fmt::Debug;

use arrow::array::ArrayRef;

use crate::column::Column;
use crate::error::Error;
use crate::step::{BoundStep, Fit, FitState, FittedStep, Preview};

/// A bound step that is fitted as it stands. It is its own state, should one be asked for.
#[derive(Clone, Debug)]
pub(crate) struct Stateless<F> {
    fitted: F,
    preview: Preview,
}

impl<F: FittedStep + Clone + 'static> Stateless<F> {
    /// `fitted` on `inputs`, whose kinds it takes or refuses.
    pub(crate) fn bound(fitted: F, inputs: &[Column]) -> Result<Box<dyn BoundStep>, Error> {
        let outputs = fitted.outputs(inputs, true)?;
        let columns = outputs.into_iter().map(|group| group.into_iter().map(|o| o.column).collect());
        let preview = Preview { columns: columns.collect(), is_final: true };
        Ok(Box::new(Stateless { fitted, preview }))
    }
}

impl<F: FittedStep + Clone + 'static> BoundStep for Stateless<F> {
    fn preview(&self) -> Preview {
        self.preview.clone()
    }

    fn start(self: Box<Self>) -> Box<dyn FitState> {
        self
    }

    fn fitted(&self) -> Option<Box<dyn FittedStep>> {
        Some(Box::new(self.fitted.clone()))
    }
}

impl<F: FittedStep + Clone + 'static> FitState for Stateless<F> {
    fn update(&mut self, _: &[ArrayRef], _: u64) -> Result<(), Error> {
        Ok(())
    }

    fn identity(&self) -> Box<dyn FitState> {
        Box::new(self.clone())
    }

    fn merge(&mut self, _: Box<dyn FitState>) {}

    fn heap_bytes(&self) -> usize {
        self.fitted.heap_bytes()
    }

    fn finish(self: Box<Self>) -> Result<Fit, Error> {
        Ok(Fit::Done(Box::new(self.fitted)))
    }
}
