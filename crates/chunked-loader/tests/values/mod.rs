//! Whether a column holds what the texts of a file mean, by slow parsers that share nothing with the loader's.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};

/// A column in the widest type of its kind.
pub(crate) enum Values {
    Text(ArrayRef),
    Whole(ArrayRef),
    Float(ArrayRef),
    Bool(ArrayRef),
    Date(ArrayRef),
    /// Counts of a unit, and how many nanoseconds that has.
    Timestamp(ArrayRef, i128),
}

impl Values {
    pub(crate) fn new(column: &ArrayRef) -> Values {
        let wide = |t: &DataType| cast(column, t).unwrap();
        match column.data_type() {
            DataType::Utf8 => Values::Text(column.clone()),
            DataType::Dictionary(..) => Values::Text(wide(&DataType::Utf8)),
            DataType::Float32 | DataType::Float64 => Values::Float(wide(&DataType::Float64)),
            DataType::Boolean => Values::Bool(column.clone()),
            DataType::Date32 => Values::Date(column.clone()),
            DataType::Timestamp(unit, _) => {
                let (counts, nanos): (ArrayRef, i128) = match unit {
                    TimeUnit::Second => {
                        (column.as_primitive::<TimestampSecondType>().reinterpret(), 1_000_000_000)
                    }
                    TimeUnit::Millisecond => {
                        (column.as_primitive::<TimestampMillisecondType>().reinterpret(), 1_000_000)
                    }
                    TimeUnit::Microsecond => {
                        (column.as_primitive::<TimestampMicrosecondType>().reinterpret(), 1_000)
                    }
                    TimeUnit::Nanosecond => {
                        (column.as_primitive::<TimestampNanosecondType>().reinterpret(), 1)
                    }
                };
                Values::Timestamp(counts, nanos)
            }
            // 38 digits: both 64-bit types fit.
            _ => Values::Whole(wide(&DataType::Decimal128(38, 0))),
        }
    }

    /// The value at `n`, shown, if it is not what `text` means in the column's type.
    pub(crate) fn unlike(&self, n: usize, text: Option<&str>) -> Option<String> {
        let (Values::Text(array)
        | Values::Whole(array)
        | Values::Float(array)
        | Values::Bool(array)
        | Values::Date(array)
        | Values::Timestamp(array, _)) = self;
        let is_text = matches!(self, Values::Text(_));
        if array.is_null(n) {
            let right = text.is_none() || (text == Some("") && !is_text);
            return (!right).then(|| "null".to_owned());
        }
        let (same, shown) = match self {
            Values::Text(a) => {
                let value = a.as_string::<i32>().value(n);
                (text == Some(value), format!("{value:.60?}"))
            }
            Values::Whole(a) => {
                let value = a.as_primitive::<Decimal128Type>().value(n);
                (text.and_then(|t| t.parse().ok()) == Some(value), value.to_string())
            }
            Values::Float(a) => {
                let value = a.as_primitive::<Float64Type>().value(n);
                let right: Option<f64> = text.and_then(|t| t.parse().ok());
                let same =
                    right.is_some_and(|r| r.to_bits() == value.to_bits() || (r.is_nan() && value.is_nan()));
                (same, value.to_string())
            }
            Values::Bool(a) => {
                let value = a.as_boolean().value(n);
                (text.is_some_and(|t| t.eq_ignore_ascii_case(&value.to_string())), value.to_string())
            }
            Values::Date(a) => {
                let value = a.as_primitive::<Date32Type>().value(n);
                (text.and_then(days) == Some(i64::from(value)), value.to_string())
            }
            Values::Timestamp(a, nanos) => {
                let value = i128::from(a.as_primitive::<Int64Type>().value(n)) * nanos;
                (text.and_then(nanoseconds) == Some(value), value.to_string())
            }
        };
        (!same).then_some(shown)
    }
}

trait Reinterpret {
    fn reinterpret(&self) -> ArrayRef;
}

impl<T: ArrowPrimitiveType<Native = i64>> Reinterpret for PrimitiveArray<T> {
    fn reinterpret(&self) -> ArrayRef {
        Arc::new(self.reinterpret_cast::<Int64Type>())
    }
}

/// Days since 1970 of `YYYY-MM-DD`, counted year by year.
fn days(text: &str) -> Option<i64> {
    let mut parts = text.split('-').map(|p| p.parse::<i64>());
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let is_leap = |y: i64| (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    let year_days = |y: i64| if is_leap(y) { 366 } else { 365 };
    let years: i64 = if year >= 1970 {
        (1970..year).map(year_days).sum()
    } else {
        -(year..1970).map(year_days).sum::<i64>()
    };
    let lengths = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months: i64 = lengths.iter().take(month as usize - 1).sum();
    Some(years + months + day - 1)
}

/// The instant that a timestamp or a date writes, in nanoseconds since 1970.
fn nanoseconds(text: &str) -> Option<i128> {
    let days = i128::from(days(&text[..10])?);
    let rest = text.get(11..).unwrap_or("00:00");
    let zone_at = rest.find(['Z', '+', '-']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(zone_at);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut seconds = 0;
    for (part, scale) in clock.split(':').zip([3600, 60, 1]) {
        seconds += part.parse::<i128>().ok()? * scale;
    }
    if zone.len() > 1 {
        let digits = zone[1..].replace(':', "");
        let number = |range| digits.get(range).and_then(|d: &str| d.parse::<i128>().ok());
        let minutes = number(0..2)? * 60 + if digits.len() > 2 { number(2..digits.len())? } else { 0 };
        seconds -= if zone.starts_with('-') { -minutes } else { minutes } * 60;
    }
    let nanos: i128 = format!("{fraction:0<9}").parse().ok()?;
    Some((days * 86_400 + seconds) * 1_000_000_000 + nanos)
}
