//! `one_hot_encoder`: a column of 0 and 1 for each category.
//!
//! Equals scikit-learn's `OneHotEncoder`, with its grouping of infrequent categories and its order. Missing
//! is one category, named `nan`, the last.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `categories` | auto | for each column of `columns` the list of its categories |
//! | `drop` | none | first, if_binary, or for each column the category without a column |
//! | `min_frequency` | none | rarer categories are infrequent: rows, or a share of all rows |
//! | `max_categories` | none | the most columns, the infrequent one included; the rarest are grouped |
//! | `handle_unknown` | error | ignore: zeros; infrequent_if_exist and warn: the infrequent column, or zeros |
//! | `dtype` | none | uint8 where storage is narrow, else float64 |
//! | `sparse_output`, `feature_name_combiner` | true, concat | nothing |
//!
//! One pass; a column's state is a [`Counts`](crate::stats::Counts), which grows with the distinct values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, UInt8Array};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use super::categories;
use super::grouping::{self, Grouping};
use super::number_type;
use super::vocabulary::{UNKNOWN, Vocabulary, VocabularyFit};
use crate::column::{Column, ValueKind};
use crate::error::Error;
use crate::fitted_columns::FittedColumn;
use crate::params::{ParamValue, Params};
use crate::per_column::{ColumnState, ColumnStep, PerColumn, Progress};
use crate::stats::{Category, Counts, allocated};
use crate::step::{OutputColumn, Step};

/// What an unseen category gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HandleUnknown {
    Error,
    /// Zeros.
    Ignore,
    /// The infrequent column, or zeros if there is none.
    InfrequentIfExist,
}

/// Which category of a column has no column of its own; `N` names one.
#[derive(Clone, Debug, PartialEq)]
enum Drop<N> {
    Nothing,
    First,
    /// The first of two.
    IfBinary,
    Named(N),
}

/// The parameters of scikit-learn's class. `sparse_output` and `feature_name_combiner = "concat"` are taken
/// and have no effect: columns are always dense arrays, and named as that combiner names them.
#[derive(Debug)]
struct OneHotEncoder {
    grouping: Grouping,
    /// Names one category for each column.
    drop: Drop<Vec<ParamValue>>,
    handle_unknown: HandleUnknown,
    dtype: Option<DataType>,
}

pub(super) fn parse(params: &mut Params) -> Result<Box<dyn Step>, Error> {
    let grouping = Grouping::parse(params)?;
    let expected = "\"first\", \"if_binary\", \"none\", or a list with one category for each column";
    let drop = params.read_optional("drop", expected, |value| match value {
        ParamValue::Text(word) if word == "first" => Some(Drop::First),
        ParamValue::Text(word) if word == "if_binary" => Some(Drop::IfBinary),
        ParamValue::List(categories) => Some(Drop::Named(categories.clone())),
        _ => None,
    })?;
    let handle_unknown = params.choice(
        "handle_unknown",
        &[
            ("error", HandleUnknown::Error),
            ("ignore", HandleUnknown::Ignore),
            ("infrequent_if_exist", HandleUnknown::InfrequentIfExist),
            // The class's `warn` encodes alike and prints a warning, which a library does not.
            ("warn", HandleUnknown::InfrequentIfExist),
        ],
    )?;
    params.flag("sparse_output", true)?;
    params.choice("feature_name_combiner", &[("concat", ())])?;
    let dtype = number_type::dtype(params)?;
    Ok(PerColumn::boxed(OneHotEncoder {
        grouping,
        drop: drop.unwrap_or(Drop::Nothing),
        handle_unknown,
        dtype,
    }))
}

impl ColumnStep for OneHotEncoder {
    type State = Fitting;

    fn check(&self, inputs: &[Column]) -> Result<(), Error> {
        if let Drop::Named(categories) = &self.drop
            && categories.len() != inputs.len()
        {
            let expected = format!("one category for each of the {} columns", inputs.len());
            return Err(Error::parameter("drop", format!("a list of {}", categories.len()), expected));
        }
        self.grouping.check(inputs)
    }

