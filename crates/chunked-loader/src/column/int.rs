//! Whole numbers: an optional minus, then digits without a leading zero but `0` itself.

use std::marker::PhantomData;
use std::ops::RangeInclusive;

use arrow::datatypes::{ArrowNativeType, ArrowNativeTypeOp, ArrowPrimitiveType};

use super::digits;
use super::kernel::Kernel;
use super::lanes::{self, ROWS, Texts};
use crate::block::Padded;
use crate::processor::{Processor, WithAvx2};

/// The whole number that `text` writes, or `None` if it is none or needs more than 38 digits.
///
/// `-0` is none: an integer would lose its sign.
#[inline]
pub(crate) fn parse(text: &[u8]) -> Option<i128> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    match digits {
        [] => return None,
        [b'0'] => return (!negative).then_some(0),
        [b'0', ..] => return None,
        _ => {}
    }
    if digits.len() <= 18 {
        // 18 digits fit 64 bits, so no step can overflow.
        let mut value = 0i64;
        for &digit in digits {
            let digit = digit.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value * 10 + i64::from(digit);
        }
        return Some(i128::from(if negative { -value } else { value }));
    }
    if digits.len() > 38 {
        return None;
    }
    let mut value = 0i128;
    for &digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i128::from(digit);
    }
    Some(if negative { -value } else { value })
}

/// The same of at most 16 digits, without a branch that depends on the value; `false` for all else, be it a number
/// or not.
#[inline(always)]
pub(crate) fn parse_short(text: Padded<'_>) -> (i64, bool) {
    let first = text.first_or_separator();
    let negative = first == b'-';
    let digits = text.skip(usize::from(negative));
    let len = digits.len();
    if len.wrapping_sub(1) > 15 {
        return (0, false);
    }
    let (value, are_digits) = digits::up_to_16(digits, len);
    let has_leading_zero = (digits.first_or_separator() == b'0') & ((len > 1) | negative);
    let value = value as i64;
    (if negative { -value } else { value }, are_digits & !has_leading_zero)
}

/// Whether float64 holds the number exactly.
pub(crate) fn exact_in_f64(value: i128) -> bool {
    // The first question spares nearly every value two slow conversions of 128 bits. In the second, the cast
    // back would saturate beyond 2^127; 38 digits stay below it.
    value.unsigned_abs() <= 1 << f64::MANTISSA_DIGITS || (value as f64) as i128 == value
}

/// Whether float32 holds the number exactly.
pub(crate) fn exact_in_f32(value: i128) -> bool {
    value.unsigned_abs() <= 1 << f32::MANTISSA_DIGITS
        || ((value as f32) as i128 == value && (value as f32).is_finite())
}

/// Parses into an Arrow integer type; out of range is no value.
pub(crate) struct IntKernel<T>(PhantomData<fn() -> T>);

impl<T> IntKernel<T> {
    pub(crate) fn new() -> Self {
        IntKernel(PhantomData)
    }
}

impl<T: ArrowPrimitiveType> IntKernel<T> {
    /// The type's values that 32 bits hold.
    fn range() -> RangeInclusive<i32> {
        let within =
            |end: T::Native, else_end| end.to_i64().and_then(|v| i32::try_from(v).ok()).unwrap_or(else_end);
        within(T::Native::MIN_TOTAL_ORDER, i32::MIN)..=within(T::Native::MAX_TOTAL_ORDER, i32::MAX)
    }
}

impl<T: ArrowPrimitiveType> Kernel for IntKernel<T>
where
    T::Native: TryFrom<i128> + TryFrom<i64> + Default,
{
    type Arrow = T;
    const IS_NUMBER: bool = true;
    const FORM: lanes::Form = lanes::INT;

    #[inline(always)]
    fn parse_block<P: Processor>(&self, _: P, text: Padded<'_>) -> (T::Native, bool) {
        let (value, is_value) = parse_short(text);
        let value = if is_value { value } else { 0 };
        match T::Native::try_from(value) {
            Ok(value) => (value, is_value),
            Err(_) => (T::Native::default(), false),
        }
    }

    #[inline(always)]
    fn parse_lanes(&self, processor: WithAvx2, texts: &Texts, values: &mut [T::Native; ROWS]) -> u64 {
        let mut wide = [0; ROWS];
        let valid = texts.ints(processor, Self::range(), &mut wide);
        for (value, wide) in values.iter_mut().zip(wide) {
            // All are within range, and wrap to what they are.
            *value = T::Native::usize_as(wide as usize);
        }
        valid
    }

    #[inline]
    fn parse(&self, text: &[u8]) -> Option<T::Native> {
        parse(text).and_then(|value| T::Native::try_from(value).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_whole_number() {
        for text in
            ["", "-", "-0", "00", "007", "-01", "+5", "1_0", "1.0", "1e3", " 1", "1 ", "0x1", "١", "--1"]
        {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_standard_library(value: i128, text in "-?[0-9]{1,39}") {
            prop_assume!(value.unsigned_abs() < 10u128.pow(38));
            prop_assert_eq!(parse(value.to_string().as_bytes()), Some(value));
            // A text is read exactly if printing what it means gives the same text.
            let oracle = text.parse::<i128>().ok().filter(|v| v.to_string() == text && text.trim_start_matches('-').len() <= 38);
            prop_assert_eq!(parse(text.as_bytes()), oracle);
        }

        #[test]
        fn the_short_way_agrees_with_the_long_one(text in "-?[0-9]{0,18}|[-+0-9.,a]{0,6}|-?(0|[1-9][0-9]{0,17})") {
            let len = text.len();
            let mut padded = text.clone().into_bytes();
            padded.resize(len + crate::block::PADDING, b',');
            let (value, is_value) = parse_short(Padded::of_test(&padded, len));
            let expected = parse(text.as_bytes());
            prop_assert!(!is_value || expected == Some(value.into()), "{:?}", text);
            let is_short = text.trim_start_matches('-').len() <= 16;
            prop_assert_eq!(is_value, expected.is_some() && is_short);
        }
    }

    #[test]
    fn exactness_in_floats_ends_where_the_mantissa_does() {
        assert!(exact_in_f64((1 << 53) - 1));
        assert!(!exact_in_f64((1 << 53) + 1));
        assert!(exact_in_f64((1 << 53) + 2));
        assert!(exact_in_f64(100_000_000_000_000_000_000));
        assert!(exact_in_f32(1 << 24));
        assert!(!exact_in_f32((1 << 24) + 1));
    }
}
