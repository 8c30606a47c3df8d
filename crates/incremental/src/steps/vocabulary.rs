//! The categories of a column: counted in a fit, grouped as the encoders' parameters say, looked up in a transform.

use std::collections::HashMap;
use std::sync::OnceLock;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Int64Type, TimeUnit, UInt64Type};
use serde::{Deserialize, Serialize};

use crate::column::{Column, ValueKind};
use crate::error::{Error, ErrorKind};
use crate::numeric;
use crate::params::{ParamValue, Params};
use crate::stats::{Category, Counts};

/// From how many rows on a category stands for itself.
#[derive(Clone, Copy, Debug)]
enum MinFrequency {
    Rows(u64),
    Share(f64),
}

/// The parameters that both encoders have: which categories there are, and which are grouped as infrequent.
#[derive(Clone, Debug)]
pub(super) struct Grouping {
    declared: Option<Vec<Vec<ParamValue>>>,
    min_frequency: Option<MinFrequency>,
    max_categories: Option<u64>,
}

impl Grouping {
    pub(super) fn parse(params: &mut Params) -> Result<Grouping, Error> {
        let expected = "\"auto\", or for each column the list of its categories";
        let declared = params.read("categories", None, expected, |value| match value {
            ParamValue::Text(word) if word == "auto" => Some(None),
            ParamValue::List(columns) => {
                let lists = columns.iter().map(|list| match list {
                    ParamValue::List(values) if !values.is_empty() => Some(values.clone()),
                    _ => None,
                });
                lists.collect::<Option<Vec<_>>>().map(Some)
            }
            _ => None,
        })?;
        let expected = "a number of rows from 1, or a share of them between 0 and 1";
        let min_frequency = params.read_optional("min_frequency", expected, |value| match *value {
            ParamValue::Int(rows @ 1..) => Some(MinFrequency::Rows(rows as u64)),
            ParamValue::Float(share) if share > 0.0 && share < 1.0 => Some(MinFrequency::Share(share)),
            _ => None,
        })?;
        let max_categories =
            params.read_optional("max_categories", "a whole number from 1", |value| match *value {
                ParamValue::Int(most @ 1..) => Some(most as u64),
                _ => None,
            })?;
        Ok(Grouping { declared, min_frequency, max_categories })
    }

    pub(super) fn check(&self, inputs: &[Column]) -> Result<(), Error> {
        match &self.declared {
            Some(lists) if lists.len() != inputs.len() => Err(Error::parameter(
                "categories",
                format!("{} lists", lists.len()),
                format!("one list for each of the {} columns", inputs.len()),
            )),
            _ => Ok(()),
        }
    }

    /// A fit of the `index`-th column. `unknown_is_error`: a value outside the declared categories is refused.
    pub(super) fn start(
        &self,
        index: usize,
        input: &Column,
        unknown_is_error: bool,
    ) -> Result<VocabularyFit, Error> {
        let declared = match &self.declared {
            None => None,
            Some(lists) => Some(declared_categories(&lists[index], input)?),
        };
        Ok(VocabularyFit {
            grouping: self.clone(),
            kind: input.kind,
            declared,
            unknown_is_error,
            counts: Counts::new(),
        })
    }

    /// Which of `counts` are infrequent. As scikit-learn: the rarest go first, among equals those that sort first.
    pub(super) fn infrequent(&self, counts: &[u64], rows: u64) -> Vec<bool> {
        let mut infrequent: Vec<bool> = match self.min_frequency {
            None => vec![false; counts.len()],
            Some(MinFrequency::Rows(least)) => counts.iter().map(|n| *n < least).collect(),
            Some(MinFrequency::Share(share)) => {
                let least = rows as f64 * share;
                counts.iter().map(|n| (*n as f64) < least).collect()
            }
        };
        // One place is counted for the infrequent ones even if there are none.
        let features = counts.len() - infrequent.iter().filter(|i| **i).count() + 1;
        if let Some(most) = self.max_categories
            && most < features as u64
        {
            let mut by_count: Vec<usize> = (0..counts.len()).collect();
            by_count.sort_by_key(|i| counts[*i]);
            let kept = (most - 1) as usize;
            for i in &by_count[..counts.len().saturating_sub(kept)] {
                infrequent[*i] = true;
            }
        }
        infrequent
    }
}

