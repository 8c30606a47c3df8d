//! How large the next batch may be, as the one who decides tells the one who cuts.

use monitor::Bytes;

/// Where the next batch ends, whichever comes first. At least one row is always taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimit {
    /// Rows.
    pub rows: usize,
    /// Bytes of its columns, as reserved.
    pub bytes: Bytes,
    /// Whether the budget may cut the batch short. A caller who asked for exact rows gets an error instead.
    pub may_be_cut: bool,
}

/// What is known when a batch begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// The whole budget.
    pub budget: Bytes,
    /// What is reserved of it now, by everybody.
    pub reserved: Bytes,
    /// Batches that may be alive at a time: in the making, waiting, in use.
    pub in_flight: usize,
    /// Columns of a batch.
    pub columns: usize,
    /// The batch before, if there was one.
    pub last: Option<LastBatch>,
}

/// The size of a batch that was cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastBatch {
    /// Rows.
    pub rows: usize,
    /// Bytes of its columns, as reserved.
    pub bytes: Bytes,
    /// Bytes of the input that became it.
    pub raw_bytes: u64,
}

/// Decides the size of each batch before it begins. It never reaches the arithmetic: any answer gives the
/// same values.
pub trait Sizing: Send {
    /// Where the batch that begins now ends.
    fn next(&mut self, seen: &Observation) -> BatchLimit;
}

/// Exactly this many rows in every batch but the last.
///
/// ```
/// use chunked_loader::{FixedRows, Observation, Sizing};
///
/// assert_eq!(FixedRows(1000).next(&Observation::default()).rows, 1000);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FixedRows(pub usize);

impl Sizing for FixedRows {
    fn next(&mut self, _: &Observation) -> BatchLimit {
        BatchLimit { rows: self.0.max(1), bytes: Bytes::MAX, may_be_cut: false }
    }
}
