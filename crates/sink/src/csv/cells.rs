//! The values of a column as text, one at a time.

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrowPrimitiveType, PrimitiveArray, downcast_dictionary_array, downcast_integer};
use arrow::datatypes::{
    ArrowNativeType, DataType, Date32Type, Float32Type, Float64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow::error::ArrowError;

use super::calendar::{Zone, append_date, append_timestamp};

/// The values of a column. Those of rows that are null mean nothing.
pub(crate) enum Cells<'a> {
    /// Any text.
    Texts(Box<dyn Fn(usize) -> &'a str + 'a>),
    /// Some ten bytes without quotes, delimiters or line ends, which are appended.
    Others(Box<Append<'a>>),
}

/// Appends the value of a row.
type Append<'a> = dyn Fn(usize, &mut Vec<u8>) -> Result<(), ArrowError> + 'a;

/// Whether values of this type have a form.
pub(crate) fn is_supported(data_type: &DataType) -> bool {
    match data_type {
        DataType::Null
        | DataType::Boolean
        | DataType::Float32
        | DataType::Float64
        | DataType::Date32
        | DataType::Timestamp(..)
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_supported(values),
        other => other.is_integer(),
    }
}

impl<'a> Cells<'a> {
    /// # Panics
    ///
    /// If the type is not [supported](is_supported).
    pub(crate) fn of(column: &'a dyn Array) -> Self {
        match column.data_type() {
            DataType::Null => Self::Others(Box::new(|_, _| Ok(()))),
            DataType::Boolean => {
                let bools = column.as_boolean();
                let text = |value| if value { &b"true"[..] } else { &b"false"[..] };
                Self::others(move |row, to| to.extend_from_slice(text(bools.value(row))))
            }
            DataType::Float32 => {
                let floats = column.as_primitive::<Float32Type>();
                // By float64's digits: float32's own would be read as another float64.
                Self::others(move |row, to| append_float(floats.value(row).into(), to))
            }
            DataType::Float64 => {
                let floats = column.as_primitive::<Float64Type>();
                Self::others(move |row, to| append_float(floats.value(row), to))
            }
            DataType::Date32 => {
                let days = column.as_primitive::<Date32Type>();
                Self::Others(Box::new(move |row, to| append_date(days.value(row).into(), to)))
            }
            DataType::Timestamp(TimeUnit::Second, zone) => {
                Self::timestamps(column.as_primitive::<TimestampSecondType>(), 0, zone.as_deref())
            }
            DataType::Timestamp(TimeUnit::Millisecond, zone) => {
                Self::timestamps(column.as_primitive::<TimestampMillisecondType>(), 3, zone.as_deref())
            }
            DataType::Timestamp(TimeUnit::Microsecond, zone) => {
                Self::timestamps(column.as_primitive::<TimestampMicrosecondType>(), 6, zone.as_deref())
            }
            DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
                Self::timestamps(column.as_primitive::<TimestampNanosecondType>(), 9, zone.as_deref())
            }
            DataType::Utf8 => {
                let texts = column.as_string::<i32>();
                Self::Texts(Box::new(move |row| texts.value(row)))
            }
            DataType::LargeUtf8 => {
                let texts = column.as_string::<i64>();
                Self::Texts(Box::new(move |row| texts.value(row)))
            }
            DataType::Utf8View => {
                let texts = column.as_string_view();
                Self::Texts(Box::new(move |row| texts.value(row)))
            }
            DataType::Dictionary(..) => Self::of_dictionary(column),
            other => {
                macro_rules! integers {
                    ($t:ty) => {{
                        let integers = column.as_primitive::<$t>();
                        Self::others(move |row, to| {
                            to.extend_from_slice(itoa::Buffer::new().format(integers.value(row)).as_bytes());
                        })
                    }};
                }
                downcast_integer! {
                    other => (integers),
                    _ => unreachable!("values of type {other} have no form"),
                }
            }
        }
    }

    fn others(append: impl Fn(usize, &mut Vec<u8>) + 'a) -> Self {
        Self::Others(Box::new(move |row, to| {
            append(row, to);
            Ok(())
        }))
    }

    fn timestamps<T>(counts: &'a PrimitiveArray<T>, digits: u32, zone: Option<&str>) -> Self
    where
        T: ArrowPrimitiveType<Native = i64>,
    {
        let zone = Zone::of(zone);
        Self::Others(Box::new(move |row, to| append_timestamp(counts.value(row), digits, zone, to)))
    }

    fn of_dictionary(column: &'a dyn Array) -> Self {
        downcast_dictionary_array! {
            column => {
                let keys = column.keys();
                match Self::of(column.values().as_ref()) {
                    Self::Texts(text) => Self::Texts(Box::new(move |row| text(keys.value(row).as_usize()))),
                    Self::Others(append) => {
                        Self::Others(Box::new(move |row, to| append(keys.value(row).as_usize(), to)))
                    }
                }
            }
            other => unreachable!("{other} is no dictionary"),
        }
    }

    /// Appends the value of a row as it is, without quotes.
    ///
    /// # Errors
    ///
    /// A date or timestamp in a year that has no form.
    pub(crate) fn append(&self, row: usize, to: &mut Vec<u8>) -> Result<(), ArrowError> {
        match self {
            Self::Texts(text) => {
                to.extend_from_slice(text(row).as_bytes());
                Ok(())
            }
            Self::Others(append) => append(row, to),
        }
    }
}

fn append_float(value: f64, to: &mut Vec<u8>) {
    to.extend_from_slice(zmij::Buffer::new().format(value).as_bytes());
}
