//! Dates and timestamps of the usual form: [`iso`](crate::column::iso) of eight texts at once.

use std::arch::x86_64::{
    __m128i, __m256i, _mm256_add_epi32, _mm256_add_epi64, _mm256_and_si256, _mm256_andnot_si256,
    _mm256_blendv_epi8, _mm256_castsi256_si128, _mm256_cmpeq_epi32, _mm256_cmpeq_epi64, _mm256_cmpgt_epi32,
    _mm256_cvtepi32_epi64, _mm256_extracti128_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_mul_epi32, _mm256_mullo_epi32, _mm256_or_si256, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_set1_epi64x, _mm256_setr_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi32,
    _mm256_srli_epi64, _mm256_storeu_si256, _mm256_sub_epi32, _mm256_xor_si256,
};

use super::{are_at_most, bits, halves, in_order, load, load_words};
use crate::column::lanes::{DATE, ROWS, SECONDS, Texts};
use crate::column::validity::full;

const fn word(text: [u8; 8]) -> i64 {
    i64::from_le_bytes(text)
}

/// See [`Texts::days`].
#[target_feature(enable = "avx2")]
pub(super) fn days(texts: &Texts, values: &mut [i32; ROWS]) -> u64 {
    let mut valid = 0;
    for (group, values) in values.as_chunks_mut::<8>().0[..texts.rows.div_ceil(8)].iter_mut().enumerate() {
        let (day, is_day) = eight_days(texts, 8 * group);
        let is_day = _mm256_and_si256(is_day, are_of(texts, group, DATE.bytes));
        // SAFETY: a store of just these eight numbers, which has no alignment to keep.
        unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), _mm256_and_si256(day, is_day)) };
        valid |= bits(is_day) << (8 * group);
    }
    valid & full(texts.rows)
}

/// See [`Texts::seconds`].
#[target_feature(enable = "avx2")]
pub(super) fn seconds(texts: &Texts, values: &mut [i64; ROWS]) -> u64 {
    let mut valid = 0;
    for (group, values) in values.as_chunks_mut::<8>().0[..texts.rows.div_ceil(8)].iter_mut().enumerate() {
        let at = 8 * group;
        let (day, is_day) = eight_days(texts, at);
        let (clock, is_clock) = eight_clocks(texts, at);
        let is_valid =
            _mm256_and_si256(_mm256_and_si256(is_day, is_clock), are_of(texts, group, SECONDS.bytes));
        let (day, clock) = (_mm256_and_si256(day, is_valid), _mm256_and_si256(clock, is_valid));
        let (low, high) = values.split_at_mut(4);
        store(low, _mm256_castsi256_si128(day), _mm256_castsi256_si128(clock));
        store(high, _mm256_extracti128_si256::<1>(day), _mm256_extracti128_si256::<1>(clock));
        valid |= bits(is_valid) << at;
    }
    valid & full(texts.rows)
}

/// Days and seconds of a day as seconds.
#[target_feature(enable = "avx2")]
#[inline]
fn store(values: &mut [i64], day: __m128i, clock: __m128i) {
    assert_eq!(values.len(), 4);
    let seconds = _mm256_mul_epi32(_mm256_cvtepi32_epi64(day), _mm256_set1_epi64x(86_400));
    let seconds = _mm256_add_epi64(seconds, _mm256_cvtepi32_epi64(clock));
    // SAFETY: a store of just these four numbers, which has no alignment to keep.
    unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), seconds) };
}

/// All bits where a text of the group has so many bytes.
#[target_feature(enable = "avx2")]
#[inline]
fn are_of(texts: &Texts, group: usize, len: usize) -> __m256i {
    let lens = load(&texts.lens.as_chunks::<8>().0[group]);
    _mm256_cmpeq_epi32(lens, _mm256_set1_epi32(len as i32))
}

/// The days since 1970-01-01 that the first ten bytes of eight texts write, and all bits where they write one.
#[target_feature(enable = "avx2")]
#[inline]
fn eight_days(texts: &Texts, at: usize) -> (__m256i, __m256i) {
    let (a, b) = (four_days(texts, at), four_days(texts, at + 4));
    // Years in the lower half of a word, months in the upper one.
    let year = in_order(halves(a.year_month, b.year_month));
    let upper = |word| _mm256_srli_epi64::<32>(word);
    let month = in_order(halves(upper(a.year_month), upper(b.year_month)));
    let day = in_order(halves(a.day, b.day));
    let are_digits = in_order(halves(a.are_digits, b.are_digits));
    let zero = _mm256_setzero_si256();

    let century = hundredths(year);
    let of_century = _mm256_sub_epi32(year, _mm256_mullo_epi32(century, _mm256_set1_epi32(100)));
    // Multiples of 100 are leap years if their century is a multiple of 4.
    let is_full = _mm256_cmpeq_epi32(of_century, zero);
    let rest = _mm256_and_si256(_mm256_blendv_epi8(year, century, is_full), _mm256_set1_epi32(3));
    let is_leap = _mm256_cmpeq_epi32(rest, zero);
    // By the lowest byte; the others ask for month 0, which has no days.
    #[rustfmt::skip]
    let days_in = _mm256_setr_epi8(
        0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0, 0, 0,
        0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0, 0, 0,
    );
    let is_february = _mm256_cmpeq_epi32(month, _mm256_set1_epi32(2));
    let last = _mm256_sub_epi32(_mm256_shuffle_epi8(days_in, month), _mm256_and_si256(is_february, is_leap));
    let is_beyond =
        _mm256_or_si256(_mm256_cmpgt_epi32(day, last), _mm256_cmpgt_epi32(month, _mm256_set1_epi32(12)));
    let is_there = _mm256_and_si256(_mm256_cmpgt_epi32(day, zero), _mm256_cmpgt_epi32(year, zero));
    let is_day = _mm256_andnot_si256(is_beyond, _mm256_and_si256(are_digits, is_there));

    // A year begins with March, so that a leap day is its last one; 400 years more keep the first one above zero.
    let is_before_march = _mm256_cmpgt_epi32(_mm256_set1_epi32(3), month);
    let march_year = _mm256_add_epi32(_mm256_add_epi32(year, _mm256_set1_epi32(400)), is_before_march);
    let march_month = _mm256_add_epi32(month, _mm256_and_si256(is_before_march, _mm256_set1_epi32(12)));
    // Days before a month, 3 to 14, in such a year (C. Neri and L. Schneider, "Euclidean Affine Functions and their
    // Application to Calendar Algorithms", 2022).
    let before = _mm256_srli_epi32::<5>(_mm256_sub_epi32(
        _mm256_mullo_epi32(march_month, _mm256_set1_epi32(979)),
        _mm256_set1_epi32(2919),
    ));
    let century = hundredths(march_year);
    let leap_days = _mm256_add_epi32(
        _mm256_sub_epi32(_mm256_srli_epi32::<2>(march_year), century),
        _mm256_srli_epi32::<2>(century),
    );
    let days = _mm256_add_epi32(_mm256_mullo_epi32(march_year, _mm256_set1_epi32(365)), leap_days);
    let days = _mm256_add_epi32(_mm256_add_epi32(days, before), day);
    (_mm256_sub_epi32(days, _mm256_set1_epi32(719_469 + 146_097)), is_day)
}

