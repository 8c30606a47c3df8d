//! The push decoder: bytes in, batches out. It knows no file and no thread.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use monitor::{Budget, Bytes, Consumer, Reservation};

use crate::batch::Batch;
use crate::column::{self, ColumnBuilder};
use crate::column_scan::{TypeHint, fixed_type_holds};
use crate::error::{Error, ErrorKind, Malformed};
use crate::field_rules::FieldRules;
use crate::header;
use crate::position::Position;
use crate::record::{Flow, Record, RecordSink};
use crate::record_reader::RecordReader;
use crate::rejects::OnBadRecord;
use crate::scan::{Scan, has_fixed_types};
use crate::sizing::{BatchLimit, LastBatch, Observation, Sizing};
use crate::types::{FixedType, Zone};

/// Turns the bytes of the scanned input into batches.
///
/// Push bytes with [`decode`](Decoder::decode) until it takes fewer than it was given: then a batch is
/// complete, and [`flush`](Decoder::flush) gives it. [`finish_file`](Decoder::finish_file) ends a file,
/// whose last line end may be missing. What is *not* promised: that a batch ends with a file.
pub struct Decoder {
    records: RecordReader,
    rows: RowSink,
    max_record_bytes: usize,
}

/// Receives records and fills the builders of the batch in progress.
struct RowSink {
    scan: Arc<Scan>,
    schema: SchemaRef,
    /// Columns of the input that are wanted, by index, beside their builders.
    builders: Vec<(usize, Box<dyn ColumnBuilder>)>,
    rules: FieldRules,
    on_bad_record: OnBadRecord,
    checks_fixed_types: bool,
    sizing: Box<dyn Sizing>,
    budget: Budget,
    consumer: Consumer,
    in_flight: usize,

    limit: BatchLimit,
    reservation: Option<Reservation>,
    /// Records until the bytes of the builders are added up again.
    until_check: usize,
    /// Bytes of the records since they were.
    unchecked_bytes: usize,
    rows: usize,
    first_row: u64,
    first_position: Position,
    first_file: usize,
    file: usize,
    raw_bytes: u64,
    last: Option<LastBatch>,
    last_was_full: bool,
    is_full: bool,
    scratch: Vec<u8>,
}

impl Decoder {
    /// A decoder for the columns `projection` of a scanned input, in that order.
    pub(crate) fn new(
        scan: Arc<Scan>,
        projection: &[usize],
        sizing: Box<dyn Sizing>,
        budget: &Budget,
        in_flight: usize,
        on_bad_record: OnBadRecord,
        max_record_bytes: usize,
    ) -> Decoder {
        let fields: Vec<_> = projection.iter().map(|i| Arc::clone(&scan.schema.fields()[*i])).collect();
        let builders = projection.iter().map(|i| {
            let facts = &scan.columns[*i];
            (*i, column::builder(&facts.data_type, facts.kind, facts.dictionary.as_ref()))
        });
        let rows = RowSink {
            schema: Arc::new(Schema::new(fields)),
            builders: builders.collect(),
            rules: FieldRules::new(&scan.dialect),
            on_bad_record,
            checks_fixed_types: on_bad_record == OnBadRecord::Skip && has_fixed_types(&scan.columns),
            sizing,
            budget: budget.clone(),
            consumer: budget.consumer("batch"),
            in_flight,
            limit: BatchLimit { rows: 0, bytes: Bytes::ZERO, may_be_cut: false },
            reservation: None,
            until_check: 0,
            unchecked_bytes: 0,
            rows: 0,
            first_row: 0,
            first_position: Position::START,
            first_file: 0,
            file: 0,
            raw_bytes: 0,
            last: None,
            last_was_full: false,
            is_full: false,
            scratch: Vec::new(),
            scan,
        };
        let records = RecordReader::new(&rows.scan.dialect, max_record_bytes);
        Decoder { records, rows, max_record_bytes }
    }

    /// The schema of every batch.
    pub fn schema(&self) -> &SchemaRef {
        &self.rows.schema
    }

