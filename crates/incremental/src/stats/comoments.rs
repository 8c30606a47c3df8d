use num_bigint::{BigInt, BigUint};
use num_traits::Zero;
use serde::{Deserialize, Serialize};

use super::exact_product_sum::ExactProductSum;
use super::exact_sum::ExactSum;
use super::moments::Moments;
use super::rounding::round_ratio;

/// How two columns vary together, exact until the one rounding of each result.
///
/// The state is n, Σx, Σx², Σy and Σxy without rounding, so the results are the same bits for any order, batch
/// size, thread count or shard count. No value may be NaN; with infinities the results are NaN.
///
/// ```
/// # use incremental::stats::Comoments;
/// let mut comoments = Comoments::new();
/// comoments.update(&[1e15, 1e15 + 1.0, 1e15 + 2.0], &[5.0, 7.0, 9.0]);
/// assert_eq!(comoments.first().mean(), Some(1e15 + 1.0));
/// assert_eq!(comoments.covariance(), Some(4.0 / 3.0));
/// assert_eq!(comoments.regression(), Some(2.0));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comoments {
    first: Moments,
    second: ExactSum,
    products: ExactProductSum,
}

impl Comoments {
    /// Moments of nothing.
    pub fn new() -> Self {
        Self { first: Moments::new(), second: ExactSum::new(), products: ExactProductSum::new() }
    }

    /// Adds pairs.
    ///
    /// # Panics
    ///
    /// When the slices are not of one length.
    pub fn update(&mut self, first: &[f64], second: &[f64]) {
        debug_assert!(first.iter().chain(second).all(|value| !value.is_nan()));
        self.first.update(first);
        self.second.add_slice(second);
        self.products.add_slices(first, second);
    }

    /// Adds what another state holds.
    pub fn merge(&mut self, other: &Self) {
        self.first.merge(&other.first);
        self.second.merge(&other.second);
        self.products.merge(&other.products);
    }

    /// Count, mean and variance of x.
    pub fn first(&self) -> &Moments {
        &self.first
    }

    /// The population covariance, (n·Σxy − Σx·Σy) / n², rounded once. `None` for no pairs.
    pub fn covariance(&self) -> Option<f64> {
        let count = BigUint::from(self.first.count());
        self.centred(|(numerator, exponent)| round_ratio(&numerator, &count.pow(2), exponent))
    }

    /// The slope of the regression of y on x, the covariance by the variance of x, rounded once. `None` for no
    /// pairs, and where x does not vary.
    pub fn regression(&self) -> Option<f64> {
        let (variance, scale) = self.first.centred_squares()?;
        if variance.is_zero() {
            return None;
        }
        self.centred(|(numerator, exponent)| round_ratio(&numerator, &variance, exponent - scale))
    }

    fn centred(&self, round: impl FnOnce((BigInt, i64)) -> f64) -> Option<f64> {
        if self.first.count() == 0 {
            return None;
        }
        if self.products.is_undefined() || self.first.infinities() != (0, 0) {
            return Some(f64::NAN);
        }
        Some(round(self.products.centred(self.first.count(), self.first.exact_sum(), &self.second)))
    }

    /// Bytes held on the heap, always the same number.
    pub fn heap_bytes(&self) -> usize {
        self.first.heap_bytes() + self.second.heap_bytes() + self.products.heap_bytes()
    }
}

impl Default for Comoments {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use num_traits::Float;
    use proptest::prelude::*;

    use super::*;

    fn of(pairs: &[(f64, f64)]) -> Comoments {
        let (first, second): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        let mut comoments = Comoments::new();
        comoments.update(&first, &second);
        comoments
    }

    fn bytes(comoments: &Comoments) -> String {
        serde_json::to_string(comoments).unwrap()
    }

    /// Offsets, pairs that cancel, subnormals and values near the ends of the range.
    fn hard_value() -> impl Strategy<Value = f64> {
        prop_oneof![
            -10.0..10.0,
            (-100i32..100).prop_map(|step| 1e15 + f64::from(step) / 8.0),
            prop::sample::select(vec![1e300, -1e300, 1e-300, 0.0, -0.0, f64::MAX]),
            (0u64..1 << 52).prop_map(f64::from_bits),
        ]
    }

    fn pairs() -> impl Strategy<Value = Vec<(f64, f64)>> {
        prop::collection::vec((hard_value(), hard_value()), 0..20)
    }

    /// Σ(n·x − Σx)(n·y − Σy), which is n³ times the covariance, in units of 2^−2148.
    fn twin(left: &[f64], right: &[f64]) -> BigInt {
        let units = |values: &[f64]| -> Vec<BigInt> {
            let unit = |value: &f64| {
                let (mantissa, exponent, sign) = value.integer_decode();
                (BigInt::from(mantissa) * sign) << (exponent + 1075) >> 1
            };
            values.iter().map(unit).collect()
        };
        let (left, right) = (units(left), units(right));
        let (left_sum, right_sum): (BigInt, BigInt) = (left.iter().sum(), right.iter().sum());
        let count = left.len();
        left.iter().zip(&right).map(|(x, y)| (x * count - &left_sum) * (y * count - &right_sum)).sum()
    }

    proptest! {
        #[test]
        fn results_are_those_of_rational_arithmetic(pairs in pairs()) {
            prop_assume!(!pairs.is_empty());
            let (x, y): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
            let (covariance, variance) = (twin(&x, &y), twin(&x, &x));
            let cube = BigUint::from(pairs.len()).pow(3);
            let comoments = of(&pairs);
            prop_assert_eq!(comoments.covariance(), Some(round_ratio(&covariance, &cube, -2148)));
            let slope = (!variance.is_zero()).then(|| round_ratio(&covariance, variance.magnitude(), 0));
            prop_assert_eq!(comoments.regression(), slope);
        }

        #[test]
        fn states_form_a_commutative_monoid(first in pairs(), second in pairs(), third in pairs()) {
            let (a, b, c) = (of(&first), of(&second), of(&third));
            let merged = |left: &Comoments, right: &Comoments| {
                let mut sum = left.clone();
                sum.merge(right);
                sum
            };
            let left = merged(&merged(&a, &b), &c);
            prop_assert_eq!(bytes(&left), bytes(&merged(&a, &merged(&b, &c))));
            prop_assert_eq!(bytes(&merged(&a, &b)), bytes(&merged(&b, &a)));
            prop_assert_eq!(bytes(&merged(&Comoments::new(), &a)), bytes(&a));
            prop_assert_eq!(bytes(&left), bytes(&of(&[first, second, third].concat())));
        }
    }

    #[test]
    fn nothing_and_infinities_have_no_covariance() {
        assert_eq!((of(&[]).covariance(), of(&[]).regression()), (None, None));
        assert_eq!(of(&[(2.0, 1.0), (2.0, 5.0)]).regression(), None);
        assert!(of(&[(2.0, f64::INFINITY), (3.0, 1.0)]).covariance().is_some_and(f64::is_nan));
        assert!(of(&[(f64::INFINITY, 1.0), (3.0, 1.0)]).regression().is_none_or(f64::is_nan));
    }
}
