//! Batches without a scan before: one pass, each batch in the narrowest types of its own.
//!
//! ```text
//!  records of one batch ──► kinds, widths ──► facts of the batch ──► Batch
//!       │                       │ joined
//!       │ kept                  ▼                    build
//!       └─────────────── columns so far ────────────────┘
//! ```
//!
//! A batch is read, typed, and built from the bytes that were kept of it. The kinds of all batches so far are joined as
//! the exact scan joins those of ranges, so that at the end they are what the scan finds; the widths are each batch's
//! own.

mod cutter;
mod so_far;

use std::io::Read;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use monitor::{Budget, Bytes, Reservation};

use crate::account::Account;
use crate::batch::Batch;
use crate::batch_builder::{BatchBuilder, BatchPlan};
use crate::checkpoints::Checkpoints;
use crate::column_scan::TypeHint;
use crate::dialect::Dialect;
use crate::downcast::Downcast;
use crate::error::{Error, ErrorKind};
use crate::position::Position;
use crate::preface;
use crate::progress::Meter;
use crate::rejects::Reject;
use crate::scan::{ColumnFacts, Opened, Scan, ScanPlan, Scanner, dictionary_bytes, no_timestamp_unit};
use crate::sizing::{BatchLimit, Sizing};
use crate::source::{Encoding, Format, Input, OpenFile, SourceFile};
use crate::spares::{Room, Spares};
use crate::walker::{Gait, Walker};

use cutter::{Cut, Cutter};
pub use so_far::{ColumnSoFar, Promotion};
use so_far::{Part, Running};

type HandReject = Box<dyn FnMut(&Reject<'_>) -> std::io::Result<()> + Send>;

/// An iterator over the batches of an input that was not scanned. After an error it is at its end.
///
/// The input is read once, from front to back, by the caller's thread. Each batch has a schema of its own: the
/// narrowest types that hold *its* values. The kinds of its columns are those of everything read so far: where a batch
/// contradicts what came before, its column has the joined [`Kind`](crate::Kind) from this batch on, text in the end,
/// and [`columns`](Self::columns) tells where. No value is ever rounded or dropped; what cannot be undone is the form of
/// numbers in batches that were given before their column turned out to be text (`1.50` is 1.5 there, and an unquoted
/// `NA` null). Where that matters, [scan](crate::Loader::scan) first.
///
/// As long as a column has shown nothing but tokens like `NA` or empty quoted fields, nobody can know whether they are
/// null: such batches are given as text. In types that are narrower than text, they are null.
///
/// A file without a mark of its encoding is taken for UTF-8, since what stands further on is not known; name the
/// [encoding](crate::Loader::with_encoding) if it is another.
///
/// What a batch takes is reserved from the budget, and so are its records until it is built. *Not* counted are a few
/// hundred bytes for each column.
pub struct UnscannedBatches {
    plan: Arc<ScanPlan>,
    files: Vec<SourceFile>,
    opened: Opened,
    options: Options,
    held: Reservation,
    /// Goes through the input.
    walker: Walker,
    /// Goes through the records that are kept of a batch.
    rereader: Walker,
    cutter: Cutter,
    columns: Vec<Running>,
    told: Vec<ColumnSoFar>,
    open: Option<OpenFile>,
    /// The file that is open, or the next one.
    file: usize,
    /// Bytes of the files before it, and of all that was read, as they are stored.
    before_file: u64,
    read: u64,
    next_row: u64,
    rows: u64,
    rejected: u64,
    account: Account,
    raw: Vec<u8>,
    on_reject: Option<HandReject>,
    meter: Meter,
    is_done: bool,
}

/// How the batches are made.
pub(crate) struct Options {
    pub(crate) projection: Option<Vec<usize>>,
    pub(crate) downcast: Downcast,
    pub(crate) gait: Gait,
    pub(crate) sizing: Box<dyn Sizing>,
    pub(crate) budget: Budget,
    pub(crate) rows: std::ops::Range<u64>,
    pub(crate) batches_kept: usize,
    pub(crate) is_ahead: bool,
}

/// Records that are kept, to be read again.
struct Kept {
    raw: Arc<Vec<u8>>,
    at: usize,
    end: usize,
}

impl Read for Kept {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = (&self.raw[self.at..self.end]).read(into)?;
        self.at += read;
        Ok(read)
    }
}

