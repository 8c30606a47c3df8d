//! Decimal fractions of the usual lengths, in one go from digits to float64.
//!
//! Digits and point are read once into a whole number and a power of ten. Where both are exact in float64, one
//! division rounds once and so rightly (W. D. Clinger, "How to Read Floating Point Numbers Accurately", 1990).
//! Longer ones are multiplied by a reciprocal of 128 bits, whose error is too small to matter for these powers
//! (D. Lemire, "Number Parsing at a Gigabyte per Second", 2021, sections 5 to 8; N. Mushtak and D. Lemire, "Fast
//! Number Parsing Without Fallback", 2023). Everything else is [`float::parse`](super::float::parse)'s.

use super::digits::{POWERS, up_to_8, up_to_16};
use crate::block::Padded;

/// Most digits behind the point: 10^19 fits 64 bits.
const MOST_FRACTION: usize = 19;

/// The float64 nearest to a number without exponent: up to 15 digits without a point, or 1 to 7 digits, a point and
/// more digits, 19 in all without a zero before the point. `false` for all else, be it a number or not.
#[inline(always)]
pub(crate) fn parse_short(text: Padded<'_>) -> (f64, bool) {
    let negative = text.first_or_separator() == b'-';
    let text = text.skip(usize::from(negative));
    let len = text.len();
    let word = text.word::<0>();
    let whole = first_point(word);
    let (value, is_value) = if whole < len.min(8) {
        let fraction = len - whole - 1;
        if whole == 0 || fraction.wrapping_sub(1) >= MOST_FRACTION {
            return (0.0, false);
        }
        let (high, are_high_digits) = up_to_8(word, whole);
        let is_below_one = (whole == 1) & (word as u8 == b'0');
        if whole + fraction > 19 + usize::from(is_below_one) {
            return (0.0, false);
        }
        let rest = text.skip(whole + 1);
        let (low, are_low_digits) = if fraction <= 16 {
            up_to_16(rest, fraction)
        } else {
            let (front, are_front_digits) = up_to_16(rest, 16);
            let (back, are_back_digits) = up_to_8(rest.skip(16).word::<0>(), fraction - 16);
            (front * POWERS[fraction - 16] + back, are_front_digits & are_back_digits)
        };
        let has_leading_zero = (whole > 1) & (word as u8 == b'0');
        let digits = high * POWERS[fraction] + low;
        (divided(digits, fraction), are_high_digits & are_low_digits & !has_leading_zero)
    } else {
        // 15 digits are below 2^53, so that each is a float64.
        if len.wrapping_sub(1) > 14 {
            return (0.0, false);
        }
        let (value, are_digits) = up_to_16(text, len);
        let has_leading_zero = (len > 1) & (word as u8 == b'0');
        (value as i64 as f64, are_digits & !has_leading_zero)
    };
    (if negative { -value } else { value }, is_value)
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

/// `digits / 10^places` rounded to the nearest, ties to even; 1 to 19 places, behind at most 7 digits before the
/// point.
#[inline(always)]
fn divided(digits: u64, places: usize) -> f64 {
    // 15 digits are below 2^53. The question is one of length, not of value, since a column's lengths are alike.
    if places <= 8 {
        return digits as i64 as f64 / POWERS[places] as f64;
    }
    if digits == 0 { 0.0 } else { reciprocal_product(digits, places) }
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

/// `digits / 10^places` for digits that are not zero, by a reciprocal. Results are normal: 10^-19 at the least.
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

    fn parsed(text: &str) -> (f64, bool) {
        let mut padded = text.as_bytes().to_vec();
        padded.resize(text.len() + PADDING, b',');
        parse_short(Padded::of_test(&padded, text.len()))
    }

    fn is_short(text: &str) -> bool {
        let digits = text.trim_start_matches('-');
        let are_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        match digits.split_once('.') {
            Some((whole, fraction)) => {
                are_digits(whole)
                    && are_digits(fraction)
                    && (1..=7).contains(&whole.len())
                    && (1..=19).contains(&fraction.len())
                    && whole.len() + fraction.len() <= if whole == "0" { 20 } else { 19 }
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
        for places in 1..=4 {
            let power = POWERS[places];
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