/// The categories that a recipe declares for a column; `None` in the last place stands for missing.
fn declared_categories(list: &[ParamValue], input: &Column) -> Result<Vec<Option<Category>>, Error> {
    let mut categories: Vec<Option<Category>> = Vec::with_capacity(list.len());
    for (i, value) in list.iter().enumerate() {
        let category = category_of(value, input.kind)?;
        if category.is_none() && i + 1 < list.len() {
            return Err(Error::parameter(
                "categories",
                "nan before the end of a list",
                "nan in the last place",
            ));
        }
        if categories.contains(&category) {
            return Err(Error::parameter("categories", format!("{value} twice"), "each category once"));
        }
        categories.push(category);
    }
    let is_sorted = categories.iter().flatten().is_sorted();
    if input.kind.is_arithmetic() && input.kind != ValueKind::Null && !is_sorted {
        return Err(Error::parameter("categories", "not sorted", "numbers from the smallest to the largest"));
    }
    Ok(categories)
}

/// A category as a recipe writes it, for a column of `kind`; `None` is missing, written `nan`.
pub(super) fn category_of(value: &ParamValue, kind: ValueKind) -> Result<Option<Category>, Error> {
    let wrong = || Error::parameter("a category", value, format!("a value of a column of {kind} values"));
    Ok(match (value, kind) {
        (ParamValue::Float(nan), _) if nan.is_nan() => None,
        (ParamValue::Text(text), ValueKind::Text | ValueKind::Null) => Some(Category::text(text)),
        (ParamValue::Int(int), ValueKind::Int | ValueKind::Float | ValueKind::Null) => {
            Some(Category::Int((*int).into()))
        }
        (ParamValue::Float(float), ValueKind::Int | ValueKind::Float | ValueKind::Null) => {
            Category::float(*float)
        }
        (ParamValue::Bool(flag), ValueKind::Bool | ValueKind::Null) => Some(Category::Bool(*flag)),
        (ParamValue::Text(text), ValueKind::Date | ValueKind::Timestamp) => {
            let data_type = match kind {
                ValueKind::Date => DataType::Date32,
                _ => DataType::Timestamp(TimeUnit::Nanosecond, None),
            };
            let text: ArrayRef = std::sync::Arc::new(arrow::array::StringArray::from(vec![text.as_str()]));
            let typed = cast(&text, &data_type)?;
            Some(categories_of(&typed)?.pop().flatten().ok_or_else(wrong)?)
        }
        _ => return Err(wrong()),
    })
}

/// The state of a fit of one column's vocabulary.
#[derive(Clone)]
pub(super) struct VocabularyFit {
    grouping: Grouping,
    kind: ValueKind,
    declared: Option<Vec<Option<Category>>>,
    unknown_is_error: bool,
    counts: Counts,
}

impl VocabularyFit {
    pub(super) fn update(&mut self, values: &ArrayRef) -> Result<(), Error> {
        count(&mut self.counts, values)
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.counts.heap_bytes()
    }

    /// The vocabulary, and for each category, missing included, the rows that have it.
    pub(super) fn finish(self) -> Result<(Vocabulary, Vec<u64>, Grouping), Error> {
        let sorted = self.counts.sorted();
        let missing = self.counts.missing();
        let (categories, has_missing, counts) = match self.declared {
            None => {
                let (categories, mut counts): (Vec<_>, Vec<_>) = sorted.into_iter().unzip();
                if missing > 0 {
                    counts.push(missing);
                }
                (categories, missing > 0, counts)
            }
            Some(declared) => {
                let has_missing = declared.last() == Some(&None);
                let categories: Vec<Category> = declared.into_iter().flatten().collect();
                if self.unknown_is_error {
                    let unknown = sorted.iter().map(|(c, _)| c).find(|c| !categories.contains(c));
                    let value = unknown
                        .map(ToString::to_string)
                        .or((missing > 0 && !has_missing).then(|| "nan".into()));
                    if let Some(value) = value {
                        return Err(Error::contradiction(format!(
                            "found the category `{value}`, which `categories` does not list; add it, or set `handle_unknown`"
                        )));
                    }
                }
                let mut counts: Vec<u64> = categories.iter().map(|c| self.counts.get(c)).collect();
                if has_missing {
                    counts.push(missing);
                }
                (categories, has_missing, counts)
            }
        };
        let rows = self.counts.present() + missing;
        let vocabulary = Vocabulary {
            kind: self.kind.to_string(),
            categories,
            has_missing,
            rows,
            lookup: OnceLock::new(),
        };
        Ok((vocabulary, counts, self.grouping))
    }
}

