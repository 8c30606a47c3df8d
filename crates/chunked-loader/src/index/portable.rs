//! Masks by arithmetic on eight bytes at a time, for every processor.

use super::masks::{Found, Marks, MaskKernel, Masks, index_with};
use super::survey::{Survey, survey_with};

#[derive(Clone, Copy)]
struct Portable;

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// One bit for each byte that has its highest bit set, in order.
fn gather(high: u64) -> u64 {
    // Each product bit lands in the top byte without a carry: the shifts of the factor are all different.
    ((high >> 7).wrapping_mul(0x0102_0408_1020_4080)) >> 56
}

/// The highest bit of each byte that is zero, and of no other.
fn zero_bytes(word: u64) -> u64 {
    !(((word & !HIGH).wrapping_add(!HIGH)) | word) & HIGH
}

impl MaskKernel for Portable {
    #[inline(always)]
    fn masks(self, bytes: &[u8; 64], marks: &Marks) -> Masks {
        let high = bytes.as_chunks::<8>().0.iter().fold(0, |high, b| high | u64::from_le_bytes(*b)) & HIGH;
        Masks {
            delimiter: self.equal(bytes, marks.delimiter),
            line_feed: self.equal(bytes, b'\n'),
            quote: self.equal(bytes, marks.quote),
            carriage_return: self.equal(bytes, b'\r'),
            has_high: high != 0,
        }
    }

    #[inline(always)]
    fn equal(self, bytes: &[u8; 64], byte: u8) -> u64 {
        let pattern = LOW * u64::from(byte);
        let words = bytes.as_chunks::<8>().0.iter().enumerate();
        words.fold(0, |mask, (i, word)| {
            mask | gather(zero_bytes(u64::from_le_bytes(*word) ^ pattern)) << (8 * i)
        })
    }

    #[inline(always)]
    fn prefix_xor(self, mut mask: u64) -> u64 {
        for shift in [1, 2, 4, 8, 16, 32] {
            mask ^= mask << shift;
        }
        mask
    }
}

pub(super) fn index(padded: &[u8], marks: &Marks, ends: &mut Vec<u32>) -> Found {
    index_with(Portable, padded, marks, ends)
}

pub(super) fn survey(padded: &[u8], marks: &Marks, before: Option<u8>, behind: Option<u8>) -> Survey {
    survey_with(Portable, padded, marks, before, behind)
}
