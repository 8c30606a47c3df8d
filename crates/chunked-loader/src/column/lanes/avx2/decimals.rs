//! Decimal fractions of up to sixteen bytes: [`decimal::parse_short`](crate::column::decimal::parse_short) of four or
//! eight texts at once.
//!
//! The point is taken out without asking where it stands: what lies below its lowest bit stays, and what lies above
//! moves down by a byte. At most 15 digits are left, exact in float64 as is the power of ten, so that one division
//! rounds rightly (W. D. Clinger, "How to Read Floating Point Numbers Accurately", 1990).

use std::arch::x86_64::{
    __m256d, __m256i, _mm256_add_epi64, _mm256_and_pd, _mm256_and_si256, _mm256_andnot_si256,
    _mm256_blendv_pd, _mm256_castpd_si256, _mm256_castps256_ps128, _mm256_castsi256_pd,
    _mm256_castsi256_si128, _mm256_cmpeq_epi8, _mm256_cmpeq_epi64, _mm256_cmpgt_epi64, _mm256_cvtepi32_pd,
    _mm256_cvtps_pd, _mm256_div_pd, _mm256_extractf128_ps, _mm256_extracti128_si256, _mm256_max_epi32,
    _mm256_movemask_pd, _mm256_mul_epu32, _mm256_mul_pd, _mm256_or_pd, _mm256_or_si256,
    _mm256_permutevar8x32_ps, _mm256_sad_epu8, _mm256_set1_epi8, _mm256_set1_epi64x, _mm256_set1_pd,
    _mm256_setr_ps, _mm256_setzero_si256, _mm256_slli_epi64, _mm256_sllv_epi64, _mm256_srli_epi64,
    _mm256_srlv_epi64, _mm256_storeu_pd, _mm256_sub_epi64, _mm256_sub_pd, _mm256_unpackhi_epi32,
    _mm256_unpacklo_epi32, _mm256_xor_si256,
};

use super::{Four, are_digits, clear, eights, first_byte, halves, in_order};
use crate::column::digits::ZEROS;
use crate::column::lanes::{DECIMAL, ROWS, Texts};

/// See [`Texts::decimals`].
#[target_feature(enable = "avx2")]
pub(super) fn decimals(texts: &Texts, values: &mut [f64; ROWS]) -> u64 {
    let usual = texts.up_to(DECIMAL.bytes);
    let mut valid = 0;
    for (group, values) in values.as_chunks_mut::<8>().0[..texts.rows.div_ceil(8)].iter_mut().enumerate() {
        let at = 8 * group;
        let (first, second) =
            if texts.longest <= 8 { eight_short(texts, at) } else { (four(texts, at), four(texts, at + 4)) };
        // SAFETY: two stores of four numbers each to eight, which have no alignment to keep.
        unsafe {
            _mm256_storeu_pd(values.as_mut_ptr(), first.value);
            _mm256_storeu_pd(values.as_mut_ptr().add(4), second.value);
        }
        valid |= (first.valid | second.valid << 4) << at;
    }
    // What is too long has been cut.
    clear(values, valid & !usual);
    valid & usual
}

/// Four values and which of them there are, in the lowest bits; 0 for the others.
struct Values {
    value: __m256d,
    valid: u64,
}

/// A text's digits in one string, the point taken out.
struct Digits {
    /// The first eight, and the next ones. What stands behind them, is whatever.
    low: __m256i,
    high: __m256i,
    /// How many there are.
    count: __m256i,
    /// How many of them stand behind the point.
    fraction: __m256i,
    /// All bits where digits stand where they must, whatever they are.
    is_usual: __m256i,
}

