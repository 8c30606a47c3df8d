//! Takes the records of one batch off an input: types them, and keeps their bytes so that the batch can be built.

use std::sync::Arc;

use monitor::{Bytes, Consumer, Reservation};

use crate::column_scan::{ColumnScan, Place, TypeHint, first_unfit, fixed_type_holds};
use crate::error::{Error, Malformed, excerpt};
use crate::layout::Layout;
use crate::position::Position;
use crate::record::{Flow, Record, RecordSink};
use crate::rejects::OnBadRecord;
use crate::scan::{Rejected, ScanPlan};
use crate::sizing::BatchLimit;
use crate::types::{FixedType, Kind, Zone};
use crate::walker::{Step, Walker};

/// Records of one file, one behind the other, each ended by a LF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) file: usize,
    /// Where its bytes end among those that are kept.
    pub(super) end: usize,
}

/// What the records of one batch came to.
#[derive(Default)]
pub(super) struct Cut {
    pub(super) rows: usize,
    /// The file and place of the first record.
    pub(super) first: Option<(usize, Position)>,
    /// Bytes of the input, line ends and rejected records left aside.
    pub(super) raw_bytes: u64,
    pub(super) raw: Vec<u8>,
    pub(super) pieces: Vec<Piece>,
}

/// Cuts one batch after the other.
pub(super) struct Cutter {
    plan: Arc<ScanPlan>,
    layout: Arc<Layout>,
    file: usize,
    /// Fields with a fixed type, and the column of each.
    fixed: Vec<(usize, usize, FixedType)>,
    /// What the batch's columns are.
    pub(super) columns: Vec<ColumnScan>,
    pub(super) rejected: Vec<Rejected>,
    limit: BatchLimit,
    /// Columns that will be built.
    built: usize,
    /// Rows that are passed over before any is taken, and those that are wanted behind them.
    rows_to_skip: u64,
    rows_left: u64,
    cut: Cut,
    is_full: bool,
    refusal: Option<Error>,
    /// Holds the kept bytes and the columns' state.
    held: Reservation,
    /// Holds what the batch will take at the most, for whoever builds it.
    batch: Reservation,
    consumer: Consumer,
    scratch: Vec<u8>,
}

impl Cutter {
    /// A cutter that passes over `skip` rows, and takes `rows` rows in all. `built` columns will be built of them.
    ///
    /// # Errors
    /// If the budget has no room for a reservation of nothing, which it always has.
    pub(super) fn new(
        plan: &Arc<ScanPlan>,
        (skip, rows): (u64, u64),
        built: usize,
        held: &Consumer,
        batch: &Consumer,
    ) -> Result<Cutter, Error> {
        let layout = Layout { columns: Vec::new(), missing: Vec::new(), before: Position::START };
        Ok(Cutter {
            plan: Arc::clone(plan),
            layout: Arc::new(layout),
            file: 0,
            fixed: Vec::new(),
            columns: Vec::new(),
            rejected: Vec::new(),
            limit: BatchLimit { rows: 0, bytes: Bytes::ZERO, may_be_cut: false },
            built,
            rows_to_skip: skip,
            rows_left: rows,
            cut: Cut::default(),
            is_full: false,
            refusal: None,
            held: held.try_reserve(Bytes::ZERO)?,
            batch: batch.try_reserve(Bytes::ZERO)?,
            consumer: batch.clone(),
            scratch: Vec::new(),
        })
    }

    /// Begins a batch whose columns start as `columns`. `raw` is an empty buffer to keep the records in.
    pub(super) fn begin_batch(&mut self, limit: BatchLimit, columns: Vec<ColumnScan>, mut raw: Vec<u8>) {
        raw.clear();
        self.limit = limit;
        self.columns = columns;
        self.cut = Cut { raw, ..Cut::default() };
        self.is_full = false;
    }

    /// Turns to the records of another file.
    pub(super) fn begin_file(&mut self, file: usize, layout: &Arc<Layout>) {
        self.layout = Arc::clone(layout);
        self.file = file;
        let fixed =
            layout.columns.iter().enumerate().filter_map(|(field, column)| match self.plan.hints[*column] {
                TypeHint::Fixed(fixed) => Some((field, *column, fixed)),
                _ => None,
            });
        self.fixed = fixed.collect();
    }

