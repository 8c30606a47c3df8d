use num_bigint::{BigInt, BigUint, Sign};
use num_traits::{ToPrimitive, Zero};

/// Bits of a quotient before rounding: more than the 53 of float64 and one for the half, so that
/// whatever is cut off matters only as zero or not zero.
const QUOTIENT_BITS: i64 = 64;

/// `numerator`/`denominator`·2^`exponent`, rounded once to the nearest float64, ties to even.
///
/// Subnormal results are rounded to the digits they have, results beyond float64 are ±∞, and those
/// below half of 5e−324 are ±0.0 with the sign of the numerator; a zero numerator gives +0.0.
///
/// # Panics
///
/// When the denominator is zero.
///
/// ```
/// # use incremental::stats::round_ratio;
/// assert_eq!(round_ratio(&1.into(), &10u32.into(), 0), 0.1);
/// assert_eq!(round_ratio(&(-3).into(), &1u32.into(), -1), -1.5);
/// ```
pub fn round_ratio(numerator: &BigInt, denominator: &BigUint, exponent: i64) -> f64 {
    assert!(!denominator.is_zero(), "a ratio needs a denominator other than zero");
    let (quotient, inexact, shift) = scaled_quotient(numerator.magnitude(), denominator, QUOTIENT_BITS, 1);
    let magnitude = round_binary(quotient, inexact, exponent.saturating_sub(shift));
    if numerator.sign() == Sign::Minus { -magnitude } else { magnitude }
}

/// √(`numerator`/`denominator`·2^`exponent`), rounded once to the nearest float64, ties to even.
///
/// # Panics
///
/// When the denominator is zero.
///
/// ```
/// # use incremental::stats::round_sqrt_ratio;
/// assert_eq!(round_sqrt_ratio(&2u32.into(), &1u32.into(), 0), std::f64::consts::SQRT_2);
/// assert_eq!(round_sqrt_ratio(&9u32.into(), &4u32.into(), 2000), 1.5 * 2f64.powi(1000));
/// ```
pub fn round_sqrt_ratio(numerator: &BigUint, denominator: &BigUint, exponent: i64) -> f64 {
    assert!(!denominator.is_zero(), "a ratio needs a denominator other than zero");
    // An even power of two comes out of the root whole.
    let doubled = numerator << (exponent & 1) as u32;
    let (quotient, cut, shift) = scaled_quotient(&doubled, denominator, 2 * QUOTIENT_BITS, 2);
    let root = quotient.sqrt();
    let inexact = cut || &root * &root != quotient;
    round_binary(root, inexact, (exponent >> 1).saturating_sub(shift / 2))
}

/// The quotient of `numerator`·2^shift by `denominator` with at least `bits` bits, whether anything
/// was cut off, and the shift, a multiple of `step` and possibly negative.
fn scaled_quotient(numerator: &BigUint, denominator: &BigUint, bits: i64, step: i64) -> (BigUint, bool, i64) {
    if numerator.is_zero() {
        return (BigUint::zero(), false, 0);
    }
    let missing = bits + 1 - (numerator.bits() as i64 - denominator.bits() as i64);
    let shift = missing + missing.rem_euclid(step);
    let (dividend, divisor) = if shift >= 0 {
        (numerator << shift as u64, denominator.clone())
    } else {
        (numerator.clone(), denominator << shift.unsigned_abs())
    };
    let quotient = &dividend / &divisor;
    let inexact = &quotient * &divisor != dividend;
    (quotient, inexact, shift)
}

