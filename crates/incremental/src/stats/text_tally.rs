//! What is counted of each different text.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::listed;
use super::place_index::PlaceIndex;
use super::segments::Segments;
use super::tally::SOON;
use super::text_store::{Blocks, Span, TextStore};

/// Runs of texts with equal beginnings are compared as they are where they are no longer than this, or where their
/// beginnings are equal for so many words.
const SHORT_RUN: usize = 24;
const MOST_WORDS: usize = 64;

/// Texts, each once, with a value each.
#[derive(Clone, Debug)]
pub(super) struct TextTally<V> {
    index: PlaceIndex,
    /// In the order in which the texts came.
    entries: Segments<Entry<V>>,
    blocks: Blocks,
}

#[derive(Clone, Copy, Debug)]
struct Entry<V> {
    span: Span,
    value: V,
}

/// A text to be sorted: eight of its bytes as a number, the first of them the highest.
#[derive(Clone, Copy)]
struct SortKey {
    word: u64,
    place: u32,
    /// How many of the eight bytes it has.
    length: u8,
}

impl<V> Default for TextTally<V> {
    fn default() -> Self {
        TextTally { index: PlaceIndex::default(), entries: Segments::default(), blocks: Blocks::default() }
    }
}

impl<V: Copy> TextTally<V> {
    fn place(&self, hash: u64, text: &str) -> Option<usize> {
        let is_it = |place: u32| self.blocks.bytes(self.entries[place as usize].span) == text.as_bytes();
        self.index.find(hash, is_it).map(|place| place as usize)
    }

    /// Changes the value of a text that is there, else adds it with `new`.
    ///
    /// # Panics
    /// Where there are 2^32 texts.
    pub(super) fn update(
        &mut self,
        text: &str,
        change: impl FnOnce(&mut V),
        new: impl FnOnce() -> Option<V>,
    ) {
        let hash = self.index.hash(text.as_bytes());
        if let Some(place) = self.place(hash, text) {
            return change(&mut self.entries[place].value);
        }
        let Some(value) = new() else { return };
        let place = u32::try_from(self.entries.len()).expect("there are fewer than 2^32 different texts");
        let span = self.blocks.add(text);
        self.entries.push(Entry { span, value });
        let (entries, blocks) = (&self.entries, &self.blocks);
        self.index.insert(hash, place, |place| blocks.bytes(entries[place as usize].span));
    }

    pub(super) fn get(&self, text: &str) -> Option<V> {
        self.place(self.index.hash(text.as_bytes()), text).map(|place| self.entries[place].value)
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, V)> {
        self.entries.iter().map(|entry| (self.blocks.text(entry.span), entry.value))
    }

    /// The entries by their texts.
    pub(super) fn sorted(&self) -> impl ExactSizeIterator<Item = (&str, V)> {
        let entry = |key: SortKey| {
            let entry = &self.entries[key.place as usize];
            (self.blocks.text(entry.span), entry.value)
        };
        self.sort_keys().into_iter().map(entry)
    }

    /// The texts in their order, and the value of each.
    pub(super) fn into_sorted(mut self) -> (TextStore, Vec<V>) {
        self.index = PlaceIndex::default();
        let mut keys = self.sort_keys();
        let TextTally { entries, blocks, .. } = self;
        let mut values = Vec::with_capacity(keys.len());
        values.extend(keys.iter().map(|key| entries[key.place as usize].value));
        // The keys carry the spans, so that the entries can go before the list of spans is made.
        for key in &mut keys {
            key.word = entries[key.place as usize].span.to_word();
        }
        drop(entries);
        let mut spans = Vec::with_capacity(keys.len());
        spans.extend(keys.into_iter().map(|key| Span::of_word(key.word)));
        (TextStore::new(blocks, spans), values)
    }

    /// Bytes of the texts that [`into_sorted`](Self::into_sorted) gives.
    pub(super) fn store_bytes(&self) -> usize {
        self.blocks.heap_bytes() + self.len() * size_of::<Span>()
    }

    /// Bytes that are held at most while [`into_sorted`](Self::into_sorted) works.
    pub(super) fn sorting_bytes(&self) -> usize {
        let made = size_of::<SortKey>() + size_of::<V>();
        self.blocks.heap_bytes() + self.entries.heap_bytes() + self.len() * made
    }

    /// The places of the entries in the order of their texts. Eight bytes of each are compared as a number, which stands
    /// beside the place; only where they are equal the next ones are fetched.
    fn sort_keys(&self) -> Vec<SortKey> {
        let mut keys = Vec::with_capacity(self.len());
        keys.extend((0..self.len()).map(|place| SortKey { word: 0, place: place as u32, length: 0 }));
        self.sort_from(&mut keys, 0);
        keys
    }

