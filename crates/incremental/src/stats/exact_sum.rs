use num_bigint::{BigInt, BigUint};
use serde::{Deserialize, Serialize};

use super::rounding::round_ratio;
use super::superaccumulator::Superaccumulator;

/// The unit of every float64 is 2^−1074, and 2^64 of them stay below 2^1088: 2162 bits.
type SumAccumulator = Superaccumulator<68, -1074>;

/// Squares are multiples of 2^−2148, and 2^64 of them stay below 2^2112: 4260 bits.
type SquareAccumulator = Superaccumulator<134, -2148>;

const FRACTION_BITS: u32 = 52;
const EXPONENT_MASK: usize = 0x7ff;
const FRACTION_MASK: u64 = (1 << FRACTION_BITS) - 1;

/// A finite value as ±`mantissa`·2^(`position` − 1074).
pub(super) struct Parts {
    pub(super) mantissa: u64,
    pub(super) position: usize,
    /// 0 or −1.
    pub(super) sign: i64,
}

/// `None` for infinities and NaN.
#[inline(always)]
pub(super) fn split(value: f64) -> Option<Parts> {
    let bits = value.to_bits();
    let exponent = (bits >> FRACTION_BITS) as usize & EXPONENT_MASK;
    if exponent == EXPONENT_MASK {
        return None;
    }
    // Subnormals share the unit of the smallest normal numbers and have no hidden bit.
    let normal = usize::from(exponent != 0);
    let mantissa = (bits & FRACTION_MASK) | (normal as u64) << FRACTION_BITS;
    Some(Parts { mantissa, position: exponent - normal, sign: bits as i64 >> 63 })
}

/// The exact sum of float64 values: no rounding, no overflow, and the same state for any order, cut
/// or merge tree.
///
/// NaN stands for a missing value: it is skipped, and counting it is the caller's matter. Infinities
/// are counted by sign. −0.0 adds nothing; an empty sum, and a sum that cancels, is +0.0.
/// Exact for up to 2^64 values. Two states are equal when their sums and infinities are.
///
/// ```
/// # use incremental::stats::ExactSum;
/// let mut sum = ExactSum::new();
/// sum.add_slice(&[1e300, 1.0, -1e300, 2.5]);
/// assert_eq!(sum.to_f64(), 3.5);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExactSum {
    finite: SumAccumulator,
    positive_infinities: u64,
    negative_infinities: u64,
}

impl ExactSum {
    /// The sum of nothing.
    pub fn new() -> Self {
        Self { finite: SumAccumulator::new(), positive_infinities: 0, negative_infinities: 0 }
    }

    /// Adds one value. [`add_slice`](Self::add_slice) is faster for many.
    #[inline]
    pub fn add(&mut self, value: f64) {
        self.finite.reserve(1);
        self.add_reserved(value);
    }

    /// Adds every value of a slice.
    pub fn add_slice(&mut self, values: &[f64]) {
        for block in values.chunks(SumAccumulator::BLOCK) {
            self.finite.reserve(block.len());
            for &value in block {
                self.add_reserved(value);
            }
        }
    }

    /// Adds integers exactly, those above 2^53 too.
    pub fn add_integers(&mut self, values: &[i64]) {
        // A slice has fewer than 2^63 elements, so 127 bits are enough.
        let total: i128 = values.iter().map(|&value| i128::from(value)).sum();
        self.finite.add_total(total.unsigned_abs(), 1074, total < 0);
    }

    #[inline(always)]
    fn add_reserved(&mut self, value: f64) {
        match split(value) {
            Some(Parts { mantissa, position, sign }) => self.finite.add_single(mantissa, position, sign),
            None => self.add_special(value),
        }
    }

    #[cold]
    fn add_special(&mut self, value: f64) {
        self.positive_infinities += u64::from(value == f64::INFINITY);
        self.negative_infinities += u64::from(value == f64::NEG_INFINITY);
    }

    /// Adds what another sum holds.
    pub fn merge(&mut self, other: &Self) {
        self.finite.merge(&other.finite);
        self.positive_infinities = self.positive_infinities.saturating_add(other.positive_infinities);
        self.negative_infinities = self.negative_infinities.saturating_add(other.negative_infinities);
    }

    /// How many values were +∞ and how many −∞.
    pub fn infinities(&self) -> (u64, u64) {
        (self.positive_infinities, self.negative_infinities)
    }

    /// The sum, rounded once to the nearest float64 (ties to even).
    ///
    /// Beyond the range of float64 it is ±∞. Infinities follow IEEE 754: one sign gives that infinity,
    /// both give NaN.
    pub fn to_f64(&self) -> f64 {
        self.infinite().unwrap_or_else(|| {
            let (mantissa, exponent) = self.to_big();
            round_ratio(&mantissa, &BigUint::from(1u8), exponent.into())
        })
    }

