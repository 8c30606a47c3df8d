//! Columns as float64, the type that scalers and imputers compute in, whatever the downcast.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};

use crate::column::{Column, ValueKind};
use crate::error::{Error, ErrorKind};

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

/// The values that are neither null nor NaN, in order.
pub(crate) fn present(floats: &Float64Array) -> Vec<f64> {
    // NaN is how numpy writes a missing value, so it is one here too.
    floats.iter().flatten().filter(|v| !v.is_nan()).collect()
}

/// Refuses infinities, as scikit-learn does: no moment of theirs is a number.
pub(crate) fn check_finite(floats: &Float64Array, first_row: u64) -> Result<(), Error> {
    // Nulls may hold any bits below, so the whole buffer is only a first, fast question.
    if !floats.values().iter().any(|v| v.is_infinite()) {
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

/// Applies `f` to every value; nulls stay null.
pub(crate) fn map(floats: &Float64Array, f: impl Fn(f64) -> f64) -> Float64Array {
    floats.unary(f)
}

/// Whether a value is missing: null, or NaN in a float column.
pub(crate) fn missing_mask(values: &ArrayRef, kind: ValueKind) -> Vec<bool> {
    let nulls = values.logical_nulls();
    let mut missing: Vec<bool> = match &nulls {
        None => vec![false; values.len()],
        Some(nulls) => nulls.iter().map(|valid| !valid).collect(),
    };
    if kind == ValueKind::Float
        && let Ok(floats) = as_float64(values)
    {
        for (missing, value) in missing.iter_mut().zip(floats.values()) {
            *missing |= value.is_nan();
        }
    }
    missing
}
