use num_bigint::{BigInt, BigUint};
use num_traits::Float;
use serde::{Deserialize, Serialize};

use super::exact_sum::{ExactSquareSum, ExactSum};
use super::rounding::{round_ratio, round_sqrt_ratio};

/// Count, mean and variance of a column, exact until the one rounding of each result.
///
/// The state is n, Σx and Σx² without rounding, so the results are the same bits for any order, batch
/// size, thread count or shard count. NaN stands for a missing value and is not counted. −0.0 counts
/// as 0.0. With infinities the mean is what IEEE 754 makes of their sum, and the variance is NaN.
///
/// ```
/// # use incremental::stats::Moments;
/// let mut moments = Moments::new();
/// moments.update(&[1e15 + 1.0, 1e15 + 2.0]);
/// let mut rest = Moments::new();
/// rest.update(&[1e15 + 3.0, f64::NAN, 1e15 + 4.0]);
/// moments.merge(&rest);
/// assert_eq!(moments.count(), 4);
/// assert_eq!(moments.mean(), Some(1e15 + 2.5));
/// assert_eq!(moments.variance(), Some(1.25));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moments {
    count: u64,
    sum: ExactSum,
    squares: Option<ExactSquareSum>,
}

/// The variance as `numerator`·2^`exponent`/`count`².
struct ExactVariance {
    numerator: BigUint,
    denominator: BigUint,
    exponent: i64,
}

impl Moments {
    /// Collects mean and variance.
    pub fn new() -> Self {
        Self { count: 0, sum: ExactSum::new(), squares: Some(ExactSquareSum::new()) }
    }

    /// Collects the mean alone, in half the time and a third of the memory.
    pub fn mean_only() -> Self {
        Self { squares: None, ..Self::new() }
    }

    /// Whether both collect the same: the variance, or the mean alone.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.squares.is_some() == other.squares.is_some()
    }

    /// Adds values; NaN is skipped.
    pub fn update(&mut self, values: &[f64]) {
        self.count += values.iter().filter(|value| !value.is_nan()).count() as u64;
        self.sum.add_slice(values);
        if let Some(squares) = &mut self.squares {
            squares.add_slice(values);
        }
    }

    /// Adds one value; NaN is skipped. [`update`](Self::update) is faster for many.
    pub fn add(&mut self, value: f64) {
        self.update(&[value]);
    }

    /// Adds integers without rounding them to float64 first.
    pub fn update_integers(&mut self, values: &[i64]) {
        self.count += values.len() as u64;
        self.sum.add_integers(values);
        if let Some(squares) = &mut self.squares {
            squares.add_integers(values);
        }
    }

    /// Adds what another state holds. The variance survives only if both states collect it.
    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum.merge(&other.sum);
        match (&mut self.squares, &other.squares) {
            (Some(squares), Some(others)) => squares.merge(others),
            _ => self.squares = None,
        }
    }

    /// How many values there were, NaN excluded.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many of them were +∞ and how many −∞.
    pub fn infinities(&self) -> (u64, u64) {
        self.sum.infinities()
    }

    /// The sum, rounded once; 0.0 for no values.
    pub fn sum(&self) -> f64 {
        self.sum.to_f64()
    }

    /// Σx / n, rounded once; `None` for no values.
    pub fn mean(&self) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        Some(self.sum.infinite().unwrap_or_else(|| {
            let (sum, exponent) = self.sum.to_big();
            round_ratio(&sum, &self.count.into(), exponent.into())
        }))
    }

    /// The population variance (`ddof` = 0), (n·Σx² − (Σx)²) / n², rounded once. `None` for no values
    /// or in a state that collects the mean alone.
    pub fn variance(&self) -> Option<f64> {
        self.spread(|exact| round_ratio(&BigInt::from(exact.numerator), &exact.denominator, exact.exponent))
    }

    /// The root of the population variance, rounded once: it is finite where the variance overflows,
    /// and not zero where the variance underflows. `None` as for [`variance`](Self::variance).
    pub fn std_dev(&self) -> Option<f64> {
        self.spread(|exact| round_sqrt_ratio(&exact.numerator, &exact.denominator, exact.exponent))
    }

    /// Whether the population variance is above `threshold`, by exact comparison; no variance is above NaN or
    /// infinity, and one with infinite values is above nothing. `None` as for [`variance`](Self::variance).
    pub fn varies_more_than(&self, threshold: f64) -> Option<bool> {
        let exact = self.exact_variance()?;
        if !threshold.is_finite() || self.infinities() != (0, 0) {
            return Some(false);
        }
        let (mantissa, power, sign) = Float::integer_decode(threshold);
        let variance = BigInt::from(exact.numerator);
        let bound = BigInt::from(exact.denominator) * mantissa * sign;
        let shift = exact.exponent - i64::from(power);
        Some(if shift >= 0 { variance << shift > bound } else { variance > bound << -shift })
    }

    /// Whether all values are equal, by exact comparison of n·Σx² with (Σx)². `None` as for
    /// [`variance`](Self::variance).
    pub fn is_constant(&self) -> Option<bool> {
        if self.count == 0 || self.squares.is_none() {
            return None;
        }
        Some(match self.infinities() {
            (0, 0) => self.exact_variance()?.numerator == BigUint::ZERO,
            (positive, negative) => positive.max(negative) == self.count,
        })
    }

    fn spread(&self, round: impl FnOnce(ExactVariance) -> f64) -> Option<f64> {
        let exact = self.exact_variance()?;
        Some(if self.infinities() == (0, 0) { round(exact) } else { f64::NAN })
    }

    /// Σx of the finite values.
    pub(super) fn exact_sum(&self) -> &ExactSum {
        &self.sum
    }

    /// n·Σx² − (Σx)² of the finite values, as a mantissa and a power of two; `None` as for
    /// [`variance`](Self::variance).
    pub(super) fn centred_squares(&self) -> Option<(BigUint, i64)> {
        self.exact_variance().map(|exact| (exact.numerator, exact.exponent))
    }

    /// The variance of the finite values.
    fn exact_variance(&self) -> Option<ExactVariance> {
        let squares = self.squares.as_ref().filter(|_| self.count > 0)?;
        let (sum, sum_exponent) = self.sum.to_big();
        let (squares, squares_exponent) = squares.to_big();
        let exponent = squares_exponent.min(2 * sum_exponent);
        let scaled_squares = (squares * self.count) << (squares_exponent - exponent);
        let squared_sum = sum.pow(2) << (2 * sum_exponent - exponent);
        // By the inequality of Cauchy and Schwarz the difference is not negative.
        let numerator = (scaled_squares - squared_sum).magnitude().clone();
        Some(ExactVariance {
            numerator,
            denominator: BigUint::from(self.count).pow(2),
            exponent: exponent.into(),
        })
    }

    /// Bytes held on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.sum.heap_bytes() + self.squares.as_ref().map_or(0, ExactSquareSum::heap_bytes)
    }
}

