//! `drop_columns` takes columns out; `select_columns` takes out all others. Order stays the table's.
//!
//! Neither has parameters, learns anything or needs a pass.

use std::sync::Arc;

use arrow::array::ArrayRef;

use crate::column::Column;
use crate::error::Error;
use crate::params::Params;
use crate::stateless::Stateless;
use crate::step::{BoundStep, FittedStep, OutputColumn, Step};

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

pub(super) fn decode(_: &str, inputs: &[String]) -> Result<Box<dyn FittedStep>, Error> {
    Ok(Box::new(Dropped { inputs: inputs.len() }))
}

impl Step for DropColumns {
    fn bind(&self, inputs: &[Column]) -> Result<Box<dyn BoundStep>, Error> {
        Ok(Stateless::bind(Dropped { inputs: inputs.len() }, inputs))
    }

    fn takes_the_others(&self) -> bool {
        self.others
    }
}

#[derive(Clone, Copy, Debug)]
struct Dropped {
    inputs: usize,
}

impl FittedStep for Dropped {
    fn outputs(&self, _: &[Column], _: bool) -> Result<Vec<Vec<OutputColumn>>, Error> {
        Ok(vec![Vec::new(); self.inputs])
    }

    fn transform(&self, _: &[ArrayRef], _: &[Vec<Column>], _: u64) -> Result<Vec<ArrayRef>, Error> {
        Ok(Vec::new())
    }

    fn keep(&self, places: &[usize]) -> Option<Arc<dyn FittedStep>> {
        Some(Arc::new(Dropped { inputs: places.len() }))
    }

    fn learnt(&self) -> Box<dyn erased_serde::Serialize + '_> {
        Box::new(())
    }

    fn width(&self) -> usize {
        0
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}
