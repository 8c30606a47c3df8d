//! How many different values a column has: exact up to a bound, estimated beyond.
//!
//! Only the smallest hashes are kept, so the state is bounded, and the same for any order of the values.
//! Beyond the bound the count follows from how densely the kept ones lie: Bar-Yossef et al., "Counting
//! Distinct Elements in a Data Stream", 2002, with the unbiased (k − 1)/t of Giroire, 2009.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// Keeps a hash that is one already.
#[derive(Clone, Copy, Debug, Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only whole hashes are put in")
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Counts different 64-bit hashes.
#[derive(Clone, Debug)]
pub(crate) struct Distinct {
    kept: HashSet<u64, BuildHasherDefault<AsIs>>,
    bound: usize,
    /// Hashes from here on are not kept any more.
    threshold: Option<u64>,
}

impl Distinct {
    /// Exact up to `bound` different values.
    pub(crate) fn new(bound: usize) -> Self {
        Distinct { kept: HashSet::default(), bound: bound.max(2), threshold: None }
    }

    /// Takes a value of at most 64 bits. Different values have different hashes.
    pub(crate) fn add_bits(&mut self, bits: u64) {
        self.add_hash(mix(bits));
    }

    /// Takes the hash of a longer value.
    pub(crate) fn add_hash(&mut self, hash: u64) {
        if self.threshold.is_some_and(|threshold| hash >= threshold) || !self.kept.insert(hash) {
            return;
        }
        if self.kept.len() > 2 * self.bound {
            let mut hashes: Vec<u64> = self.kept.iter().copied().collect();
            let (_, at, _) = hashes.select_nth_unstable(self.bound);
            let threshold = *at;
            self.threshold = Some(threshold);
            self.kept.retain(|hash| *hash < threshold);
        }
    }

    /// Bytes on the heap, by capacity: a word and a byte of bookkeeping each.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.kept.capacity() * (size_of::<u64>() + 1)
    }

    /// The number of different values, and whether it is exact.
    pub(crate) fn count(&self) -> (u64, bool) {
        let kept = self.kept.len();
        match self.threshold {
            None if kept <= self.bound => (kept as u64, true),
            // All are still there, and still the answer may not depend on when they were thrown away.
            _ => {
                let mut hashes: Vec<u64> = self.kept.iter().copied().collect();
                let (_, at, _) = hashes.select_nth_unstable(self.bound - 1);
                let share = (*at as f64 + 1.0) / 2f64.powi(64);
                (((self.bound - 1) as f64 / share).round() as u64, false)
            }
        }
    }
}

/// A bijection of 64 bits that scatters them (the finalizer of SplitMix64, Steele et al. 2014).
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

    #[test]
    fn exact_up_to_the_bound_and_near_beyond() {
        let mut distinct = Distinct::new(1000);
        for value in 0..1000 {
            distinct.add_bits(value);
            distinct.add_bits(value);
        }
        assert_eq!(distinct.count(), (1000, true));
        for value in 0..100_000 {
            distinct.add_bits(value);
        }
        let (estimate, is_exact) = distinct.count();
        assert!(!is_exact);
        // The standard error is 1/√(k − 2), 3.2 %.
        assert!((88_000..112_000).contains(&estimate), "{estimate}");
    }

    #[test]
    fn the_order_does_not_matter() {
        let count = |values: &mut dyn Iterator<Item = u64>| {
            let mut distinct = Distinct::new(100);
            values.for_each(|v| distinct.add_bits(v));
            distinct.count()
        };
        assert_eq!(count(&mut (0..5000)), count(&mut (0..5000).rev()));
        assert_eq!(count(&mut (0..150)), count(&mut (0..150).rev()));
    }
}
