//! Pieces of the input, typed as a scan types all of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use monitor::{Budget, Bytes, Reservation};

use super::PlainFile;
use crate::column_scan::ColumnScan;
use crate::error::{Error, ErrorKind};
use crate::position::Position;
use crate::rejects::OnBadRecord;
use crate::scan::{ScanPlan, Scanner, dictionary_bytes};
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
}

/// Types the pieces; `None` if no record was found in them.
///
/// Where a piece begins inside quotes, what is taken for records may be none. The pass, which knows how each range begins,
/// refuses such a piece: from the beginning of a true record on, the same machine finds nothing but true records.
pub(super) fn take(
    files: &[Option<PlainFile>],
    plan: &Arc<ScanPlan>,
    gait: &Gait,
    (range, piece_bytes): (u64, u64),
    budget: &Budget,
) -> Result<Option<Sample>, Error> {
    let skipping = Arc::new(ScanPlan {
        names: plan.names.clone(),
        hints: plan.hints.clone(),
        rules: plan.rules.clone(),
        on_bad_record: OnBadRecord::Skip,
    });
    let share = dictionary_bytes(plan.names.len());
    let columns = || plan.hints.iter().map(|hint| ColumnScan::new(*hint, share));
    let held = budget.consumer("scan").try_reserve(Bytes::ZERO)?;
    let mut sample =
        Sample { columns: columns().collect(), rows: 0, bytes: 0, firsts: BTreeMap::new(), held };
    let mut walker = Walker::new(gait, &budget.consumer("block"))?;
    let ranges: u64 = files.iter().flatten().map(|file| file.ranges(range)).sum();
    let pieces = PIECES.min(ranges).max(1);
    // Of few ranges more is looked at each.
    let piece_bytes = (piece_bytes * PIECES / pieces).min(range);
    for piece in 0..pieces {
        let number = ranges.saturating_sub(1) * piece / (pieces - 1).max(1);
        let Some((index, start)) = place(files, number, range) else { continue };
        let Some(file) = &files[index] else { continue };
        let Some((first, end)) = begin(&mut walker, file, start, piece_bytes)? else { continue };
        let scanned = columns().map(Some).collect();
        let mut scanner = Scanner::new(&skipping, scanned, index, &file.layout, false);
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
        for (column, part) in sample.columns.iter_mut().zip(scanner.columns) {
            part.into_iter().for_each(|part| column.merge(part));
        }
        sample.held.try_resize(Bytes::from(heap_bytes(&sample.columns)))?;
    }
    Ok((sample.rows > 0 && sample.bytes > 0).then_some(sample))
}

/// The file of a range among those of all files, and where it begins in there.
fn place(files: &[Option<PlainFile>], mut number: u64, range: u64) -> Option<(usize, u64)> {
    for (index, file) in files.iter().enumerate() {
        let Some(file) = file else { continue };
        if number < file.ranges(range) {
            return Some((index, file.layout.before.byte + number * range));
        }
        number -= file.ranges(range);
    }
    None
}

/// Turns to the first record of a piece; gives its byte, and where the piece ends.
fn begin(walker: &mut Walker, file: &PlainFile, start: u64, bytes: u64) -> Result<Option<(u64, u64)>, Error> {
    let end = (start + bytes).min(file.bytes).max(start);
    let lead = u64::from(start > file.layout.before.byte);
    let window = walker.window();
    window.begin(Input::Plain(Arc::clone(&file.file)), start - lead);
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
    walker.reset(file.layout.columns.len(), Position { byte: first, ..Position::START }, end);
    Ok(Some((first, end)))
}

fn heap_bytes(columns: &[ColumnScan]) -> usize {
    columns.iter().map(ColumnScan::heap_bytes).sum()
}
