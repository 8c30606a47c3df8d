//! Where row groups end, and the blocks of rows that a column is encoded in.
//!
//! Both follow from the rows alone, counted from the table's first one, and from what they come to when they are encoded.
//! So a file has the same bytes however its rows came in batches, and whichever threads encoded them. Two things can be in
//! the way, and both need a budget that is nearly used up: the limit by bytes is lowered to what half of the budget that is
//! left has room for when the file begins, and a row group ends early where its encoders need more than was reserved for any
//! of them at the beginning, which a row that is longer than the row group can make them, and the budget refuses it.

use arrow::array::cast::AsArray;
use arrow::array::{Array, RecordBatch};
use arrow::datatypes::DataType;
use monitor::{Budget, Bytes};

use crate::word_sizes::WordSizes;

/// What a process takes before it holds a row: no share of it goes to row groups.
const PROCESS: Bytes = Bytes::mib(16);
/// A row group takes this share of the rest: it is one of several things that are held at a time, and the longer it is,
/// the less the file's index grows.
const BUDGET_SHARE: u64 = 6;
/// What the largest process takes beside what it reserves, and the share of what is above it. In small budgets this is less, so that
/// what a process happens to take, which differs from run to run, does not decide how long row groups are.
const MOST_PROCESS: Bytes = Bytes::mib(32);
const SMALL_BUDGET_SHARE: u64 = 4;
const LEAST_DEFAULT: Bytes = Bytes::mib(1);
const MOST_DEFAULT: Bytes = Bytes::mib(64);

/// A block takes no more than this share of a row group, and no more than a page can count.
const BLOCK_SHARE: u64 = 8;
const MOST_BLOCK: u64 = 1 << 30;

/// Rows of a block. A column's encoder looks at the size of its page once a block, and rows of a block that lie in two
/// batches are copied together: many are few looks, few are short copies.
const BLOCK_ROWS: usize = 2048;

/// Where a row group ends, whichever comes first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowGroupLimits {
    /// At least 1.
    pub(crate) rows: usize,
    /// Bytes of its values as they are encoded.
    pub(crate) bytes: Bytes,
}

impl RowGroupLimits {
    pub(crate) const DEFAULT_ROWS: usize = 1 << 20;

    /// The limit by bytes for a budget, where none is given.
    pub(crate) fn default_bytes(budget: &Budget) -> Bytes {
        match budget.is_bounded() {
            true => {
                let share = |process, share| budget.limit().saturating_sub(process).get() / share;
                let share = share(PROCESS, BUDGET_SHARE).min(share(MOST_PROCESS, SMALL_BUDGET_SHARE));
                Bytes(share).clamp(LEAST_DEFAULT, MOST_DEFAULT)
            }
            false => MOST_DEFAULT,
        }
    }

    /// Bytes of a block that is not one row alone.
    pub(crate) fn block_bytes(&self) -> u64 {
        (self.bytes.get() / BLOCK_SHARE).min(MOST_BLOCK)
    }
}

/// A stretch of rows of one batch that belongs to one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    /// None, if the rows before it were the last of their row group.
    pub(crate) rows: usize,
    /// Whether its last row is the block's. If not, the batch has ended before.
    pub(crate) ends_block: bool,
    /// Whether its last row is the row group's too, unless that is [gone on with](Cutter::go_on).
    pub(crate) ends_row_group: bool,
}

/// Finds the ends of blocks and row groups in a table that comes batch by batch.
#[derive(Debug, Clone)]
pub(crate) struct Cutter {
    limits: RowGroupLimits,
    block: Extent,
    row_group: Extent,
    /// Bytes of the row group that the last piece belongs to, at its end.
    reckoned: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Extent {
    rows: usize,
    bytes: u64,
}

impl Extent {
    fn add(&mut self, rows: usize, bytes: u64) {
        self.rows += rows;
        self.bytes += bytes;
    }
}

impl Cutter {
    pub(crate) fn new(limits: RowGroupLimits) -> Self {
        Self { limits, block: Extent::default(), row_group: Extent::default(), reckoned: 0 }
    }

    /// Goes on with the row group that the last piece has ended, which has so many rows, and has come to so many bytes by
    /// being encoded. What is not encoded yet is taken to need the bytes that it has now.
    pub(crate) fn go_on(&mut self, rows: usize, bytes: u64) {
        self.row_group = Extent { rows, bytes };
        self.reckoned = bytes;
    }

    /// Bytes that the row group which the last piece belongs to is taken to need at the end of it.
    pub(crate) fn reckoned(&self) -> u64 {
        self.reckoned
    }

