use num_bigint::{BigInt, BigUint};
use num_traits::{Float, One, ToPrimitive, Zero};

use super::order_statistics::{InputChanged, OrderStatistics, Outcome};
use super::rounding::round_ratio;

/// The share of a sorted column that lies below a quantile, as an exact ratio from 0 to 1.
///
/// ```
/// # use incremental::stats::Level;
/// assert_eq!(Level::percent(25.0), Some(Level::ratio(1, 4)));
/// assert_eq!(Level::percent(100.5), None);
/// ```
#[derive(Clone, Debug)]
pub struct Level {
    numerator: BigUint,
    denominator: BigUint,
}

impl Level {
    /// `numerator` / `denominator`.
    ///
    /// # Panics
    ///
    /// When the ratio is above 1, or the denominator is zero.
    pub fn ratio(numerator: u64, denominator: u64) -> Self {
        assert!(denominator > 0 && numerator <= denominator, "a level is from 0 to 1");
        Self { numerator: numerator.into(), denominator: denominator.into() }
    }

    /// `percent` / 100, of all the digits of the float; `None` unless it is from 0 to 100.
    pub fn percent(percent: f64) -> Option<Self> {
        if !(0.0..=100.0).contains(&percent) {
            return None;
        }
        let (mantissa, exponent) = (BigUint::from(percent.integer_decode().0), percent.integer_decode().1);
        let hundred = BigUint::from(100u8);
        Some(match exponent {
            0.. => Self { numerator: mantissa << exponent as u32, denominator: hundred },
            _ => Self { numerator: mantissa, denominator: hundred << exponent.unsigned_abs() },
        })
    }
}

impl PartialEq for Level {
    fn eq(&self, other: &Self) -> bool {
        &self.numerator * &other.denominator == &other.numerator * &self.denominator
    }
}

impl Eq for Level {}

/// What a quantile is between two values: the nine definitions of R. J. Hyndman and Y. Fan, "Sample quantiles
/// in statistical packages", 1996, by the names that numpy gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantileMethod {
    /// Definition 1: the first value at which the empirical distribution reaches the level.
    InvertedCdf,
    /// Definition 2: as 1, and the mean of two neighbours where it reaches the level exactly.
    AveragedInvertedCdf,
    /// Definition 3: the value of nearest rank.
    ClosestObservation,
    /// Definition 4: linear between the steps of the empirical distribution.
    InterpolatedInvertedCdf,
    /// Definition 5.
    Hazen,
    /// Definition 6.
    Weibull,
    /// Definition 7, the default of numpy.
    Linear,
    /// Definition 8.
    MedianUnbiased,
    /// Definition 9.
    NormalUnbiased,
}

/// Between which values of the sorted column a quantile lies.
struct Place {
    rank: u64,
    /// How far it is from there to the next value; `None` if it is the value itself.
    towards_next: Option<(BigUint, BigUint)>,
}

impl Place {
    fn at(rank: u64) -> Self {
        Self { rank, towards_next: None }
    }
}

impl QuantileMethod {
    /// The place of a quantile among `count` values, of which there is at least one.
    fn place(self, level: &Level, count: u64) -> Place {
        let last = count - 1;
        let clipped =
            |rank: &BigInt| rank.to_u64().unwrap_or(if *rank < BigInt::zero() { 0 } else { last }).min(last);
        let (numerator, denominator) =
            (BigInt::from(level.numerator.clone()), BigInt::from(level.denominator.clone()));
        // count·level, and what of it is beyond a whole number.
        let reached = &numerator * count;
        let (whole, rest) = (&reached / &denominator, &reached % &denominator);
        // Both plotting positions, α and β, in units of 1/24.
        let (alpha, beta) = match self {
            Self::InvertedCdf => {
                return Place::at(clipped(&if rest.is_zero() { whole - 1 } else { whole }));
            }
            Self::AveragedInvertedCdf if rest.is_zero() => {
                let (low, high) = (clipped(&(&whole - 1)), clipped(&whole));
                let half = (low < high).then(|| (BigUint::one(), BigUint::from(2u8)));
                return Place { rank: low, towards_next: half };
            }
            Self::AveragedInvertedCdf => return Place::at(clipped(&whole)),
            Self::ClosestObservation => {
                // The rank nearest to count·level − 1; of two equally near the odd one, from 0.
                let doubled: BigInt = reached * 2 - &denominator * 3;
                let (low, rest) = floor(&doubled, &(denominator * 2));
                let is_odd = low.bit(0);
                return Place::at(clipped(&if rest.is_zero() && is_odd { low } else { low + 1 }));
            }
            Self::InterpolatedInvertedCdf => (0, 24),
            Self::Hazen => (12, 12),
            Self::Weibull => (0, 0),
            Self::Linear => (24, 24),
            Self::MedianUnbiased => (8, 8),
            Self::NormalUnbiased => (9, 9),
        };
        // The rank count·level + α + level·(1 − α − β) − 1, from 0, with a fraction.
        let slope = BigInt::from(count) * 24 + (24 - alpha - beta);
        let position = numerator * slope + &denominator * (alpha - 24);
        let unit = denominator * 24;
        let (low, rest) = floor(&position, &unit);
        if low < BigInt::zero() || low >= BigInt::from(last) || rest.is_zero() {
            return Place::at(clipped(&low));
        }
        let fraction = (rest.magnitude().clone(), unit.magnitude().clone());
        Place { rank: clipped(&low), towards_next: Some(fraction) }
    }
}