impl UnscannedBatches {
    pub(crate) fn new(
        plan: ScanPlan,
        files: Vec<SourceFile>,
        opened: Opened,
        options: Options,
        meter: Meter,
    ) -> Result<UnscannedBatches, Error> {
        let plan = Arc::new(plan);
        let share = dictionary_bytes(plan.names.len());
        let columns: Vec<Running> =
            plan.names.iter().zip(&plan.hints).map(|(name, hint)| Running::new(name, *hint, share)).collect();
        let (scan, batch) = (options.budget.consumer("scan"), options.budget.consumer("batch"));
        let block = options.budget.consumer("block");
        let range = &options.rows;
        let wanted = (range.start, range.end.saturating_sub(range.start));
        let built = options.projection.as_ref().map_or(plan.names.len(), Vec::len);
        let mut held = scan.try_reserve(Bytes::ZERO)?;
        held.try_resize(Bytes::from(columns.iter().map(Running::heap_bytes).sum::<usize>()))?;
        let cutter = Cutter::new(&plan, wanted, built, &scan, &batch)?;
        let (walker, mut rereader) =
            (Walker::new(&options.gait, &block)?, Walker::new(&options.gait, &block)?);
        // Its buffer is reserved before any batch is, which would leave no room for it.
        rereader.window().begin(Input::Stream(Box::new(std::io::empty())), 0);
        rereader.window().want(options.gait.sub_block)?;
        let told = columns.iter().map(|column| column.told.clone()).collect();
        let next_row = range.start;
        let account = Account::new(&options.budget, options.batches_kept, built);
        let mut batches = UnscannedBatches {
            plan,
            files,
            opened,
            options,
            held,
            walker,
            rereader,
            cutter,
            columns,
            told,
            open: None,
            file: 0,
            before_file: 0,
            read: 0,
            next_row,
            rows: 0,
            rejected: 0,
            account,
            raw: Vec::new(),
            on_reject: None,
            meter,
            is_done: false,
        };
        batches.open_file(0)?;
        Ok(batches)
    }

