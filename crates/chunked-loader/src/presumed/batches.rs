//! The batches of an input whose types are presumed, in file order, and what they prove at the end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use arrow::datatypes::{DataType, SchemaRef};
use monitor::{Budget, Consumer, Tag};

use super::range_reader::RangeReader;
use super::tally::Tally;
use super::{Presumption, is_within_int32, schema_of};
use crate::batch::Batch;
use crate::batch_builder::BatchPlan;
use crate::checkpoints::{Checkpoint, Checkpoints};
use crate::column_scan::TypeHint;
use crate::delivery::{Delivery, Sizes};
use crate::downcast::Downcast;
use crate::error::{Error, ErrorKind};
use crate::field_rules::FieldRules;
use crate::layout::Layout;
use crate::position::Position;
use crate::progress::Meter;
use crate::rejects::OnBadRecord;
use crate::scan::{Chain, ColumnFacts, Ranges, Scan};
use crate::side_work::SideWork;
use crate::sizing::Sizing;
use crate::spares::Spares;
use crate::types::Kind;
use crate::walker::Gait;

/// An iterator over all batches of an input, all columns in them, whose types are presumed. After an error it is at its
/// end, and what it gave before is worth nothing: a value is not what was presumed, or the input cannot be read.
///
/// Its threads start with the first batch. Dropping it stops them and waits for them.
pub struct PresumedBatches {
    presumption: Presumption,
    threads: Threads,
    found: Found,
    meter: Meter,
    state: State,
}

/// The threads that make batches. Dropping it stops them and waits for them.
struct Threads {
    shared: Arc<Shared>,
    /// Threads that are not started yet.
    to_start: usize,
    running: Vec<JoinHandle<()>>,
    has_panicked: Arc<AtomicBool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    AtEnd,
    Failed,
}

/// What all threads have in common.
pub(super) struct Shared {
    pub(super) plan: Arc<BatchPlan>,
    pub(super) gait: Gait,
    pub(super) budget: Budget,
    pub(super) batches: Consumer,
    pub(super) spares: Arc<Spares>,
    pub(super) delivery: Delivery,
    pub(super) parts: Vec<Part>,
    /// Of all files.
    pub(super) names: Vec<Arc<str>>,
    /// Where the first record of some ranges has to begin.
    pub(super) firsts: Arc<BTreeMap<u64, u64>>,
    tallies: Mutex<Vec<Tally>>,
}

/// A file that has records.
pub(super) struct Part {
    pub(super) file: usize,
    pub(super) layout: Arc<Layout>,
    pub(super) ranges: Ranges,
    pub(super) chain: Chain<Counted>,
    /// The number of its first range, among those of all files.
    first_range: u64,
}

/// What a range came to.
#[derive(Default)]
pub(super) struct Counted {
    /// First byte of its first record; `None` if none begins in it.
    pub(super) first: Option<u64>,
    pub(super) rows: u64,
    pub(super) records: u64,
    pub(super) lines: u64,
}

/// What is known of the ranges before the one whose batches are given.
struct Found {
    /// Ranges of all files that are counted in.
    ranges: u64,
    rows: u64,
    /// In front of the range, in its file.
    before: Position,
    checkpoints: Checkpoints,
    /// Rows before each file.
    first_rows: Vec<u64>,
}

impl Shared {
    /// The part and, in it, the range that has a number among those of all files.
    pub(super) fn place(&self, number: u64) -> (usize, usize) {
        let part = self.parts.partition_point(|part| part.first_range <= number) - 1;
        (part, (number - self.parts[part].first_range) as usize)
    }

    pub(super) fn add(&self, tallies: &[Tally]) {
        let mut all = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter_mut().zip(tallies).for_each(|(tally, more)| tally.add(more));
    }

    fn stop(&self) {
        self.delivery.stop();
        self.parts.iter().for_each(|part| part.chain.stop());
    }
}

/// What the caller of [`PresumedBatches::new`] has to say.
pub(crate) struct Options {
    pub(crate) gait: Gait,
    pub(crate) sizing: Box<dyn Sizing>,
    pub(crate) budget: Budget,
    pub(crate) spares: Arc<Spares>,
    pub(crate) in_flight: usize,
    /// Ranges that are made, and wait, at a time.
    pub(crate) lines: usize,
    pub(crate) threads: usize,
    pub(crate) side_work: Option<Arc<dyn SideWork>>,
    pub(crate) names: Vec<Arc<str>>,
    pub(crate) meter: Meter,
}

