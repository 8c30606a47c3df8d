//! Values as categories: as a recipe writes them, and as arrays hold them.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Int64Type, TimeUnit, UInt64Type};

use crate::column::ValueKind;
use crate::error::Error;
use crate::numeric;
use crate::params::ParamValue;
use crate::stats::{Category, Counts};

/// A category as the parameter `name` of a recipe writes it, for a column of `kind`; `None` is missing,
/// written `nan`.
pub(super) fn category_of(
    name: &str,
    value: &ParamValue,
    kind: ValueKind,
) -> Result<Option<Category>, Error> {
    let wrong = || Error::parameter(name, value, format!("a value of a column of {kind} values"));
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
            let text: ArrayRef = Arc::new(StringArray::from(vec![text.as_str()]));
            let typed = cast(&text, &data_type)?;
            Some(categories_of(&typed)?.pop().flatten().ok_or_else(wrong)?)
        }
        _ => return Err(wrong()),
    })
}

/// Different values that a column may have, half of what places of 32 bits tell apart.
const MOST_DISTINCT: usize = 1 << 31;

/// Adds a column's values to the counts.
pub(super) fn count(counts: &mut Counts, values: &ArrayRef) -> Result<(), Error> {
    if counts.distinct() > MOST_DISTINCT.saturating_sub(values.len()) {
        return Err(Error::contradiction(format!(
            "has more than {MOST_DISTINCT} different values, which are not counted; leave it out, or use `feature_hasher`"
        )));
    }
    if let DataType::Dictionary(_, of) = values.data_type() {
        return count_dictionary(counts, values, of);
    }
    let data_type = values.data_type();
    let missing = values.logical_nulls().map_or(0, |nulls| nulls.null_count());
    counts.add_missing(missing as u64);
    if let Some(flags) = values.as_boolean_opt() {
        let trues = flags.true_count();
        counts.add_bool(true, trues as u64);
        counts.add_bool(false, (flags.len() - missing - trues) as u64);
    } else if let Some(texts) = values.as_string_opt::<i32>() {
        texts.iter().flatten().for_each(|text| counts.add_text(text, 1));
    } else if let Some(integers) = values.as_primitive_opt::<UInt64Type>() {
        integers.iter().flatten().for_each(|value| counts.add_int(value.into(), 1));
    } else if data_type.is_integer() {
        let integers = cast(values, &DataType::Int64)?;
        let integers = integers.as_primitive::<Int64Type>();
        integers.iter().flatten().for_each(|value| counts.add_int(value.into(), 1));
    } else if data_type.is_floating() {
        numeric::as_float64(values)?.iter().flatten().for_each(|value| counts.add_float(value, 1));
    } else {
        categories_of(values)?.iter().flatten().for_each(|category| counts.add(category, 1));
    }
    Ok(())
}

fn count_dictionary(counts: &mut Counts, values: &ArrayRef, of: &DataType) -> Result<(), Error> {
    let dictionary = values.as_any_dictionary();
    // A dictionary is worth a walk only where rows share its values.
    if dictionary.values().len() > values.len() {
        return count(counts, &cast(values, of)?);
    }
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
    Ok(())
}

/// Bytes of the texts among the values, each different one of a dictionary once.
pub(super) fn text_bytes(values: &ArrayRef) -> usize {
    match values.data_type() {
        DataType::Utf8 => value_bytes(values.as_string::<i32>().value_offsets()),
        DataType::LargeUtf8 => value_bytes(values.as_string::<i64>().value_offsets()),
        DataType::Utf8View => values.as_string_view().iter().flatten().map(str::len).sum(),
        DataType::Dictionary(_, of) => {
            let dictionary = values.as_any_dictionary().values();
            if dictionary.len() <= values.len() {
                return text_bytes(dictionary);
            }
            // Of those, some are of no row.
            cast(values, of).map_or(0, |texts| text_bytes(&texts))
        }
        _ => 0,
    }
}

fn value_bytes<O: OffsetSizeTrait>(offsets: &[O]) -> usize {
    offsets.last().zip(offsets.first()).map_or(0, |(end, start)| end.as_usize() - start.as_usize())
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
        DataType::Dictionary(_, of) => categories_of(&cast(values, of)?)?,
        _ => {
            let texts = cast(values, &DataType::Utf8)?;
            texts.as_string::<i32>().iter().map(|v| v.map(Category::text)).collect()
        }
    })
}
