//! `power_transformer`: a power of each value that makes the column as normal as a power can.
//!
//! Equals scikit-learn's `PowerTransformer`. λ is where the slope of the profile likelihood
//! −½·ln var(z) + (λ − 1)·mean(ln of the slope of z at λ = 2) is zero, by exact sums of z, its derivative and their
//! products, to 1e-11 of the data's own unit; scipy's search leaves about 1e-8.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `method` | yeo-johnson | z = ((1 + x)^λ − 1)/λ from 0 on, −((1 − x)^(2−λ) − 1)/(2 − λ) below; box-cox: z = (x^λ − 1)/λ, of positive values only |
//! | `standardize` | true | z is centred and divided by its standard deviation |
//! | `copy` | true | nothing: input is never overwritten |
//!
//! Takes numbers and bools, gives float64; null stays null, and an infinity is refused, as is a value from 0 down
//! under box-cox. Under yeo-johnson a constant column has λ = 1, and one without values becomes NaN; under box-cox both
//! are refused.
//!
//! Five passes as a rule, at most seventeen: one over the logarithms, the others at up to eight λ each. A column's
//! state is a [`Moments`] and an [`Extrema`] in the first, 1.6 KiB, and a [`Comoments`] for each λ in the others, 26 KiB;
//! a value costs one exponential and five exact additions for each λ.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array};
use serde::{Deserialize, Serialize};

use super::power_curve::{Curve, Method};
use super::power_search::{Knot, Next, Search};
use crate::column::Column;
use crate::error::{Error, ErrorKind};
use crate::fitted_columns::FittedColumn;
use crate::numeric;
use crate::params::Params;
use crate::per_column::{ColumnState, ColumnStep, PerColumn, Progress};
use crate::stats::{Comoments, ExactSum, Extrema, Moments};
use crate::step::{OutputColumn, Step};

/// Rows that the curve is computed for at a time.
const BLOCK: usize = 1024;

/// The parameters of scikit-learn's class. `copy` is taken and has no effect: input is never overwritten.
#[derive(Clone, Copy, Debug)]
struct PowerTransformer {
    method: Method,
    standardize: bool,
}

pub(super) fn parse(params: &mut Params) -> Result<Box<dyn Step>, Error> {
    params.flag("copy", true)?;
    let method =
        params.choice("method", &[("yeo-johnson", Method::YeoJohnson), ("box-cox", Method::BoxCox)])?;
    Ok(PerColumn::boxed(PowerTransformer { method, standardize: params.flag("standardize", true)? }))
}

impl ColumnStep for PowerTransformer {
    type State = Fitting;

    fn start(self: &Arc<Self>, _: usize, input: &Column) -> Result<Fitting, Error> {
        numeric::check_arithmetic(input)?;
        let stage = Stage::Survey { extrema: Extrema::new(), logs: Moments::new() };
        Ok(Fitting { step: **self, stage })
    }

    fn preview(&self, _: usize, input: &Column) -> (Vec<Column>, bool) {
        (vec![Column::float64(&input.name)], true)
    }
}

/// The values as finite floats, positive ones under Box-Cox.
fn checked(method: Method, values: &ArrayRef, first_row: u64) -> Result<Float64Array, Error> {
    let floats = numeric::finite(values, first_row)?;
    if method == Method::BoxCox
        && let Some(row) = floats.iter().position(|value| value.is_some_and(|x| x <= 0.0))
    {
        let expected = "a positive number, as Box-Cox takes them (`method = \"yeo-johnson\"` takes all)";
        let found = floats.value(row).to_string();
        return Err(Error::new(ErrorKind::Value { found, expected }).in_row(first_row + row as u64));
    }
    Ok(floats)
}

struct Fitting {
    step: PowerTransformer,
    stage: Stage,
}

enum Stage {
    /// The first pass: what the search is laid out by.
    Survey {
        extrema: Extrema,
        logs: Moments,
    },
    Search(Box<Pass>),
}

/// What was seen, in one of the passes.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Seen {
    Survey(Extrema, Moments),
    /// The logarithms, then for each λ what its values and derivatives came to.
    Search(ExactSum, Vec<Comoments>),
}

impl Stage {
    fn seen(&self) -> Seen {
        match self {
            Stage::Survey { extrema, logs } => Seen::Survey(extrema.clone(), logs.clone()),
            Stage::Search(pass) => {
                let points = pass.points.iter().map(|(_, comoments)| comoments.clone());
                Seen::Search(pass.logs.clone(), points.collect())
            }
        }
    }
}

/// A pass at some λ.
struct Pass {
    curve: Curve,
    search: Search,
    /// Σ of the signed logarithms.
    logs: ExactSum,
    /// For each λ how the curve's values vary, and their derivatives with them.
    points: Vec<(f64, Comoments)>,
}