    /// The piece that begins at row `from` of a batch.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub(crate) fn next(&mut self, sizes: &RowSizes<'_>, from: usize) -> Piece {
        let left = sizes.rows - from;
        assert!(left > 0, "no rows are left");
        let in_group = sizes.fit(
            from,
            left.min(self.limits.rows - self.row_group.rows),
            self.limits.bytes.get(),
            self.row_group,
        );
        let in_block = sizes.fit(
            from,
            in_group.min(BLOCK_ROWS - self.block.rows),
            self.limits.block_bytes(),
            self.block,
        );
        let rows = in_group.min(in_block);
        let bytes = sizes.bytes(from, from + rows);
        self.block.add(rows, bytes);
        self.row_group.add(rows, bytes);
        self.reckoned = self.row_group.bytes;
        // What stops before the batch does stops at a limit. At the batch's end, only limits by rows are known to be
        // reached: whether the next row fits is found when it is there.
        let is_full = |extent: Extent, most: usize| extent.rows == most;
        let ends_row_group =
            (rows == in_group && in_group < left) || is_full(self.row_group, self.limits.rows);
        let ends_block = ends_row_group || rows < left || is_full(self.block, BLOCK_ROWS);
        if ends_row_group {
            self.row_group = Extent::default();
        }
        if ends_block {
            self.block = Extent::default();
        }
        Piece { rows, ends_block, ends_row_group }
    }
}

/// What the values of each row of a batch take when they are encoded without a dictionary.
pub(crate) struct RowSizes<'a> {
    rows: usize,
    /// Bytes of columns whose values all take the same.
    fixed: u64,
    texts: Vec<Texts<'a>>,
    words: Vec<WordSizes<'a>>,
}

