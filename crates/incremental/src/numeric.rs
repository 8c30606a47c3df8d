//! Columns as float64, the type that scalers and imputers compute in, whatever the downcast.

use std::borrow::Cow;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type};

use crate::column::{Column, ValueKind};
use crate::error::{Error, ErrorKind};
use crate::stats::Moments;

/// Refuses a column that a scaler cannot take.
pub(crate) fn check_arithmetic(input: &Column) -> Result<(), Error> {
    if input.kind.is_arithmetic() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::WrongKind { expected: "numbers or bools", found: input.kind }))
}

/// The values as float64: whole numbers rounded to the nearest, bools as 0 and 1, NaN as it is.
pub(crate) fn as_float64(values: &ArrayRef) -> Result<Float64Array, Error> {
    if let Some(floats) = values.as_primitive_opt::<Float64Type>() {
        return Ok(floats.clone());
    }
    Ok(cast(values, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
}

/// As [`as_float64`], and refuses infinities as scikit-learn does: no moment of theirs is a number.
pub(crate) fn finite(values: &ArrayRef, first_row: u64) -> Result<Float64Array, Error> {
    let floats = as_float64(values)?;
    if !values.data_type().is_integer() {
        check_finite(&floats, first_row)?;
    }
    Ok(floats)
}

/// As [`finite`], and refuses missing values, for the steps whose classes take none.
pub(crate) fn complete(values: &ArrayRef, first_row: u64) -> Result<Float64Array, Error> {
    if let Some(row) = observed(values)?.and_then(|observed| observed.iter().position(|is_there| !is_there)) {
        let expected = "a number, since this step takes no missing values (`simple_imputer` fills them)";
        return Err(
            Error::new(ErrorKind::Value { found: "null".into(), expected }).in_row(first_row + row as u64)
        );
    }
    finite(values, first_row)
}

/// A scale to divide by: 1 for one under ten machine epsilons, which scikit-learn's scalers take for the
/// rounding of a constant column.
pub(crate) fn scale_or_one(scale: f64) -> f64 {
    if scale < 10.0 * f64::EPSILON { 1.0 } else { scale }
}

/// Refuses infinities in a column of floats, as scikit-learn's classes do wherever they take numbers.
pub(crate) fn refuse_infinities(values: &ArrayRef, first_row: u64) -> Result<(), Error> {
    if ValueKind::of(values.data_type()) != Some(ValueKind::Float) {
        return Ok(());
    }
    check_finite(&as_float64(values)?, first_row)
}

fn check_finite(floats: &Float64Array, first_row: u64) -> Result<(), Error> {
    // Nulls may hold any bits below, so the whole buffer is only a first, fast question.
    if !floats.values().iter().fold(false, |any, v| any | v.is_infinite()) {
        return Ok(());
    }
    match floats.iter().position(|v| v.is_some_and(f64::is_infinite)) {
        None => Ok(()),
        Some(row) => Err(Error::new(ErrorKind::Value {
            found: floats.value(row).to_string(),
            expected: "a finite number",
        })
        .in_row(first_row + row as u64)),
    }
}

/// The values that `valid` says are there; all of them, without a copy, if it is `None`. NaN may be among
/// them: every statistic takes it for a missing value, as numpy does.
pub(crate) fn valid<'a>(floats: &'a Float64Array, valid: Option<&NullBuffer>) -> Cow<'a, [f64]> {
    let values = floats.values();
    match valid {
        None => Cow::Borrowed(values),
        Some(valid) => Cow::Owned(valid.valid_indices().map(|row| values[row]).collect()),
    }
}

/// Adds a column's values to moments, and refuses infinities.
pub(crate) fn add_to_moments(moments: &mut Moments, values: &ArrayRef, first_row: u64) -> Result<(), Error> {
    // Up to 32 bits integers are exact in float64, and their sums are faster as integers.
    if values.data_type().is_integer() && values.data_type().primitive_width() < Some(8) {
        let integers = cast(values, &DataType::Int64)?;
        let integers = integers.as_primitive::<Int64Type>();
        match integers.nulls() {
            None => moments.update_integers(integers.values()),
            Some(nulls) => {
                let present: Vec<i64> = nulls.valid_indices().map(|row| integers.values()[row]).collect();
                moments.update_integers(&present);
            }
        }
        return Ok(());
    }
    let floats = finite(values, first_row)?;
    moments.update(&valid(&floats, floats.nulls()));
    Ok(())
}

/// Applies `f` to every value; nulls stay null.
pub(crate) fn map(floats: &Float64Array, f: impl Fn(f64) -> f64) -> Float64Array {
    floats.unary(f)
}

/// Which values are there, neither null nor NaN; `None` if all are.
pub(crate) fn observed(values: &ArrayRef) -> Result<Option<NullBuffer>, Error> {
    let nulls = values.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    let numbers = match values.data_type() {
        DataType::Float64 => {
            let floats = values.as_primitive::<Float64Type>().values();
            has_nan(floats).then(|| BooleanBuffer::collect_bool(floats.len(), |i| !floats[i].is_nan()))
        }
        DataType::Float32 => {
            let floats = values.as_primitive::<Float32Type>().values();
            let has_nan = floats.iter().fold(false, |any, v| any | v.is_nan());
            has_nan.then(|| BooleanBuffer::collect_bool(floats.len(), |i| !floats[i].is_nan()))
        }
        DataType::Dictionary(_, of) if of.is_floating() => {
            return observed(&cast(values, of)?);
        }
        DataType::Float16 => return observed(&cast(values, &DataType::Float32)?),
        _ => None,
    };
    Ok(NullBuffer::union(nulls.as_ref(), numbers.map(NullBuffer::new).as_ref())
        .filter(|observed| observed.null_count() > 0))
}

fn has_nan(floats: &[f64]) -> bool {
    floats.iter().fold(false, |any, v| any | v.is_nan())
}