    fn start(self: &Arc<Self>, index: usize, input: &Column) -> Result<Fitting, Error> {
        let drop = match &self.drop {
            Drop::Nothing => Drop::Nothing,
            Drop::First => Drop::First,
            Drop::IfBinary => Drop::IfBinary,
            Drop::Named(names) => Drop::Named(categories::category_of("drop", &names[index], input.kind)?),
        };
        let vocabulary = self.grouping.start(index, input, self.handle_unknown == HandleUnknown::Error)?;
        Ok(Fitting { step: Arc::clone(self), drop, vocabulary })
    }

    fn preview(&self, _: usize, _: &Column) -> (Vec<Column>, bool) {
        (Vec::new(), false)
    }
}

struct Fitting {
    step: Arc<OneHotEncoder>,
    drop: Drop<Option<Category>>,
    vocabulary: VocabularyFit,
}

impl ColumnState for Fitting {
    type Fitted = OneHot;
    type Seen = Counts;
    const INSTEAD: Option<&'static str> = Some("feature_hasher");

    fn update(&mut self, values: &ArrayRef, first_row: u64) -> Result<(), Error> {
        self.vocabulary.update(values, first_row)
    }

    fn identity(&self) -> Self {
        Fitting {
            step: Arc::clone(&self.step),
            drop: self.drop.clone(),
            vocabulary: self.vocabulary.identity(),
        }
    }

    fn merge(&mut self, other: &Self) {
        self.vocabulary.merge(&other.vocabulary);
    }

    fn seen(&self) -> impl Serialize {
        self.vocabulary.seen()
    }

    fn having_seen(&self, seen: Self::Seen) -> Option<Self> {
        Some(Fitting {
            step: Arc::clone(&self.step),
            drop: self.drop.clone(),
            vocabulary: self.vocabulary.having_seen(seen)?,
        })
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
        // Counts, which of them are small and in which order, and places in the output.
        let category = size_of::<u64>() + size_of::<bool>() + 2 * size_of::<u32>() + size_of::<Option<u32>>();
        let seen = self.vocabulary.seen();
        let named = self.step.grouping.most_frequent(seen.each(), seen.present() + seen.missing());
        self.vocabulary.finish_bytes(category) + self.vocabulary.name_bytes(named)
    }

    fn finish(self) -> Result<Progress<Self>, Error> {
        let (vocabulary, counts) = self.vocabulary.finish()?;
        let infrequent = self.step.grouping.infrequent(&counts, vocabulary.rows);
        // Frequent categories keep their order; the infrequent share the last place.
        let frequent = infrequent.iter().filter(|i| !**i).count();
        let has_infrequent = frequent < counts.len();
        drop(counts);
        let groups = grouping::groups(&infrequent, frequent as u32);
        let places = frequent + usize::from(has_infrequent);
        let dropped = match &self.drop {
            Drop::Nothing => None,
            Drop::First => (places > 0).then_some(0),
            Drop::IfBinary => (places == 2).then_some(0),
            Drop::Named(category) => {
                let name = category.as_ref().map_or_else(|| "nan".to_owned(), ToString::to_string);
                let position = vocabulary.position(category.as_ref()).ok_or_else(|| {
                    Error::contradiction(format!("`drop` names the category `{name}`, which the data does not have; name one that it has"))
                })?;
                if infrequent[position] {
                    return Err(Error::contradiction(format!(
                        "`drop` names the category `{name}`, which is infrequent; name a frequent one"
                    )));
                }
                Some(groups[position] as usize)
            }
        };
        let place = |group: u32| match dropped {
            Some(d) if d == group as usize => None,
            Some(d) if group as usize > d => Some(group - 1),
            _ => Some(group),
        };
        let mut names: Vec<String> = Vec::with_capacity(places);
        for (category, infrequent) in infrequent.iter().enumerate() {
            if !infrequent {
                names.push(vocabulary.name(category));
            }
        }
        if has_infrequent {
            names.push("infrequent_sklearn".to_owned());
        }
        if let Some(dropped) = dropped {
            names.remove(dropped);
        }
        let infrequent_place = if has_infrequent { place(frequent as u32) } else { None };
        Ok(Progress::Done(OneHot {
            places: groups.into_iter().map(place).collect(),
            unknown_place: infrequent_place
                .filter(|_| self.step.handle_unknown == HandleUnknown::InfrequentIfExist),
            names,
            handle_unknown: self.step.handle_unknown,
            dtype: self.step.dtype.as_ref().map(|t| t.to_string().to_lowercase()),
            vocabulary,
        }))
    }
}

