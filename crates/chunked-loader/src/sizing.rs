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

/// What is known when a batch begins. The loader fills in all but `outside`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Observation {
    /// The whole budget.
    pub budget: Bytes,
    /// What is reserved of it now, by everybody, without what the caller makes of a batch that it has: where batches are made
    /// ahead, no more than as it last asked for one.
    pub reserved: Bytes,
    /// The most that was reserved of it at a time since the batch before began, by everybody.
    pub reserved_peak: Bytes,
    /// Batches that may be alive at a time: in the making, waiting, in use.
    pub in_flight: usize,
    /// Columns of a batch.
    pub columns: usize,
    /// Whether batches that were ready had to wait for the consumer: it would take no more, however fast they came.
    /// Never where the consumer's own thread makes them.
    pub is_consumer_behind: bool,
    /// The batch before, if there was one.
    pub last: Option<LastBatch>,
    /// What presses from outside of the budget, for a [`Sizing`] around another one to fill in: the loader looks at no
    /// system.
    pub outside: Outside,
}

/// What presses on the process from outside of its budget. By default nothing is known of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outside {
    /// Bytes of the process that are in RAM.
    pub resident: Option<Bytes>,
    /// How large the process may become: what it has, and what its container and the host could still give it.
    pub limit: Option<Bytes>,
    /// Share, 0 to 1, of the time since the batch before in which work waited for memory.
    pub stalled: f64,
}

/// The size of a batch that was cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastBatch {
    /// Rows.
    pub rows: usize,
    /// Bytes of its columns, as reserved.
    pub bytes: Bytes,
    /// What was reserved for it and what came of it at the most, at least `bytes`: the rise of what everybody has
    /// reserved since it began, without what other batches in flight may have taken of that, which are taken to be as large as
    /// the largest that the caller had of late; of what is left, its share by its bytes.
    pub peak: Bytes,
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
