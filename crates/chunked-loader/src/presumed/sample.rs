//! Pieces of the input, typed as a scan types all of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use monitor::{Budget, Bytes, Reservation, Tag};

use super::PlainFile;
use crate::column_scan::ColumnScan;
use crate::error::{Error, ErrorKind};
use crate::layout::Layout;
use crate::position::Position;
use crate::rejects::OnBadRecord;
use crate::scan::{Request, ScanPlan, Scanner, dictionary_bytes};
use crate::source::Input;
use crate::walker::{Gait, REST, Walker};

/// Pieces that are looked at, over all files: the beginnings of so many ranges, the first and the last among them.
const PIECES: u64 = 32;

/// What the pieces hold.
pub(super) struct Sample {
    pub(super) columns: Vec<ColumnScan>,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// Where the first record of a range was taken to begin, by the range's number among those of all files.
    pub(super) firsts: BTreeMap<u64, u64>,
    /// Holds the columns' state.
    pub(super) held: Reservation,
}

impl Sample {
    /// Bytes of a row in the mean.
    pub(super) fn row_bytes(&self) -> f64 {
        self.bytes as f64 / self.rows.max(1) as f64
    }

    /// Adds what other pieces hold.
    fn merge(&mut self, other: Sample) -> Result<(), Error> {
        self.columns.iter_mut().zip(other.columns).for_each(|(column, more)| column.merge(more));
        self.rows += other.rows;
        self.bytes += other.bytes;
        self.firsts.extend(other.firsts);
        self.held.try_resize(Bytes::from(heap_bytes(&self.columns)))?;
        Ok(())
    }
}

/// Types the pieces; `None` if no record was found in them.
///
/// Where a piece begins inside quotes, what is taken for records may be none. The pass, which knows how each range begins,
/// refuses such a piece: from the beginning of a true record on, the same machine finds nothing but true records.
pub(super) fn take(
    files: &[Option<PlainFile>],
    plan: &ScanPlan,
    gait: &Gait,
    (range, piece_bytes): (u64, u64),
    request: &Request<'_>,
) -> Result<Option<Sample>, Error> {
    let skipping = Arc::new(ScanPlan {
        names: plan.names.clone(),
        hints: plan.hints.clone(),
        rules: plan.rules.clone(),
        on_bad_record: OnBadRecord::Skip,
    });
    let parts =
        files.iter().enumerate().filter_map(|(index, file)| Some(Part::of(index, file.as_ref()?, range)));
    let parts: Vec<Part<'_>> = parts.collect();
    let ranges: u64 = parts.iter().map(|part| part.ranges).sum();
    let pieces = PIECES.min(ranges).max(1);
    let taking = Taking {
        parts,
        plan: &skipping,
        gait,
        budget: request.budget,
        range,
        ranges,
        // Of few ranges more is looked at each.
        piece_bytes: (piece_bytes * PIECES / pieces).min(range),
        pieces,
        next: AtomicU64::new(0),
    };
    let (taking, tag) = (&taking, Tag::current());
    let sample = thread::scope(|scope| {
        let work = move || {
            let _under = tag.enter();
            taking.work()
        };
        // One thread is enough; the others are for speed.
        let others = (1..request.threads.min(pieces as usize)).map_while(|_| {
            thread::Builder::new().name("tidegate-load".to_owned()).spawn_scoped(scope, work).ok()
        });
        let others: Vec<_> = others.collect();
        let mut sample = taking.work();
        for other in others {
            let more = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            sample = sample.and_then(|mut sample| sample.merge(more?).map(|()| sample));
        }
        sample
    })?;
    Ok((sample.rows > 0 && sample.bytes > 0).then_some(sample))
}

/// A file, as far as threads share it.
struct Part<'a> {
    /// Its number among all files.
    index: usize,
    file: &'a Arc<File>,
    bytes: u64,
    layout: &'a Arc<Layout>,
    /// That it is cut into.
    ranges: u64,
}

