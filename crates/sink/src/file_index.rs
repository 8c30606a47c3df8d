//! What the Parquet encoder keeps of finished row groups until it writes the file's footer.

use monitor::{Budget, BudgetExceeded, Bytes, Reservation};

/// Offsets, sizes and statistics of one column of a row group. Measured with 600 columns, and rounded up.
const COLUMN_BYTES: u64 = 1 << 10;

/// Place and statistics of one page, where pages have an index.
const PAGE_BYTES: u64 = 128;

/// Reserves for the index of a file while it grows. The figures are an estimate: the crate tells no sizes.
pub(crate) struct FileIndex {
    reservation: Reservation,
}

impl FileIndex {
    pub(crate) fn new(budget: &Budget) -> Result<Self, BudgetExceeded> {
        let reservation = budget.consumer("file index").try_reserve(Bytes::ZERO)?;
        Ok(Self { reservation })
    }

    /// Reserves for a row group more, of so many columns, whose index holds so many pages.
    ///
    /// # Errors
    ///
    /// The budget's refusal; what was reserved before still is.
    pub(crate) fn cover(&mut self, columns: usize, pages: usize) -> Result<(), BudgetExceeded> {
        self.reservation.try_grow(Bytes(columns as u64 * COLUMN_BYTES + pages as u64 * PAGE_BYTES))
    }

    /// Reserves for two copies more of all that is kept.
    ///
    /// # Errors
    ///
    /// The budget's refusal.
    pub(crate) fn cover_copies(&mut self) -> Result<(), BudgetExceeded> {
        let kept = self.reservation.bytes();
        self.reservation.try_grow(kept.saturating_add(kept))
    }
}
