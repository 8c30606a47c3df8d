//! Decimal fractions of the usual lengths, in one go from digits to float64.
//!
//! Digits and point are read once into a whole number and a power of ten. Where both are exact in float64, one
//! division rounds once and so rightly (W. D. Clinger, "How to Read Floating Point Numbers Accurately", 1990).
//! Longer ones are multiplied by a reciprocal of 128 bits, whose error is too small to matter for these powers
//! (D. Lemire, "Number Parsing at a Gigabyte per Second", 2021, sections 5 to 8; N. Mushtak and D. Lemire, "Fast
//! Number Parsing Without Fallback", 2023). Everything else is [`float::parse`](super::float::parse)'s.

use super::digits::{POWERS, up_to_8, up_to_16};
use crate::block::Padded;
use crate::processor::Processor;

/// Most digits behind the point: 10^19 fits 64 bits.
const MOST_FRACTION: usize = 19;

/// Powers of ten, all exact in float64.
const FLOAT_POWERS: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// The float64 nearest to a number without exponent: up to 15 digits, a point among them or not, or 1 to 7 digits, a
/// point and more digits, 19 in all without a zero before the point. `false`, and 0, for all else, be it a number or not.
#[inline(always)]
pub(crate) fn parse_short<P: Processor>(processor: P, text: Padded<'_>) -> (f64, bool) {
    let negative = text.first_or_separator() == b'-';
    let text = text.skip(usize::from(negative));
    let (value, is_value) = if text.len() <= 16 {
        match processor.avx2() {
            Some(processor) => sixteen_bytes::parse(processor, text),
            None => up_to_16_bytes(text),
        }
    } else {
        longer(processor, text)
    };
    // Signs and nulls come as they like, so both are set in the bits, without a branch.
    let bits = value.to_bits() | u64::from(negative) << 63;
    (f64::from_bits(bits & u64::from(is_value).wrapping_neg()), is_value)
}

/// A number without sign in up to 16 bytes.
#[inline(always)]
fn up_to_16_bytes(text: Padded<'_>) -> (f64, bool) {
    let len = text.len();
    let word = text.word::<0>();
    let first = first_point(word);
    let whole = if first < 8 { first } else { 8 + first_point(text.word::<8>()) };
    if whole < len {
        let places = len - whole - 1;
        if whole == 0 || places == 0 {
            return (0.0, false);
        }
        let (high, are_high_digits) = up_to_16(text, whole);
        let (low, are_low_digits) = up_to_16(text.skip(whole + 1), places);
        // 15 digits are below 2^53.
        let value = high.wrapping_mul(POWERS[places]).wrapping_add(low) as i64 as f64 / FLOAT_POWERS[places];
        (value, are_high_digits & are_low_digits & !has_leading_zero(word, whole))
    } else {
        if len.wrapping_sub(1) > 14 {
            return (0.0, false);
        }
        let (value, are_digits) = up_to_16(text, len);
        (value as i64 as f64, are_digits & !has_leading_zero(word, len))
    }
}

#[inline(always)]
fn has_leading_zero(word: u64, whole: usize) -> bool {
    (whole > 1) & (word as u8 == b'0')
}

/// A number without sign in more than 16 bytes, of at most 7 digits before the point.
#[inline(always)]
fn longer<P: Processor>(processor: P, text: Padded<'_>) -> (f64, bool) {
    let word = text.word::<0>();
    let whole = first_point(word);
    let places = text.len().wrapping_sub(whole + 1);
    let is_below_one = (whole == 1) & (word as u8 == b'0');
    if whole.wrapping_sub(1) > 6 || whole.wrapping_add(places) > MOST_FRACTION + usize::from(is_below_one) {
        return (0.0, false);
    }
    let (high, are_high_digits) = up_to_8(word, whole);
    let rest = text.skip(whole + 1);
    let front_len = places.min(16);
    let (front, are_front_digits) = match processor.avx2() {
        Some(processor) => sixteen_bytes::digits(processor, rest, front_len),
        None => up_to_16(rest, front_len),
    };
    let (low, are_low_digits) = if places <= 16 {
        (front, are_front_digits)
    } else {
        let (back, are_back_digits) = up_to_8(rest.skip(16).word::<0>(), places - 16);
        (front.wrapping_mul(POWERS[places - 16]).wrapping_add(back), are_front_digits & are_back_digits)
    };
    // What are no digits may come to any number, of which nothing is made.
    let digits = high.wrapping_mul(POWERS[places]).wrapping_add(low);
    let value = if digits == 0 { 0.0 } else { reciprocal_product(digits, places) };
    (value, are_high_digits & are_low_digits & !has_leading_zero(word, whole))
}

