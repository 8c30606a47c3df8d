//! `quantile_transformer`: each value becomes the share of the column below it, or the normal quantile of that
//! share.
//!
//! Equals scikit-learn's `QuantileTransformer` on all rows: n quantiles at equal steps from the least value to the
//! greatest, between which shares are interpolated. A value that several quantiles have gets the middle of
//! their shares, but the ends get 0 and 1; so do values beyond them. Under `normal` a value within 1e-7 of an end
//! counts as that end, and results stay within −5.1993375826 and 5.1993375827, as the class has it.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `n_quantiles` | 1000 | quantiles, at most one for each row |
//! | `output_distribution` | uniform | or normal |
//! | `subsample`, `random_state` | 10000, none | nothing: every row counts |
//! | `ignore_implicit_zeros` | false | nothing: columns are dense |
//! | `copy` | true | nothing: input is never overwritten |
//! | `approximate` | false | one pass: quantiles of values cut to their leading bits (not in scikit-learn) |
//!
//! Takes numbers and bools, gives float64; null stays null, and an infinity is refused. A column without
//! values becomes NaN. A column's state is an [`OrderStatistics`](crate::stats::OrderStatistics), mostly under
//! 300 KiB, at most 1.1 MiB, and 200 bytes a quantile. Passes: one up to 14 335 distinct values; a
//! million take three under the defaults, ten million four; under `approximate` one for any number, where a quantile is too near to zero by at most a sixteenth of
//! itself, and as a rule by less than a thousandth: see [`cut_values`](crate::stats::OrderStatistics::cut_values).

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use serde::{Deserialize, Serialize};

use super::quantiles::{self, Found, Quantiles};
use crate::column::Column;
use crate::error::Error;
use crate::fitted_columns::FittedColumn;
use crate::numeric;
use crate::params::{ParamValue, Params};
use crate::per_column::{ColumnState, ColumnStep, PerColumn, Progress};
use crate::state_text::MOST_ROWS;
use crate::stats::{Level, OrderStatistics, QuantileMethod, normal_quantile};
use crate::step::{OutputColumn, Step};

/// So many that what is learnt of a column stays below a mebibyte.
const MOST_QUANTILES: u64 = 1 << 16;

/// How near to an end a value counts as the end, under normal output.
const NEAR: f64 = 1e-7;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Distribution {
    Uniform,
    Normal,
}

/// The parameters of scikit-learn's class; those that are not here are taken and have no effect.
#[derive(Clone, Copy, Debug)]
struct QuantileTransformer {
    n_quantiles: u64,
    output: Distribution,
    approximate: bool,
}

pub(super) fn parse(params: &mut Params) -> Result<Box<dyn Step>, Error> {
    params.flag("copy", true)?;
    params.flag("ignore_implicit_zeros", false)?;
    quantiles::sampling(params)?;
    let n_quantiles =
        params.read("n_quantiles", 1000, "a whole number from 1 to 65536", |value| match value {
            ParamValue::Int(n) => u64::try_from(*n).ok().filter(|n| (1..=MOST_QUANTILES).contains(n)),
            _ => None,
        })?;
    let output = params.choice(
        "output_distribution",
        &[("uniform", Distribution::Uniform), ("normal", Distribution::Normal)],
    )?;
    let approximate = quantiles::approximate(params)?;
    Ok(PerColumn::boxed(QuantileTransformer { n_quantiles, output, approximate }))
}

impl ColumnStep for QuantileTransformer {
    type State = Fitting;

    fn start(self: &Arc<Self>, _: usize, input: &Column) -> Result<Fitting, Error> {
        numeric::check_arithmetic(input)?;
        let quantiles = Quantiles::new(self.n_quantiles as usize, self.approximate);
        Ok(Fitting { step: **self, rows: 0, last: None, quantiles })
    }

    fn preview(&self, _: usize, input: &Column) -> (Vec<Column>, bool) {
        (vec![Column::float64(&input.name)], true)
    }
}

struct Fitting {
    step: QuantileTransformer,
    /// Rows of this pass, those without a value included: they count for the number of quantiles.
    rows: u64,
    /// The number of the last quantile, from 0, once a pass has ended.
    last: Option<u64>,
    quantiles: Quantiles,
}

impl ColumnState for Fitting {
    type Fitted = Ranked;
    type Seen = (u64, OrderStatistics);

