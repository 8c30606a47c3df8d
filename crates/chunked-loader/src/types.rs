//! What a column can be: the lattice that a scan climbs, and the types a user can fix.

use std::fmt;
use std::str::FromStr;

use arrow::datatypes::{DataType, TimeUnit};

/// The zone of a timestamp column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Zone {
    /// Written without zone.
    Naive,
    /// Written with `Z` or this offset from UTC, in minutes.
    Offset(i16),
}

impl Zone {
    /// The zone as an Arrow timestamp names it.
    pub(crate) fn arrow_name(self) -> Option<String> {
        match self {
            Zone::Naive => None,
            Zone::Offset(0) => Some("UTC".to_owned()),
            Zone::Offset(minutes) => {
                let sign = if minutes < 0 { '-' } else { '+' };
                let minutes = minutes.unsigned_abs();
                Some(format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60))
            }
        }
    }
}

/// The kind of value that a column holds, widths left aside.
///
/// Kinds form a join-semilattice: [`Null`](Kind::Null) is below all, [`Text`](Kind::Text) above all,
/// [`Int`](Kind::Int) below [`Float`](Kind::Float), and any other two meet in text only.
///
/// ```
/// use chunked_loader::Kind;
///
/// assert_eq!(Kind::Int.join(Kind::Float), Kind::Float);
/// assert_eq!(Kind::Date.join(Kind::Int), Kind::Text);
/// assert_eq!(Kind::Null.join(Kind::Bool), Kind::Bool);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No value yet.
    Null,
    /// `true` and `false`.
    Bool,
    /// Whole numbers.
    Int,
    /// Numbers, among them at least one with a point, an exponent, or that is not finite.
    Float,
    /// `YYYY-MM-DD`.
    Date,
    /// A date with a time, all in one zone.
    Timestamp(Zone),
    /// Anything.
    Text,
}

impl Kind {
    /// The narrowest kind that holds the values of both.
    pub fn join(self, other: Kind) -> Kind {
        match (self, other) {
            (a, b) if a == b => a,
            (Kind::Null, kind) | (kind, Kind::Null) => kind,
            (Kind::Int, Kind::Float) | (Kind::Float, Kind::Int) => Kind::Float,
            _ => Kind::Text,
        }
    }
}

/// A type as the command line and the reports name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FixedType {
    /// `int8`.
    Int8,
    /// `int16`.
    Int16,
    /// `int32`.
    Int32,
    /// `int64`.
    Int64,
    /// `uint8`.
    UInt8,
    /// `uint16`.
    UInt16,
    /// `uint32`.
    UInt32,
    /// `uint64`.
    UInt64,
    /// `float32`.
    Float32,
    /// `float64`.
    Float64,
    /// `bool`.
    Bool,
    /// `date`.
    Date,
    /// `timestamp`: unit and zone are found by the scan.
    Timestamp,
    /// `string`.
    String,
    /// `dictionary`: text, with each different value stored once.
    Dictionary,
}

impl FixedType {
    /// All, in the order of the contract.
    pub const ALL: [(FixedType, &'static str); 15] = [
        (FixedType::Int8, "int8"),
        (FixedType::Int16, "int16"),
        (FixedType::Int32, "int32"),
        (FixedType::Int64, "int64"),
        (FixedType::UInt8, "uint8"),
        (FixedType::UInt16, "uint16"),
        (FixedType::UInt32, "uint32"),
        (FixedType::UInt64, "uint64"),
        (FixedType::Float32, "float32"),
        (FixedType::Float64, "float64"),
        (FixedType::Bool, "bool"),
        (FixedType::Date, "date"),
        (FixedType::Timestamp, "timestamp"),
        (FixedType::String, "string"),
        (FixedType::Dictionary, "dictionary"),
    ];

    /// The range of an integer type, both ends included.
    pub(crate) fn int_range(self) -> Option<(i128, i128)> {
        Some(match self {
            FixedType::Int8 => (i8::MIN.into(), i8::MAX.into()),
            FixedType::Int16 => (i16::MIN.into(), i16::MAX.into()),
            FixedType::Int32 => (i32::MIN.into(), i32::MAX.into()),
            FixedType::Int64 => (i64::MIN.into(), i64::MAX.into()),
            FixedType::UInt8 => (0, u8::MAX.into()),
            FixedType::UInt16 => (0, u16::MAX.into()),
            FixedType::UInt32 => (0, u32::MAX.into()),
            FixedType::UInt64 => (0, u64::MAX.into()),
            _ => return None,
        })
    }

    /// The narrowest integer type that holds `min..=max`: signed widths first, unsigned where it saves a
    /// width or where `int64` is too small. `None`: no 64-bit type holds both ends.
    pub(crate) fn narrowest_int(min: i128, max: i128) -> Option<FixedType> {
        const ORDER: [FixedType; 8] = [
            FixedType::Int8,
            FixedType::UInt8,
            FixedType::Int16,
            FixedType::UInt16,
            FixedType::Int32,
            FixedType::UInt32,
            FixedType::Int64,
            FixedType::UInt64,
        ];
        ORDER.into_iter().find(|t| t.int_range().is_some_and(|(low, high)| low <= min && max <= high))
    }

    /// The Arrow type of an integer, float or bool; `None` where the data decides the rest.
    pub(crate) fn plain_arrow(self) -> Option<DataType> {
        Some(match self {
            FixedType::Int8 => DataType::Int8,
            FixedType::Int16 => DataType::Int16,
            FixedType::Int32 => DataType::Int32,
            FixedType::Int64 => DataType::Int64,
            FixedType::UInt8 => DataType::UInt8,
            FixedType::UInt16 => DataType::UInt16,
            FixedType::UInt32 => DataType::UInt32,
            FixedType::UInt64 => DataType::UInt64,
            FixedType::Float32 => DataType::Float32,
            FixedType::Float64 => DataType::Float64,
            FixedType::Bool => DataType::Boolean,
            FixedType::Date => DataType::Date32,
            FixedType::String => DataType::Utf8,
            FixedType::Timestamp | FixedType::Dictionary => return None,
        })
    }
}

impl fmt::Display for FixedType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = FixedType::ALL.iter().find(|(t, _)| t == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

/// A type's name that is none of [`FixedType::ALL`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownType(String);

impl fmt::Display for UnknownType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = FixedType::ALL.iter().map(|(_, name)| *name).collect();
        write!(f, "`{}` is no type; expected one of {}", self.0, names.join(", "))
    }
}

