//! `count_encoder`: each category by the number of rows that have it, or by their share.
//!
//! Named and parameterised after `CountEncoder` of category_encoders. Missing is a category and counted as
//! one. Counts are floats, stored in an integer type where storage is narrow.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `normalize` | false | shares of all rows in place of counts |
//! | `min_group_size` | none | smaller groups share their total: rows, or a share of all rows |
//! | `combine_min_nan_groups` | true | a small group of missing values is one of them; false: never; force: whatever its size |
//! | `handle_unknown` | value | an unseen category counts 0; return_nan; error; or the whole number that it gets |
//! | `handle_missing` | value | missing is counted; return_nan: it stays missing; error |
//! | `min_group_name`, `verbose`, `return_df` | | nothing: a group's name is no part of its count |
//! | `drop_invariant` | false | true is refused: `variance_threshold` does that |
//!
//! Groups are combined if there are two or more small ones, and some category besides missing stays large. A
//! share as `min_group_size` is one of the rows also where counts are not normalized, as the class documents it.
//!
//! One pass; a column's state is a [`Counts`](crate::stats::Counts), which grows with the distinct values.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use super::number_type;
use super::vocabulary::{UNKNOWN, Vocabulary, VocabularyFit};
use crate::column::{Column, ValueKind};
use crate::error::{Error, ErrorKind};
use crate::fitted_columns::FittedColumn;
use crate::numeric;
use crate::params::{ParamValue, Params};
use crate::per_column::{ColumnState, ColumnStep, PerColumn, Progress};
use crate::stats::{Counts, round_ratio};
use crate::step::{OutputColumn, Step};

/// From how many rows on a group stands for itself.
#[derive(Clone, Copy, Debug)]
enum MinGroupSize {
    Rows(u64),
    Share(f64),
}

/// Whether missing joins the small groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CombineMissing {
    IfSmall,
    Never,
    Always,
}