impl Pass {
    fn new(curve: Curve, search: Search, points: Vec<f64>) -> Pass {
        let points = points.into_iter().map(|lambda| (lambda, Comoments::new())).collect();
        Pass { curve, search, logs: ExactSum::new(), points }
    }

    fn identity(&self) -> Pass {
        Pass::new(self.curve, self.search.clone(), self.points.iter().map(|(lambda, _)| *lambda).collect())
    }

    fn update(&mut self, values: &[f64]) {
        for block in values.chunks(BLOCK) {
            let present: Vec<f64> = block.iter().copied().filter(|x| !x.is_nan()).collect();
            let logs: Vec<f64> = present.iter().map(|x| self.curve.signed_log(*x)).collect();
            self.logs.add_slice(&logs);
            for (lambda, comoments) in &mut self.points {
                let at = present.iter().zip(&logs).map(|(x, log)| {
                    let (value, slope) = self.curve.value_and_slope(*lambda, *x, *log);
                    // What is no number makes the whole λ one that is left out.
                    if slope.is_nan() { (f64::INFINITY, f64::INFINITY) } else { (value, slope) }
                });
                let (values, slopes): (Vec<f64>, Vec<f64>) = at.unzip();
                comoments.update(&values, &slopes);
            }
        }
    }

    fn merge(&mut self, other: &Pass) {
        self.logs.merge(&other.logs);
        for ((_, comoments), (_, other)) in self.points.iter_mut().zip(&other.points) {
            comoments.merge(other);
        }
    }

    fn heap_bytes(&self) -> usize {
        let point =
            |(_, comoments): &(f64, Comoments)| size_of::<(f64, Comoments)>() + comoments.heap_bytes();
        size_of::<Pass>() + self.logs.heap_bytes() + self.points.iter().map(point).sum::<usize>()
    }

    /// The points of the pass with what was seen at each of them.
    fn having_seen(&self, seen: Vec<Comoments>) -> Option<Vec<(f64, Comoments)>> {
        let is_like = |(own, seen): (&(f64, Comoments), &Comoments)| seen.first().is_like(own.1.first());
        let is_of_pass = seen.len() == self.points.len() && self.points.iter().zip(&seen).all(is_like);
        is_of_pass.then(|| self.points.iter().map(|(lambda, _)| *lambda).zip(seen).collect())
    }

    /// What the pass says of each λ.
    fn knots(&self) -> Vec<Knot> {
        let count = self.points.first().map_or(0, |(_, comoments)| comoments.first().count());
        let mean_log = self.logs.to_f64() / count as f64;
        let knot = |(lambda, comoments): &(f64, Comoments)| {
            let std_dev = comoments.first().std_dev().unwrap_or(f64::NAN);
            Knot {
                lambda: *lambda,
                slope: mean_log - comoments.regression().unwrap_or(f64::NAN),
                likelihood: mean_log * lambda - std_dev.ln(),
                mean: comoments.first().mean().unwrap_or(f64::NAN),
                std_dev,
            }
        };
        self.points.iter().map(knot).collect()
    }
}

impl ColumnState for Fitting {
    type Fitted = Powered;
    type Seen = Seen;

    fn update(&mut self, values: &ArrayRef, first_row: u64) -> Result<(), Error> {
        let floats = checked(self.step.method, values, first_row)?;
        let values = numeric::valid(&floats, floats.nulls());
        match &mut self.stage {
            Stage::Survey { extrema, logs } => {
                extrema.update(&values);
                for block in values.chunks(BLOCK) {
                    logs.update(&block.iter().map(|x| self.step.method.signed_log(*x)).collect::<Vec<_>>());
                }
            }
            Stage::Search(pass) => pass.update(&values),
        }
        Ok(())
    }

    fn identity(&self) -> Self {
        let stage = match &self.stage {
            Stage::Survey { .. } => Stage::Survey { extrema: Extrema::new(), logs: Moments::new() },
            Stage::Search(pass) => Stage::Search(Box::new(pass.identity())),
        };
        Fitting { step: self.step, stage }
    }

    fn merge(&mut self, other: &Self) {
        match (&mut self.stage, &other.stage) {
            (Stage::Survey { extrema, logs }, Stage::Survey { extrema: others, logs: other_logs }) => {
                extrema.merge(others);
                logs.merge(other_logs);
            }
            (Stage::Search(pass), Stage::Search(other)) => pass.merge(other),
            _ => {}
        }
    }

    fn seen(&self) -> impl Serialize {
        self.stage.seen()
    }

