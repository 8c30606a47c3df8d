//! The sizing that keeps the policy's state.

use chunked_loader::{BatchLimit, Observation, Sizing};
use monitor::Bytes;

use crate::policy::{self, State};

/// Sizes batches by what the budget has left.
///
/// Rows beyond what fits are never asked for, but one row always is: whether that row fits is for the budget to
/// say, with an error that names who holds what.
///
/// ```
/// use adaptive::AutoSize;
/// use chunked_loader::{Observation, Sizing};
/// use monitor::Bytes;
///
/// let mut seen = Observation { budget: Bytes::mib(8), in_flight: 1, columns: 3, ..Observation::default() };
/// let roomy = AutoSize::new().next(&seen);
/// assert!(roomy.may_be_cut && roomy.bytes < seen.budget);
///
/// seen.reserved = seen.budget;
/// let full = AutoSize::new().next(&seen);
/// assert_eq!((full.rows, full.bytes), (1, Bytes::ZERO));
/// ```
#[derive(Clone, Debug, Default)]
pub struct AutoSize {
    state: State,
}

impl AutoSize {
    /// A sizing for batches whose consumer keeps nothing of its own.
    pub fn new() -> Self {
        AutoSize::default()
    }

    /// Says that each row costs this much memory beside the batch, as where a transform widens it. Rows are
    /// then limited so that batch and consumer together take no more than their share. Default 0.
    pub fn with_row_bytes_downstream(mut self, bytes: Bytes) -> Self {
        self.state.row_bytes_downstream = bytes;
        self
    }
}

impl Sizing for AutoSize {
    fn next(&mut self, seen: &Observation) -> BatchLimit {
        let (state, limit) = policy::decide(self.state, seen);
        self.state = state;
        limit
    }
}
