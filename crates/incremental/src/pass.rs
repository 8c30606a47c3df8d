//! One pass of a fit over the input: the states of the steps that learn in it.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use arrow::record_batch::RecordBatch;
use monitor::{BudgetExceeded, Bytes, Consumer, Reservation};

use crate::error::{Error, ErrorKind};
use crate::graph::{Graph, Plan};
use crate::learning::{Learning, StepFit, row_of};
use crate::schedule::Schedule;
use crate::split::Split;
use crate::state_text;

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

impl Pass {
    /// The pass in which these steps learn from columns of `graph`.
    pub(crate) fn new(
        number: usize,
        schedule: Schedule,
        split: Option<Split>,
        consumer: &Consumer,
    ) -> Result<Pass, Error> {
        let Schedule { graph, columns, fits, needs_row_numbers, held, .. } = schedule;
        // What states that go on hold already is part of what is reserved from here on.
        let mut held = held.into_iter();
        let mut reservation = match held.next() {
            Some(held) => held,
            None => consumer.try_reserve(Bytes::ZERO)?,
        };
        for other in held {
            let bytes = other.bytes();
            drop(other);
            reservation.try_grow(bytes)?;
        }
        let plan = graph.plan(fits.iter().flat_map(|fit| fit.values.iter().copied()).collect());
        let mut pass = Pass {
            number,
            graph: Arc::new((graph, columns)),
            plan: Arc::new(plan),
            fits,
            split,
            needs_row_numbers,
            rows: 0,
            reservation,
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
        for index in 0..self.fits.len() {
            let (inputs, tail) = rest.split_at(self.fits[index].values.len());
            rest = tail;
            self.learn(index, inputs, first_row, training)?;
        }
        Ok(())
    }

    /// Gives a state its inputs, as many rows at a time as it is granted the memory for.
    fn learn(
        &mut self,
        index: usize,
        inputs: &[Option<ArrayRef>],
        first_row: u64,
        training: Option<&BooleanBuffer>,
    ) -> Result<(), Error> {
        let rows = inputs.iter().flatten().map(|values| values.len()).max().unwrap_or(0);
        let mut from = 0;
        loop {
            let granted = self.grant(index, inputs, from, rows - from)?;
            let fit = &mut self.fits[index];
            let updated = if granted == rows {
                fit.learning.update(inputs, first_row, training)
            } else {
                let training = training.map(|training| training.slice(from, granted));
                let part = rows_of(inputs, from, granted);
                fit.learning.update(&part, first_row + from as u64, training.as_ref())
            };
            updated.map_err(|e| e.in_step(fit.step, fit.name))?;
            from += granted;
            if from >= rows {
                return Ok(());
            }
        }
    }

    /// Reserves what a state takes for some rows of its inputs, and says how many: all that are left, unless that is
    /// much or is refused.
    fn grant(
        &mut self,
        index: usize,
        inputs: &[Option<ArrayRef>],
        from: usize,
        left: usize,
    ) -> Result<usize, Error> {
        let mut rows = left;
        loop {
            let learning = &self.fits[index].learning;
            let (held, taken) = (learning.heap_bytes(), learning.update_bytes(&rows_of(inputs, from, rows)));
            let is_much = taken.saturating_sub(held) > ASKED_AT_ONCE && rows > 1;
            let others = held_by(&self.fits) - held;
            let needed = Bytes::from(others.saturating_add(taken));
            if !is_much && (needed <= self.reservation.bytes() || self.reservation.try_resize(needed).is_ok())
            {
                return Ok(rows);
            }
            if rows <= 1 {
                let needed = move |fits: &[StepFit]| {
                    let others = held_by(fits) - fits[index].learning.heap_bytes();
                    others.saturating_add(fits[index].learning.update_bytes(&rows_of(inputs, from, rows)))
                };
                return self.reserve(needed).map(|()| rows);
            }
            rows = rows.div_ceil(2);
        }
    }

    /// Reserves what the states hold.
    fn resize(&mut self) -> Result<(), Error> {
        self.reserve(held_by)
    }

    /// Reserves what the end of the pass takes, as [`Fitting::finish_pass`](crate::Fitting::finish_pass) does: for callers
    /// that may give something up for it. After a refusal a step that has learnt ahead of others may need another pass.
    ///
    /// # Errors
    /// A refusal of the budget.
    pub fn reserve_finish(&mut self) -> Result<(), Error> {
        self.reserve(|fits| fits.iter().map(|fit| fit.learning.finish_bytes()).sum())
    }

    /// Reserves what is `needed` for the states. Where the budget refuses that, those that learn ahead wait for a pass
    /// of their own.
    fn reserve(&mut self, needed: impl Fn(&[StepFit]) -> usize) -> Result<(), Error> {
        let mut reserved = self.reservation.try_resize(Bytes::from(needed(&self.fits)));
        if reserved.is_err() {
            for fit in &mut self.fits {
                if let Learning::Ahead(ahead) = &mut fit.learning {
                    ahead.give_up();
                }
            }
            reserved = self.reservation.try_resize(Bytes::from(needed(&self.fits)));
        }
        reserved.map_err(|refusal| refused(&self.fits, refusal))
    }

    /// The same pass without any row: for another worker, another shard, or another part of the input.
    ///
    /// # Errors
    /// A refusal of the budget.
    pub fn sibling(&self) -> Result<Pass, Error> {
        let made = self.fits.iter().map(|fit| fit.learning.identity_bytes()).sum::<usize>();
        let mut reservation = self.reservation.consumer().try_reserve(Bytes::from(made))?;
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
        reservation.try_resize(Bytes::from(held_by(&fits)))?;
        Ok(Pass {
            number: self.number,
            graph: Arc::clone(&self.graph),
            plan: Arc::clone(&self.plan),
            fits,
            split: self.split,
            needs_row_numbers: self.needs_row_numbers,
            rows: 0,
            reservation,
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
        for (index, other) in other.fits.into_iter().enumerate() {
            self.reserve(|fits| {
                let learning = &fits[index].learning;
                held_by(fits) - learning.heap_bytes() + learning.merge_bytes(&other.learning)
            })?;
            self.fits[index].learning.merge(other.learning);
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

/// Memory for new values that is asked for at a time, more than for one row.
const ASKED_AT_ONCE: usize = 2 << 20;

/// Some rows of the inputs, from row `from` on.
fn rows_of(inputs: &[Option<ArrayRef>], from: usize, rows: usize) -> Vec<Option<ArrayRef>> {
    inputs.iter().map(|values| values.as_ref().map(|values| values.slice(from, rows))).collect()
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
