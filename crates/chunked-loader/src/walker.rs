//! Goes through an input record by record: by blocks where the index holds, by the state machine where not.
//!
//! ```text
//!            ┌─► Block      all columns of many records at once
//!  Window ──►│
//!            └─► Irregular  one record at a time, from the state machine
//! ```
//!
//! Which of the two a record comes by never matters to what comes out: the state machine is the definition, and the
//! index is held against it in tests.

use crate::block::Block;
use crate::dialect::Dialect;
use crate::error::{Error, ErrorKind, Malformed};
use crate::index::{Index, IndexKernel, Indexed, Records, Survey, count_lines};
use crate::position::Position;
use crate::record::{Flow, Record, RecordSink};
use crate::record_reader::RecordReader;
use crate::source::Input;
use crate::window::Window;
use monitor::{Bytes, Consumer, Reservation};

/// Bytes that are indexed at a time, so that they and their index stay in the nearest caches.
pub(crate) const SUB_BLOCK: usize = 64 << 10;

/// How an input is gone through; the same for all walkers of a pass.
#[derive(Clone, Debug)]
pub(crate) struct Gait {
    pub(crate) dialect: Dialect,
    pub(crate) kernel: IndexKernel,
    pub(crate) max_record_bytes: usize,
    /// Bytes that are indexed, or given to the state machine, at a time. It never changes what comes out.
    pub(crate) sub_block: usize,
    /// Everything goes through the state machine.
    pub(crate) only_states: bool,
}

impl Gait {
    /// Whether the parity of quotes tells what lies inside them, and LF where records may begin.
    pub(crate) fn has_index(&self) -> bool {
        self.dialect.escape().is_none_or(|e| Some(e) == self.dialect.quote())
            && self.dialect.comment().is_none()
            && !self.only_states
    }
}

/// Bytes behind the end that are read with what lies before it: as a rule the rest of the last record.
pub(crate) const REST: usize = 4 << 10;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Records by the index: [`Walker::block`] shows them, [`Walker::take`] passes over them.
    Block,
    /// Something for [`Walker::read_irregular`].
    Irregular,
    /// Nothing.
    End,
}

/// Goes through one input. Lines and records are counted from where it began.
pub(crate) struct Walker {
    gait: Gait,
    window: Window,
    index: Index,
    /// Holds the index of what is longer than a sub-block.
    index_held: Reservation,
    columns: usize,
    /// In front of what is not gone through yet: its byte and line, and the number of the record before it.
    before: Position,
    /// Where to stop: at the first record behind a LF at or behind the byte before this one. Records that a lone CR
    /// ends do not count, since whoever goes on from there looks for a LF too.
    end: u64,
    /// Between the last record and what is not gone through yet lies such a LF.
    is_at_end: bool,
    /// Records that are indexed, and how many of them are taken.
    current: Option<(Records, usize)>,
    /// Bytes that are indexed at a time.
    reach: usize,
    /// A comment has begun and not ended.
    is_in_comment: bool,
    is_irregular: bool,
    has_line_end_added: bool,
}

impl Walker {
    /// A walker over nothing. What it allocates is reserved from `consumer`.
    ///
    /// # Errors
    /// If the budget has no room for a window and its index.
    pub(crate) fn new(gait: &Gait, consumer: &Consumer) -> Result<Walker, Error> {
        let delimiter = gait.dialect.delimiter().unwrap_or(b',');
        let sub_block = gait.sub_block.max(1);
        let index_held = consumer.try_reserve(Bytes::from(Index::most_bytes(sub_block)))?;
        Ok(Walker {
            gait: gait.clone(),
            window: Window::new(consumer.try_reserve(Bytes::ZERO)?),
            index: Index::new(gait.kernel, delimiter, gait.dialect.quote()),
            index_held,
            columns: 1,
            before: Position::START,
            end: u64::MAX,
            is_at_end: false,
            current: None,
            reach: sub_block,
            is_in_comment: false,
            is_irregular: false,
            has_line_end_added: false,
        })
    }

    /// Turns to the records of `columns` fields each that begin at `before`, up to the first that begins at or
    /// behind `end`. A stream has to stand at `before`.
    pub(crate) fn begin(&mut self, input: Input, columns: usize, before: Position, end: u64) {
        self.window.begin(input, before.byte);
        self.reset(columns, before, end);
    }

