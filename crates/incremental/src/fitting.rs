//! The passes of a fit: which steps can learn from the next pass over the input, and what they have learnt.
//!
//! A step can learn as soon as every step that made its columns is fitted. Steps that touch different
//! columns learn in the same pass; a scaler behind an imputer of the same column waits for the next.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{filter, filter_record_batch};
use arrow::record_batch::RecordBatch;
use monitor::{BudgetExceeded, Bytes, Monitor, Reservation};

use crate::column::Column;
use crate::earlier::Earlier;
use crate::error::{Error, ErrorKind};
use crate::fit_file::PassSeen;
use crate::graph::{COLUMN_BYTES, Graph, Plan};
use crate::pipeline::{Pipeline, PipelineStep};
use crate::recipe::Recipe;
use crate::selection::Selected;
use crate::split::Split;
use crate::state_text;
use crate::step::{Fit, FitState, FittedStep};

/// A fit of a recipe on an input, pass by pass.
///
/// ```
/// use std::sync::Arc;
/// use arrow::array::{ArrayRef, Int8Array};
/// use arrow::record_batch::RecordBatch;
/// use incremental::{Column, Fitting, Recipe};
/// use monitor::Monitor;
///
/// let age: ArrayRef = Arc::new(Int8Array::from(vec![Some(1), None, Some(3)]));
/// let batch = RecordBatch::try_from_iter([("age", age)])?;
/// let columns: Vec<Column> = batch.schema().fields().iter().filter_map(|f| Column::of(f)).collect();
///
/// let recipe = Recipe::parse("version = 1\n[[steps]]\nuse = \"simple_imputer\"\ncolumns = [\"age\"]\n")?;
/// let mut fitting = Fitting::new(recipe, &columns, &Monitor::unbounded());
/// while let Some(mut pass) = fitting.next_pass()? {
///     let wanted = batch.project(pass.projection())?;
///     pass.update(&wanted, 0)?;
///     fitting.finish_pass(pass)?;
/// }
/// let pipeline = fitting.finish()?.bind(&columns, true)?;
/// let filled = pipeline.transform(&batch, 0)?;
/// assert_eq!(format!("{:?}", filled.column(0)).matches("2.0").count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Fitting {
    pub(crate) recipe: Recipe,
    pub(crate) input: Vec<Column>,
    monitor: Monitor,
    stages: Vec<Stage>,
    passes: usize,
    /// What passes have seen that are to be written.
    pub(crate) earlier: Earlier,
    /// A pass that was begun and is to be given again.
    put_back: Option<Pass>,
}

/// How far a step's fit is.
enum Stage {
    Waiting,
    /// Fitted partly; the state takes another pass.
    Continuing(Box<dyn FitState>),
    Fitted {
        fitted: Arc<dyn FittedStep>,
        /// The columns that the selection came to.
        inputs: Vec<String>,
    },
}

/// One pass over the input. Several workers share it as [siblings](Pass::sibling) that are
/// [merged](Pass::merge) in any order.
pub struct Pass {
    number: usize,
    /// The columns so far, and what they hold of the budget.
    graph: Arc<(Graph, Reservation)>,
    /// Computes the inputs of the states, all behind one another.
    plan: Arc<Plan>,
    fits: Vec<StepFit>,
    /// The rows that the states do not see.
    split: Option<Split>,
    /// Whether a state or a step before it tells rows apart by their numbers.
    needs_row_numbers: bool,
    rows: u64,
    reservation: Reservation,
}

struct StepFit {
    step: usize,
    name: &'static str,
    inputs: Vec<String>,
    /// The arrays that the state takes: the inputs, and the target if there is one.
    arrays: usize,
    state: Box<dyn FitState>,
}

impl Fitting {
    /// A fit of `recipe` on an input with these columns. States are reserved from the monitor's budget.
    pub fn new(recipe: Recipe, input: &[Column], monitor: &Monitor) -> Fitting {
        let stages = recipe.steps.iter().map(|_| Stage::Waiting).collect();
        Fitting {
            recipe,
            input: input.to_vec(),
            monitor: monitor.clone(),
            stages,
            passes: 0,
            earlier: Earlier::default(),
            put_back: None,
        }
    }

    /// Passes begun so far.
    pub fn passes(&self) -> usize {
        self.passes
    }

