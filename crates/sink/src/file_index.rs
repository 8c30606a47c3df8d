//! What the Parquet encoder keeps of finished row groups until it writes the file's footer.

use monitor::{Budget, BudgetExceeded, Bytes, Reservation};

/// Offsets, sizes and statistics of one column of a row group: some 500 bytes, and as much again while the footer is
/// written, for which the crate copies them.
const COLUMN_BYTES: u64 = 1 << 10;

/// Reserves for the index of a file while it grows. What a column takes is an estimate: the crate tells no sizes.
pub(crate) struct FileIndex {
    reservation: Reservation,
}

impl FileIndex {
    pub(crate) fn new(budget: &Budget) -> Result<Self, BudgetExceeded> {
        let reservation = budget.consumer("file index").try_reserve(Bytes::ZERO)?;
        Ok(Self { reservation })
    }

    /// Reserves for a row group more, of so many columns, whose pages have an index of so many bytes.
    ///
    /// # Errors
    ///
    /// The budget's refusal; what was reserved before still is.
    pub(crate) fn cover(&mut self, columns: usize, page_index_bytes: usize) -> Result<(), BudgetExceeded> {
        self.reservation.try_grow(Bytes(columns as u64 * COLUMN_BYTES + page_index_bytes as u64))
    }
}
