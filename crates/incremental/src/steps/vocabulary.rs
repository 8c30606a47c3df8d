//! The categories of a column: counted in a fit, looked up in a transform.

use std::sync::OnceLock;

use ahash::{AHashMap, AHashSet};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use serde::{Deserialize, Serialize};

use super::categories;
use crate::column::{Column, ValueKind};
use crate::error::{Error, ErrorKind};
use crate::numeric;
use crate::state_text::MOST_ROWS;
use crate::stats::{Category, Counts};

/// The state of a fit of one column's vocabulary.
pub(super) struct VocabularyFit {
    kind: ValueKind,
    declared: Option<Vec<Option<Category>>>,
    unknown_is_error: bool,
    counts: Counts,
}

impl VocabularyFit {
    /// `unknown_is_error`: a value outside the declared categories is refused.
    pub(super) fn new(
        kind: ValueKind,
        declared: Option<Vec<Option<Category>>>,
        unknown_is_error: bool,
    ) -> Self {
        VocabularyFit { kind, declared, unknown_is_error, counts: Counts::new() }
    }

    pub(super) fn update(&mut self, values: &ArrayRef, first_row: u64) -> Result<(), Error> {
        numeric::refuse_infinities(values, first_row)?;
        categories::count(&mut self.counts, values)
    }

    pub(super) fn identity(&self) -> Self {
        VocabularyFit::new(self.kind, self.declared.clone(), self.unknown_is_error)
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
    }

    pub(super) fn seen(&self) -> &Counts {
        &self.counts
    }

    /// The state that has seen this; `None` if none can have.
    pub(super) fn having_seen(&self, seen: Counts) -> Option<Self> {
        let rows = seen.present().saturating_add(seen.missing());
        (rows <= MOST_ROWS).then(|| VocabularyFit { counts: seen, ..self.identity() })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.counts.bytes_ahead()
    }

    /// The vocabulary, and for each category, missing included, the rows that have it.
    pub(super) fn finish(self) -> Result<(Vocabulary, Vec<u64>), Error> {
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
                    let known: AHashSet<&Category> = categories.iter().collect();
                    let unknown = sorted.iter().map(|(c, _)| c).find(|c| !known.contains(c));
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
            kind: self.kind,
            categories: categories.into_iter().map(|c| named_as(c, self.kind)).collect(),
            has_missing,
            rows,
            lookup: OnceLock::new(),
        };
        Ok((vocabulary, counts))
    }
}

/// A number as a column of `kind` names it: `2.0` among floats, however they are stored.
fn named_as(category: Category, kind: ValueKind) -> Category {
    let other = match (&category, kind) {
        (Category::Int(value), ValueKind::Float) => Category::float(*value as f64),
        (Category::Float(value), ValueKind::Int) => Some(Category::Int(value.get() as i128)),
        _ => None,
    };
    // Only what is the same number.
    other.filter(|other| *other == category).unwrap_or(category)
}

/// The code of a value that is no category.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// The categories of a column in their order. Missing, if it is one of them, comes last.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vocabulary {
    kind: ValueKind,
    categories: Vec<Category>,
    pub(super) has_missing: bool,
    pub(super) rows: u64,
    #[serde(skip)]
    lookup: OnceLock<Lookup>,
}

/// Codes by category, apart for those that are looked up without making a category of each value.
#[derive(Debug, Default)]
struct Lookup {
    texts: AHashMap<Box<str>, u32>,
    integers: AHashMap<i64, u32>,
    others: AHashMap<Category, u32>,
}

impl Lookup {
    fn new(categories: &[Category]) -> Lookup {
        let mut lookup = Lookup::default();
        for (code, category) in (0..).zip(categories) {
            match category {
                Category::Text(text) => lookup.texts.insert(text.clone(), code),
                other => match Lookup::integer(other) {
                    Some(integer) => lookup.integers.insert(integer, code),
                    None => lookup.others.insert(other.clone(), code),
                },
            };
        }
        lookup
    }

    /// The number, if it is a whole one of 64 bits.
    fn integer(category: &Category) -> Option<i64> {
        match category {
            Category::Int(value) => i64::try_from(*value).ok(),
            Category::Float(value) => whole(value.get()),
            _ => None,
        }
    }

    fn code_of_integer(&self, value: i64) -> u32 {
        self.integers.get(&value).copied().unwrap_or(UNKNOWN)
    }

    fn code(&self, category: &Category) -> u32 {
        match (category, Lookup::integer(category)) {
            (Category::Text(text), _) => self.texts.get(text).copied().unwrap_or(UNKNOWN),
            (_, Some(integer)) => self.code_of_integer(integer),
            _ => self.others.get(category).copied().unwrap_or(UNKNOWN),
        }
    }
}

