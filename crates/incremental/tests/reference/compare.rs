//! Comparing an output with a case's expected values: numbers by value within the case's tolerances, null
//! for null and NaN, text as text.

use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, UInt64Type};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::Value;

/// Fields of a record; `None` is an empty field without quotes.
type Record = Vec<Option<String>>;

/// Reads a CSV file as the cases are written.
fn records(text: &str) -> Vec<Record> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut was_quoted, mut in_quotes) = (false, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if in_quotes && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' => (in_quotes, was_quoted) = (!in_quotes, true),
            ',' | '\n' if !in_quotes => {
                let value = std::mem::take(&mut field);
                record.push((was_quoted || !value.is_empty()).then_some(value));
                was_quoted = false;
                if c == '\n' {
                    records.push(std::mem::take(&mut record));
                }
            }
            '\r' if !in_quotes => {}
            c => field.push(c),
        }
    }
    assert!(record.is_empty() && field.is_empty(), "the file ends with a line end");
    records
}

/// What differs first, if anything does.
pub(crate) fn compare(case: &Value, output: &RecordBatch, expected: &Path) -> Result<(), String> {
    let mut expected = records(&std::fs::read_to_string(expected).unwrap()).into_iter();
    let header: Vec<String> = expected.next().unwrap().into_iter().map(Option::unwrap_or_default).collect();
    let rows: Vec<Record> = expected.collect();
    let texts = |key: &str| -> Vec<String> {
        case[key].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
    };
    let (mut names, exact) = (texts("columns_checked"), texts("exact"));
    // Rows that lack the target have none in the output either.
    names.retain(|name| header.contains(name));
    let found: Vec<String> = output.schema().fields().iter().map(|f| f.name().clone()).collect();
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names
    };
    if sorted(&found) != sorted(&names) || (case["ordered"] == true && found != names) {
        return Err(format!("the columns are {found:?}, expected {names:?}"));
    }
    if output.num_rows() != rows.len() {
        return Err(format!("{} rows, expected {}", output.num_rows(), rows.len()));
    }
    let (rtol, atol) = (case["rtol"].as_f64().unwrap(), case["atol"].as_f64().unwrap());
    for name in &names {
        let place = header.iter().position(|h| h == name).unwrap();
        let tolerance = if exact.contains(name) { (0.0, 0.0) } else { (rtol, atol) };
        let values = output.column_by_name(name).unwrap();
        for (row, record) in rows.iter().enumerate() {
            if !is_same(values, row, record[place].as_deref(), tolerance) {
                let got = ArrayFormatter::try_new(values, &FormatOptions::default()).unwrap();
                return Err(format!("{name}[{row}]: got {}, want {:?}", got.value(row), record[place]));
            }
        }
    }
    Ok(())
}

fn is_same(values: &ArrayRef, row: usize, want: Option<&str>, (rtol, atol): (f64, f64)) -> bool {
    let want = want.filter(|want| !want.eq_ignore_ascii_case("nan"));
    let one = values.slice(row, 1);
    let is_number = |t: &DataType| t.is_numeric() || *t == DataType::Boolean;
    let is_null = one.logical_nulls().is_some_and(|nulls| nulls.null_count() == 1)
        || (one.data_type().is_floating()
            && cast(&one, &DataType::Float64).unwrap().as_primitive::<Float64Type>().value(0).is_nan());
    let Some(want) = want.filter(|_| !is_null) else { return is_null && want.is_none() };
    if is_number(one.data_type()) {
        if one.data_type().is_integer()
            && let Ok(want) = want.trim().parse::<i128>()
        {
            return integer(&one) == want;
        }
        let got = cast(&one, &DataType::Float64).unwrap().as_primitive::<Float64Type>().value(0);
        let want = match want.trim().to_lowercase().as_str() {
            "true" => 1.0,
            "false" => 0.0,
            number => match number.parse::<f64>() {
                Ok(number) => number,
                Err(_) => return false,
            },
        };
        return got == want || (got - want).abs() <= atol + rtol * want.abs();
    }
    if matches!(one.data_type(), DataType::Timestamp(_, _)) {
        let wanted: ArrayRef =
            std::sync::Arc::new(arrow::array::StringArray::from(vec![want.trim_end_matches('Z')]));
        let nanos = DataType::Timestamp(TimeUnit::Nanosecond, None);
        return cast(&one, &nanos).unwrap() == cast(&wanted, &nanos).unwrap();
    }
    cast(&one, &DataType::Utf8).unwrap().as_string::<i32>().value(0) == want
}

fn integer(one: &ArrayRef) -> i128 {
    match one.as_primitive_opt::<UInt64Type>() {
        Some(integers) => integers.value(0).into(),
        None => cast(one, &DataType::Int64).unwrap().as_primitive::<Int64Type>().value(0).into(),
    }
}
