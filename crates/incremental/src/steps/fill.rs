//! Filling the missing values of a column, in a type that holds the fill too.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Date32Array, DictionaryArray, Float64Array,
    Int32Array, Int64Array, PrimitiveArray, Scalar, StringArray, TimestampNanosecondArray, UInt64Array,
    downcast_primitive,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::cast;
use arrow::compute::kernels::nullif::nullif;
use arrow::compute::kernels::zip::zip;
use arrow::datatypes::{DataType, Int32Type, TimeUnit};

use super::number_type::{narrowest_integer, range_of};
use crate::column::{Column, ValueKind};
use crate::error::{Error, ErrorKind};
use crate::stats::Category;

/// The column after filling: of the same type if that holds the fill, else of the next one that holds both.
pub(super) fn output(input: &Column, fill: &Category, narrow: bool) -> Result<Column, Error> {
    let same = match &input.data_type {
        // Keys are kept for texts only: a number takes no more bytes than its key.
        DataType::Dictionary(_, values) if input.kind != ValueKind::Text => values.as_ref().clone(),
        data_type => data_type.clone(),
    };
    let (kind, data_type) = match (input.kind, fill) {
        (ValueKind::Bool, Category::Bool(_)) => (ValueKind::Bool, same),
        (ValueKind::Int, Category::Int(value)) => (ValueKind::Int, widened(&same, *value)?),
        (ValueKind::Int | ValueKind::Float, Category::Float(value)) => {
            let fits = same == DataType::Float32 && narrow && f64::from(value.get() as f32) == value.get();
            (ValueKind::Float, if fits { same } else { DataType::Float64 })
        }
        (ValueKind::Float, Category::Int(value)) => {
            let fits = same == DataType::Float32 && (*value as f32) as i128 == *value;
            (ValueKind::Float, if fits { same } else { DataType::Float64 })
        }
        (ValueKind::Text, Category::Text(_)) => {
            // The fill may need a key of its own, and nobody knows yet how many there are.
            let key = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            (ValueKind::Text, if matches!(same, DataType::Dictionary(_, _)) { key() } else { DataType::Utf8 })
        }
        (ValueKind::Date, Category::Date(_)) => (ValueKind::Date, same),
        (ValueKind::Timestamp, Category::Timestamp(_)) => (ValueKind::Timestamp, same),
        (ValueKind::Null, fill) => match fill {
            Category::Bool(_) => (ValueKind::Bool, DataType::Boolean),
            Category::Int(value) => (ValueKind::Int, widened(&DataType::Int8, *value)?),
            Category::Float(_) => (ValueKind::Float, DataType::Float64),
            Category::Text(_) => (ValueKind::Text, DataType::Utf8),
            Category::Date(_) => (ValueKind::Date, DataType::Date32),
            Category::Timestamp(_) => (ValueKind::Timestamp, DataType::Timestamp(TimeUnit::Nanosecond, None)),
        },
        (found, fill) => {
            let message = format!(
                "is filled with `{fill}` and holds {found} values here; give it the type that was fitted"
            );
            return Err(Error::new(ErrorKind::InputDiffers { message }));
        }
    };
    Ok(Column { name: input.name.clone(), kind, data_type })
}

/// An integer type that holds all of `data_type` and `value`.
fn widened(data_type: &DataType, value: i128) -> Result<DataType, Error> {
    let (low, high) = range_of(data_type);
    if (low..=high).contains(&value) {
        return Ok(data_type.clone());
    }
    match (i64::try_from(low.min(value)), i64::try_from(high.max(value))) {
        (Ok(low), Ok(high)) => Ok(narrowest_integer(low, high)),
        _ => Err(Error::contradiction(format!(
            "no 64-bit type holds its values and the fill {value}; choose another fill, or cast the column to float64"
        ))),
    }
}

/// The column of the indicator, 1 where a value was missing.
pub(super) fn indicator(name: &str, narrow: bool) -> Column {
    let data_type = if narrow { DataType::UInt8 } else { DataType::Float64 };
    Column { name: format!("missingindicator_{name}"), kind: ValueKind::Float, data_type }
}

/// The values of the indicator.
pub(super) fn indicate(
    rows: usize,
    observed: Option<&NullBuffer>,
    data_type: &DataType,
) -> Result<ArrayRef, Error> {
    let flags: ArrayRef = Arc::new(missing(rows, observed));
    Ok(cast(&flags, data_type)?)
}

fn missing(rows: usize, observed: Option<&NullBuffer>) -> BooleanArray {
    let flags = observed.map_or_else(|| BooleanBuffer::new_unset(rows), |observed| !observed.inner());
    BooleanArray::new(flags, None)
}

