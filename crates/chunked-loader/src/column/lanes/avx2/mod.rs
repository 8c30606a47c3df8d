//! [`Texts`] in registers of 32 bytes: what all kinds of values share.
#![allow(unsafe_code)] // Calls of code for processors with AVX2, and loads and stores of arrays of known length.

mod decimals;
mod ints;
mod iso;

use std::arch::x86_64::{
    __m256i, _mm_loadu_si128, _mm256_add_epi64, _mm256_and_si256, _mm256_castps_si256, _mm256_castsi256_ps,
    _mm256_cmpeq_epi8, _mm256_cmpeq_epi32, _mm256_cmpeq_epi64, _mm256_cvtepu32_epi64, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_min_epu8, _mm256_min_epu32, _mm256_movemask_ps,
    _mm256_or_si256, _mm256_packus_epi32, _mm256_permute4x64_epi64, _mm256_set1_epi8, _mm256_set1_epi32,
    _mm256_set1_epi64x, _mm256_setr_epi8, _mm256_setr_epi16, _mm256_shuffle_ps, _mm256_sllv_epi64,
    _mm256_srlv_epi64, _mm256_sub_epi32, _mm256_sub_epi64,
};
use std::ops::RangeInclusive;

use super::{ROWS, Texts};
use crate::column::validity::full;
use crate::processor::WithAvx2;

impl Texts {
    /// The rows of texts that are empty, one bit each.
    #[inline(always)]
    pub(in crate::column) fn empty(&self, _: WithAvx2) -> u64 {
        // SAFETY: a `WithAvx2` shows that the processor has AVX2.
        unsafe { self.of_no_bytes() }
    }

    /// The values of the texts that write whole numbers of the range in up to eight bytes, and their rows, one bit each; 0
    /// for all others.
    #[inline(always)]
    pub(in crate::column) fn ints(
        &self,
        _: WithAvx2,
        range: RangeInclusive<i32>,
        values: &mut [i32; ROWS],
    ) -> u64 {
        // SAFETY: as above.
        unsafe { ints::ints(self, range, values) }
    }

    /// The values of the texts that write decimals in up to sixteen bytes, and their rows, one bit each; 0 for all
    /// others.
    #[inline(always)]
    pub(in crate::column) fn decimals(&self, _: WithAvx2, values: &mut [f64; ROWS]) -> u64 {
        // SAFETY: as above.
        unsafe { decimals::decimals(self, values) }
    }

    /// The days since 1970-01-01 that the texts write, and the rows of those that write one, one bit each; 0 for others.
    #[inline(always)]
    pub(in crate::column) fn days(&self, _: WithAvx2, values: &mut [i32; ROWS]) -> u64 {
        // SAFETY: as above.
        unsafe { iso::days(self, values) }
    }

    /// The seconds since 1970-01-01T00:00:00 that the texts write, and the rows of those that write such, one bit each; 0
    /// for others.
    #[inline(always)]
    pub(in crate::column) fn seconds(&self, _: WithAvx2, values: &mut [i64; ROWS]) -> u64 {
        // SAFETY: as above.
        unsafe { iso::seconds(self, values) }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn of_no_bytes(&self) -> u64 {
        self.mask(|lens| _mm256_cmpeq_epi32(lens, _mm256_set1_epi32(0)))
    }

    /// The rows of texts of 1 to `most` bytes, one bit each.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn up_to(&self, most: usize) -> u64 {
        self.mask(|lens| {
            // 0 less one is more than any number.
            let less = _mm256_sub_epi32(lens, _mm256_set1_epi32(1));
            _mm256_cmpeq_epi32(_mm256_min_epu32(less, _mm256_set1_epi32(most as i32 - 1)), less)
        })
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn mask(&self, is_meant: impl Fn(__m256i) -> __m256i) -> u64 {
        let mut mask = 0;
        for (group, lens) in self.lens.as_chunks::<8>().0.iter().enumerate() {
            mask |= bits(is_meant(load(lens))) << (8 * group);
        }
        mask & full(self.rows)
    }

    /// The first words of the four texts from `at` on, without quote and sign.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn four_words(&self, at: usize) -> Four {
        let low = load_words(&self.words[0], at);
        let (len, negative, bits) = self.bare(low, at);
        Four { low: _mm256_srlv_epi64(low, bits), high: _mm256_set1_epi64x(0), len, negative }
    }

