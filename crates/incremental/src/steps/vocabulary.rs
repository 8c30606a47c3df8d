//! The categories of a column: counted in a fit, looked up in a transform.

use std::sync::OnceLock;

use ahash::AHashSet;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use serde::{Deserialize, Serialize};

use super::categories;
use crate::column::{Column, ValueKind};
use crate::error::{Error, ErrorKind};
use crate::numeric;
use crate::state_text::MOST_ROWS;
use crate::stats::{Category, CategoryIndex, CategoryKey, CategoryList, Counts, OrderedFloat};

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

    /// See [`ColumnState::update_bytes`](crate::per_column::ColumnState::update_bytes).
    pub(super) fn update_bytes(&self, values: &ArrayRef) -> usize {
        let growth = self.counts.growth_bytes(values.len(), categories::text_bytes(values));
        self.heap_bytes().max(self.counts.heap_bytes() + growth)
    }

    /// See [`ColumnState::merge_bytes`](crate::per_column::ColumnState::merge_bytes).
    pub(super) fn merge_bytes(&self, other: &Self) -> usize {
        self.heap_bytes().max(self.counts.merge_bytes(&other.counts))
    }

    /// Bytes that are held at most while [`finish`](Self::finish) works, and what it gives takes with `row_bytes` more
    /// for each category and the missing one.
    pub(super) fn finish_bytes(&self, category_bytes: usize) -> usize {
        let (fewest, declared) = (self.counts.distinct(), self.declared.as_ref().map_or(0, Vec::len));
        let categories = fewest.max(declared) + 1;
        // Declared categories come from a recipe's text; they are copied into a list and a set.
        let declared = 4 * declared * size_of::<Category>();
        // What is counted goes with the list: it is never larger than when it is sorted.
        let made = self.counts.list_bytes(self.float_names())
            + CategoryIndex::bytes_of(categories)
            + categories * category_bytes;
        self.counts.sorting_bytes(self.float_names()).max(made) + declared
    }

    /// Bytes of the names of so many of the counted categories, of all declared ones and of two more.
    pub(super) fn name_bytes(&self, counted: usize) -> usize {
        /// What no name but a text exceeds, a formatted one with its spare room.
        const NAME: usize = 64;
        let declared = self.declared.as_ref().map_or(0, Vec::len);
        (counted + declared + 2) * (size_of::<String>() + NAME) + self.counts.text_bytes()
    }

    /// Whether the column's numbers are named as floats, `2.0`, however they are stored.
    fn float_names(&self) -> bool {
        match self.kind {
            ValueKind::Float => true,
            ValueKind::Int => false,
            _ => self.counts.has_floats(),
        }
    }

    /// The vocabulary, and for each category, missing included, the rows that have it.
    pub(super) fn finish(self) -> Result<(Vocabulary, Vec<u64>), Error> {
        let float_names = self.float_names();
        let VocabularyFit { kind, declared, unknown_is_error, counts: counted } = self;
        let missing = counted.missing();
        let rows = counted.present() + missing;
        let (categories, has_missing, counts) = match declared {
            None => {
                let (categories, mut counts) = counted.into_sorted(float_names);
                if missing > 0 {
                    counts.reserve_exact(1);
                    counts.push(missing);
                }
                (categories, missing > 0, counts)
            }
            Some(declared) => {
                let has_missing = declared.last() == Some(&None);
                let categories: Vec<Category> = declared.into_iter().flatten().collect();
                let mut counts: Vec<u64> = categories.iter().map(|c| counted.get(c)).collect();
                if has_missing {
                    counts.push(missing);
                }
                if unknown_is_error {
                    let known: AHashSet<&Category> = categories.iter().collect();
                    let (seen, _) = counted.into_sorted(float_names);
                    let unknown = (0..seen.len()).map(|place| seen.get(place)).find(|c| !known.contains(c));
                    let value = unknown
                        .map(|category| category.to_string())
                        .or((missing > 0 && !has_missing).then(|| "nan".into()));
                    if let Some(value) = value {
                        return Err(Error::contradiction(format!(
                            "found the category `{value}`, which `categories` does not list; add it, or set `handle_unknown`"
                        )));
                    }
                }
                (
                    categories.into_iter().map(|category| named_as(category, kind)).collect(),
                    has_missing,
                    counts,
                )
            }
        };
        Ok((Vocabulary { kind, categories, has_missing, rows, lookup: OnceLock::new() }, counts))
    }
}

/// A number as a column of `kind` names it.
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
    categories: CategoryList,
    pub(super) has_missing: bool,
    pub(super) rows: u64,
    /// Made by the first batch.
    #[serde(skip)]
    lookup: OnceLock<CategoryIndex>,
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
        match category.map(CategoryKey::of) {
            None => self.has_missing.then_some(self.categories.len()),
            Some(key) => (0..self.categories.len()).find(|place| self.categories.key(*place) == key),
        }
    }

    /// The category's name.
    pub(super) fn name(&self, index: usize) -> String {
        if index < self.categories.len() { self.categories.get(index).to_string() } else { "nan".to_owned() }
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
        let lookup = self.lookup.get_or_init(|| self.categories.index());
        let code = |key: CategoryKey<'_>| lookup.find(&self.categories, &key).unwrap_or(UNKNOWN);
        let code_of = |category: &Category| code(CategoryKey::of(category));
        Ok(if let Some(texts) = values.as_string_opt::<i32>() {
            texts.iter().map(|text| text.map_or(missing, |text| code(CategoryKey::Text(text)))).collect()
        } else if let Some(flags) = values.as_boolean_opt() {
            let codes = [false, true].map(|flag| code_of(&Category::Bool(flag)));
            flags.iter().map(|flag| flag.map_or(missing, |flag| codes[usize::from(flag)])).collect()
        } else if data_type.is_integer() && *data_type != DataType::UInt64 {
            let integers = cast(values, &DataType::Int64)?;
            let integers = integers.as_primitive::<Int64Type>().iter();
            integers.map(|value| value.map_or(missing, |value| code(CategoryKey::Integer(value)))).collect()
        } else if data_type.is_floating() {
            let floats = numeric::as_float64(values)?;
            let code =
                |value| OrderedFloat::new(value).map_or(missing, |value| code(CategoryKey::of_float(value)));
            floats.iter().map(|value| value.map_or(missing, code)).collect()
        } else {
            let categories = categories::categories_of(values)?;
            categories.iter().map(|category| category.as_ref().map_or(missing, code_of)).collect()
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

    /// Bytes on the heap, with what values are looked up by, which the first batch makes.
    pub(super) fn heap_bytes(&self) -> usize {
        self.categories.heap_bytes() + CategoryIndex::bytes_of(self.categories.len())
    }
}