/// Takes the point out of four texts, in one word each or in two.
#[target_feature(enable = "avx2")]
#[inline]
fn without_point<const WORDS: usize>(text: &Four) -> Digits {
    let (zero, one) = (_mm256_setzero_si256(), _mm256_set1_epi64x(1));
    let point = _mm256_set1_epi8(b'.' as i8);
    let each_byte = _mm256_set1_epi64x(0x0101_0101_0101_0101);
    // The bits of the text's bytes; a shift by 64 or more gives zero, less one all of them.
    let in_low = _mm256_sub_epi64(_mm256_sllv_epi64(one, _mm256_slli_epi64::<3>(text.len)), one);
    let points = _mm256_and_si256(_mm256_cmpeq_epi8(text.low, point), in_low);
    // The bits below the lowest one of them; all if there is none.
    let below = _mm256_andnot_si256(points, _mm256_sub_epi64(points, one));
    let mut no_point = _mm256_cmpeq_epi64(points, zero);
    let mut before = _mm256_and_si256(_mm256_and_si256(below, in_low), each_byte);
    let mut moved = _mm256_srli_epi64::<8>(text.low);
    let mut high = zero;
    if WORDS > 1 {
        moved = _mm256_or_si256(moved, _mm256_slli_epi64::<56>(text.high));
        // A length below eight leaves none of the second word.
        let eight = _mm256_set1_epi64x(8);
        let len = _mm256_sub_epi64(_mm256_max_epi32(text.len, eight), eight);
        let in_high = _mm256_sub_epi64(_mm256_sllv_epi64(one, _mm256_slli_epi64::<3>(len)), one);
        let points = _mm256_and_si256(_mm256_cmpeq_epi8(text.high, point), in_high);
        let below = _mm256_and_si256(_mm256_andnot_si256(points, _mm256_sub_epi64(points, one)), no_point);
        high = _mm256_or_si256(
            _mm256_and_si256(text.high, below),
            _mm256_andnot_si256(below, _mm256_srli_epi64::<8>(text.high)),
        );
        // At most one for each byte of either word: no sum leaves its byte.
        before = _mm256_add_epi64(before, _mm256_and_si256(_mm256_and_si256(below, in_high), each_byte));
        no_point = _mm256_and_si256(no_point, _mm256_cmpeq_epi64(points, zero));
    }
    let low = _mm256_or_si256(_mm256_and_si256(text.low, below), _mm256_andnot_si256(below, moved));
    let whole = _mm256_sad_epu8(before, zero);
    // A mask is minus one where it holds.
    let count = _mm256_sub_epi64(_mm256_sub_epi64(text.len, one), no_point);
    let fraction = _mm256_sub_epi64(count, whole);
    let is_zero = _mm256_cmpeq_epi64(first_byte(text.low), _mm256_set1_epi64x(i64::from(b'0')));
    let has_leading_zero = _mm256_and_si256(is_zero, _mm256_cmpgt_epi64(whole, one));
    // Of a text that is nothing but quotes, of which one looks like a minus, the length is below zero.
    let has_whole = _mm256_and_si256(_mm256_cmpgt_epi64(whole, zero), _mm256_cmpgt_epi64(text.len, zero));
    // Behind a point there are digits.
    let has_fraction = _mm256_or_si256(_mm256_cmpgt_epi64(fraction, zero), no_point);
    let is_usual = _mm256_andnot_si256(has_leading_zero, _mm256_and_si256(has_whole, has_fraction));
    Digits { low, high, count, fraction, is_usual }
}

/// Eight texts of at most eight bytes.
#[target_feature(enable = "avx2")]
#[inline]
fn eight_short(texts: &Texts, at: usize) -> (Values, Values) {
    let (a, b) = (texts.four_words(at), texts.four_words(at + 4));
    let (a_digits, b_digits) = (without_point::<1>(&a), without_point::<1>(&b));
    let (a_values, a_valid) = at_the_end(&a_digits);
    let (b_values, b_valid) = at_the_end(&b_digits);
    let number = in_order(eights(a_values, b_values));
    // At most six digits behind the point: float32 holds these powers.
    let power = powers(in_order(halves(a_digits.fraction, b_digits.fraction)));
    let low = _mm256_cvtepi32_pd(_mm256_castsi256_si128(number));
    let high = _mm256_cvtepi32_pd(_mm256_extracti128_si256::<1>(number));
    (quotient(low, power.0, a.negative, a_valid), quotient(high, power.1, b.negative, b_valid))
}