    /// The next pass over the input; `None` when every step is fitted.
    ///
    /// # Errors
    /// A selection that matches nothing, a column that its step cannot take, or a refusal of the budget.
    pub fn next_pass(&mut self) -> Result<Option<Pass>, Error> {
        if let Some(pass) = self.put_back.take() {
            return Ok(Some(pass));
        }
        let input = Bytes::from(self.input.len() * COLUMN_BYTES);
        let mut columns = self.monitor.budget().consumer("columns made").try_reserve(input)?;
        let mut graph = Graph::new(&self.input, true);
        let mut is_final = true;
        let mut needs_row_numbers = false;
        let mut fits: Vec<(StepFit, Vec<usize>)> = Vec::new();
        for index in 0..self.recipe.steps.len() {
            let (name, line) = (self.recipe.steps[index].name, self.recipe.steps[index].line);
            let located = |e: Error| e.in_step(index, name).at_line(line);
            let Some(places) = self.places(index, &graph, is_final).map_err(located)? else { break };
            if let Stage::Fitted { fitted, .. } = &self.stages[index] {
                reserve_columns(&mut columns, fitted.as_ref()).map_err(located)?;
                // Later steps learn from what the rows of the fit will be.
                let training = fitted.training();
                needs_row_numbers |= training.is_some();
                let fitted = training.unwrap_or_else(|| Arc::clone(fitted));
                graph.push_fitted(index, name, fitted, &places).map_err(located)?;
                continue;
            }
            let mut with_target = places.clone();
            if let Some(target) = self.recipe.steps[index].step.target() {
                match target_place(&graph, target, &places) {
                    // It may still be made.
                    Err(_) if !is_final => break,
                    place => with_target.push(place.map_err(located)?),
                }
            }
            let taken = graph.columns_at(&with_target);
            let bound = self.recipe.steps[index].step.bind(&taken).map_err(located)?;
            let inputs: Vec<String> = taken.into_iter().take(places.len()).map(|c| c.name).collect();
            if let Some(fitted) = bound.fitted() {
                reserve_columns(&mut columns, fitted.as_ref()).map_err(located)?;
                let fitted: Arc<dyn FittedStep> = fitted.into();
                if places.iter().all(|p| graph.value(graph.table()[*p]).is_ready) && is_final {
                    self.stages[index] = Stage::Fitted { fitted: Arc::clone(&fitted), inputs };
                }
                graph.push_fitted(index, name, fitted, &places).map_err(located)?;
                continue;
            }
            let preview = bound.preview();
            let values: Vec<usize> = with_target.iter().map(|p| graph.table()[*p]).collect();
            if values.iter().all(|v| graph.value(*v).is_ready) {
                let state = match std::mem::replace(&mut self.stages[index], Stage::Waiting) {
                    Stage::Continuing(state) => state,
                    _ => bound.start(),
                };
                fits.push((StepFit { step: index, name, inputs, arrays: values.len(), state }, values));
            }
            is_final &= preview.is_final;
            graph.push_preview(index, name, &places, preview.columns).map_err(located)?;
        }
        if fits.is_empty() {
            return Ok(None);
        }
        self.passes += 1;
        let (fits, wanted): (Vec<StepFit>, Vec<_>) = fits.into_iter().unzip();
        let wanted = wanted.concat();
        needs_row_numbers |= fits.iter().any(|fit| fit.state.needs_row_numbers());
        let plan = Arc::new(graph.plan(wanted));
        let held = Bytes::from(held_by(&fits));
        let reservation = self.monitor.budget().consumer("fit state").try_reserve(held)?;
        Ok(Some(Pass {
            number: self.passes,
            graph: Arc::new((graph, columns)),
            plan,
            fits,
            split: self.recipe.split,
            needs_row_numbers,
            rows: 0,
            reservation,
        }))
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

    /// Ends a pass: its steps are fitted, or ready for another pass.
    ///
    /// # Errors
    /// What the rows together make impossible, such as a parameter that contradicts them.
    pub fn finish_pass(&mut self, mut pass: Pass) -> Result<(), Error> {
        // What is learnt is about as large as the state that it is made from, and for a moment both are there.
        let held = pass.reservation.bytes();
        pass.reservation.try_grow(held).map_err(|refusal| refused(&pass.fits, refusal))?;
        for StepFit { step, name, inputs, state, .. } in pass.fits {
            self.stages[step] = match state.finish().map_err(|e| e.in_step(step, name))? {
                Fit::Done(fitted) => Stage::Fitted { fitted: fitted.into(), inputs },
                Fit::Again(state) => Stage::Continuing(state),
            };
        }
        Ok(())
    }

    /// Ends a pass whose states are to be written with those of later passes.
    pub(crate) fn finish_remembered(&mut self, pass: Pass) -> Result<(), Error> {
        let copied = pass.reserve_copy()?;
        self.earlier.add(&pass, &self.monitor)?;
        drop(copied);
        self.finish_pass(pass)
    }

    /// Notes what the passes so far have seen, as it was written.
    pub(crate) fn remember(&mut self, passes: &[PassSeen], lines: &str) -> Result<(), Error> {
        self.earlier = Earlier::new(passes, lines, &self.monitor)?;
        Ok(())
    }

    /// Gives a pass back that was begun and not used: it will be the next.
    pub(crate) fn put_back(&mut self, pass: Pass) {
        self.put_back = Some(pass);
    }

    /// # Panics
    /// If there was a pass whose states are forgotten.
    pub(crate) fn assert_remembered(&self) {
        let begun = self.passes - usize::from(self.put_back.is_some());
        assert!(begun == self.earlier.passes.len(), "a pass was made that no partial state holds");
    }

    /// The fitted pipeline.
    ///
    /// # Errors
    /// As [`next_pass`](Self::next_pass), if a pass is still to be made.
    ///
    /// # Panics
    /// If [`next_pass`](Self::next_pass) has not given `None` yet.
    pub fn finish(self) -> Result<Pipeline, Error> {
        let mut steps = Vec::with_capacity(self.stages.len());
        for (stage, step) in self.stages.into_iter().zip(&self.recipe.steps) {
            let Stage::Fitted { fitted, inputs } = stage else {
                panic!("a pass over the input is still to be made")
            };
            steps.push(PipelineStep { name: step.name, inputs, fitted });
        }
        Ok(Pipeline {
            input: self.input,
            steps,
            split: self.recipe.split,
            is_training: false,
            is_apart: false,
        })
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
fn row_of(training: &BooleanBuffer, first_row: u64, row: u64) -> u64 {
    let place = training.set_indices().nth((row - first_row) as usize);
    first_row + place.unwrap_or(0) as u64
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

/// The error for states that the budget has refused: about the largest of them.
fn refused(fits: &[StepFit], refusal: BudgetExceeded) -> Error {
    let largest = fits.iter().max_by_key(|fit| fit.state.heap_bytes());
    match largest.and_then(|fit| Some((fit, fit.state.instead()?))) {
        None => refusal.into(),
        Some((fit, instead)) => {
            let held = Bytes::from(fit.state.heap_bytes());
            Error::new(ErrorKind::VocabularyFull { held, instead, refusal }).in_step(fit.step, fit.name)
        }
    }
}

/// Bytes that states hold on the heap.
fn held_by(fits: &[StepFit]) -> usize {
    fits.iter().map(|fit| fit.state.heap_bytes()).sum()
}

impl Pass {
    /// The columns of the input that the pass reads, by place, in input order.
    pub fn projection(&self) -> &[usize] {
        self.plan.sources()
    }

    /// Takes a batch of the columns [`projection`](Self::projection). `first_row` is the number of its first
    /// row in the whole input.
    ///
    /// # Errors
    /// A value that a step cannot compute with; a refusal of the budget. The pass is of no use afterwards.
    ///
    /// # Panics
    /// If the batch has fewer columns than the projection.
    pub fn update(&mut self, batch: &RecordBatch, first_row: u64) -> Result<(), Error> {
        match self.split.map(|split| split.training(first_row, batch.num_rows())) {
            None => self.see(batch.columns(), first_row, None)?,
            Some(training) if self.needs_row_numbers => {
                self.see(batch.columns(), first_row, Some(&training))?;
            }
            Some(training) => {
                // Before any step, which might refuse a row that the fit is not to see.
                let kept = filter_record_batch(batch, &BooleanArray::new(training.clone(), None))?;
                let seen = self.see(kept.columns(), first_row, None);
                seen.map_err(|e| e.map_row(|row| row_of(&training, first_row, row)))?;
            }
        }
        // Those that are kept from the fit included: it is the input that shards have to agree on.
        self.rows += batch.num_rows() as u64;
        self.resize()
    }

    /// Takes the rows of a batch that `training` says, or all of them.
    fn see(
        &mut self,
        columns: &[ArrayRef],
        first_row: u64,
        training: Option<&BooleanBuffer>,
    ) -> Result<(), Error> {
        let arrays = self.graph.0.run(&self.plan, columns, first_row)?;
        let mut rest: &[ArrayRef] = &arrays;
        for fit in &mut self.fits {
            let (inputs, tail) = rest.split_at(fit.arrays);
            rest = tail;
            let updated = match training {
                None => fit.state.update(inputs, first_row),
                Some(training) => update_some(fit.state.as_mut(), inputs, first_row, training),
            };
            updated.map_err(|e| e.in_step(fit.step, fit.name))?;
        }
        Ok(())
    }

    fn resize(&mut self) -> Result<(), Error> {
        let held = Bytes::from(held_by(&self.fits));
        self.reservation.try_resize(held).map_err(|refusal| refused(&self.fits, refusal))
    }

    /// The same pass without any row: for another worker, another shard, or another part of the input.
    ///
    /// # Errors
    /// A refusal of the budget.
    pub fn sibling(&self) -> Result<Pass, Error> {
        let fits: Vec<StepFit> = self
            .fits
            .iter()
            .map(|fit| StepFit {
                step: fit.step,
                name: fit.name,
                inputs: fit.inputs.clone(),
                arrays: fit.arrays,
                state: fit.state.identity(),
            })
            .collect();
        let held = Bytes::from(held_by(&fits));
        Ok(Pass {
            number: self.number,
            graph: Arc::clone(&self.graph),
            plan: Arc::clone(&self.plan),
            fits,
            split: self.split,
            needs_row_numbers: self.needs_row_numbers,
            rows: 0,
            reservation: self.reservation.consumer().try_reserve(held)?,
        })
    }

    /// Takes the rows that a [sibling](Self::sibling) has seen. Siblings may be merged in any order and tree,
    /// whichever rows they have seen: the pipeline is the same to the bit.
    ///
    /// # Errors
    /// A refusal of the budget.
    ///
    /// # Panics
    /// If `other` is no sibling.
    pub fn merge(&mut self, other: Pass) -> Result<(), Error> {
        assert!(
            Arc::ptr_eq(&self.graph, &other.graph) && self.number == other.number,
            "only siblings of one pass are merged"
        );
        for (fit, other) in self.fits.iter_mut().zip(other.fits) {
            fit.state.merge(other.state);
        }
        self.rows += other.rows;
        self.resize()
    }

    /// How many steps learn in the pass.
    pub(crate) fn states(&self) -> usize {
        self.fits.len()
    }

    /// Rows that were seen.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        held_by(&self.fits)
    }

    /// Reserves what writing the states takes: some are sorted in a copy.
    pub(crate) fn reserve_copy(&self) -> Result<Reservation, Error> {
        Ok(self.reservation.consumer().try_reserve(Bytes::from(self.heap_bytes()))?)
    }

    /// Writes what the states have seen, a line for each.
    pub(crate) fn encode(&self, out: &mut dyn Write) -> Result<(), Error> {
        self.fits.iter().try_for_each(|fit| {
            fit.state.encode(out).map_err(|e| e.in_step(fit.step, fit.name))?;
            out.write_all(b"\n").map_err(|e| Error::new(ErrorKind::Io(e)))
        })
    }

    /// Takes what [`encode`](Self::encode) has written of `rows` rows, in place of what was seen.
    pub(crate) fn decode<'a>(
        &mut self,
        lines: impl Iterator<Item = &'a str>,
        rows: u64,
    ) -> Result<(), Error> {
        /// What is read of a text takes no more than this many times its bytes, beside what a state of nothing does:
        /// an entry of a table of numbers has six bytes at the least, and takes forty twice.
        const BYTES_A_BYTE: usize = 16;
        let mut lines = lines;
        for index in 0..self.fits.len() {
            let line = lines.next().ok_or_else(state_text::contradiction)?;
            let reading = Bytes::from(line.len().saturating_mul(BYTES_A_BYTE));
            self.reservation.try_grow(reading)?;
            let fit = &mut self.fits[index];
            fit.state = fit.state.decode(line).map_err(|e| e.in_step(fit.step, fit.name))?;
            self.resize()?;
        }
        if lines.next().is_some() {
            return Err(state_text::contradiction());
        }
        self.rows = rows;
        Ok(())
    }
}