/// The whole number that a float is, if 64 bits hold it.
fn whole(float: f64) -> Option<i64> {
    let integer = float as i64;
    // Beyond 2^63 the conversion saturates, to a number that as a float is 2^63 again.
    (integer as f64 == float && integer != i64::MAX).then_some(integer)
}

impl Vocabulary {
    /// How many categories there are, missing not counted.
    pub(super) fn categories(&self) -> usize {
        self.categories.len()
    }

    /// The same vocabulary, to be looked up apart.
    pub(super) fn copy(&self) -> Vocabulary {
        let Vocabulary { kind, has_missing, rows, .. } = *self;
        Vocabulary { kind, categories: self.categories.clone(), has_missing, rows, lookup: OnceLock::new() }
    }

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
        let fitted = self.kind;
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
    ///
    /// # Errors
    /// An infinity.
    pub(super) fn encode(&self, values: &ArrayRef, first_row: u64) -> Result<Vec<u32>, Error> {
        numeric::refuse_infinities(values, first_row)?;
        self.codes(values)
    }

    fn codes(&self, values: &ArrayRef) -> Result<Vec<u32>, Error> {
        let missing = if self.has_missing { self.categories.len() as u32 } else { UNKNOWN };
        let data_type = values.data_type();
        match data_type {
            DataType::Dictionary(_, of) => return self.codes_of_dictionary(values, of, missing),
            DataType::LargeUtf8 | DataType::Utf8View => return self.codes(&cast(values, &DataType::Utf8)?),
            _ => {}
        }
        let lookup = self.lookup.get_or_init(|| Lookup::new(&self.categories));
        let integer = |value: Option<i64>| value.map_or(missing, |value| lookup.code_of_integer(value));
        let other =
            |category: Option<Category>| category.as_ref().map_or(missing, |category| lookup.code(category));
        Ok(if let Some(texts) = values.as_string_opt::<i32>() {
            let code = |text: &str| lookup.texts.get(text).copied().unwrap_or(UNKNOWN);
            texts.iter().map(|text| text.map_or(missing, code)).collect()
        } else if let Some(flags) = values.as_boolean_opt() {
            let codes = [false, true].map(|flag| lookup.code(&Category::Bool(flag)));
            flags.iter().map(|flag| flag.map_or(missing, |flag| codes[usize::from(flag)])).collect()
        } else if data_type.is_integer() && *data_type != DataType::UInt64 {
            let integers = cast(values, &DataType::Int64)?;
            integers.as_primitive::<Int64Type>().iter().map(integer).collect()
        } else if data_type.is_floating() {
            let floats = numeric::as_float64(values)?;
            let code = |float: f64| match whole(float) {
                Some(value) => lookup.code_of_integer(value),
                None => other(Category::float(float)),
            };
            floats.iter().map(|float| float.map_or(missing, code)).collect()
        } else {
            categories::categories_of(values)?.into_iter().map(other).collect()
        })
    }

    fn codes_of_dictionary(&self, values: &ArrayRef, of: &DataType, missing: u32) -> Result<Vec<u32>, Error> {
        let dictionary = values.as_any_dictionary();
        if dictionary.values().is_empty() {
            return Ok(vec![missing; values.len()]);
        }
        // A dictionary is worth a walk only where rows share its values.
        if dictionary.values().len() > values.len() {
            return self.codes(&cast(values, of)?);
        }
        let codes = self.codes(dictionary.values())?;
        let keys = dictionary.normalized_keys();
        let code = |(row, key): (usize, usize)| if values.is_null(row) { missing } else { codes[key] };
        Ok(keys.into_iter().enumerate().map(code).collect())
    }

    /// The error for a row whose value is no category.
    pub(super) fn unknown(values: &ArrayRef, row: usize, first_row: u64) -> Error {
        let category =
            categories::categories_of(&values.slice(row, 1)).ok().and_then(|mut c| c.pop()).flatten();
        let value = category.map_or_else(|| "nan".to_owned(), |c| c.to_string());
        Error::new(ErrorKind::UnknownCategory { value }).in_row(first_row + row as u64)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        // Allocators round a text up to 16 bytes and keep some for themselves.
        let text = |c: &Category| {
            if let Category::Text(text) = c { text.len().next_multiple_of(16) + 16 } else { 0 }
        };
        let texts: usize = self.categories.iter().map(text).sum();
        // The lookup holds each category a second time, in a table of a power of two, at most 7 of 8 in use.
        let buckets = (self.categories.len() * 8 / 7).next_power_of_two();
        let entry = size_of::<(Category, u32)>() + 1;
        self.categories.capacity() * size_of::<Category>() + buckets * entry + 2 * texts
    }
}
