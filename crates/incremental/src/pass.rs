//! One pass of a fit over the input: the states of the steps that learn in it.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{filter, filter_record_batch};
use arrow::record_batch::RecordBatch;
use monitor::{BudgetExceeded, Bytes, Consumer, Reservation};

use crate::ahead::Ahead;
use crate::error::{Error, ErrorKind};
use crate::graph::{Graph, Plan};
use crate::schedule::Schedule;
use crate::split::Split;
use crate::state_text;
use crate::step::FitState;

/// One pass over the input. Several workers share it as [siblings](Pass::sibling) that are
/// [merged](Pass::merge) in any order.
pub struct Pass {
    pub(crate) number: usize,
    /// The columns so far, and what they hold of the budget.
    graph: Arc<(Graph, Reservation)>,
    /// Computes the inputs of the states, all behind one another.
    plan: Arc<Plan>,
    pub(crate) fits: Vec<StepFit>,
    /// The rows that the states do not see.
    split: Option<Split>,
    /// Whether a state or a step before it tells rows apart by their numbers.
    needs_row_numbers: bool,
    rows: u64,
    pub(crate) reservation: Reservation,
}

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
    fn update(
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

    fn identity(&self) -> Learning {
        match self {
            Learning::Now(state) => Learning::Now(state.identity()),
            Learning::Ahead(ahead) => Learning::Ahead(ahead.identity()),
        }
    }

    /// # Panics
    /// If the other does not learn in the same way.
    fn merge(&mut self, other: Learning) {
        match (self, other) {
            (Learning::Now(state), Learning::Now(other)) => state.merge(other),
            (Learning::Ahead(ahead), Learning::Ahead(other)) => ahead.merge(other),
            _ => panic!("only states of one step are merged"),
        }
    }

    fn encode(&self, out: &mut dyn Write) -> Result<(), Error> {
        match self {
            Learning::Now(state) => state.encode(out),
            Learning::Ahead(ahead) => ahead.encode(out),
        }
    }

    fn decode(&self, seen: &str) -> Result<Learning, Error> {
        Ok(match self {
            Learning::Now(state) => Learning::Now(state.decode(seen)?),
            Learning::Ahead(ahead) => Learning::Ahead(ahead.decode(seen)?),
        })
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Learning::Now(state) => state.heap_bytes(),
            Learning::Ahead(ahead) => ahead.heap_bytes(),
        }
    }

    pub(crate) fn needs_row_numbers(&self) -> bool {
        matches!(self, Learning::Now(state) if state.needs_row_numbers())
    }

    fn instead(&self) -> Option<&'static str> {
        match self {
            Learning::Now(state) => state.instead(),
            Learning::Ahead(_) => None,
        }
    }
}

impl Pass {
    /// The pass in which these steps learn from columns of `graph`.
    pub(crate) fn new(
        number: usize,
        schedule: Schedule,
        split: Option<Split>,
        consumer: &Consumer,
    ) -> Result<Pass, Error> {
        let Schedule { graph, columns, fits, needs_row_numbers, .. } = schedule;
        let plan = graph.plan(fits.iter().flat_map(|fit| fit.values.iter().copied()).collect());
        let mut pass = Pass {
            number,
            graph: Arc::new((graph, columns)),
            plan: Arc::new(plan),
            fits,
            split,
            needs_row_numbers,
            rows: 0,
            reservation: consumer.try_reserve(Bytes::from(0))?,
        };
        pass.resize()?;
        Ok(pass)
    }

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
        let arrays = self.graph.0.run_provisionally(&self.plan, columns, first_row)?;
        let mut rest: &[Option<ArrayRef>] = &arrays;
        for fit in &mut self.fits {
            let (inputs, tail) = rest.split_at(fit.values.len());
            rest = tail;
            let updated = fit.learning.update(inputs, first_row, training);
            updated.map_err(|e| e.in_step(fit.step, fit.name))?;
        }
        Ok(())
    }

    /// Reserves what the states hold.
    fn resize(&mut self) -> Result<(), Error> {
        self.reserve(|held| held)
    }

    /// Reserves what the end of the pass takes: what is learnt is about as large as the state that it is made from,
    /// and for a moment both are there.
    pub(crate) fn reserve_finish(&mut self) -> Result<(), Error> {
        self.reserve(|held| held.saturating_mul(2))
    }

    /// Reserves what is `needed` for states of so many bytes. Where the budget refuses that, those that learn ahead
    /// wait for a pass of their own.
    fn reserve(&mut self, needed: impl Fn(usize) -> usize) -> Result<(), Error> {
        let mut reserved = self.reservation.try_resize(Bytes::from(needed(held_by(&self.fits))));
        if reserved.is_err() {
            for fit in &mut self.fits {
                if let Learning::Ahead(ahead) = &mut fit.learning {
                    ahead.give_up();
                }
            }
            reserved = self.reservation.try_resize(Bytes::from(needed(held_by(&self.fits))));
        }
        reserved.map_err(|refusal| refused(&self.fits, refusal))
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
                values: fit.values.clone(),
                learning: fit.learning.identity(),
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
            fit.learning.merge(other.learning);
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
            fit.learning.encode(out).map_err(|e| e.in_step(fit.step, fit.name))?;
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
            fit.learning = fit.learning.decode(line).map_err(|e| e.in_step(fit.step, fit.name))?;
            self.resize()?;
        }
        if lines.next().is_some() {
            return Err(state_text::contradiction());
        }
        self.rows = rows;
        Ok(())
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

/// The error for states that the budget has refused: about the largest of them.
fn refused(fits: &[StepFit], refusal: BudgetExceeded) -> Error {
    let largest = fits.iter().max_by_key(|fit| fit.learning.heap_bytes());
    match largest.and_then(|fit| Some((fit, fit.learning.instead()?))) {
        None => refusal.into(),
        Some((fit, instead)) => {
            let held = Bytes::from(fit.learning.heap_bytes());
            Error::new(ErrorKind::VocabularyFull { held, instead, refusal }).in_step(fit.step, fit.name)
        }
    }
}

/// Bytes that states hold on the heap.
fn held_by(fits: &[StepFit]) -> usize {
    fits.iter().map(|fit| fit.learning.heap_bytes()).sum()
}
