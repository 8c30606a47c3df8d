//! Steps that learn in the pass of an earlier step of the same columns, before that is fitted.
//!
//! Of a column that an imputer makes all is known but one value, with which it will fill what is missing. So a step
//! behind it learns from the values that are there and counts those that are held back; when the imputer is fitted,
//! it takes the fill as often as that. States being monoids, what it has learnt is then what it would learn in a pass
//! of its own, to the bit. The same holds behind a step that leaves values alone and may drop columns.
//!
//! What a step was begun with is a guess: that the columns come to be. Where it was wrong, or anything went wrong
//! on the way, nothing is lost but the guess: the step makes a pass of its own, and what is an error shows there.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::compute::filter;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::column::{Column, Lineage};
use crate::error::{Error, ErrorKind};
use crate::graph::{Fill, Graph, Known, Value};
use crate::state_text::{self, MOST_ROWS};
use crate::step::FitState;

/// The state of a step that learns ahead of others.
pub(crate) struct Ahead {
    inputs: Vec<Input>,
    /// None: given up.
    state: Option<Box<dyn FitState>>,
}

/// An input as it is expected to be.
#[derive(Clone)]
struct Input {
    column: Column,
    lineage: Lineage,
    fill: Option<Fill>,
    /// Rows that will hold the fill.
    held_back: u64,
}

impl Ahead {
    /// A state [by column](FitState::is_by_column) that has seen no row, for inputs that are expected to be these.
    pub(crate) fn new<'a>(state: Box<dyn FitState>, inputs: impl Iterator<Item = &'a Value>) -> Ahead {
        let inputs = inputs.map(|value| Input {
            column: value.column.clone(),
            lineage: value.lineage.clone(),
            fill: match value.known {
                Known::But(fill) => fill,
                Known::Whole | Known::Nothing => None,
            },
            held_back: 0,
        });
        Ahead { inputs: inputs.collect(), state: Some(state) }
    }

    /// Leaves what is to be learnt to a pass of its own.
    pub(crate) fn give_up(&mut self) {
        self.state = None;
    }

    /// The state after a pass over the columns `values` of `graph`, in which all steps before are fitted. `None` if
    /// they are not as expected.
    pub(crate) fn settle(self, graph: &Graph, values: &[usize]) -> Option<Box<dyn FitState>> {
        let mut state = self.state?;
        let mut kept = Vec::with_capacity(values.len());
        let mut expected = self.inputs.iter().enumerate();
        for value in values {
            let found = graph.value(*value);
            let is_it =
                |(_, input): &(usize, &Input)| input.column == found.column && input.lineage == found.lineage;
            // Columns that did not come to be are passed over.
            kept.push(expected.find(is_it)?);
        }
        let places: Vec<usize> = kept.iter().map(|(place, _)| *place).collect();
        state.keep(&places);
        for (index, ((_, input), value)) in kept.iter().zip(values).enumerate() {
            if input.held_back > 0 {
                let row = graph.filled(input.fill?, *value)?;
                state.repeat(index, &row, input.held_back).ok()?;
            }
        }
        Some(state)
    }

    /// As [`FitState::decode`].
    pub(crate) fn decode(&self, seen: &str) -> Result<Ahead, Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Seen<'a> {
            held_back: Vec<u64>,
            #[serde(borrow)]
            seen: &'a RawValue,
        }
        let mut inputs = self.inputs.clone();
        let Some(Seen { held_back, seen }) = state_text::read::<Option<Seen<'_>>>(seen)? else {
            return Ok(Ahead { inputs, state: None });
        };
        if held_back.len() != inputs.len() || held_back.iter().any(|rows| *rows > MOST_ROWS) {
            return Err(state_text::contradiction());
        }
        for (input, held_back) in inputs.iter_mut().zip(held_back) {
            input.held_back = held_back;
        }
        let state = self.state.as_ref().map(|state| state.decode(seen.get())).transpose()?;
        Ok(Ahead { inputs, state })
    }
}

/// A monoid as a [`FitState`] is. Given up is what absorbs all others: merged with such a state, every state is.
impl Ahead {
    /// Takes the rows of a batch, but those that are held back: null in a column that will be filled. `None` for a
    /// column that could not be made, on which it gives up.
    pub(crate) fn update(&mut self, inputs: &[Option<ArrayRef>], first_row: u64) {
        let Some(state) = &mut self.state else { return };
        let mut seen = Vec::with_capacity(inputs.len());
        for (input, values) in self.inputs.iter_mut().zip(inputs) {
            let Some(values) = values else { return self.give_up() };
            let nulls = values.logical_nulls().filter(|nulls| input.fill.is_some() && nulls.null_count() > 0);
            seen.push(match nulls {
                None => Ok(Arc::clone(values)),
                Some(nulls) => {
                    input.held_back += nulls.null_count() as u64;
                    filter(values, &BooleanArray::new(nulls.into_inner(), None))
                }
            });
        }
        let seen: Result<Vec<ArrayRef>, _> = seen.into_iter().collect();
        if seen.map_err(Error::from).and_then(|seen| state.update(&seen, first_row)).is_err() {
            self.give_up();
        }
    }

    pub(crate) fn identity(&self) -> Ahead {
        let inputs = self.inputs.iter().cloned().map(|input| Input { held_back: 0, ..input });
        Ahead { inputs: inputs.collect(), state: self.state.as_ref().map(|state| state.identity()) }
    }

    pub(crate) fn merge(&mut self, other: Ahead) {
        match (&mut self.state, other.state) {
            (Some(state), Some(other)) => state.merge(other),
            _ => self.give_up(),
        }
        for (input, other) in self.inputs.iter_mut().zip(other.inputs) {
            input.held_back = input.held_back.saturating_add(other.held_back);
        }
    }

    pub(crate) fn encode(&self, out: &mut dyn Write) -> Result<(), Error> {
        let failed = |e: std::io::Error| Error::new(ErrorKind::Io(e));
        let Some(state) = &self.state else { return out.write_all(b"null").map_err(failed) };
        out.write_all(b"{\"held_back\":").map_err(failed)?;
        state_text::write(&self.inputs.iter().map(|input| input.held_back).collect::<Vec<_>>(), out)?;
        out.write_all(b",\"seen\":").map_err(failed)?;
        state.encode(out)?;
        out.write_all(b"}").map_err(failed)
    }

    pub(crate) fn may_need_more(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.may_need_more())
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.state.as_ref().map_or(0, |state| state.heap_bytes())
    }

    /// As [`FitState::update_bytes`]. Values that are held back are no new ones.
    pub(crate) fn update_bytes(&self, inputs: &[Option<ArrayRef>]) -> usize {
        let inputs: Option<Vec<ArrayRef>> = inputs.iter().cloned().collect();
        let both = self.state.as_ref().zip(inputs);
        both.map_or_else(|| self.heap_bytes(), |(state, inputs)| state.update_bytes(&inputs))
    }

    pub(crate) fn merge_bytes(&self, other: &Ahead) -> usize {
        let both = self.state.as_ref().zip(other.state.as_ref());
        both.map_or(0, |(state, other)| state.merge_bytes(other.as_ref()))
    }

    /// As [`FitState::finish_bytes`], and what [`settle`](Self::settle) takes: a fill is one value more.
    pub(crate) fn finish_bytes(&self) -> usize {
        self.state.as_ref().map_or(0, |state| state.finish_bytes())
    }
}