#[cfg(target_arch = "x86_64")]
mod sixteen_bytes {
    //! Up to 16 bytes in one register: the point is shuffled out, the digits moved to the end, and pairs of neighbours
    //! multiplied and added until eight digits make one number.
    #![allow(unsafe_code)] // Intrinsics, for processors with AVX2, and two tables that are read at an offset.

    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_cmpgt_epi8, _mm_cvtsi128_si64, _mm_loadu_si128, _mm_madd_epi16,
        _mm_maddubs_epi16, _mm_min_epu8, _mm_movemask_epi8, _mm_packus_epi32, _mm_set1_epi8, _mm_setr_epi8,
        _mm_setr_epi16, _mm_shuffle_epi8, _mm_sub_epi8,
    };

    use super::FLOAT_POWERS;
    use crate::block::Padded;
    use crate::processor::WithAvx2;

    /// Sixteen times a place that stands for nothing, then the places of 16 bytes.
    const PLACES: [u8; 32] = {
        let mut places = [0x80; 32];
        let mut i = 0;
        while i < 16 {
            places[16 + i] = i as u8;
            i += 1;
        }
        places
    };

    /// The places of `len` bytes, at the end of 16.
    ///
    /// # Safety
    /// Needs SSE2. `len` is at most 16.
    #[inline(always)]
    unsafe fn places_at_the_end(len: usize) -> __m128i {
        debug_assert!(len <= 16);
        // SAFETY: 16 bytes from at most 16 on.
        unsafe { _mm_loadu_si128(PLACES.as_ptr().add(len).cast()) }
    }

    /// The number that 16 values of 0 to 9 write, and whether they are such.
    ///
    /// # Safety
    /// Needs SSE4.1.
    #[inline(always)]
    unsafe fn number(values: __m128i) -> (u64, bool) {
        // SAFETY: arithmetic on registers only.
        unsafe {
            let most = _mm_min_epu8(values, _mm_set1_epi8(9));
            let are_digits = _mm_movemask_epi8(_mm_cmpeq_epi8(most, values)) == 0xffff;
            let tens = _mm_setr_epi8(10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1);
            let pairs = _mm_maddubs_epi16(values, tens);
            let fours = _mm_madd_epi16(pairs, _mm_setr_epi16(100, 1, 100, 1, 100, 1, 100, 1));
            let packed = _mm_packus_epi32(fours, fours);
            let eights = _mm_madd_epi16(packed, _mm_setr_epi16(10_000, 1, 10_000, 1, 10_000, 1, 10_000, 1));
            let both = _mm_cvtsi128_si64(eights) as u64;
            ((both & 0xffff_ffff) * 100_000_000 + (both >> 32), are_digits)
        }
    }

    /// The number that the first `len` bytes write, 1 to 16, and whether they are all digits.
    #[inline(always)]
    pub(super) fn digits(_: WithAvx2, text: Padded<'_>, len: usize) -> (u64, bool) {
        // SAFETY: the processor has AVX2, and so all that came before it; the load is of 16 bytes that are there.
        unsafe {
            let bytes = _mm_loadu_si128(text.first_16().as_ptr().cast());
            let values = _mm_sub_epi8(bytes, _mm_set1_epi8(b'0' as i8));
            number(_mm_shuffle_epi8(values, places_at_the_end(len)))
        }
    }

    /// A number without sign of at most 16 bytes, 15 of them digits.
    #[inline(always)]
    pub(super) fn parse(_: WithAvx2, text: Padded<'_>) -> (f64, bool) {
        let len = text.len().min(16);
        // SAFETY: the processor has AVX2, and so all that came before it; the load is of 16 bytes that are there, and
        // `count` is at most `len`.
        unsafe {
            let bytes = _mm_loadu_si128(text.first_16().as_ptr().cast());
            let points = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'.' as i8))) as u32;
            // What is behind the text has no point, as far as it matters.
            let whole = (points | 1 << len).trailing_zeros() as usize;
            let has_point = whole < len;
            let count = len - usize::from(has_point);
            let values = _mm_sub_epi8(bytes, _mm_set1_epi8(b'0' as i8));
            let places = places_at_the_end(count);
            // One place farther from the point on.
            let is_behind = _mm_cmpgt_epi8(places, _mm_set1_epi8(whole as i8 - 1));
            let (number, are_digits) = number(_mm_shuffle_epi8(values, _mm_sub_epi8(places, is_behind)));
            let fraction = count - whole;
            let is_usual = (whole > 0) & (count < 16) & (!has_point | (fraction > 0));
            let has_leading_zero = (whole > 1) & (text.first_or_separator() == b'0');
            let value = number as i64 as f64 / FLOAT_POWERS[fraction & 15];
            (value, is_usual & are_digits & !has_leading_zero)
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod sixteen_bytes {
    //! For processors of other kinds: nobody holds a [`WithAvx2`] there.

    use crate::block::Padded;
    use crate::processor::WithAvx2;

    pub(super) fn digits(processor: WithAvx2, _: Padded<'_>, _: usize) -> (u64, bool) {
        processor.is_not_there()
    }

    pub(super) fn parse(processor: WithAvx2, _: Padded<'_>) -> (f64, bool) {
        processor.is_not_there()
    }
}

