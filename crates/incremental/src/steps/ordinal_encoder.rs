//! `ordinal_encoder`: each category by its place among the sorted categories, from 0.
//!
//! Equals scikit-learn's `OrdinalEncoder`. Codes are floats as the class gives them; stored narrow they are
//! the same numbers in an integer type. NaN codes are null.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `categories` | auto | for each column of `columns` the list of its categories, in the order of codes |
//! | `min_frequency`, `max_categories` | none | which categories share the code behind all others |
//! | `handle_unknown` | error | use_encoded_value: an unseen category gets `unknown_value` |
//! | `unknown_value` | none | a whole number or nan |
//! | `encoded_missing_value` | nan | the code of missing |
//! | `dtype` | none | the narrowest integer where storage is narrow, else float64 |
//!
//! The class lets `unknown_value` be the code of the infrequent; here it may be the code of no category.
//!
//! One pass; a column's state is a [`Counts`](crate::stats::Counts), which grows with the distinct values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use super::grouping::{self, Grouping};
use super::number_type;
use super::vocabulary::{UNKNOWN, Vocabulary, VocabularyFit};
use crate::column::{Column, ValueKind};
use crate::error::Error;
use crate::fitted_columns::FittedColumn;
use crate::params::{ParamValue, Params};
use crate::per_column::{ColumnState, ColumnStep, PerColumn, Progress};
use crate::stats::Counts;
use crate::step::{OutputColumn, Step};

/// What an unseen category gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HandleUnknown {
    Error,
    /// This code; `None` is NaN.
    Code(Option<i64>),
}

/// The parameters of scikit-learn's class.
#[derive(Debug)]
struct OrdinalEncoder {
    grouping: Grouping,
    handle_unknown: HandleUnknown,
    /// The code of missing; `None` is NaN.
    encoded_missing_value: Option<i64>,
    dtype: Option<DataType>,
}

fn code(value: &ParamValue) -> Option<Option<i64>> {
    match *value {
        ParamValue::Int(code) => Some(Some(code)),
        ParamValue::Float(nan) if nan.is_nan() => Some(None),
        _ => None,
    }
}

pub(super) fn parse(params: &mut Params) -> Result<Box<dyn Step>, Error> {
    let grouping = Grouping::parse(params)?;
    let uses_code = params.choice("handle_unknown", &[("error", false), ("use_encoded_value", true)])?;
    let unknown_value = params.read_optional("unknown_value", "a whole number or nan", code)?;
    let handle_unknown = match (uses_code, unknown_value) {
        (true, Some(code)) => HandleUnknown::Code(code),
        (false, None) => HandleUnknown::Error,
        (true, None) => {
            return Err(Error::parameter(
                "unknown_value",
                "not given",
                "a whole number or nan under `use_encoded_value`",
            ));
        }
        (false, Some(_)) => {
            return Err(Error::parameter(
                "unknown_value",
                "given",
                "no value unless `handle_unknown = \"use_encoded_value\"`",
            ));
        }
    };
    let encoded_missing_value = params.read("encoded_missing_value", None, "a whole number or nan", code)?;
    let dtype = number_type::dtype(params)?;
    let is_integer = dtype.as_ref().is_some_and(DataType::is_integer);
    if is_integer && handle_unknown == HandleUnknown::Code(None) {
        return Err(Error::parameter("unknown_value", "nan", "a whole number under an integer dtype"));
    }
    Ok(PerColumn::boxed(OrdinalEncoder { grouping, handle_unknown, encoded_missing_value, dtype }))
}

impl ColumnStep for OrdinalEncoder {
    type State = Fitting;

    fn check(&self, inputs: &[Column]) -> Result<(), Error> {
        self.grouping.check(inputs)
    }

    fn start(self: &Arc<Self>, index: usize, input: &Column) -> Result<Fitting, Error> {
        let vocabulary = self.grouping.start(index, input, self.handle_unknown == HandleUnknown::Error)?;
        Ok(Fitting { step: Arc::clone(self), vocabulary })
    }

    fn preview(&self, _: usize, input: &Column) -> (Vec<Column>, bool) {
        // Narrow or not, it is a column of numbers under the same name.
        (vec![output(&input.name, self.dtype.clone(), DataType::Float64)], true)
    }
}

fn output(name: &str, dtype: Option<DataType>, default: DataType) -> Column {
    // The class gives floats unless told otherwise, and so a later encoder names them `1.0`.
    let kind =
        if dtype.as_ref().is_some_and(DataType::is_integer) { ValueKind::Int } else { ValueKind::Float };
    Column { name: name.to_owned(), kind, data_type: dtype.unwrap_or(default) }
}

struct Fitting {
    step: Arc<OrdinalEncoder>,
    vocabulary: VocabularyFit,
}

impl ColumnState for Fitting {
    type Fitted = Ordinal;
    type Seen = Counts;
    const INSTEAD: Option<&'static str> = Some("feature_hasher");