    fn having_seen(&self, seen: Self::Seen) -> Option<Self> {
        let stage = match (&self.stage, seen) {
            (Stage::Survey { logs: own, .. }, Seen::Survey(extrema, logs)) if logs.is_like(own) => {
                Stage::Survey { extrema, logs }
            }
            (Stage::Search(pass), Seen::Search(logs, points)) => {
                let points = pass.having_seen(points)?;
                Stage::Search(Box::new(Pass { curve: pass.curve, search: pass.search.clone(), logs, points }))
            }
            _ => return None,
        };
        Some(Fitting { step: self.step, stage })
    }

    fn may_need_more(&self) -> bool {
        true
    }

    fn heap_bytes(&self) -> usize {
        match &self.stage {
            Stage::Survey { logs, .. } => logs.heap_bytes(),
            Stage::Search(pass) => pass.heap_bytes(),
        }
    }

    fn finish(self) -> Result<Progress<Self>, Error> {
        let step = self.step;
        let pass = match self.stage {
            Stage::Survey { extrema, logs } => match begin(step, &extrema, &logs)? {
                Begun::Known(fitted) => return Ok(Progress::Done(fitted)),
                Begun::Search(pass) => {
                    return Ok(Progress::Again(Fitting { step, stage: Stage::Search(pass) }));
                }
            },
            Stage::Search(pass) => pass,
        };
        let knots = pass.knots();
        let Pass { curve, mut search, .. } = *pass;
        Ok(match search.next(knots) {
            Next::Points(points) => {
                let stage = Stage::Search(Box::new(Pass::new(curve, search, points)));
                Progress::Again(Fitting { step, stage })
            }
            Next::Done(knot) => Progress::Done(Powered::new(step, curve, knot)),
            Next::Nowhere => {
                return Err(Error::contradiction(
                    "spans so much that no power of it has a variance; clip it or scale it first",
                ));
            }
        })
    }
}

enum Begun {
    Known(Powered),
    Search(Box<Pass>),
}

/// What comes after the first pass.
fn begin(step: PowerTransformer, extrema: &Extrema, logs: &Moments) -> Result<Begun, Error> {
    let ends = extrema.min().zip(extrema.max());
    let known = |center: Option<f64>| {
        let standard = center.filter(|_| step.standardize).map(|center| (center, 1.0));
        let curve = Curve::plain(step.method);
        Begun::Known(Powered {
            curve,
            lambda: 1.0,
            standard,
            standardize: step.standardize,
            is_empty: center.is_none(),
        })
    };
    let (min, max) = match ends {
        None if step.method == Method::BoxCox => {
            return Err(Error::contradiction(
                "has no value to find a power for; leave it out, or fill it first",
            ));
        }
        Some((min, max)) if step.method == Method::BoxCox && min == max => {
            return Err(Error::contradiction(
                "has one value only, for which Box-Cox has no power; leave it out",
            ));
        }
        None => return Ok(known(None)),
        Some((min, max)) if min == max => return Ok(known(Some(min))),
        Some(ends) => ends,
    };
    let mean_log = logs.mean().unwrap_or(0.0);
    let curve = Curve::new(step.method, (min, max), mean_log);
    // Logarithms of values that hardly differ are rounded, and then the ends say more of how much they do.
    let reach = curve.signed_log(min).abs().max(curve.signed_log(max).abs());
    let deviation = logs.std_dev().filter(|deviation| *deviation > 1e-9 * mean_log.abs());
    let unit = 1.0 / deviation.unwrap_or(reach / 2.0);
    let search = Search::new(curve.range((min, max)), unit.min(1e300));
    // A column of two sides that spans many magnitudes is still near the identity, by its own unit far away.
    let spread = if min < 0.0 && max > 0.0 { unit.max(0.5) } else { unit };
    let points = search.first_points(curve.centre(), spread);
    Ok(Begun::Search(Box::new(Pass::new(curve, search, points))))
}

/// What is learnt of a column.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Powered {
    lambda: f64,
    curve: Curve,
    /// Mean and deviation of the curve's values.
    standard: Option<(f64, f64)>,
    standardize: bool,
    /// No value was seen.
    is_empty: bool,
}

impl Powered {
    fn new(step: PowerTransformer, curve: Curve, knot: Knot) -> Powered {
        let standard = step.standardize.then_some((knot.mean, knot.std_dev));
        Powered { curve, lambda: knot.lambda, standard, standardize: step.standardize, is_empty: false }
    }
}

impl FittedColumn for Powered {
    fn is_sound(&self) -> bool {
        let is_complete = self.standard.is_some() == (self.standardize && !self.is_empty);
        self.curve.is_sound() && is_complete && self.standard.is_none_or(|(_, deviation)| deviation > 0.0)
    }