    /// The first two words of the four texts from `at` on, without quote and sign.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn four_pairs(&self, at: usize) -> Four {
        let (low, high) = (load_words(&self.words[0], at), load_words(&self.words[1], at));
        let (len, negative, bits) = self.bare(low, at);
        // Shifts by 64 give zero.
        let carried = _mm256_sllv_epi64(high, _mm256_sub_epi64(_mm256_set1_epi64x(64), bits));
        let low = _mm256_or_si256(_mm256_srlv_epi64(low, bits), carried);
        Four { low, high: _mm256_srlv_epi64(high, bits), len, negative }
    }

    /// Of the four texts from `at` on: the length without quotes and sign, all bits where there is a minus, and how many
    /// bits stand before what is left.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn bare(&self, low: __m256i, at: usize) -> (__m256i, __m256i, __m256i) {
        let eight = _mm256_set1_epi64x(8);
        let is_quoted = _mm256_cmpeq_epi64(first_byte(low), _mm256_set1_epi64x(i64::from(self.quote)));
        let quote_bits = _mm256_and_si256(is_quoted, eight);
        let behind_quote = first_byte(_mm256_srlv_epi64(low, quote_bits));
        let negative = _mm256_cmpeq_epi64(behind_quote, _mm256_set1_epi64x(i64::from(b'-')));
        let bits = _mm256_add_epi64(quote_bits, _mm256_and_si256(negative, eight));
        // SAFETY: four numbers from a place that is at most the fourth from the end.
        let len = unsafe { _mm_loadu_si128(self.lens[at..at + 4].as_ptr().cast()) };
        // A mask is minus one where it holds, and a quoted text has two quotes.
        let less = _mm256_add_epi64(_mm256_add_epi64(is_quoted, is_quoted), negative);
        (_mm256_add_epi64(_mm256_cvtepu32_epi64(len), less), negative, bits)
    }
}

/// What four texts write behind quote and sign, 64 bits each.
struct Four {
    /// The first eight bytes, and the next ones.
    low: __m256i,
    high: __m256i,
    /// Bytes of the text without quotes and sign.
    len: __m256i,
    /// All bits where there is a minus.
    negative: __m256i,
}

/// Eight lanes of 32 bits.
#[target_feature(enable = "avx2")]
#[inline]
fn load<T>(lanes: &[T; 8]) -> __m256i {
    const { assert!(size_of::<T>() == 4) };
    // SAFETY: a load of just these bytes, which has no alignment to keep.
    unsafe { _mm256_loadu_si256(lanes.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load_words(words: &[u64; ROWS], at: usize) -> __m256i {
    // SAFETY: four words from a place that is at most the fourth from the end.
    unsafe { _mm256_loadu_si256(words[at..at + 4].as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn first_byte(words: __m256i) -> __m256i {
    _mm256_and_si256(words, _mm256_set1_epi64x(0xff))
}

/// The highest bits of eight lanes of 32 bits.
#[target_feature(enable = "avx2")]
#[inline]
fn bits(mask: __m256i) -> u64 {
    _mm256_movemask_ps(_mm256_castsi256_ps(mask)) as u64
}

/// All bits of a lane of 64 where none of its bytes is above that of `most`.
#[target_feature(enable = "avx2")]
#[inline]
fn are_at_most(values: __m256i, most: __m256i) -> __m256i {
    let are = _mm256_cmpeq_epi8(_mm256_min_epu8(values, most), values);
    _mm256_cmpeq_epi64(are, _mm256_set1_epi64x(-1))
}

/// All bits of a lane of 64 where all bytes are digits' values.
#[target_feature(enable = "avx2")]
#[inline]
fn are_digits(values: __m256i) -> __m256i {
    are_at_most(values, _mm256_set1_epi8(9))
}

/// The numbers of up to four digits that each half of a word writes, as values of digits.
#[target_feature(enable = "avx2")]
#[inline]
fn fours(values: __m256i) -> __m256i {
    let tens = _mm256_setr_epi8(
        10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10,
        1, 10, 1,
    );
    let hundreds = _mm256_setr_epi16(100, 1, 100, 1, 100, 1, 100, 1, 100, 1, 100, 1, 100, 1, 100, 1);
    _mm256_madd_epi16(_mm256_maddubs_epi16(values, tens), hundreds)
}

/// The numbers of eight digits that the words of two registers write, in the order of [`halves`].
#[target_feature(enable = "avx2")]
#[inline]
fn eights(a: __m256i, b: __m256i) -> __m256i {
    const HIGH: i16 = 10_000;
    let weights = _mm256_setr_epi16(HIGH, 1, HIGH, 1, HIGH, 1, HIGH, 1, HIGH, 1, HIGH, 1, HIGH, 1, HIGH, 1);
    _mm256_madd_epi16(_mm256_packus_epi32(fours(a), fours(b)), weights)
}

/// The lower halves of the words of two registers: two of the first, two of the second, and again.
#[target_feature(enable = "avx2")]
#[inline]
fn halves(a: __m256i, b: __m256i) -> __m256i {
    _mm256_castps_si256(_mm256_shuffle_ps::<0b10_00_10_00>(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b)))
}

/// What [`halves`] has mixed, in the order of the rows.
#[target_feature(enable = "avx2")]
#[inline]
fn in_order(mixed: __m256i) -> __m256i {
    _mm256_permute4x64_epi64::<0b11_01_10_00>(mixed)
}

/// Sets the values of some rows to zero: those of rows that are not valid, whose bits are to be the same always.
#[inline]
fn clear<T: Default>(values: &mut [T; ROWS], mut rows: u64) {
    while rows != 0 {
        values[rows.trailing_zeros() as usize] = T::default();
        rows &= rows - 1;
    }
}
