//! What the columns of a file are, and how those of several files go together.

use arrow::datatypes::DataType;

use crate::error::{Error, ErrorKind};
use crate::types::{Kind, Zone};

/// A column of a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SourceColumn {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The type that its values are read as, which the file has, but for dictionaries and the names of zones.
    pub(crate) data_type: DataType,
}

impl SourceColumn {
    /// A column that a file says is `data_type`.
    ///
    /// # Errors
    /// [`ErrorKind::ColumnType`] for one that is no number, bool, date, timestamp or text.
    pub(crate) fn new(name: &str, data_type: &DataType) -> Result<SourceColumn, Error> {
        let mut read = data_type.clone();
        let kind = match data_type {
            DataType::Null => Kind::Null,
            DataType::Boolean => Kind::Bool,
            DataType::Float16 | DataType::Float32 | DataType::Float64 => Kind::Float,
            integer if integer.is_integer() => Kind::Int,
            DataType::Date32 | DataType::Date64 => Kind::Date,
            DataType::Timestamp(unit, zone) => {
                let zone = zone.as_deref().map_or(Zone::Naive, |zone| Zone::Offset(offset_of(zone)));
                let name = match zone {
                    Zone::Naive => None,
                    // Offsets need no list of zones to be understood.
                    Zone::Offset(0) => Some("+00:00".to_owned()),
                    offset => offset.arrow_name(),
                };
                read = DataType::Timestamp(*unit, name.map(Into::into));
                Kind::Timestamp(zone)
            }
            text if is_text(text) => Kind::Text,
            DataType::Dictionary(keys, values) if !is_dictionary(values) => {
                let values = SourceColumn::new(name, values).map_err(|_| not_read(name, data_type))?;
                read = DataType::Dictionary(keys.clone(), Box::new(values.data_type));
                values.kind
            }
            other => return Err(not_read(name, other)),
        };
        Ok(SourceColumn { name: name.to_owned(), kind, data_type: read })
    }
}

fn not_read(name: &str, data_type: &DataType) -> Error {
    let (found, remedy) = (named(data_type), remedy(data_type));
    Error::new(ErrorKind::ColumnType { found, remedy }).in_column(name)
}

fn is_dictionary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Dictionary(_, _))
}

pub(crate) fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// Minutes east of UTC. A zone that goes by a place's name has none of its own: its timestamps are read as those of UTC,
/// which they are counted in.
fn offset_of(zone: &str) -> i16 {
    let (sign, digits) = match zone.as_bytes() {
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return 0,
    };
    let two = |digits: &[u8]| match digits {
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some(i16::from(a - b'0') * 10 + i16::from(b - b'0')),
        _ => None,
    };
    let minutes = match digits {
        [h1, h2] => two(&[*h1, *h2]).map(|h| h * 60),
        [h1, h2, m1, m2] | [h1, h2, b':', m1, m2] => {
            two(&[*h1, *h2]).zip(two(&[*m1, *m2])).map(|(h, m)| h * 60 + m)
        }
        _ => None,
    };
    minutes.filter(|minutes| *minutes < 24 * 60).map_or(0, |minutes| sign * minutes)
}

/// A type as a message names it, without all that is within it.
fn named(data_type: &DataType) -> String {
    match data_type {
        DataType::Struct(_) => "struct".to_owned(),
        DataType::Map(_, _) => "map".to_owned(),
        DataType::Union(_, _) => "union".to_owned(),
        other if other.is_nested() => "list".to_owned(),
        DataType::RunEndEncoded(_, _) => "run-end encoded values".to_owned(),
        DataType::Dictionary(_, values) => format!("dictionary of {}", named(values)),
        other => other.to_string().to_lowercase(),
    }
}

