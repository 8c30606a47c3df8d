//! Bins around the means of clusters: Lloyd's iteration on one column, a pass for each step of it.
//!
//! As scikit-learn's `KMeans` has it when `KBinsDiscretizer` calls it: the means start in the middles of bins of
//! equal width, an empty cluster moves to the value farthest from its mean, and the iteration ends when the squares
//! of the means' steps sum to no more than 1e-4 of the variance, or after 300 steps. Sums are exact, so
//! the means do not depend on how the rows are cut.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde::{Deserialize, Serialize};

use crate::state_text::MOST_ROWS;
use crate::stats::{ExactSum, Extrema, Moments, OrderedFloat, interpolate, round_ratio};

const MOST_STEPS: usize = 300;

/// A step ends the iteration that moves the means by no more than this share of the variance.
const TOLERANCE: f64 = 1e-4;

/// The state of a pass.
#[derive(Clone)]
pub(super) enum KMeans {
    /// The first pass: what the means start from.
    Survey {
        clusters: usize,
        extrema: Extrema,
        moments: Moments,
    },
    Step(Step),
}

/// One step of the iteration.
#[derive(Clone)]
pub(super) struct Step {
    /// The means, rising.
    means: Vec<f64>,
    ends: (f64, f64),
    tolerance: f64,
    steps: usize,
    /// For each mean the values that are nearest to it.
    clusters: Vec<(u64, ExactSum)>,
    farthest: Farthest,
}

/// What was seen, in one of the passes.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Seen {
    Survey(Extrema, Moments),
    /// For each mean the values that are nearest to it; then those that are farthest from theirs, ascending, with
    /// distance, value and cluster.
    Step(Vec<(u64, ExactSum)>, Vec<(OrderedFloat, OrderedFloat, usize)>),
}

/// What the end of a pass gives.
pub(super) enum Found {
    /// The edges, the column's ends included; none for a column without values.
    Edges(Vec<f64>),
    Again(KMeans),
}

/// The values that are farthest from their means, at most one for each mean that may be empty.
#[derive(Clone)]
struct Farthest {
    most: usize,
    /// Distance, value and cluster; the nearest on top. Of values that are equally far the larger stay.
    values: BinaryHeap<Reverse<(OrderedFloat, OrderedFloat, usize)>>,
}

impl Farthest {
    fn new(most: usize) -> Farthest {
        Farthest { most, values: BinaryHeap::new() }
    }

    fn add(&mut self, entry: (OrderedFloat, OrderedFloat, usize)) {
        if self.values.len() < self.most {
            self.values.push(Reverse(entry));
        } else if self.values.peek().is_some_and(|Reverse(nearest)| *nearest < entry) {
            self.values.pop();
            self.values.push(Reverse(entry));
        }
    }
}

impl KMeans {
    pub(super) fn new(clusters: usize) -> KMeans {
        KMeans::Survey { clusters, extrema: Extrema::new(), moments: Moments::new() }
    }

    pub(super) fn update(&mut self, values: &[f64]) {
        match self {
            KMeans::Survey { extrema, moments, .. } => {
                extrema.update(values);
                moments.update(values);
            }
            KMeans::Step(step) => values.iter().for_each(|value| step.add(*value)),
        }
    }

    pub(super) fn identity(&self) -> KMeans {
        match self {
            KMeans::Survey { clusters, .. } => KMeans::new(*clusters),
            KMeans::Step(step) => {
                KMeans::Step(Step::new(step.means.clone(), step.ends, step.tolerance, step.steps))
            }
        }
    }

    pub(super) fn merge(&mut self, other: &KMeans) {
        match (self, other) {
            (
                KMeans::Survey { extrema, moments, .. },
                KMeans::Survey { extrema: others, moments: other_moments, .. },
            ) => {
                extrema.merge(others);
                moments.merge(other_moments);
            }
            (KMeans::Step(step), KMeans::Step(other)) => step.merge(other),
            _ => {}
        }
    }

    pub(super) fn seen(&self) -> Seen {
        match self {
            KMeans::Survey { extrema, moments, .. } => Seen::Survey(extrema.clone(), moments.clone()),
            KMeans::Step(step) => {
                let mut farthest: Vec<_> = step.farthest.values.iter().map(|Reverse(entry)| *entry).collect();
                farthest.sort_unstable();
                Seen::Step(step.clusters.clone(), farthest)
            }
        }
    }

    /// The state of the same pass that has seen this; `None` if none can have.
    pub(super) fn having_seen(&self, seen: Seen) -> Option<KMeans> {
        match (self, seen) {
            (KMeans::Survey { clusters, moments: own, .. }, Seen::Survey(extrema, moments)) => {
                moments.is_like(own).then_some(KMeans::Survey { clusters: *clusters, extrema, moments })
            }
            (KMeans::Step(step), Seen::Step(clusters, farthest)) => {
                let mut next = Step::new(step.means.clone(), step.ends, step.tolerance, step.steps);
                let rows = clusters.iter().try_fold(0u64, |rows, (count, _)| rows.checked_add(*count));
                // No cluster has fewer values than it may have to give away.
                let mut left: Vec<u64> = clusters.iter().map(|(count, _)| *count).collect();
                let are_there = farthest.iter().all(|(_, _, cluster)| {
                    left.get_mut(*cluster)
                        .is_some_and(|left| left.checked_sub(1).map(|less| *left = less).is_some())
                });
                let is_sound = clusters.len() == step.means.len()
                    && rows.is_some_and(|rows| rows <= MOST_ROWS)
                    && farthest.len() <= step.farthest.most
                    && are_there;
                next.clusters = clusters;
                next.farthest.values = farthest.into_iter().map(Reverse).collect();
                is_sound.then_some(KMeans::Step(next))
            }
            _ => None,
        }
    }

