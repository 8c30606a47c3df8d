use num_bigint::{BigInt, BigUint};
use serde::{Deserialize, Serialize};

use super::exact_sum::{ExactSum, Parts, SquareAccumulator, split};
use super::rounding::round_ratio;

/// The exact sum of the products of pairs of float64 values: no product and no sum is rounded, overflows or
/// underflows, and the state is the same for any order, cut or merge tree.
///
/// A pair with NaN in it is skipped. A pair with an infinity makes the sum undefined. Exact for up to 2^64 pairs.
///
/// ```
/// # use incremental::stats::ExactProductSum;
/// let mut products = ExactProductSum::new();
/// products.add_slices(&[1e300, 3.0, -1e300], &[1e300, 0.5, 1e300]);
/// assert_eq!(products.to_f64(), 1.5);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExactProductSum {
    finite: SquareAccumulator,
    undefined: u64,
}

impl ExactProductSum {
    /// The sum of nothing.
    pub fn new() -> Self {
        Self { finite: SquareAccumulator::new(), undefined: 0 }
    }

    /// Adds the product of one pair. [`add_slices`](Self::add_slices) is faster for many.
    pub fn add(&mut self, left: f64, right: f64) {
        self.add_slices(&[left], &[right]);
    }

    /// Adds the product of every pair.
    ///
    /// # Panics
    ///
    /// When the slices are not of one length.
    pub fn add_slices(&mut self, left: &[f64], right: &[f64]) {
        assert_eq!(left.len(), right.len(), "pairs need two slices of one length");
        let block = SquareAccumulator::BLOCK;
        for (left, right) in left.chunks(block).zip(right.chunks(block)) {
            self.finite.reserve(left.len());
            for (&left, &right) in left.iter().zip(right) {
                self.add_reserved(left, right);
            }
        }
    }

    #[inline(always)]
    fn add_reserved(&mut self, left: f64, right: f64) {
        match (split(left), split(right)) {
            (Some(left), Some(right)) => {
                let Parts { mantissa, position, sign } = left;
                let product = u128::from(mantissa) * u128::from(right.mantissa);
                self.finite.add_double(product, position + right.position, sign ^ right.sign);
            }
            _ => self.undefined += u64::from(!left.is_nan() && !right.is_nan()),
        }
    }

    /// Adds what another sum holds.
    pub fn merge(&mut self, other: &Self) {
        self.finite.merge(&other.finite);
        self.undefined = self.undefined.saturating_add(other.undefined);
    }

    /// The sum, rounded once to the nearest float64 (ties to even); ±∞ beyond the range of float64, NaN if it
    /// is undefined.
    pub fn to_f64(&self) -> f64 {
        if self.undefined > 0 {
            return f64::NAN;
        }
        let (mantissa, exponent) = self.to_big();
        round_ratio(&mantissa, &BigUint::from(1u8), exponent.into())
    }

    /// The exact sum of the finite products, as an odd mantissa and a power of two; zero is `(0, 0)`.
    pub fn to_big(&self) -> (BigInt, i32) {
        self.finite.to_big()
    }

    /// Whether a pair had an infinity in it.
    pub fn is_undefined(&self) -> bool {
        self.undefined > 0
    }

    /// n·Σxy − Σx·Σy, which is n² times the population covariance, as a mantissa and a power of two. `x` and
    /// `y` are the sums over the same `count` pairs, all of them finite.
    pub fn centred(&self, count: u64, x: &ExactSum, y: &ExactSum) -> (BigInt, i64) {
        let (products, exponent) = self.to_big();
        let ((x, x_exponent), (y, y_exponent)) = (x.to_big(), y.to_big());
        let of_sums = x_exponent + y_exponent;
        let common = exponent.min(of_sums);
        let difference = ((products * count) << (exponent - common)) - ((x * y) << (of_sums - common));
        (difference, common.into())
    }

    /// Bytes held on the heap, always the same number.
    pub fn heap_bytes(&self) -> usize {
        self.finite.heap_bytes()
    }
}

impl Default for ExactProductSum {
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

    fn of(pairs: &[(f64, f64)]) -> ExactProductSum {
        let (left, right): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let mut sum = ExactProductSum::new();
        sum.add_slices(&left, &right);
        sum
    }

    fn bytes(sum: &ExactProductSum) -> String {
        serde_json::to_string(sum).unwrap()
    }

    fn hard_value() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite()),
            (-100i32..100).prop_map(|step| 1e15 + f64::from(step) / 8.0),
            prop::sample::select(vec![f64::MAX, -f64::MAX, 1e300, -1e300, 5e-324, -5e-324, -0.0, 0.0]),
            (0u64..1 << 52).prop_map(f64::from_bits),
        ]
    }

    fn pairs() -> impl Strategy<Value = Vec<(f64, f64)>> {
        let special = prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
        let value = || prop_oneof![20 => hard_value(), 1 => special.clone()];
        prop::collection::vec((value(), value()), 0..40)
    }

    proptest! {
        #[test]
        fn sums_are_those_of_big_integers(pairs in prop::collection::vec((hard_value(), hard_value()), 0..100)) {
            let expected: BigInt = pairs.iter().map(|&(left, right)| units(left) * units(right)).sum();
            let (mantissa, exponent) = of(&pairs).to_big();
            let found = if mantissa.is_zero() { mantissa } else { mantissa << (exponent + 2148) };
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn states_form_a_commutative_monoid(first in pairs(), second in pairs(), third in pairs()) {
            let (a, b, c) = (of(&first), of(&second), of(&third));
            let merged = |left: &ExactProductSum, right: &ExactProductSum| {
                let mut sum = left.clone();
                sum.merge(right);
                sum
            };
            let left = merged(&merged(&a, &b), &c);
            prop_assert_eq!(bytes(&left), bytes(&merged(&a, &merged(&b, &c))));
            prop_assert_eq!(bytes(&merged(&a, &b)), bytes(&merged(&b, &a)));
            prop_assert_eq!(bytes(&merged(&a, &ExactProductSum::new())), bytes(&a));
            prop_assert_eq!(bytes(&left), bytes(&of(&[first, second, third].concat())));
            let read: ExactProductSum = serde_json::from_str(&bytes(&left)).unwrap();
            prop_assert_eq!(read, left);
        }

        #[test]
        fn squares_are_products_of_a_value_with_itself(values in prop::collection::vec(hard_value(), 0..50)) {
            let mut squares = super::super::ExactSquareSum::new();
            squares.add_slice(&values);
            prop_assert_eq!(squares.to_big(), of(&values.iter().map(|x| (*x, *x)).collect::<Vec<_>>()).to_big());
        }
    }

    #[test]
    fn long_runs_of_the_largest_product_do_not_overflow_a_chunk() {
        let many = vec![(-f64::MAX, f64::MAX); 3 * 2046 + 5];
        let (mantissa, exponent) = of(&many).to_big();
        assert_eq!(mantissa << (exponent + 2148), units(-f64::MAX) * units(f64::MAX) * many.len());
    }

    #[test]
    fn nan_is_skipped_and_infinity_shows() {
        assert_eq!(of(&[(f64::NAN, 1.0), (2.0, 3.0), (f64::INFINITY, f64::NAN)]).to_f64(), 6.0);
        let undefined = of(&[(f64::INFINITY, 0.0), (2.0, 3.0)]);
        assert!(undefined.is_undefined() && undefined.to_f64().is_nan());
        assert_eq!(of(&[(1e200, 1e200)]).to_f64(), f64::INFINITY);
    }
}