/// Where in eight bytes the first point stands; 8 if there is none.
#[inline(always)]
fn first_point(word: u64) -> usize {
    const LOW: u64 = 0x0101_0101_0101_0101;
    let points = word ^ (LOW * b'.' as u64);
    // The lowest bit that this sets is right; borrows make false ones above it only.
    let zeros = points.wrapping_sub(LOW) & !points & (LOW << 7);
    (zeros.trailing_zeros() / 8) as usize
}

/// For each `n` the first 128 bits of 1 / 5^n, rounded up.
const RECIPROCALS: [(u64, u64); MOST_FRACTION + 1] = {
    let mut table = [(0, 0); MOST_FRACTION + 1];
    let mut n = 1;
    while n < table.len() {
        let power = 5u128.pow(n as u32);
        // 2^(z + 127) / 5^n where 2^z is the first power of two at or above 5^n: 128 bits, one at a time.
        let z = 128 - (power - 1).leading_zeros();
        let (mut quotient, mut rest, mut bit) = (0u128, 1u128, 0);
        while bit < z + 127 {
            rest *= 2;
            quotient <<= 1;
            if rest >= power {
                rest -= power;
                quotient |= 1;
            }
            bit += 1;
        }
        quotient += 1;
        table[n] = ((quotient >> 64) as u64, quotient as u64);
        n += 1;
    }
    table
};