    /// Whether the batch is complete, or no more rows are wanted.
    pub(super) fn is_full(&self) -> bool {
        self.is_full || self.rows_left == 0
    }

    /// The refusal of the budget that the last step has met where not even the batch so far can be had.
    pub(super) fn take_refusal(&mut self) -> Option<Error> {
        self.refusal.take()
    }

    /// What was cut, and a reservation for the batch that is built of it.
    ///
    /// # Errors
    /// If the budget has no room for a reservation of nothing, which it always has.
    pub(super) fn finish(&mut self) -> Result<(Cut, Reservation), Error> {
        let batch = std::mem::replace(&mut self.batch, self.consumer.try_reserve(Bytes::ZERO)?);
        Ok((std::mem::take(&mut self.cut), batch))
    }

    /// Takes what comes next, up to the end of the batch; `false` at the end of the file.
    ///
    /// # Errors
    /// If the input cannot be read, or a record is bad and bad records fail.
    pub(super) fn step(&mut self, walker: &mut Walker) -> Result<bool, Error> {
        match walker.step()? {
            Step::End => return Ok(false),
            Step::Irregular => walker.read_irregular(self)?,
            Step::Block => self.block(walker),
        }
        Ok(true)
    }

    fn zone(&self, column: usize) -> Option<Zone> {
        match self.columns[column].kind {
            Kind::Timestamp(zone) => Some(zone),
            _ => None,
        }
    }

    fn block(&mut self, walker: &mut Walker) {
        let block = walker.block();
        let rules = &self.plan.rules;
        let is_unfit = |(field, column, fixed): &(usize, usize, FixedType)| {
            first_unfit(block.column(*field), *fixed, self.zone(*column), rules).is_some()
        };
        if self.fixed.iter().any(is_unfit) {
            return walker.distrust();
        }
        let skipped = usize::try_from(self.rows_to_skip).unwrap_or(usize::MAX).min(block.rows());
        if skipped > 0 {
            self.rows_to_skip -= skipped as u64;
            return walker.take(skipped);
        }
        let wanted = (self.limit.rows - self.cut.rows) as u64;
        let mut most = block.rows().min(usize::try_from(wanted.min(self.rows_left)).unwrap_or(usize::MAX));
        let mut bytes = 0;
        for row in 0..most {
            bytes += block.raw(row).len() + 1;
            if self.is_beyond_limit(row + 1, bytes) {
                most = row;
                break;
            }
        }
        // A batch takes one row at the least.
        most = most.max(usize::from(self.cut.rows == 0));
        while most > 0 && !self.reserve(most, block.row_start(most) - block.row_start(0) + most) {
            most /= 2;
        }
        if most == 0 {
            self.is_full = true;
            return;
        }
        let block = block.slice(0, most);
        if self.cut.rows == 0 {
            self.cut.first = Some((self.file, walker.place(0)));
        }
        for row in 0..most {
            self.cut.raw.extend_from_slice(block.raw(row));
            self.cut.raw.push(b'\n');
        }
        let file = self.file;
        for (field, column) in self.layout.columns.iter().enumerate() {
            let place = |row| Place { file, position: walker.place(row) };
            let unfit = self.columns[*column].push_block(block.column(field), &self.plan.rules, place);
            debug_assert!(unfit.is_ok(), "fixed types were asked before");
        }
        let raw_bytes = block.row_start(most) - block.row_start(0);
        walker.take(most);
        self.count(most, raw_bytes as u64);
    }

    /// Counts records that were taken.
    fn count(&mut self, rows: usize, raw_bytes: u64) {
        for column in &self.layout.missing {
            self.columns[*column].empty += rows as u64;
        }
        let piece = Piece { file: self.file, end: self.cut.raw.len() };
        match self.cut.pieces.last_mut() {
            Some(last) if last.file == self.file => *last = piece,
            _ => self.cut.pieces.push(piece),
        }
        self.cut.rows += rows;
        self.cut.raw_bytes += raw_bytes;
        self.rows_left -= rows as u64;
        self.is_full |= self.cut.rows >= self.limit.rows;
    }

    /// Bytes that the batch takes at the most with `rows` rows of `bytes` bytes more, as far as that can be known
    /// before its types are: no value takes more than eight bytes and its own text.
    fn most_bytes(&self, rows: usize, bytes: usize) -> usize {
        let fixed = (self.cut.rows + rows) * self.built * (size_of::<u64>() + 1);
        // Each buffer is rounded up to the allocator's and to Arrow's units.
        self.cut.raw.len() + bytes + fixed + self.built * 256
    }

