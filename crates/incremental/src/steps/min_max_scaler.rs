//! `min_max_scaler`: x scaled so that the fitted minimum and maximum become the ends of `feature_range`.
//!
//! Equals scikit-learn's `MinMaxScaler`. It writes the result as x·scale + min, which cancels far from
//! zero; here it is (x − data_min) / (data_max − data_min) · (high − low) + low, the same in exact arithmetic
//! and right at any offset.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `feature_range` | [0, 1] | low and high |
//! | `clip` | false | what a transform puts beyond the range becomes its end |
//! | `copy` | true | nothing: input is never overwritten |
//!
//! Takes numbers and bools, gives float64; null stays null, and an infinity is refused. A column without
//! values becomes NaN. One pass; a column's state is an [`Extrema`], 24 bytes.

use std::sync::Arc;

use arrow::array::ArrayRef;
use serde::{Deserialize, Serialize};

use super::statistic_fit::{FromStatistic, StatisticFit};
use crate::column::Column;
use crate::error::Error;
use crate::fitted_columns::FittedColumn;
use crate::numeric;
use crate::params::{ParamValue, Params};
use crate::per_column::{ColumnStep, PerColumn};
use crate::stats::Extrema;
use crate::step::{OutputColumn, Step};

/// The parameters of scikit-learn's class. `copy` is taken and has no effect: input is never overwritten.
#[derive(Clone, Copy, Debug)]
struct MinMaxScaler {
    range: (f64, f64),
    clip: bool,
}

pub(super) fn parse(params: &mut Params) -> Result<Box<dyn Step>, Error> {
    params.flag("copy", true)?;
    let expected = "two finite numbers, the smaller first, such as [0, 1]";
    let range = params.read("feature_range", (0.0, 1.0), expected, |value| {
        let ParamValue::List(ends) = value else { return None };
        let [low, high] = ends.as_slice() else { return None };
        let (low, high) = (low.as_f64()?, high.as_f64()?);
        (low < high && low.is_finite() && high.is_finite()).then_some((low, high))
    })?;
    Ok(PerColumn::boxed(MinMaxScaler { range, clip: params.flag("clip", false)? }))
}

impl ColumnStep for MinMaxScaler {
    type State = StatisticFit<Self>;

    fn start(self: &Arc<Self>, _: usize, input: &Column) -> Result<StatisticFit<Self>, Error> {
        numeric::check_arithmetic(input)?;
        Ok(StatisticFit::new(**self))
    }

    fn preview(&self, _: usize, input: &Column) -> (Vec<Column>, bool) {
        (vec![Column::float64(&input.name)], true)
    }
}

impl FromStatistic for MinMaxScaler {
    type Statistic = Extrema;
    type Fitted = Ranged;

    fn statistic(self) -> Extrema {
        Extrema::new()
    }

    fn learn(self, of: &Extrema) -> Ranged {
        let (low, high) = self.range;
        Ranged { data: of.min().zip(of.max()), low, high, clip: self.clip }
    }
}

/// What is learnt of a column: the extrema of its data, `None` if it has no value.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ranged {
    data: Option<(f64, f64)>,
    low: f64,
    high: f64,
    clip: bool,
}

impl FittedColumn for Ranged {
    fn is_sound(&self) -> bool {
        self.low < self.high && self.data.is_none_or(|(min, max)| min <= max)
    }

    fn outputs(&self, input: &Column, _: bool) -> Result<Vec<OutputColumn>, Error> {
        numeric::check_arithmetic(input)?;
        Ok(vec![OutputColumn::plain(Column::float64(&input.name))])
    }

    fn transform(&self, values: &ArrayRef, _: &[Column], first_row: u64) -> Result<Vec<ArrayRef>, Error> {
        let floats = numeric::finite(values, first_row)?;
        let Some((min, max)) = self.data else {
            // Nothing was seen, so nothing is known of a value: scikit-learn gives NaN.
            let scaled = numeric::map(&floats, |_| f64::NAN);
            return Ok(vec![Arc::new(scaled)]);
        };
        let (low, high, clip) = (self.low, self.high, self.clip);
        let span = max - min;
        // A constant column is shifted and not scaled.
        let span = numeric::scale_or_one(span);
        let scaled = numeric::map(&floats, |x| {
            let scaled = if span.is_finite() {
                (x - min) / span * (high - low) + low
            } else {
                // The span overflows, so both are halved first.
                (x / 2.0 - min / 2.0) / (max / 2.0 - min / 2.0) * (high - low) + low
            };
            if clip { scaled.clamp(low, high) } else { scaled }
        });
        Ok(vec![Arc::new(scaled)])
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}