fn remedy(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Dictionary(_, _) => "write its values without a dictionary",
        DataType::RunEndEncoded(_, _) => "write its values one by one",
        other if other.is_nested() => "make a column of each of its parts, or leave it out",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "if it is text, write it as a string; else leave it out"
        }
        other if other.is_decimal() => "write it as float64, or as a string that keeps all digits",
        _ => "write it as a number or a string, or leave it out",
    }
}

/// The kind that holds the values of a column in two files; `None` if there is none but text that was none before.
pub(crate) fn join(before: Kind, kind: Kind) -> Option<Kind> {
    match before.join(kind) {
        Kind::Text if before != kind && before != Kind::Null && kind != Kind::Null => None,
        joined => Some(joined),
    }
}

/// A kind as a message names it.
pub(crate) fn kind_name(kind: Kind) -> String {
    match kind {
        Kind::Null => "null".to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::Int => "whole numbers".to_owned(),
        Kind::Float => "floats".to_owned(),
        Kind::Date => "dates".to_owned(),
        Kind::Timestamp(Zone::Naive) => "timestamps without a zone".to_owned(),
        Kind::Timestamp(zone) => format!("timestamps in {}", zone.arrow_name().unwrap_or_default()),
        Kind::Text => "text".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{Field, TimeUnit};

    use super::*;

    #[test]
    fn zones_become_offsets() {
        for (zone, minutes) in [
            ("UTC", 0),
            ("Z", 0),
            ("+02:00", 120),
            ("-0330", -210),
            ("+05", 300),
            ("Europe/Berlin", 0),
            ("+9:99", 0),
        ] {
            assert_eq!(offset_of(zone), minutes, "{zone}");
        }
        let column =
            SourceColumn::new("t", &DataType::Timestamp(TimeUnit::Second, Some("UTC".into()))).unwrap();
        assert_eq!(column.kind, Kind::Timestamp(Zone::Offset(0)));
        assert_eq!(column.data_type, DataType::Timestamp(TimeUnit::Second, Some("+00:00".into())));
    }

    #[test]
    fn a_column_in_a_dictionary_is_what_its_values_are() {
        let coded = |values| DataType::Dictionary(Box::new(DataType::Int8), Box::new(values));
        let column =
            SourceColumn::new("t", &coded(DataType::Timestamp(TimeUnit::Second, Some("UTC".into()))))
                .unwrap();
        assert_eq!(column.kind, Kind::Timestamp(Zone::Offset(0)));
        assert_eq!(column.data_type, coded(DataType::Timestamp(TimeUnit::Second, Some("+00:00".into()))));
        for refused in [coded(DataType::Binary), coded(coded(DataType::Utf8))] {
            assert!(
                SourceColumn::new("t", &refused).unwrap_err().to_string().contains("of type dictionary of")
            );
        }
    }

    #[test]
    fn types_that_are_not_read_are_named_with_what_to_do() {
        let list = DataType::List(Arc::new(Field::new("item", DataType::Int8, true)));
        for (data_type, message) in [
            (
                list,
                "column \"a\": is of type list, which is not read; make a column of each of its parts, or leave it out",
            ),
            (
                DataType::Decimal128(10, 2),
                "column \"a\": is of type decimal128(10, 2), which is not read; write it as float64, or as a string \
                 that keeps all digits",
            ),
            (
                DataType::Binary,
                "column \"a\": is of type binary, which is not read; if it is text, write it as a string; else leave \
                 it out",
            ),
        ] {
            assert_eq!(SourceColumn::new("a", &data_type).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn columns_of_two_files_are_joined_without_making_text_of_what_is_none() {
        assert_eq!(join(Kind::Int, Kind::Float), Some(Kind::Float));
        assert_eq!(join(Kind::Null, Kind::Text), Some(Kind::Text));
        assert_eq!(join(Kind::Text, Kind::Text), Some(Kind::Text));
        assert_eq!(join(Kind::Int, Kind::Text), None);
        assert_eq!(join(Kind::Date, Kind::Timestamp(Zone::Naive)), None);
    }
}
