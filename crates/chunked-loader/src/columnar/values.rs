//! Values of one column as they come out of a file, some rows at a time.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array};
use arrow::datatypes::{
    TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::data_type::ByteArray;

use crate::record::Field;

/// Decoded values of consecutive rows of a column.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    /// So many rows without a value.
    Null(usize),
    Bool(BooleanArray),
    /// Integers and floats of any width, days, and timestamps whose zone is written as an offset.
    Number(ArrayRef),
    /// UTF-8, parts of what the file holds.
    ///
    /// Not an array of text: a short page whose dictionary has one long text would become very long.
    Text(Vec<Option<ByteArray>>),
}

impl Values {
    /// Rows.
    pub(crate) fn len(&self) -> usize {
        match self {
            Values::Null(rows) => *rows,
            Values::Bool(array) => array.len(),
            Values::Number(array) => array.len(),
            Values::Text(texts) => texts.len(),
        }
    }

    /// Whether none of these rows has a value.
    pub(crate) fn are_null(&self, rows: Range<usize>) -> bool {
        match self {
            Values::Null(_) => true,
            Values::Text(texts) => texts[rows].iter().all(Option::is_none),
            Values::Bool(_) | Values::Number(_) => {
                let Some(array) = self.array() else { return true };
                if rows.len() == array.len() {
                    return array.null_count() == array.len();
                }
                rows.into_iter().all(|row| array.is_null(row))
            }
        }
    }

    /// Bytes of text in these rows.
    pub(crate) fn text_bytes(&self, rows: Range<usize>) -> usize {
        match self {
            Values::Text(texts) => texts[rows].iter().flatten().map(ByteArray::len).sum(),
            _ => 0,
        }
    }

    /// Calls `each` with the fields that would write these rows in CSV, until one is refused: for columns that are asked
    /// for as another type than the file has.
    ///
    /// # Errors
    /// The row that was refused, counted from the first of these.
    pub(crate) fn each_written(
        &self,
        rows: Range<usize>,
        mut each: impl FnMut(usize, Field<'_>) -> Result<(), crate::column::Unfit>,
    ) -> Result<(), usize> {
        const NULL: Field<'_> = Field { text: b"", quoted: false };
        if let Values::Text(texts) = self {
            return texts[rows].iter().enumerate().try_for_each(|(row, text)| {
                let field =
                    text.as_ref().map_or(NULL, |text| Field { text: text.data(), quoted: text.is_empty() });
                each(row, field).map_err(|_| row)
            });
        }
        let Some(array) = self.array() else {
            return rows.enumerate().try_for_each(|(row, _)| each(row, NULL).map_err(|_| row));
        };
        let options = FormatOptions::new();
        let formatter = ArrayFormatter::try_new(array, &options);
        let mut text = String::new();
        for (number, row) in rows.enumerate() {
            if array.is_null(row) {
                each(number, NULL).map_err(|_| number)?;
                continue;
            }
            text.clear();
            let written = formatter.as_ref().is_ok_and(|f| f.value(row).write(&mut text).is_ok());
            if !written {
                return Err(number);
            }
            each(number, Field { text: text.as_bytes(), quoted: false }).map_err(|_| number)?;
        }
        Ok(())
    }

    /// The value of a row as a message shows it.
    pub(crate) fn shown(&self, row: usize) -> String {
        let mut shown = String::new();
        let _ = self.each_written(row..row + 1, |_, field| {
            shown = crate::error::excerpt(field.text);
            Ok(())
        });
        shown
    }

    pub(crate) fn array(&self) -> Option<&dyn Array> {
        match self {
            Values::Bool(array) => Some(array),
            Values::Number(array) => Some(array),
            Values::Null(_) | Values::Text(_) => None,
        }
    }
}

/// Whether bytes are a text. Most are short and ASCII, which is known sooner.
pub(super) fn is_utf8(bytes: &[u8]) -> bool {
    bytes.is_ascii() || simdutf8::basic::from_utf8(bytes).is_ok()
}

/// Counts of a unit since 1970 as timestamps.
pub(crate) fn timestamps(counts: Int64Array, unit: TimeUnit, zone: Option<Arc<str>>) -> ArrayRef {
    match unit {
        TimeUnit::Second => {
            Arc::new(counts.reinterpret_cast::<TimestampSecondType>().with_timezone_opt(zone))
        }
        TimeUnit::Millisecond => {
            Arc::new(counts.reinterpret_cast::<TimestampMillisecondType>().with_timezone_opt(zone))
        }
        TimeUnit::Microsecond => {
            Arc::new(counts.reinterpret_cast::<TimestampMicrosecondType>().with_timezone_opt(zone))
        }
        TimeUnit::Nanosecond => {
            Arc::new(counts.reinterpret_cast::<TimestampNanosecondType>().with_timezone_opt(zone))
        }
    }
}

/// The text that writes the value of a row, as CSV has it.
pub(crate) fn written(array: &dyn Array, row: usize) -> String {
    let options = FormatOptions::new();
    let formatter = ArrayFormatter::try_new(array, &options);
    formatter.and_then(|f| f.value(row).try_to_string()).unwrap_or_default()
}