/// The code of a value that is no category.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// The categories of a column in their order. Missing, if it is one of them, comes last.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vocabulary {
    kind: String,
    categories: Vec<Category>,
    pub(super) has_missing: bool,
    pub(super) rows: u64,
    #[serde(skip)]
    lookup: OnceLock<Lookup>,
}

/// Codes by category: text apart, since it is looked up without making a category of it.
#[derive(Debug, Default)]
struct Lookup {
    texts: HashMap<Box<str>, u32, ahash::RandomState>,
    others: HashMap<Category, u32, ahash::RandomState>,
}

impl Vocabulary {
    /// The category's place; `None` is missing.
    pub(super) fn position(&self, category: Option<&Category>) -> Option<usize> {
        match category {
            None => self.has_missing.then_some(self.categories.len()),
            Some(category) => self.categories.iter().position(|c| c == category),
        }
    }

    /// The category's name.
    pub(super) fn name(&self, index: usize) -> String {
        self.categories.get(index).map_or_else(|| "nan".to_owned(), ToString::to_string)
    }

    /// Refuses a column whose values cannot be among the categories.
    pub(super) fn check(&self, input: &Column) -> Result<(), Error> {
        let fitted: ValueKind = self.kind.parse().unwrap_or(ValueKind::Null);
        let numbers = |kind| matches!(kind, ValueKind::Int | ValueKind::Float);
        let fits = fitted == input.kind
            || (numbers(fitted) && numbers(input.kind))
            || fitted == ValueKind::Null
            || input.kind == ValueKind::Null;
        if fits {
            return Ok(());
        }
        let message = format!(
            "was fitted on {fitted} values and holds {} values here; give it the same type",
            input.kind
        );
        Err(Error::new(ErrorKind::InputDiffers { message }))
    }

    /// The code of each row: the category's place, or [`UNKNOWN`].
    pub(super) fn codes(&self, values: &ArrayRef) -> Result<Vec<u32>, Error> {
        let lookup = self.lookup.get_or_init(|| {
            let mut lookup = Lookup::default();
            for (code, category) in self.categories.iter().enumerate() {
                match category {
                    Category::Text(text) => lookup.texts.insert(text.clone(), code as u32),
                    other => lookup.others.insert(other.clone(), code as u32),
                };
            }
            lookup
        });
        let missing = if self.has_missing { self.categories.len() as u32 } else { UNKNOWN };
        if let Some(dictionary) = values.as_any_dictionary_opt() {
            if dictionary.values().is_empty() {
                return Ok(vec![missing; values.len()]);
            }
            let codes = self.codes(dictionary.values())?;
            let keys = dictionary.normalized_keys();
            let code = |(row, key): (usize, usize)| if values.is_null(row) { missing } else { codes[key] };
            return Ok(keys.into_iter().enumerate().map(code).collect());
        }
        if let Some(texts) = values.as_string_opt::<i32>() {
            let code = |text: Option<&str>| match text {
                None => missing,
                Some(text) => lookup.texts.get(text).copied().unwrap_or(UNKNOWN),
            };
            return Ok(texts.iter().map(code).collect());
        }
        let code = |category: Option<Category>| match category {
            None => missing,
            Some(category) => lookup.others.get(&category).copied().unwrap_or(UNKNOWN),
        };
        Ok(categories_of(values)?.into_iter().map(code).collect())
    }

    /// The error for a row whose value is no category.
    pub(super) fn unknown(values: &ArrayRef, row: usize, first_row: u64) -> Error {
        let category = categories_of(&values.slice(row, 1)).ok().and_then(|mut c| c.pop()).flatten();
        let value = category.map_or_else(|| "nan".to_owned(), |c| c.to_string());
        Error::new(ErrorKind::UnknownCategory { value }).in_row(first_row + row as u64)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let text = |c: &Category| if let Category::Text(text) = c { text.len() } else { 0 };
        let bytes: usize = self.categories.iter().map(|c| size_of::<Category>() + text(c)).sum();
        // The lookup holds each category a second time.
        2 * bytes
    }
}

