//! `variance_threshold`: drops the columns whose variance is not above a threshold.
//!
//! Equals scikit-learn's `VarianceThreshold`, with the exact variance of the population, compared without
//! rounding: a column of one value is dropped, and one whose values differ at all stays under the default.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `threshold` | 0 | a column stays if its variance is above |
//!
//! Takes numbers and bools, and leaves the columns that stay as they are. Missing values are left out, an
//! infinity is refused, and so is data of which no column stays. One pass; a column's state is a [`Moments`],
//! 1.6 KiB.

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

#[derive(Clone, Copy, Debug)]
struct VarianceThreshold {
    threshold: f64,
}

pub(super) fn parse(params: &mut Params) -> Result<Box<dyn Step>, Error> {
    let threshold = params.read("threshold", 0.0, "a number from 0", |value| {
        value.as_f64().filter(|threshold| *threshold >= 0.0 && threshold.is_finite())
    })?;
    Ok(PerColumn::boxed(VarianceThreshold { threshold }))
}

impl ColumnStep for VarianceThreshold {
    type State = StatisticFit<Self>;

    fn start(self: &Arc<Self>, _: usize, input: &Column) -> Result<StatisticFit<Self>, Error> {
        numeric::check_arithmetic(input)?;
        Ok(StatisticFit::new(**self))
    }

    fn preview(&self, _: usize, input: &Column) -> (Vec<Column>, bool) {
        (vec![input.clone()], false)
    }

    /// All but whether the column stays.
    fn provisional(&self, _: &Column) -> Option<(Chosen, bool)> {
        Some((Chosen { stays: true, threshold: self.threshold }, false))
    }
}

impl FromStatistic for VarianceThreshold {
    type Statistic = Moments;
    type Fitted = Chosen;

    fn statistic(self) -> Moments {
        Moments::new()
    }

    fn learn(self, of: &Moments) -> Chosen {
        let stays = of.varies_more_than(self.threshold).unwrap_or(false);
        Chosen { stays, threshold: self.threshold }
    }
}

/// What is learnt of a column.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chosen {
    stays: bool,
    threshold: f64,
}

impl FittedColumn for Chosen {
    fn is_sound(&self) -> bool {
        true
    }

    fn check_together(columns: &[&Self]) -> Result<(), Error> {
        match columns {
            [first, ..] if columns.iter().all(|column| !column.stays) => Err(Error::contradiction(format!(
                "no column has a variance above `threshold = {}`; lower it, or leave the step out",
                first.threshold
            ))),
            _ => Ok(()),
        }
    }

    fn outputs(&self, input: &Column, _: bool) -> Result<Vec<OutputColumn>, Error> {
        Ok(if self.stays { vec![OutputColumn::plain(input.clone())] } else { Vec::new() })
    }

    fn transform(&self, values: &ArrayRef, _: &[Column], _: u64) -> Result<Vec<ArrayRef>, Error> {
        Ok(if self.stays { vec![Arc::clone(values)] } else { Vec::new() })
    }

    fn is_row_wise(&self) -> bool {
        self.stays
    }

    fn width(&self) -> usize {
        usize::from(self.stays)
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}
