//! `robust_scaler`: (x − median) / (q2 − q1), so that outliers do not matter.
//!
//! Equals scikit-learn's `RobustScaler`, with quantiles that are interpolated exactly and rounded once. A range
//! under ten machine epsilons (2.2e-15) counts as none, and the column is centred and left unscaled.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `with_centering` | true | subtract the median |
//! | `with_scaling` | true | divide by the range |
//! | `quantile_range` | [25, 75] | q1 and q2, in percent |
//! | `unit_variance` | false | the range is divided by that of the standard normal distribution |
//! | `copy` | true | nothing: input is never overwritten |
//! | `approximate` | false | one pass: quantiles of values cut to their leading bits (not in scikit-learn) |
//!
//! Takes numbers and bools, gives float64; null stays null, and an infinity is refused. A column without
//! values becomes NaN. Nearly always one or two passes, at most five, and none where nothing is to be learnt; a
//! column's state is an [`OrderStatistics`](crate::stats::OrderStatistics), mostly under 300 KiB and at most
//! 1.1 MiB. Under `approximate` a quantile is too near to zero by at most a sixteenth of itself, and as a rule by
//! less than a thousandth: see [`cut_values`](crate::stats::OrderStatistics::cut_values).

use std::sync::Arc;

use arrow::array::ArrayRef;
use serde::{Deserialize, Serialize};

use super::quantiles::{self, Found, Quantiles};
use crate::column::Column;
use crate::error::Error;
use crate::fitted_columns::FittedColumn;
use crate::numeric;
use crate::params::{ParamValue, Params};
use crate::per_column::{ColumnState, ColumnStep, PerColumn, Progress};
use crate::stats::{Level, OrderStatistics, QuantileMethod, normal_quantile};
use crate::step::{OutputColumn, Step};

/// The parameters of scikit-learn's class. `copy` is taken and has no effect: input is never overwritten.
#[derive(Clone, Debug)]
struct RobustScaler {
    with_centering: bool,
    with_scaling: bool,
    /// The range of a column whose scale is 1.
    unit: f64,
    approximate: bool,
    /// The levels of both quantiles and of the median between them.
    levels: [Level; 3],
}

pub(super) fn parse(params: &mut Params) -> Result<Box<dyn Step>, Error> {
    params.flag("copy", true)?;
    let expected = "two numbers from 0 to 100, the smaller first, such as [25, 75]";
    let default = ((25.0, 75.0), Level::ratio(1, 4), Level::ratio(3, 4));
    let (range, low, high) = params.read("quantile_range", default, expected, |value| {
        let ParamValue::List(ends) = value else { return None };
        let [low, high] = ends.as_slice() else { return None };
        let (low, high) = (low.as_f64()?, high.as_f64()?);
        (low <= high).then_some(((low, high), Level::percent(low)?, Level::percent(high)?))
    })?;
    let unit_variance = params.flag("unit_variance", false)?;
    let normal = normal_quantile(range.1 / 100.0) - normal_quantile(range.0 / 100.0);
    if unit_variance && !(normal.is_finite() && normal > 0.0) {
        let found = format!("[{}, {}]", range.0, range.1);
        let expected = "two different numbers between 0 and 100 under `unit_variance`";
        return Err(Error::parameter("quantile_range", found, expected));
    }
    Ok(PerColumn::boxed(RobustScaler {
        with_centering: params.flag("with_centering", true)?,
        with_scaling: params.flag("with_scaling", true)?,
        unit: if unit_variance { normal } else { 1.0 },
        approximate: quantiles::approximate(params)?,
        levels: [low, Level::ratio(1, 2), high],
    }))
}

impl ColumnStep for RobustScaler {
    type State = Fitting;

    fn start(self: &Arc<Self>, _: usize, input: &Column) -> Result<Fitting, Error> {
        numeric::check_arithmetic(input)?;
        Ok(Fitting { step: Arc::clone(self), quantiles: Quantiles::new(self.levels.len(), self.approximate) })
    }