impl<'a> Part<'a> {
    fn of(index: usize, plain: &'a PlainFile, range: u64) -> Self {
        let PlainFile { file, bytes, layout, .. } = plain;
        Part { index, file, bytes: *bytes, layout, ranges: plain.ranges(range) }
    }
}

/// Pieces that threads take one after another.
struct Taking<'a> {
    parts: Vec<Part<'a>>,
    plan: &'a Arc<ScanPlan>,
    gait: &'a Gait,
    budget: &'a Budget,
    range: u64,
    ranges: u64,
    piece_bytes: u64,
    pieces: u64,
    next: AtomicU64,
}

impl Taking<'_> {
    /// The file of a range among those of all files, and where it begins in there.
    fn place(&self, mut number: u64) -> Option<(&Part<'_>, u64)> {
        for part in &self.parts {
            if number < part.ranges {
                return Some((part, part.layout.before.byte + number * self.range));
            }
            number -= part.ranges;
        }
        None
    }

    /// Takes pieces while there are some.
    fn work(&self) -> Result<Sample, Error> {
        let share = dictionary_bytes(self.plan.names.len());
        let columns = || self.plan.hints.iter().map(|hint| ColumnScan::new(*hint, share));
        let held = self.budget.consumer("scan").try_reserve(Bytes::ZERO)?;
        let mut sample =
            Sample { columns: columns().collect(), rows: 0, bytes: 0, firsts: BTreeMap::new(), held };
        let mut walker = Walker::new(self.gait, &self.budget.consumer("block"))?;
        loop {
            let piece = self.next.fetch_add(1, Ordering::Relaxed);
            if piece >= self.pieces {
                return Ok(sample);
            }
            let number = self.ranges.saturating_sub(1) * piece / (self.pieces - 1).max(1);
            let Some((part, start)) = self.place(number) else { continue };
            let Some((first, end)) = begin(&mut walker, part, start, self.piece_bytes)? else { continue };
            let scanned = sample.columns.iter().map(|column| Some(column.go_on_in_part())).collect();
            let mut scanner = Scanner::new(self.plan, scanned, part.index, part.layout, false);
            while scanner.step(&mut walker)? {
                let bytes = scanner.heap_bytes() + heap_bytes(&sample.columns);
                sample.held.try_resize(Bytes::from(bytes))?;
            }
            if !scanner.rejected.is_empty() {
                continue;
            }
            sample.firsts.insert(number, first);
            sample.rows += scanner.rows;
            sample.bytes += walker.before().byte.min(end.max(first)) - first;
            for (column, piece) in sample.columns.iter_mut().zip(scanner.columns) {
                piece.into_iter().for_each(|piece| column.merge(piece));
            }
            sample.held.try_resize(Bytes::from(heap_bytes(&sample.columns)))?;
        }
    }
}

/// Turns to the first record of a piece; gives its byte, and where the piece ends.
fn begin(walker: &mut Walker, part: &Part<'_>, start: u64, bytes: u64) -> Result<Option<(u64, u64)>, Error> {
    let end = (start + bytes).min(part.bytes).max(start);
    let lead = u64::from(start > part.layout.before.byte);
    let window = walker.window();
    window.begin(Input::Plain(Arc::clone(part.file)), start - lead);
    window.want((end - start + lead) as usize + REST)?;
    let length = (end - start) as usize;
    if window.len() < length + lead as usize {
        // The file had these bytes when it was opened.
        return Err(Error::new(ErrorKind::Changed));
    }
    let before = (lead > 0).then(|| window.bytes(1).first().copied()).flatten();
    window.advance(lead as usize);
    let behind = window.bytes(window.len()).get(length).copied();
    let survey = walker.survey(length, before, behind);
    let Some(first) = survey.first_record[0].filter(|first| *first < length) else { return Ok(None) };
    walker.window().advance(first);
    let first = start + first as u64;
    walker.reset(part.layout.columns.len(), Position { byte: first, ..Position::START }, end);
    Ok(Some((first, end)))
}

fn heap_bytes(columns: &[ColumnScan]) -> usize {
    columns.iter().map(ColumnScan::heap_bytes).sum()
}