/// `digits / 10^places` rounded to the nearest, ties to even, for digits that are not zero and 1 to 19 places. Results are normal: 10^-19 at the least.
#[inline(always)]
fn reciprocal_product(digits: u64, places: usize) -> f64 {
    // Bits kept of the product: 52 of the fraction, the leading one, one to round by, and one that may be lost to it.
    const KEPT: u32 = 52 + 3;
    let shift = digits.leading_zeros();
    let digits = digits << shift;
    let (high, low) = RECIPROCALS[places];
    let product = u128::from(digits) * u128::from(high);
    let (mut upper, mut lower) = ((product >> 64) as u64, product as u64);
    if upper & (u64::MAX >> KEPT) == u64::MAX >> KEPT {
        // A carry from the reciprocal's lower half could reach the bits that are kept.
        let more = (u128::from(digits) * u128::from(low)) >> 64;
        let (sum, carries) = lower.overflowing_add(more as u64);
        lower = sum;
        upper += u64::from(carries);
    }
    let upper_bit = (upper >> 63) as u32;
    let mut mantissa = upper >> (upper_bit + 64 - KEPT);
    // log2(10^q), rounded down, by a fixed-point logarithm that is right for all powers of a float64.
    let exponent_of_power = ((-(places as i64) * (152_170 + 65_536)) >> 16) + 63;
    let mut exponent = exponent_of_power + i64::from(upper_bit) - i64::from(shift) + 1023;
    // Only here can the digits lie just in the middle between two floats: 5^places divides 64 bits or does not.
    if lower <= 1 && places <= 4 && mantissa & 3 == 1 && mantissa << (upper_bit + 64 - KEPT) == upper {
        mantissa &= !1;
    }
    mantissa += mantissa & 1;
    mantissa >>= 1;
    if mantissa >= 2 << 52 {
        mantissa = 1 << 52;
        exponent += 1;
    }
    f64::from_bits((mantissa & !(1 << 52)) | (exponent as u64) << 52)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::block::PADDING;
    use crate::column::float;
    use crate::index::IndexKernel;
    use crate::processor::{AnyProcessor, WithAvx2};

    /// What each processor makes of a text, whatever stands behind it.
    fn parsed(text: &str) -> (f64, bool) {
        let mut first = None;
        for behind in [b',', b'.', b'0'] {
            let mut padded = text.as_bytes().to_vec();
            padded.resize(text.len() + PADDING, behind);
            let padded = Padded::of_test(&padded, text.len());
            let portable = parse_short(AnyProcessor, padded);
            let best = WithAvx2::if_it_is(IndexKernel::best()).map_or(portable, |p| parse_short(p, padded));
            for (value, is_value) in [portable, best] {
                let (known, is_known) = *first.get_or_insert((value, is_value));
                assert_eq!(is_value, is_known, "{text:?}");
                assert!(!is_value || value.to_bits() == known.to_bits(), "{text:?}: {value} {known}");
            }
        }
        first.unwrap()
    }

    fn is_short(text: &str) -> bool {
        let digits = text.trim_start_matches('-');
        let are_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        match digits.split_once('.') {
            Some((whole, fraction)) => {
                are_digits(whole)
                    && are_digits(fraction)
                    && !whole.is_empty()
                    && !fraction.is_empty()
                    && (digits.len() <= 16
                        || whole.len() <= 7
                            && whole.len() + fraction.len() <= if whole == "0" { 20 } else { 19 })
            }
            None => are_digits(digits) && digits.len() <= 15,
        }
    }

    fn check(text: &str) {
        let (value, is_value) = parsed(text);
        let expected = float::parse(text.as_bytes());
        assert_eq!(is_value, expected.is_some_and(f64::is_finite) && is_short(text), "{text:?}");
        if is_value {
            assert_eq!(value.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{text:?}");
        }
    }

    #[test]
    fn lengths_signs_and_zeros() {
        let texts = [
            "0.0",
            "-0.0",
            "-0",
            "0",
            "00.5",
            "01",
            "-01.5",
            ".5",
            "5.",
            "1.5.2",
            "-",
            "",
            ".",
            "-.",
            "1e5",
            "1.0e5",
            "1234567.5",
            "12345678.5",
            "0.1234567890123456",
            "0.12345678901234567",
            "999.9999999999999999",
            "nan",
            "9007199.254740993",
            "0.9007199254740993",
            "0.9007199254740992",
            "123456789012345",
            "1234567890123456",
        ];
        texts.into_iter().for_each(check);
    }

    /// Numbers in the middle between two floats, and their neighbours.
    #[test]
    fn halves_are_rounded_to_even() {
        for (places, power) in POWERS.into_iter().enumerate().take(5).skip(1) {
            for odd in [(1u64 << 53) + 1, (1 << 53) + 3, (1 << 54) - 1] {
                for step in [5, 25, 125, 625] {
                    let digits = odd * step;
                    if digits / power > 9_999_999 {
                        continue;
                    }
                    for digits in [digits - 1, digits, digits + 1] {
                        check(&format!("{}.{:0places$}", digits / power, digits % power));
                    }
                }
            }
        }
        // The whole part of a short text is too small for most middles; the product alone takes any digits.
        for places in 1..=MOST_FRACTION {
            for factor in [1u64, 5, 25, 125, 625] {
                for odd in [(1u64 << 53) + 1, (1 << 53) + 3, (1 << 54) - 1] {
                    for digits in [odd * factor - 1, odd * factor, odd * factor + 1] {
                        let expected: f64 = format!("{digits}e-{places}").parse().unwrap();
                        assert_eq!(
                            reciprocal_product(digits, places).to_bits(),
                            expected.to_bits(),
                            "{digits}e-{places}"
                        );
                    }
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

        #[test]
        fn the_short_way_is_bit_equal_to_the_standard_library(
            text in "-?(0|[1-9][0-9]{0,8})\\.[0-9]{0,21}|-?[0-9]{0,17}|[-+0-9.e]{0,9}",
        ) {
            check(&text);
        }

        #[test]
        fn products_are_bit_equal_to_the_standard_library(digits in 1u64.., shift in 0u32..64, places in 1..=MOST_FRACTION) {
            let digits = (digits >> shift).max(1);
            let expected: f64 = format!("{digits}e-{places}").parse().unwrap();
            prop_assert_eq!(reciprocal_product(digits, places).to_bits(), expected.to_bits());
        }
    }
}
