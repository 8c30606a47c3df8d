//! A column of texts as documents, and what both vectorizers make of one: a dense row, normalised or not.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use crate::column::{Column, ValueKind};
use crate::error::{Error, ErrorKind};
use crate::params::{ParamValue, Params};

/// What a row's values are divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Norm {
    /// The sum of magnitudes.
    L1,
    /// The root of the sum of squares.
    L2,
    Nothing,
}

impl Norm {
    pub(super) fn parse(params: &mut Params) -> Result<Norm, Error> {
        params.choice("norm", &[("l2", Norm::L2), ("l1", Norm::L1), ("none", Norm::Nothing)])
    }

    /// Divides the values of a row, which come in the order of columns; a row of zeros stays as it is.
    pub(super) fn apply(self, entries: &mut [(u32, f64)]) {
        let values = entries.iter().map(|(_, value)| value);
        let size = match self {
            Norm::L1 => values.fold(0.0, |sum, value| sum + value.abs()),
            Norm::L2 => values.fold(0.0, |sum, value| sum + value * value).sqrt(),
            Norm::Nothing => return,
        };
        if size != 0.0 {
            entries.iter_mut().for_each(|(_, value)| *value /= size);
        }
    }
}

/// The `dtype` parameter of what makes fractions: float64 unless it says float32.
pub(super) fn dtype(params: &mut Params) -> Result<Float, Error> {
    params.choice("dtype", &[("float64", Float::Float64), ("float32", Float::Float32)])
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Float {
    Float64,
    Float32,
}

impl Float {
    pub(super) fn data_type(self) -> DataType {
        match self {
            Float::Float64 => DataType::Float64,
            Float::Float32 => DataType::Float32,
        }
    }
}

/// The `n_features` of what hashes, 2^20 by default.
pub(super) fn n_features(params: &mut Params) -> Result<u32, Error> {
    let expected = "a whole number from 1 to 2147483647";
    params.read("n_features", 1 << 20, expected, |value| match *value {
        ParamValue::Int(n @ 1..=0x7fff_ffff) => u32::try_from(n).ok(),
        _ => None,
    })
}

/// Refuses all but one column: the columns that a vectorizer makes are not named for the one they come from.
pub(super) fn check_one(inputs: &[Column]) -> Result<(), Error> {
    match inputs {
        [_] => Ok(()),
        _ => Err(Error::parameter("columns", format!("{} columns", inputs.len()), "one column of text")),
    }
}

/// Refuses a column that holds no texts.
pub(super) fn check_text(input: &Column) -> Result<(), Error> {
    match input.kind {
        ValueKind::Text | ValueKind::Null => Ok(()),
        found => Err(Error::new(ErrorKind::WrongKind { expected: "text", found })),
    }
}

/// Gives each text of a column with the number of rows that have it: those that rows share in a dictionary once.
pub(super) fn for_each(values: &ArrayRef, mut text: impl FnMut(&str, u64)) -> Result<(), Error> {
    match shared(values) {
        None => cast(values, &DataType::Utf8)?.as_string::<i32>().iter().flatten().for_each(|t| text(t, 1)),
        Some(keys) => {
            let texts = cast(values.as_any_dictionary().values(), &DataType::Utf8)?;
            let mut rows = vec![0u64; texts.len()];
            keys.iter().flatten().for_each(|key| rows[*key] += 1);
            let counted = texts.as_string::<i32>().iter().zip(rows).filter(|(_, rows)| *rows > 0);
            counted.for_each(|(t, rows)| {
                if let Some(t) = t {
                    text(t, rows)
                }
            });
        }
    }
    Ok(())
}

/// Puts the entries of a row in the order of columns, those of one column together. Their sums are exact in any
/// order if values are whole numbers.
pub(super) fn add_up(entries: &mut Vec<(u32, f64)>) {
    entries.sort_unstable_by_key(|(column, _)| *column);
    entries.dedup_by(|next, kept| {
        let is_same = next.0 == kept.0;
        if is_same {
            kept.1 += next.1;
        }
        is_same
    });
}

/// The columns of a table of `width`: each row's entries are what `row_of` puts into an empty list for its
/// text, a column with a value each. Null is a text without entries.
pub(super) fn dense(
    values: &ArrayRef,
    width: usize,
    mut row_of: impl FnMut(&str, &mut Vec<(u32, f64)>),
) -> Result<Vec<Vec<f64>>, Error> {
    let mut columns = vec![vec![0.0; values.len()]; width];
    let mut put = |row: usize, entries: &[(u32, f64)]| {
        for (column, value) in entries {
            columns[*column as usize][row] = *value;
        }
    };
    match shared(values) {
        None => {
            let mut entries = Vec::new();
            for (row, text) in cast(values, &DataType::Utf8)?.as_string::<i32>().iter().enumerate() {
                let Some(text) = text else { continue };
                entries.clear();
                row_of(text, &mut entries);
                put(row, &entries);
            }
        }
        Some(keys) => {
            let texts = cast(values.as_any_dictionary().values(), &DataType::Utf8)?;
            let rows = texts.as_string::<i32>().iter().map(|text| {
                let mut entries = Vec::new();
                if let Some(text) = text {
                    row_of(text, &mut entries);
                }
                entries
            });
            let rows: Vec<Vec<(u32, f64)>> = rows.collect();
            for (row, key) in keys.into_iter().enumerate() {
                put(row, key.map_or(&[], |key| rows[key].as_slice()));
            }
        }
    }
    Ok(columns)
}

/// Each row's place in the dictionary, if rows share its texts.
fn shared(values: &ArrayRef) -> Option<Vec<Option<usize>>> {
    let dictionary = values.as_any_dictionary_opt()?;
    if dictionary.values().is_empty() || dictionary.values().len() > values.len() {
        return None;
    }
    let keys = dictionary.normalized_keys().into_iter().enumerate();
    Some(keys.map(|(row, key)| values.is_valid(row).then_some(key)).collect())
}

/// The arrays of `columns` in the types of `outputs`.
pub(super) fn arrays(columns: Vec<Vec<f64>>, outputs: &[Column]) -> Result<Vec<ArrayRef>, Error> {
    let arrays = columns.into_iter().zip(outputs).map(|(column, output)| {
        let array: ArrayRef = std::sync::Arc::new(Float64Array::from(column));
        if array.data_type() == &output.data_type { Ok(array) } else { Ok(cast(&array, &output.data_type)?) }
    });
    arrays.collect()
}
