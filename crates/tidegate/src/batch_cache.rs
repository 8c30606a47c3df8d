//! Batches of one pass, kept for those behind it where all of them fit in what the budget can spare.
//!
//! They hold what they have reserved. An eighth of what is free when the first one comes is theirs, and all but what an
//! output takes where there is much: row groups are as long as without a cache. Once there is more, or others need the
//! room, all of them go, and the input is read again. Reading them back costs nothing, so that a cache that fits is the
//! faster way without a measurement. There is none on disk: the narrow batches of a file are three quarters of its size,
//! and a disk that takes 0.7 GB and gives 0.4 GB a second is slower with them than the parser, which makes 1.8 GB a
//! second of the file.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use chunked_loader::{Batch, Scan};
use monitor::{Budget, Bytes, Reservation};

use crate::failure::Failure;

/// What is left to the passes behind, at the least if there is so much.
const LEFT: Bytes = Bytes::mib(256);

/// Where no more than this is left, what the pass learns needs the room, and the rows go.
const NEEDED: Bytes = Bytes::mib(64);

/// All batches of the input, in the order of their rows.
pub(crate) struct BatchCache {
    budget: Budget,
    batches: Vec<Batch>,
    held: Bytes,
    most: Bytes,
    /// What others are to find free at the least.
    needed: Bytes,
    /// Whether a batch was left out.
    has_overflown: bool,
    /// What the values of dictionaries take that the batches do not share.
    dictionaries: Option<Reservation>,
}

/// Rows that were kept.
pub(crate) struct Kept<'a> {
    pub(crate) batch: &'a Batch,
    columns: Vec<usize>,
}

impl BatchCache {
    /// An empty cache within what the budget can spare.
    pub(crate) fn new(budget: &Budget) -> BatchCache {
        let left = budget.available();
        BatchCache {
            budget: budget.clone(),
            batches: Vec::new(),
            held: Bytes::ZERO,
            most: left.saturating_sub(LEFT).max(Bytes(left.get() / 8)),
            needed: NEEDED.min(Bytes(left.get() / 8)),
            has_overflown: false,
            dictionaries: budget.consumer("kept rows").try_reserve(Bytes::ZERO).ok(),
        }
    }

    /// Whether a table of so many bytes can be kept.
    pub(crate) fn has_room_for(&self, bytes: u64) -> bool {
        Bytes(bytes) <= self.most
    }

    /// Keeps the next batch, if those before it are kept and there is room for it.
    pub(crate) fn keep(&mut self, batch: Batch) {
        let values = Bytes::from(self.new_dictionary_bytes(&batch));
        self.held = self.held.saturating_add(batch.reserved()).saturating_add(values);
        let is_refused = self.dictionaries.as_mut().is_some_and(|held| held.try_grow(values).is_err());
        let is_needed = self.budget.available() < self.needed;
        self.has_overflown |= is_refused || is_needed || self.held > self.most;
        if self.has_overflown {
            (self.batches, self.dictionaries) = (Vec::new(), None);
        } else {
            self.batches.push(batch);
        }
    }

    /// Bytes of dictionaries' values that are not those of the batch before.
    fn new_dictionary_bytes(&self, batch: &Batch) -> usize {
        let values = |column: &ArrayRef| Some(Arc::clone(column.as_any_dictionary_opt()?.values()));
        let before = self.batches.last();
        let columns = batch.columns().columns().iter().enumerate();
        let new = columns.filter_map(|(place, column)| {
            let values_now = values(column)?;
            let values_before = before.and_then(|batch| values(batch.columns().column(place)));
            let is_shared = values_before.is_some_and(|before| Arc::ptr_eq(&before, &values_now));
            (!is_shared).then(|| values_now.get_array_memory_size())
        });
        new.sum()
    }

    /// The cache, if nothing was left out.
    pub(crate) fn whole(self) -> Option<BatchCache> {
        (!self.has_overflown && !self.batches.is_empty()).then_some(self)
    }

    /// The columns `projection` of all batches.
    pub(crate) fn batches(&self, projection: &[usize]) -> impl Iterator<Item = Kept<'_>> {
        self.batches.iter().map(|batch| Kept { batch, columns: projection.to_vec() })
    }
}

impl Kept<'_> {
    /// Some of the rows, from row `from` of the batch on, in the types that the scan says.
    pub(crate) fn rows(&self, scan: &Scan, from: usize, rows: usize) -> Result<RecordBatch, Failure> {
        let columns = self.columns.iter().map(|column| {
            let built = self.batch.columns().column(*column).slice(from, rows);
            Ok(scan.proved(*column, &built)?)
        });
        let columns: Vec<_> = columns.collect::<Result<_, Failure>>()?;
        let schema = scan.schema().project(&self.columns).map_err(chunked_loader::Error::from)?;
        // A recipe may want no column at all.
        let count = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(schema.into(), columns, &count);
        Ok(batch.map_err(chunked_loader::Error::from)?)
    }
}
