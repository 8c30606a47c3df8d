//! Steps with nothing to learn: bound, they are fitted, and no pass is made for them.

use arrow::array::ArrayRef;

use crate::column::Column;
use crate::error::Error;
use crate::step::{BoundStep, Fit, FitState, FittedStep, Preview};

/// A fitted step as the bound step, and as the state of a fit that takes no notice of rows.
pub(crate) struct Stateless<F> {
    fitted: F,
    preview: Preview,
}

impl<F: FittedStep + Clone + 'static> Stateless<F> {
    /// Binds a step that is `fitted` as soon as it knows its inputs.
    pub(crate) fn bind(fitted: F, inputs: &[Column]) -> Result<Box<dyn BoundStep>, Error> {
        let outputs = fitted.outputs(inputs, true)?;
        let columns =
            outputs.into_iter().map(|group| group.into_iter().map(|o| o.column).collect()).collect();
        Ok(Box::new(Stateless { fitted, preview: Preview { columns, is_final: true } }))
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
        Box::new(Stateless { fitted: self.fitted.clone(), preview: self.preview.clone() })
    }

    fn merge(&mut self, _: Box<dyn FitState>) {}

    fn heap_bytes(&self) -> usize {
        self.fitted.heap_bytes()
    }

    fn finish(self: Box<Self>) -> Result<Fit, Error> {
        Ok(Fit::Done(Box::new(self.fitted)))
    }
}
