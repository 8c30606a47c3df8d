//! Places in the input that the scan has passed, so that later passes can begin there.
//!
//! A checkpoint lies in front of a record, outside quotes, and knows how many rows, records and lines are before it.
//! From one on, a pass needs nothing of what lies before: batches can be made at many places at once, and a range of
//! rows needs no reading from the start. There are so many and no more, whatever the size of the input.

use crate::position::Position;

/// Most checkpoints that are kept: 1.3 MB of them, for a range each up to an input of 16 GB.
const MOST: usize = 32 << 10;

/// A place in front of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) file: usize,
    /// In front of the record: its byte and line, and the number of the record before it.
    pub(crate) before: Position,
    /// Rows of the whole input before it, rejected records left out.
    pub(crate) row: u64,
}

/// Checkpoints in order, the first one at the input's first record.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checkpoints {
    all: Vec<Checkpoint>,
    /// Each so-many-th of what is offered is kept; 0 stands for 1.
    stride: u64,
    offered: u64,
}

impl Checkpoints {
    /// Offers the next place. Those at the start of a file are kept as long as there is room for them.
    pub(crate) fn offer(&mut self, checkpoint: Checkpoint) {
        let stride = self.stride.max(1);
        let is_kept = self.offered.is_multiple_of(stride);
        self.offered += 1;
        if !is_kept && self.all.last().is_some_and(|last| last.file == checkpoint.file) {
            return;
        }
        self.all.push(checkpoint);
        if self.all.len() > MOST {
            let mut index = 0;
            self.all.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.stride = stride * 2;
        }
    }

    /// The last place with no more than `row` rows before it; `None` if there is no record at all.
    pub(crate) fn before_row(&self, row: u64) -> Option<Checkpoint> {
        let behind = self.all.partition_point(|checkpoint| checkpoint.row <= row);
        self.all.get(behind.checked_sub(1)?).copied()
    }

    /// The row of the first checkpoint behind `row`.
    pub(crate) fn row_behind(&self, row: u64) -> Option<u64> {
        let behind = self.all.partition_point(|checkpoint| checkpoint.row <= row);
        self.all.get(behind).map(|checkpoint| checkpoint.row)
    }

    /// Rows before the last place that has more than `from` rows before it, and no more than `to`.
    pub(crate) fn last_row_within(&self, from: u64, to: u64) -> Option<u64> {
        self.before_row(to).map(|checkpoint| checkpoint.row).filter(|row| *row > from)
    }

    /// The last place at or before a byte of a file.
    pub(crate) fn before_byte(&self, file: usize, byte: u64) -> Option<Checkpoint> {
        let behind = self.all.partition_point(|c| (c.file, c.before.byte) <= (file, byte));
        self.all.get(behind.checked_sub(1)?).copied().filter(|checkpoint| checkpoint.file == file)
    }

    /// All of them.
    #[cfg(test)]
    pub(crate) fn all(&self) -> &[Checkpoint] {
        &self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(file: usize, n: u64) -> Checkpoint {
        Checkpoint { file, before: Position { byte: 10 * n, line: n + 1, record: n }, row: n }
    }

    #[test]
    fn there_are_never_too_many_and_the_first_one_stays() {
        let mut checkpoints = Checkpoints::default();
        for n in 0..100_000 {
            checkpoints.offer(at(0, n));
        }
        assert!(checkpoints.all().len() <= MOST && checkpoints.all().len() >= MOST / 2);
        assert_eq!(checkpoints.before_row(0), Some(at(0, 0)));
        for row in [1, 77, 50_000, 99_999] {
            let found = checkpoints.before_row(row).unwrap();
            assert!(found.row <= row && row - found.row < 64, "{found:?}");
        }
    }

    #[test]
    fn a_place_is_found_within_its_file() {
        let mut checkpoints = Checkpoints::default();
        [at(0, 0), at(0, 5), at(1, 8)].into_iter().for_each(|c| checkpoints.offer(c));
        assert_eq!(checkpoints.before_byte(0, 49), Some(at(0, 0)));
        assert_eq!(checkpoints.before_byte(0, 5000), Some(at(0, 5)));
        assert_eq!(checkpoints.before_byte(1, 79), None);
        assert_eq!(checkpoints.before_row(7), Some(at(0, 5)));
        assert_eq!(checkpoints.last_row_within(0, 7), Some(5));
        assert_eq!(checkpoints.last_row_within(5, 7), None);
    }
}
