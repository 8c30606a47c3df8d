//! The parameter `missing_values`: which values of a column count as missing.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::{BooleanBuffer, NullBuffer};

use super::categories;
use crate::column::ValueKind;
use crate::error::{Error, ErrorKind};
use crate::numeric;
use crate::params::{ParamValue, Params};
use crate::stats::Category;

/// The value that a recipe names; `None` is null and NaN.
pub(super) fn parse(params: &mut Params) -> Result<Option<ParamValue>, Error> {
    let value = params.read_optional("missing_values", "a number, a text or nan", scalar)?;
    Ok(value.filter(|v| !v.as_f64().is_some_and(f64::is_nan)))
}

/// A value that is one, not several.
pub(super) fn scalar(value: &ParamValue) -> Option<ParamValue> {
    match value {
        ParamValue::List(_) | ParamValue::Other(_) => None,
        value => Some(value.clone()),
    }
}

/// The value as a category of a column of `kind`.
pub(super) fn category(value: Option<&ParamValue>, kind: ValueKind) -> Result<Option<Category>, Error> {
    match value {
        None => Ok(None),
        Some(value) => categories::category_of("missing_values", value, kind),
    }
}

/// Which values are there, `None` if all are: neither null nor NaN, nor the value that stands for missing.
pub(super) fn observed(
    values: &ArrayRef,
    missing_value: Option<&Category>,
    first_row: u64,
) -> Result<Option<NullBuffer>, Error> {
    let observed = numeric::observed(values)?;
    let Some(missing_value) = missing_value else { return Ok(observed) };
    if let Some(row) = observed.and_then(|observed| observed.iter().position(|is_there| !is_there)) {
        // As the classes: with another value for missing, nobody says what a null is.
        let expected = "no null where `missing_values` names another value";
        return Err(
            Error::new(ErrorKind::Value { found: "null".into(), expected }).in_row(first_row + row as u64)
        );
    }
    let categories = categories::categories_of(values)?;
    let is_there = |row: usize| categories[row].as_ref() != Some(missing_value);
    let observed = NullBuffer::new(BooleanBuffer::collect_bool(values.len(), is_there));
    Ok(Some(observed).filter(|observed| observed.null_count() > 0))
}