    /// Begins another file; `skipped` bytes of it, such as a byte-order mark, are not pushed.
    pub fn begin_file(&mut self, index: usize, skipped: u64) {
        let fields = self.records.expected_fields();
        self.records = RecordReader::new(&self.rows.scan.dialect, self.max_record_bytes);
        self.records.skip_bytes(skipped);
        if !self.rows.scan.dialect.header {
            self.records.expect_fields(fields);
        }
        self.rows.file = index;
    }

    /// Reads `input`; returns how many bytes were used, which is fewer than all when a batch is complete.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`], [`ErrorKind::Changed`] if the bytes are not those that were scanned,
    /// [`ErrorKind::Budget`] if not even one row fits.
    pub fn decode(&mut self, input: &[u8]) -> Result<usize, Error> {
        if self.rows.is_full {
            return Ok(0);
        }
        let before = self.records.position().byte;
        let used = self.records.push(input, &mut self.rows)?;
        self.rows.raw_bytes += self.records.position().byte - before;
        Ok(used)
    }

    /// Ends the file: hands over a last record without line end.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn finish_file(&mut self) -> Result<(), Error> {
        let before = self.records.position().byte;
        self.records.finish(&mut self.rows)?;
        self.rows.raw_bytes += self.records.position().byte - before;
        Ok(())
    }

    /// Whether a batch is complete and waits for [`flush`](Self::flush).
    pub fn is_full(&self) -> bool {
        self.rows.is_full
    }

    /// The rows decoded since the last call as a batch; `None` if there are none.
    ///
    /// # Errors
    /// [`ErrorKind::Arrow`] if the arrays do not fit together, which is a defect.
    pub fn flush(&mut self) -> Result<Option<Batch>, Error> {
        self.rows.take()
    }

    /// Bytes held beside the batch in progress: of a record that a cut goes through.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.records.heap_bytes()
    }
}

/// Values between two counts of a batch's bytes: often enough to cut in time, seldom enough to cost nothing.
const VALUES_BETWEEN_CHECKS: usize = 4096;
/// Bytes of input between two counts, at the most: a few long texts weigh as much as many numbers.
const INPUT_BYTES_BETWEEN_CHECKS: usize = 64 << 10;

impl RowSink {
    fn heap_bytes(&self) -> usize {
        self.builders.iter().map(|(_, b)| b.heap_bytes()).sum()
    }

    fn begin_batch(&mut self, position: Position) -> Result<(), Error> {
        self.limit = self.sizing.next(&Observation {
            budget: self.budget.limit(),
            reserved: self.budget.reserved(),
            in_flight: self.in_flight,
            columns: self.builders.len(),
            last: self.last,
        });
        let mut reservation = self.consumer.try_reserve(Bytes::ZERO)?;
        self.make_room(&mut reservation);
        self.reservation = Some(reservation);
        self.first_position = position;
        self.first_file = self.file;
        self.until_check = 0;
        Ok(())
    }

    /// Makes room at once for as many rows as the batch before had, which saves doubling, as far as the limit
    /// and the budget allow.
    fn make_room(&mut self, reservation: &mut Reservation) {
        let Some(last) = self.last.filter(|last| self.last_was_full && last.rows > 1) else { return };
        // Short of the limit, or the room itself would close the batch.
        let bytes = u128::from(self.limit.bytes.get()) * 15 / 16;
        let by_bytes = bytes * last.rows as u128 / u128::from(last.bytes.get().max(1));
        let rows = last.rows.min(self.limit.rows).min(usize::try_from(by_bytes).unwrap_or(usize::MAX));
        // Memory that nothing is written to is not resident, so that it may be asked for before it is reserved.
        self.builders.iter_mut().for_each(|(_, b)| b.make_room(rows));
        let held = Bytes::from(self.heap_bytes());
        if held >= self.limit.bytes || reservation.try_resize(held).is_err() {
            self.builders.iter_mut().for_each(|(_, b)| b.make_room(0));
        }
    }

