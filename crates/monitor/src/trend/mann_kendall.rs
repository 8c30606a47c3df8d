//! The Mann-Kendall test for a trend, corrected for autocorrelation.
//!
//! H. B. Mann, "Nonparametric tests against trend", Econometrica 13 (1945), 245-259. M. G. Kendall, "Rank Correlation
//! Methods" (1975), for the variance with ties. K. H. Hamed and A. R. Rao, "A modified Mann-Kendall trend test for
//! autocorrelated data", Journal of Hydrology 204 (1998), 182-196, for the variance of a series whose neighbours are
//! alike: they are worth fewer independent ones than there are, and the plain test finds trends in them that are none.

/// Kendall's S and what it is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct MannKendall {
    /// Pairs that rise, less those that fall.
    pub(super) s: i64,
    /// The variance that S has without a trend, ties and autocorrelation counted in.
    pub(super) variance: f64,
    /// Hamed and Rao's n/n*: by how much autocorrelation widens the variance. At least 1.
    pub(super) correction: f64,
}

impl MannKendall {
    /// Of a series whose S is `s` and whose slope is `slope` a step.
    pub(super) fn of(values: &[f64], s: i64, slope: f64) -> MannKendall {
        let correction = correction(values, slope);
        MannKendall { s, variance: variance_with_ties(values) * correction, correction }
    }

    /// S in standard deviations from none, with the continuity correction of one. Zero if all values are equal.
    pub(super) fn z(&self) -> f64 {
        self.z_corrected_by(self.correction)
    }

    /// The same where autocorrelation is known to call for a correction of `least` at least.
    pub(super) fn z_corrected_by(&self, least: f64) -> f64 {
        let variance = self.variance * (least / self.correction).max(1.0);
        if variance <= 0.0 { 0.0 } else { (self.s - self.s.signum()) as f64 / variance.sqrt() }
    }
}

/// `(n (n−1) (2n+5) − Σ t (t−1) (2t+5)) / 18`, over the groups of `t` equal values.
fn variance_with_ties(values: &[f64]) -> f64 {
    let term = |count: usize| {
        let t = count as f64;
        t * (t - 1.0) * (2.0 * t + 5.0)
    };
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let ties: f64 = sorted.chunk_by(|a, b| a == b).map(|group| term(group.len())).sum();
    (term(values.len()) - ties) / 18.0
}

/// `1 + 2 / (n (n−1) (n−2)) Σ (n−i) (n−i−1) (n−i−2) ρ(i)`, where ρ(i) is the autocorrelation at lag `i` of the ranks of
/// what is left when the slope is taken out, and only those beyond ± 1.96/√n count, since the rest cannot be told from
/// none.
///
/// Never below 1, unlike theirs: that neighbours repel each other is no reason to be surer of a trend.
fn correction(values: &[f64], slope: f64) -> f64 {
    let n = values.len();
    if n < 4 {
        return 1.0;
    }
    // Bytes come whole. Without the rounding, a series that is straight but for the last bit of its arithmetic would
    // have that bit's pattern taken for autocorrelation.
    let residuals: Vec<f64> =
        values.iter().enumerate().map(|(i, value)| (value - slope * i as f64).round()).collect();
    let ranks = mid_ranks(&residuals);
    let mean = (n as f64 + 1.0) / 2.0;
    let centred: Vec<f64> = ranks.iter().map(|rank| rank - mean).collect();
    let total: f64 = centred.iter().map(|rank| rank * rank).sum();
    if total <= 0.0 {
        return 1.0;
    }
    let significant = 1.96 / (n as f64).sqrt();
    let mut sum = 0.0;
    for lag in 1..n - 2 {
        let products: f64 = centred.iter().zip(&centred[lag..]).map(|(a, b)| a * b).sum();
        let correlation = products / total;
        if correlation.abs() > significant {
            let left = (n - lag) as f64;
            sum += left * (left - 1.0) * (left - 2.0) * correlation;
        }
    }
    let n = n as f64;
    (1.0 + 2.0 / (n * (n - 1.0) * (n - 2.0)) * sum).max(1.0)
}

