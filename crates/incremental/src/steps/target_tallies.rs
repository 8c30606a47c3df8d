//! What `target_encoder` counts and sums of a target, by category and fold, and the encodings that follow.

use num_bigint::BigInt;
use num_traits::{Float, Zero};
use serde::{Deserialize, Serialize};

use crate::state_text::MOST_ROWS;
use crate::stats::{CompactMoments, round_ratio};

/// How far encodings of rare categories are drawn to the mean of all rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Smooth {
    /// As the variances say.
    Auto,
    /// As this many rows would.
    Rows(f64),
}

/// What is summed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Summed {
    /// The rows of each of so many classes.
    Classes(usize),
    /// Numbers, and their squares if the variance is wanted.
    Numbers { with_squares: bool },
}

/// Sums of the target for each category in each fold. A category takes memory from its first row on.
pub(super) struct Tallies {
    folds: usize,
    summed: Summed,
    groups: Groups,
    /// Categories that have a row, and bytes that these take.
    begun: usize,
    held: usize,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Groups {
    /// For each category `folds` times `classes` counts.
    Classes(Vec<Box<[u64]>>),
    /// For each category the moments in each fold.
    Numbers(Vec<Box<[CompactMoments]>>),
}

/// What was seen.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Seen(Groups);

impl Tallies {
    pub(super) fn new(categories: usize, folds: usize, summed: Summed) -> Tallies {
        let groups = match summed {
            Summed::Classes(_) => Groups::Classes(vec![Box::default(); categories]),
            Summed::Numbers { .. } => Groups::Numbers(vec![Box::default(); categories]),
        };
        Tallies { folds, summed, groups, begun: 0, held: 0 }
    }

    /// Bytes of a category that has no row.
    pub(super) const CATEGORY_BYTES: usize = size_of::<Box<[u64]>>();

    /// Bytes of a category that has rows, sums of numbers left aside.
    fn group_bytes(&self) -> usize {
        match self.summed {
            Summed::Classes(classes) => GROUP + self.folds * classes * size_of::<u64>(),
            Summed::Numbers { .. } => GROUP + self.folds * size_of::<CompactMoments>(),
        }
    }

    pub(super) fn identity(&self) -> Tallies {
        Tallies::new(self.categories(), self.folds, self.summed)
    }

    pub(super) fn categories(&self) -> usize {
        match &self.groups {
            Groups::Classes(groups) => groups.len(),
            Groups::Numbers(groups) => groups.len(),
        }
    }

    /// Adds a row whose target is a class.
    pub(super) fn add_class(&mut self, category: usize, fold: usize, class: usize) {
        if let (Groups::Classes(groups), Summed::Classes(classes)) = (&mut self.groups, self.summed) {
            let group = &mut groups[category];
            if group.is_empty() {
                *group = vec![0; self.folds * classes].into();
                self.begun += 1;
                self.held += group_bytes(group, |_| 0);
            }
            group[fold * classes + class] += 1;
        }
    }

    /// Adds a row whose target is a finite number.
    pub(super) fn add_number(&mut self, category: usize, fold: usize, value: f64) {
        if let (Groups::Numbers(groups), Summed::Numbers { with_squares }) = (&mut self.groups, self.summed) {
            let group = &mut groups[category];
            if group.is_empty() {
                *group = vec![CompactMoments::default(); self.folds].into();
                self.begun += 1;
                self.held += group_bytes(group, CompactMoments::heap_bytes);
            }
            let before = group[fold].heap_bytes();
            group[fold].add(value, with_squares);
            self.held = self.held + group[fold].heap_bytes() - before;
        }
    }

    pub(super) fn merge(&mut self, other: &Tallies) {
        match (&mut self.groups, &other.groups) {
            (Groups::Classes(groups), Groups::Classes(others)) => merge(groups, others, |n, more| *n += more),
            (Groups::Numbers(groups), Groups::Numbers(others)) => {
                merge(groups, others, CompactMoments::merge)
            }
            _ => {}
        }
        self.measure();
    }

    fn measure(&mut self) {
        (self.begun, self.held) = match &self.groups {
            Groups::Classes(groups) => measured(groups, |_| 0),
            Groups::Numbers(groups) => measured(groups, CompactMoments::heap_bytes),
        };
    }

    /// What was seen, as [`Seen`] is read.
    pub(super) fn seen(&self) -> impl Serialize {
        &self.groups
    }