    fn preview(&self, _: usize, input: &Column) -> (Vec<Column>, bool) {
        (vec![Column::float64(&input.name)], true)
    }
}

struct Fitting {
    step: Arc<RobustScaler>,
    quantiles: Quantiles,
}

impl ColumnState for Fitting {
    type Fitted = Centred;
    type Seen = OrderStatistics;

    fn update(&mut self, values: &ArrayRef, first_row: u64) -> Result<(), Error> {
        self.quantiles.update(&numeric::finite(values, first_row)?);
        Ok(())
    }

    fn identity(&self) -> Self {
        Fitting { step: Arc::clone(&self.step), quantiles: self.quantiles.identity() }
    }

    fn merge(&mut self, other: &Self) {
        self.quantiles.merge(&other.quantiles);
    }

    fn seen(&self) -> impl Serialize {
        self.quantiles.seen()
    }

    fn having_seen(&self, seen: Self::Seen) -> Option<Self> {
        Some(Fitting { step: Arc::clone(&self.step), quantiles: self.quantiles.having_seen(seen)? })
    }

    fn may_need_more(&self) -> bool {
        self.quantiles.may_need_more()
    }

    fn heap_bytes(&self) -> usize {
        self.quantiles.heap_bytes()
    }

    fn finish_bytes(&self) -> usize {
        self.quantiles.finish_bytes()
    }

    fn finish(self) -> Result<Progress<Self>, Error> {
        let step = self.step;
        let found = match self.quantiles.finish(&step.levels, QuantileMethod::Linear)? {
            Found::Done(found) => found,
            Found::Again(quantiles) => return Ok(Progress::Again(Fitting { step, quantiles })),
        };
        let [low, median, high] = found[..] else {
            return Ok(Progress::Done(Centred { center: None, scale: None, halved: false, is_empty: true }));
        };
        // A range that overflows has a half.
        let halved = high - low == f64::INFINITY;
        let range = if halved { high / 2.0 - low / 2.0 } else { numeric::scale_or_one(high - low) };
        let scale = step.with_scaling.then_some((range / step.unit).min(f64::MAX));
        let center = step.with_centering.then_some(median);
        Ok(Progress::Done(Centred { center, scale, halved, is_empty: false }))
    }

    fn without_rows(&self) -> Option<Centred> {
        let learns = self.step.with_centering || self.step.with_scaling;
        (!learns).then_some(Centred { center: None, scale: None, halved: false, is_empty: false })
    }
}

/// What is learnt of a column. `None`: not centred, not scaled.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Centred {
    center: Option<f64>,
    scale: Option<f64>,
    /// The scale is half of what it stands for.
    halved: bool,
    /// Something was to be learnt and no value was seen.
    is_empty: bool,
}

impl FittedColumn for Centred {
    fn is_sound(&self) -> bool {
        self.scale.is_none_or(|scale| scale > 0.0)
    }

    fn outputs(&self, input: &Column, _: bool) -> Result<Vec<OutputColumn>, Error> {
        numeric::check_arithmetic(input)?;
        Ok(vec![OutputColumn::plain(Column::float64(&input.name))])
    }

    fn transform(&self, values: &ArrayRef, _: &[Column], first_row: u64) -> Result<Vec<ArrayRef>, Error> {
        let floats = numeric::finite(values, first_row)?;
        let scaled = match (self.center, self.scale) {
            // Nothing is known of a value: scikit-learn gives NaN.
            _ if self.is_empty => numeric::map(&floats, |_| f64::NAN),
            (Some(center), Some(scale)) if self.halved => {
                numeric::map(&floats, |x| (x / 2.0 - center / 2.0) / scale)
            }
            (None, Some(scale)) if self.halved => numeric::map(&floats, |x| x / 2.0 / scale),
            (Some(center), Some(scale)) => numeric::map(&floats, |x| (x - center) / scale),
            (Some(center), None) => numeric::map(&floats, |x| x - center),
            (None, Some(scale)) => numeric::map(&floats, |x| x / scale),
            (None, None) => floats,
        };
        Ok(vec![Arc::new(scaled)])
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}
