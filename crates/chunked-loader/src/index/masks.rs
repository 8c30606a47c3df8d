//! The loop over 64 bytes at a time, whatever finds their masks.
#![allow(unsafe_code)] // Unchecked writes of ends into reserved room: the index is a quarter of a load's time.

use crate::block::PADDING;

/// Entries beyond the bytes that `ends` must have room for: ends are written several at a time.
pub(super) const SLACK: usize = 64;

/// The bytes that have a job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    /// All ones if there is a quote, else nothing.
    pub(super) quote_mask: u64,
}

impl Marks {
    pub(super) fn new(delimiter: u8, quote: Option<u8>) -> Marks {
        Marks {
            delimiter,
            quote: quote.unwrap_or(b'"'),
            quote_mask: if quote.is_some() { u64::MAX } else { 0 },
        }
    }
}

/// Which of 64 bytes are what: the lowest bit stands for the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Masks {
    pub(super) delimiter: u64,
    pub(super) line_feed: u64,
    pub(super) quote: u64,
    pub(super) carriage_return: u64,
    /// Any byte outside ASCII.
    pub(super) has_high: bool,
}

/// Finds masks. Implementations may need features of the processor, which their callers have checked.
pub(super) trait MaskKernel: Copy {
    /// The masks of 64 bytes.
    fn masks(self, bytes: &[u8; 64], marks: &Marks) -> Masks;

    /// The mask of one byte's occurrences.
    fn equal(self, bytes: &[u8; 64], byte: u8) -> u64;

    /// Bit by bit the parity of the bits up to and including it.
    fn prefix_xor(self, mask: u64) -> u64;

    /// Writes `at` plus the number of each bit that is set, in order, and up to [`SLACK`] entries beyond.
    ///
    /// # Safety
    /// `to` has room for as many entries as bits are set, and for [`SLACK`] more.
    #[inline(always)]
    unsafe fn write_ends(self, mut to: *mut u32, at: u32, mut mask: u64) {
        let mut left = mask.count_ones() as isize;
        while left > 0 {
            for _ in 0..8 {
                // Behind the last bit this writes 64, which the next entry or the length covers up.
                // SAFETY: at most seven entries are written beyond those that stand for bits.
                unsafe { to.write(at + mask.trailing_zeros()) };
                mask &= mask.wrapping_sub(1);
                // SAFETY: as above; the room ends no sooner.
                to = unsafe { to.add(1) };
            }
            left -= 8;
        }
    }
}

/// What a loop over some bytes found beside the ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// LFs outside quotes.
    pub(super) line_feeds: usize,
    /// CRs outside quotes.
    pub(super) carriage_returns: usize,
    /// CR LF outside quotes.
    pub(super) pairs: usize,
    /// Physical lines, also inside quotes.
    pub(super) lines: usize,
    /// A quote that neither opens nor closes a field.
    pub(super) is_stray: bool,
    pub(super) is_ascii: bool,
}

/// Writes where fields end outside quotes, in bytes that begin with a record. The last [`PADDING`] bytes of `padded`
/// are not looked at but for being there.
#[inline(always)]
pub(super) fn index_with<K: MaskKernel>(
    kernel: K,
    padded: &[u8],
    marks: &Marks,
    ends: &mut Vec<u32>,
) -> Found {
    let len = padded.len() - PADDING;
    assert!(len <= u32::MAX as usize && ends.is_empty() && ends.capacity() >= len + SLACK);
    let mut found = Found { is_ascii: true, ..Found::default() };
    let mut count = 0usize;
    // All ones while the byte before lies inside quotes.
    let mut inside = 0u64;
    // The byte before is a separator or a quote: a field may begin here.
    let mut opens = 1u64;
    // The byte before closes a quote, so that this one has to be a separator or a quote.
    let mut closes = 0u64;
    // The byte before is a CR, anywhere and outside quotes.
    let (mut after_return, mut after_outer_return) = (0u64, 0u64);
    let mut at = 0;
    while at < len {
        let Some(bytes) = padded[at..].first_chunk::<64>() else { break };
        // The padding fills up the last 64 bytes, whose other bits do not count.
        let valid = if len - at >= 64 { u64::MAX } else { (1 << (len - at)) - 1 };
        let masks = kernel.masks(bytes, marks);
        // Short of the end the padding may hold bytes of earlier contents; they only cost a check of UTF-8.
        found.is_ascii &= !masks.has_high;
        let separators = (masks.delimiter | masks.line_feed) & valid;
        let line_feeds = masks.line_feed & valid;
        let mut quoted = inside;
        if (masks.quote | masks.carriage_return) & valid | closes | after_return != 0 {
            let quotes = masks.quote & marks.quote_mask & valid;
            let returns = masks.carriage_return & valid;
            quoted ^= kernel.prefix_xor(quotes);
            let edges = separators | returns | quotes;
            let opening = quotes & quoted;
            let closing = quotes & !quoted;
            // Behind the last valid byte anything may follow.
            let beyond = !valid | (1 << 63);
            let not_opened = opening & !(edges << 1 | opens);
            let not_closed = closing & !(edges >> 1 | beyond >> u32::from(valid != u64::MAX));
            let open_end = closes & !edges & valid;
            found.is_stray |= (not_opened | not_closed | open_end) != 0;
            let behind_return = returns << 1 | after_return;
            found.lines += (returns.count_ones()) as usize;
            found.lines -= (line_feeds & behind_return).count_ones() as usize;
            let outer = returns & !quoted;
            found.carriage_returns += outer.count_ones() as usize;
            found.pairs += (line_feeds & !quoted & (outer << 1 | after_outer_return)).count_ones() as usize;
            (after_return, after_outer_return) = (returns >> 63, outer >> 63);
            opens = edges >> 63;
            closes = closing >> 63;
            inside = ((quoted as i64) >> 63) as u64;
        } else {
            opens = separators >> 63;
            (after_return, after_outer_return) = (0, 0);
        }
        found.lines += line_feeds.count_ones() as usize;
        found.line_feeds += (line_feeds & !quoted).count_ones() as usize;
        let more = (separators & !quoted).count_ones() as usize;
        debug_assert!(count + more + SLACK <= ends.capacity());
        // SAFETY: `count + more` is at most `len`, since each entry stands for a byte of its own, and the capacity was
        // checked to be SLACK more.
        unsafe { kernel.write_ends(ends.as_mut_ptr().add(count), at as u32, separators & !quoted) };
        count += more;
        at += 64;
    }
    // SAFETY: `count` entries were written, within the capacity.
    unsafe { ends.set_len(count) };
    found
}