    /// The state of the same pass that has seen this; `None` if none can have.
    pub(super) fn having_seen(&self, Seen(groups): Seen) -> Option<Tallies> {
        // Each category has all its cells or none, and no more rows than there are.
        let is_sound = match (&groups, self.summed) {
            (Groups::Classes(groups), Summed::Classes(classes)) => groups.iter().all(|group| {
                let rows = group.iter().try_fold(0u64, |rows, count| rows.checked_add(*count));
                (group.is_empty() || group.len() == self.folds * classes)
                    && rows.is_some_and(|rows| rows <= MOST_ROWS)
            }),
            (Groups::Numbers(groups), Summed::Numbers { .. }) => groups.iter().all(|group| {
                (group.is_empty() || group.len() == self.folds)
                    && group.iter().all(|moments| moments.count() <= MOST_ROWS)
            }),
            _ => false,
        };
        let mut seen = Tallies { folds: self.folds, summed: self.summed, groups, begun: 0, held: 0 };
        seen.measure();
        (is_sound && seen.categories() == self.categories()).then_some(seen)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let listed = match &self.groups {
            Groups::Classes(groups) => groups.capacity(),
            Groups::Numbers(groups) => groups.capacity(),
        };
        listed * Self::CATEGORY_BYTES + self.held
    }

    /// Bytes that so many rows take at the most beside what is held.
    pub(super) fn growth_bytes(&self, rows: usize) -> usize {
        let sums = match self.summed {
            Summed::Classes(_) => 0,
            Summed::Numbers { .. } => rows * SUM_GROWTH,
        };
        rows.min(self.categories() - self.begun) * self.group_bytes() + sums
    }

    /// The exponent of the unit in which all sums are whole.
    pub(super) fn exponent(&self) -> i64 {
        match &self.groups {
            Groups::Classes(_) => 0,
            Groups::Numbers(groups) => {
                groups.iter().flat_map(|group| group.iter()).map(CompactMoments::exponent).min().unwrap_or(0)
            }
        }
    }

