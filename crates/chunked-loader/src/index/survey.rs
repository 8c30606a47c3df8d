//! The survey of bytes that may begin anywhere: where records begin in them if they begin inside quotes, and where
//! if outside. Many surveys are made at once; their start states resolve afterwards, one step each.

use super::masks::{Marks, MaskKernel};
use crate::block::PADDING;

/// What some bytes are, under both suppositions: index 0 for a start outside quotes, 1 for one inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Survey {
    /// Whether the number of quotes is odd, so that they end in the other state.
    pub(crate) flips: bool,
    /// Whether a quote stands where none can open or close a field.
    pub(crate) is_stray: [bool; 2],
    /// The byte behind the first LF outside quotes. Where a LF stands before the bytes, the first byte itself is
    /// that, outside quotes.
    pub(crate) first_record: [Option<usize>; 2],
}

/// Surveys all of `padded` but its padding. `before` and `behind` are the bytes around it.
#[inline(always)]
pub(super) fn survey_with<K: MaskKernel>(
    kernel: K,
    padded: &[u8],
    marks: &Marks,
    before: Option<u8>,
    behind: Option<u8>,
) -> Survey {
    let len = padded.len() - PADDING;
    let is_edge = |byte: Option<u8>| {
        let quote = byte == Some(marks.quote) && marks.quote_mask != 0;
        quote || byte.is_none_or(|b| b == marks.delimiter || matches!(b, b'\n' | b'\r'))
    };
    let mut survey = Survey {
        flips: false,
        is_stray: [false; 2],
        first_record: [before.is_none_or(|b| b == b'\n').then_some(0), None],
    };
    let mut inside = 0u64;
    let mut opens = u64::from(is_edge(before));
    // A quote is the byte before, and what follows it is not known yet: bit 0 and 1 for the two suppositions under
    // which it closes.
    let mut closes = [0u64; 2];
    let mut at = 0;
    while at < len {
        let Some(bytes) = padded[at..].first_chunk::<64>() else { break };
        let valid = if len - at >= 64 { u64::MAX } else { (1 << (len - at)) - 1 };
        let quotes = kernel.equal(bytes, marks.quote) & marks.quote_mask & valid;
        // Under the other supposition these bytes are within quotes, and no record ends before the next quote.
        let is_searching = survey.first_record[usize::from(inside != 0)].is_none();
        let is_last = len - at <= 64;
        if quotes == 0 && !is_searching && closes == [0; 2] && !is_last {
            // What the last of these 64 bytes is matters only to a quote behind it, and that one looks back.
            opens = 2;
            at += 64;
            continue;
        }
        if opens == 2 {
            opens = u64::from(is_edge(Some(padded[at - 1])));
        }
        let masks = kernel.masks(bytes, marks);
        let line_feeds = masks.line_feed & valid;
        let edges = (masks.delimiter | masks.carriage_return) & valid | line_feeds | quotes;
        let quoted = inside ^ kernel.prefix_xor(quotes);
        let next = if is_last { u64::from(is_edge(behind)) << (len - at - 1) } else { 1 << 63 };
        let not_behind_edge = quotes & !(edges << 1 | opens);
        let not_before_edge = quotes & !(edges >> 1 | next);
        for (supposition, stray) in survey.is_stray.iter_mut().enumerate() {
            let quoted = if supposition == 0 { quoted } else { !quoted };
            *stray |=
                not_behind_edge & quoted | not_before_edge & !quoted | closes[supposition] & !edges != 0;
            closes[supposition] = (quotes & !quoted) >> 63;
            let first = &mut survey.first_record[supposition];
            let ends = line_feeds & !quoted;
            if first.is_none() && ends != 0 {
                *first = Some(at + ends.trailing_zeros() as usize + 1);
            }
        }
        opens = edges >> 63;
        inside = ((quoted as i64) >> 63) as u64;
        at += 64;
    }
    // Beyond the last byte the mask goes on in the same state.
    survey.flips = inside & 1 == 1;
    survey
}