impl PresumedBatches {
    pub(crate) fn new(presumption: Presumption, options: Options) -> Result<PresumedBatches, Error> {
        let Options { gait, sizing, budget, spares, in_flight, lines, threads, side_work, names, meter } =
            options;
        let all: Vec<usize> = (0..presumption.scan.columns.len()).collect();
        let plan = BatchPlan::new(Arc::clone(&presumption.scan), &all, OnBadRecord::Fail)
            .with_presumed(presumption.presumed(&budget)?);
        let mut parts = Vec::new();
        let mut ranges_before = 0;
        for (file, plain) in presumption.files.iter().enumerate() {
            let Some(plain) = plain else { continue };
            let ranges = Ranges {
                file: Arc::clone(&plain.file),
                before: plain.layout.before,
                bytes: plain.bytes,
                range: presumption.range,
                fields: plain.layout.columns.len(),
            };
            let count = ranges.count();
            let (chain, layout) = (Chain::new(count, usize::MAX), Arc::clone(&plain.layout));
            parts.push(Part { file, layout, ranges, chain, first_range: ranges_before });
            ranges_before += count as u64;
        }
        let plan = Arc::new(plan);
        let row_bytes = plan.scan.bytes as f64 / plan.scan.rows.max(1) as f64;
        // Some more: the rows of one range are as long as the mean only by chance.
        let rows_of_range = (presumption.range as f64 / row_bytes * 1.125) as u64 + 16;
        let sizes = Sizes::new(sizing, &budget, &spares, in_flight, &plan, 0..0);
        let sizes = sizes.of_ranges(ranges_before, rows_of_range);
        let shared = Shared {
            gait,
            batches: budget.consumer("batch"),
            spares,
            delivery: Delivery::new(sizes, lines, side_work),
            parts,
            names,
            firsts: Arc::clone(&presumption.firsts),
            tallies: Mutex::new(vec![Tally::default(); all.len()]),
            plan,
            budget,
        };
        let found = Found {
            ranges: 0,
            rows: 0,
            before: Position::START,
            checkpoints: Checkpoints::default(),
            first_rows: Vec::new(),
        };
        Ok(PresumedBatches {
            presumption,
            threads: Threads {
                shared: Arc::new(shared),
                to_start: threads,
                running: Vec::new(),
                has_panicked: Arc::default(),
            },
            found,
            meter,
            state: State::Running,
        })
    }

    /// The schema of every batch.
    pub fn schema(&self) -> &SchemaRef {
        &self.threads.shared.plan.schema
    }

    /// What was presumed, so that the same can be tried once more, if all that has failed is that texts were too many
    /// for a dictionary: they are plain then.
    pub fn into_wider(mut self) -> Option<Presumption> {
        self.threads.stop();
        let presumed = self.threads.shared.plan.presumed();
        let full = presumed.iter().enumerate().filter_map(|(column, presumed)| {
            presumed.growing.as_ref().is_some_and(|growing| growing.is_full()).then_some(column)
        });
        let full: Vec<usize> = full.collect();
        let presumption = self.presumption;
        if full.is_empty() { None } else { presumption.with_plain_texts(&full) }
    }

    fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        self.threads.start()?;
        let next = self.threads.shared.delivery.next();
        if self.threads.has_panicked.load(Ordering::Relaxed) {
            self.threads.stop();
        }
        let Some(batch) = next else {
            // Headers and blank lines are in no batch.
            self.meter.reach(self.presumption.scan.bytes)?;
            return Ok(None);
        };
        let mut batch = batch?;
        self.found.count_to(batch.range, &self.threads.shared);
        batch.first_row += self.found.rows;
        batch.position = batch.position.counted_from(self.found.before);
        self.meter.count(batch.raw_bytes())?;
        Ok(Some(batch))
    }

    /// What the whole input has proved to be: as a [scan](crate::Loader::scan) tells it, but for the texts of earliest and
    /// latest values and for witnesses.
    ///
    /// # Errors
    /// [`ErrorKind::Changed`](crate::ErrorKind::Changed) if a file was written meanwhile, or a column is not what was
    /// presumed after all.
    ///
    /// # Panics
    /// If the iterator is not at its end, or has given an error.
    pub fn finish(mut self) -> Result<Scan, Error> {
        assert!(self.state == State::AtEnd, "all batches were taken, and none was an error");
        let shared = Arc::clone(&self.threads.shared);
        let ranges = shared.parts.iter().map(|part| part.ranges.count() as u64).sum();
        self.found.count_to(ranges, &shared);
        self.found.first_rows.resize(shared.names.len(), self.found.rows);
        self.threads.stop();
        for (file, name) in self.presumption.files.iter().zip(&shared.names) {
            let Some(file) = file else { continue };
            if !file.open.is_unchanged().map_err(|e| e.in_file(name))? {
                return Err(Error::new(ErrorKind::Changed).in_file(name));
            }
        }
        let tallies = std::mem::take(&mut *shared.tallies.lock().unwrap_or_else(PoisonError::into_inner));
        let rules = FieldRules::new(&self.presumption.scan.dialect);
        let columns = std::mem::take(&mut self.presumption.columns);
        let presumed = self.presumption.scan.columns.iter().zip(shared.plan.presumed());
        let columns = presumed.zip(columns).zip(&tallies).map(|(((facts, presumed), mut column), tally)| {
            let mut tokens = tally.tokens.counts().to_vec();
            if !tokens.is_empty() {
                tokens.resize(rules.nulls.tokens().len(), 0);
            }
            let candidates = presumed.growing.as_ref().and_then(|growing| growing.take_candidates());
            column.take_counts(tally.nulls, tokens, (tally.text_bytes, candidates));
            column.int_range = tally.int_range.or(column.int_range);
            column.fits_float32_range &= tally.fits_float32_range;
            let rows = self.found.rows;
            let mut proved = ColumnFacts::new(&facts.name, &column, rows, self.presumption.downcast, &rules);
            (proved.extent, proved.text_witness) = (None, None);
            // Each kind but that of no values comes from a value.
            let has_its_values = (facts.kind == Kind::Null) == (tally.values == 0);
            let is_as_wide = match (facts.hint, tally.int_range) {
                (TypeHint::Fixed(_), _) | (_, None) => true,
                (_, Some(range)) => is_within_int32(range) == (facts.data_type == DataType::Int32),
            };
            let is_as_wide = is_as_wide || self.presumption.downcast == Downcast::None;
            let is_dictionary = |facts: &ColumnFacts| matches!(facts.data_type, DataType::Dictionary(..));
            // Whether a dictionary pays, only the whole input tells.
            let is_built_alike = is_dictionary(facts) == is_dictionary(&proved);
            match has_its_values && is_as_wide && is_built_alike && facts.kind == proved.kind {
                true => Ok(proved),
                false => Err(Error::new(ErrorKind::Changed).in_column(&facts.name)),
            }
        });
        let columns: Vec<ColumnFacts> = columns.collect::<Result<_, Error>>()?;
        let presumed = &self.presumption.scan;
        Ok(Scan {
            schema: schema_of(&columns),
            columns: columns.into(),
            rows: self.found.rows,
            checkpoints: std::mem::take(&mut self.found.checkpoints),
            first_rows: std::mem::take(&mut self.found.first_rows),
            ..Scan::clone(presumed)
        })
    }
}

