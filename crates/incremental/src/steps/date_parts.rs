//! `date_parts`: dates and timestamps taken apart into whole numbers.
//!
//! Named for the parts that pandas' `Series.dt` has, since scikit-learn has no such class. Each column gives
//! way to `{column}_{part}` for each part, in the order of `parts`. Missing stays missing; a date's hour,
//! minute and second are 0. A timestamp with an offset is taken apart as its own clock shows it.
//!
//! | parameter | default | means |
//! |---|---|---|
//! | `parts` | must be given | year, quarter, month, day, dayofweek (Monday is 0), dayofyear (from 1), hour, minute, second |
//!
//! Nothing is learnt and no pass is made. Parts are int16 (years and days of the year) or int8 where storage is
//! narrow, else int64; a year that 16 bits do not hold is refused.

use arrow::array::{Array, ArrayRef, new_null_array, timezone::Tz};
use arrow::compute::kernels::temporal::{DatePart, date_part};
use arrow::compute::{cast, is_not_null};
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use super::categories;
use crate::column::{Column, ValueKind};
use crate::error::{Error, ErrorKind};
use crate::fitted_columns::{FittedColumn, FittedColumns};
use crate::params::{ParamValue, Params};
use crate::stateless::Stateless;
use crate::step::{BoundStep, OutputColumn, Step};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    Year,
    Quarter,
    Month,
    Day,
    DayOfWeek,
    DayOfYear,
    Hour,
    Minute,
    Second,
}

const PARTS: [(Part, &str, DatePart); 9] = [
    (Part::Year, "year", DatePart::Year),
    (Part::Quarter, "quarter", DatePart::Quarter),
    (Part::Month, "month", DatePart::Month),
    (Part::Day, "day", DatePart::Day),
    (Part::DayOfWeek, "dayofweek", DatePart::DayOfWeekMonday0),
    (Part::DayOfYear, "dayofyear", DatePart::DayOfYear),
    (Part::Hour, "hour", DatePart::Hour),
    (Part::Minute, "minute", DatePart::Minute),
    (Part::Second, "second", DatePart::Second),
];

impl Part {
    fn named(name: &str) -> Option<Part> {
        PARTS.iter().find(|(_, n, _)| *n == name).map(|(part, _, _)| *part)
    }

    fn entry(self) -> (&'static str, DatePart) {
        PARTS.iter().find(|(part, _, _)| *part == self).map_or(("", DatePart::Year), |(_, n, d)| (n, *d))
    }

    fn data_type(self, narrow: bool) -> DataType {
        match self {
            _ if !narrow => DataType::Int64,
            Part::Year | Part::DayOfYear => DataType::Int16,
            _ => DataType::Int8,
        }
    }
}

const EXPECTED: &str =
    "a list of year, quarter, month, day, dayofweek, dayofyear, hour, minute, second, each at most once";

#[derive(Debug)]
struct DateParts {
    parts: Vec<Part>,
}

pub(super) fn parse(params: &mut Params) -> Result<Box<dyn Step>, Error> {
    let parts = params.read("parts", Vec::new(), EXPECTED, |value| {
        let one = [value.clone()];
        let names = match value {
            ParamValue::List(names) if !names.is_empty() => names,
            _ => one.as_slice(),
        };
        let mut parts = Vec::with_capacity(names.len());
        for name in names {
            let ParamValue::Text(name) = name else { return None };
            let part = Part::named(name).filter(|part| !parts.contains(part))?;
            parts.push(part);
        }
        Some(parts)
    })?;
    if parts.is_empty() {
        return Err(Error::parameter("parts", "not given", EXPECTED));
    }
    Ok(Box::new(DateParts { parts }))
}

impl Step for DateParts {
    fn bind(&self, inputs: &[Column]) -> Result<Box<dyn BoundStep>, Error> {
        let fitted = FittedColumns::alike(inputs, TakenApart { parts: self.parts.clone() });
        Ok(Stateless::bind(fitted, inputs))
    }
}

/// The parts of a column.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TakenApart {
    parts: Vec<Part>,
}

impl FittedColumn for TakenApart {
    fn is_sound(&self) -> bool {
        true
    }

    fn outputs(&self, input: &Column, narrow: bool) -> Result<Vec<OutputColumn>, Error> {
        if !matches!(input.kind, ValueKind::Date | ValueKind::Timestamp | ValueKind::Null) {
            return Err(Error::new(ErrorKind::WrongKind {
                expected: "dates or timestamps",
                found: input.kind,
            }));
        }
        if let DataType::Timestamp(_, Some(zone)) = &input.data_type
            && &**zone != "UTC"
            && zone.parse::<Tz>().is_err()
        {
            return Err(Error::new(ErrorKind::InputDiffers {
                message: format!(
                    "is in the zone {zone}, whose clock is not known here; give it a fixed offset such as +01:00, or UTC"
                ),
            }));
        }
        let outputs = self.parts.iter().map(|part| {
            let name = format!("{}_{}", input.name, part.entry().0);
            OutputColumn::plain(Column { name, kind: ValueKind::Int, data_type: part.data_type(narrow) })
        });
        Ok(outputs.collect())
    }

    fn transform(
        &self,
        values: &ArrayRef,
        outputs: &[Column],
        first_row: u64,
    ) -> Result<Vec<ArrayRef>, Error> {
        let values = match values.data_type() {
            DataType::Dictionary(_, of) => cast(values, of)?,
            // The kernel knows offsets only. By way of integers, since no clock is to be asked.
            DataType::Timestamp(unit, Some(zone)) if &**zone == "UTC" => {
                cast(&cast(values, &DataType::Int64)?, &DataType::Timestamp(*unit, Some("+00:00".into())))?
            }
            _ => values.clone(),
        };
        let parts = self.parts.iter().zip(outputs).map(|(part, output)| {
            if values.data_type() == &DataType::Null {
                return Ok(new_null_array(&output.data_type, values.len()));
            }
            let taken = cast(&date_part(&values, part.entry().1)?, &output.data_type)?;
            // The calendar of the kernel ends after a quarter of a million years, an int16 before that.
            if taken.null_count() != values.null_count() {
                let (was, is) = (is_not_null(&values)?, is_not_null(&taken)?);
                let row = was.iter().zip(&is).position(|(was, is)| was != is).unwrap_or(0);
                let found = categories::categories_of(&values.slice(row, 1))?.pop().flatten();
                return Err(Error::new(ErrorKind::Value {
                    found: found.map_or_else(String::new, |c| c.to_string()),
                    expected: "a year between -32768 and 32767",
                })
                .in_row(first_row + row as u64));
            }
            Ok(taken)
        });
        parts.collect()
    }

    fn is_row_wise(&self) -> bool {
        true
    }

    fn width(&self) -> usize {
        self.parts.len()
    }

    fn heap_bytes(&self) -> usize {
        self.parts.capacity()
    }
}