    /// The same where the window already holds what begins at `before`.
    pub(crate) fn reset(&mut self, columns: usize, before: Position, end: u64) {
        debug_assert_eq!(self.window.at(), before.byte);
        self.columns = columns;
        self.before = before;
        self.end = end;
        self.is_at_end = before.byte >= end;
        self.current = None;
        self.reach = self.gait.sub_block.max(1);
        self.is_irregular = false;
        self.has_line_end_added = false;
        self.is_in_comment = false;
    }

    /// In front of the next record: its byte and line, and the number of the record before it. In the middle of a
    /// block, of the block's first record.
    pub(crate) fn before(&self) -> Position {
        self.before
    }

    /// The window, to be filled ahead.
    pub(crate) fn window(&mut self) -> &mut Window {
        &mut self.window
    }

    /// Surveys the first `bytes` bytes of the window. `before` and `behind` are the bytes around them.
    pub(crate) fn survey(&self, bytes: usize, before: Option<u8>, behind: Option<u8>) -> Survey {
        self.index.survey(self.window.padded(bytes), before, behind)
    }

    /// Surveys the bytes `from..to` of the window, which begin with a record.
    pub(crate) fn survey_record(&self, from: usize, to: usize, behind: Option<u8>) -> Survey {
        self.index.survey(&self.window.padded(to)[from..], Some(b'\n'), behind)
    }

    /// Whether [`before`](Self::before) is a place to begin at: not in the middle of a comment.
    pub(crate) fn is_between_records(&self) -> bool {
        !self.is_in_comment
    }

    /// What comes next; the same again until it is taken or read.
    ///
    /// # Errors
    /// If the input cannot be read, or the budget has no room for a long record.
    pub(crate) fn step(&mut self) -> Result<Step, Error> {
        if self.current.is_some() {
            return Ok(Step::Block);
        }
        if self.is_irregular {
            return Ok(Step::Irregular);
        }
        self.find()
    }

    /// Indexes the next sub-block.
    fn find(&mut self) -> Result<Step, Error> {
        loop {
            if self.is_at_end {
                return Ok(Step::End);
            }
            let left = self.end.saturating_sub(self.window.at());
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            self.fill(if self.reach > self.gait.sub_block {
                self.reach
            } else {
                left.saturating_add(REST).min(self.reach)
            })?;
            if self.window.len() == 0 {
                return Ok(Step::End);
            }
            if !self.gait.has_index() {
                return Ok(self.leave_to_states());
            }
            let mut bytes = self.window.len().min(self.reach);
            let is_end = self.window.is_last() && bytes == self.window.len();
            // Behind a CR a line may be complete, and whether it is one the state machine knows.
            if is_end && !matches!(self.window.bytes(bytes).last(), Some(b'\n' | b'\r')) {
                self.window.end_last_line()?;
                self.has_line_end_added = true;
                bytes += 1;
            }
            let most = Bytes::from(Index::most_bytes(bytes));
            if most > self.index_held.bytes() && self.index_held.try_resize(most).is_err() {
                return Ok(self.leave_to_states());
            }
            match self.index.index(self.window.padded(bytes), self.columns, is_end) {
                Indexed::Records(records) => {
                    let records = self.cut(records, left);
                    if !self.are_short_enough(&records) {
                        return Ok(self.leave_to_states());
                    }
                    // Longer records than a sub-block come together; so the next is looked for at once.
                    let record = records.bytes / records.rows.max(1);
                    self.reach = if record > self.gait.sub_block / 2 {
                        record + self.gait.sub_block
                    } else {
                        self.gait.sub_block.max(1)
                    };
                    self.current = Some((records, 0));
                    return Ok(Step::Block);
                }
                Indexed::NoEnd if bytes <= self.gait.max_record_bytes => self.grow_reach(bytes),
                Indexed::NoEnd | Indexed::Irregular => return Ok(self.leave_to_states()),
            }
        }
    }