/// The quotient rounded down, and what is left.
fn floor(dividend: &BigInt, divisor: &BigInt) -> (BigInt, BigInt) {
    let (quotient, rest) = (dividend / divisor, dividend % divisor);
    if rest < BigInt::zero() { (quotient - 1, rest + divisor) } else { (quotient, rest) }
}

/// `low` + (`high` − `low`)·`numerator`/`denominator`, rounded once. The ratio is from 0 to 1.
///
/// ```
/// # use incremental::stats::interpolate;
/// assert_eq!(interpolate(-1e308, 1e308, &3u8.into(), &4u8.into()), 5e307);
/// ```
///
/// # Panics
///
/// When the denominator is zero.
pub fn interpolate(low: f64, high: f64, numerator: &BigUint, denominator: &BigUint) -> f64 {
    if low == high || !low.is_finite() || !high.is_finite() {
        return if numerator.is_zero() || low == high { low } else { low + high };
    }
    let (low, high) = (low.integer_decode(), high.integer_decode());
    let exponent = low.1.min(high.1);
    let part = |(mantissa, power, sign): (u64, i16, i8), weight: BigUint| {
        (BigInt::from(weight * mantissa) * sign) << (power - exponent) as u32
    };
    let sum = part(low, denominator - numerator) + part(high, numerator.clone());
    round_ratio(&sum, denominator, exponent.into())
}

impl OrderStatistics {
    /// Ends a pass like [`finish`](Self::finish), for quantiles: each is the exact interpolation between the
    /// values next to it, rounded once. Nothing for no values.
    ///
    /// # Errors
    ///
    /// As for [`finish`](Self::finish).
    ///
    /// # Panics
    ///
    /// When the passes before were finished for other quantiles.
    ///
    /// ```
    /// # use incremental::stats::{Level, OrderStatistics, Outcome, QuantileMethod};
    /// let mut state = OrderStatistics::new();
    /// state.update(&[4.0, 1.0, 3.0, 2.0]);
    /// let levels = [Level::ratio(1, 4), Level::ratio(1, 1)];
    /// let Ok(Outcome::Done(found)) = state.finish_quantiles(&levels, QuantileMethod::Linear) else {
    ///     panic!("four values need one pass")
    /// };
    /// assert_eq!(found, [1.75, 4.0]);
    /// ```
    pub fn finish_quantiles(
        self,
        levels: &[Level],
        method: QuantileMethod,
    ) -> Result<Outcome<Vec<f64>>, InputChanged> {
        let Some(places) = self.places(levels, method) else { return Ok(Outcome::Done(Vec::new())) };
        Ok(self.finish(&ranks_of(&places))?.map(|values| quantiles_at(&places, &values)))
    }

    /// The quantiles as far as one pass tells them: those of the column with every value
    /// [cut](Self::cut_values) to the leading bits that the state has room for. Nothing for no values.
    pub fn cut_quantiles(&self, levels: &[Level], method: QuantileMethod) -> Vec<f64> {
        let Some(places) = self.places(levels, method) else { return Vec::new() };
        quantiles_at(&places, &self.cut_values(&ranks_of(&places)))
    }

    fn places(&self, levels: &[Level], method: QuantileMethod) -> Option<Vec<Place>> {
        let count = self.count();
        (count > 0).then(|| levels.iter().map(|level| method.place(level, count)).collect())
    }
}

/// For each place its rank, and the next one where that is needed too.
fn ranks_of(places: &[Place]) -> Vec<u64> {
    let ranks = places.iter().flat_map(|place| {
        let next = place.towards_next.as_ref().map(|_| place.rank + 1);
        [Some(place.rank), next].into_iter().flatten()
    });
    ranks.collect()
}

