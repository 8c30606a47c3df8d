//! Many texts in few blocks of memory.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::listed;
use super::place_index::PlaceIndex;

/// Bytes of a block. It is large enough to be given back to the system when it is freed.
const BLOCK: usize = 1 << 20;

/// Bits of a [`Span`] that tell a text's length.
const LENGTH_BITS: u32 = 12;

/// Texts from this length on have a block of their own.
const LONG: usize = (1 << LENGTH_BITS) - 1;

/// A list of texts, which takes 8 bytes beside the bytes of each. Blocks are added as it grows, and nothing moves; only
/// the first one grows as a vector does, so that few short texts are small.
#[derive(Clone, Debug, Default)]
pub(crate) struct TextStore {
    blocks: Blocks,
    spans: Vec<Span>,
}

/// The bytes of texts.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    blocks: Vec<Vec<u8>>,
    /// The block that short texts are added to.
    open: Option<usize>,
    /// Capacities of all blocks.
    capacity: usize,
    /// Bytes of all texts.
    length: usize,
}

/// Where a text is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    block: u32,
    /// The text's first byte in the block, above its length; of a long text, which is a block, [`LONG`].
    place: u32,
}

impl Span {
    pub(super) fn to_word(self) -> u64 {
        u64::from(self.block) << 32 | u64::from(self.place)
    }

    pub(super) fn of_word(word: u64) -> Span {
        Span { block: (word >> 32) as u32, place: word as u32 }
    }
}

impl Blocks {
    pub(super) fn add(&mut self, text: &str) -> Span {
        self.length += text.len();
        if text.len() >= LONG {
            return Span { block: self.begin(text.len(), text), place: LONG as u32 };
        }
        let open = match self.open {
            Some(open) if BLOCK - self.blocks[open].len() >= text.len() => open,
            other => {
                let capacity = if other.is_none() { text.len() } else { BLOCK };
                let block = self.begin(capacity, text);
                self.open = Some(block as usize);
                return Span { block, place: text.len() as u32 };
            }
        };
        let block = &mut self.blocks[open];
        let start = block.len();
        if block.capacity() - start < text.len() {
            self.capacity -= block.capacity();
            block.reserve_exact(text.len().max(start).max(64).min(BLOCK - start));
            self.capacity += block.capacity();
        }
        block.extend_from_slice(text.as_bytes());
        Span { block: open as u32, place: (start << LENGTH_BITS | text.len()) as u32 }
    }

    fn begin(&mut self, capacity: usize, text: &str) -> u32 {
        let mut block = Vec::with_capacity(capacity);
        block.extend_from_slice(text.as_bytes());
        self.capacity += block.capacity();
        self.blocks.push(block);
        u32::try_from(self.blocks.len() - 1).expect("blocks of four billion texts fit in no memory")
    }

    pub(super) fn bytes(&self, span: Span) -> &[u8] {
        let block = &self.blocks[span.block as usize];
        let length = span.place as usize & LONG;
        let start = span.place as usize >> LENGTH_BITS;
        if length == LONG { block } else { &block[start..start + length] }
    }

    /// # Panics
    /// If the span is of other blocks.
    pub(super) fn text(&self, span: Span) -> &str {
        std::str::from_utf8(self.bytes(span)).expect("a span is that of a text")
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.capacity + self.blocks.capacity() * size_of::<Vec<u8>>()
    }

    /// Bytes of all texts.
    pub(super) fn text_bytes(&self) -> usize {
        self.length
    }

    /// Bytes that texts of `more` bytes take beside what is held, while they come.
    pub(super) fn growth_bytes(&self, more: usize) -> usize {
        let open = self.open.and_then(|open| self.blocks.get(open));
        let (filled, capacity) = open.map_or((0, 0), |block| (block.len(), block.capacity()));
        // Texts that are short fit in what is left of the block; longer ones have one of their own.
        if more < LONG && more <= capacity - filled {
            return 0;
        }
        let list = 2 * (self.blocks.len() + more / LONG + 4) * size_of::<Vec<u8>>();
        if capacity < BLOCK && filled + more <= BLOCK / 2 {
            // Twice at the most, and what is there until it has moved.
            return 2 * (filled + more) + 64 + list;
        }
        // No block that is full has room for another short text.
        let last = if more < LONG || more > capacity - filled { BLOCK } else { 0 };
        more + more / (BLOCK / LONG - 1) + last + list
    }
}

impl TextStore {
    /// Texts of these blocks, in the order of the spans.
    pub(super) fn new(blocks: Blocks, spans: Vec<Span>) -> TextStore {
        TextStore { blocks, spans }
    }

    pub(crate) fn push(&mut self, text: &str) {
        let span = self.blocks.add(text);
        self.spans.push(span);
    }

    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// # Panics
    /// If there is no such place.
    pub(crate) fn get(&self, place: usize) -> &str {
        self.blocks.text(self.spans[place])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.spans.iter().map(|span| self.blocks.text(*span))
    }

    /// The texts at these places, which ascend.
    pub(crate) fn select(self, places: &[u32]) -> TextStore {
        if places.len() == self.len() {
            return self;
        }
        let mut selected = TextStore { spans: Vec::with_capacity(places.len()), ..TextStore::default() };
        places.iter().for_each(|place| selected.push(self.get(*place as usize)));
        selected
    }

    /// An index of texts that are all different.
    pub(crate) fn index(&self) -> PlaceIndex {
        let mut index = PlaceIndex::with_capacity(self.len());
        for (place, text) in (0..).zip(self.iter()) {
            index.insert(index.hash(text), place, |other| self.get(other as usize));
        }
        index
    }

    /// The place of a text, found in an index of these texts.
    pub(crate) fn find(&self, index: &PlaceIndex, text: &str) -> Option<u32> {
        index.find(index.hash(text), |place| self.get(place as usize) == text)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.blocks.heap_bytes() + self.spans.capacity() * size_of::<Span>()
    }
}

impl<'a> FromIterator<&'a str> for TextStore {
    fn from_iter<I: IntoIterator<Item = &'a str>>(texts: I) -> Self {
        let mut store = TextStore::default();
        texts.into_iter().for_each(|text| store.push(text));
        store
    }
}

impl Serialize for TextStore {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for TextStore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut store = TextStore::default();
        listed::for_each(deserializer, |text: Box<str>| store.push(&text))?;
        Ok(store)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn texts_stay_as_they_are(lengths in vec(prop_oneof![0usize..40, 0usize..6000, Just(LONG - 1), Just(LONG), Just(BLOCK + 1)], 0..60)) {
            let text = |(place, length): (usize, &usize)| {
                let end = place.to_string();
                format!("{}{end}", "é".repeat(length.saturating_sub(end.len()) / 2))
            };
            let texts: Vec<String> = lengths.iter().enumerate().map(text).collect();
            let mut store = TextStore::default();
            let (mut growth, all) = (store.blocks.growth_bytes(texts.iter().map(String::len).sum()), texts.len());
            for text in &texts {
                let (held, more) = (store.blocks.heap_bytes(), store.blocks.growth_bytes(text.len()));
                store.push(text);
                prop_assert!(store.blocks.heap_bytes() <= held + more, "{} {held} {more}", text.len());
            }
            growth += 64 * all;
            prop_assert!(store.blocks.heap_bytes() <= growth, "{} {growth}", store.blocks.heap_bytes());
            prop_assert_eq!(store.len(), all);
            prop_assert!(store.iter().eq(texts.iter().map(String::as_str)));
            prop_assert!((0..all).all(|place| store.get(place) == texts[place]));
        }
    }
}
