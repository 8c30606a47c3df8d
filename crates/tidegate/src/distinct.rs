//! How many different values a column has: exact up to a bound, estimated beyond.
//!
//! Only the smallest hashes are kept, so the state is bounded, and the same for any order of the values and any
//! number of threads. Beyond the bound k the count follows from how densely the k smallest lie: Bar-Yossef et al.,
//! "Counting Distinct Elements in a Data Stream", 2002, with the unbiased (k − 1)/t of Giroire, 2009, whose relative
//! standard error is 1/√(k − 2).

use monitor::{BudgetExceeded, Bytes, Consumer, Reservation};

/// Slots of a table that has nothing in it yet.
const LEAST_SLOTS: usize = 16;

/// Counts different 64-bit hashes.
#[derive(Debug)]
pub(crate) struct Distinct {
    /// A table with open addressing; 0 is a free slot.
    slots: Vec<u64>,
    /// Hashes in the table.
    kept: usize,
    /// The hash 0, which has no slot.
    has_zero: bool,
    bound: usize,
    /// Hashes from here on are not kept any more.
    threshold: Option<u64>,
    /// The hash that was added last: many columns repeat themselves.
    last: Option<u64>,
    held: Reservation,
}

impl Distinct {
    /// Exact up to `bound` different values, unless the budget has no room for so many: then up to as many as it has.
    ///
    /// # Errors
    /// If the budget has no room for an empty table.
    pub(crate) fn new(bound: usize, consumer: &Consumer) -> Result<Self, BudgetExceeded> {
        let held = consumer.try_reserve(bytes_of(LEAST_SLOTS))?;
        Ok(Distinct {
            slots: vec![0; LEAST_SLOTS],
            kept: 0,
            has_zero: false,
            bound: bound.max(LEAST_SLOTS / 4),
            threshold: None,
            last: None,
            held,
        })
    }

    /// Takes a value of at most 64 bits. Different values have different hashes.
    #[inline]
    pub(crate) fn add_bits(&mut self, bits: u64) {
        self.add_hash(mix(bits));
    }

    /// Takes the hash of a longer value.
    #[inline]
    pub(crate) fn add_hash(&mut self, hash: u64) {
        if self.last == Some(hash) || self.threshold.is_some_and(|threshold| hash >= threshold) {
            return;
        }
        self.last = Some(hash);
        if hash == 0 {
            self.has_zero = true;
            return;
        }
        let slot = self.slot(hash);
        if self.slots[slot] == 0 {
            self.slots[slot] = hash;
            self.kept += 1;
            if self.kept >= self.slots.len() / 4 * 3 || self.kept > 2 * self.bound {
                self.make_room();
            }
        }
    }

    /// Where a hash is, or has its place.
    #[inline]
    fn slot(&self, hash: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        while self.slots[slot] != 0 && self.slots[slot] != hash {
            slot = (slot + 1) & mask;
        }
        slot
    }

    #[cold]
    fn make_room(&mut self) {
        if self.kept > 2 * self.bound {
            return self.keep_smallest();
        }
        let larger = self.slots.len() * 2;
        // While the hashes move, both tables are there.
        let both = bytes_of(self.slots.len() + larger);
        if self.held.try_resize(both).is_err() {
            self.bound = self.bound.min(self.kept / 2);
            return self.keep_smallest();
        }
        let hashes = std::mem::replace(&mut self.slots, vec![0; larger]);
        for hash in hashes.into_iter().filter(|hash| *hash != 0) {
            let slot = self.slot(hash);
            self.slots[slot] = hash;
        }
        self.held.shrink_to(bytes_of(larger));
    }

    /// Forgets all but the `bound` smallest.
    fn keep_smallest(&mut self) {
        let mut hashes: Vec<u64> = self.slots.iter().copied().filter(|hash| *hash != 0).collect();
        let (smaller, at, _) = hashes.select_nth_unstable(self.bound);
        self.threshold = Some(*at);
        self.slots.fill(0);
        self.kept = smaller.len();
        for &hash in smaller.iter() {
            let slot = self.slot(hash);
            self.slots[slot] = hash;
        }
    }

