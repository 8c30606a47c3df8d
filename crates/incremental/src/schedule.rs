//! Which steps can learn from the next pass over the input.
//!
//! A step can learn as soon as every step that made its columns is fitted, and [ahead](crate::ahead) of that where all
//! but one value of each column is known. Steps that touch different columns learn in the same pass.

use std::sync::Arc;

use monitor::{Bytes, Reservation};

use crate::ahead::Ahead;
use crate::error::{Error, ErrorKind};
use crate::fitting::{Fitting, Stage};
use crate::graph::{COLUMN_BYTES, Graph, Known};
use crate::learning::{Learning, StepFit};
use crate::plan::Foreseen;
use crate::selection::Selected;
use crate::step::FittedStep;

/// What the next pass is to do.
pub(crate) struct Schedule {
    pub(crate) graph: Graph,
    /// What the columns of the graph hold of the budget.
    pub(crate) columns: Reservation,
    /// The steps that learn; none if all are fitted.
    pub(crate) fits: Vec<StepFit>,
    /// What states that go on hold of the budget until the next pass does.
    pub(crate) held: Vec<Reservation>,
    /// Whether a state or a step before it tells rows apart by their numbers.
    pub(crate) needs_row_numbers: bool,
    /// How many steps have found their columns, from the first on.
    pub(crate) reached: usize,
}

/// What is known of the table that a step sees.
struct Certainty {
    /// No column can still be added, dropped or retyped.
    is_final: bool,
    /// Those that can still be dropped are the only ones that can be otherwise.
    can_guess: bool,
    /// A selection was taken for what it comes to if none of them is dropped. From there on all is a guess.
    is_guess: bool,
}

impl Certainty {
    /// Whether an error may come of columns that are not going to be.
    fn may_excuse(&self, error: &Error) -> bool {
        self.is_guess || !self.is_final && matches!(error.kind(), ErrorKind::DuplicateColumn)
    }
}

impl Fitting {
    /// Works out the next pass. Steps that have learnt ahead of others, which are now fitted, get what they lack.
    pub(crate) fn schedule(&mut self) -> Result<Schedule, Error> {
        let input = Bytes::from(self.input.len() * COLUMN_BYTES);
        let columns = self.monitor.budget().consumer("columns made").try_reserve(input)?;
        let graph = Graph::new(&self.input, true);
        let mut schedule = Schedule {
            graph,
            columns,
            fits: Vec::new(),
            held: Vec::new(),
            needs_row_numbers: false,
            reached: 0,
        };
        let mut certainty = Certainty { is_final: true, can_guess: self.learns_ahead, is_guess: false };
        for index in 0..self.recipe.steps.len() {
            let (name, line) = (self.recipe.steps[index].name, self.recipe.steps[index].line);
            let goes_on = self.schedule_step(index, &mut schedule, &mut certainty);
            // What the rows make impossible says its step already, and is of no line of the recipe.
            let located =
                |e: Error| if e.step().is_some() { e } else { e.in_step(index, name).at_line(line) };
            match goes_on.map_err(located) {
                Ok(true) => schedule.reached += 1,
                // Whether there is an error shows when what was guessed is known.
                Err(error) if certainty.may_excuse(&error) => break,
                Err(error) => return Err(error),
                Ok(false) => break,
            }
        }
        schedule.needs_row_numbers |= schedule.fits.iter().any(|fit| fit.learning.needs_row_numbers());
        Ok(schedule)
    }