    /// What the infinities make of the sum; `None` without any.
    pub(super) fn infinite(&self) -> Option<f64> {
        match self.infinities() {
            (0, 0) => None,
            (_, 0) => Some(f64::INFINITY),
            (0, _) => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        }
    }

    /// The exact sum of the finite values, as an odd mantissa and a power of two; zero is `(0, 0)`.
    pub fn to_big(&self) -> (BigInt, i32) {
        self.finite.to_big()
    }

    /// Bytes held on the heap, always the same number.
    pub fn heap_bytes(&self) -> usize {
        self.finite.heap_bytes()
    }
}

impl Default for ExactSum {
    fn default() -> Self {
        Self::new()
    }
}

/// The exact sum of the squares of float64 values; see [`ExactSum`] for what is promised.
///
/// A square of 106 bits is added whole, so the square of 5e−324 is not lost and that of 1e308 does
/// not overflow. NaN is skipped; infinities of both signs are counted together.
///
/// ```
/// # use incremental::stats::ExactSquareSum;
/// let mut squares = ExactSquareSum::new();
/// squares.add_slice(&[3.0, -4.0]);
/// assert_eq!(squares.to_f64(), 25.0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExactSquareSum {
    finite: SquareAccumulator,
    infinities: u64,
}

impl ExactSquareSum {
    /// The sum of nothing.
    pub fn new() -> Self {
        Self { finite: SquareAccumulator::new(), infinities: 0 }
    }

    /// Adds the square of one value. [`add_slice`](Self::add_slice) is faster for many.
    #[inline]
    pub fn add(&mut self, value: f64) {
        self.finite.reserve(1);
        self.add_reserved(value);
    }

    /// Adds the square of every value of a slice.
    pub fn add_slice(&mut self, values: &[f64]) {
        for block in values.chunks(SquareAccumulator::BLOCK) {
            self.finite.reserve(block.len());
            for &value in block {
                self.add_reserved(value);
            }
        }
    }

    /// Adds the squares of integers exactly, those above 2^53 too.
    pub fn add_integers(&mut self, values: &[i64]) {
        // A square is at most 2^126, so its halves are summed apart: each is below 2^64 and a slice
        // has fewer than 2^63 elements.
        let (mut low, mut high) = (0u128, 0u128);
        for &value in values {
            let square = u128::from(value.unsigned_abs()) * u128::from(value.unsigned_abs());
            low += u128::from(square as u64);
            high += square >> 64;
        }
        self.finite.add_total(low, 2148, false);
        self.finite.add_total(high, 2148 + 64, false);
    }

    #[inline(always)]
    fn add_reserved(&mut self, value: f64) {
        match split(value) {
            Some(Parts { mantissa, position, .. }) => {
                self.finite.add_double(u128::from(mantissa) * u128::from(mantissa), 2 * position);
            }
            None => self.infinities += u64::from(value.is_infinite()),
        }
    }

    /// Adds what another sum holds.
    pub fn merge(&mut self, other: &Self) {
        self.finite.merge(&other.finite);
        self.infinities = self.infinities.saturating_add(other.infinities);
    }

    /// How many values were infinite.
    pub fn infinities(&self) -> u64 {
        self.infinities
    }

    /// The sum, rounded once to the nearest float64 (ties to even); +∞ beyond the range of float64 or
    /// when a value was infinite.
    pub fn to_f64(&self) -> f64 {
        if self.infinities > 0 {
            return f64::INFINITY;
        }
        let (mantissa, exponent) = self.to_big();
        round_ratio(&mantissa, &BigUint::from(1u8), exponent.into())
    }

    /// The exact sum of the finite squares, as an odd mantissa and a power of two; zero is `(0, 0)`.
    pub fn to_big(&self) -> (BigInt, i32) {
        self.finite.to_big()
    }

    /// Bytes held on the heap, always the same number.
    pub fn heap_bytes(&self) -> usize {
        self.finite.heap_bytes()
    }
}

impl Default for ExactSquareSum {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use num_traits::{Float, Zero};
    use proptest::prelude::*;

    use super::*;

    /// Values in units of 2^−1074, as plain integers.
    fn units(value: f64) -> BigInt {
        let (mantissa, exponent, sign) = Float::integer_decode(value);
        (BigInt::from(mantissa) * sign) << (exponent + 1075) >> 1
    }

    fn sum_of(values: &[f64]) -> ExactSum {
        let mut sum = ExactSum::new();
        sum.add_slice(values);
        sum
    }

    fn squares_of(values: &[f64]) -> ExactSquareSum {
        let mut sum = ExactSquareSum::new();
        sum.add_slice(values);
        sum
    }

    fn scaled((mantissa, exponent): (BigInt, i32), lowest: i32) -> BigInt {
        if mantissa.is_zero() { mantissa } else { mantissa << (exponent - lowest) }
    }

