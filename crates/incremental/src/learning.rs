//! How a step learns in a pass: from columns that are there, or ahead of an earlier step of the same pass.

use std::io::Write;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter;

use crate::ahead::Ahead;
use crate::error::Error;
use crate::step::FitState;

/// A step that learns in a pass.
pub(crate) struct StepFit {
    pub(crate) step: usize,
    pub(crate) name: &'static str,
    /// The columns that the selection came to.
    pub(crate) inputs: Vec<String>,
    /// The versions of columns that the state takes: the inputs, and the target if there is one.
    pub(crate) values: Vec<usize>,
    pub(crate) learning: Learning,
}

/// How a step learns in a pass.
pub(crate) enum Learning {
    /// From columns that are there.
    Now(Box<dyn FitState>),
    /// From columns that an earlier step is still to finish.
    Ahead(Ahead),
}

impl Learning {
    pub(crate) fn update(
        &mut self,
        inputs: &[Option<ArrayRef>],
        first_row: u64,
        training: Option<&BooleanBuffer>,
    ) -> Result<(), Error> {
        match self {
            Learning::Now(state) => {
                let inputs: Option<Vec<ArrayRef>> = inputs.iter().cloned().collect();
                let inputs = inputs.expect("steps that are fitted make all values");
                match training {
                    None => state.update(&inputs, first_row),
                    Some(training) => update_some(state.as_mut(), &inputs, first_row, training),
                }
            }
            Learning::Ahead(ahead) => {
                match training.map(|training| BooleanArray::new(training.clone(), None)) {
                    None => ahead.update(inputs, first_row),
                    Some(mask) => {
                        let kept = inputs.iter().map(|array| filter(array.as_ref()?, &mask).ok());
                        ahead.update(&kept.collect::<Vec<_>>(), first_row);
                    }
                }
                Ok(())
            }
        }
    }

    pub(crate) fn identity(&self) -> Learning {
        match self {
            Learning::Now(state) => Learning::Now(state.identity()),
            Learning::Ahead(ahead) => Learning::Ahead(ahead.identity()),
        }
    }

    /// # Panics
    /// If the other does not learn in the same way.
    pub(crate) fn merge(&mut self, other: Learning) {
        match (self, other) {
            (Learning::Now(state), Learning::Now(other)) => state.merge(other),
            (Learning::Ahead(ahead), Learning::Ahead(other)) => ahead.merge(other),
            _ => panic!("only states of one step are merged"),
        }
    }

    pub(crate) fn encode(&self, out: &mut dyn Write) -> Result<(), Error> {
        match self {
            Learning::Now(state) => state.encode(out),
            Learning::Ahead(ahead) => ahead.encode(out),
        }
    }

    pub(crate) fn decode(&self, seen: &str) -> Result<Learning, Error> {
        Ok(match self {
            Learning::Now(state) => Learning::Now(state.decode(seen)?),
            Learning::Ahead(ahead) => Learning::Ahead(ahead.decode(seen)?),
        })
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Learning::Now(state) => state.heap_bytes(),
            Learning::Ahead(ahead) => ahead.heap_bytes(),
        }
    }

    pub(crate) fn identity_bytes(&self) -> usize {
        match self {
            Learning::Now(state) => state.identity_bytes(),
            // What is shared out among columns alone begins with nothing.
            Learning::Ahead(_) => 0,
        }
    }

    pub(crate) fn update_bytes(&self, inputs: &[Option<ArrayRef>]) -> usize {
        match self {
            Learning::Now(state) => {
                let inputs: Option<Vec<ArrayRef>> = inputs.iter().cloned().collect();
                inputs.map_or_else(|| state.heap_bytes(), |inputs| state.update_bytes(&inputs))
            }
            Learning::Ahead(ahead) => ahead.update_bytes(inputs),
        }
    }

    pub(crate) fn merge_bytes(&self, other: &Learning) -> usize {
        match (self, other) {
            (Learning::Now(state), Learning::Now(other)) => state.merge_bytes(other.as_ref()),
            (Learning::Ahead(ahead), Learning::Ahead(other)) => ahead.merge_bytes(other),
            _ => self.heap_bytes(),
        }
    }

    /// What the end of the pass takes; those that learn ahead wait.
    pub(crate) fn finish_bytes(&self) -> usize {
        match self {
            Learning::Now(state) => state.finish_bytes(),
            Learning::Ahead(ahead) => ahead.heap_bytes(),
        }
    }

    pub(crate) fn needs_row_numbers(&self) -> bool {
        matches!(self, Learning::Now(state) if state.needs_row_numbers())
    }

    pub(crate) fn instead(&self) -> Option<&'static str> {
        match self {
            Learning::Now(state) => state.instead(),
            Learning::Ahead(_) => None,
        }
    }
}

/// Gives a state the rows of a batch that `training` says.
fn update_some(
    state: &mut dyn FitState,
    inputs: &[ArrayRef],
    first_row: u64,
    training: &BooleanBuffer,
) -> Result<(), Error> {
    if state.needs_row_numbers() {
        return training.set_slices().try_for_each(|(start, end)| {
            let run: Vec<ArrayRef> = inputs.iter().map(|array| array.slice(start, end - start)).collect();
            state.update(&run, first_row + start as u64)
        });
    }
    let mask = BooleanArray::new(training.clone(), None);
    let kept = inputs.iter().map(|array| filter(array, &mask)).collect::<Result<Vec<_>, _>>()?;
    state.update(&kept, first_row).map_err(|e| e.map_row(|row| row_of(training, first_row, row)))
}

/// The number of a row that was counted among the rows of `training` only.
pub(crate) fn row_of(training: &BooleanBuffer, first_row: u64, row: u64) -> u64 {
    let place = training.set_indices().nth((row - first_row) as usize);
    first_row + place.unwrap_or(0) as u64
}
