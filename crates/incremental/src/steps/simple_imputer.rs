//! `simple_imputer`: missing values replaced by the mean, the median, the most frequent value or a constant.
//!
//! Equals scikit-learn's `SimpleImputer`. A column without one observed value is dropped unless
//! `keep_empty_features`. Among equally frequent values the smallest wins.

use arrow::array::{Array, ArrayRef};
use serde::{Deserialize, Serialize};

use super::fill;
use super::vocabulary;
use crate::column::{Column, ValueKind};
use crate::error::{Error, ErrorKind};
use crate::numeric;
use crate::params::{ParamValue, Params};
use crate::per_column::{ColumnState, ColumnStep, FittedColumn, PerColumn, Progress};
use crate::stats::{Category, Counts, Moments, OrderStatistics, Outcome};
use crate::step::{OutputColumn, Step};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    Mean,
    Median,
    MostFrequent,
    Constant,
}

/// The parameters of scikit-learn's class. `copy` is taken and has no effect: input is never overwritten.
#[derive(Clone, Debug)]
struct SimpleImputer {
    strategy: Strategy,
    fill_value: Option<ParamValue>,
    /// The value that counts as missing; `None` is null and NaN.
    missing_values: Option<ParamValue>,
    add_indicator: bool,
    keep_empty_features: bool,
}

pub(super) fn parse(params: &mut Params) -> Result<Box<dyn Step>, Error> {
    params.flag("copy", true)?;
    let strategy = params.choice(
        "strategy",
        &[
            ("mean", Strategy::Mean),
            ("median", Strategy::Median),
            ("most_frequent", Strategy::MostFrequent),
            ("constant", Strategy::Constant),
        ],
    )?;
    let scalar = |value: &ParamValue| match value {
        ParamValue::List(_) | ParamValue::Other(_) => None,
        value => Some(value.clone()),
    };
    let fill_value = params.read_optional("fill_value", "a number, a text or a bool", scalar)?;
    let missing_values = params.read_optional("missing_values", "a number, a text or nan", scalar)?;
    Ok(PerColumn::boxed(SimpleImputer {
        strategy,
        fill_value,
        missing_values: missing_values.filter(|v| !v.as_f64().is_some_and(f64::is_nan)),
        add_indicator: params.flag("add_indicator", false)?,
        keep_empty_features: params.flag("keep_empty_features", false)?,
    }))
}

impl SimpleImputer {
    /// What `constant` fills a column of `kind` with.
    fn constant(&self, kind: ValueKind) -> Result<Category, Error> {
        let Some(value) = &self.fill_value else {
            return match kind {
                ValueKind::Text => Ok(Category::text("missing_value")),
                ValueKind::Bool => Ok(Category::Bool(false)),
                ValueKind::Date | ValueKind::Timestamp => Err(Error::parameter(
                    "fill_value",
                    "not given",
                    format!("a {kind} such as \"2020-01-31\""),
                )),
                _ => Ok(Category::Int(0)),
            };
        };
        vocabulary::category_of(value, kind)?
            .ok_or_else(|| Error::parameter("fill_value", value, "a value that is not missing itself"))
    }
}

impl ColumnStep for SimpleImputer {
    type State = Fitting;

    fn start(&self, _: usize, input: &Column) -> Result<Fitting, Error> {
        let statistic = match self.strategy {
            Strategy::Mean | Strategy::Median if !input.kind.is_arithmetic() => {
                let expected = "numbers under the strategies mean and median";
                return Err(Error::new(ErrorKind::WrongKind { expected, found: input.kind }));
            }
            Strategy::Mean => Statistic::Mean(Moments::mean_only()),
            Strategy::Median => Statistic::Median(Box::default()),
            Strategy::MostFrequent => Statistic::MostFrequent(Counts::new()),
            Strategy::Constant => Statistic::Constant(self.constant(input.kind)?),
        };
        let missing_value = match &self.missing_values {
            None => None,
            Some(value) => vocabulary::category_of(value, input.kind)?,
        };
        Ok(Fitting { step: self.clone(), kind: input.kind, missing_value, statistic, missing: 0, present: 0 })
    }

    fn preview(&self, _: usize, input: &Column) -> (Vec<Column>, bool) {
        let output = match self.strategy {
            Strategy::Mean | Strategy::Median => Column::float64(&input.name),
            _ => input.clone(),
        };
        // A column may still turn out empty and be dropped, or get an indicator.
        (vec![output], self.keep_empty_features && !self.add_indicator && self.strategy != Strategy::Constant)
    }
}

#[derive(Clone)]
enum Statistic {
    Mean(Moments),
    Median(Box<OrderStatistics>),
    MostFrequent(Counts),
    Constant(Category),
}

#[derive(Clone)]
struct Fitting {
    step: SimpleImputer,
    kind: ValueKind,
    missing_value: Option<Category>,
    statistic: Statistic,
    missing: u64,
    present: u64,
}

impl ColumnState for Fitting {
    type Fitted = Imputed;

