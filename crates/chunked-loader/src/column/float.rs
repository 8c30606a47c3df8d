//! Floats: decimal or scientific notation, and `nan`, `inf`, `infinity` in any case with an optional sign.

use arrow::datatypes::{Float32Type, Float64Type};

use super::decimal;
use super::kernel::Kernel;
use super::lanes::{self, ROWS, Texts};
use crate::block::Padded;
use crate::processor::{Processor, WithAvx2};

/// Shape of a number's text.
struct Shape {
    /// Any digit of the mantissa is not zero.
    nonzero: bool,
    /// Neither point nor exponent.
    whole: bool,
}

/// Checks the grammar `-?(0|[1-9][0-9]*)(\.[0-9]*)?` or `-?\.[0-9]+`, then `([eE][+-]?[0-9]+)?`.
fn shape(text: &[u8]) -> Option<Shape> {
    let mut rest = text.strip_prefix(b"-").unwrap_or(text);
    let mut shape = Shape { nonzero: false, whole: true };
    let digits = |rest: &[u8], nonzero: &mut bool| {
        let mut n = 0;
        while n < rest.len() && rest[n].is_ascii_digit() {
            *nonzero |= rest[n] != b'0';
            n += 1;
        }
        n
    };
    let whole = digits(rest, &mut shape.nonzero);
    if whole > 1 && rest[0] == b'0' {
        return None;
    }
    rest = &rest[whole..];
    let mut fraction = 0;
    if let [b'.', tail @ ..] = rest {
        shape.whole = false;
        fraction = digits(tail, &mut shape.nonzero);
        rest = &tail[fraction..];
    }
    if whole + fraction == 0 {
        return None;
    }
    if let [b'e' | b'E', tail @ ..] = rest {
        shape.whole = false;
        let tail = tail.strip_prefix(b"+").or_else(|| tail.strip_prefix(b"-")).unwrap_or(tail);
        let exponent = digits(tail, &mut false);
        if exponent == 0 {
            return None;
        }
        rest = &tail[exponent..];
    }
    rest.is_empty().then_some(shape)
}

/// The words for values that are not finite.
fn word(text: &[u8]) -> Option<f64> {
    let (negative, name) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let value = if name.eq_ignore_ascii_case(b"nan") {
        f64::NAN
    } else if name.eq_ignore_ascii_case(b"inf") || name.eq_ignore_ascii_case(b"infinity") {
        f64::INFINITY
    } else {
        return None;
    };
    Some(if negative { -value } else { value })
}

/// The float that `text` writes, rounded once to the nearest; `None` if it is none, if it lies outside
/// float64's range on either side, or if it is a whole number that float64 would round.
#[inline]
pub(crate) fn parse(text: &[u8]) -> Option<f64> {
    let Some(shape) = shape(text) else { return word(text) };
    let value: f64 = fast_float2::parse(text).ok()?;
    if !value.is_finite() || (value == 0.0 && shape.nonzero) {
        return None;
    }
    if shape.whole && value.abs() >= (1u64 << 53) as f64 {
        return super::int::parse(text).filter(|v| super::int::exact_in_f64(*v)).map(|v| v as f64);
    }
    Some(value)
}

/// The float32 nearest to what `text` writes; `None` where [`parse`] gives none, or beyond float32's range.
#[inline]
fn parse_f32(text: &[u8]) -> Option<f32> {
    let wide = parse(text)?;
    if !wide.is_finite() {
        return Some(wide as f32);
    }
    // From the text, not from `wide`: rounding twice can miss the nearest.
    let value: f32 = fast_float2::parse(text).ok()?;
    value.is_finite().then_some(value)
}

/// Parses into float64.
pub(crate) struct Float64Kernel;

impl Kernel for Float64Kernel {
    type Arrow = Float64Type;
    const IS_NUMBER: bool = true;
    const FORM: lanes::Form = lanes::DECIMAL;

    #[inline(always)]
    fn parse_block<P: Processor>(&self, processor: P, text: Padded<'_>) -> (f64, bool) {
        decimal::parse_short(processor, text)
    }

    #[inline(always)]
    fn parse_lanes(&self, processor: WithAvx2, texts: &Texts, values: &mut [f64; ROWS]) -> u64 {
        texts.decimals(processor, values)
    }

    #[inline]
    fn parse(&self, text: &[u8]) -> Option<f64> {
        parse(text)
    }
}

/// Parses into the nearest float32.
pub(crate) struct Float32Kernel;

