//! Whole numbers of up to eight bytes: [`int::parse_short`](crate::column::int::parse_short) of eight texts at once.

use std::arch::x86_64::{
    __m256i, _mm256_and_si256, _mm256_andnot_si256, _mm256_cmpeq_epi64, _mm256_cmpgt_epi32,
    _mm256_cmpgt_epi64, _mm256_or_si256, _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_slli_epi64,
    _mm256_sllv_epi64, _mm256_storeu_si256, _mm256_sub_epi32, _mm256_sub_epi64, _mm256_xor_si256,
};
use std::ops::RangeInclusive;

use super::{Four, are_digits, bits, clear, eights, first_byte, halves, in_order};
use crate::column::digits::ZEROS;
use crate::column::lanes::{INT, ROWS, Texts};

/// See [`Texts::ints`].
#[target_feature(enable = "avx2")]
pub(super) fn ints(texts: &Texts, range: RangeInclusive<i32>, values: &mut [i32; ROWS]) -> u64 {
    let (lowest, highest) = (_mm256_set1_epi32(*range.start()), _mm256_set1_epi32(*range.end()));
    let usual = texts.up_to(INT.bytes);
    let mut valid = 0;
    for (group, values) in values.as_chunks_mut::<8>().0[..texts.rows.div_ceil(8)].iter_mut().enumerate() {
        let at = 8 * group;
        let (a, b) = (texts.four_words(at), texts.four_words(at + 4));
        let (a_digits, a_valid) = digits(&a);
        let (b_digits, b_valid) = digits(&b);
        let number = eights(a_digits, b_digits);
        let negative = halves(a.negative, b.negative);
        // A mask is minus one where it holds: the number is turned around, or stays.
        let number = _mm256_sub_epi32(_mm256_xor_si256(number, negative), negative);
        let is_outside =
            _mm256_or_si256(_mm256_cmpgt_epi32(number, highest), _mm256_cmpgt_epi32(lowest, number));
        let is_valid = _mm256_andnot_si256(is_outside, halves(a_valid, b_valid));
        let number = in_order(_mm256_and_si256(number, is_valid));
        // SAFETY: a store of just these eight numbers, which has no alignment to keep.
        unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), number) };
        valid |= bits(in_order(is_valid)) << at;
    }
    // What is too long has been cut.
    let cut = valid & !usual;
    clear(values, cut);
    valid & usual
}

/// The digits of four texts, moved to the end of their words, and which texts are numbers.
#[target_feature(enable = "avx2")]
#[inline]
fn digits(four: &Four) -> (__m256i, __m256i) {
    let one = _mm256_set1_epi64x(1);
    let behind = _mm256_sub_epi64(_mm256_set1_epi64x(64), _mm256_slli_epi64::<3>(four.len));
    let values = _mm256_xor_si256(four.low, _mm256_set1_epi64x(ZEROS as i64));
    let values = _mm256_sllv_epi64(values, behind);
    let is_zero = _mm256_cmpeq_epi64(first_byte(four.low), _mm256_set1_epi64x(i64::from(b'0')));
    // `0` is the one number that begins with it, and has no sign.
    let is_more = _mm256_or_si256(_mm256_cmpgt_epi64(four.len, one), four.negative);
    let has_digits = _mm256_cmpgt_epi64(four.len, _mm256_set1_epi64x(0));
    let is_number = _mm256_and_si256(are_digits(values), has_digits);
    (values, _mm256_andnot_si256(_mm256_and_si256(is_zero, is_more), is_number))
}
