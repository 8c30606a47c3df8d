//! `max_abs_scaler`: x / m with the largest magnitude m of the column, so that zero stays zero.
//!
//! Equals scikit-learn's `MaxAbsScaler`. A magnitude under ten machine epsilons (2.2e-15) counts as none, and
//! the column is left unscaled.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `clip` | false | what a transform puts beyond −1 and 1 becomes that end |
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
use crate::params::Params;
use crate::per_column::{ColumnStep, PerColumn};
use crate::stats::Extrema;
use crate::step::{OutputColumn, Step};

/// The parameters of scikit-learn's class. `copy` is taken and has no effect: input is never overwritten.
#[derive(Clone, Copy, Debug)]
struct MaxAbsScaler {
    clip: bool,
}

pub(super) fn parse(params: &mut Params) -> Result<Box<dyn Step>, Error> {
    params.flag("copy", true)?;
    Ok(PerColumn::boxed(MaxAbsScaler { clip: params.flag("clip", false)? }))
}

impl ColumnStep for MaxAbsScaler {
    type State = StatisticFit<Self>;

    fn start(self: &Arc<Self>, _: usize, input: &Column) -> Result<StatisticFit<Self>, Error> {
        numeric::check_arithmetic(input)?;
        Ok(StatisticFit::new(**self))
    }

    fn preview(&self, _: usize, input: &Column) -> (Vec<Column>, bool) {
        (vec![Column::float64(&input.name)], true)
    }
}

impl FromStatistic for MaxAbsScaler {
    type Statistic = Extrema;
    type Fitted = Scaled;

    fn statistic(self) -> Extrema {
        Extrema::new()
    }

    fn learn(self, of: &Extrema) -> Scaled {
        let ends = of.min().zip(of.max());
        let scale = ends.map(|(min, max)| numeric::scale_or_one(min.abs().max(max.abs())));
        Scaled { scale, clip: self.clip }
    }
}

/// What is learnt of a column. No scale: it has no value.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scaled {
    scale: Option<f64>,
    clip: bool,
}

impl FittedColumn for Scaled {
    fn is_sound(&self) -> bool {
        self.scale.is_none_or(|scale| scale > 0.0)
    }

    fn outputs(&self, input: &Column, _: bool) -> Result<Vec<OutputColumn>, Error> {
        numeric::check_arithmetic(input)?;
        Ok(vec![OutputColumn::plain(Column::float64(&input.name))])
    }

    fn transform(&self, values: &ArrayRef, _: &[Column], first_row: u64) -> Result<Vec<ArrayRef>, Error> {
        let floats = numeric::finite(values, first_row)?;
        let scaled = match self.scale {
            Some(scale) if self.clip => numeric::map(&floats, |x| (x / scale).clamp(-1.0, 1.0)),
            Some(scale) => numeric::map(&floats, |x| x / scale),
            // Nothing was seen, so nothing is known of a value: scikit-learn gives NaN.
            None => numeric::map(&floats, |_| f64::NAN),
        };
        Ok(vec![Arc::new(scaled)])
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}