/// A hundredth of each number, rounded down, for those below 43 699.
#[target_feature(enable = "avx2")]
#[inline]
fn hundredths(numbers: __m256i) -> __m256i {
    _mm256_srli_epi32::<19>(_mm256_mullo_epi32(numbers, _mm256_set1_epi32(5243)))
}

/// Parts of four dates, in lanes of 64 bits.
struct FourDays {
    /// The year in the lower half, the month in the upper one.
    year_month: __m256i,
    /// The day in the lower half.
    day: __m256i,
    /// All bits where digits and dashes stand in their places.
    are_digits: __m256i,
}

#[target_feature(enable = "avx2")]
#[inline]
fn four_days(texts: &Texts, at: usize) -> FourDays {
    const NINES: i64 = 0x0909_0909_0909_0909;
    let front = _mm256_xor_si256(load_words(&texts.words[0], at), _mm256_set1_epi64x(word(*b"0000-00-")));
    // Where the dashes stand, nothing is left.
    let are_front_digits = are_at_most(front, _mm256_set1_epi64x(NINES & 0x00ff_ff00_ffff_ffff));
    let back = _mm256_xor_si256(load_words(&texts.words[1], at), _mm256_set1_epi64x(0x3030));
    let back = _mm256_and_si256(back, _mm256_set1_epi64x(0xffff));
    let are_back_digits = are_at_most(back, _mm256_set1_epi64x(NINES));
    // 100 and 1 times two digits each, then 10 and 1 times the digits of the month, between dashes.
    let pairs = _mm256_maddubs_epi16(front, _mm256_set1_epi64x(word([10, 1, 10, 1, 0, 10, 1, 0])));
    let year_month = _mm256_madd_epi16(pairs, _mm256_set1_epi64x(100 | 1 << 16 | 1 << 32 | 1 << 48));
    let day = _mm256_maddubs_epi16(back, _mm256_set1_epi16(10 | 1 << 8));
    FourDays { year_month, day, are_digits: _mm256_and_si256(are_front_digits, are_back_digits) }
}

/// The second of the day that eight texts write behind a date and one `T` or space, and all bits where they write one.
#[target_feature(enable = "avx2")]
#[inline]
fn eight_clocks(texts: &Texts, at: usize) -> (__m256i, __m256i) {
    let (a, a_valid) = four_clocks(texts, at);
    let (b, b_valid) = four_clocks(texts, at + 4);
    let clock = in_order(halves(a, b));
    let is_of_day = _mm256_cmpgt_epi32(_mm256_set1_epi32(86_400), clock);
    (clock, _mm256_and_si256(is_of_day, in_order(halves(a_valid, b_valid))))
}

#[target_feature(enable = "avx2")]
#[inline]
fn four_clocks(texts: &Texts, at: usize) -> (__m256i, __m256i) {
    let clock = _mm256_xor_si256(load_words(&texts.words[2], at), _mm256_set1_epi64x(word(*b"00:00:00")));
    // Tens of minutes and seconds end at 5; where the colons stand, nothing is left.
    let are_digits = are_at_most(clock, _mm256_set1_epi64x(word([2, 9, 0, 5, 9, 0, 5, 9])));
    // The hour, ten minutes, a minute and the second, the colons times nothing.
    let parts = _mm256_maddubs_epi16(clock, _mm256_set1_epi64x(word([10, 1, 0, 10, 1, 0, 10, 1])));
    let weights = 3600 | 60 << 16 | 60 << 32 | 1 << 48;
    let halves = _mm256_madd_epi16(parts, _mm256_set1_epi64x(weights));
    let seconds = _mm256_add_epi64(halves, _mm256_srli_epi64::<32>(halves));
    let between =
        _mm256_and_si256(_mm256_srli_epi64::<16>(load_words(&texts.words[1], at)), _mm256_set1_epi64x(0xff));
    let is_separator = _mm256_or_si256(
        _mm256_cmpeq_epi64(between, _mm256_set1_epi64x(i64::from(b'T'))),
        _mm256_cmpeq_epi64(between, _mm256_set1_epi64x(i64::from(b' '))),
    );
    (seconds, _mm256_and_si256(are_digits, is_separator))
}
