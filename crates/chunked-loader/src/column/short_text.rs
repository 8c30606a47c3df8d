//! Texts of at most 16 bytes as two words and a length, which compare and hash without a loop.

use crate::block::Padded;

/// Most bytes of a short text.
pub(crate) const MOST: usize = 16;

/// A short text. Two are equal if and only if their bytes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShortText {
    low: u64,
    high: u64,
    len: u8,
}

/// For each length what is kept of two words.
const MASKS: [(u64, u64); MOST + 1] = {
    let mut masks = [(0, 0); MOST + 1];
    let mut len = 1;
    while len <= MOST {
        let low = if len >= 8 { u64::MAX } else { (1 << (8 * len)) - 1 };
        let high = match len {
            0..=8 => 0,
            16.. => u64::MAX,
            _ => (1 << (8 * (len - 8))) - 1,
        };
        masks[len] = (low, high);
        len += 1;
    }
    masks
};

impl ShortText {
    /// `None` if the text is longer.
    #[inline(always)]
    pub(crate) fn of_padded(text: Padded<'_>) -> Option<ShortText> {
        let (low, high) = *MASKS.get(text.len())?;
        Some(ShortText { low: text.word::<0>() & low, high: text.word::<8>() & high, len: text.len() as u8 })
    }

    /// `None` if the text is longer.
    pub(crate) fn of(text: &[u8]) -> Option<ShortText> {
        let mut bytes = [0; MOST];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        let word = |at: usize| bytes[at..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b));
        Some(ShortText { low: word(0), high: word(8), len: text.len() as u8 })
    }

    /// A hash whose highest bits are the best. It is no defence against texts that are chosen to collide, which cost
    /// whoever uses it time, not memory.
    #[inline(always)]
    pub(crate) fn hash(&self) -> u64 {
        let mixed = (self.low ^ self.high.rotate_left(29)).wrapping_add(u64::from(self.len));
        let mixed = (mixed ^ mixed >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::PADDING;

    #[test]
    fn what_stands_behind_a_text_does_not_matter() {
        for len in 0..=20 {
            let text = &b"0123456789abcdefghij"[..len];
            for behind in [0, b'x', 0xff] {
                let mut padded = text.to_vec();
                padded.resize(len + PADDING, behind);
                let short = ShortText::of_padded(Padded::of_test(&padded, len));
                assert_eq!(short, ShortText::of(text));
                assert_eq!(short.is_some(), len <= MOST);
            }
        }
        assert_ne!(ShortText::of(b"a"), ShortText::of(b"a\0"));
    }
}
