//! What a loader notes between the beginning of one batch and that of the next, for whoever sizes them.

use monitor::{Budget, Bytes};

use crate::batch::Batch;
use crate::sizing::{LastBatch, Observation, Outside};

/// Keeps the figures of an [`Observation`].
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) budget: Budget,
    /// Batches alive at a time.
    pub(crate) in_flight: usize,
    columns: usize,
    /// What was reserved as the batch before began.
    reserved_before: Bytes,
    /// The batch that was finished last.
    last: Option<LastBatch>,
    /// Whether a batch had to wait for the consumer since the last look.
    pub(crate) is_consumer_behind: bool,
}

impl Account {
    pub(crate) fn new(budget: &Budget, in_flight: usize, columns: usize) -> Account {
        Account {
            budget: budget.clone(),
            in_flight,
            columns,
            reserved_before: budget.reserved(),
            last: None,
            is_consumer_behind: false,
        }
    }

    /// What is known as the next batch begins; `spare` of what is reserved waits for it.
    pub(crate) fn observe(&mut self, spare: Bytes) -> Observation {
        let reserved_peak = self.budget.take_recent_peak();
        let reserved = self.budget.reserved().saturating_sub(spare);
        if let Some(last) = &mut self.last {
            // Those that began meanwhile are no part of this one, and as large as a rule.
            let others = last.bytes.get().saturating_mul(self.in_flight.saturating_sub(1) as u64);
            let rise = reserved_peak.saturating_sub(self.reserved_before);
            last.peak = rise.saturating_sub(Bytes(others)).max(last.bytes);
        }
        self.reserved_before = reserved;
        Observation {
            budget: self.budget.limit(),
            reserved,
            reserved_peak,
            in_flight: self.in_flight,
            columns: self.columns,
            is_consumer_behind: std::mem::take(&mut self.is_consumer_behind),
            last: self.last,
            outside: Outside::default(),
        }
    }

    pub(crate) fn finished(&mut self, batch: &Batch) {
        let bytes = batch.reserved();
        self.last =
            Some(LastBatch { rows: batch.num_rows(), bytes, peak: bytes, raw_bytes: batch.raw_bytes() });
    }
}