/// What an unseen category gets; no number is NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HandleUnknown {
    Error,
    Value(Option<i64>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HandleMissing {
    Value,
    ReturnNan,
    Error,
}

#[derive(Debug)]
struct CountEncoder {
    normalize: bool,
    min_group_size: Option<MinGroupSize>,
    combine_missing: CombineMissing,
    handle_unknown: HandleUnknown,
    handle_missing: HandleMissing,
}

pub(super) fn parse(params: &mut Params) -> Result<Box<dyn Step>, Error> {
    let normalize = params.flag("normalize", false)?;
    let expected = "a number of rows from 0, or a share of them between 0 and 1";
    let min_group_size = params.read_optional("min_group_size", expected, |value| match *value {
        ParamValue::Int(rows @ 0..) => Some(MinGroupSize::Rows(rows as u64)),
        ParamValue::Float(share) if share > 0.0 && share < 1.0 => Some(MinGroupSize::Share(share)),
        _ => None,
    })?;
    let expected = "true, false or \"force\"";
    let combine_missing = params.read_optional("combine_min_nan_groups", expected, |value| match value {
        ParamValue::Bool(true) => Some(CombineMissing::IfSmall),
        ParamValue::Bool(false) => Some(CombineMissing::Never),
        ParamValue::Text(word) if word == "force" => Some(CombineMissing::Always),
        _ => None,
    })?;
    let name = params.read_optional("min_group_name", "a text", |value| match value {
        ParamValue::Text(_) => Some(()),
        _ => None,
    })?;
    let expected = "\"value\", \"return_nan\", \"error\" or a whole number";
    let default = HandleUnknown::Value(Some(0));
    let handle_unknown = params.read("handle_unknown", default, expected, |value| match value {
        ParamValue::Int(value) => Some(HandleUnknown::Value(Some(*value))),
        ParamValue::Text(word) => match word.as_str() {
            "value" | "none" => Some(default),
            "return_nan" => Some(HandleUnknown::Value(None)),
            "error" => Some(HandleUnknown::Error),
            _ => None,
        },
        _ => None,
    })?;
    let handle_missing = params.choice(
        "handle_missing",
        &[
            ("value", HandleMissing::Value),
            ("return_nan", HandleMissing::ReturnNan),
            ("error", HandleMissing::Error),
        ],
    )?;
    params.read("drop_invariant", (), "false; `variance_threshold` drops such columns", |value| {
        (*value == ParamValue::Bool(false)).then_some(())
    })?;
    params.read("verbose", (), "a whole number", |v| matches!(v, ParamValue::Int(_)).then_some(()))?;
    params.flag("return_df", true)?;
    if min_group_size.is_none() {
        let needs_size = [
            ("combine_min_nan_groups", combine_missing.is_some_and(|c| c != CombineMissing::IfSmall)),
            ("min_group_name", name.is_some()),
        ];
        if let Some((name, _)) = needs_size.into_iter().find(|(_, is_given)| *is_given) {
            return Err(Error::parameter(name, "given", "`min_group_size` beside it"));
        }
    }
    if combine_missing == Some(CombineMissing::Always) && handle_missing == HandleMissing::ReturnNan {
        let expected = "true or false under `handle_missing = \"return_nan\"`";
        return Err(Error::parameter("combine_min_nan_groups", "\"force\"", expected));
    }
    let combine_missing = combine_missing.unwrap_or(CombineMissing::IfSmall);
    Ok(PerColumn::boxed(CountEncoder {
        normalize,
        min_group_size,
        combine_missing,
        handle_unknown,
        handle_missing,
    }))
}

impl ColumnStep for CountEncoder {
    type State = Fitting;

    fn start(self: &Arc<Self>, _: usize, input: &Column) -> Result<Fitting, Error> {
        Ok(Fitting { step: Arc::clone(self), vocabulary: VocabularyFit::new(input.kind, None, false) })
    }

    fn preview(&self, _: usize, input: &Column) -> (Vec<Column>, bool) {
        (vec![Column::float64(&input.name)], true)
    }
}

struct Fitting {
    step: Arc<CountEncoder>,
    vocabulary: VocabularyFit,
}

impl ColumnState for Fitting {
    type Fitted = Counted;
    type Seen = Counts;
    const INSTEAD: Option<&'static str> = Some("feature_hasher");

    fn update(&mut self, values: &ArrayRef, first_row: u64) -> Result<(), Error> {
        if self.step.handle_missing == HandleMissing::Error {
            refuse_missing(values, first_row)?;
        }
        self.vocabulary.update(values, first_row)
    }

    fn identity(&self) -> Self {
        Fitting { step: Arc::clone(&self.step), vocabulary: self.vocabulary.identity() }
    }

    fn merge(&mut self, other: &Self) {
        self.vocabulary.merge(&other.vocabulary);
    }

    fn seen(&self) -> impl Serialize {
        self.vocabulary.seen()
    }

    fn having_seen(&self, seen: Self::Seen) -> Option<Self> {
        Some(Fitting { step: Arc::clone(&self.step), vocabulary: self.vocabulary.having_seen(seen)? })
    }

    fn heap_bytes(&self) -> usize {
        self.vocabulary.heap_bytes()
    }

    fn update_bytes(&self, values: &ArrayRef) -> usize {
        self.vocabulary.update_bytes(values)
    }

    fn merge_bytes(&self, other: &Self) -> usize {
        self.vocabulary.merge_bytes(&other.vocabulary)
    }

    fn finish_bytes(&self) -> usize {
        // Counts, which of them are small, and counts as they are encoded.
        self.vocabulary.finish_bytes(size_of::<u64>() + size_of::<bool>() + size_of::<f64>())
    }

    fn finish(self) -> Result<Progress<Self>, Error> {
        let (vocabulary, mut counts) = self.vocabulary.finish()?;
        self.step.combine(&mut counts, &vocabulary);
        let encoded = |count: u64| {
            if self.step.normalize {
                round_ratio(&count.into(), &vocabulary.rows.into(), 0)
            } else {
                count as f64
            }
        };
        Ok(Progress::Done(Counted {
            counts: counts.into_iter().map(encoded).collect(),
            is_whole: !self.step.normalize,
            handle_unknown: self.step.handle_unknown,
            handle_missing: self.step.handle_missing,
            vocabulary,
        }))
    }
}

impl CountEncoder {
    /// Gives the small groups their total. Missing, if it occurs, is the last count.
    fn combine(&self, counts: &mut [u64], vocabulary: &Vocabulary) {
        let least = match self.min_group_size {
            None => return,
            Some(MinGroupSize::Rows(rows)) => rows as f64,
            Some(MinGroupSize::Share(share)) => share * vocabulary.rows as f64,
        };
        let named = vocabulary.categories();
        let is_small = |(place, count): (usize, &u64)| {
            let by_size = (*count as f64) < least;
            if place < named {
                return by_size;
            }
            match self.combine_missing {
                // It has no count to add.
                _ if self.handle_missing == HandleMissing::ReturnNan => false,
                CombineMissing::IfSmall => by_size,
                CombineMissing::Never => false,
                CombineMissing::Always => true,
            }
        };
        let small: Vec<bool> = counts.iter().enumerate().map(is_small).collect();
        let all_named = small.iter().take(named).all(|is_small| *is_small);
        let members = || small.iter().enumerate().filter(|(_, is_small)| **is_small).map(|(place, _)| place);
        if members().nth(1).is_some() && !all_named {
            let total = members().map(|place| counts[place]).sum();
            members().for_each(|place| counts[place] = total);
        }
    }
}

fn refuse_missing(values: &ArrayRef, first_row: u64) -> Result<(), Error> {
    let observed = numeric::observed(values)?;
    match observed.and_then(|observed| observed.iter().position(|is_there| !is_there)) {
        None => Ok(()),
        Some(row) => {
            let expected = "a value under `handle_missing = \"error\"`";
            let error = Error::new(ErrorKind::Value { found: "null".into(), expected });
            Err(error.in_row(first_row + row as u64))
        }
    }
}

/// What is learnt of a column.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Counted {
    vocabulary: Vocabulary,
    /// What each category is encoded as, missing the last, if it occurs.
    counts: Vec<f64>,
    /// Whether counts are whole numbers.
    is_whole: bool,
    handle_unknown: HandleUnknown,
    handle_missing: HandleMissing,
}