impl Found {
    /// Counts the ranges before the one of a number, all of which are made.
    fn count_to(&mut self, number: u64, shared: &Shared) {
        while self.ranges < number {
            let (place, range) = shared.place(self.ranges);
            let part = &shared.parts[place];
            if range == 0 {
                self.begin_file(part);
            }
            self.ranges += 1;
            let Some(counted) = part.chain.collect() else { continue };
            if let Some(first) = counted.first {
                self.before.byte = first;
                let before = self.before;
                self.checkpoints.offer(Checkpoint { file: part.file, before, row: self.rows });
            }
            self.before.line += counted.lines;
            self.before.record += counted.records;
            self.rows += counted.rows;
        }
        if let Some(part) = shared.parts.iter().find(|part| part.first_range == number) {
            self.begin_file(part);
        }
    }

    fn begin_file(&mut self, part: &Part) {
        if self.first_rows.len() <= part.file {
            self.first_rows.resize(part.file + 1, self.rows);
            self.before = part.layout.before;
        }
    }
}

impl Iterator for PresumedBatches {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if matches!(self.state, State::AtEnd | State::Failed) {
            return None;
        }
        let next = self.next_batch().transpose();
        match &next {
            Some(Ok(_)) => {}
            None => self.state = State::AtEnd,
            Some(Err(_)) => {
                self.state = State::Failed;
                self.threads.shared.stop();
            }
        }
        next
    }
}

impl Threads {
    /// Starts the threads, if they are not started yet.
    fn start(&mut self) -> Result<(), Error> {
        for _ in 0..std::mem::take(&mut self.to_start) {
            let reader = match RangeReader::new(&self.shared) {
                Ok(reader) => reader,
                // One thread is enough; the others are for speed.
                Err(_) if !self.running.is_empty() => break,
                Err(error) => return Err(error),
            };
            let (shared, has_panicked) = (Arc::clone(&self.shared), Arc::clone(&self.has_panicked));
            let tag = Tag::current();
            let work = move || {
                let _under = tag.enter();
                let _guard = StopOnPanic(&shared, &has_panicked);
                reader.work();
            };
            match std::thread::Builder::new().name("tidegate-load".to_owned()).spawn(work) {
                Ok(thread) => self.running.push(thread),
                Err(_) if !self.running.is_empty() => break,
                Err(error) => return Err(Error::io(error)),
            }
        }
        Ok(())
    }

    fn stop(&mut self) {
        self.shared.stop();
        for thread in self.running.drain(..) {
            if let Err(panic) = thread.join()
                && !std::thread::panicking()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Stops the line when its thread panics, so that nobody waits for a batch that never comes.
struct StopOnPanic<'a>(&'a Shared, &'a AtomicBool);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.1.store(true, Ordering::Relaxed);
            self.0.stop();
        }
    }
}