enum Texts<'a> {
    Short(&'a [i32]),
    Long(&'a [i64]),
}

impl<'a> RowSizes<'a> {
    pub(crate) fn of(batch: &'a RecordBatch) -> Self {
        let mut sizes = RowSizes { rows: batch.num_rows(), fixed: 0, texts: Vec::new(), words: Vec::new() };
        for column in batch.columns() {
            match column.data_type() {
                DataType::Utf8 => sizes.texts.push(Texts::Short(column.as_string::<i32>().value_offsets())),
                DataType::LargeUtf8 => {
                    sizes.texts.push(Texts::Long(column.as_string::<i64>().value_offsets()));
                }
                DataType::Binary => {
                    sizes.texts.push(Texts::Short(column.as_binary::<i32>().value_offsets()));
                }
                DataType::LargeBinary => {
                    sizes.texts.push(Texts::Long(column.as_binary::<i64>().value_offsets()));
                }
                _ => {
                    // Of texts in a dictionary, this is what a key takes, or a length.
                    sizes.fixed += width(column.as_ref());
                    sizes.words.extend(WordSizes::of(column.as_ref()));
                }
            }
        }
        sizes
    }

    /// Bytes of the rows `from..to`.
    pub(crate) fn bytes(&self, from: usize, to: usize) -> u64 {
        let words = self.words.iter().map(|words| words.bytes(from, to)).sum::<u64>();
        self.bytes_in_memory(from, to) + words
    }

    /// As [`bytes`](Self::bytes), with dictionaries as they are, but for their values.
    pub(crate) fn bytes_in_memory(&self, from: usize, to: usize) -> u64 {
        let texts = self.texts.iter().map(|texts| match texts {
            Texts::Short(offsets) => (offsets[to] - offsets[from]) as u64 + 4 * (to - from) as u64,
            Texts::Long(offsets) => (offsets[to] - offsets[from]) as u64 + 8 * (to - from) as u64,
        });
        self.fixed * (to - from) as u64 + texts.sum::<u64>()
    }

    /// How many rows from `from` on, of `most`, come to so many bytes. None if all of them do not.
    pub(crate) fn reach(&self, from: usize, most: usize, bytes: u64) -> Option<usize> {
        if most == 0 || self.bytes(from, from + most) < bytes {
            return None;
        }
        let (mut below, mut reach) = (0, most);
        while reach - below > 1 {
            let rows = below + (reach - below) / 2;
            match self.bytes(from, from + rows) < bytes {
                true => below = rows,
                false => reach = rows,
            }
        }
        Some(reach)
    }

    /// How many of the `most` rows from `from` go into an extent of `limit` bytes that holds some already. An empty
    /// extent takes one row, whatever its size.
    fn fit(&self, from: usize, most: usize, limit: u64, held: Extent) -> usize {
        let room = limit.saturating_sub(held.bytes);
        if self.bytes(from, from + most) <= room {
            return most;
        }
        let (mut fits, mut exceeds) = (0, most);
        while exceeds - fits > 1 {
            let rows = fits + (exceeds - fits) / 2;
            match self.bytes(from, from + rows) <= room {
                true => fits = rows,
                false => exceeds = rows,
            }
        }
        if held.rows == 0 { fits.max(1) } else { fits }
    }
}

/// Bytes of each value of a column as Parquet holds it, which has no integers below 32 bits; an average for types whose
/// values differ and that are no text.
fn width(column: &dyn Array) -> u64 {
    const LEAST: usize = 4;
    let value = match column.data_type() {
        DataType::Boolean => Some(1),
        DataType::Dictionary(..) => Some(LEAST),
        DataType::FixedSizeBinary(width) => usize::try_from(*width).ok(),
        DataType::Timestamp(..) | DataType::Time64(_) => Some(8),
        other => other.primitive_width().map(|width| width.max(LEAST)),
    };
    match value {
        Some(width) => width as u64,
        None => {
            let data = column.to_data();
            let bytes = data.get_slice_memory_size().unwrap_or_else(|_| data.get_array_memory_size());
            (bytes as u64).div_ceil(column.len().max(1) as u64)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int32Array, StringArray};
    use proptest::prelude::*;

    use super::*;

    fn table(lengths: &[usize]) -> RecordBatch {
        let text = StringArray::from_iter_values(lengths.iter().map(|length| "x".repeat(*length)));
        let number = Int32Array::from_iter_values(0..lengths.len() as i32);
        let columns: [(&str, ArrayRef); 2] = [("text", Arc::new(text)), ("number", Arc::new(number))];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    /// The ends of blocks and row groups, as rows from the table's start.
    fn ends(batches: &[RecordBatch], limits: RowGroupLimits) -> (Vec<usize>, Vec<usize>) {
        let mut cutter = Cutter::new(limits);
        let (mut blocks, mut groups, mut row) = (Vec::new(), Vec::new(), 0);
        for batch in batches {
            let (sizes, mut from) = (RowSizes::of(batch), 0);
            while from < batch.num_rows() {
                let piece = cutter.next(&sizes, from);
                from += piece.rows;
                row += piece.rows;
                if piece.ends_block {
                    blocks.push(row);
                }
                if piece.ends_row_group {
                    groups.push(row);
                }
                assert!(piece.ends_block || from == batch.num_rows());
            }
        }
        (blocks, groups)
    }

    /// The slow twin: row by row, each ends what it does not fit in any more.
    fn ends_row_by_row(lengths: &[usize], limits: RowGroupLimits) -> (Vec<usize>, Vec<usize>) {
        let (mut blocks, mut groups) = (Vec::new(), Vec::new());
        let (mut block, mut group) = (Extent::default(), Extent::default());
        for (row, length) in lengths.iter().enumerate() {
            let bytes = *length as u64 + 4 + 4;
            let exceeds = |extent: Extent, limit: u64| extent.rows > 0 && extent.bytes + bytes > limit;
            if exceeds(group, limits.bytes.get()) && group.rows < limits.rows {
                groups.push(row);
                (group, block) = Default::default();
                if blocks.last() != Some(&row) {
                    blocks.push(row);
                }
            }
            if exceeds(block, limits.block_bytes()) {
                blocks.push(row);
                block = Extent::default();
            }
            block.add(1, bytes);
            group.add(1, bytes);
            if group.rows == limits.rows {
                groups.push(row + 1);
                (group, block) = Default::default();
                blocks.push(row + 1);
            } else if block.rows == BLOCK_ROWS {
                blocks.push(row + 1);
                block = Extent::default();
            }
        }
        (blocks, groups)
    }

    proptest! {
        #[test]
        fn ends_depend_on_the_rows_alone(
            lengths in prop::collection::vec(0usize..200, 1..400),
            cuts in prop::collection::vec(0usize..400, 0..6),
            rows in 1usize..300,
            bytes in 1u64..20_000,
        ) {
            let limits = RowGroupLimits { rows, bytes: Bytes(bytes) };
            let whole = table(&lengths);
            let mut places: Vec<usize> = cuts.into_iter().map(|cut| cut.min(lengths.len())).collect();
            places.extend([0, lengths.len()]);
            places.sort_unstable();
            let batches: Vec<_> =
                places.windows(2).map(|w| whole.slice(w[0], w[1] - w[0])).filter(|b| b.num_rows() > 0).collect();
            let (mut blocks, groups) = ends(&batches, limits);
            // A row group that ends before a batch's first row ends a block that may have ended there already.
            blocks.dedup();
            prop_assert_eq!((blocks, groups), ends_row_by_row(&lengths, limits));
        }
    }

    #[test]
    fn blocks_end_by_rows_where_rows_are_short() {
        let limits = RowGroupLimits { rows: 5000, bytes: Bytes::mib(64) };
        let (blocks, groups) = ends(&[table(&[1; 10_000])], limits);
        assert_eq!(groups, [5000, 10_000]);
        assert_eq!(blocks, [2048, 4096, 5000, 7048, 9096, 10_000]);
    }

    #[test]
    fn the_default_follows_the_budget() {
        let of = |limit| RowGroupLimits::default_bytes(&Budget::new(limit));
        assert_eq!(of(Bytes::mib(112)), Bytes::mib(16));
        assert_eq!(of(Bytes::mib(64)), Bytes::mib(8));
        assert_eq!(of(Bytes::mib(48)), Bytes::mib(4));
        assert_eq!(of(Bytes::mib(2)), Bytes::mib(1));
        assert_eq!(of(Bytes::gib(4)), Bytes::mib(64));
        assert_eq!(RowGroupLimits::default_bytes(&Budget::unbounded()), Bytes::mib(64));
    }
}
