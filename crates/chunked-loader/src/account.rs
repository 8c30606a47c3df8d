//! What a loader notes between the beginning of one batch and that of the next, for whoever sizes them.

use std::collections::VecDeque;

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
    /// Bytes of the latest batches, as many as may be alive at a time.
    recent: VecDeque<Bytes>,
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
            recent: VecDeque::new(),
            is_consumer_behind: false,
        }
    }

    /// What is known as the next batch begins; `spare` of what is reserved waits for it.
    pub(crate) fn observe(&mut self, spare: Bytes) -> Observation {
        let reserved_peak = self.budget.take_recent_peak();
        let reserved = self.budget.reserved().saturating_sub(spare);
        if let Some(last) = &mut self.last {
            let rise = reserved_peak.saturating_sub(self.reserved_before);
            last.peak = self.recent.iter().max().map_or(last.bytes, |largest| {
                // The others that began meanwhile are as large as any of late. What is left is the rest's, and this one's
                // in proportion: the end of a range can be a few rows, beside which everything seems much.
                let others = largest.get() as f64 * self.in_flight.saturating_sub(1) as f64;
                let ratio = (rise.get() as f64 - others) / largest.get().max(1) as f64;
                Bytes((last.bytes.get() as f64 * ratio) as u64).max(last.bytes)
            });
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
        self.note(batch.num_rows(), batch.reserved(), batch.raw_bytes());
    }

    fn note(&mut self, rows: usize, bytes: Bytes, raw_bytes: u64) {
        while self.recent.len() >= self.in_flight.max(1) {
            self.recent.pop_front();
        }
        self.recent.push_back(bytes);
        self.last = Some(LastBatch { rows, bytes, peak: bytes, raw_bytes });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The peak that is seen of a batch of `bytes` behind one of 1000, where `rise` more was reserved for a moment.
    fn peak(in_flight: usize, rise: u64, bytes: u64) -> u64 {
        let budget = Budget::new(Bytes(10_000));
        let consumer = budget.consumer("batch");
        let mut account = Account::new(&budget, in_flight, 1);
        account.note(100, Bytes(1000), 1);
        account.observe(Bytes::ZERO);
        drop(consumer.try_reserve(Bytes(rise)).unwrap());
        account.note(1, Bytes(bytes), 1);
        account.observe(Bytes::ZERO).last.unwrap().peak.get()
    }

    #[test]
    fn what_comes_of_a_batch_is_its_own_share_of_the_rise() {
        assert_eq!(peak(1, 2500, 1000), 2500);
        assert_eq!(peak(1, 50, 20), 50);
        assert_eq!(peak(1, 0, 20), 20, "no less than itself");
        // The other in flight has 1000 of it.
        assert_eq!(peak(2, 2500, 1000), 1500);
        assert_eq!(peak(2, 2500, 20), 30, "the end of a range is no measure");
    }
}
