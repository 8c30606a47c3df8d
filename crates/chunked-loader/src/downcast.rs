//! The Arrow type of a scanned column, and the bytes that it takes, wide and narrow.

use std::sync::Arc;

use arrow::array::StringArray;
use arrow::datatypes::{DataType, TimeUnit};

use crate::column_scan::{ColumnScan, TypeHint};
use crate::types::{FixedType, Kind, Zone, unit_of_digits};

/// How narrow the columns of a batch are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Downcast {
    /// int64 (uint64 where that is too small), float64 and string.
    None,
    /// The narrowest type that loses nothing.
    #[default]
    Safe,
    /// Also float32 for every float64 column whose values lie in its range.
    Aggressive,
}

/// The type of a column, and its dictionary if it is one.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) kind: Kind,
    pub(crate) narrow: DataType,
    pub(crate) wide: DataType,
    pub(crate) dictionary: Option<Arc<StringArray>>,
    pub(crate) bytes_wide: u64,
    pub(crate) bytes_narrow: u64,
}

/// The kind that a scanned column comes to. Text if no type short of it holds every value.
pub(crate) fn kind(column: &ColumnScan) -> Kind {
    match column.kind {
        // Tokens that nulls nothing but the other nulls of a column without values are kept as text.
        Kind::Null if column.has_auto_tokens && column.hint == TypeHint::Inferred => Kind::Text,
        Kind::Int => match column.int_range {
            Some((min, max)) if FixedType::narrowest_int(min, max).is_none() => Kind::Text,
            _ => Kind::Int,
        },
        Kind::Float if !column.ints_exact_in_f64 => Kind::Text,
        Kind::Timestamp(_) if timestamp_unit(column).is_none() => Kind::Text,
        kind => kind,
    }
}

/// The coarsest unit that loses no digit; `None` if nanoseconds are needed in years beyond their range.
fn timestamp_unit(column: &ColumnScan) -> Option<TimeUnit> {
    let unit = unit_of_digits(column.digits);
    let extent = column.stamps.as_ref()?;
    let fits = |mut stamp: crate::column::temporal::Stamp| {
        // The range matters here, not the digits of this one value.
        stamp.digits = 0;
        stamp.count(unit).is_some()
    };
    (fits(extent.min) && fits(extent.max)).then_some(unit)
}

/// Resolves a column of `rows` records.
pub(crate) fn resolve(column: &ColumnScan, rows: u64, downcast: Downcast) -> Resolved {
    let kind = kind(column);
    let nulls = nulls(column, kind);
    let validity = if nulls > 0 { rows.div_ceil(8) } else { 0 };
    let fixed_width = |data_type: &DataType| match data_type {
        DataType::Boolean => rows.div_ceil(8),
        other => rows * other.primitive_width().unwrap_or(0) as u64,
    };
    let text_width = column.text_bytes + 4 * (rows + 1);
    let wide = wide_type(column, kind);
    let bytes_wide = validity + if wide == DataType::Utf8 { text_width } else { fixed_width(&wide) };
    let mut narrow =
        if downcast == Downcast::None { wide.clone() } else { narrow_type(column, kind, downcast) };
    let mut dictionary = None;
    match column.hint {
        TypeHint::Fixed(FixedType::Timestamp | FixedType::Dictionary) => {}
        TypeHint::Fixed(fixed) => narrow = fixed.plain_arrow().unwrap_or(narrow),
        _ => {}
    }
    let must = column.hint == TypeHint::Fixed(FixedType::Dictionary);
    let may = column.hint != TypeHint::Fixed(FixedType::String) && downcast != Downcast::None;
    let mut bytes_narrow =
        validity + if narrow == DataType::Utf8 { text_width } else { fixed_width(&narrow) };
    if kind == Kind::Text
        && (must || may)
        && let Some(candidates) = column.candidates.as_ref().filter(|_| column.text_is_complete())
    {
        let distinct = candidates.texts.len();
        let key = dictionary_key(distinct);
        let text: usize = candidates.texts.iter().map(|t| t.len()).sum();
        let bytes = validity
            + rows * key.primitive_width().unwrap_or(4) as u64
            + text as u64
            + 4 * (distinct as u64 + 1);
        if must || (bytes < bytes_narrow && distinct > 0) {
            let mut texts: Vec<&[u8]> = candidates.texts.iter().map(|t| &**t).collect();
            texts.sort_unstable();
            // Every record was checked to be UTF-8, and so is each of its fields.
            let values = texts.iter().map(|t| String::from_utf8_lossy(t));
            dictionary = Some(Arc::new(StringArray::from_iter_values(values)));
            narrow = DataType::Dictionary(Box::new(key), Box::new(DataType::Utf8));
            bytes_narrow = bytes;
        }
    }
    Resolved { kind, narrow, wide, dictionary, bytes_wide, bytes_narrow }
}

/// Nulls of a column that comes to `kind`.
pub(crate) fn nulls(column: &ColumnScan, kind: Kind) -> u64 {
    let quoted = if kind == Kind::Text { 0 } else { column.empty_quoted };
    column.empty + column.tokens.iter().sum::<u64>() + quoted
}

/// The type of a column of `kind` without downcasting.
pub(crate) fn wide_type(column: &ColumnScan, kind: Kind) -> DataType {
    match kind {
        Kind::Null => match column.hint {
            TypeHint::Fixed(FixedType::Timestamp) => DataType::Timestamp(TimeUnit::Second, None),
            TypeHint::Fixed(fixed) => fixed.plain_arrow().unwrap_or(DataType::Utf8),
            _ => DataType::Utf8,
        },
        Kind::Text => DataType::Utf8,
        Kind::Bool => DataType::Boolean,
        Kind::Int if column.int_range.is_some_and(|(_, max)| max > i64::MAX.into()) => DataType::UInt64,
        Kind::Int => DataType::Int64,
        Kind::Float => DataType::Float64,
        Kind::Date => DataType::Date32,
        Kind::Timestamp(zone) => timestamp_type(column, zone),
    }
}

fn narrow_type(column: &ColumnScan, kind: Kind, downcast: Downcast) -> DataType {
    match kind {
        Kind::Int => column
            .int_range
            .and_then(|(min, max)| FixedType::narrowest_int(min, max))
            .and_then(FixedType::plain_arrow)
            .unwrap_or(DataType::Int64),
        Kind::Float => {
            let in_range = downcast == Downcast::Aggressive && column.fits_float32_range;
            if column.exact_in_f32 || in_range { DataType::Float32 } else { DataType::Float64 }
        }
        _ => wide_type(column, kind),
    }
}

fn timestamp_type(column: &ColumnScan, zone: Zone) -> DataType {
    let unit = timestamp_unit(column).unwrap_or(TimeUnit::Nanosecond);
    DataType::Timestamp(unit, zone.arrow_name().map(Into::into))
}

fn dictionary_key(distinct: usize) -> DataType {
    match distinct {
        0..=0x80 => DataType::Int8,
        0x81..=0x8000 => DataType::Int16,
        _ => DataType::Int32,
    }
}
