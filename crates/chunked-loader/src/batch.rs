//! A batch: rows as Arrow columns that know where they come from.

use std::sync::Weak;

use arrow::record_batch::RecordBatch;
use monitor::{Bytes, Reservation};

use crate::error::Error;
use crate::position::Position;
use crate::spares::Spares;

/// Some records of the input in file order, as narrow Arrow columns.
///
/// A batch holds the memory that it reserved from the budget until it is dropped. What is *not* counted:
/// copies that a consumer makes of its columns, the values of dictionaries, which all batches share, and of a batch
/// that the budget cut short, what came in since its bytes were counted last: 4096 values or 64 KiB of input.
///
/// A batch that is dropped leaves its buffers to those to come, as long as its iterator lives.
#[derive(Debug)]
pub struct Batch {
    /// There until the batch is dropped or taken apart.
    pub(crate) held: Option<(RecordBatch, Reservation)>,
    pub(crate) spares: Weak<Spares>,
    pub(crate) first_row: u64,
    pub(crate) position: Position,
    pub(crate) file: usize,
    pub(crate) raw_bytes: u64,
    /// The range of bytes that it comes from, where the input is read by such.
    pub(crate) range: u64,
}

/// What only dropping a batch takes away.
const HELD: &str = "a batch holds its columns until it is dropped";

impl Batch {
    /// The columns. Behind a scan their schema is that of the whole run, without one the batch's own.
    pub fn columns(&self) -> &RecordBatch {
        &self.held.as_ref().expect(HELD).0
    }

    /// Rows in the batch.
    pub fn num_rows(&self) -> usize {
        self.columns().num_rows()
    }

    /// Number of the batch's first row in the whole input, from 0.
    pub fn first_row(&self) -> u64 {
        self.first_row
    }

    /// Place of the batch's first record in its file.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The file that the first record comes from, by its index in the input.
    pub fn file(&self) -> usize {
        self.file
    }

    /// Bytes of the input that became this batch.
    pub fn raw_bytes(&self) -> u64 {
        self.raw_bytes
    }

    /// Bytes that the batch holds of the budget.
    pub fn reserved(&self) -> Bytes {
        self.held.as_ref().expect(HELD).1.bytes()
    }

    /// Reserves for what the columns hold beside what was counted as they were built.
    pub(crate) fn reserve_more(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.held.as_mut().expect(HELD).1.try_grow(bytes)?;
        Ok(())
    }

    /// The columns and the memory they hold, for a consumer that keeps the columns longer than the batch.
    pub fn into_parts(mut self) -> (RecordBatch, Reservation) {
        self.held.take().expect(HELD)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        if let (Some(spares), Some((columns, reservation))) = (self.spares.upgrade(), self.held.take()) {
            spares.put(columns, reservation);
        }
    }
}
