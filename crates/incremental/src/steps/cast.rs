//! `cast`: a column as another type, each value the same in it, or refused.
//!
//! Equals `astype` of pandas where that keeps every value; where pandas would cut, wrap or guess, the value is
//! refused with its record.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `dtype` | none, must be given | `int8` to `int64`, `uint8` to `uint64`, `float32`, `float64`, `bool`, `date`, `timestamp`, `string` or `dictionary` |
//!
//! | to | from |
//! |---|---|
//! | an integer | whole numbers within its range; `False` and `True` as 0 and 1; text that is such a number, zeros in front or not |
//! | a float | numbers, rounded to the nearest, ties to even; bools; text that is a number, `nan` or `inf` |
//! | `bool` | the numbers 0 and 1; text that is `true` or `false` in any case |
//! | `date` | text as `2020-01-31`; a timestamp, of which the day stays |
//! | `timestamp` | text as `2020-01-31T12:34:56.5`, with a blank for the T, without seconds or without a time, to the microsecond and without a zone; a date, as its first second |
//! | `string`, `dictionary` | everything, as Python prints it: `True`, `2.0`, `2020-01-31`. `dictionary` stores each text once |
//!
//! Null stays null, and NaN is null in a type without it. The column has exactly that type, however narrow others
//! are stored. Nothing is learnt, so no pass is needed.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray, UInt64Array, new_null_array,
};
use arrow::compute::kernels::cast_utils::{Parser, string_to_time_nanoseconds};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Date32Type, TimeUnit};
use serde::{Deserialize, Serialize};

use super::categories;
use super::number_type::{numeric_type, range_of};
use crate::column::{Column, ValueKind};
use crate::error::{Error, ErrorKind};
use crate::fitted_columns::FittedColumn;
use crate::numeric;
use crate::params::{ParamValue, Params};
use crate::per_column::{ColumnStep, NothingToLearn, PerColumn};
use crate::stats::Category;
use crate::step::{OutputColumn, Step};

/// The type, by its name in the recipe.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cast {
    dtype: String,
}

pub(super) fn parse(params: &mut Params) -> Result<Box<dyn Step>, Error> {
    let expected =
        "int8 to int64, uint8 to uint64, float32, float64, bool, date, timestamp, string or dictionary";
    let dtype = params.read("dtype", None, expected, |value| {
        let ParamValue::Text(name) = value else { return None };
        type_of(name).map(|_| Some(name.clone()))
    })?;
    let dtype = dtype.ok_or_else(|| Error::parameter("dtype", "not given", expected))?;
    Ok(PerColumn::boxed(Cast { dtype }))
}

/// The type that a name stands for. A timestamp's unit also depends on what is cast.
fn type_of(name: &str) -> Option<DataType> {
    Some(match name {
        "bool" => DataType::Boolean,
        "date" => DataType::Date32,
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "string" => DataType::Utf8,
        "dictionary" => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        _ => return numeric_type(name),
    })
}

impl Cast {
    fn output(&self, input: &Column) -> Result<Column, Error> {
        let refused = |expected| Err(Error::new(ErrorKind::WrongKind { expected, found: input.kind }));
        let data_type = type_of(&self.dtype).unwrap_or(DataType::Null);
        let kind = ValueKind::of(&data_type).unwrap_or(ValueKind::Null);
        let is_text = matches!(input.kind, ValueKind::Text | ValueKind::Null);
        let is_temporal = matches!(input.kind, ValueKind::Date | ValueKind::Timestamp);
        let data_type = match kind {
            ValueKind::Bool | ValueKind::Int | ValueKind::Float if is_temporal => {
                return refused("numbers, bools or text");
            }
            ValueKind::Date | ValueKind::Timestamp if !is_text && !is_temporal => {
                return refused("text, dates or timestamps");
            }
            ValueKind::Timestamp if input.kind == ValueKind::Timestamp => input.data_type.clone(),
            ValueKind::Timestamp if input.kind == ValueKind::Date => {
                DataType::Timestamp(TimeUnit::Second, None)
            }
            _ => data_type,
        };
        Ok(Column { name: input.name.clone(), kind, data_type })
    }
}

impl ColumnStep for Cast {
    type State = NothingToLearn<Cast>;

    fn start(self: &Arc<Self>, _: usize, input: &Column) -> Result<NothingToLearn<Cast>, Error> {
        self.output(input)?;
        Ok(NothingToLearn(Cast::clone(self)))
    }

    fn preview(&self, _: usize, input: &Column) -> (Vec<Column>, bool) {
        (vec![self.output(input).unwrap_or_else(|_| input.clone())], true)
    }
}

impl FittedColumn for Cast {
    fn is_sound(&self) -> bool {
        type_of(&self.dtype).is_some()
    }

    fn outputs(&self, input: &Column, _: bool) -> Result<Vec<OutputColumn>, Error> {
        Ok(vec![OutputColumn::plain(self.output(input)?)])
    }

