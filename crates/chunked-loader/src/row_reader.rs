//! Reads ranges of rows into batches: the work of one thread of a pass.

use std::sync::{Arc, Mutex, PoisonError};

use monitor::{Budget, Bytes, Consumer, Reservation};

use crate::batch::Batch;
use crate::batch_builder::{BatchBuilder, BatchPlan};
use crate::columnar::ColumnarRows;
use crate::error::{Error, ErrorKind};
use crate::preface;
use crate::side_work::SideWork;
use crate::sizing::BatchLimit;
use crate::source::{Input, OpenFile, SourceFile};
use crate::spares::{Room, Spares};
use crate::walker::{Gait, Walker};

/// What all threads of a pass read from.
pub(crate) struct Reading {
    pub(crate) plan: Arc<BatchPlan>,
    pub(crate) files: Vec<SourceFile>,
    pub(crate) gait: Gait,
    pub(crate) budget: Budget,
    pub(crate) spares: Arc<Spares>,
    /// Holds the dictionaries, from the first reader on.
    pub(crate) dictionaries_held: Mutex<Option<Reservation>>,
    /// Threads that may be at work on it.
    pub(crate) threads: usize,
    pub(crate) side_work: Option<Arc<dyn SideWork>>,
}

/// Reads rows, one range behind the other.
pub(crate) struct RowReader {
    reading: Arc<Reading>,
    walker: Walker,
    builder: BatchBuilder,
    open: Option<OpenFile>,
    /// The file that is open, or the next one.
    file: usize,
    /// The row that the next range begins with, if it is the one behind the last.
    next_row: Option<u64>,
    /// First row of the batch in the making.
    first_row: u64,
    batches: Consumer,
}

/// What a batch came to.
pub(crate) enum Outcome {
    /// It is complete.
    Done(Option<Batch>),
    /// The budget has no room for the next row; whatever is done about it, [`ReadRows::go_on`] tries again.
    Refused(Error),
}

impl Reading {
    /// Whether streams are unpacked by a thread of their own.
    fn is_ahead(&self) -> bool {
        self.threads > 1
    }

    /// Refuses files that are not what was scanned, those included that no row is read from.
    ///
    /// # Errors
    /// [`ErrorKind::Changed`], or [`ErrorKind::Io`] for one that is gone.
    pub(crate) fn expect_scanned(&self) -> Result<(), Error> {
        self.files.iter().zip(&self.plan.scan.prints).try_for_each(|(file, print)| file.expect(print))
    }

    /// Holds the dictionaries of all batches, if they are not held yet.
    ///
    /// # Errors
    /// If the budget has no room for them.
    pub(crate) fn hold_dictionaries(&self) -> Result<(), Error> {
        let mut held = self.dictionaries_held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            let bytes = self.plan.dictionary_bytes();
            *held = Some(self.budget.consumer("dictionary").try_reserve(bytes)?);
        }
        Ok(())
    }

    /// A reader of the rows.
    ///
    /// # Errors
    /// If the budget has no room for what it reads in.
    pub(crate) fn reader(self: &Arc<Self>) -> Result<Box<dyn ReadRows>, Error> {
        Ok(match self.plan.scan.columnar.is_some() {
            false => Box::new(RowReader::new(self)?),
            true => Box::new(ColumnarRows::new(self)?),
        })
    }
}

/// Reads ranges of rows into batches: of text, or of files of columns.
pub(crate) trait ReadRows: Send {
    /// Turns to the rows `first..first + rows`.
    ///
    /// # Errors
    /// If a file cannot be opened, or is not the one that was scanned.
    fn begin(&mut self, first: u64, rows: u64) -> Result<(), Error>;

    /// Begins a batch in `room`, and reads it.
    ///
    /// # Errors
    /// As [`go_on`](Self::go_on).
    fn read(&mut self, limit: BatchLimit, room: Room) -> Result<Outcome, Error>;

    /// Goes on with the batch that was begun.
    ///
    /// # Errors
    /// If the input cannot be read, a record is bad and bad records fail, or the input is not what was scanned.
    fn go_on(&mut self) -> Result<Outcome, Error>;