impl Kernel for Float32Kernel {
    type Arrow = Float32Type;
    const IS_NUMBER: bool = true;
    const FORM: lanes::Form = lanes::DECIMAL;

    #[inline(always)]
    fn parse_block<P: Processor>(&self, processor: P, text: Padded<'_>) -> (f32, bool) {
        let (wide, is_value) = decimal::parse_short(processor, text);
        let value = wide as f32;
        // What float32 does not hold exactly is rounded from the text, not from `wide`: rounding twice can miss the
        // nearest.
        let is_value = is_value & (f64::from(value) == wide);
        (f32::from_bits(value.to_bits() & u32::from(is_value).wrapping_neg()), is_value)
    }

    #[inline(always)]
    fn parse_lanes(&self, processor: WithAvx2, texts: &Texts, values: &mut [f32; ROWS]) -> u64 {
        let mut wide = [0.0; ROWS];
        let mut valid = texts.decimals(processor, &mut wide);
        for (row, (value, wide)) in values.iter_mut().zip(wide).enumerate() {
            let narrow = wide as f32;
            let is_exact = f64::from(narrow) == wide;
            *value = if is_exact { narrow } else { 0.0 };
            valid &= !(u64::from(!is_exact) << row);
        }
        valid
    }

    #[inline]
    fn parse(&self, text: &[u8]) -> Option<f32> {
        parse_f32(text)
    }
}

/// Parses into float32 what float32 holds exactly.
pub(crate) struct ExactFloat32Kernel;

impl Kernel for ExactFloat32Kernel {
    type Arrow = Float32Type;
    const IS_NUMBER: bool = true;
    const FORM: lanes::Form = Float32Kernel::FORM;

    #[inline(always)]
    fn parse_block<P: Processor>(&self, processor: P, text: Padded<'_>) -> (f32, bool) {
        Float32Kernel.parse_block(processor, text)
    }

    #[inline(always)]
    fn parse_lanes(&self, processor: WithAvx2, texts: &Texts, values: &mut [f32; ROWS]) -> u64 {
        Float32Kernel.parse_lanes(processor, texts, values)
    }

    #[inline]
    fn parse(&self, text: &[u8]) -> Option<f32> {
        let wide = parse(text)?;
        let value = wide as f32;
        (wide.is_nan() || f64::from(value) == wide).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_float() {
        for text in [
            "", ".", "-", "-.", "e5", "1e", "1e+", "00.5", "-01.5", "+1.5", "1.5.", "1_0.0", " 1.5", "1,5",
            "nano", "--1.0", "1e5.0",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn what_float64_cannot_hold_is_none_rather_than_rounded_away() {
        for text in ["1e400", "-1e400", "1e-400", "9007199254740993", "1.8e308"] {
            assert_eq!(parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse(b"5e-324"), Some(f64::from_bits(1)));
        assert_eq!(parse(b"100000000000000000000"), Some(1e20));
        assert_eq!(parse(b"0e-400"), Some(0.0));
    }

    #[test]
    fn bare_points_words_and_the_sign_of_zero() {
        assert_eq!(parse(b".5"), Some(0.5));
        assert_eq!(parse(b"-7."), Some(-7.0));
        assert_eq!(parse(b"+Infinity"), Some(f64::INFINITY));
        assert_eq!(parse(b"-INF"), Some(f64::NEG_INFINITY));
        assert!(parse(b"NaN").is_some_and(f64::is_nan));
        assert!(parse(b"-0").is_some_and(|v| v == 0.0 && v.is_sign_negative()));
    }

    #[test]
    fn float32_is_rounded_once() {
        // Just above the middle of two float32; rounded to float64 first it falls on the middle.
        let text = b"1.00000005960464477540";
        assert_eq!(parse_f32(text), "1.00000005960464477540".parse().ok());
        assert_eq!(parse_f32(b"1e39"), None);
    }

    proptest! {
        #[test]
        fn bit_equal_to_the_standard_library(bits: u64, digits in "-?(0|[1-9][0-9]{0,24})\\.[0-9]{1,24}(e-?[0-9]{1,2})?") {
            let value = f64::from_bits(bits);
            if value.is_finite() {
                prop_assert_eq!(parse(format!("{value:e}").as_bytes()).map(f64::to_bits), Some(bits));
            }
            let oracle: f64 = digits.parse().unwrap();
            prop_assert_eq!(parse(digits.as_bytes()).map(f64::to_bits), Some(oracle.to_bits()));
        }
    }
}