    /// For each of `classes` the sums of a category in each fold: of whether the row is of the class, or of the
    /// number, whatever the class, in units of 2^`exponent`.
    pub(super) fn sums(&self, category: usize, classes: &[usize], exponent: i64) -> Vec<Vec<Sums>> {
        match (&self.groups, self.summed) {
            (Groups::Classes(groups), Summed::Classes(all)) => {
                let count = |fold: usize, class: usize| match groups[category].get(fold * all + class) {
                    // A target of one value has no second.
                    Some(count) if class < all => *count,
                    _ => 0,
                };
                let rows: Vec<u64> =
                    (0..self.folds).map(|fold| (0..all).map(|class| count(fold, class)).sum()).collect();
                let of_fold = |class: usize, fold: usize| {
                    // Of zeros and ones, so that squares are the same.
                    let ones = BigInt::from(count(fold, class));
                    Sums { rows: rows[fold].into(), sum: ones.clone(), squares: ones }
                };
                let of_class = |class: &usize| (0..self.folds).map(|fold| of_fold(*class, fold)).collect();
                classes.iter().map(of_class).collect()
            }
            (Groups::Numbers(groups), _) => {
                let of_fold = |fold: usize| {
                    groups[category].get(fold).map_or_else(Sums::default, |moments| {
                        let (sum, squares) = moments.in_units(exponent);
                        Sums { rows: moments.count().into(), sum, squares }
                    })
                };
                classes.iter().map(|_| (0..self.folds).map(of_fold).collect()).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn merge<T: Clone>(groups: &mut [Box<[T]>], others: &[Box<[T]>], add: impl Fn(&mut T, &T)) {
    for (group, other) in groups.iter_mut().zip(others) {
        if group.is_empty() {
            group.clone_from(other);
        } else {
            group.iter_mut().zip(other).for_each(|(cell, more)| add(cell, more));
        }
    }
}

/// What the allocator keeps of each group.
const GROUP: usize = 16;

/// What the sums of a category take for a row of another magnitude than those before: words of a sum and of squares.
const SUM_GROWTH: usize = 256;

/// How many groups have rows, and the bytes of those.
fn measured<T>(groups: &[Box<[T]>], cell_bytes: impl Fn(&T) -> usize) -> (usize, usize) {
    let begun = groups.iter().filter(|group| !group.is_empty());
    begun.fold((0, 0), |(begun, held), group| (begun + 1, held + group_bytes(group, &cell_bytes)))
}

fn group_bytes<T>(group: &[T], cell_bytes: impl Fn(&T) -> usize) -> usize {
    GROUP + size_of_val(group) + group.iter().map(cell_bytes).sum::<usize>()
}

/// Rows, Σy in units of 2^e and Σy² in units of 2^(2e).
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    rows: BigInt,
    sum: BigInt,
    squares: BigInt,
}

impl Sums {
    pub(super) fn total(sums: &[Sums]) -> Sums {
        sums.iter().fold(Sums::default(), |total, sums| Sums {
            rows: total.rows + &sums.rows,
            sum: total.sum + &sums.sum,
            squares: total.squares + &sums.squares,
        })
    }

    pub(super) fn minus(&self, other: &Sums) -> Sums {
        Sums {
            rows: &self.rows - &other.rows,
            sum: &self.sum - &other.sum,
            squares: &self.squares - &other.squares,
        }
    }

    /// The mean, rounded once; NaN of no rows.
    pub(super) fn mean(&self, exponent: i64) -> f64 {
        if self.rows.is_zero() { f64::NAN } else { round_ratio(&self.sum, self.rows.magnitude(), exponent) }
    }

    /// The number of rows squared times the variance, in units of 2^(2e).
    fn spread(&self) -> BigInt {
        &self.rows * &self.squares - &self.sum * &self.sum
    }

    /// What a category with these sums is encoded as among `all` rows, rounded once: its mean drawn to that of
    /// all rows. NaN if there are none; the mean of all rows where the formula has no value.
    ///
    /// With n rows and mean Y, variance σ²; in the category c rows, mean y, and squared deviations that sum to s:
    /// λ·y + (1 − λ)·Y, where λ is σ²·c / (σ²·c + s/c), equations 5 and 6 of D. Micci-Barreca, "A preprocessing
    /// scheme for high-cardinality categorical attributes", 2001, <https://doi.org/10.1145/507533.507538>, as
    /// scikit-learn takes them; or c / (c + m) for m rows, its equation 7.
    pub(super) fn encoding(&self, all: &Sums, smooth: Smooth, exponent: i64) -> f64 {
        let (numerator, denominator) = match smooth {
            Smooth::Auto => {
                // λ is V·c³ / (V·c³ + W·n²), with V = n²·σ² and W = c·s.
                let for_own = all.spread() * &self.rows * &self.rows;
                let for_all = self.spread() * &all.rows;
                let denominator = &for_own * &self.rows + &for_all * &all.rows;
                (for_own * &self.sum + for_all * &all.sum, denominator)
            }
            Smooth::Rows(rows) => {
                let (mantissa, power, _) = Float::integer_decode(rows);
                // m is a whole number of 2^-`scale`.
                let scale = (-i64::from(power)).max(0) as u64;
                let rows = BigInt::from(mantissa) << i64::from(power).max(0) as u64;
                let numerator = ((&self.sum * &all.rows) << scale) + &rows * &all.sum;
                (numerator, &all.rows * ((&self.rows << scale) + rows))
            }
        };
        if denominator.is_zero() {
            return all.mean(exponent);
        }
        round_ratio(&numerator, denominator.magnitude(), exponent)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// By the definition, in floats: good to a part in 10^12 on tame numbers.
    fn twin(all: &[f64], own: &[f64], smooth: Smooth) -> f64 {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let deviations = |values: &[f64]| values.iter().map(|v| (v - mean(values)).powi(2)).sum::<f64>();
        let (count, grand) = (own.len() as f64, mean(all));
        let share = match smooth {
            Smooth::Auto => {
                let variance = deviations(all) / all.len() as f64;
                variance * count / (variance * count + deviations(own) / count)
            }
            Smooth::Rows(rows) => count / (count + rows),
        };
        if share.is_nan() { grand } else { share * mean(own) + (1.0 - share) * grand }
    }

    fn tallied(values: &[f64]) -> Tallies {
        let mut tallies = Tallies::new(1, 1, Summed::Numbers { with_squares: true });
        values.iter().for_each(|value| tallies.add_number(0, 0, *value));
        tallies
    }

    proptest! {
        #[test]
        fn encodings_are_those_of_the_definition(
            own in vec((-50i32..50).prop_map(|v| f64::from(v) / 8.0), 1..8),
            rest in vec((-50i32..50).prop_map(|v| f64::from(v) / 8.0), 0..8),
            smooth in prop_oneof![Just(Smooth::Auto), (0u32..40).prop_map(|m| Smooth::Rows(f64::from(m) / 4.0)), Just(Smooth::Rows(1e20)), Just(Smooth::Rows(0.1))],
        ) {
            let all = [own.clone(), rest].concat();
            let (tallied_all, tallied_own) = (tallied(&all), tallied(&own));
            let exponent = tallied_all.exponent().min(tallied_own.exponent());
            let [all_sums, own_sums] =
                [&tallied_all, &tallied_own].map(|t| Sums::total(&t.sums(0, &[0], exponent)[0]));
            let got = own_sums.encoding(&all_sums, smooth, exponent);
            let want = twin(&all, &own, smooth);
            prop_assert!((got - want).abs() <= 1e-12 * (1.0 + want.abs()), "{got} {want}");
        }
    }

    #[test]
    fn a_category_without_rows_is_the_mean_and_no_rows_are_nan() {
        let all = tallied(&[1.0, 2.0]);
        let all = Sums::total(&all.sums(0, &[0], all.exponent())[0]);
        for smooth in [Smooth::Auto, Smooth::Rows(0.0), Smooth::Rows(3.0)] {
            let exponent = tallied(&[1.0, 2.0]).exponent();
            assert_eq!(Sums::default().encoding(&all, smooth, exponent), 1.5);
            assert!(Sums::default().encoding(&Sums::default(), smooth, 0).is_nan());
        }
    }
}
