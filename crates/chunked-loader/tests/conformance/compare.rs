//! What came out against what a case expects.

use std::collections::HashSet;

use crate::case::{Case, Expected};
use crate::reading::{Outcome, Read, Reading, Refused};
use crate::values::Values;

/// What is wrong with a reading of `case`, if anything is.
pub(crate) fn outcome(case: &Case, expected: &Expected, reading: &Reading) -> Result<(), String> {
    if expected.is_error()
        && let Some(most) = case.max_rejects()
    {
        let found = reading.rejects.len() as u64;
        return if found > most {
            Ok(())
        } else {
            Err(format!("{found} rejects, expected more than {most}"))
        };
    }
    match &reading.outcome {
        Outcome::Refused(error) if expected.is_error() => refused(expected, error),
        Outcome::Refused(error) => Err(format!("refused: {}", error.message)),
        Outcome::Read(_) if expected.is_error() => Err("read, expected an error".to_owned()),
        Outcome::Read(read) => {
            if let Some(rejects) = expected.rejects()
                && rejects != reading.rejects.len() as u64
            {
                return Err(format!("{} rejects, expected {rejects}", reading.rejects.len()));
            }
            header(expected, read)?;
            types(expected, read)?;
            rows(case, expected, read)
        }
    }
}

fn refused(expected: &Expected, error: &Refused) -> Result<(), String> {
    let found = |key: &str| match key {
        "exit" => vec![error.exit],
        "line" => error.position.map(|p| p.line).into_iter().collect(),
        "record" => error.position.map(|p| p.record).into_iter().collect(),
        _ => error.position.map(|p| p.byte).into_iter().chain(error.bad_byte).collect(),
    };
    for key in ["exit", "line", "record", "byte"] {
        let Some(right) = expected.error_numbers(key) else { continue };
        let found: Vec<u64> = found(key);
        if !found.iter().any(|n| right.contains(n)) {
            return Err(format!("{key} {found:?}, expected {right:?} in: {}", error.message));
        }
    }
    if expected.error_column() != error.column.as_deref() && expected.error_column().is_some() {
        return Err(format!("column {:?} in: {}", error.column, error.message));
    }
    Ok(())
}

fn header(expected: &Expected, read: &Read) -> Result<(), String> {
    let schema = read.columns.schema();
    let found: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    if found.iter().collect::<HashSet<_>>().len() != found.len() {
        return Err(format!("names come twice: {found:?}"));
    }
    let Some(names) = expected.header() else { return Ok(()) };
    if found.len() != names.len() {
        return Err(format!("{} columns, expected {}", found.len(), names.len()));
    }
    for (i, (found, name)) in found.iter().zip(&names).enumerate() {
        let may_be_made_up = expected.header_is_lenient() && (name.is_empty() || names[..i].contains(name));
        if found != name && !may_be_made_up {
            return Err(format!("column {i} is named {found:?}, expected {name:?}"));
        }
    }
    Ok(())
}

fn types(expected: &Expected, read: &Read) -> Result<(), String> {
    let names = expected.header().unwrap_or_default();
    for (i, found) in read.types.iter().enumerate() {
        let name = names.get(i).map_or("", String::as_str);
        let Some(right) = expected.types(i, name) else { continue };
        let as_text = if found == "dictionary" { "string" } else { found };
        if !right.iter().any(|t| t == found || t == as_text) {
            return Err(format!("column {i} {name:?} is {found}, expected {right:?}"));
        }
    }
    Ok(())
}

/// The number of rows and every value.
fn rows(case: &Case, expected: &Expected, read: &Read) -> Result<(), String> {
    if let Some(count) = expected.row_count()
        && count != read.columns.num_rows() as u64
    {
        return Err(format!("{} rows, expected {count}", read.columns.num_rows()));
    }
    let Some(rows) = expected.rows() else { return Ok(()) };
    if rows.len() != read.columns.num_rows() {
        return Err(format!("{} rows, expected {}", read.columns.num_rows(), rows.len()));
    }
    if let Some(row) = rows.iter().find(|row| row.len() != read.columns.num_columns()) {
        return Err(format!("{} columns, expected {}", read.columns.num_columns(), row.len()));
    }
    for (i, column) in read.columns.columns().iter().enumerate() {
        let values = Values::new(column);
        let is_number = matches!(values, Values::Whole(_) | Values::Float(_));
        for (n, row) in rows.iter().enumerate() {
            let plain = row[i].as_ref().filter(|_| is_number).map(|text| case.plain_number(text));
            if let Some(found) = values.unlike(n, plain.as_deref().or(row[i].as_deref())) {
                return Err(format!("row {n}, column {i}: found {found}, expected {:?}", row[i]));
            }
        }
    }
    Ok(())
}