impl Default for Moments {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use num_traits::Zero;
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[f64]) -> Moments {
        let mut moments = Moments::new();
        moments.update(values);
        moments
    }

    fn merged(mut left: Moments, right: &Moments) -> Moments {
        left.merge(right);
        left
    }

    fn bytes(moments: &Moments) -> String {
        serde_json::to_string(moments).unwrap()
    }

    /// Values in units of 2^−1074.
    fn units(values: &[f64]) -> Vec<BigInt> {
        let unit = |&value: &f64| {
            let (mantissa, exponent, sign) = Float::integer_decode(value);
            (BigInt::from(mantissa) * sign) << (exponent + 1075) >> 1
        };
        values.iter().map(unit).collect()
    }

    /// Mean and variance by the definition: Σ(n·x − Σx)² / n³.
    fn twin(values: &[f64]) -> (f64, f64) {
        let count = BigInt::from(values.len());
        let units = units(values);
        let sum: BigInt = units.iter().sum();
        let deviations: BigInt = units.iter().map(|unit| (unit * &count - &sum).pow(2)).sum();
        let mean = round_ratio(&sum, count.magnitude(), -1074);
        (mean, round_ratio(&deviations, &count.magnitude().pow(3), -2148))
    }

    /// Whether Σ(n·x − Σx)² > bound·n³.
    fn exceeds(values: &[f64], bound: f64) -> bool {
        let count = BigInt::from(values.len());
        let units_of = units(values);
        let sum: BigInt = units_of.iter().sum();
        let deviations: BigInt = units_of.iter().map(|unit| (unit * &count - &sum).pow(2)).sum();
        let bound: BigInt = (units(&[bound]).remove(0) * count.pow(3)) << 1074;
        deviations > bound
    }

    fn hard_value() -> impl Strategy<Value = f64> {
        prop_oneof![
            -10.0..10.0,
            (-100i32..100).prop_map(|step| 1e15 + f64::from(step) / 8.0),
            prop_oneof![Just(1e300), Just(-1e300), Just(1e-300), Just(0.0), Just(-0.0)],
            (0u64..1 << 52).prop_map(f64::from_bits),
            any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite()),
        ]
    }

    fn any_value() -> impl Strategy<Value = f64> {
        prop_oneof![
            12 => hard_value(),
            1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY)],
        ]
    }

    proptest! {
        #[test]
        fn results_are_those_of_rational_arithmetic(values in prop::collection::vec(hard_value(), 1..60)) {
            let moments = of(&values);
            let (mean, variance) = twin(&values);
            prop_assert_eq!(moments.mean().unwrap().to_bits(), mean.to_bits());
            prop_assert_eq!(moments.variance().unwrap().to_bits(), variance.to_bits());
            prop_assert_eq!(moments.is_constant(), Some(values.iter().all(|value| *value == values[0])));
            prop_assert_eq!(moments.varies_more_than(0.0), Some(!moments.is_constant().unwrap()));
            if variance.is_finite() && variance > 0.0 {
                prop_assert_eq!(moments.varies_more_than(variance.next_down()), Some(true));
                prop_assert_eq!(moments.varies_more_than(variance.next_up()), Some(false));
                prop_assert_eq!(moments.varies_more_than(variance), Some(exceeds(&values, variance)));
            }
        }

        #[test]
        fn states_form_a_commutative_monoid(
            first in prop::collection::vec(any_value(), 0..20),
            second in prop::collection::vec(any_value(), 0..20),
            third in prop::collection::vec(any_value(), 0..20),
        ) {
            let (a, b, c) = (of(&first), of(&second), of(&third));
            let left = merged(merged(a.clone(), &b), &c);
            let right = merged(a.clone(), &merged(b.clone(), &c));
            prop_assert_eq!(bytes(&left), bytes(&right));
            prop_assert_eq!(bytes(&merged(a.clone(), &b)), bytes(&merged(b, &a)));
            prop_assert_eq!(bytes(&merged(a.clone(), &Moments::new())), bytes(&a));
            prop_assert_eq!(bytes(&merged(Moments::new(), &a)), bytes(&a));
            prop_assert_eq!(bytes(&left), bytes(&of(&[first, second, third].concat())));
        }

        #[test]
        fn stored_states_come_back_whole(values in prop::collection::vec(any_value(), 0..40)) {
            let moments = of(&values);
            let read: Moments = serde_json::from_str(&bytes(&moments)).unwrap();
            prop_assert_eq!(&read, &moments);
            prop_assert_eq!(read.std_dev().map(f64::to_bits), moments.std_dev().map(f64::to_bits));
        }

        #[test]
        fn integers_agree_with_floats_where_floats_are_exact(values in prop::collection::vec(-1i64 << 53..1 << 53, 0..40)) {
            let mut integers = Moments::new();
            integers.update_integers(&values);
            let floats: Vec<f64> = values.iter().map(|&value| value as f64).collect();
            prop_assert_eq!(integers, of(&floats));
        }
    }

    #[test]
    fn offsets_do_not_hurt() {
        let moments = of(&[1e15 + 0.125, 1e15 + 0.25, 1e15 + 0.375]);
        assert_eq!(moments.mean(), Some(1e15 + 0.25));
        assert_eq!(moments.variance(), Some(0.125 * 0.125 * 2.0 / 3.0));
        let mut large = Moments::new();
        large.update_integers(&[i64::MAX - 2, i64::MAX]);
        assert_eq!((large.std_dev(), large.is_constant()), (Some(1.0), Some(false)));
    }

    #[test]
    fn range_is_that_of_the_values_not_of_their_squares() {
        let wide = of(&[1e300, -1e300]);
        assert_eq!(
            (wide.mean(), wide.variance(), wide.std_dev()),
            (Some(0.0), Some(f64::INFINITY), Some(1e300))
        );
        let tiny = of(&[5e-324, -5e-324]);
        assert_eq!(
            (tiny.variance(), tiny.std_dev(), tiny.is_constant()),
            (Some(0.0), Some(5e-324), Some(false))
        );
    }

    #[test]
    fn nothing_has_no_moments() {
        let empty = of(&[f64::NAN]);
        assert_eq!((empty.count(), empty.sum()), (0, 0.0));
        assert_eq!((empty.mean(), empty.variance(), empty.std_dev()), (None, None, None));
        assert_eq!((empty.is_constant(), empty.varies_more_than(0.0)), (None, None));
        assert!(empty.sum.to_big().0.is_zero());
    }

    #[test]
    fn infinities_show() {
        let one_sided = of(&[1.0, f64::INFINITY]);
        assert_eq!((one_sided.mean(), one_sided.is_constant()), (Some(f64::INFINITY), Some(false)));
        assert!(one_sided.variance().is_some_and(f64::is_nan));
        assert_eq!(one_sided.varies_more_than(0.0), Some(false));
        assert!(of(&[f64::INFINITY, f64::NEG_INFINITY]).mean().is_some_and(f64::is_nan));
        assert_eq!(of(&[f64::INFINITY; 2]).is_constant(), Some(true));
    }

    #[test]
    fn the_mean_alone_needs_no_squares() {
        let mut mean = Moments::mean_only();
        mean.update(&[1.0, 2.0, 4.5]);
        assert_eq!((mean.mean(), mean.variance(), mean.is_constant()), (Some(2.5), None, None));
        assert!(mean.heap_bytes() < Moments::new().heap_bytes() / 2);
        let both = merged(Moments::new(), &mean);
        assert_eq!(both, mean);
    }
}