    fn is_beyond_limit(&self, rows: usize, bytes: usize) -> bool {
        self.limit.may_be_cut && Bytes::from(self.most_bytes(rows, bytes)) > self.limit.bytes
    }

    /// Reserves what `rows` rows of `bytes` bytes take, here and in the batch; `false` if that is not to be had, and
    /// the batch ends before, or the refusal is told.
    fn reserve(&mut self, rows: usize, bytes: usize) -> bool {
        let raw = &self.cut.raw;
        let needed = raw.len() + bytes;
        let capacity = if needed <= raw.capacity() { 0 } else { needed.max(raw.capacity() * 3 / 2) };
        let columns: usize = self.columns.iter().map(ColumnScan::heap_bytes).sum();
        let most = self.most_bytes(rows, bytes);
        // While the kept bytes move to a larger buffer, both are there.
        let held = Bytes::from(columns + raw.capacity() + capacity);
        let reserved = self.held.try_resize(held).and_then(|()| self.batch.try_resize(Bytes::from(most)));
        if let Err(refusal) = reserved {
            if self.cut.rows == 0 || !self.limit.may_be_cut {
                self.refusal = Some(refusal.into());
            }
            return false;
        }
        if capacity > 0 {
            self.cut.raw.reserve_exact(capacity - self.cut.raw.len());
            self.held.shrink_to(Bytes::from(columns + self.cut.raw.capacity()));
        }
        self.refusal = None;
        true
    }

    fn reject(&mut self, rejected: Rejected) -> Result<Flow, Error> {
        if self.plan.on_bad_record == OnBadRecord::Fail {
            let error = Error::malformed(rejected.reason, rejected.position, &rejected.raw);
            return Err(match rejected.column {
                Some(column) => error.in_column(&self.plan.names[column]),
                None => error,
            });
        }
        self.rejected.push(rejected);
        Ok(Flow::Continue)
    }
}

impl RecordSink for Cutter {
    fn record(&mut self, record: &Record<'_>) -> Result<Flow, Error> {
        let Cutter { fixed, columns, scratch, plan, .. } = self;
        let unfit = fixed.iter().copied().find(|(field, column, fixed)| {
            let zone = match columns[*column].kind {
                Kind::Timestamp(zone) => Some(zone),
                _ => None,
            };
            !fixed_type_holds(*fixed, zone, record.field(*field, scratch), &plan.rules)
        });
        if let Some((field, column, fixed)) = unfit {
            if self.is_full() {
                return Ok(Flow::Decline);
            }
            let excerpt = excerpt(record.field(field, &mut self.scratch).text);
            return self.reject(Rejected {
                position: record.position,
                column: Some(column),
                reason: Malformed::Value { expected: fixed.to_string(), excerpt },
                raw: record.raw.to_vec(),
            });
        }
        if self.rows_to_skip > 0 {
            self.rows_to_skip -= 1;
            return Ok(Flow::Continue);
        }
        let bytes = record.raw.len() + 1;
        let is_more = self.cut.rows > 0;
        if self.is_full() || (is_more && self.is_beyond_limit(1, bytes)) || !self.reserve(1, bytes) {
            self.is_full = true;
            return Ok(Flow::Decline);
        }
        let place = Place { file: self.file, position: record.position };
        if !is_more {
            self.cut.first = Some((self.file, record.position));
        }
        self.cut.raw.extend_from_slice(record.raw);
        self.cut.raw.push(b'\n');
        for (field, column) in self.layout.columns.iter().enumerate() {
            let field = record.field(field, &mut self.scratch);
            let unfit = self.columns[*column].push(field, &self.plan.rules, || place);
            debug_assert!(unfit.is_ok(), "fixed types were asked before");
        }
        self.count(1, bytes as u64);
        Ok(if self.is_full() { Flow::Stop } else { Flow::Continue })
    }

    fn malformed(&mut self, reason: Malformed, position: Position, raw: &[u8]) -> Result<Flow, Error> {
        if self.is_full() {
            return Ok(Flow::Decline);
        }
        self.reject(Rejected { position, column: None, reason, raw: raw.to_vec() })
    }
}
