//! Counts of the different values of a kind that is copied, such as integers.

use std::cmp::Reverse;
use std::hash::Hash;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::listed;
use super::place_index::PlaceIndex;
use super::segments::Segments;

/// So many keys at the most are expected before the next look at what is held.
pub(super) const SOON: usize = 1 << 14;

/// Keys of one type and their counts, none of them zero.
#[derive(Clone, Debug)]
pub(super) struct Tally<K> {
    index: PlaceIndex,
    /// In the order in which the keys came.
    entries: Segments<(K, u64)>,
}

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Tally { index: PlaceIndex::default(), entries: Segments::default() }
    }
}

impl<K: Copy + Eq + Hash + Ord> Tally<K> {
    fn place(&self, hash: u64, key: K) -> Option<usize> {
        self.index.find(hash, |place| self.entries[place as usize].0 == key).map(|place| place as usize)
    }

    /// # Panics
    /// Where there are 2^32 keys.
    pub(super) fn add(&mut self, key: K, n: u64) {
        if n == 0 {
            return;
        }
        let hash = self.index.hash(key);
        if let Some(place) = self.place(hash, key) {
            let count = &mut self.entries[place].1;
            *count = count.saturating_add(n);
            return;
        }
        let place = u32::try_from(self.entries.len()).expect("there are fewer than 2^32 different values");
        self.entries.push((key, n));
        let entries = &self.entries;
        self.index.insert(hash, place, |place| entries[place as usize].0);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        other.iter().for_each(|(key, n)| self.add(key, n));
    }

    pub(super) fn get(&self, key: K) -> u64 {
        self.place(self.index.hash(key), key).map_or(0, |place| self.entries[place].1)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (K, u64)> {
        self.entries.iter().copied()
    }

    pub(super) fn total(&self) -> u64 {
        self.iter().fold(0, |total, (_, n)| total.saturating_add(n))
    }

    pub(super) fn most_frequent(&self) -> Option<(K, u64)> {
        self.iter().max_by_key(|(key, n)| (*n, Reverse(*key)))
    }

    /// The entries as they came, without what finds them. Memory is given back while they are taken.
    pub(super) fn into_entries(self) -> impl Iterator<Item = (K, u64)> {
        self.entries.into_values()
    }

    /// A copy of the entries, by their keys.
    pub(super) fn sorted(&self) -> Vec<(K, u64)> {
        let mut sorted = Vec::with_capacity(self.len());
        sorted.extend(self.iter());
        sorted.sort_unstable();
        sorted
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.index.heap_bytes() + self.entries.heap_bytes()
    }

    /// What the entries take without what finds them.
    pub(super) fn entry_bytes(&self) -> usize {
        self.entries.heap_bytes()
    }

    /// Bytes that `more` keys take beside what is held, while they come.
    pub(super) fn growth_bytes(&self, more: usize) -> usize {
        self.index.growth_bytes(more) + self.entries.growth_bytes(more)
    }

    /// Bytes that are to be kept free for keys that may come soon: an eighth more, or some ten thousand.
    pub(super) fn ahead_bytes(&self) -> usize {
        let more = self.len() / 8;
        self.index.growth_bytes(more) + self.entries.growth_bytes(more.min(SOON))
    }
}

/// Whatever the order in which the keys came.
impl<K: Copy + Eq + Hash + Ord> PartialEq for Tally<K> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(key, n)| other.get(key) == n)
    }
}

impl<K: Copy + Eq + Hash + Ord> Eq for Tally<K> {}

/// By the keys, so that equal counts are equal bytes.
impl<K: Copy + Eq + Hash + Ord + Serialize> Serialize for Tally<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.sorted())
    }
}

impl<'de, K: Copy + Eq + Hash + Ord + Deserialize<'de>> Deserialize<'de> for Tally<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut tally = Tally::default();
        listed::for_each(deserializer, |(key, n)| tally.add(key, n))?;
        Ok(tally)
    }
}