/// The fill as an array of one value.
pub(super) fn one(fill: &Category, data_type: &DataType) -> Result<ArrayRef, Error> {
    let array: ArrayRef = match fill {
        Category::Bool(value) => Arc::new(BooleanArray::from(vec![*value])),
        Category::Int(value) => match i64::try_from(*value) {
            Ok(value) => Arc::new(Int64Array::from(vec![value])),
            Err(_) => Arc::new(UInt64Array::from(vec![*value as u64])),
        },
        Category::Float(value) => Arc::new(Float64Array::from(vec![value.get()])),
        Category::Text(text) => Arc::new(StringArray::from(vec![&**text])),
        Category::Date(days) => Arc::new(Date32Array::from(vec![*days])),
        Category::Timestamp(nanos) => return timestamp(*nanos, data_type),
    };
    Ok(cast(&array, data_type)?)
}

/// One instant in the column's unit, reached without passing through nanoseconds, which end in 2262.
fn timestamp(nanos: i128, data_type: &DataType) -> Result<ArrayRef, Error> {
    let scale = match data_type {
        DataType::Timestamp(TimeUnit::Second, _) => 1_000_000_000,
        DataType::Timestamp(TimeUnit::Millisecond, _) => 1_000_000,
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1_000,
        _ => 1,
    };
    let count = i64::try_from(nanos / scale).ok().filter(|_| nanos % scale == 0);
    let count = count
        .ok_or_else(|| Error::contradiction("the fill has more digits than the column's unit; shorten it"))?;
    if matches!(data_type, DataType::Timestamp(TimeUnit::Nanosecond, None)) {
        return Ok(Arc::new(TimestampNanosecondArray::from(vec![count])));
    }
    let count: ArrayRef = Arc::new(Int64Array::from(vec![count]));
    Ok(cast(&count, data_type)?)
}

/// The values with `fill` in place of those that are not observed, as `data_type`.
pub(super) fn fill(
    values: &ArrayRef,
    observed: Option<&NullBuffer>,
    fill: &Category,
    data_type: &DataType,
) -> Result<ArrayRef, Error> {
    let Some(observed) = observed else { return Ok(cast(values, data_type)?) };
    if let (DataType::Dictionary(_, _), Category::Text(text)) = (data_type, fill) {
        return fill_dictionary(values, observed, text);
    }
    let values = cast(values, data_type)?;
    let one = one(fill, data_type)?;
    macro_rules! primitive {
        ($t:ty) => {
            Ok(Arc::new(fill_primitive::<$t>(values.as_primitive(), observed, one.as_primitive())))
        };
    }
    downcast_primitive! {
        data_type => (primitive),
        _ => {
            let missing = missing(values.len(), Some(observed));
            Ok(zip(&missing, &Scalar::new(one), &values)?)
        }
    }
}

/// The column of [`fill`] with null in the place of the fill.
pub(super) fn leave_null(
    values: &ArrayRef,
    observed: Option<&NullBuffer>,
    data_type: &DataType,
) -> Result<ArrayRef, Error> {
    let values = cast(values, data_type)?;
    Ok(match observed {
        None => values,
        Some(observed) => nullif(&values, &missing(values.len(), Some(observed)))?,
    })
}

fn fill_primitive<T: ArrowPrimitiveType>(
    values: &PrimitiveArray<T>,
    observed: &NullBuffer,
    one: &PrimitiveArray<T>,
) -> PrimitiveArray<T> {
    let fill = one.value(0);
    let filled =
        values.values().iter().zip(observed).map(|(value, is_there)| if is_there { *value } else { fill });
    PrimitiveArray::new(filled.collect(), None).with_data_type(values.data_type().clone())
}

/// Keys stay keys: the fill is one of the dictionary's values, or is appended to them.
fn fill_dictionary(values: &ArrayRef, observed: &NullBuffer, text: &str) -> Result<ArrayRef, Error> {
    let keyed = cast(values, &DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)))?;
    let dictionary = keyed.as_dictionary::<Int32Type>();
    let texts = dictionary.values().as_string::<i32>();
    let found = texts.iter().position(|t| t == Some(text));
    let key = found.unwrap_or(texts.len());
    let all: ArrayRef = match found {
        Some(_) => Arc::clone(dictionary.values()),
        // A null among them keeps its place, so that the keys behind it stay right.
        None => Arc::new(texts.iter().chain([Some(text)]).collect::<StringArray>()),
    };
    let one = Int32Array::from(vec![i32::try_from(key).unwrap_or(i32::MAX)]);
    let keys = fill_primitive(dictionary.keys(), observed, &one);
    Ok(Arc::new(DictionaryArray::try_new(keys, all)?))
}