    fn transform(
        &self,
        values: &ArrayRef,
        outputs: &[Column],
        first_row: u64,
    ) -> Result<Vec<ArrayRef>, Error> {
        let [Column { data_type, .. }] = outputs else { return Ok(Vec::new()) };
        let made = match convert(values, data_type)? {
            Converted::All(made) => made,
            Converted::Not(row) => {
                let found = match categories::categories_of(&values.slice(row, 1))?.pop().flatten() {
                    Some(Category::Text(text)) => format!("\"{text}\""),
                    Some(other) => other.to_string(),
                    None => "null".to_owned(),
                };
                let error = ErrorKind::Value { found, expected: expected(data_type) };
                return Err(Error::new(error).in_row(first_row + row as u64));
            }
        };
        Ok(vec![made])
    }

    fn is_row_wise(&self) -> bool {
        true
    }

    fn heap_bytes(&self) -> usize {
        self.dtype.capacity()
    }
}

/// What a type takes, for messages.
fn expected(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Int8 => "a whole number from -128 to 127, as int8 holds them",
        DataType::Int16 => "a whole number from -32768 to 32767, as int16 holds them",
        DataType::Int32 => "a whole number of 32 bits, as int32 holds them",
        DataType::Int64 => "a whole number of 64 bits, as int64 holds them",
        DataType::UInt8 => "a whole number from 0 to 255, as uint8 holds them",
        DataType::UInt16 => "a whole number from 0 to 65535, as uint16 holds them",
        DataType::UInt32 => "a whole number from 0 of 32 bits, as uint32 holds them",
        DataType::UInt64 => "a whole number from 0 of 64 bits, as uint64 holds them",
        DataType::Float32 => "a number within the range of float32",
        DataType::Float64 => "a number",
        DataType::Boolean => "0, 1, true or false",
        DataType::Date32 => "a date such as 2020-01-31",
        _ => "a timestamp such as 2020-01-31T12:34:56, to the microsecond and without a zone",
    }
}

/// The whole column, or the first row whose value the type does not have.
enum Converted {
    All(ArrayRef),
    Not(usize),
}

fn convert(values: &ArrayRef, to: &DataType) -> Result<Converted, Error> {
    let from = ValueKind::of(values.data_type());
    Ok(match (from, to) {
        (_, to) if values.data_type() == to => Converted::All(Arc::clone(values)),
        (Some(ValueKind::Null), _) => Converted::All(new_null_array(to, values.len())),
        (Some(ValueKind::Int | ValueKind::Bool), to) if to.is_numeric() => cast_whole(values, to)?,
        (Some(ValueKind::Float), DataType::Float64) => Converted::All(Arc::new(numeric::as_float64(values)?)),
        // A second holds every day, as a microsecond does not.
        (Some(ValueKind::Date), DataType::Timestamp(_, _)) => Converted::All(cast(values, to)?),
        (Some(ValueKind::Text), DataType::Utf8 | DataType::Dictionary(_, _)) => {
            Converted::All(cast(&cast(values, &DataType::Utf8)?, to)?)
        }
        _ => one_by_one(values, to)?,
    })
}

/// A kernel that gives null for what the type does not have.
fn cast_whole(values: &ArrayRef, to: &DataType) -> Result<Converted, Error> {
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let made = cast_with_options(values, to, &options)?;
    if made.null_count() == values.logical_null_count() {
        return Ok(Converted::All(made));
    }
    let is_there = values.logical_nulls();
    let lost = |row: &usize| made.is_null(*row) && is_there.as_ref().is_none_or(|nulls| nulls.is_valid(*row));
    Ok(match (0..values.len()).find(lost) {
        Some(row) => Converted::Not(row),
        None => Converted::All(made),
    })
}

fn one_by_one(values: &ArrayRef, to: &DataType) -> Result<Converted, Error> {
    let categories = categories::categories_of(values)?;
    // What `convert` gives for each value, until there is one without.
    fn all<T>(
        categories: &[Option<Category>],
        convert: impl Fn(&Category) -> Option<T>,
    ) -> Result<Vec<Option<T>>, usize> {
        let converted = categories.iter().enumerate().map(|(row, category)| match category {
            None => Ok(None),
            Some(category) => convert(category).map(Some).ok_or(row),
        });
        converted.collect()
    }
    let array: Result<ArrayRef, usize> = match to {
        DataType::UInt64 => {
            let natural = |c: &Category| u64::try_from(whole(c)?).ok();
            all(&categories, natural).map(|v| Arc::new(UInt64Array::from(v)) as ArrayRef)
        }
        to if to.is_integer() => {
            let (low, high) = range_of(to);
            let integer = |c: &Category| whole(c).filter(|i| (low..=high).contains(i))?.try_into().ok();
            all(&categories, integer).map(|v| Arc::new(Int64Array::from(v)) as ArrayRef)
        }
        DataType::Float32 => {
            let single = |c: &Category| number(c).filter(|x| (*x as f32).is_finite() || !x.is_finite());
            all(&categories, single).map(|v| Arc::new(Float64Array::from(v)) as ArrayRef)
        }
        DataType::Float64 => all(&categories, number).map(|v| Arc::new(Float64Array::from(v)) as ArrayRef),
        DataType::Boolean => all(&categories, truth).map(|v| Arc::new(BooleanArray::from(v)) as ArrayRef),
        DataType::Date32 => all(&categories, day).map(|v| Arc::new(Date32Array::from(v)) as ArrayRef),
        DataType::Timestamp(_, _) => {
            all(&categories, instant).map(|v| Arc::new(TimestampMicrosecondArray::from(v)) as ArrayRef)
        }
        _ => {
            let text = |c: &Category| Some(c.to_string());
            all(&categories, text).map(|v| Arc::new(StringArray::from(v)) as ArrayRef)
        }
    };
    Ok(match array {
        Err(row) => Converted::Not(row),
        Ok(array) if array.data_type() == to => Converted::All(array),
        Ok(array) => Converted::All(cast(&array, to)?),
    })
}

