//! `standard_scaler`: z = (x − u) / s with the mean u and the population's standard deviation s.
//!
//! Equals scikit-learn's `StandardScaler`, computed exactly: u and s are those of the true sums, rounded
//! once. A column without variance is centred and left unscaled. scikit-learn takes a variance below a bound
//! on its own rounding errors for zero; exact sums have no such errors, so here zero is zero.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `with_mean` | true | subtract u |
//! | `with_std` | true | divide by s |
//! | `copy` | true | nothing: input is never overwritten |
//!
//! Takes numbers and bools, gives float64; null stays null, and an infinity is refused. A column without
//! values becomes NaN. One pass; a column's state is a [`Moments`], 1.6 KiB.

use std::sync::Arc;

use arrow::array::ArrayRef;
use serde::{Deserialize, Serialize};

use super::statistic_fit::{FromStatistic, StatisticFit};
use crate::column::Column;
use crate::error::Error;
use crate::fitted_columns::FittedColumn;
use crate::numeric;
use crate::params::Params;
use crate::per_column::{ColumnStep, PerColumn};
use crate::stats::Moments;
use crate::step::{OutputColumn, Step};

/// The parameters of scikit-learn's class. `copy` is taken and has no effect: input is never overwritten.
#[derive(Clone, Copy, Debug)]
struct StandardScaler {
    with_mean: bool,
    with_std: bool,
}

pub(super) fn parse(params: &mut Params) -> Result<Box<dyn Step>, Error> {
    params.flag("copy", true)?;
    let step = StandardScaler {
        with_mean: params.flag("with_mean", true)?,
        with_std: params.flag("with_std", true)?,
    };
    Ok(PerColumn::boxed(step))
}

impl ColumnStep for StandardScaler {
    type State = StatisticFit<Self>;

    fn start(self: &Arc<Self>, _: usize, input: &Column) -> Result<StatisticFit<Self>, Error> {
        numeric::check_arithmetic(input)?;
        Ok(StatisticFit::new(**self))
    }

    fn preview(&self, _: usize, input: &Column) -> (Vec<Column>, bool) {
        (vec![Column::float64(&input.name)], true)
    }
}

impl FromStatistic for StandardScaler {
    type Statistic = Moments;
    type Fitted = Standardized;

    fn statistic(self) -> Moments {
        if self.with_std { Moments::new() } else { Moments::mean_only() }
    }

    fn learn(self, of: &Moments) -> Standardized {
        let mean = self.with_mean.then(|| of.mean()).flatten();
        let scale = self.with_std.then(|| of.std_dev()).flatten();
        // A deviation of zero is a constant column's, which is centred and left unscaled.
        let scale = scale.map(|s| if s == 0.0 { 1.0 } else { s });
        let is_empty = of.count() == 0 && (self.with_mean || self.with_std);
        Standardized { mean, scale, is_empty }
    }
}

/// What is learnt of a column. `None`: not centred, not scaled.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Standardized {
    mean: Option<f64>,
    scale: Option<f64>,
    /// Something was to be learnt and no value was seen.
    is_empty: bool,
}

impl FittedColumn for Standardized {
    fn is_sound(&self) -> bool {
        self.scale.is_none_or(|scale| scale > 0.0)
    }

    fn outputs(&self, input: &Column, _: bool) -> Result<Vec<OutputColumn>, Error> {
        numeric::check_arithmetic(input)?;
        Ok(vec![OutputColumn::plain(Column::float64(&input.name))])
    }

    fn transform(&self, values: &ArrayRef, _: &[Column], first_row: u64) -> Result<Vec<ArrayRef>, Error> {
        let floats = numeric::finite(values, first_row)?;
        let scaled = match (self.mean, self.scale) {
            // Nothing is known of a value: scikit-learn gives NaN.
            _ if self.is_empty => numeric::map(&floats, |_| f64::NAN),
            (Some(mean), Some(scale)) => numeric::map(&floats, |x| (x - mean) / scale),
            (Some(mean), None) => numeric::map(&floats, |x| x - mean),
            (None, Some(scale)) => numeric::map(&floats, |x| x / scale),
            (None, None) => floats,
        };
        Ok(vec![Arc::new(scaled)])
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}
