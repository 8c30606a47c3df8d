//! Steps with nothing to learn: bound, they are fitted, and no pass is made for them.

use std::io::Write;

use arrow::array::ArrayRef;

use crate::column::Column;
use crate::error::Error;
use crate::state_text;
use crate::step::{BoundStep, Fit, FitState, FittedStep, Preview};

/// A fitted step as the bound step, and as the state of a fit that takes no notice of rows.
#[derive(Clone)]
pub(crate) struct Stateless<F> {
    fitted: F,
    inputs: Vec<Column>,
}

impl<F: FittedStep + Clone + 'static> Stateless<F> {
    /// Binds a step that is `fitted` as soon as it knows its inputs. Its outputs are not asked for here: there
    /// may be more than a budget holds.
    pub(crate) fn bind(fitted: F, inputs: &[Column]) -> Box<dyn BoundStep> {
        Box::new(Stateless { fitted, inputs: inputs.to_vec() })
    }
}

impl<F: FittedStep + Clone + 'static> BoundStep for Stateless<F> {
    fn preview(&self) -> Preview {
        // What it refuses, it refuses when it takes its place behind the steps before it.
        let outputs = self.fitted.outputs(&self.inputs, true).unwrap_or_default();
        let columns = outputs.into_iter().map(|group| group.into_iter().map(|o| o.column).collect());
        Preview { columns: columns.collect(), is_final: true }
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

    fn encode(&self, out: &mut dyn Write) -> Result<(), Error> {
        state_text::write(&(), out)
    }

    fn decode(&self, seen: &str) -> Result<Box<dyn FitState>, Error> {
        state_text::read::<()>(seen)?;
        Ok(Box::new(self.clone()))
    }

    fn heap_bytes(&self) -> usize {
        self.fitted.heap_bytes()
    }

    fn finish(self: Box<Self>) -> Result<Fit, Error> {
        Ok(Fit::Done(Box::new(self.fitted)))
    }
}
