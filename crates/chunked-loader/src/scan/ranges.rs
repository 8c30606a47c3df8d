//! Scans the ranges of one file with several threads.
//!
//! ```text
//!  thread 1   claim ─► read ─► survey ─► start ─► types ─► result      in order:
//!  thread 2            claim ─► read ─► survey ─► start ─► types ─► …  places, rejects, checkpoints
//! ```
//!
//! Only claims, starts and results are in order, and each of these takes the same small time however large a range
//! is. The types of all ranges merge at the end, in any order.

use std::fs::File;
use std::sync::Arc;

use monitor::{Bytes, Reservation};

use super::chain::{Chain, Start};
use super::scanner::{Rejected, Scanner};
use crate::error::{Error, ErrorKind};
use crate::position::Position;
use crate::source::Input;
use crate::walker::{REST, Walker};

/// Bytes of a range: few enough to stay in a core's own cache between the survey and the index.
pub(crate) const RANGE: u64 = 512 << 10;

/// A file that is cut into ranges.
pub(crate) struct Ranges {
    pub(crate) file: Arc<File>,
    /// In front of the first record.
    pub(crate) before: Position,
    /// Bytes of the file.
    pub(crate) bytes: u64,
    /// Bytes of a range.
    pub(crate) range: u64,
    /// Fields of each record.
    pub(crate) fields: usize,
}

/// What a range comes to.
#[derive(Default)]
pub(crate) struct RangeResult {
    /// First byte of its first record; `None` if none begins in it.
    pub(crate) first: Option<u64>,
    pub(crate) rows: u64,
    pub(crate) records: u64,
    pub(crate) lines: u64,
    /// Places count from the range's first record: lines and records from 1.
    pub(crate) rejected: Vec<Rejected>,
    pub(crate) error: Option<Error>,
    /// Holds the rejected records.
    pub(crate) held: Option<Reservation>,
}

impl Ranges {
    /// How many ranges there are.
    pub(crate) fn count(&self) -> usize {
        self.bytes.saturating_sub(self.before.byte).div_ceil(self.range) as usize
    }

    fn start(&self, range: usize) -> u64 {
        self.before.byte + range as u64 * self.range
    }

    /// The work of one thread: ranges until there are none. `held` keeps what the scanner holds.
    pub(crate) fn work(
        &self,
        chain: &Chain<RangeResult>,
        walker: &mut Walker,
        scanner: &mut Scanner,
        held: &mut Reservation,
    ) {
        let _guard = StopOnPanic(chain);
        while let Some(range) = chain.claim() {
            let mut result = RangeResult::default();
            let end = match self.scan(range, chain, walker, scanner, held, &mut result) {
                Ok(end) => end,
                Err(error) => {
                    result.error = Some(error);
                    None
                }
            };
            chain.finished(range, end, result.error.is_some(), result);
        }
    }

    /// Turns `walker` to the records of one range, and gives the byte of the first; `None` if none begins in it, or nobody
    /// needs it any more. While it waits for the ranges before, what `away` gives is held.
    ///
    /// # Errors
    /// If the file cannot be read, has changed, or the budget has no room for the range.
    pub(crate) fn begin<T, G>(
        &self,
        range: usize,
        chain: &Chain<T>,
        walker: &mut Walker,
        away: impl Fn() -> G,
    ) -> Result<Option<u64>, Error> {
        let (start, end) = (self.start(range), self.start(range + 1).min(self.bytes));
        let length = (end - start) as usize;
        // A byte before, to see whether a quote at the edge may stand there; behind, as a rule the last record's rest.
        let lead = u64::from(range > 0);
        let window = walker.window();
        window.begin(Input::Plain(Arc::clone(&self.file)), start - lead);
        window.want(length + lead as usize + REST)?;
        let before = (lead > 0).then(|| window.bytes(1).first().copied()).flatten();
        if window.len() < length + lead as usize {
            // The file had these bytes when the pass began.
            return Err(Error::new(ErrorKind::Changed));
        }
        window.advance(lead as usize);
        let behind = window.bytes(window.len()).get(length).copied();
        let survey = walker.survey(length, before, behind);
        chain.surveyed(range, survey);
        let Ok(begins) = chain.start(range, away) else { return Ok(None) };
        let first = match begins {
            Start::Inside(inside) => survey.first_record[usize::from(inside)].map(|at| start + at as u64),
            Start::At(first) => {
                if first < start {
                    // The range before has ended where it had more bytes.
                    return Err(Error::new(ErrorKind::Changed));
                }
                if first >= end {
                    chain.follows(range, Start::At(first));
                    return Ok(None);
                }
                // Behind that record the parity may hold again.
                let skipped = (first - start) as usize;
                let rest = walker.survey_record(skipped, length, behind);
                if !rest.is_stray[0] {
                    chain.follows(range, Start::Inside(rest.flips));
                }
                Some(first)
            }
        };
        let Some(first) = first.filter(|first| *first < end) else { return Ok(None) };
        let window = walker.window();
        window.advance((first - start) as usize);
        walker.reset(self.fields, Position { byte: first, ..Position::START }, end);
        Ok(Some(first))
    }

    /// Scans one range; gives the first byte behind its records.
    fn scan(
        &self,
        range: usize,
        chain: &Chain<RangeResult>,
        walker: &mut Walker,
        scanner: &mut Scanner,
        held: &mut Reservation,
        result: &mut RangeResult,
    ) -> Result<Option<u64>, Error> {
        let Some(first) = self.begin(range, chain, walker, || ())? else { return Ok(None) };
        result.first = Some(first);
        let rows = scanner.rows;
        let walked = (|| {
            while scanner.step(walker)? {
                held.try_resize(Bytes::from(scanner.heap_bytes()))?;
            }
            Ok(())
        })();
        let behind = walker.before();
        result.rows = scanner.rows - rows;
        (result.records, result.lines) = (behind.record, behind.line - Position::START.line);
        result.rejected = std::mem::take(&mut scanner.rejected);
        if !result.rejected.is_empty() {
            let bytes =
                result.rejected.iter().map(|r| r.raw.capacity() + size_of::<Rejected>()).sum::<usize>();
            let bytes = Bytes::from(bytes).min(held.bytes());
            result.held = Some(held.split(bytes));
        }
        walked.map(|()| Some(behind.byte))
    }
}

/// Calls all off when its thread panics, so that nobody waits for a range that never comes.
pub(crate) struct StopOnPanic<'a>(pub(crate) &'a Chain<RangeResult>);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
    }
}