    /// Bytes on the heap, those of the next pass too: they are reserved before they are there.
    pub(super) fn heap_bytes(&self) -> usize {
        let clusters = match self {
            KMeans::Survey { clusters, .. } => *clusters,
            KMeans::Step(step) => step.means.len(),
        };
        let cluster = size_of::<(u64, ExactSum)>() + ExactSum::new().heap_bytes();
        let farthest = size_of::<Reverse<(OrderedFloat, OrderedFloat, usize)>>();
        Moments::new().heap_bytes() + clusters * (cluster + farthest + size_of::<f64>())
    }

    pub(super) fn finish(self) -> Found {
        match self {
            KMeans::Survey { clusters, extrema, moments } => {
                let Some((min, max)) = extrema.min().zip(extrema.max()) else {
                    return Found::Edges(Vec::new());
                };
                if min == max {
                    return Found::Edges(vec![min, max]);
                }
                // The middles of bins of equal width.
                let middle =
                    |bin: usize| interpolate(min, max, &(2 * bin + 1).into(), &(2 * clusters).into());
                let means = (0..clusters).map(middle).collect();
                let tolerance = TOLERANCE * moments.variance().unwrap_or(0.0);
                Found::Again(KMeans::Step(Step::new(means, (min, max), tolerance, 0)))
            }
            KMeans::Step(step) => step.finish(),
        }
    }
}

impl Step {
    fn new(means: Vec<f64>, ends: (f64, f64), tolerance: f64, steps: usize) -> Step {
        let clusters = means.iter().map(|_| (0, ExactSum::new())).collect();
        let farthest = Farthest::new(means.len().saturating_sub(1));
        Step { means, ends, tolerance, steps, clusters, farthest }
    }

    fn add(&mut self, value: f64) {
        let above = self.means.partition_point(|mean| *mean < value);
        // Of two means that are equally near the first.
        let is_below = above == self.means.len()
            || above > 0 && value - self.means[above - 1] <= self.means[above] - value;
        let nearest = if is_below { above - 1 } else { above };
        // Of equal means the first.
        let nearest = self.means.partition_point(|mean| *mean < self.means[nearest]);
        let (count, sum) = &mut self.clusters[nearest];
        *count += 1;
        sum.add(value);
        let distance = OrderedFloat::new((value - self.means[nearest]).abs());
        if let Some((distance, value)) = distance.zip(OrderedFloat::new(value)) {
            self.farthest.add((distance, value, nearest));
        }
    }

    fn merge(&mut self, other: &Step) {
        for ((count, sum), (other_count, other_sum)) in self.clusters.iter_mut().zip(&other.clusters) {
            *count += other_count;
            sum.merge(other_sum);
        }
        other.farthest.values.iter().for_each(|Reverse(entry)| self.farthest.add(*entry));
    }

    fn finish(mut self) -> Found {
        self.fill_empty();
        let largest = self.clusters.iter().enumerate().max_by_key(|(i, (count, _))| (*count, Reverse(*i)));
        let largest = largest.map_or(0, |(i, _)| i);
        if self.clusters[largest].0 == 0 {
            return Found::Edges(Vec::new());
        }
        // What is still empty, for want of values that differ, joins the largest.
        let means = self.clusters.iter().map(|cluster| {
            let (count, sum) = if cluster.0 > 0 { cluster } else { &self.clusters[largest] };
            let (numerator, exponent) = sum.to_big();
            round_ratio(&numerator, &(*count).into(), exponent.into())
        });
        let mut means: Vec<f64> = means.collect();
        let moved: f64 = means.iter().zip(&self.means).map(|(new, old)| (new - old).powi(2)).sum();
        means.sort_by(f64::total_cmp);
        let steps = self.steps + 1;
        if moved > self.tolerance && steps < MOST_STEPS {
            return Found::Again(KMeans::Step(Step::new(means, self.ends, self.tolerance, steps)));
        }
        let between = means.windows(2).map(|pair| f64::midpoint(pair[0], pair[1]));
        Found::Edges([self.ends.0].into_iter().chain(between).chain([self.ends.1]).collect())
    }

    /// Moves each empty cluster to one of the farthest values.
    fn fill_empty(&mut self) {
        let farthest: Vec<_> = std::mem::take(&mut self.farthest.values).into_sorted_vec();
        let mut farthest =
            farthest.into_iter().map(|Reverse(entry)| entry).filter(|(distance, ..)| distance.get() > 0.0);
        // A cluster that loses its only value here stays empty, as in the class.
        let is_empty = |cluster: &usize| self.clusters[*cluster].0 == 0;
        let empty: Vec<usize> = (0..self.clusters.len()).filter(is_empty).collect();
        for empty in empty {
            let Some((_, value, from)) = farthest.next() else { return };
            let (count, sum) = &mut self.clusters[from];
            *count -= 1;
            sum.add(-value.get());
            let (count, sum) = &mut self.clusters[empty];
            *count = 1;
            sum.add(value.get());
        }
    }
}
