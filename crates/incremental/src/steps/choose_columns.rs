//! `drop_columns` takes columns out; `select_columns` takes out all others. Order stays the table's.
//!
//! Neither has parameters, learns anything or needs a pass.

use arrow::array::ArrayRef;

use crate::column::Column;
use crate::error::Error;
use crate::params::Params;
use crate::step::{BoundStep, Fit, FitState, FittedStep, OutputColumn, Preview, Step};

#[derive(Clone, Copy, Debug)]
struct DropColumns {
    others: bool,
}

pub(super) fn parse_drop(_: &mut Params) -> Result<Box<dyn Step>, Error> {
    Ok(Box::new(DropColumns { others: false }))
}

pub(super) fn parse_select(_: &mut Params) -> Result<Box<dyn Step>, Error> {
    Ok(Box::new(DropColumns { others: true }))
}

pub(super) fn decode(_: serde_json::Value, inputs: &[String]) -> Result<Box<dyn FittedStep>, Error> {
    Ok(Box::new(Dropped { inputs: inputs.len() }))
}

impl Step for DropColumns {
    fn bind(&self, inputs: &[Column]) -> Result<Box<dyn BoundStep>, Error> {
        Ok(Box::new(Dropped { inputs: inputs.len() }))
    }

    fn takes_the_others(&self) -> bool {
        self.others
    }
}

/// There is nothing to learn, so the bound step, its state and the fitted step are one.
#[derive(Clone, Copy, Debug)]
struct Dropped {
    inputs: usize,
}

impl BoundStep for Dropped {
    fn preview(&self) -> Preview {
        Preview { columns: vec![Vec::new(); self.inputs], is_final: true }
    }

    fn start(self: Box<Self>) -> Box<dyn FitState> {
        self
    }

    fn fitted(&self) -> Option<Box<dyn FittedStep>> {
        Some(Box::new(*self))
    }
}

impl FitState for Dropped {
    fn update(&mut self, _: &[ArrayRef], _: u64) -> Result<(), Error> {
        Ok(())
    }

    fn identity(&self) -> Box<dyn FitState> {
        Box::new(*self)
    }

    fn merge(&mut self, _: Box<dyn FitState>) {}

    fn heap_bytes(&self) -> usize {
        0
    }

    fn finish(self: Box<Self>) -> Result<Fit, Error> {
        Ok(Fit::Done(self))
    }
}

impl FittedStep for Dropped {
    fn outputs(&self, inputs: &[Column], _: bool) -> Result<Vec<Vec<OutputColumn>>, Error> {
        Ok(vec![Vec::new(); inputs.len()])
    }

    fn transform(&self, _: &[ArrayRef], _: &[Vec<Column>], _: u64) -> Result<Vec<ArrayRef>, Error> {
        Ok(Vec::new())
    }

    fn encode(&self) -> Result<serde_json::Value, Error> {
        Ok(serde_json::Value::Null)
    }

    fn width(&self) -> usize {
        0
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}