    fn update(&mut self, values: &ArrayRef, first_row: u64) -> Result<(), Error> {
        self.rows += values.len() as u64;
        self.quantiles.update(&numeric::finite(values, first_row)?);
        Ok(())
    }

    fn identity(&self) -> Self {
        Fitting { rows: 0, quantiles: self.quantiles.identity(), ..*self }
    }

    fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.quantiles.merge(&other.quantiles);
    }

    fn seen(&self) -> impl Serialize {
        (self.rows, self.quantiles.seen())
    }

    fn having_seen(&self, seen: Self::Seen) -> Option<Self> {
        let (rows, order) = seen;
        let quantiles = self.quantiles.having_seen(order)?;
        (rows <= MOST_ROWS).then_some(Fitting { step: self.step, rows, last: self.last, quantiles })
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
        // Later passes are asked for the same ranks, whatever has become of the input.
        let last = self.last.unwrap_or_else(|| step.n_quantiles.min(self.rows).max(1) - 1);
        let levels: Vec<Level> = (0..=last).map(|step| Level::ratio(step, last.max(1))).collect();
        Ok(match self.quantiles.finish(&levels, QuantileMethod::Linear)? {
            Found::Done(quantiles) => Progress::Done(Ranked { quantiles, output: step.output }),
            Found::Again(quantiles) => {
                Progress::Again(Fitting { step, rows: 0, last: Some(last), quantiles })
            }
        })
    }
}

/// What is learnt of a column.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ranked {
    /// At equal steps from share 0 to 1, ascending; none for a column without values.
    quantiles: Vec<f64>,
    output: Distribution,
}

impl Ranked {
    /// The share that belongs to the `index`-th quantile.
    fn level(&self, index: usize) -> f64 {
        index as f64 / (self.quantiles.len() - 1).max(1) as f64
    }

    /// The share of the column below `x`, given that it has values.
    fn share(&self, x: f64) -> f64 {
        let quantiles = &self.quantiles;
        let last = quantiles.len() - 1;
        let (near, top) = (if self.output == Distribution::Normal { NEAR } else { 0.0 }, quantiles[last]);
        // Without a margin only the end itself counts as it: one value may be both, and is the lower.
        if x == quantiles[0] || x - near < quantiles[0] && near > 0.0 {
            return 0.0;
        }
        if x == top || x + near > top && near > 0.0 {
            return 1.0;
        }
        let (below, up_to) = (quantiles.partition_point(|q| *q < x), quantiles.partition_point(|q| *q <= x));
        if up_to == 0 {
            0.0
        } else if below > last {
            self.level(last)
        } else if below < up_to {
            (self.level(below) + self.level(up_to - 1)) / 2.0
        } else {
            let (low, high) = (quantiles[below - 1], quantiles[below]);
            let (start, end) = (self.level(below - 1), self.level(below));
            let part = if (high - low).is_finite() {
                (x - low) / (high - low)
            } else {
                (x / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0)
            };
            start + (end - start) * part
        }
    }
}

impl FittedColumn for Ranked {
    fn is_sound(&self) -> bool {
        self.quantiles.is_sorted()
    }

    fn outputs(&self, input: &Column, _: bool) -> Result<Vec<OutputColumn>, Error> {
        numeric::check_arithmetic(input)?;
        Ok(vec![OutputColumn::plain(Column::float64(&input.name))])
    }

    fn transform(&self, values: &ArrayRef, _: &[Column], first_row: u64) -> Result<Vec<ArrayRef>, Error> {
        let floats = numeric::finite(values, first_row)?;
        // Nothing is known of a value, and NaN is none: scikit-learn gives NaN.
        let share = |x: f64| if x.is_nan() || self.quantiles.is_empty() { f64::NAN } else { self.share(x) };
        let made = match self.output {
            Distribution::Uniform => numeric::map(&floats, share),
            Distribution::Normal => {
                // So that the inverse of the class, which has this margin too, finds the end again.
                let margin = NEAR - f64::EPSILON;
                let (least, most) = (normal_quantile(margin), normal_quantile(1.0 - margin));
                numeric::map(&floats, |x| normal_quantile(share(x)).clamp(least, most))
            }
        };
        Ok(vec![Arc::new(made)])
    }

    fn heap_bytes(&self) -> usize {
        self.quantiles.capacity() * size_of::<f64>()
    }
}