/// The digits of four texts moved to the end of their words, and which texts are numbers.
#[target_feature(enable = "avx2")]
#[inline]
fn at_the_end(digits: &Digits) -> (__m256i, __m256i) {
    let behind = _mm256_sub_epi64(_mm256_set1_epi64x(64), _mm256_slli_epi64::<3>(digits.count));
    let values = _mm256_sllv_epi64(_mm256_xor_si256(digits.low, _mm256_set1_epi64x(ZEROS as i64)), behind);
    (values, _mm256_and_si256(are_digits(values), digits.is_usual))
}

/// Four texts of at most sixteen bytes.
#[target_feature(enable = "avx2")]
#[inline]
fn four(texts: &Texts, at: usize) -> Values {
    const MOST_DIGITS: i64 = 15;
    let text = texts.four_pairs(at);
    let digits = without_point::<2>(&text);
    let zeros = _mm256_set1_epi64x(ZEROS as i64);
    let (low, high) = (_mm256_xor_si256(digits.low, zeros), _mm256_xor_si256(digits.high, zeros));
    // Both words are one of 128 bits, whose digits are moved to its end. Shifts by 64 or more give zero, and shifts by
    // less than none are such.
    let width = _mm256_set1_epi64x(64);
    let behind = _mm256_sub_epi64(_mm256_set1_epi64x(128), _mm256_slli_epi64::<3>(digits.count));
    let beyond = _mm256_sub_epi64(behind, width);
    let carried = _mm256_or_si256(
        _mm256_srlv_epi64(low, _mm256_sub_epi64(width, behind)),
        _mm256_sllv_epi64(low, beyond),
    );
    let (low, high) =
        (_mm256_sllv_epi64(low, behind), _mm256_or_si256(_mm256_sllv_epi64(high, behind), carried));
    let numbers = eights(low, high);
    let zero = _mm256_setzero_si256();
    let (front, back) = (_mm256_unpacklo_epi32(numbers, zero), _mm256_unpackhi_epi32(numbers, zero));
    let number = _mm256_add_epi64(_mm256_mul_epu32(front, _mm256_set1_epi64x(100_000_000)), back);
    // 15 digits are below 2^52: as the fraction of 2^52 + number, which is exact as the difference is.
    let offset = _mm256_set1_pd((1u64 << 52) as f64);
    let number = _mm256_or_si256(number, _mm256_castpd_si256(offset));
    let number = _mm256_sub_pd(_mm256_castsi256_pd(number), offset);
    let is_short = _mm256_cmpgt_epi64(_mm256_set1_epi64x(MOST_DIGITS + 1), digits.count);
    let are_digits = _mm256_and_si256(are_digits(low), are_digits(high));
    let is_valid = _mm256_and_si256(_mm256_and_si256(are_digits, is_short), digits.is_usual);
    // 10^8 times a power of up to 10^7 is exact in float64, as all are that 15 digits need.
    let is_far = _mm256_cmpgt_epi64(digits.fraction, _mm256_set1_epi64x(7));
    let (power, _) = powers(in_order(halves(digits.fraction, digits.fraction)));
    let far_power = _mm256_mul_pd(power, _mm256_set1_pd(1e8));
    let power = _mm256_blendv_pd(power, far_power, _mm256_castsi256_pd(is_far));
    quotient(number, power, text.negative, is_valid)
}

/// Ten to the power of the lowest three bits of eight lanes of 32 bits.
#[target_feature(enable = "avx2")]
#[inline]
fn powers(exponents: __m256i) -> (__m256d, __m256d) {
    let table = _mm256_setr_ps(1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7);
    let powers = _mm256_permutevar8x32_ps(table, exponents);
    (_mm256_cvtps_pd(_mm256_castps256_ps128(powers)), _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(powers)))
}

#[target_feature(enable = "avx2")]
#[inline]
fn quotient(number: __m256d, power: __m256d, negative: __m256i, is_valid: __m256i) -> Values {
    let sign = _mm256_and_pd(_mm256_castsi256_pd(negative), _mm256_set1_pd(-0.0));
    let value = _mm256_or_pd(_mm256_div_pd(number, power), sign);
    let is_valid = _mm256_castsi256_pd(is_valid);
    Values { value: _mm256_and_pd(value, is_valid), valid: _mm256_movemask_pd(is_valid) as u64 }
}
