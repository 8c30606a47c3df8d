//! What the Parquet encoder keeps of finished row groups until it writes the file's footer.

use monitor::{Budget, BudgetExceeded, Bytes, Reservation};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::properties::WriterProperties;

/// Offsets, sizes and statistics of one column of a row group. Measured with 600 columns, and rounded up.
const COLUMN_BYTES: u64 = 1 << 10;

/// Place and statistics of one page, where pages have an index.
const PAGE_BYTES: u64 = 128;

/// Reserves for the index of a file while it grows. The figures are an estimate: the encoder tells no sizes.
pub(crate) struct FileIndex {
    reservation: Reservation,
    /// Row groups that are reserved for.
    groups: usize,
}

impl FileIndex {
    pub(crate) fn new(budget: &Budget) -> Result<Self, BudgetExceeded> {
        let reservation = budget.consumer("file index").try_reserve(Bytes::ZERO)?;
        Ok(Self { reservation, groups: 0 })
    }

    /// Reserves for those of `finished`, which are all so far, that are new since the last call, in a file of such
    /// `properties`.
    ///
    /// # Errors
    ///
    /// The budget's refusal; what was reserved before still is.
    pub(crate) fn cover(
        &mut self,
        properties: &WriterProperties,
        finished: &[RowGroupMetaData],
    ) -> Result<(), BudgetExceeded> {
        let new = finished.get(self.groups..).unwrap_or_default();
        let more = new.iter().map(|group| group_bytes(properties, group)).sum();
        self.reservation.try_grow(Bytes(more))?;
        self.groups = finished.len();
        Ok(())
    }
}

fn group_bytes(properties: &WriterProperties, group: &RowGroupMetaData) -> u64 {
    let columns = group.columns().iter();
    if properties.offset_index_disabled() {
        return columns.len() as u64 * COLUMN_BYTES;
    }
    let by_rows = group.num_rows() as u64 / properties.data_page_row_count_limit() as u64;
    let column_bytes = |uncompressed: u64| {
        let by_bytes = uncompressed / properties.data_page_size_limit() as u64;
        COLUMN_BYTES + (1 + by_rows + by_bytes) * PAGE_BYTES
    };
    columns.map(|column| column_bytes(column.uncompressed_size() as u64)).sum()
}