/// Ranks from 1; equal values share the mean of theirs.
fn mid_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<(f64, usize)> = values.iter().copied().zip(0..).collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for group in order.chunk_by(|a, b| a.0 == b.0) {
        let rank = before as f64 + (group.len() as f64 + 1.0) / 2.0;
        group.iter().for_each(|(_, place)| ranks[*place] = rank);
        before += group.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trend::theil_sen::PairSlopes;

    /// As the papers have it, one sum for each formula.
    fn textbook(values: &[f64], slope: f64) -> MannKendall {
        let n = values.len();
        let mut s = 0;
        for i in 0..n {
            for j in i + 1..n {
                s += match values[j].partial_cmp(&values[i]).unwrap() {
                    std::cmp::Ordering::Greater => 1,
                    std::cmp::Ordering::Equal => 0,
                    std::cmp::Ordering::Less => -1,
                };
            }
        }
        // A value that ties with t − 1 others is met t times in this sum, hence the division by t.
        let cube = |t: f64| t * (t - 1.0) * (2.0 * t + 5.0);
        let equal_to = |x: f64| values.iter().filter(|y| **y == x).count() as f64;
        let ties: f64 = values.iter().map(|x| cube(equal_to(*x)) / equal_to(*x)).sum();
        let plain = (cube(n as f64) - ties) / 18.0;

        let residual = |i: usize| (values[i] - slope * i as f64).round();
        // A rank is 1 + how many are less + half of how many others are equal.
        let rank = |i: usize| {
            let less = (0..n).filter(|j| residual(*j) < residual(i)).count() as f64;
            let equal = (0..n).filter(|j| residual(*j) == residual(i)).count() as f64;
            less + (equal + 1.0) / 2.0
        };
        let mean = (0..n).map(rank).sum::<f64>() / n as f64;
        let total: f64 = (0..n).map(|i| (rank(i) - mean).powi(2)).sum();
        let mut correction = 1.0;
        if total > 0.0 && n >= 4 {
            let nf = n as f64;
            for lag in 1..n {
                let rho =
                    (0..n - lag).map(|i| (rank(i) - mean) * (rank(i + lag) - mean)).sum::<f64>() / total;
                if rho.abs() > 1.96 / nf.sqrt() {
                    let left = (n - lag) as f64;
                    correction +=
                        2.0 / (nf * (nf - 1.0) * (nf - 2.0)) * left * (left - 1.0) * (left - 2.0) * rho;
                }
            }
        }
        let correction = correction.max(1.0);
        MannKendall { s, variance: plain * correction, correction }
    }

    #[test]
    fn by_hand() {
        // 23 pairs rise, 2 fall, 3 tie: S = 21, Var(S) = (8·7·21 − 3·2·1·9) / 18.
        let values = [10.0, 22.0, 21.0, 30.0, 22.0, 30.0, 40.0, 40.0];
        let s = PairSlopes::of(&values).rising;
        assert_eq!(s, 21);
        assert!((variance_with_ties(&values) - (1176.0 - 54.0) / 18.0).abs() < 1e-12);
        assert_eq!(mid_ranks(&values), [1.0, 3.5, 2.0, 5.5, 3.5, 5.5, 7.5, 7.5]);
    }

    #[test]
    fn equal_values_have_no_trend_and_no_variance() {
        let found = MannKendall::of(&[5.0; 12], 0, 0.0);
        assert_eq!((found.variance, found.correction, found.z()), (0.0, 1.0, 0.0));
    }

    #[test]
    fn alike_neighbours_are_worth_less() {
        // Runs of eight equal values: about an eighth as many independent ones.
        let runs: Vec<f64> = (0..64).map(|i| f64::from((i / 8) * 37 % 8)).collect();
        let alike = correction(&runs, 0.0);
        assert!((2.0..16.0).contains(&alike), "{alike}");
        let mixed: Vec<f64> = (0..64).map(|i| f64::from(i * 37 % 64)).collect();
        assert!(correction(&mixed, 0.0) < 1.5);
    }

    proptest! {
        #[test]
        fn equals_the_textbook(
            values in prop_oneof![
                proptest::collection::vec((-3i32..4).prop_map(f64::from), 0..24),
                proptest::collection::vec((0u64..1 << 40).prop_map(|bytes| bytes as f64), 0..24),
                proptest::collection::vec(0i64..9, 0..40).prop_map(|steps| {
                    steps.iter().scan(0i64, |sum, step| { *sum += step - 4; Some(*sum as f64) }).collect()
                }),
            ],
        ) {
            let mut slopes = PairSlopes::of(&values);
            let slope = slopes.median().unwrap_or(0.0);
            let found = MannKendall::of(&values, slopes.rising, slope);
            let expected = textbook(&values, slope);
            prop_assert_eq!(found.s, expected.s);
            prop_assert!((found.variance - expected.variance).abs() <= 1e-9 * expected.variance.max(1.0));
            prop_assert!((found.correction - expected.correction).abs() <= 1e-9 * expected.correction);
        }
    }
}