    fn sort_from(&self, keys: &mut [SortKey], words: usize) {
        let rest = |place: u32| {
            let bytes = self.blocks.bytes(self.entries[place as usize].span);
            bytes.get(8 * words..).unwrap_or_default()
        };
        if keys.len() <= SHORT_RUN || words == MOST_WORDS {
            keys.sort_unstable_by(|a, b| rest(a.place).cmp(rest(b.place)));
            return;
        }
        for key in keys.iter_mut() {
            let rest = rest(key.place);
            let mut word = [0; 8];
            let length = rest.len().min(8);
            word[..length].copy_from_slice(&rest[..length]);
            (key.word, key.length) = (u64::from_be_bytes(word), length as u8);
        }
        // A text that ends is before those that go on with a zero.
        keys.sort_unstable_by_key(|key| (key.word, key.length));
        for run in keys.chunk_by_mut(|a, b| (a.word, a.length) == (b.word, b.length)) {
            if run.len() > 1 {
                self.sort_from(run, words + 1);
            }
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.index.heap_bytes() + self.entries.heap_bytes() + self.blocks.heap_bytes()
    }

    /// Bytes of the texts themselves.
    pub(super) fn text_bytes(&self) -> usize {
        self.blocks.text_bytes()
    }

    /// Bytes that `more` texts of `text_bytes` together take beside what is held, while they come.
    pub(super) fn growth_bytes(&self, more: usize, text_bytes: usize) -> usize {
        self.index.growth_bytes(more)
            + self.entries.growth_bytes(more)
            + if more == 0 { 0 } else { self.blocks.growth_bytes(text_bytes) }
    }

    /// Bytes that are to be kept free for texts that may come soon: an eighth more, or some ten thousand, as long as
    /// those so far.
    pub(super) fn ahead_bytes(&self) -> usize {
        let more = self.len() / 8;
        let soon = more.min(SOON);
        let bytes = self.text_bytes().checked_div(self.len()).map_or(0, |mean| (mean + 1) * soon);
        self.index.growth_bytes(more)
            + self.entries.growth_bytes(soon)
            + if soon == 0 { 0 } else { self.blocks.growth_bytes(bytes) }
    }
}

/// By the texts, so that equal tallies are equal bytes.
impl<V: Copy + Serialize> Serialize for TextTally<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.sorted())
    }
}

/// A text that is read twice has both numbers.
impl<'de> Deserialize<'de> for TextTally<u64> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut tally = TextTally::default();
        listed::for_each(deserializer, |(text, n): (Box<str>, u64)| {
            tally.update(&text, |count: &mut u64| *count = count.saturating_add(n), || (n > 0).then_some(n));
        })?;
        Ok(tally)
    }
}

/// Whatever the order in which the texts came.
impl<V: Copy + PartialEq> PartialEq for TextTally<V> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|(text, value)| other.get(text) == Some(value))
    }
}

impl<V: Copy + Eq> Eq for TextTally<V> {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn of(texts: &[String]) -> TextTally<usize> {
        let mut tally = TextTally::default();
        texts.iter().for_each(|text| tally.update(text, |n| *n += 1, || Some(1)));
        tally
    }

    /// Texts that share beginnings of many lengths, and end in zeros.
    fn texts() -> impl Strategy<Value = Vec<String>> {
        let text = (0usize..4, 0usize..700, "[ab\\x00é]{0,9}").prop_map(|(kind, length, end)| match kind {
            0 => end,
            1 => format!("{}{end}", "x".repeat(length % 40)),
            2 => format!("{}{end}", "\0".repeat(length % 40)),
            _ => format!("{}{end}", "y".repeat(length)),
        });
        vec(text, 0..200)
    }

    proptest! {
        #[test]
        fn texts_are_sorted_as_by_a_map(texts in texts()) {
            let mut twin = BTreeMap::<&str, usize>::new();
            texts.iter().for_each(|text| *twin.entry(text).or_default() += 1);
            let tally = of(&texts);
            prop_assert!(tally.sorted().eq(twin.iter().map(|(text, n)| (*text, *n))));
            prop_assert!(twin.iter().all(|(text, n)| tally.get(text) == Some(*n)));
            prop_assert_eq!(tally.get("absent"), None);
            prop_assert_eq!(&of(&texts.iter().rev().cloned().collect::<Vec<_>>()), &tally);
            let (store, values) = tally.into_sorted();
            prop_assert!(store.iter().zip(values).eq(twin.into_iter()));
        }
    }

    #[test]
    fn texts_with_long_equal_beginnings_are_sorted() {
        let texts: Vec<String> =
            (0..100).map(|n| format!("{}{:02}", "z".repeat(1000), n * 37 % 100)).collect();
        assert!(of(&texts).sorted().map(|(text, _)| text).is_sorted());
    }
}