impl FittedColumn for Counted {
    fn is_sound(&self) -> bool {
        // Arrow integers are made of whole counts.
        let whole = |count: &f64| count.fract() == 0.0 && (0.0..9e15).contains(count);
        self.counts.len() == self.vocabulary.categories() + usize::from(self.vocabulary.has_missing)
            && (!self.is_whole || self.counts.iter().all(whole))
    }

    fn outputs(&self, input: &Column, narrow: bool) -> Result<Vec<OutputColumn>, Error> {
        self.vocabulary.check(input)?;
        let mut output = Column::float64(&input.name);
        if narrow && self.is_whole {
            let greatest = self.counts.iter().fold(0.0, |greatest: f64, count| greatest.max(*count)) as i64;
            let unknown = match self.handle_unknown {
                HandleUnknown::Value(Some(value)) => value,
                _ => 0,
            };
            output.data_type = number_type::narrowest_integer(unknown.min(0), unknown.max(greatest));
        }
        Ok(vec![OutputColumn { column: Column { kind: ValueKind::Float, ..output }, category: None }])
    }

    fn transform(
        &self,
        values: &ArrayRef,
        outputs: &[Column],
        first_row: u64,
    ) -> Result<Vec<ArrayRef>, Error> {
        if self.handle_missing == HandleMissing::Error {
            refuse_missing(values, first_row)?;
        }
        // Behind the counts: missing that stays missing.
        const MISSING: u32 = UNKNOWN - 1;
        let mut places = self.vocabulary.encode(values, first_row)?;
        if self.handle_missing == HandleMissing::ReturnNan
            && let Some(observed) = numeric::observed(values)?
        {
            for (place, is_there) in places.iter_mut().zip(&observed) {
                *place = if is_there { *place } else { MISSING };
            }
        }
        let unknown = match self.handle_unknown {
            HandleUnknown::Value(value) => value.map(|value| value as f64),
            HandleUnknown::Error => match places.iter().position(|place| *place == UNKNOWN) {
                Some(row) => return Err(Vocabulary::unknown(values, row, first_row)),
                None => None,
            },
        };
        let count = |place: u32| match self.counts.get(place as usize) {
            Some(count) => Some(*count),
            None if place == UNKNOWN => unknown,
            None => None,
        };
        let counts: Float64Array = places.into_iter().map(count).collect();
        Ok(vec![cast(&counts, outputs.first().map_or(&DataType::Float64, |c| &c.data_type))?])
    }

    fn heap_bytes(&self) -> usize {
        self.vocabulary.heap_bytes() + self.counts.capacity() * size_of::<f64>()
    }
}
