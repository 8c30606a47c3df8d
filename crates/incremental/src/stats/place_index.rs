//! Where a value stands in a list, found by its hash.

use std::hash::Hash;

use ahash::RandomState;
use hashbrown::HashTable;

/// A hash table over the places of a list, which holds the values themselves.
#[derive(Clone, Debug, Default)]
pub(crate) struct PlaceIndex {
    places: HashTable<u32>,
    hasher: RandomState,
}

impl PlaceIndex {
    /// An index that takes so many places without growing.
    pub(crate) fn with_capacity(places: usize) -> Self {
        PlaceIndex { places: HashTable::with_capacity(places), hasher: RandomState::new() }
    }

    pub(crate) fn hash(&self, value: impl Hash) -> u64 {
        self.hasher.hash_one(value)
    }

    /// The place with this hash of which `is_it` is true.
    pub(crate) fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        self.places.find(hash, |place| is_it(*place)).copied()
    }

    /// Adds a place that is not there; `value_of` gives the value at a place.
    pub(crate) fn insert<V: Hash>(&mut self, hash: u64, place: u32, value_of: impl Fn(u32) -> V) {
        let hasher = &self.hasher;
        self.places.insert_unique(hash, place, |place| hasher.hash_one(value_of(*place)));
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.places.allocation_size()
    }

    /// Bytes that `more` places take beside what is held, while they come.
    pub(crate) fn growth_bytes(&self, more: usize) -> usize {
        let after = self.places.len() + more;
        // The old table is there until its places are in the new one.
        if after > self.places.capacity() { Self::bytes_of(after) } else { 0 }
    }

    /// Bytes of an index of so many places: a power of two of buckets, at most 7 of 8 in use, with a control byte each
    /// and a last group of 16.
    pub(crate) fn bytes_of(places: usize) -> usize {
        let buckets = match places {
            0 => return 0,
            1..4 => 4,
            4..8 => 8,
            _ => (places * 8 / 7).next_power_of_two(),
        };
        (buckets * size_of::<u32>()).next_multiple_of(16) + buckets + 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_the_table() {
        for places in (0..40).chain([100, 447, 448, 449, 896, 897, 100_000]) {
            assert_eq!(
                PlaceIndex::with_capacity(places).heap_bytes(),
                PlaceIndex::bytes_of(places),
                "{places}"
            );
        }
        let mut index = PlaceIndex::default();
        for place in 0..20_000u32 {
            let (held, growth) = (index.heap_bytes(), index.growth_bytes(1));
            let hash = index.hash(place);
            index.insert(hash, place, |place| place);
            assert_eq!(index.heap_bytes(), if growth > 0 { growth } else { held }, "{place}");
        }
        assert!((0..20_000).all(|place| index.find(index.hash(place), |p| p == place) == Some(place)));
    }
}