/// The quantiles, given the values at `ranks_of(places)`.
fn quantiles_at(places: &[Place], values: &[f64]) -> Vec<f64> {
    let mut values = values.iter().copied();
    let mut next = || values.next().expect("there is a value for every rank");
    let quantile = |place: &Place| {
        let low = next();
        match &place.towards_next {
            None => low,
            Some((numerator, denominator)) => interpolate(low, next(), numerator, denominator),
        }
    };
    places.iter().map(quantile).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const METHODS: [QuantileMethod; 9] = [
        QuantileMethod::InvertedCdf,
        QuantileMethod::AveragedInvertedCdf,
        QuantileMethod::ClosestObservation,
        QuantileMethod::InterpolatedInvertedCdf,
        QuantileMethod::Hazen,
        QuantileMethod::Weibull,
        QuantileMethod::Linear,
        QuantileMethod::MedianUnbiased,
        QuantileMethod::NormalUnbiased,
    ];

    fn quantiles(values: &[f64], levels: &[Level], method: QuantileMethod) -> Vec<f64> {
        let mut state = OrderStatistics::new();
        state.update(values);
        assert_eq!(state.cut_quantiles(levels, method), {
            let Outcome::Done(found) = state.clone().finish_quantiles(levels, method).unwrap() else {
                panic!("few values need one pass")
            };
            found
        });
        state.cut_quantiles(levels, method)
    }

    /// numpy.percentile([1, 2, 4, 8, 16], [0, 10, 30, 40, 50, 77, 100], method=...), numpy 2.4.
    #[test]
    fn every_method_is_that_of_numpy() {
        let values = [16.0, 1.0, 8.0, 2.0, 4.0];
        let levels: Vec<Level> =
            [0.0, 10.0, 30.0, 40.0, 50.0, 77.0, 100.0].map(|p| Level::percent(p).unwrap()).into();
        let expected: [[f64; 7]; 9] = [
            [1.0, 1.0, 2.0, 2.0, 4.0, 8.0, 16.0],
            [1.0, 1.0, 2.0, 3.0, 4.0, 8.0, 16.0],
            [1.0, 1.0, 2.0, 2.0, 2.0, 8.0, 16.0],
            [1.0, 1.0, 1.5, 2.0, 3.0, 7.4, 16.0],
            [1.0, 1.0, 2.0, 3.0, 4.0, 10.799999999999997, 16.0],
            [1.0, 1.0, 1.8, 2.8, 4.0, 12.96, 16.0],
            [1.0, 1.4, 2.4, 3.2, 4.0, 8.64, 16.0],
            [1.0, 1.0, 1.9333333333333333, 2.9333333333333336, 4.0, 11.520000000000003, 16.0],
            [1.0, 1.0, 1.95, 2.95, 4.0, 11.340000000000003, 16.0],
        ];
        for (method, expected) in METHODS.into_iter().zip(expected) {
            for (found, expected) in quantiles(&values, &levels, method).into_iter().zip(expected) {
                assert!((found - expected).abs() <= 1e-14 * expected, "{method:?}: {found} {expected}");
            }
        }
    }

    proptest! {
        #[test]
        fn interpolation_is_that_of_rationals(
            low in any::<f64>().prop_filter("finite", |x| x.is_finite()),
            high in any::<f64>().prop_filter("finite", |x| x.is_finite()),
            parts in 1u32..50,
            part in any::<prop::sample::Index>(),
        ) {
            let part = part.index(parts as usize + 1) as u32;
            let found = interpolate(low, high, &part.into(), &parts.into());
            // In units of 2^−1075.
            let units = |x: f64| {
                let (mantissa, exponent, sign) = x.integer_decode();
                (BigInt::from(mantissa) * sign) << (exponent + 1075)
            };
            let sum = units(low) * (parts - part) + units(high) * part;
            let expected = if low == high { low } else { round_ratio(&sum, &parts.into(), -1075) };
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn quantiles_are_within_the_column_and_rise(
            values in prop::collection::vec(-1e3..1e3, 1..30),
            parts in 1u64..12,
        ) {
            let levels: Vec<Level> = (0..=parts).map(|part| Level::ratio(part, parts)).collect();
            let (min, max) = values.iter().fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(*x), b.max(*x)));
            for method in METHODS {
                let found = quantiles(&values, &levels, method);
                prop_assert!(found.is_sorted(), "{:?}: {:?}", method, found);
                prop_assert_eq!((found[0], found[parts as usize]), (min, max));
            }
        }
    }

    #[test]
    fn levels_are_exact() {
        // 0.1 is above a tenth, so 0.1 % of 1001 values lies just beyond the second.
        let values: Vec<f64> = (0..1001).map(f64::from).collect();
        let level = [Level::percent(0.1).unwrap()];
        let found = quantiles(&values, &level, QuantileMethod::InvertedCdf);
        assert_eq!(found, [1.0]);
        assert!(quantiles(&[], &level, QuantileMethod::Linear).is_empty());
        for beyond in [-0.1, 100.1, f64::NAN] {
            assert_eq!(Level::percent(beyond), None);
        }
    }
}
