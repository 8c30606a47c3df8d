//! Decimal digits eight at a time: the arithmetic that the fast kernels of numbers, dates and times share.
//!
//! A word holds eight bytes of text, the first in its lowest place. Digits are turned into values by three
//! multiplications, whatever their number: D. Lemire, "Number Parsing at a Gigabyte per Second", 2021, section 4.

use crate::block::Padded;

/// `0` in every byte.
pub(super) const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Powers of ten that fit 64 bits.
pub(super) const POWERS: [u64; 20] = {
    let mut powers = [1; 20];
    let mut i = 1;
    while i < powers.len() {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// Whether any byte is above 9.
#[inline(always)]
pub(super) fn has_other_than_digits(values: u64) -> bool {
    // A carry out of one byte only comes from one whose own highest bit gives it away.
    (values.wrapping_add(0x7676_7676_7676_7676) | values) & 0x8080_8080_8080_8080 != 0
}

/// Ten times each byte plus the next one: the even bytes become numbers of two digits.
#[inline(always)]
pub(super) fn pairs(values: u64) -> u64 {
    values.wrapping_mul(10).wrapping_add(values >> 8)
}

/// The number that eight bytes of 0 to 9 write.
#[inline(always)]
fn number(values: u64) -> u64 {
    const MASK: u64 = 0x0000_00ff_0000_00ff;
    const LOW: u64 = 100 + (1_000_000 << 32);
    const HIGH: u64 = 1 + (10_000 << 32);
    let pairs = pairs(values);
    (pairs & MASK).wrapping_mul(LOW).wrapping_add((pairs >> 16 & MASK).wrapping_mul(HIGH)) >> 32
}

/// The number that the first `len` bytes of a word write, 1 to 8, and whether they are all digits.
#[inline(always)]
pub(super) fn up_to_8(word: u64, len: usize) -> (u64, bool) {
    debug_assert!((1..=8).contains(&len));
    // What stands behind the digits is shifted out; zeros come in before them.
    let values = (word ^ ZEROS) << ((64 - 8 * len) & 63);
    (number(values), !has_other_than_digits(values))
}

/// The same of the first `len` bytes of a text, 1 to 16.
#[inline(always)]
pub(super) fn up_to_16(text: Padded<'_>, len: usize) -> (u64, bool) {
    debug_assert!((1..=16).contains(&len));
    if len <= 8 {
        return up_to_8(text.word::<0>(), len);
    }
    let (high, are_high_digits) = up_to_8(text.word::<0>(), 8);
    let (low, are_low_digits) = up_to_8(text.word::<8>(), len - 8);
    (high * POWERS[len - 8] + low, are_high_digits & are_low_digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::block::PADDING;

    proptest! {
        #[test]
        fn digits_are_what_the_standard_library_reads(text in "[0-9/:]{1,16}|[0-9]{1,16}|[ -~é]{1,8}") {
            let len = text.len();
            prop_assume!(len <= 16);
            for behind in [b'0', b',', 0xff] {
                let mut padded = text.clone().into_bytes();
                padded.resize(len + PADDING, behind);
                let (value, are_digits) = up_to_16(Padded::of_test(&padded, len), len);
                prop_assert_eq!(are_digits, text.bytes().all(|b| b.is_ascii_digit()));
                if are_digits {
                    prop_assert_eq!(Ok(value), text.parse());
                }
            }
        }
    }
}