    fn finite() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite()),
            -1e6..1e6,
            Just(f64::MAX),
            Just(-f64::MAX),
            Just(5e-324),
            Just(-0.0),
            (0u64..1 << 53).prop_map(f64::from_bits),
        ]
    }

    proptest! {
        #[test]
        fn sums_are_those_of_big_integers(values in prop::collection::vec(finite(), 0..200)) {
            let sum: BigInt = values.iter().map(|&value| units(value)).sum();
            let squares: BigInt = values.iter().map(|&value| units(value).pow(2)).sum();
            prop_assert_eq!(scaled(sum_of(&values).to_big(), -1074), sum);
            prop_assert_eq!(scaled(squares_of(&values).to_big(), -2148), squares);
        }

        #[test]
        fn any_cut_and_order_gives_the_same_bytes(
            values in prop::collection::vec(prop_oneof![9 => finite(), 1 => Just(f64::INFINITY), 1 => Just(f64::NAN)], 0..120),
            cut in 0usize..120,
        ) {
            let cut = cut.min(values.len());
            let (left, right) = values.split_at(cut);
            let mut sum = sum_of(right);
            sum.merge(&sum_of(left));
            let mut squares = squares_of(right);
            squares.merge(&squares_of(left));
            let mut one_by_one = (ExactSum::new(), ExactSquareSum::new());
            for &value in values.iter().rev() {
                one_by_one.0.add(value);
                one_by_one.1.add(value);
            }
            let whole = serde_json::to_string(&(sum_of(&values), squares_of(&values))).unwrap();
            prop_assert_eq!(&serde_json::to_string(&(&sum, &squares)).unwrap(), &whole);
            prop_assert_eq!(&serde_json::to_string(&one_by_one).unwrap(), &whole);
            let read: (ExactSum, ExactSquareSum) = serde_json::from_str(&whole).unwrap();
            prop_assert_eq!(read, (sum, squares));
        }

        #[test]
        fn integers_are_not_rounded(values in prop::collection::vec(any::<i64>(), 0..50)) {
            let mut sum = ExactSum::new();
            let mut squares = ExactSquareSum::new();
            sum.add_integers(&values);
            squares.add_integers(&values);
            let expected: BigInt = values.iter().map(|&value| BigInt::from(value)).sum();
            let expected_squares: BigInt = values.iter().map(|&value| BigInt::from(value).pow(2)).sum();
            prop_assert_eq!(scaled(sum.to_big(), 0), expected);
            prop_assert_eq!(scaled(squares.to_big(), 0), expected_squares);
        }
    }

    #[test]
    fn hard_sums_round_once() {
        let tie = [1.0, 2f64.powi(-53)];
        assert_eq!(sum_of(&tie).to_f64(), 1.0);
        assert_eq!(sum_of(&[tie[0], tie[1], 5e-324]).to_f64(), 1.0 + f64::EPSILON);
        assert_eq!(sum_of(&[0.1; 10]).to_f64(), 1.0);
        assert_eq!(sum_of(&[f64::MAX, f64::MAX, -f64::MAX]).to_f64(), f64::MAX);
        assert_eq!(sum_of(&[f64::MAX, f64::MAX]).to_f64(), f64::INFINITY);
        assert_eq!(sum_of(&[1e308, 5e-324, -1e308]).to_f64(), 5e-324);
        assert_eq!(squares_of(&[1e200, 1.0]).to_f64(), f64::INFINITY);
        assert_eq!(squares_of(&[5e-324]).to_big(), (BigInt::from(1), -2148));
        assert_eq!(sum_of(&[-0.0, -0.0]).to_f64().to_bits(), 0);
    }

    #[test]
    fn long_runs_of_the_largest_value_do_not_overflow_a_chunk() {
        let many = vec![-f64::MAX; 3 * 2046 + 5];
        assert_eq!(scaled(sum_of(&many).to_big(), -1074), units(-f64::MAX) * many.len());
        assert_eq!(scaled(squares_of(&many).to_big(), -2148), units(f64::MAX).pow(2) * many.len());
    }

    #[test]
    fn infinities_are_counted_and_nan_is_skipped() {
        let mut sum = sum_of(&[1.0, f64::INFINITY, f64::NAN, f64::INFINITY]);
        assert_eq!((sum.infinities(), sum.to_f64()), ((2, 0), f64::INFINITY));
        assert_eq!(sum_of(&[f64::NEG_INFINITY]).to_f64(), f64::NEG_INFINITY);
        sum.add(f64::NEG_INFINITY);
        assert!(sum.to_f64().is_nan());
        let squares = squares_of(&[f64::NEG_INFINITY, f64::NAN, f64::INFINITY]);
        assert_eq!((squares.infinities(), squares.to_f64()), (2, f64::INFINITY));
    }
}