/// Rounds (`integer` + something below 1 that is not zero when `inexact`)·2^`exponent`, where
/// `integer` is zero or has at least `QUOTIENT_BITS` bits.
fn round_binary(integer: BigUint, inexact: bool, exponent: i64) -> f64 {
    if integer.is_zero() {
        return 0.0;
    }
    let bits = integer.bits() as i64;
    // Of the leading digit.
    let magnitude = exponent.saturating_add(bits - 1);
    if magnitude > 1023 {
        return f64::INFINITY;
    }
    if magnitude < -1075 {
        return 0.0;
    }
    // The last place of the result: 53 digits, or fewer where the float is subnormal.
    let last_place = (magnitude - 52).max(-1074);
    let dropped = last_place - exponent;
    let mut mantissa = (&integer >> dropped).to_u64().expect("at most 53 digits are kept");
    let half = integer.bit(dropped as u64 - 1);
    let beyond_half = inexact || integer.trailing_zeros().is_some_and(|zeros| (zeros as i64) < dropped - 1);
    if half && (beyond_half || mantissa & 1 == 1) {
        mantissa += 1;
    }
    // A normal mantissa brings its hidden bit, which adds the missing 1 to the exponent; one that
    // was rounded up to a power of two carries into the exponent, at last into infinity.
    f64::from_bits((((last_place + 1074) as u64) << 52) + mantissa)
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use num_traits::{Float, One};
    use proptest::prelude::*;

    use super::*;

    /// `value` as an integer in units of 2^−1075, so that the middle of two floats is whole.
    /// Infinity stands for 2^1024, where rounding would put the next float.
    fn half_units(value: f64) -> BigInt {
        if value.is_infinite() {
            return BigInt::one() << (1024 + 1075);
        }
        let (mantissa, exponent, sign) = Float::integer_decode(value);
        (BigInt::from(mantissa) * sign) << (exponent + 1075)
    }

    /// Compares numerator/denominator·2^exponent with `bound`·2^−1075, by cross multiplication.
    fn compare(numerator: &BigInt, denominator: &BigUint, exponent: i64, bound: &BigInt) -> Ordering {
        let (mut left, mut right) = (numerator.clone(), bound * BigInt::from(denominator.clone()));
        let shift = exponent + 1075;
        if shift >= 0 {
            left <<= shift
        } else {
            right <<= -shift
        };
        left.cmp(&right)
    }

    /// Whether a positive ratio belongs to `candidate`: it lies between the middles to both
    /// neighbours, and on a middle only if the candidate is even.
    fn is_nearest(numerator: &BigInt, denominator: &BigUint, exponent: i64, candidate: f64) -> bool {
        let even = candidate.to_bits() & 1 == 0;
        let own = half_units(candidate);
        let within = |neighbour: f64, outside: Ordering| {
            let middle: BigInt = (&own + half_units(neighbour)) >> 1;
            let side = compare(numerator, denominator, exponent, &middle);
            side == outside.reverse() || (side == Ordering::Equal && even)
        };
        (candidate == 0.0 || within(candidate.next_down(), Ordering::Less))
            && (candidate.is_infinite() || within(candidate.next_up(), Ordering::Greater))
    }

    fn natural() -> impl Strategy<Value = BigUint> {
        prop_oneof![
            (1u32..1000).prop_map(BigUint::from),
            prop::collection::vec(any::<u32>(), 1..9).prop_map(BigUint::new),
            // Near powers of two, where ties and carries are.
            (0u32..200, -2i32..3)
                .prop_map(|(bits, offset)| { ((BigInt::one() << bits) + offset).magnitude().clone() }),
            any::<u64>().prop_map(|bits| BigUint::from(bits >> 10 | 1) << 1),
        ]
        .prop_filter("not zero", |natural| !natural.is_zero())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn ratios_go_to_the_nearest_float(
            numerator in natural(),
            denominator in prop_oneof![Just(BigUint::one()), natural()],
            exponent in prop_oneof![-20i64..20, -1200i64..-900, 700i64..1100, -3000i64..3000],
        ) {
            let numerator = BigInt::from(numerator);
            let rounded = round_ratio(&numerator, &denominator, exponent);
            prop_assert!(is_nearest(&numerator, &denominator, exponent, rounded), "{rounded:e}");
            prop_assert_eq!(round_ratio(&-numerator, &denominator, exponent).to_bits(), (-rounded).to_bits());
        }

        #[test]
        fn floats_are_their_own_rounding(bits in any::<u64>()) {
            let value = f64::from_bits(bits & !(1 << 63));
            prop_assume!(value.is_finite());
            prop_assert_eq!(round_ratio(&half_units(value), &BigUint::one(), -1075), value);
        }

        #[test]
        fn middles_go_to_the_even_neighbour(bits in any::<u64>()) {
            let value = f64::from_bits(bits & !(1 << 63));
            prop_assume!(value.is_finite() && value.next_up().is_finite());
            let middle = (half_units(value) + half_units(value.next_up())) >> 1;
            let even = if value.to_bits() & 1 == 0 { value } else { value.next_up() };
            // A common factor makes the same ratio from larger integers.
            let rounded = round_ratio(&(middle * 7), &BigUint::from(7u8), -1075);
            prop_assert_eq!(rounded, even);
        }

        #[test]
        fn roots_go_to_the_nearest_float(
            numerator in natural(),
            denominator in natural(),
            exponent in prop_oneof![-20i64..20, -2400i64..-1800, 1400i64..2200],
        ) {
            let rounded = round_sqrt_ratio(&numerator, &denominator, exponent);
            // √r is nearest to c exactly if r lies between the squares of the middles.
            let ratio = BigInt::from(numerator);
            let own = half_units(rounded);
            let even = rounded.to_bits() & 1 == 0;
            let within = |neighbour: f64, outside: Ordering| {
                let middle: BigInt = (&own + half_units(neighbour)) >> 1;
                // A square is in units of 2^−2150.
                let side = compare(&ratio, &denominator, exponent + 1075, &middle.pow(2));
                side == outside.reverse() || (side == Ordering::Equal && even)
            };
            prop_assert!(rounded == 0.0 || within(rounded.next_down(), Ordering::Less), "{rounded:e}");
            prop_assert!(rounded.is_infinite() || within(rounded.next_up(), Ordering::Greater), "{rounded:e}");
        }
    }

    #[test]
    fn extremes() {
        let one = BigUint::one();
        let big = BigInt::from(1);
        assert_eq!(round_ratio(&BigInt::zero(), &one, i64::MAX), 0.0);
        assert_eq!(round_ratio(&big, &one, i64::MAX), f64::INFINITY);
        assert_eq!(round_ratio(&-big.clone(), &one, i64::MIN).to_bits(), (-0.0f64).to_bits());
        // Half of the smallest subnormal is a tie to zero; anything more rounds up.
        assert_eq!(round_ratio(&big, &one, -1075), 0.0);
        assert_eq!(round_ratio(&3.into(), &one, -1076), 5e-324);
        // The middle between the largest float and 2^1024 overflows.
        let largest = (BigInt::one() << 54u32) - 1;
        assert_eq!(round_ratio(&largest, &one, 1024 - 54), f64::INFINITY);
        assert_eq!(round_ratio(&((largest << 10u32) - 1), &one, 1024 - 64), f64::MAX);
        assert_eq!(round_sqrt_ratio(&BigUint::zero(), &one, 5), 0.0);
    }

    #[test]
    fn the_last_bit_of_a_long_radicand_breaks_a_tie() {
        let middle = (BigUint::one() << 53u32) + 1u32;
        let square = middle.pow(2) << 400u32;
        assert_eq!(round_sqrt_ratio(&square, &BigUint::one(), -400), 2f64.powi(53));
        assert_eq!(round_sqrt_ratio(&(square + 1u32), &BigUint::one(), -400), 2f64.powi(53) + 2.0);
    }

    #[test]
    #[should_panic(expected = "a ratio needs a denominator other than zero")]
    fn zero_denominators_panic() {
        round_ratio(&BigInt::one(), &BigUint::zero(), 0);
    }
}
