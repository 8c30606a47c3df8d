//! Reads ranges of rows of files of columns into batches.
//!
//! All columns that are wanted are decoded side by side, a step of rows each, and batches are filled from the steps: where
//! one ends has nothing to do with where groups, pages or steps do.

use std::sync::Arc;

use monitor::{Bytes, Consumer, Reservation};

use super::ahead::{Ahead, Start};
use super::held::Held;
use super::open::{Open, Tables};
use super::parquet::Scratch;
use super::scan::{ColumnarScan, GroupPlace, STEP};
use super::table::{self, ColumnReader};
use super::values::Values;
use crate::batch_builder::{BatchBuilder, ColumnRows};
use crate::error::{Error, ErrorKind};
use crate::position::Position;
use crate::row_reader::{Outcome, ReadRows, Reading};
use crate::sizing::BatchLimit;
use crate::spares::Room;

/// What the steps of all columns take together, as long as each has so many rows.
const STEPS_BYTES: usize = 2 << 20;
const LEAST_STEP: usize = 64;

/// Reads rows, one range behind the other.
pub(crate) struct ColumnarRows {
    reading: Arc<Reading>,
    scan: Arc<ColumnarScan>,
    builder: BatchBuilder,
    tables: Arc<Tables>,
    open: Option<Arc<Open>>,
    /// Decoders that are ahead of this thread; none if it decodes by itself.
    ahead: Option<Ahead>,
    /// The group that is read, or the next one.
    group: usize,
    /// One for each column that is wanted, of the group that is read.
    columns: Vec<Column>,
    /// Rows of the group that were taken.
    taken: u64,
    /// Rows of a step.
    step: usize,
    scratch: Scratch,
    next_row: Option<u64>,
    first_row: u64,
    batches: Consumer,
    /// Holds all that decoding takes at the most.
    _held: Reservation,
}

/// A column of a group.
enum Column {
    /// The file lacks it.
    Missing,
    There {
        /// None where decoders are ahead.
        reader: Option<Box<dyn ColumnReader>>,
        /// Values that are decoded, and how many of them were taken.
        values: Values,
        taken: usize,
        is_typed: bool,
    },
}

impl ColumnarRows {
    /// # Errors
    /// If the budget has no room for what decoding the columns takes.
    pub(crate) fn new(reading: &Arc<Reading>) -> Result<ColumnarRows, Error> {
        let Some(scan) = reading.plan.scan.columnar.clone() else {
            return Err(Error::new(ErrorKind::Changed));
        };
        reading.hold_dictionaries()?;
        let columns = &reading.plan.projection;
        let step = (STEPS_BYTES / table::step_bytes(columns.len().max(1))).clamp(LEAST_STEP, STEP);
        let pages: usize = columns.iter().map(|column| scan.peaks[*column]).sum();
        let steps = columns.len() * table::step_bytes(step);
        let scratch = if columns.is_empty() { 0 } else { scan.scratch };
        let held = reading.budget.consumer("page").try_reserve(Bytes::from(pages + steps + scratch))?;
        Ok(ColumnarRows {
            builder: BatchBuilder::new(&reading.plan, &reading.spares),
            scratch: Scratch::new(Held::within(scratch)),
            tables: Arc::new(Tables::new(reading, &scan)),
            scan,
            open: None,
            ahead: None,
            group: 0,
            columns: Vec::new(),
            taken: 0,
            step,
            next_row: None,
            first_row: 0,
            batches: reading.budget.consumer("batch"),
            _held: held,
            reading: Arc::clone(reading),
        })
    }

    /// The group that is read.
    fn place(&self) -> Option<GroupPlace> {
        self.scan.groups.get(self.group).copied()
    }

    /// Turns to a row of a group, with decoders ahead of this thread if there may be.
    fn start(&mut self, group: usize, skip: u64) -> Result<(), Error> {
        // Those that are elsewhere give back what they hold first.
        self.columns.clear();
        self.ahead = None;
        let start = Start { group, skip, step: self.step };
        self.ahead = Ahead::start(&self.reading, &self.scan, &self.tables, start);
        self.open_group(group, skip)
    }

    /// Reads on from the row that is next without decoders.
    fn go_on_alone(&mut self) -> Result<(), Error> {
        self.columns.clear();
        self.ahead = None;
        self.open_group(self.group, self.taken)
    }

    /// Opens group `group` at one of its rows, or nothing behind the last group. Decoders that are ahead are there.
    fn open_group(&mut self, group: usize, skip: u64) -> Result<(), Error> {
        self.columns.clear();
        (self.group, self.taken) = (group, skip);
        let Some(place) = self.place() else {
            self.open = None;
            return Ok(());
        };
        if self.open.as_ref().is_none_or(|open| open.file != place.file) {
            self.open = None;
        }
        let open = self.tables.open(place)?;
        self.builder.begin_columnar_file(place.file);
        for wanted in &self.reading.plan.projection {
            let Some((field, is_typed)) = self.tables.field(&open, *wanted) else {
                self.columns.push(Column::Missing);
                continue;
            };
            let reader = match self.ahead {
                Some(_) => None,
                None => Some(self.tables.reader(&open, place, (*wanted, field), skip, &mut self.scratch)?),
            };
            self.columns.push(Column::There { reader, values: Values::Null(0), taken: 0, is_typed });
        }
        self.open = Some(open);
        Ok(())
    }