    /// Puts a step into the schedule; false: neither it nor any later one can be yet.
    fn schedule_step(
        &mut self,
        index: usize,
        schedule: &mut Schedule,
        certainty: &mut Certainty,
    ) -> Result<bool, Error> {
        let Schedule { graph, columns, fits, held, needs_row_numbers, .. } = schedule;
        let name = self.recipe.steps[index].name;
        let places = match self.places(index, graph, certainty.is_final)? {
            Some(places) => places,
            None if !certainty.can_guess => return Ok(false),
            None => {
                certainty.is_guess = true;
                let Some(places) = self.places(index, graph, true)? else { return Ok(false) };
                places
            }
        };
        let is_whole = |graph: &Graph, places: &[usize]| {
            places.iter().all(|place| graph.known_at(*place) == Known::Whole)
        };
        if !certainty.is_guess && is_whole(graph, &places) {
            self.settle(index, graph, &places)?;
        }
        if let Stage::Fitted { fitted, .. } = &self.stages[index] {
            reserve_columns(columns, fitted.as_ref())?;
            // Later steps learn from what the rows of the fit will be.
            let training = fitted.training();
            *needs_row_numbers |= training.is_some();
            let fitted = training.unwrap_or_else(|| Arc::clone(fitted));
            graph.push_fitted(index, name, fitted, &places)?;
            return Ok(true);
        }
        let mut with_target = places.clone();
        if let Some(target) = self.recipe.steps[index].step.target() {
            match target_place(graph, target, &places) {
                // It may still be made.
                Err(_) if !certainty.is_final => return Ok(false),
                place => with_target.push(place?),
            }
        }
        let taken = graph.columns_at(&with_target);
        let bound = self.recipe.steps[index].step.bind(&taken)?;
        let inputs: Vec<String> = taken.into_iter().take(places.len()).map(|c| c.name).collect();
        if let Some(fitted) = bound.fitted() {
            reserve_columns(columns, fitted.as_ref())?;
            let fitted: Arc<dyn FittedStep> = fitted.into();
            if is_whole(graph, &places) && certainty.is_final {
                self.stages[index] = Stage::Fitted { fitted: Arc::clone(&fitted), inputs, reservation: None };
            }
            graph.push_fitted(index, name, fitted, &places)?;
            return Ok(true);
        }
        let preview = bound.preview();
        let provisional = if self.learns_ahead { bound.provisional() } else { None };
        if matches!(self.stages[index], Stage::Foreseen) {
            let columns = match &provisional {
                Some(provisional) => {
                    let made = provisional.step.outputs(&graph.columns_at(&places), true)?;
                    made.into_iter().map(|group| group.into_iter().map(|o| o.column).collect()).collect()
                }
                None => {
                    certainty.is_final &= preview.is_final;
                    certainty.can_guess &= preview.is_final;
                    preview.columns
                }
            };
            let is_by_column = bound.start().is_by_column();
            graph.push_fitted(index, name, Arc::new(Foreseen { columns, is_by_column }), &places)?;
            return Ok(true);
        }
        let values: Vec<usize> = with_target.iter().map(|p| graph.table()[*p]).collect();
        let is_ready = !certainty.is_guess && is_whole(graph, &with_target);
        let is_ready_ahead = self.learns_ahead
            && with_target.len() == places.len()
            && places.iter().all(|place| graph.known_at(*place) != Known::Nothing);
        let learning = match std::mem::replace(&mut self.stages[index], Stage::Waiting) {
            Stage::Continuing { state, reservation } => {
                held.push(reservation);
                Some(Learning::Now(state))
            }
            Stage::Waiting if is_ready => Some(Learning::Now(bound.start())),
            Stage::Waiting if is_ready_ahead => {
                let state = bound.start();
                let inputs = values.iter().map(|value| graph.value(*value));
                state.is_by_column().then(|| Learning::Ahead(Ahead::new(state, inputs)))
            }
            stage => {
                self.stages[index] = stage;
                None
            }
        };
        fits.extend(learning.map(|learning| StepFit { step: index, name, inputs, values, learning }));
        certainty.is_final &= preview.is_final;
        let provisional = provisional.map(|made| graph.push_provisional(index, name, made, &places));
        if !matches!(provisional, Some(Ok(()))) {
            certainty.can_guess &= preview.is_final;
            graph.push_preview(index, name, &places, preview.columns, Known::Nothing)?;
        }
        Ok(true)
    }

    /// Gives a step that has learnt ahead what it lacks, now that the steps before it are fitted. If it is not what
    /// it was begun for, it waits for a pass of its own.
    fn settle(&mut self, index: usize, graph: &Graph, places: &[usize]) -> Result<(), Error> {
        let stage = std::mem::replace(&mut self.stages[index], Stage::Waiting);
        let Stage::Ahead { ahead, mut reservation } = stage else {
            self.stages[index] = stage;
            return Ok(());
        };
        let columns = graph.columns_at(places);
        self.recipe.steps[index].step.bind(&columns)?;
        let values: Vec<usize> = places.iter().map(|place| graph.table()[*place]).collect();
        let needed = Bytes::from(ahead.finish_bytes());
        let is_granted = needed <= reservation.bytes() || reservation.try_resize(needed).is_ok();
        if is_granted && let Some(state) = ahead.settle(graph, &values) {
            let inputs = columns.into_iter().map(|c| c.name).collect();
            let stage = Stage::after(state, inputs, &mut reservation);
            self.stages[index] = stage.map_err(|e| e.in_step(index, self.recipe.steps[index].name))?;
        }
        Ok(())
    }

    /// The places of the columns that a step takes; `None`: not known before others are fitted.
    fn places(&self, index: usize, graph: &Graph, is_final: bool) -> Result<Option<Vec<usize>>, Error> {
        let step = &self.recipe.steps[index];
        if let Stage::Fitted { inputs, .. } = &self.stages[index] {
            return Ok(graph.places(inputs).ok());
        }
        let columns = graph.columns();
        let takes_the_others = step.step.takes_the_others();
        match step.selection.select(&columns, is_final, &self.recipe.targets())? {
            Selected::NotYet => Ok(None),
            Selected::Columns(_) if takes_the_others && !is_final => Ok(None),
            Selected::Columns(places) if takes_the_others => {
                let mut is_taken = vec![true; columns.len()];
                places.into_iter().for_each(|p| is_taken[p] = false);
                Ok(Some((0..columns.len()).filter(|p| is_taken[*p]).collect()))
            }
            Selected::Columns(places) => Ok(Some(places)),
        }
    }
}

/// The place of a step's target, which is none of its columns.
fn target_place(graph: &Graph, target: &str, columns: &[usize]) -> Result<usize, Error> {
    let known = || graph.columns().into_iter().map(|c| c.name).collect();
    let place = graph.places(&[target.to_owned()]).ok().and_then(|mut places| places.pop());
    let place = place
        .ok_or_else(|| Error::new(ErrorKind::UnknownColumn { name: target.to_owned(), known: known() }))?;
    if columns.contains(&place) {
        let expected = "columns besides the target; put it under `exclude`";
        return Err(Error::parameter("columns", format!("with the target `{target}`"), expected));
    }
    Ok(place)
}

/// Reserves what is noted of the columns that a step makes, before any of them is made.
fn reserve_columns(reservation: &mut Reservation, fitted: &dyn FittedStep) -> Result<(), Error> {
    let columns = fitted.width();
    reservation
        .try_grow(Bytes::from(columns * COLUMN_BYTES))
        .map_err(|refusal| Error::new(ErrorKind::TooWide { columns, refusal }))
}