    fn outputs(&self, input: &Column, _: bool) -> Result<Vec<OutputColumn>, Error> {
        numeric::check_arithmetic(input)?;
        Ok(vec![OutputColumn::plain(Column::float64(&input.name))])
    }

    fn transform(&self, values: &ArrayRef, _: &[Column], first_row: u64) -> Result<Vec<ArrayRef>, Error> {
        let method = self.curve.method();
        let floats = checked(method, values, first_row)?;
        let made = match self.standard {
            // Nothing is known of a value: scikit-learn gives NaN.
            _ if self.is_empty => numeric::map(&floats, |_| f64::NAN),
            Some((mean, deviation)) => {
                numeric::map(&floats, |x| (self.curve.value(self.lambda, x) - mean) / deviation)
            }
            None => numeric::map(&floats, |x| method.value(self.lambda, x)),
        };
        Ok(vec![Arc::new(made)])
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use num_bigint::BigInt;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::stats::{round_ratio, round_sqrt_ratio};

    /// All float64 are whole multiples of 2^-1074, the unit here.
    fn units(x: f64) -> BigInt {
        let (mantissa, exponent, sign) = num_traits::Float::integer_decode(x);
        // A subnormal number's mantissa is in units of 2^-1075, and even.
        ((BigInt::from(mantissa) * sign) << (i64::from(exponent) + 1075) as u64) >> 1
    }

    fn fitted(step: PowerTransformer, parts: &[&[f64]]) -> Option<Powered> {
        let stage = Stage::Survey { extrema: Extrema::new(), logs: Moments::new() };
        let mut state = Fitting { step, stage };
        loop {
            let empty = state.identity();
            for part in parts {
                let mut other = empty.identity();
                let values: ArrayRef = Arc::new(Float64Array::from(part.to_vec()));
                other.update(&values, 0).ok()?;
                state.merge(&other);
            }
            match state.finish().ok()? {
                Progress::Done(fitted) => return Some(fitted),
                Progress::Again(next) => state = next,
            }
        }
    }

    /// Values that hardly differ beside their size, tiny ones and large ones.
    fn hard() -> impl Strategy<Value = Vec<f64>> {
        let offset = prop::sample::select(vec![0.1, 1.5, 1e9, 1e15, 1e-300, 1e100]);
        offset.prop_flat_map(|offset| {
            let step = prop_oneof![0.0..1e-9, 0.0..1.0, Just(0.0)];
            let value = prop_oneof![
                9 => step.prop_map(move |step| offset * (1.0 + step)),
                1 => prop::sample::select(vec![5e-324, 1e-12, 1.0, 1e12]),
            ];
            vec(value, 2..60)
        })
    }

    proptest! {
        #[test]
        fn the_mean_and_deviation_of_the_curves_values_are_the_nearest_floats(
            values in hard(),
            negate in any::<bool>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let method = if negate { Method::YeoJohnson } else { Method::BoxCox };
            let values: Vec<f64> = values.into_iter().map(|x| if negate { -x } else { x }).collect();
            let step = PowerTransformer { method, standardize: true };
            let (head, tail) = values.split_at(cut.index(values.len()));
            let Some(fitted) = fitted(step, &[tail, head]) else { return Ok(()) };
            let Some((mean, deviation)) = fitted.standard else { return Ok(()) };
            if values.iter().all(|x| *x == values[0]) {
                prop_assert_eq!((mean, deviation), (values[0], 1.0));
                return Ok(());
            }
            let curve = &fitted.curve;
            let made = values.iter().map(|x| curve.value_and_slope(fitted.lambda, *x, curve.signed_log(*x)).0);
            let made: Vec<BigInt> = made.map(units).collect();
            let n = BigInt::from(made.len());
            let sum: BigInt = made.iter().sum();
            let spread = &n * made.iter().map(|x| x * x).sum::<BigInt>() - &sum * &sum;
            let expected_mean = round_ratio(&sum, n.magnitude(), -1074);
            let expected = round_sqrt_ratio(spread.magnitude(), (&n * &n).magnitude(), -2148);
            prop_assert_eq!((mean.to_bits(), deviation.to_bits()), (expected_mean.to_bits(), expected.to_bits()));
        }
    }

    #[test]
    fn hard_columns_have_a_power() {
        let values: Vec<f64> = (0..50).map(|n| 1e9 * (1.0 + f64::from(n * n) * 1e-10)).collect();
        for method in [Method::BoxCox, Method::YeoJohnson] {
            assert!(fitted(PowerTransformer { method, standardize: true }, &[&values]).is_some());
        }
    }
}
