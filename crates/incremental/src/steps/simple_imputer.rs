//! `simple_imputer`: missing values replaced by the mean, the median, the most frequent value or a constant.
//!
//! Equals scikit-learn's `SimpleImputer`. A column without one observed value is dropped unless
//! `keep_empty_features`. Among equally frequent values the smallest wins.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `strategy` | mean | or median, most_frequent, constant |
//! | `fill_value` | 0, false, "missing_value" | what constant fills with; dates and timestamps have no default |
//! | `missing_values` | null and NaN | another value that is missing; null is then refused |
//! | `add_indicator` | false | a column of 0 and 1 where the fit saw a missing value |
//! | `keep_empty_features` | false | a column without values is filled with 0 |
//! | `copy` | true | nothing: input is never overwritten |
//! | `approximate` | false | a median in one pass, of values cut to their leading bits (not in scikit-learn) |
//!
//! Mean and median give float64; the other strategies keep the column's type, or take the next that holds
//! the fill. One pass, but for a median, which takes up to four unless it may be approximate: see
//! [`cut_values`](OrderStatistics::cut_values).
//!
//! | strategy | a column's state |
//! |---|---|
//! | mean | a [`Moments`] without squares, 0.6 KiB |
//! | median | an [`OrderStatistics`], mostly under 300 KiB, at most 1.1 MiB |
//! | most_frequent | a [`Counts`], which grows with the distinct values |
//! | constant | nothing |

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::buffer::NullBuffer;
use arrow::compute::filter;
use serde::{Deserialize, Serialize};

use super::categories;
use super::fill;
use super::missing;
use super::quantiles;
use crate::column::{Column, ValueKind};
use crate::error::{Error, ErrorKind};
use crate::fitted_columns::FittedColumn;
use crate::numeric;
use crate::params::{ParamValue, Params};
use crate::per_column::{ColumnState, ColumnStep, PerColumn, Progress};
use crate::state_text::MOST_ROWS;
use crate::stats::{Category, Counts, Level, Moments, OrderStatistics, Outcome, QuantileMethod};
use crate::step::{OutputColumn, Step};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strategy {
    Mean,
    Median,
    MostFrequent,
    Constant,
}

/// The parameters of scikit-learn's class. `copy` is taken and has no effect: input is never overwritten.
#[derive(Debug)]
struct SimpleImputer {
    strategy: Strategy,
    fill_value: Option<ParamValue>,
    /// The value that counts as missing; `None` is null and NaN.
    missing_values: Option<ParamValue>,
    add_indicator: bool,
    keep_empty_features: bool,
    approximate: bool,
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
    let fill_value = params.read_optional("fill_value", "a number, a text or a bool", missing::scalar)?;
    Ok(PerColumn::boxed(SimpleImputer {
        strategy,
        fill_value,
        missing_values: missing::parse(params)?,
        add_indicator: params.flag("add_indicator", false)?,
        keep_empty_features: params.flag("keep_empty_features", false)?,
        approximate: quantiles::approximate(params)?,
    }))
}

impl SimpleImputer {
    fn makes_floats(&self) -> bool {
        matches!(self.strategy, Strategy::Mean | Strategy::Median)
    }

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
        categories::category_of("fill_value", value, kind)?
            .ok_or_else(|| Error::parameter("fill_value", value, "a value that is not missing itself"))
    }
}

impl ColumnStep for SimpleImputer {
    type State = Fitting;

    fn start(self: &Arc<Self>, _: usize, input: &Column) -> Result<Fitting, Error> {
        let statistic = match self.strategy {
            Strategy::Mean | Strategy::Median if !input.kind.is_arithmetic() => {
                let expected = "numbers under the strategies mean and median";
                return Err(Error::new(ErrorKind::WrongKind { expected, found: input.kind }));
            }
            Strategy::Mean => Statistic::Mean(Moments::mean_only()),
            Strategy::Median => Statistic::Median(Box::default()),
            Strategy::MostFrequent => Statistic::MostFrequent(Box::default()),
            Strategy::Constant => Statistic::Constant(self.constant(input.kind)?),
        };
        let missing_value = missing::category(self.missing_values.as_ref(), input.kind)?;
        Ok(Fitting {
            step: Arc::clone(self),
            kind: input.kind,
            missing_value,
            statistic,
            missing: 0,
            present: 0,
        })
    }

    fn preview(&self, _: usize, input: &Column) -> (Vec<Column>, bool) {
        let output = match self.strategy {
            Strategy::Mean | Strategy::Median => Column::float64(&input.name),
            _ => input.clone(),
        };
        // A column may still turn out empty and be dropped, get an indicator, or take the kind of its fill.
        let keeps_kind = match self.strategy {
            Strategy::Mean | Strategy::Median => true,
            Strategy::MostFrequent => input.kind != ValueKind::Null,
            Strategy::Constant => false,
        };
        (vec![output], self.keep_empty_features && !self.add_indicator && keeps_kind)
    }

