//! Steps that learn from one statistic of a column's numbers, in one pass.

use std::fmt::Debug;

use arrow::array::{Array, ArrayRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::fitted_columns::FittedColumn;
use crate::numeric;
use crate::per_column::{ColumnState, Progress};
use crate::stats::{Extrema, Moments};

/// A step's parameters, where its state is a statistic.
pub(super) trait FromStatistic: Copy + Debug + Send + Sync + 'static {
    type Statistic: Statistic;
    type Fitted: FittedColumn;

    /// The statistic of nothing.
    fn statistic(self) -> Self::Statistic;

    fn learn(self, of: &Self::Statistic) -> Self::Fitted;
}

/// What is known of a column's numbers: a commutative monoid, as a [`ColumnState`] is.
pub(super) trait Statistic: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Takes a column's values; missing ones are left out, and infinities refused.
    fn take(&mut self, values: &ArrayRef, first_row: u64) -> Result<(), Error>;
    fn merge(&mut self, other: &Self);
    /// Whether both collect the same.
    fn is_like(&self, other: &Self) -> bool;
    fn heap_bytes(&self) -> usize;
}

impl Statistic for Extrema {
    fn take(&mut self, values: &ArrayRef, first_row: u64) -> Result<(), Error> {
        let floats = numeric::finite(values, first_row)?;
        self.update(&numeric::valid(&floats, floats.nulls()));
        Ok(())
    }

    fn merge(&mut self, other: &Self) {
        Extrema::merge(self, other);
    }

    fn is_like(&self, _: &Self) -> bool {
        true
    }

    fn heap_bytes(&self) -> usize {
        Extrema::heap_bytes(self)
    }
}

impl Statistic for Moments {
    fn take(&mut self, values: &ArrayRef, first_row: u64) -> Result<(), Error> {
        numeric::add_to_moments(self, values, first_row)
    }

    fn merge(&mut self, other: &Self) {
        Moments::merge(self, other);
    }

    fn is_like(&self, other: &Self) -> bool {
        Moments::is_like(self, other)
    }

    fn heap_bytes(&self) -> usize {
        Moments::heap_bytes(self)
    }
}

/// The state of a fit of one column.
pub(super) struct StatisticFit<S: FromStatistic> {
    step: S,
    seen: S::Statistic,
}

impl<S: FromStatistic> StatisticFit<S> {
    pub(super) fn new(step: S) -> Self {
        StatisticFit { step, seen: step.statistic() }
    }
}

impl<S: FromStatistic> ColumnState for StatisticFit<S> {
    type Fitted = S::Fitted;
    type Seen = S::Statistic;

    fn update(&mut self, values: &ArrayRef, first_row: u64) -> Result<(), Error> {
        self.seen.take(values, first_row)
    }

    fn identity(&self) -> Self {
        Self::new(self.step)
    }

    fn merge(&mut self, other: &Self) {
        self.seen.merge(&other.seen);
    }

    fn seen(&self) -> impl Serialize {
        &self.seen
    }

    fn having_seen(&self, seen: Self::Seen) -> Option<Self> {
        seen.is_like(&self.seen).then_some(StatisticFit { step: self.step, seen })
    }

    fn heap_bytes(&self) -> usize {
        self.seen.heap_bytes()
    }

    fn finish(self) -> Result<Progress<Self>, Error> {
        Ok(Progress::Done(self.step.learn(&self.seen)))
    }
}