    fn update(&mut self, values: &ArrayRef, first_row: u64) -> Result<(), Error> {
        let missing = missing_mask(values, self.kind, self.missing_value.as_ref(), first_row)?;
        let absent = missing.iter().filter(|m| **m).count() as u64;
        self.missing += absent;
        self.present += missing.len() as u64 - absent;
        match &mut self.statistic {
            Statistic::Constant(_) => {}
            Statistic::MostFrequent(counts) if self.missing_value.is_none() => {
                vocabulary::count(counts, values)?
            }
            Statistic::MostFrequent(counts) => {
                for (category, missing) in vocabulary::categories_of(values)?.iter().zip(&missing) {
                    match category {
                        Some(category) if !missing => counts.add(category, 1),
                        _ => counts.add_missing(1),
                    }
                }
            }
            Statistic::Mean(moments) => {
                let floats = numeric::as_float64(values)?;
                numeric::check_finite(&floats, first_row)?;
                moments.update(&fill::observed(&floats, &missing));
            }
            Statistic::Median(order) => {
                let floats = numeric::as_float64(values)?;
                numeric::check_finite(&floats, first_row)?;
                order.update(&fill::observed(&floats, &missing));
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: &Self) {
        self.missing += other.missing;
        self.present += other.present;
        match (&mut self.statistic, &other.statistic) {
            (Statistic::Mean(a), Statistic::Mean(b)) => a.merge(b),
            (Statistic::Median(a), Statistic::Median(b)) => a.merge(b),
            (Statistic::MostFrequent(a), Statistic::MostFrequent(b)) => a.merge(b),
            _ => {}
        }
    }

    fn heap_bytes(&self) -> usize {
        match &self.statistic {
            Statistic::Mean(moments) => moments.heap_bytes(),
            Statistic::Median(order) => size_of::<OrderStatistics>() + order.heap_bytes(),
            Statistic::MostFrequent(counts) => counts.heap_bytes(),
            Statistic::Constant(_) => 0,
        }
    }

    fn finish(self) -> Result<Progress<Self>, Error> {
        let Fitting { step, kind, missing_value, statistic, missing, present } = self;
        let fill = match statistic {
            Statistic::Mean(moments) => moments.mean().and_then(Category::float),
            Statistic::Median(order) => match order.finish_median() {
                Ok(Outcome::Done(median)) => median.and_then(Category::float),
                Ok(Outcome::Again(next)) => {
                    let statistic = Statistic::Median(Box::new(next));
                    // The next pass sees the same rows again.
                    return Ok(Progress::Again(Fitting {
                        step,
                        kind,
                        missing_value,
                        statistic,
                        missing: 0,
                        present: 0,
                    }));
                }
                Err(_) => return Err(Error::new(ErrorKind::InputChanged)),
            },
            Statistic::MostFrequent(counts) => counts.most_frequent().map(|(category, _)| category),
            Statistic::Constant(fill) => (present > 0 || step.keep_empty_features).then_some(fill),
        };
        let makes_floats = matches!(step.strategy, Strategy::Mean | Strategy::Median);
        let fill = match fill {
            Some(fill) => Some(fill),
            None if !step.keep_empty_features => None,
            // The class fills an empty column with 0, whatever the strategy.
            None if kind == ValueKind::Text => Some(Category::text("0")),
            None if kind == ValueKind::Bool && !makes_floats => Some(Category::Bool(false)),
            None => Some(Category::Int(0)),
        };
        let indicator = step.add_indicator && missing > 0;
        Ok(Progress::Done(Imputed { fill, makes_floats, missing_value, indicator }))
    }
}

/// Which rows are missing: null and NaN, or the value that stands for missing.
fn missing_mask(
    values: &ArrayRef,
    kind: ValueKind,
    missing_value: Option<&Category>,
    first_row: u64,
) -> Result<Vec<bool>, Error> {
    let missing = numeric::missing_mask(values, kind);
    let Some(missing_value) = missing_value else { return Ok(missing) };
    if let Some(row) = missing.iter().position(|m| *m) {
        // As the class: with another value for missing, nobody says what a null is.
        let expected = "no null where `missing_values` names another value";
        return Err(
            Error::new(ErrorKind::Value { found: "null".into(), expected }).in_row(first_row + row as u64)
        );
    }
    let categories = vocabulary::categories_of(values)?;
    Ok(categories.iter().map(|category| category.as_ref() == Some(missing_value)).collect())
}

/// What is learnt of a column. No fill: the column had no value and is dropped.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Imputed {
    fill: Option<Category>,
    /// Values become float64, as under mean and median.
    makes_floats: bool,
    missing_value: Option<Category>,
    indicator: bool,
}

impl FittedColumn for Imputed {
    fn outputs(&self, input: &Column, narrow: bool) -> Result<Vec<OutputColumn>, Error> {
        let mut outputs = Vec::new();
        if let Some(fill) = &self.fill {
            let output = if self.makes_floats {
                numeric::check_arithmetic(input)?;
                Column::float64(&input.name)
            } else {
                fill::output(input, fill, narrow)?
            };
            outputs.push(OutputColumn::plain(output));
        }
        if self.indicator {
            outputs.push(OutputColumn::plain(fill::indicator(&input.name, narrow)));
        }
        Ok(outputs)
    }

    fn transform(
        &self,
        values: &ArrayRef,
        outputs: &[Column],
        first_row: u64,
    ) -> Result<Vec<ArrayRef>, Error> {
        let kind = ValueKind::of(values.data_type()).unwrap_or(ValueKind::Text);
        let missing = missing_mask(values, kind, self.missing_value.as_ref(), first_row)?;
        let mut arrays = Vec::new();
        let mut outputs = outputs.iter();
        if let (Some(fill), Some(output)) = (&self.fill, outputs.next()) {
            arrays.push(fill::fill(values, &missing, fill, &output.data_type)?);
        }
        if let (true, Some(output)) = (self.indicator, outputs.next()) {
            arrays.push(fill::indicate(&missing, &output.data_type)?);
        }
        Ok(arrays)
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}
