//! What a step knows of a column before it sees a value.

use std::fmt;
use std::str::FromStr;

use arrow::datatypes::{DataType, Field, TimeUnit};
use serde::{Deserialize, Serialize};

/// What the values of a column mean. It decides which steps take the column, which selectors match it, and
/// how its categories are named; how the values are stored is the data type's matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ValueKind {
    /// No value at all, so that every step takes it.
    Null,
    /// Truth values.
    Bool,
    /// Whole numbers.
    #[serde(rename = "integer")]
    Int,
    /// Numbers, named with a point: `2.0`.
    Float,
    /// Days.
    Date,
    /// Instants or wall-clock times.
    Timestamp,
    /// Text.
    Text,
}

const NAMES: [(ValueKind, &str); 7] = [
    (ValueKind::Null, "null"),
    (ValueKind::Bool, "bool"),
    (ValueKind::Int, "integer"),
    (ValueKind::Float, "float"),
    (ValueKind::Date, "date"),
    (ValueKind::Timestamp, "timestamp"),
    (ValueKind::Text, "text"),
];

impl ValueKind {
    /// The kind of an Arrow type; `None` for types that no step takes, such as lists.
    pub fn of(data_type: &DataType) -> Option<ValueKind> {
        Some(match data_type {
            DataType::Null => ValueKind::Null,
            DataType::Boolean => ValueKind::Bool,
            t if t.is_integer() => ValueKind::Int,
            t if t.is_floating() => ValueKind::Float,
            DataType::Date32 => ValueKind::Date,
            DataType::Timestamp(_, _) => ValueKind::Timestamp,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => ValueKind::Text,
            DataType::Dictionary(_, values) => return ValueKind::of(values),
            _ => return None,
        })
    }

    /// Whether values of this kind count as numbers for a scaler: numbers, and bools as 0 and 1.
    pub fn is_arithmetic(self) -> bool {
        matches!(self, ValueKind::Null | ValueKind::Bool | ValueKind::Int | ValueKind::Float)
    }
}

impl ValueKind {
    /// A type that holds the values of any column of this kind, but for integers above int64.
    pub(crate) fn widest(self) -> DataType {
        match self {
            ValueKind::Null => DataType::Null,
            ValueKind::Bool => DataType::Boolean,
            ValueKind::Int => DataType::Int64,
            ValueKind::Float => DataType::Float64,
            ValueKind::Date => DataType::Date32,
            ValueKind::Timestamp => DataType::Timestamp(TimeUnit::Nanosecond, None),
            ValueKind::Text => DataType::Utf8,
        }
    }
}

impl fmt::Display for ValueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAMES.iter().find(|(k, _)| k == self).map_or("", |(_, name)| name))
    }
}

impl FromStr for ValueKind {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        NAMES.iter().find(|(_, n)| *n == name).map(|(k, _)| *k).ok_or(())
    }
}

/// A column by its name, the meaning of its values and their storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, unique in its table.
    pub name: String,
    /// What its values mean.
    pub kind: ValueKind,
    /// How they are stored.
    pub data_type: DataType,
}

impl Column {
    /// A column whose kind is that of its type. `None` for types that no step takes.
    pub fn of(field: &Field) -> Option<Column> {
        let kind = ValueKind::of(field.data_type())?;
        Some(Column { name: field.name().clone(), kind, data_type: field.data_type().clone() })
    }

    /// A float64 column.
    pub(crate) fn float64(name: impl Into<String>) -> Column {
        Column { name: name.into(), kind: ValueKind::Float, data_type: DataType::Float64 }
    }
}

/// Where an output column comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
    /// The column of the input that it goes back to; of a column that a step made from several, as `pca` does, the
    /// first that the step was given.
    pub source: String,
    /// The steps that made it, first to last, by their place in the recipe from 0 and their name.
    pub steps: Vec<(usize, String)>,
    /// The category that it stands for, if it is one of an encoder's.
    pub category: Option<String>,
}