    /// Hands each rejected record to `on_reject`, in the order of the input; an error of it ends the pass as
    /// [`ErrorKind::Io`].
    pub fn with_on_reject(
        mut self,
        on_reject: impl FnMut(&Reject<'_>) -> std::io::Result<()> + Send + 'static,
    ) -> Self {
        self.on_reject = Some(Box::new(on_reject));
        self
    }

    /// The dialect, with what was found by looking filled in.
    pub fn dialect(&self) -> &Dialect {
        &self.opened.dialect
    }

    /// What the columns of the input are so far, those included that are not projected; once the iterator is at its
    /// end, what they are. Their kinds are then those that a scan of the same rows finds.
    pub fn columns(&self) -> &[ColumnSoFar] {
        &self.told
    }

    /// Rows given so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Records rejected so far; 0 unless bad records are skipped.
    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    /// The logical schema so far: the columns of the batches in their wide types, into which every batch since the last
    /// promotion to text can be cast without loss.
    pub fn schema(&self) -> SchemaRef {
        let fields = self.projection().into_iter().map(|column| {
            let told = &self.told[column];
            Field::new(&told.name, told.wide_type.clone(), true)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    fn projection(&self) -> Vec<usize> {
        self.options.projection.clone().unwrap_or_else(|| (0..self.columns.len()).collect())
    }

    /// Opens file `file`, or the first one behind it that has a record, in front of its records.
    fn open_file(&mut self, mut file: usize) -> Result<(), Error> {
        while file < self.files.len() && self.opened.layouts[file].is_none() {
            self.files[file].expect(&self.opened.prints[file])?;
            file += 1;
        }
        self.open = None;
        self.file = file;
        let (Some(source), Some(Some(layout))) = (self.files.get(file), self.opened.layouts.get(file)) else {
            return Ok(());
        };
        let Options { gait, budget, is_ahead, .. } = &self.options;
        let mut open = source.open(self.opened.encodings[file], budget, *is_ahead)?;
        if self.opened.prints.get(file) != Some(&open.fingerprint) {
            return Err(Error::new(ErrorKind::Changed).in_file(&source.name));
        }
        match open.take_input() {
            input @ Input::Plain(_) => {
                self.walker.begin(input, layout.columns.len(), layout.before, u64::MAX);
            }
            stream => {
                let window = self.walker.window();
                window.begin(stream, open.mark);
                preface::read(window, open.mark, &gait.dialect, gait.max_record_bytes)
                    .map_err(|e| e.in_file(&source.name))?;
                self.walker.reset(layout.columns.len(), layout.before, u64::MAX);
            }
        }
        self.cutter.begin_file(file, layout);
        self.open = Some(open);
        Ok(())
    }

    fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        let limit = self.limit();
        let columns = self.columns.iter().map(Running::begin_batch).collect();
        self.cutter.begin_batch(limit, columns, std::mem::take(&mut self.raw));
        while !self.cutter.is_full() && self.open.is_some() {
            let name = Arc::clone(&self.files[self.file].name);
            let stepped = self.cutter.step(&mut self.walker);
            self.report()?;
            let is_more = match stepped {
                Ok(is_more) => is_more,
                Err(error) if matches!(error.kind(), ErrorKind::Budget(_)) => {
                    return Err(error.in_file(&name));
                }
                Err(error) => {
                    // Half a record at the end is no bad record where somebody is still writing it.
                    self.expect_unchanged()?;
                    return Err(error.in_file(&name));
                }
            };
            let read = self.open.as_ref().map_or(0, |open| match open.input {
                Input::Plain(_) => self.walker.before().byte.min(open.fingerprint.bytes()),
                Input::Stream(_) => open.consumed_bytes(),
            });
            if let Some(refusal) = self.cutter.take_refusal() {
                return Err(refusal.in_file(&name));
            }
            self.read = self.read.max(self.before_file + read);
            if !is_more {
                self.expect_unchanged()?;
                self.before_file += self.opened.prints[self.file].bytes();
                self.open_file(self.file + 1)?;
            }
        }
        self.expect_unchanged()?;
        let (cut, reservation) = self.cutter.finish()?;
        let Some(first) = cut.first else {
            self.settle();
            return Ok(None);
        };
        self.meter.reach(self.read)?;
        let batch = self.make(cut, first, reservation)?;
        self.next_row += batch.num_rows() as u64;
        self.rows += batch.num_rows() as u64;
        self.account.finished(&batch);
        self.account.taken(batch.reserved());
        Ok(Some(batch))
    }

    /// Refuses the open file if it has changed since it was opened: no batch of a mixture is handed over.
    fn expect_unchanged(&self) -> Result<(), Error> {
        let Some(open) = &self.open else { return Ok(()) };
        let name = &self.files[self.file].name;
        let is_unchanged = open.is_unchanged().map_err(|e| e.in_file(name))?;
        if is_unchanged { Ok(()) } else { Err(Error::new(ErrorKind::Changed).in_file(name)) }
    }

    fn limit(&mut self) -> BatchLimit {
        let mut limit = self.options.sizing.next(&self.account.observe(Bytes::ZERO));
        limit.rows = limit.rows.max(1);
        limit
    }

    fn report(&mut self) -> Result<(), Error> {
        for rejected in std::mem::take(&mut self.cutter.rejected) {
            self.rejected += 1;
            let Some(on_reject) = &mut self.on_reject else { continue };
            let reject = Reject {
                file: &self.files[self.file].name,
                position: rejected.position,
                column: rejected.column.map(|column| self.plan.names[column].as_str()),
                reason: &rejected.reason,
                raw: &rejected.raw,
            };
            on_reject(&reject).map_err(Error::io)?;
        }
        Ok(())
    }

    /// Builds the batch of what was cut.
    fn make(
        &mut self,
        mut cut: Cut,
        first: (usize, Position),
        reservation: Reservation,
    ) -> Result<Batch, Error> {
        let raw = Arc::new(std::mem::take(&mut cut.raw));
        let facts = self.facts(&cut, &raw)?;
        self.held.try_resize(Bytes::from(self.columns.iter().map(Running::heap_bytes).sum::<usize>()))?;
        self.told = self.columns.iter().map(|column| column.told.clone()).collect();
        let dictionaries: usize = facts
            .iter()
            .filter_map(|facts| facts.dictionary.as_ref())
            .map(|values| arrow::array::Array::get_buffer_memory_size(values.as_ref()))
            .sum();
        let projection = self.projection();
        let plan = self.plan_of(facts, cut.rows as u64);
        let plan = Arc::new(BatchPlan::new(Arc::new(plan), &projection, self.plan.on_bad_record));
        // Each batch has types of its own, so that none can be built in another's buffers.
        let mut builder = BatchBuilder::new(&plan, &Arc::new(Spares::new(0)));
        builder.begin_rows(0, cut.rows as u64);
        let limit = BatchLimit { rows: cut.rows, bytes: Bytes::MAX, may_be_cut: false };
        builder.begin_batch(limit, Room { reservation, columns: None });
        let mut at = 0;
        for piece in &cut.pieces {
            let Some(layout) = &self.opened.layouts[piece.file] else { continue };
            let kept = Kept { raw: Arc::clone(&raw), at, end: piece.end };
            let input = Input::Stream(Box::new(kept));
            self.rereader.begin(input, layout.columns.len(), Position::START, u64::MAX);
            builder.begin_file(piece.file, layout);
            while !builder.is_full() && builder.step(&mut self.rereader)? {
                if let Some(refusal) = builder.take_refusal() {
                    return Err(refusal.in_file(&self.files[piece.file].name));
                }
            }
            at = piece.end;
        }
        self.rereader.window().close();
        let batch = builder.finish(self.next_row)?;
        let Some(mut batch) = batch.filter(|batch| batch.num_rows() == cut.rows) else {
            return Err(Error::new(ErrorKind::Changed));
        };
        batch.reserve_more(Bytes::from(dictionaries))?;
        (batch.file, batch.position) = first;
        batch.raw_bytes = cut.raw_bytes;
        self.raw = Arc::try_unwrap(raw).unwrap_or_default();
        Ok(batch)
    }

    /// What the columns of the batch are, under the kinds of all so far.
    fn facts(&mut self, cut: &Cut, raw: &Arc<Vec<u8>>) -> Result<Vec<ColumnFacts>, Error> {
        let (rows, downcast) = (cut.rows as u64, self.options.downcast);
        let parts = std::mem::take(&mut self.cutter.columns);
        let mut facts = Vec::with_capacity(parts.len());
        let mut late = Vec::with_capacity(parts.len());
        for (column, (running, part)) in self.columns.iter_mut().zip(parts).enumerate() {
            let made = match running.add(part, self.next_row, rows, downcast, &self.plan.rules) {
                Part::Facts(made) => Some(*made),
                Part::LateText => {
                    if let TypeHint::Fixed(_) = self.plan.hints[column] {
                        return Err(no_timestamp_unit(&running.told.name));
                    }
                    None
                }
            };
            late.push(made.is_none().then(|| running.begin_text()));
            facts.push(made);
        }
        if facts.iter().any(Option::is_none) {
            let mut at = 0;
            for piece in &cut.pieces {
                let Some(layout) = &self.opened.layouts[piece.file] else { continue };
                let kept = Kept { raw: Arc::clone(raw), at, end: piece.end };
                let input = Input::Stream(Box::new(kept));
                self.rereader.begin(input, layout.columns.len(), Position::START, u64::MAX);
                let mut scanner = Scanner::new(&self.plan, late, piece.file, layout, false);
                while scanner.step(&mut self.rereader)? {}
                late = scanner.columns;
                at = piece.end;
            }
            self.rereader.window().close();
        }
        let texts =
            late.into_iter().zip(&mut self.columns).zip(facts).filter_map(|((text, running), made)| {
                made.or_else(|| match running.text(text?, rows, downcast, &self.plan.rules) {
                    Part::Facts(made) => Some(*made),
                    Part::LateText => None,
                })
            });
        Ok(texts.collect())
    }

    /// The batch as an input of its own, of which every fact is known.
    fn plan_of(&self, columns: Vec<ColumnFacts>, rows: u64) -> Scan {
        let schema = Arc::new(Schema::new(columns.iter().map(ColumnFacts::field).collect::<Vec<_>>()));
        Scan {
            dialect: self.opened.dialect.clone(),
            columns: columns.into(),
            rows,
            rejected: 0,
            bytes: 0,
            schema,
            passes: 1,
            prints: Vec::new(),
            encodings: vec![Encoding::Utf8; self.files.len()],
            compressions: Vec::new(),
            layouts: Vec::new(),
            checkpoints: Checkpoints::default(),
            first_rows: Vec::new(),
            is_seekable: false,
            formats: vec![Format::Csv; self.files.len()],
            columnar: None,
        }
    }

    /// Settles what stayed open to the end.
    fn settle(&mut self) {
        self.columns.iter_mut().for_each(Running::settle);
        self.told = self.columns.iter().map(|column| column.told.clone()).collect();
    }
}

impl Iterator for UnscannedBatches {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let next = self.next_batch().transpose();
        self.is_done = !matches!(next, Some(Ok(_)));
        next
    }
}