/// Adds a column's values to the counts.
pub(super) fn count(counts: &mut Counts, values: &ArrayRef) -> Result<(), Error> {
    if let Some(dictionary) = values.as_any_dictionary_opt() {
        let mut tally = vec![0u64; dictionary.values().len()];
        let mut missing = values.len() as u64;
        if !tally.is_empty() {
            for (row, key) in dictionary.normalized_keys().into_iter().enumerate() {
                if !values.is_null(row) {
                    tally[key] += 1;
                    missing -= 1;
                }
            }
        }
        counts.add_missing(missing);
        for (category, n) in categories_of(dictionary.values())?.iter().zip(tally).filter(|(_, n)| *n > 0) {
            match category {
                Some(category) => counts.add(category, n),
                None => counts.add_missing(n),
            }
        }
        return Ok(());
    }
    if let Some(texts) = values.as_string_opt::<i32>() {
        for text in texts {
            match text {
                Some(text) => counts.add_text(text, 1),
                None => counts.add_missing(1),
            }
        }
        return Ok(());
    }
    for category in categories_of(values)? {
        match category {
            Some(category) => counts.add(&category, 1),
            None => counts.add_missing(1),
        }
    }
    Ok(())
}

/// Each value as a category; `None` where it is missing.
pub(super) fn categories_of(values: &ArrayRef) -> Result<Vec<Option<Category>>, Error> {
    Ok(match values.data_type() {
        DataType::Boolean => values.as_boolean().iter().map(|v| v.map(Category::Bool)).collect(),
        DataType::UInt64 => {
            values.as_primitive::<UInt64Type>().iter().map(|v| v.map(|v| Category::Int(v.into()))).collect()
        }
        t if t.is_integer() => {
            let ints = cast(values, &DataType::Int64)?;
            ints.as_primitive::<Int64Type>().iter().map(|v| v.map(|v| Category::Int(v.into()))).collect()
        }
        t if t.is_floating() => {
            numeric::as_float64(values)?.iter().map(|v| v.and_then(Category::float)).collect()
        }
        DataType::Date32 => {
            values.as_primitive::<Date32Type>().iter().map(|v| v.map(Category::Date)).collect()
        }
        DataType::Timestamp(unit, _) => {
            let nanos = match unit {
                TimeUnit::Second => 1_000_000_000,
                TimeUnit::Millisecond => 1_000_000,
                TimeUnit::Microsecond => 1_000,
                TimeUnit::Nanosecond => 1,
            };
            // Of the same width, so that only the label changes.
            let counts = cast(values, &DataType::Int64)?;
            let counts = counts.as_primitive::<Int64Type>();
            counts.iter().map(|v| v.map(|v| Category::Timestamp(i128::from(v) * nanos))).collect()
        }
        DataType::Null => vec![None; values.len()],
        _ => {
            let texts = cast(values, &DataType::Utf8)?;
            texts.as_string::<i32>().iter().map(|v| v.map(Category::text)).collect()
        }
    })
}

/// The narrowest integer type that holds both ends; signed widths first.
pub(super) fn narrowest_integer(min: i64, max: i64) -> DataType {
    let fits = |low: i64, high: i64| low <= min && max <= high;
    if fits(i8::MIN.into(), i8::MAX.into()) {
        DataType::Int8
    } else if fits(0, u8::MAX.into()) {
        DataType::UInt8
    } else if fits(i16::MIN.into(), i16::MAX.into()) {
        DataType::Int16
    } else if fits(0, u16::MAX.into()) {
        DataType::UInt16
    } else if fits(i32::MIN.into(), i32::MAX.into()) {
        DataType::Int32
    } else if fits(0, u32::MAX.into()) {
        DataType::UInt32
    } else {
        DataType::Int64
    }
}

/// The `dtype` parameter of both encoders; `None` leaves the type to the class, or to narrowing.
pub(super) fn dtype(params: &mut Params) -> Result<Option<DataType>, Error> {
    let expected = "a type: int8 to int64, uint8 to uint64, float32 or float64";
    params.read_optional("dtype", expected, |value| {
        let ParamValue::Text(name) = value else { return None };
        numeric_type(name)
    })
}

/// A numeric type by its name in the contract.
pub(super) fn numeric_type(name: &str) -> Option<DataType> {
    Some(match name {
        "int8" => DataType::Int8,
        "int16" => DataType::Int16,
        "int32" => DataType::Int32,
        "int64" => DataType::Int64,
        "uint8" => DataType::UInt8,
        "uint16" => DataType::UInt16,
        "uint32" => DataType::UInt32,
        "uint64" => DataType::UInt64,
        "float32" => DataType::Float32,
        "float64" => DataType::Float64,
        _ => return None,
    })
}