    /// Takes rows into the batch; `false` at the end of the input.
    fn step(&mut self) -> Result<bool, Error> {
        let Some(place) = self.place() else { return Ok(false) };
        if self.taken >= place.rows {
            self.open_group(self.group + 1, 0)?;
            return Ok(true);
        }
        let Some(open) = &self.open else { return Ok(false) };
        let left = place.rows - self.taken;
        let mut rows = usize::try_from(left).unwrap_or(usize::MAX);
        let wanted = self.reading.plan.projection.iter().enumerate();
        let mut has_ended = false;
        for (column, (lane, wanted)) in self.columns.iter_mut().zip(wanted) {
            let Column::There { reader, values, taken, .. } = column else { continue };
            if *taken == values.len() {
                // What was decoded is let go of first.
                *values = Values::Null(0);
                *taken = 0;
                *values = match (reader, &self.ahead) {
                    (Some(reader), _) => {
                        reader.next(&mut self.scratch, self.step.min(rows)).map_err(|error| {
                            let name = &self.reading.plan.scan.columns[*wanted].name;
                            error.in_part(open.table.part(place.group)).in_column(name)
                        })?
                    }
                    (None, Some(ahead)) => match ahead.next(lane) {
                        Some(values) => values,
                        None => {
                            has_ended = true;
                            break;
                        }
                    },
                    (None, None) => return Ok(false),
                };
            }
            rows = rows.min(values.len() - *taken);
        }
        if has_ended {
            self.go_on_alone()?;
            return Ok(true);
        }
        let slices: Vec<ColumnRows<'_>> = self
            .columns
            .iter()
            .map(|column| match column {
                Column::Missing => ColumnRows::Missing,
                Column::There { values, taken, is_typed: true, .. } => ColumnRows::Typed(values, *taken),
                Column::There { values, taken, .. } => ColumnRows::Written(values, *taken),
            })
            .collect();
        let before = self.reading.plan.scan.first_rows.get(place.file).copied().unwrap_or(0);
        let record = place.first_row + self.taken - before + 1;
        let position = Position { byte: place.byte, line: 0, record };
        let rows = self
            .builder
            .take_columns(&slices, rows, position)
            .map_err(|error| error.in_part(open.table.part(place.group)))?;
        drop(slices);
        for column in &mut self.columns {
            if let Column::There { taken, .. } = column {
                *taken += rows;
            }
        }
        self.taken += rows as u64;
        let scan = &self.reading.plan.scan;
        let share = u128::from(scan.bytes) * rows as u128 / u128::from(scan.rows.max(1));
        self.builder.count_input(u64::try_from(share).unwrap_or(0));
        Ok(true)
    }

    /// Refuses the open file if it has changed since it was opened.
    fn expect_unchanged(&self) -> Result<(), Error> {
        match &self.open {
            Some(open) if !open.raw.is_unchanged()? => Err(Error::new(ErrorKind::Changed)),
            _ => Ok(()),
        }
    }

    /// Names the file that an error is about, or says that it has changed, since the scan has read the same without an
    /// error.
    fn explained(&self, error: Error) -> Error {
        let is_about_memory = matches!(error.kind(), ErrorKind::Changed | ErrorKind::Budget(_));
        let error = match self.expect_unchanged() {
            Err(changed) if !is_about_memory => changed,
            _ => error,
        };
        let file = self.place().map_or(self.reading.files.len(), |place| place.file);
        match self.reading.files.get(file).or(self.reading.files.last()) {
            Some(file) => error.in_file(&file.name),
            None => error,
        }
    }

    fn fill(&mut self) -> Result<Outcome, Error> {
        while !self.builder.is_full() {
            let is_more = self.step()?;
            if let Some(refusal) = self.builder.take_refusal() {
                if self.builder.may_be_cut() {
                    break;
                }
                return Ok(Outcome::Refused(self.explained(refusal)));
            }
            if !is_more {
                break;
            }
        }
        // No batch is handed over whose rows may be others than those that were scanned.
        self.expect_unchanged()?;
        if self.place().is_none() && self.builder.rows_left() > 0 {
            return Err(Error::new(ErrorKind::Changed));
        }
        let batch = self.builder.finish(self.first_row)?;
        self.first_row += batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
        Ok(Outcome::Done(batch))
    }
}

impl ReadRows for ColumnarRows {
    fn begin(&mut self, first: u64, rows: u64) -> Result<(), Error> {
        if self.next_row != Some(first) || self.columns.is_empty() {
            let group = self.scan.groups.partition_point(|place| place.first_row + place.rows <= first);
            let before = self.scan.groups.get(group).map_or(first, |place| place.first_row);
            let opened = self.start(group, first - before);
            opened.map_err(|error| self.explained(error))?;
        }
        self.builder.begin_rows(0, rows);
        self.first_row = first;
        self.next_row = Some(first + rows);
        Ok(())
    }

    fn read(&mut self, limit: BatchLimit, room: Room) -> Result<Outcome, Error> {
        self.builder.begin_batch(limit, room);
        self.go_on()
    }

    fn go_on(&mut self) -> Result<Outcome, Error> {
        let filled = self.fill();
        filled.map_err(|error| self.explained(error))
    }

    fn rows_left(&self) -> u64 {
        self.builder.rows_left()
    }

    fn full_room(&self, rows: u64) -> Result<Room, Error> {
        self.reading.spares.room(&self.batches, self.reading.plan.room(rows))
    }

    fn room(&self, rows: u64) -> Result<Room, Error> {
        self.full_room(rows).or_else(|_| self.reading.spares.room(&self.batches, Bytes::ZERO))
    }
}