    /// The number of different values, and the relative standard error of an estimate; none of an exact number.
    pub(crate) fn count(&self) -> (u64, Option<f64>) {
        let kept = self.kept + usize::from(self.has_zero);
        if self.threshold.is_none() && kept <= self.bound {
            return (kept as u64, None);
        }
        // All may still be there, and still the answer may not depend on when they are thrown away.
        let mut hashes: Vec<u64> = self.slots.iter().copied().filter(|hash| *hash != 0).collect();
        let k = self.bound.min(hashes.len());
        let (_, at, _) = hashes.select_nth_unstable(k - 1);
        let share = (*at as f64 + 1.0) / 2f64.powi(64);
        (((k - 1) as f64 / share).round() as u64, Some(1.0 / (k.max(3) as f64 - 2.0).sqrt()))
    }
}

fn bytes_of(slots: usize) -> Bytes {
    Bytes::from(slots * size_of::<u64>())
}

/// A bijection of 64 bits that scatters them (the finalizer of SplitMix64, Steele et al. 2014).
#[inline]
fn mix(bits: u64) -> u64 {
    let mut z = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A hash of text, without a key, so that an estimate is the same on every run and machine.
pub(crate) fn hash_text(text: &str) -> u64 {
    let mut hash = mix(text.len() as u64);
    for piece in text.as_bytes().chunks(8) {
        let mut word = [0; 8];
        word[..piece.len()].copy_from_slice(piece);
        hash = mix(hash ^ u64::from_le_bytes(word));
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use monitor::Budget;

    fn counted(bound: usize, budget: &Budget, values: impl Iterator<Item = u64>) -> (u64, Option<f64>) {
        let mut distinct = Distinct::new(bound, &budget.consumer("statistics")).unwrap();
        values.for_each(|value| distinct.add_bits(value));
        distinct.count()
    }

    #[test]
    fn exact_up_to_the_bound_and_near_beyond() {
        let budget = Budget::unbounded();
        for bound in [4, 100, 1000, 5000] {
            let n = bound as u64;
            assert_eq!(counted(bound, &budget, (0..n).chain(0..n)), (n, None));
            assert!(counted(bound, &budget, 0..n + 1).1.is_some());
        }
        for (bound, n) in [(1000, 100_000u64), (1 << 14, 300_000)] {
            let (estimate, error) = counted(bound, &budget, 0..n);
            let error = error.unwrap();
            assert!((error * (bound as f64 - 2.0).sqrt() - 1.0).abs() < 1e-12);
            assert!((estimate as f64 / n as f64 - 1.0).abs() < 4.0 * error, "{estimate} of {n}");
        }
    }

    #[test]
    fn the_error_is_what_it_is_said_to_be() {
        // Over many sets the root of the mean square is the standard error.
        let budget = Budget::unbounded();
        let (sets, n) = (400u64, 3000u64);
        let squares = (0..sets).map(|set| {
            let (estimate, error) = counted(100, &budget, set * n..(set + 1) * n);
            ((estimate as f64 / n as f64 - 1.0) / error.unwrap()).powi(2)
        });
        let ratio = (squares.sum::<f64>() / sets as f64).sqrt();
        assert!((0.85..1.15).contains(&ratio), "{ratio} standard errors");
    }

    #[test]
    fn the_order_does_not_matter() {
        let budget = Budget::unbounded();
        for n in [150, 5000] {
            let forwards = counted(100, &budget, 0..n);
            assert_eq!(forwards, counted(100, &budget, (0..n).rev()));
            assert_eq!(forwards, counted(100, &budget, (0..n).map(|v| v * 7919 % n).chain(0..n)));
        }
    }

    #[test]
    fn without_room_an_estimate_takes_the_place_of_the_number() {
        let budget = Budget::new(Bytes::kib(8));
        let (estimate, error) = counted(1 << 16, &budget, 0..50_000);
        let error = error.unwrap();
        assert!(error < 0.1 && (estimate as f64 / 50_000.0 - 1.0).abs() < 4.0 * error, "{estimate}");
        assert!(budget.peak() <= Bytes::kib(8) && budget.reserved() == Bytes::ZERO);
        // What is reserved is what is there.
        let consumer = budget.consumer("statistics");
        let mut distinct = Distinct::new(100, &consumer).unwrap();
        (0..90).for_each(|value| distinct.add_bits(value));
        assert_eq!(budget.reserved(), Bytes::from(distinct.slots.capacity() * 8));
    }
}