    /// Rows of the range that are still to come.
    fn rows_left(&self) -> u64;

    /// Room for what `rows` rows take as a rule.
    ///
    /// # Errors
    /// If the budget has less.
    fn full_room(&self, rows: u64) -> Result<Room, Error>;

    /// The same, or none if that is not to be had: then the batch reserves piece by piece.
    ///
    /// # Errors
    /// If the budget has no room even for the reservation's bookkeeping, which it always has.
    fn room(&self, rows: u64) -> Result<Room, Error>;
}

impl ReadRows for RowReader {
    fn begin(&mut self, first: u64, rows: u64) -> Result<(), Error> {
        RowReader::begin(self, first, rows)
    }

    fn read(&mut self, limit: BatchLimit, room: Room) -> Result<Outcome, Error> {
        RowReader::read(self, limit, room)
    }

    fn go_on(&mut self) -> Result<Outcome, Error> {
        RowReader::go_on(self)
    }

    fn rows_left(&self) -> u64 {
        RowReader::rows_left(self)
    }

    fn full_room(&self, rows: u64) -> Result<Room, Error> {
        RowReader::full_room(self, rows)
    }

    fn room(&self, rows: u64) -> Result<Room, Error> {
        RowReader::room(self, rows)
    }
}

impl RowReader {
    /// # Errors
    /// If the budget has no room for a window, or for the dictionaries.
    pub(crate) fn new(reading: &Arc<Reading>) -> Result<RowReader, Error> {
        reading.hold_dictionaries()?;
        let walker = Walker::new(&reading.gait, &reading.budget.consumer("block"))?;
        Ok(RowReader {
            walker,
            builder: BatchBuilder::new(&reading.plan, &reading.spares),
            reading: Arc::clone(reading),
            open: None,
            file: 0,
            next_row: None,
            first_row: 0,
            batches: reading.budget.consumer("batch"),
        })
    }

    /// Turns to the rows `first..first + rows`.
    ///
    /// # Errors
    /// If a file cannot be opened, or is not the one that was scanned.
    pub(crate) fn begin(&mut self, first: u64, rows: u64) -> Result<(), Error> {
        if self.next_row == Some(first) {
            self.builder.begin_rows(0, rows);
        } else {
            let checkpoint = self.reading.plan.scan.checkpoints.before_row(first);
            let (file, row) = checkpoint.map_or((0, 0), |checkpoint| (checkpoint.file, checkpoint.row));
            self.open_file(file)?;
            let layout = self.reading.plan.scan.layouts.get(file).and_then(Option::as_ref);
            if let (Some(OpenFile { input: Input::Plain(file), .. }), Some(checkpoint), Some(layout)) =
                (&self.open, checkpoint, layout)
            {
                let input = Input::Plain(Arc::clone(file));
                self.walker.begin(input, layout.columns.len(), checkpoint.before, u64::MAX);
                self.builder.begin_rows(first - row, rows);
            } else {
                // A stream is read from its beginning, whatever is wanted of it.
                let before = self.reading.plan.scan.first_rows.get(file).copied().unwrap_or(0);
                self.builder.begin_rows(first - before, rows);
            }
        }
        self.first_row = first;
        self.next_row = Some(first + rows);
        Ok(())
    }

    /// Opens file `file`, or the first one behind it that has a record, in front of its records.
    fn open_file(&mut self, mut file: usize) -> Result<(), Error> {
        let scan = &self.reading.plan.scan;
        while file < self.reading.files.len() && scan.layouts[file].is_none() {
            file += 1;
        }
        self.open = None;
        self.file = file;
        let (Some(source), Some(Some(layout))) = (self.reading.files.get(file), scan.layouts.get(file))
        else {
            return Ok(());
        };
        let mut open = source.open(scan.encodings[file], &self.reading.budget, self.reading.is_ahead())?;
        if scan.prints.get(file) != Some(&open.fingerprint) {
            return Err(Error::new(ErrorKind::Changed).in_file(&source.name));
        }
        match open.take_input() {
            Input::Plain(file) => {
                let input = Input::Plain(file);
                self.walker.begin(input, layout.columns.len(), layout.before, u64::MAX);
            }
            stream => {
                let gait = &self.reading.gait;
                let window = self.walker.window();
                window.begin(stream, open.mark);
                let preface = preface::read(window, open.mark, &gait.dialect, gait.max_record_bytes);
                let preface = preface.map_err(|e| e.in_file(&source.name))?;
                if preface.is_none_or(|preface| preface.before != layout.before) {
                    return Err(Error::new(ErrorKind::Changed).in_file(&source.name));
                }
                self.walker.reset(layout.columns.len(), layout.before, u64::MAX);
            }
        }
        self.builder.begin_file(file, layout);
        self.open = Some(open);
        Ok(())
    }