impl std::error::Error for UnknownType {}

impl FromStr for FixedType {
    type Err = UnknownType;

    fn from_str(name: &str) -> Result<Self, UnknownType> {
        FixedType::ALL
            .iter()
            .find(|(_, n)| *n == name)
            .map(|(t, _)| *t)
            .ok_or_else(|| UnknownType(name.into()))
    }
}

/// An Arrow type by its name in the contract: `int8`, `float64`, `date`, `timestamp`, `string`, `dictionary`, ….
///
/// ```
/// use arrow::datatypes::{DataType, TimeUnit};
///
/// assert_eq!(chunked_loader::type_name(&DataType::UInt8), "uint8");
/// assert_eq!(chunked_loader::type_name(&DataType::Timestamp(TimeUnit::Second, None)), "timestamp");
/// ```
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "bool".to_owned(),
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Timestamp(_, _) => "timestamp".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".to_owned(),
        DataType::Dictionary(_, _) => "dictionary".to_owned(),
        other => other.to_string().to_lowercase(),
    }
}

/// The unit of a number of fraction digits that are needed, rounded up to one that Arrow has.
pub(crate) fn unit_of_digits(digits: u8) -> TimeUnit {
    match digits {
        0 => TimeUnit::Second,
        1..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kind() -> impl Strategy<Value = Kind> {
        prop_oneof![
            Just(Kind::Null),
            Just(Kind::Bool),
            Just(Kind::Int),
            Just(Kind::Float),
            Just(Kind::Date),
            Just(Kind::Timestamp(Zone::Naive)),
            Just(Kind::Timestamp(Zone::Offset(0))),
            Just(Kind::Timestamp(Zone::Offset(120))),
            Just(Kind::Text)
        ]
    }

    proptest! {
        #[test]
        fn kinds_are_a_join_semilattice(a in kind(), b in kind(), c in kind()) {
            prop_assert_eq!(a.join(a), a);
            prop_assert_eq!(a.join(b), b.join(a));
            prop_assert_eq!(a.join(b).join(c), a.join(b.join(c)));
            prop_assert_eq!(a.join(Kind::Null), a);
            prop_assert_eq!(a.join(Kind::Text), Kind::Text);
        }
    }

    #[test]
    fn the_narrowest_integer_is_signed_unless_unsigned_saves_a_width() {
        let narrowest = |min, max| FixedType::narrowest_int(min, max).map(|t| t.to_string());
        assert_eq!(narrowest(0, 127).as_deref(), Some("int8"));
        assert_eq!(narrowest(0, 128).as_deref(), Some("uint8"));
        assert_eq!(narrowest(-1, 128).as_deref(), Some("int16"));
        assert_eq!(narrowest(0, i128::from(u64::MAX)).as_deref(), Some("uint64"));
        assert_eq!(narrowest(-1, i128::from(u64::MAX)), None);
    }

    #[test]
    fn a_wrong_type_name_lists_the_right_ones() {
        let error = "int7".parse::<FixedType>().map_err(|e| e.to_string());
        assert!(
            error.as_ref().is_err_and(|e| e.starts_with("`int7` is no type; expected one of int8, int16"))
        );
    }
}