    /// All but the fill, a column that is dropped for want of values, and whether there is an indicator.
    fn provisional(&self, input: &Column) -> Option<(Imputed, bool)> {
        let fill = match self.strategy {
            Strategy::Constant => self.constant(input.kind).ok()?,
            // The fill is one of the column's values, so that any of its kind leaves it the same type.
            _ => match input.kind {
                ValueKind::Bool => Category::Bool(false),
                ValueKind::Int | ValueKind::Null => Category::Int(0),
                ValueKind::Float => Category::float(0.0)?,
                ValueKind::Date => Category::Date(0),
                ValueKind::Timestamp => Category::Timestamp(0),
                ValueKind::Text => Category::text(""),
            },
        };
        let imputed = Imputed {
            fill: Some(fill),
            awaits_fill: true,
            makes_floats: self.makes_floats(),
            missing_value: missing::category(self.missing_values.as_ref(), input.kind).ok()?,
            indicator: self.add_indicator,
        };
        Some((imputed, true))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Statistic {
    Mean(Moments),
    Median(Box<OrderStatistics>),
    MostFrequent(Box<Counts>),
    Constant(Category),
}

struct Fitting {
    step: Arc<SimpleImputer>,
    kind: ValueKind,
    missing_value: Option<Category>,
    statistic: Statistic,
    missing: u64,
    present: u64,
}

impl ColumnState for Fitting {
    type Fitted = Imputed;
    type Seen = (u64, u64, Statistic);

    fn update(&mut self, values: &ArrayRef, first_row: u64) -> Result<(), Error> {
        let observed = missing::observed(values, self.missing_value.as_ref(), first_row)?;
        let missing = observed.as_ref().map_or(0, NullBuffer::null_count) as u64;
        self.missing += missing;
        self.present += values.len() as u64 - missing;
        match &mut self.statistic {
            Statistic::Constant(_) => numeric::refuse_infinities(values, first_row)?,
            Statistic::MostFrequent(counts) => {
                numeric::refuse_infinities(values, first_row)?;
                match (&self.missing_value, &observed) {
                    (Some(_), Some(observed)) => {
                        let observed = BooleanArray::new(observed.inner().clone(), None);
                        categories::count(counts, &filter(values, &observed)?)?;
                    }
                    _ => categories::count(counts, values)?,
                }
            }
            Statistic::Mean(moments) if self.missing_value.is_none() => {
                numeric::add_to_moments(moments, values, first_row)?;
            }
            Statistic::Mean(moments) => {
                let floats = numeric::finite(values, first_row)?;
                moments.update(&numeric::valid(&floats, observed.as_ref()));
            }
            Statistic::Median(order) => {
                let floats = numeric::finite(values, first_row)?;
                order.update(&numeric::valid(&floats, observed.as_ref()));
            }
        }
        Ok(())
    }

    fn identity(&self) -> Self {
        let statistic = match &self.statistic {
            Statistic::Mean(_) => Statistic::Mean(Moments::mean_only()),
            Statistic::Median(order) => Statistic::Median(Box::new(order.identity())),
            Statistic::MostFrequent(_) => Statistic::MostFrequent(Box::default()),
            Statistic::Constant(fill) => Statistic::Constant(fill.clone()),
        };
        Fitting {
            step: Arc::clone(&self.step),
            missing_value: self.missing_value.clone(),
            statistic,
            missing: 0,
            present: 0,
            ..*self
        }
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

    fn seen(&self) -> impl Serialize {
        (self.missing, self.present, &self.statistic)
    }

    fn having_seen(&self, seen: Self::Seen) -> Option<Self> {
        let (missing, present, statistic) = seen;
        let is_of_pass = match (&self.statistic, &statistic) {
            (Statistic::Mean(own), Statistic::Mean(seen)) => seen.is_like(own),
            (Statistic::Median(own), Statistic::Median(seen)) => seen.is_sibling(own),
            (Statistic::MostFrequent(_), Statistic::MostFrequent(seen)) => {
                seen.present().saturating_add(seen.missing()) <= MOST_ROWS
            }
            (Statistic::Constant(own), Statistic::Constant(seen)) => own == seen,
            _ => false,
        };
        if !is_of_pass || missing.saturating_add(present) > MOST_ROWS {
            return None;
        }
        let missing_value = self.missing_value.clone();
        Some(Fitting { step: Arc::clone(&self.step), missing_value, statistic, missing, present, ..*self })
    }

    fn may_need_more(&self) -> bool {
        matches!(self.statistic, Statistic::Median(_)) && !self.step.approximate
    }

    fn heap_bytes(&self) -> usize {
        match &self.statistic {
            Statistic::Mean(moments) => moments.heap_bytes(),
            Statistic::Median(order) => size_of::<OrderStatistics>() + order.heap_bytes(),
            Statistic::MostFrequent(counts) => size_of::<Counts>() + counts.bytes_ahead(),
            Statistic::Constant(_) => 0,
        }
    }

    fn update_bytes(&self, values: &ArrayRef) -> usize {
        match &self.statistic {
            Statistic::MostFrequent(counts) => {
                let growth = counts.growth_bytes(values.len(), categories::text_bytes(values));
                self.heap_bytes().max(size_of::<Counts>() + counts.heap_bytes() + growth)
            }
            _ => self.heap_bytes(),
        }
    }

    fn merge_bytes(&self, other: &Self) -> usize {
        match (&self.statistic, &other.statistic) {
            (Statistic::MostFrequent(counts), Statistic::MostFrequent(others)) => {
                self.heap_bytes().max(size_of::<Counts>() + counts.merge_bytes(others))
            }
            _ => self.heap_bytes() + other.heap_bytes(),
        }
    }

    fn finish_bytes(&self) -> usize {
        match &self.statistic {
            // One value is taken out of it, the longest text at the most.
            Statistic::MostFrequent(counts) => self.heap_bytes() + counts.longest_text(),
            Statistic::Median(order) => self.heap_bytes() - order.heap_bytes() + order.finish_bytes(2),
            _ => 2 * self.heap_bytes(),
        }
    }

    fn finish(self) -> Result<Progress<Self>, Error> {
        let Fitting { step, kind, missing_value, statistic, missing, present } = self;
        let fill = match statistic {
            Statistic::Mean(moments) => moments.mean().and_then(Category::float),
            Statistic::Median(order) if step.approximate => {
                let median = order.cut_quantiles(&[Level::ratio(1, 2)], QuantileMethod::Linear);
                median.first().copied().and_then(Category::float)
            }
            Statistic::Median(order) => match order.finish_median() {
                Ok(Outcome::Done(median)) => median.and_then(Category::float),
                Ok(Outcome::Again(next)) => {
                    let statistic = Statistic::Median(Box::new(next));
                    // The next pass sees the same rows again.
                    let (missing, present) = (0, 0);
                    return Ok(Progress::Again(Fitting {
                        step,
                        kind,
                        missing_value,
                        statistic,
                        missing,
                        present,
                    }));
                }
                Err(_) => return Err(Error::new(ErrorKind::InputChanged)),
            },
            Statistic::MostFrequent(counts) => counts.most_frequent().map(|(category, _)| category),
            Statistic::Constant(fill) => (present > 0 || step.keep_empty_features).then_some(fill),
        };
        let makes_floats = step.makes_floats();
        let fill = match fill {
            Some(fill) => Some(fill),
            None if !step.keep_empty_features => None,
            // The class fills an empty column with 0, whatever the strategy.
            None if kind == ValueKind::Text => Some(Category::text("0")),
            None if kind == ValueKind::Bool && !makes_floats => Some(Category::Bool(false)),
            None => Some(Category::Int(0)),
        };
        let indicator = step.add_indicator && missing > 0;
        Ok(Progress::Done(Imputed { fill, awaits_fill: false, makes_floats, missing_value, indicator }))
    }
}

/// What is learnt of a column. No fill: the column had no value and is dropped.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Imputed {
    fill: Option<Category>,
    /// The step is not fitted yet: the fill is one of its kind, and what is missing is null.
    #[serde(skip)]
    awaits_fill: bool,
    /// Values become float64, as under mean and median.
    makes_floats: bool,
    missing_value: Option<Category>,
    indicator: bool,
}

impl FittedColumn for Imputed {
    fn is_sound(&self) -> bool {
        match &self.fill {
            // An Arrow integer is made of it.
            Some(Category::Int(value)) => (i64::MIN.into()..=u64::MAX.into()).contains(value),
            Some(Category::Float(_)) | None => true,
            Some(_) => !self.makes_floats,
        }
    }

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
        let observed = missing::observed(values, self.missing_value.as_ref(), first_row)?;
        numeric::refuse_infinities(values, first_row)?;
        let mut arrays = Vec::new();
        let mut outputs = outputs.iter();
        if let Some(fill) = &self.fill
            && let Some(output) = outputs.next()
        {
            arrays.push(if self.awaits_fill {
                fill::leave_null(values, observed.as_ref(), &output.data_type)?
            } else {
                fill::fill(values, observed.as_ref(), fill, &output.data_type)?
            });
        }
        if self.indicator
            && let Some(output) = outputs.next()
        {
            arrays.push(fill::indicate(values.len(), observed.as_ref(), &output.data_type)?);
        }
        Ok(arrays)
    }

    fn is_row_wise(&self) -> bool {
        // What an earlier step fills is neither flagged nor, unless it is that value, missing.
        self.awaits_fill && self.missing_value.is_none() && !self.indicator
    }

    fn filled(&self, output: &Column) -> Result<Option<ArrayRef>, Error> {
        self.fill.as_ref().map(|fill| fill::one(fill, &output.data_type)).transpose()
    }

    fn heap_bytes(&self) -> usize {
        let text = |category: &Option<Category>| match category {
            Some(Category::Text(text)) => text.len(),
            _ => 0,
        };
        text(&self.fill) + text(&self.missing_value)
    }
}