    /// Fills the window. A long record comes before its index, which the state machine does without.
    fn fill(&mut self, bytes: usize) -> Result<(), Error> {
        let least = Bytes::from(Index::most_bytes(self.gait.sub_block.max(1)));
        match self.window.want(bytes) {
            Err(error) if matches!(error.kind(), ErrorKind::Budget(_)) && self.index_held.bytes() > least => {
                self.index.release();
                self.index_held.shrink_to(least);
                self.window.want(bytes)?;
            }
            filled => {
                filled?;
            }
        }
        Ok(())
    }

    fn leave_to_states(&mut self) -> Step {
        self.is_irregular = true;
        Step::Irregular
    }

    fn grow_reach(&mut self, bytes: usize) {
        let doubled = bytes.saturating_mul(2);
        // No record that is allowed needs more than this, and a window twice as large may not find room.
        let most = self.gait.max_record_bytes.saturating_add(self.gait.sub_block);
        let reach = if bytes < most { doubled.min(most) } else { doubled }.min(u32::MAX as usize / 4);
        // Only beyond a sub-block does the reach hold, whatever lies between here and the end.
        self.reach = reach.max(self.gait.sub_block.saturating_add(1));
    }

    /// Leaves away the records that begin `left` bytes on or farther, but for the first one.
    fn cut(&mut self, records: Records, left: usize) -> Records {
        if records.bytes <= left {
            return records;
        }
        let padded = self.window.padded(records.bytes);
        let block = self.index.block(padded, &records, self.columns);
        let rows = (0..records.rows).rev().find(|row| block.row_start(*row) < left).map_or(1, |row| row + 1);
        self.index.cut(padded, records, rows, self.columns)
    }

    fn are_short_enough(&self, records: &Records) -> bool {
        let limit = self.gait.max_record_bytes;
        records.bytes <= limit || {
            let block = self.index.block(self.window.padded(records.bytes), records, self.columns);
            (0..records.rows).all(|row| block.raw(row).len() <= limit)
        }
    }

    /// The records that the last [`Step::Block`] announced, but for those that are taken.
    ///
    /// # Panics
    /// If there was none.
    pub(crate) fn block(&self) -> Block<'_> {
        let (records, taken) = self.current.as_ref().expect("a step has found a block");
        let block = self.index.block(self.window.padded(records.bytes), records, self.columns);
        if *taken == 0 { block } else { block.slice(*taken, records.rows) }
    }

    /// Place of record `row` of [`block`](Self::block).
    pub(crate) fn place(&self, row: usize) -> Position {
        let Some((records, taken)) = &self.current else { return self.before };
        let row = taken + row;
        let block = self.index.block(self.window.padded(records.bytes), records, self.columns);
        let byte = block.row_start(row);
        let lines = if records.lines == records.rows { row } else { count_lines(self.window.bytes(byte)) };
        Position {
            byte: self.before.byte + byte as u64,
            line: self.before.line + lines as u64,
            record: self.before.record + row as u64 + 1,
        }
    }

    /// Bytes that the first `rows` records of the block have in the input, which may lack the last one's line end.
    pub(crate) fn input_bytes(&self, rows: usize) -> u64 {
        let block = self.block();
        let bytes = (block.row_start(rows) - block.row_start(0)) as u64;
        let is_end = self.current.is_some_and(|(records, _)| records.bytes == self.window.len());
        bytes - u64::from(self.has_line_end_added && is_end && rows == block.rows())
    }

    /// Passes over the first `rows` records of the block.
    pub(crate) fn take(&mut self, rows: usize) {
        let Some((records, taken)) = &mut self.current else { return };
        *taken += rows;
        debug_assert!(*taken <= records.rows);
        if *taken < records.rows {
            return;
        }
        self.window.advance(records.bytes);
        self.before.byte += records.bytes as u64;
        self.before.line += records.lines as u64;
        self.before.record += records.rows as u64;
        self.is_at_end = self.before.byte >= self.end;
        self.current = None;
    }

    /// Leaves the records of the block that are not taken to the state machine.
    pub(crate) fn distrust(&mut self) {
        let Some((records, taken)) = self.current else { return };
        let before = self.before.byte;
        if taken > 0 {
            let place = self.place(0);
            let bytes = (place.byte - self.before.byte) as usize;
            debug_assert!(bytes < records.bytes);
            self.window.advance(bytes);
            self.before = Position { record: place.record - 1, ..place };
        }
        // The first of them may be longer than the next sub-block: cut through, it would be indexed and left again.
        let left = records.bytes - (self.before.byte - before) as usize;
        self.reach = self.reach.max(left);
        self.current = None;
        self.is_irregular = true;
    }

    /// Hands records to `sink` one by one, until it says stop or the sub-block is at its end.
    ///
    /// # Errors
    /// Those of the sink, and a record that is longer than allowed.
    pub(crate) fn read_irregular(&mut self, sink: &mut impl RecordSink) -> Result<(), Error> {
        self.is_irregular = false;
        if std::mem::take(&mut self.has_line_end_added) {
            self.window.remove_last_byte();
        }
        let bytes = self.window.len().min(self.reach);
        let stretch = self.window.bytes(bytes);
        let (end, at) = (self.end, self.before.byte);
        let mut until = Until { sink, stretch, at, end, overrun: None, is_stopped: false };
        let is_end = self.window.is_last() && bytes == self.window.len();
        let (dialect, limit) = (&self.gait.dialect, self.gait.max_record_bytes);
        let mut states = RecordReader::resume(dialect, limit, self.before, self.columns, self.is_in_comment);
        states.push(stretch, &mut until)?;
        if is_end && !until.is_stopped {
            states.finish(&mut until)?;
        }
        // Where nothing is passed over, such as a CR that ends a comment if no LF follows, all is as it was.
        if states.position() != self.before || until.overrun.is_some() {
            self.is_in_comment = !states.is_between_records() && until.overrun.is_none();
        }
        let mut next = until.overrun.unwrap_or_else(|| states.position());
        if let Some(line) = until.line_behind_end(next) {
            self.is_at_end = true;
            next = line;
        }
        let used = ((next.byte - self.before.byte) as usize).min(bytes);
        if used == 0 && !until.is_stopped {
            self.grow_reach(bytes);
        } else {
            self.reach = self.gait.sub_block.max(1);
        }
        self.before = next;
        self.window.advance(used);
        Ok(())
    }
}