    fn update(&mut self, values: &ArrayRef, first_row: u64) -> Result<(), Error> {
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
        // Counts, which of them are small and in which order, and codes.
        self.vocabulary.finish_bytes(size_of::<u64>() + size_of::<bool>() + 2 * size_of::<u32>())
    }

    fn finish(self) -> Result<Progress<Self>, Error> {
        let (vocabulary, mut counts) = self.vocabulary.finish()?;
        // Missing is never grouped: it has a code of its own.
        if vocabulary.has_missing {
            counts.pop();
        }
        let infrequent = self.step.grouping.infrequent(&counts, vocabulary.rows);
        let frequent = infrequent.iter().filter(|i| !**i).count();
        let has_infrequent = frequent < counts.len();
        drop(counts);
        let codes = grouping::groups(&infrequent, frequent as u32);
        let used = frequent as i64 + i64::from(has_infrequent);
        let clashes = |code: Option<i64>| code.filter(|code| (0..used).contains(code));
        if let HandleUnknown::Code(code) = self.step.handle_unknown
            && let Some(code) = clashes(code)
        {
            return Err(Error::contradiction(format!(
                "`unknown_value = {code}` is the code of a category, which are 0 to {}; choose another",
                used - 1
            )));
        }
        if vocabulary.has_missing {
            if let Some(code) = clashes(self.step.encoded_missing_value) {
                return Err(Error::contradiction(format!(
                    "`encoded_missing_value = {code}` is the code of a category, which are 0 to {}; choose another",
                    used - 1
                )));
            }
            let is_integer = self.step.dtype.as_ref().is_some_and(DataType::is_integer);
            if is_integer && self.step.encoded_missing_value.is_none() {
                return Err(Error::contradiction(
                    "has missing values, and an integer dtype has no NaN; set `encoded_missing_value`, or a float dtype",
                ));
            }
        }
        if let Some(dtype) = &self.step.dtype {
            let unknown = if let HandleUnknown::Code(code) = self.step.handle_unknown { code } else { None };
            let given = [Some(0), Some((used - 1).max(0)), unknown, self.step.encoded_missing_value];
            let given: ArrayRef = Arc::new(Int64Array::from_iter_values(given.into_iter().flatten()));
            if cast(&given, dtype)?.null_count() > 0 {
                return Err(Error::contradiction(format!(
                    "has {used} codes, which `dtype = \"{}\"` does not hold; choose a wider one",
                    dtype.to_string().to_lowercase()
                )));
            }
        }
        Ok(Progress::Done(Ordinal {
            codes,
            missing: self.step.encoded_missing_value,
            handle_unknown: self.step.handle_unknown,
            dtype: self.step.dtype.as_ref().map(|t| t.to_string().to_lowercase()),
            vocabulary,
        }))
    }
}

/// What is learnt of a column.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ordinal {
    vocabulary: Vocabulary,
    /// The code of each category but missing.
    codes: Vec<u32>,
    missing: Option<i64>,
    handle_unknown: HandleUnknown,
    dtype: Option<String>,
}

impl FittedColumn for Ordinal {
    fn is_sound(&self) -> bool {
        self.codes.len() == self.vocabulary.categories()
    }

    fn outputs(&self, input: &Column, narrow: bool) -> Result<Vec<OutputColumn>, Error> {
        self.vocabulary.check(input)?;
        let unknown = match self.handle_unknown {
            HandleUnknown::Code(code) => code,
            HandleUnknown::Error => None,
        };
        let all = self.codes.iter().map(|code| i64::from(*code)).chain(self.missing).chain(unknown);
        let (min, max) = all.fold((0, 0), |(min, max), code| (code.min(min), code.max(max)));
        let default = if narrow { number_type::narrowest_integer(min, max) } else { DataType::Float64 };
        let dtype = self.dtype.as_deref().and_then(number_type::numeric_type);
        Ok(vec![OutputColumn::plain(output(&input.name, dtype, default))])
    }

    fn transform(
        &self,
        values: &ArrayRef,
        outputs: &[Column],
        first_row: u64,
    ) -> Result<Vec<ArrayRef>, Error> {
        let places = self.vocabulary.encode(values, first_row)?;
        let unknown = match self.handle_unknown {
            HandleUnknown::Code(code) => code,
            HandleUnknown::Error => match places.iter().position(|place| *place == UNKNOWN) {
                Some(row) => return Err(Vocabulary::unknown(values, row, first_row)),
                None => None,
            },
        };
        let code = |place: u32| match self.codes.get(place as usize) {
            Some(code) => Some(i64::from(*code)),
            None if place == UNKNOWN => unknown,
            None => self.missing,
        };
        let codes: Int64Array = places.into_iter().map(code).collect();
        let data_type = outputs.first().map_or(&DataType::Int64, |c| &c.data_type);
        Ok(vec![cast(&codes, data_type)?])
    }

    fn heap_bytes(&self) -> usize {
        self.vocabulary.heap_bytes() + self.codes.capacity() * size_of::<u32>()
    }
}