fn whole(category: &Category) -> Option<i128> {
    match category {
        Category::Int(value) => Some(*value),
        Category::Bool(value) => Some((*value).into()),
        Category::Text(text) => text.parse().ok(),
        Category::Float(value) => {
            let value = value.get();
            // Beyond 2^64 no type follows.
            (value.trunc() == value && value.abs() <= 2f64.powi(64)).then_some(value as i128)
        }
        _ => None,
    }
}

fn number(category: &Category) -> Option<f64> {
    match category {
        Category::Float(value) => Some(value.get()),
        Category::Text(text) => text.parse().ok(),
        other => whole(other).map(|value| value as f64),
    }
}

fn truth(category: &Category) -> Option<bool> {
    match category {
        Category::Bool(value) => Some(*value),
        Category::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Category::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
        Category::Text(_) => None,
        other => match whole(other)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
    }
}

const MICROS_PER_DAY: i128 = 86_400_000_000;

fn day(category: &Category) -> Option<i32> {
    match category {
        Category::Date(day) => Some(*day),
        Category::Timestamp(nanos) => i32::try_from(nanos.div_euclid(MICROS_PER_DAY * 1000)).ok(),
        Category::Text(text) => parse_day(text),
        _ => None,
    }
}

fn instant(category: &Category) -> Option<i64> {
    match category {
        Category::Text(text) => parse_micros(text),
        _ => None,
    }
}

/// Whether a text has digits where the pattern has 0, and the pattern's own characters elsewhere.
fn has_shape(text: &str, pattern: &str) -> bool {
    let fits = |(byte, wanted): (u8, u8)| if wanted == b'0' { byte.is_ascii_digit() } else { byte == wanted };
    text.len() == pattern.len() && text.bytes().zip(pattern.bytes()).all(fits)
}

fn parse_day(text: &str) -> Option<i32> {
    has_shape(text, "0000-00-00").then(|| Date32Type::parse(text)).flatten()
}

fn parse_micros(text: &str) -> Option<i64> {
    let (date, time) = match text.split_at_checked(10)? {
        (date, "") => (date, "00:00"),
        (date, rest) => (date, rest.strip_prefix('T').or_else(|| rest.strip_prefix(' '))?),
    };
    let (clock, fraction) = match time.split_once('.') {
        None => (time, ""),
        Some((_, "")) => return None,
        Some((clock, fraction)) if clock.len() == 8 => (clock, fraction),
        Some(_) => return None,
    };
    let clock = if clock.len() == 5 { format!("{clock}:00") } else { clock.to_owned() };
    // A 60th second is of no day that has 86 400.
    if !has_shape(&clock, "00:00:00") || &clock[6..] > "59" || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.trim_end_matches('0');
    let fraction: i128 = if digits.len() > 6 { return None } else { format!("{digits:0<6}").parse().ok()? };
    let of_day = i128::from(string_to_time_nanoseconds(&clock).ok()? / 1000) + fraction;
    i64::try_from(i128::from(parse_day(date)?) * MICROS_PER_DAY + of_day).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_read_strictly() {
        for (text, expected) in [
            ("1970-01-01", Some(0)),
            ("1970-01-01T00:00", Some(0)),
            ("1970-01-02 01:00:00", Some(90_000_000_000)),
            ("1969-12-31T23:59:59.5", Some(-500_000)),
            ("1970-01-01T00:00:00.000001", Some(1)),
            ("1970-01-01T00:00:00.000001000", Some(1)),
            ("1970-01-01T00:00:00.0000001", None),
            ("1970-01-01T00:00:00Z", None),
            ("1970-01-01T24:00:00", None),
            ("1970-01-01T00:00:60", None),
            ("1970-01-01T00:00:00.", None),
            ("1970-01-01T00:00.5", None),
            ("1970-01-01T", None),
            ("1970-02-29", None),
            ("1970-1-1", None),
            ("é970-01-01", None),
            ("", None),
        ] {
            assert_eq!(parse_micros(text), expected, "{text}");
        }
    }
}