    /// Begins a batch in `room`, and reads it.
    ///
    /// # Errors
    /// As [`go_on`](Self::go_on).
    pub(crate) fn read(&mut self, limit: BatchLimit, room: Room) -> Result<Outcome, Error> {
        self.builder.begin_batch(limit, room);
        self.go_on()
    }

    /// Goes on with the batch that was begun.
    ///
    /// # Errors
    /// If the input cannot be read, a record is bad and bad records fail, or the input is not what was scanned.
    pub(crate) fn go_on(&mut self) -> Result<Outcome, Error> {
        while !self.builder.is_full() {
            if self.open.is_none() {
                break;
            }
            let name = Arc::clone(&self.reading.files[self.file].name);
            let stepped = self.builder.step(&mut self.walker);
            let is_more = stepped.map_err(|e| self.explained(e).in_file(&name))?;
            if let Some(refusal) = self.builder.take_refusal() {
                if self.builder.may_be_cut() {
                    break;
                }
                return Ok(Outcome::Refused(refusal.in_file(&name)));
            }
            if !is_more {
                self.expect_unchanged()?;
                self.open_file(self.file + 1)?;
            }
        }
        // No batch is handed over whose rows may be others than those that were scanned.
        self.expect_unchanged()?;
        if self.open.is_none() && self.builder.rows_left() > 0 {
            // The scan has seen more rows than there are now.
            let name = self.reading.files.last().map(|file| Arc::clone(&file.name));
            let error = Error::new(ErrorKind::Changed);
            return Err(name.map_or_else(|| Error::new(ErrorKind::Changed), |name| error.in_file(&name)));
        }
        let batch = self.builder.finish(self.first_row)?;
        self.first_row += batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
        Ok(Outcome::Done(batch))
    }

    /// Refuses the open file if it has changed since it was opened.
    fn expect_unchanged(&self) -> Result<(), Error> {
        let Some(open) = &self.open else { return Ok(()) };
        let name = &self.reading.files[self.file].name;
        let is_unchanged = open.is_unchanged().map_err(|e| e.in_file(name))?;
        if is_unchanged { Ok(()) } else { Err(Error::new(ErrorKind::Changed).in_file(name)) }
    }

    /// An error of reading, or what is behind it: the scan has read the same records without it.
    fn explained(&self, error: Error) -> Error {
        match self.expect_unchanged() {
            Err(changed) if !matches!(error.kind(), ErrorKind::Changed | ErrorKind::Budget(_)) => changed,
            _ => error,
        }
    }

    /// Rows of the range that are still to come.
    pub(crate) fn rows_left(&self) -> u64 {
        self.builder.rows_left()
    }

    /// Room for what `rows` rows take as a rule.
    ///
    /// # Errors
    /// If the budget has less.
    pub(crate) fn full_room(&self, rows: u64) -> Result<Room, Error> {
        self.reading.spares.room(&self.batches, self.reading.plan.room(rows))
    }

    /// The same, or none if that is not to be had: then the batch reserves piece by piece.
    ///
    /// # Errors
    /// If the budget has no room even for the reservation's bookkeeping, which it always has.
    pub(crate) fn room(&self, rows: u64) -> Result<Room, Error> {
        self.full_room(rows).or_else(|_| self.reading.spares.room(&self.batches, Bytes::ZERO))
    }
}