/// What is learnt of a column.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OneHot {
    vocabulary: Vocabulary,
    /// For each category the output column that is 1, or none if it is dropped.
    places: Vec<Option<u32>>,
    /// The output column of an unseen category, if it has one.
    unknown_place: Option<u32>,
    /// The categories that the output columns stand for.
    names: Vec<String>,
    handle_unknown: HandleUnknown,
    dtype: Option<String>,
}

impl FittedColumn for OneHot {
    fn is_sound(&self) -> bool {
        let categories = self.vocabulary.categories() + usize::from(self.vocabulary.has_missing);
        let mut places = self.places.iter().chain([&self.unknown_place]).flatten();
        self.places.len() == categories && places.all(|place| (*place as usize) < self.names.len())
    }

    fn outputs(&self, input: &Column, narrow: bool) -> Result<Vec<OutputColumn>, Error> {
        self.vocabulary.check(input)?;
        let default = if narrow { DataType::UInt8 } else { DataType::Float64 };
        let data_type = self.dtype.as_deref().and_then(number_type::numeric_type);
        // The class gives floats unless told otherwise, and so a later encoder names them `1.0`.
        let kind = if data_type.as_ref().is_some_and(DataType::is_integer) {
            ValueKind::Int
        } else {
            ValueKind::Float
        };
        let data_type = data_type.unwrap_or(default);
        let outputs = self.names.iter().map(|category| OutputColumn {
            column: Column { name: format!("{}_{category}", input.name), kind, data_type: data_type.clone() },
            category: Some(category.clone()),
        });
        Ok(outputs.collect())
    }

    fn transform(
        &self,
        values: &ArrayRef,
        outputs: &[Column],
        first_row: u64,
    ) -> Result<Vec<ArrayRef>, Error> {
        let codes = self.vocabulary.encode(values, first_row)?;
        let mut columns = vec![vec![0u8; codes.len()]; outputs.len()];
        for (row, code) in codes.into_iter().enumerate() {
            let place = if code != UNKNOWN {
                self.places.get(code as usize).copied().flatten()
            } else if self.handle_unknown == HandleUnknown::Error {
                return Err(Vocabulary::unknown(values, row, first_row));
            } else {
                self.unknown_place
            };
            if let Some(column) = place.and_then(|place| columns.get_mut(place as usize)) {
                column[row] = 1;
            }
        }
        let arrays = columns.into_iter().zip(outputs).map(|(column, output)| {
            let array: ArrayRef = Arc::new(UInt8Array::from(column));
            if array.data_type() == &output.data_type {
                Ok(array)
            } else {
                Ok(cast(&array, &output.data_type)?)
            }
        });
        arrays.collect()
    }

    fn width(&self) -> usize {
        self.names.len()
    }

    fn heap_bytes(&self) -> usize {
        let names: usize = self.names.iter().map(|name| allocated(name.capacity())).sum();
        self.vocabulary.heap_bytes()
            + self.places.capacity() * size_of::<Option<u32>>()
            + self.names.capacity() * size_of::<String>()
            + names
    }
}
