//! Pieces of the input, typed as a scan types all of it.

use std::sync::Arc;

use monitor::{Budget, Bytes, Reservation};

use super::PlainFile;
use crate::column_scan::ColumnScan;
use crate::error::Error;
use crate::position::Position;
use crate::rejects::OnBadRecord;
use crate::scan::{ScanPlan, Scanner, dictionary_bytes};
use crate::source::Input;
use crate::walker::{Gait, REST, Walker};

/// Pieces that are looked at, over all files, the first and the last bytes among them.
const PIECES: u64 = 32;

/// What the pieces hold.
pub(super) struct Sample {
    pub(super) columns: Vec<ColumnScan>,
    pub(super) rows: u64,
    pub(super) bytes: u64,
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
/// Where a piece begins inside quotes, what is taken for records is none. As a rule these have other widths, and the
/// piece is left out; else the types come out too wide, and that is found out later.
pub(super) fn take(
    files: &[Option<PlainFile>],
    plan: &Arc<ScanPlan>,
    gait: &Gait,
    piece_bytes: u64,
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
    let mut sample = Sample { columns: columns().collect(), rows: 0, bytes: 0, held };
    let mut walker = Walker::new(gait, &budget.consumer("block"))?;
    let total: u64 = files.iter().flatten().map(PlainFile::data_bytes).sum();
    let last = total.saturating_sub(piece_bytes);
    for piece in 0..PIECES {
        let Some((index, start)) = place(files, last / (PIECES - 1) * piece) else { continue };
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
        sample.rows += scanner.rows;
        sample.bytes += walker.before().byte.min(end.max(first)) - first;
        for (column, part) in sample.columns.iter_mut().zip(scanner.columns) {
            part.into_iter().for_each(|part| column.merge(part));
        }
        sample.held.try_resize(Bytes::from(heap_bytes(&sample.columns)))?;
    }
    Ok((sample.rows > 0 && sample.bytes > 0).then_some(sample))
}

/// The file of a byte among those of all records, and where it is in there.
fn place(files: &[Option<PlainFile>], mut byte: u64) -> Option<(usize, u64)> {
    for (index, file) in files.iter().enumerate() {
        let Some(file) = file else { continue };
        if byte < file.data_bytes() {
            return Some((index, file.layout.before.byte + byte));
        }
        byte -= file.data_bytes();
    }
    None
}

/// Turns to the first record of a piece; gives its byte, and where the piece ends.
fn begin(walker: &mut Walker, file: &PlainFile, start: u64, bytes: u64) -> Result<Option<(u64, u64)>, Error> {
    let end = (start + bytes).min(file.bytes);
    let lead = u64::from(start > file.layout.before.byte);
    let window = walker.window();
    window.begin(Input::Plain(Arc::clone(&file.file)), start - lead);
    window.want((end - start + lead) as usize + REST)?;
    let before = (lead > 0).then(|| window.bytes(1).first().copied()).flatten();
    window.advance(lead as usize);
    let length = window.len().min((end - start) as usize);
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