    /// Holds the reservation against what the builders have allocated, and closes the batch at its limit.
    fn check_bytes(&mut self) -> Result<(), Error> {
        self.until_check = (VALUES_BETWEEN_CHECKS / self.builders.len().max(1)).max(1);
        self.unchecked_bytes = 0;
        let held = Bytes::from(self.heap_bytes());
        if let Some(reservation) = &mut self.reservation
            && let Err(refusal) = reservation.try_resize(held)
        {
            if !self.limit.may_be_cut || self.rows <= 1 {
                return Err(refusal.into());
            }
            // What is left is taken all the same. Else the next batch would begin in bytes that this one has
            // filled, and a chain of batches could hold far more than is reserved; so it is one count's growth.
            let missing = held.saturating_sub(reservation.bytes());
            // Refused only if somebody else was quicker, who holds it now.
            let _ = reservation.try_grow(missing.min(self.budget.available()));
            self.is_full = true;
        }
        if held >= self.limit.bytes && self.limit.may_be_cut {
            self.is_full = true;
        }
        Ok(())
    }

    fn breaks_a_fixed_type(&mut self, record: &Record<'_>) -> bool {
        self.checks_fixed_types
            && self.scan.columns.iter().enumerate().any(|(i, facts)| {
                let TypeHint::Fixed(fixed) = facts.hint else { return false };
                let zone = match facts.kind {
                    crate::types::Kind::Timestamp(zone) => Some(zone),
                    _ if fixed == FixedType::Timestamp => Some(Zone::Naive),
                    _ => None,
                };
                !fixed_type_holds(fixed, zone, record.field(i, &mut self.scratch), &self.rules)
            })
    }

    fn take(&mut self) -> Result<Option<Batch>, Error> {
        let Some(mut reservation) = self.reservation.take() else { return Ok(None) };
        let held = Bytes::from(self.heap_bytes());
        self.last_was_full = self.is_full;
        let arrays: Result<Vec<_>, _> = self.builders.iter_mut().map(|(_, b)| b.finish()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let columns = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays?, &options)?;
        reservation.shrink_to(held);
        let batch = Batch {
            columns,
            first_row: self.first_row,
            position: self.first_position,
            file: self.first_file,
            raw_bytes: self.raw_bytes,
            reservation,
        };
        self.last = Some(LastBatch { rows: self.rows, bytes: held, raw_bytes: self.raw_bytes });
        self.first_row += self.rows as u64;
        self.rows = 0;
        self.raw_bytes = 0;
        self.is_full = false;
        Ok(Some(batch))
    }
}

impl RecordSink for RowSink {
    fn record(&mut self, record: &Record<'_>) -> Result<Flow, Error> {
        if self.scan.dialect.header && record.position.record == 0 {
            let expected: Vec<String> = self.scan.columns.iter().map(|c| c.name.clone()).collect();
            header::check_same(&expected, header::names(record))
                .map_err(|_| Error::new(ErrorKind::Changed))?;
            return Ok(Flow::Continue);
        }
        if record.len() != self.scan.columns.len() {
            return Err(Error::new(ErrorKind::Changed).at(record.position));
        }
        if self.breaks_a_fixed_type(record) {
            return Ok(Flow::Continue);
        }
        if self.rows == 0 && self.reservation.is_none() {
            self.begin_batch(record.position)?;
        }
        for (index, builder) in &mut self.builders {
            if builder.push(record.field(*index, &mut self.scratch), &self.rules).is_err() {
                let column = &self.scan.columns[*index].name;
                return Err(Error::new(ErrorKind::Changed).at(record.position).in_column(column));
            }
        }
        self.rows += 1;
        self.unchecked_bytes += record.raw.len();
        if self.until_check == 0 || self.unchecked_bytes >= INPUT_BYTES_BETWEEN_CHECKS {
            self.check_bytes()?;
        }
        self.until_check -= 1;
        if self.rows >= self.limit.rows {
            self.is_full = true;
        }
        Ok(if self.is_full { Flow::Stop } else { Flow::Continue })
    }

    fn malformed(&mut self, malformed: Malformed, position: Position, _: &[u8]) -> Result<Flow, Error> {
        match self.on_bad_record {
            OnBadRecord::Fail => Err(Error::malformed(malformed, position)),
            OnBadRecord::Skip => Ok(Flow::Continue),
        }
    }
}
