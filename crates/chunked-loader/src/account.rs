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
    /// What was reserved as the caller last asked for a batch, having none in hand, where others make them ahead.
    reserved_asked: Option<Bytes>,
    /// The batch that was finished last.
    last: Option<LastBatch>,
    /// Bytes of the latest batches that the caller got, as many as may be alive at a time.
    recent: VecDeque<Bytes>,
    /// Bytes of the largest batch that the caller has had since the last look.
    most_taken: Bytes,
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
            reserved_asked: None,
            last: None,
            recent: VecDeque::new(),
            most_taken: Bytes::ZERO,
            is_consumer_behind: false,
        }
    }

    /// What is known as the next batch begins; `spare` of what is reserved waits for it.
    pub(crate) fn observe(&mut self, spare: Bytes) -> Observation {
        let reserved_peak = self.budget.take_recent_peak();
        // What the caller makes of the batch in its hands comes and goes with that one, and is none of the next one's.
        let held = self.budget.reserved().min(self.reserved_asked.unwrap_or(Bytes::MAX));
        let reserved = held.saturating_sub(spare);
        if let Some(last) = &mut self.last {
            let rise = reserved_peak.saturating_sub(self.reserved_before);
            // What came of a batch came of one that the caller has had, however large those are that are made meanwhile.
            let largest = self.recent.iter().max().map(|largest| largest.max(&self.most_taken));
            last.peak = largest.map_or(last.bytes, |largest| {
                // The others that began meanwhile are as large as any of late. What is left is the rest's, and this one's
                // in proportion: the end of a range can be a few rows, beside which everything seems much.
                let others = largest.get() as f64 * self.in_flight.saturating_sub(1) as f64;
                let ratio = (rise.get() as f64 - others) / largest.get().max(1) as f64;
                Bytes((last.bytes.get() as f64 * ratio) as u64).max(last.bytes)
            });
        }
        self.reserved_before = reserved;
        // Where others make batches, the caller may have that one still.
        let in_hand = self.recent.back().filter(|_| self.reserved_asked.is_some());
        self.most_taken = in_hand.copied().unwrap_or_default();
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

    /// Notes a batch that was made.
    pub(crate) fn finished(&mut self, batch: &Batch) {
        self.note(batch.num_rows(), batch.reserved(), batch.raw_bytes());
    }

    fn note(&mut self, rows: usize, bytes: Bytes, raw_bytes: u64) {
        self.last = Some(LastBatch { rows, bytes, peak: bytes, raw_bytes });
    }

    /// Notes that the caller asks for a batch that others make: it is done with those before, as a rule.
    pub(crate) fn asked(&mut self) {
        self.reserved_asked = Some(self.budget.reserved());
    }

    /// Notes that the caller gets a batch of so many bytes.
    pub(crate) fn taken(&mut self, bytes: Bytes) {
        while self.recent.len() >= self.in_flight.max(1) {
            self.recent.pop_front();
        }
        self.recent.push_back(bytes);
        self.most_taken = self.most_taken.max(bytes);
    }

    /// The account of a caller that makes the batches from now on itself, one at a time.
    pub(crate) fn alone(self) -> Account {
        Account { in_flight: 1, reserved_asked: None, ..self }
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
        account.taken(Bytes(1000));
        account.observe(Bytes::ZERO);
        drop(consumer.try_reserve(Bytes(rise)).unwrap());
        account.note(1, Bytes(bytes), 1);
        account.taken(Bytes(bytes));
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

    #[test]
    fn what_comes_of_a_batch_is_no_matter_of_those_that_are_made_ahead() {
        let budget = Budget::new(Bytes(100_000));
        let consumer = budget.consumer("made");
        let mut account = Account::new(&budget, 4, 1);
        account.note(100, Bytes(1000), 1);
        account.asked();
        account.taken(Bytes(1000));
        let made = consumer.try_reserve(Bytes(53_000)).unwrap();
        // Those that are made meanwhile are small.
        account.note(1, Bytes(10), 1);
        let seen = account.observe(Bytes::ZERO);
        // 50 times as much, beside three others of 1000.
        assert_eq!(seen.last.unwrap().peak, Bytes(500));
        assert_eq!(seen.reserved, Bytes::ZERO, "what was made goes with its batch");
        drop(made);
        let kept = consumer.try_reserve(Bytes(300)).unwrap();
        account.asked();
        assert_eq!(account.observe(Bytes::ZERO).reserved, kept.bytes());
    }
}