/// Passes records on that begin before an end.
struct Until<'a, S> {
    sink: &'a mut S,
    /// The bytes that the records are in, and the offset of the first of them.
    stretch: &'a [u8],
    at: u64,
    end: u64,
    /// In front of the first record that does not, or that the sink has declined.
    overrun: Option<Position>,
    is_stopped: bool,
}

impl<S: RecordSink> Until<'_, S> {
    /// The first line behind a LF at or behind the byte before the end, if it begins between the record before
    /// `next`, where a record begins, and that one. Where it is not `next` it is blank: whoever goes on from there
    /// counts it.
    fn line_behind_end(&self, next: Position) -> Option<Position> {
        if next.byte < self.end {
            return None;
        }
        let from = self.end.saturating_sub(1).saturating_sub(self.at).min(self.stretch.len() as u64) as usize;
        let to = ((next.byte - self.at) as usize).clamp(from, self.stretch.len());
        let ends = self.stretch[from..to].iter().rev().take_while(|b| matches!(b, b'\n' | b'\r')).count();
        let line = to - ends + memchr::memchr(b'\n', &self.stretch[to - ends..to])? + 1;
        let blank = count_lines(&self.stretch[line..to]) as u64;
        Some(Position { byte: self.at + line as u64, line: next.line - blank, ..next })
    }

    fn pass(
        &mut self,
        position: Position,
        to: impl FnOnce(&mut S) -> Result<Flow, Error>,
    ) -> Result<Flow, Error> {
        let is_behind = self.line_behind_end(position).is_some();
        let flow = if is_behind { Flow::Decline } else { to(self.sink)? };
        self.is_stopped = flow != Flow::Continue;
        if flow == Flow::Decline {
            self.overrun = Some(Position { record: position.record.saturating_sub(1), ..position });
        }
        Ok(flow)
    }
}

impl<S: RecordSink> RecordSink for Until<'_, S> {
    fn record(&mut self, record: &Record<'_>) -> Result<Flow, Error> {
        self.pass(record.position, |sink| sink.record(record))
    }

    fn malformed(&mut self, malformed: Malformed, position: Position, raw: &[u8]) -> Result<Flow, Error> {
        self.pass(position, |sink| sink.malformed(malformed, position, raw))
    }
}
