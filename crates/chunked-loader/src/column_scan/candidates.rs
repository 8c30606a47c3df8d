//! The different texts of a column, for the choice of a dictionary.

use std::collections::HashSet;

use crate::block::Padded;
use crate::column::short_text::ShortText;

/// The different texts of a column, as long as a dictionary of them may still save bytes.
#[derive(Debug)]
pub(crate) struct Candidates {
    pub(crate) texts: HashSet<Box<[u8]>, ahash::RandomState>,
    bytes: usize,
    limit: usize,
    /// Short texts that are known to be in the set, each where its hash says; the last one to come has the place.
    known: Vec<Option<ShortText>>,
}

impl Candidates {
    /// More different values than a 16-bit key has room for hardly ever save bytes.
    const MOST: usize = 1 << 15;

    /// Gives up beyond `limit` bytes, bookkeeping included.
    pub(crate) fn new(limit: usize) -> Self {
        Candidates { texts: HashSet::default(), bytes: 0, limit, known: Vec::new() }
    }

    /// Bytes allocated.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bytes
            + self.texts.capacity() * (size_of::<Box<[u8]>>() + 1)
            + self.known.capacity() * size_of::<Option<ShortText>>()
    }

    /// Whether the set still holds all values.
    pub(crate) fn insert(&mut self, text: &[u8]) -> bool {
        if !self.texts.contains(text) {
            self.bytes += text.len() + 2 * size_of::<Box<[u8]>>();
            self.texts.insert(text.into());
        }
        self.limit == usize::MAX || (self.bytes <= self.limit && self.texts.len() <= Self::MOST)
    }

    /// The same for a text in a block.
    #[inline(always)]
    pub(super) fn insert_padded(&mut self, text: Padded<'_>) -> bool {
        let Some(short) = ShortText::of_padded(text) else { return self.insert(text.bytes()) };
        let places = self.known.len();
        if places > 0 {
            let place = (short.hash() >> 40) as usize & (places - 1);
            if self.known[place] == Some(short) {
                return true;
            }
            self.known[place] = Some(short);
        } else {
            // Places for as many texts as can be, within a small part of what the set may take.
            let most = (self.limit / 256).clamp(16, 1024);
            self.known = vec![None; most.next_power_of_two()];
        }
        self.insert(text.bytes())
    }
}
