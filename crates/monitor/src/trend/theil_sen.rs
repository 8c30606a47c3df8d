//! The Theil-Sen estimate of a slope, with its interval.
//!
//! The median of the slopes of all pairs, and two of these slopes as the ends of the interval: P. K. Sen, "Estimates
//! of the regression coefficient based on Kendall's tau", Journal of the American Statistical Association 63 (1968),
//! 1379-1389; the ranks of the ends as in R. O. Gilbert, "Statistical Methods for Environmental Pollution
//! Monitoring" (1987), 16.5. Up to 29 % of the values may be anything at all without moving the estimate far.

/// Slopes of all pairs of a series, in units of the series a step.
pub(super) struct PairSlopes {
    /// As whole numbers of the same order, which are picked from twice as fast.
    slopes: Vec<i64>,
    /// Pairs that rise, less those that fall: Kendall's S.
    pub(super) rising: i64,
}

/// A slope and the ends of its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SlopeInterval {
    pub(super) lower: f64,
    pub(super) middle: f64,
    pub(super) upper: f64,
}

impl PairSlopes {
    /// Of a series of finite values, one a step.
    pub(super) fn of(values: &[f64]) -> PairSlopes {
        let n = values.len();
        let mut slopes = Vec::with_capacity(n * n.saturating_sub(1) / 2);
        let mut rising = 0;
        for distance in 1..n {
            let steps = distance as f64;
            for (from, to) in values.iter().zip(&values[distance..]) {
                rising += i64::from(to > from) - i64::from(to < from);
                slopes.push(key((to - from) / steps));
            }
        }
        PairSlopes { slopes, rising }
    }

    /// The median slope. `None` for fewer than two values.
    pub(super) fn median(&mut self) -> Option<f64> {
        let pairs = self.slopes.len();
        if pairs == 0 {
            return None;
        }
        let (below, middle, _) = self.slopes.select_nth_unstable(pairs / 2);
        let middle = value(*middle);
        match below.iter().max() {
            Some(lower) if pairs.is_multiple_of(2) => Some((value(*lower) + middle) / 2.0),
            _ => Some(middle),
        }
    }

    /// The median slope, and the slopes at `half_width` ranks to both sides of the middle rank: the interval whose
    /// confidence is that of ± `half_width` for Kendall's S. Ranks are rounded outwards, and an interval that is wider
    /// than all slopes ends at the least and the greatest.
    pub(super) fn interval(&mut self, half_width: f64) -> Option<SlopeInterval> {
        let middle = self.median()?;
        let pairs = self.slopes.len();
        // Counted from 1: M1 = (N − C) / 2, and M2 + 1 with M2 = (N + C) / 2.
        let first = ((pairs as f64 - half_width) / 2.0).floor().max(1.0) as usize;
        let last = (((pairs as f64 + half_width) / 2.0).ceil() as usize + 1).min(pairs);
        // The search for the median has left the lesser half before its place and the greater one from there on.
        let (lesser, greater) = self.slopes.split_at_mut(pairs / 2);
        let lower = match lesser.len() {
            0 => greater[0],
            _ => *lesser.select_nth_unstable(first - 1).1,
        };
        let upper = *greater.select_nth_unstable(last - 1 - lesser.len()).1;
        Some(SlopeInterval { lower: value(lower), middle, upper: value(upper) })
    }
}

/// A whole number that orders as the value does; the order of `f64::total_cmp`, whose trick it is.
fn key(value: f64) -> i64 {
    let bits = value.to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

fn value(key: i64) -> f64 {
    f64::from_bits((key ^ (((key >> 63) as u64) >> 1) as i64) as u64)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the book has it: make all slopes, sort them, count.
    pub(in crate::trend) fn textbook(values: &[f64], half_width: f64) -> Option<SlopeInterval> {
        let mut slopes = Vec::new();
        for i in 0..values.len() {
            for j in i + 1..values.len() {
                slopes.push((values[j] - values[i]) / (j - i) as f64);
            }
        }
        slopes.sort_by(f64::total_cmp);
        let n = slopes.len();
        let median = match n {
            0 => return None,
            odd if odd % 2 == 1 => slopes[n / 2],
            _ => (slopes[n / 2 - 1] + slopes[n / 2]) / 2.0,
        };
        let first = ((n as f64 - half_width) / 2.0).floor();
        let last = ((n as f64 + half_width) / 2.0).ceil() + 1.0;
        Some(SlopeInterval {
            lower: slopes[(first.max(1.0) as usize) - 1],
            middle: median,
            upper: slopes[(last.min(n as f64) as usize) - 1],
        })
    }

    #[test]
    fn by_hand() {
        // Slopes 2, 1, 3; 1.5, 2; 2: in order 1, 1.5, 2, 2, 2, 3.
        let mut slopes = PairSlopes::of(&[9.0, 11.0, 12.0, 15.0]);
        assert_eq!(slopes.rising, 6);
        assert_eq!(slopes.median(), Some(2.0));
        let all = slopes.interval(6.0).unwrap();
        assert_eq!((all.lower, all.upper), (1.0, 3.0));
        let inner = slopes.interval(2.0).unwrap();
        assert_eq!((inner.lower, inner.upper), (1.5, 2.0));
    }

    #[test]
    fn fewer_than_two_values_have_no_slope() {
        assert_eq!(PairSlopes::of(&[]).interval(1.0), None);
        assert_eq!(PairSlopes::of(&[3.0]).interval(1.0), None);
        let level = PairSlopes::of(&[3.0, 3.0]).interval(1.0).unwrap();
        assert_eq!(level, SlopeInterval { lower: 0.0, middle: 0.0, upper: 0.0 });
    }

    proptest! {
        /// Small whole numbers make many ties, large ones few.
        #[test]
        fn equals_the_textbook(
            values in prop_oneof![
                proptest::collection::vec((-3i32..4).prop_map(f64::from), 0..24),
                proptest::collection::vec((0u64..1 << 40).prop_map(|bytes| bytes as f64), 0..24),
            ],
            half_width in 0.0..300.0f64,
        ) {
            let found = PairSlopes::of(&values).interval(half_width);
            prop_assert_eq!(found, textbook(&values, half_width));
        }
    }
}
