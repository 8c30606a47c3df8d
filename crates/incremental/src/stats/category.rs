use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::ordered_float::OrderedFloat;
use super::python_float::PythonFloat;

const NANOS_PER_SECOND: i128 = 1_000_000_000;
const NANOS_PER_DAY: i128 = 86_400 * NANOS_PER_SECOND;

/// One distinct value of a column. A missing value is not a category.
///
/// Categories have a total order: kinds in the order below, integers and floats together and by
/// value (so `Int(2)` equals `Float(2.0)`, exactly at any size), text by its UTF-8 bytes, which is
/// the order of its code points.
///
/// `Display` writes the name that Python would print: `True`, `2`, `2.0`, `1e-05`, text as it is,
/// `2020-01-31`, `2020-01-31T12:34:56.500000`.
///
/// ```
/// # use incremental::stats::Category;
/// let mut categories = [Category::text("b"), Category::Int(3), Category::float(2.5).unwrap()];
/// categories.sort();
/// assert_eq!(categories.map(|category| category.to_string()), ["2.5", "3", "b"]);
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Category {
    /// `False` or `True`.
    Bool(bool),
    /// An integer of any Arrow type.
    Int(#[serde(with = "decimal")] i128),
    /// A float; NaN is missing, and −0.0 is 0.0.
    Float(OrderedFloat),
    /// Text.
    Text(Box<str>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Nanoseconds since 1970-01-01T00:00:00, in UTC or without a zone.
    Timestamp(#[serde(with = "decimal")] i128),
}

impl Category {
    /// A text category.
    pub fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    /// A float category; `None` for NaN, which is missing.
    pub fn float(value: f64) -> Option<Self> {
        OrderedFloat::new(value).map(Self::Float)
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Int(_) | Self::Float(_) => 1,
            Self::Text(_) => 2,
            Self::Date(_) => 3,
            Self::Timestamp(_) => 4,
        }
    }
}

/// The integer that a float is; `None` for one with a fraction or beyond 128 bits.
pub(super) fn whole(float: OrderedFloat) -> Option<i128> {
    let value = float.get();
    // 2^127 is the first float that i128 does not reach, −2^127 the last that it does.
    let range = -(2f64.powi(127))..2f64.powi(127);
    (range.contains(&value) && value.trunc() == value).then_some(value as i128)
}

fn compare_numbers(integer: i128, float: OrderedFloat) -> Ordering {
    let value = float.get();
    if value >= 2f64.powi(127) {
        return Ordering::Less;
    }
    if value < -(2f64.powi(127)) {
        return Ordering::Greater;
    }
    // Towards zero, so what was cut off has the sign of the float.
    let cut = value - value.trunc();
    integer.cmp(&(value as i128)).then(0.0.partial_cmp(&cut).expect("a cut is not NaN"))
}

impl Ord for Category {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(left), Self::Bool(right)) => left.cmp(right),
            (Self::Int(left), Self::Int(right)) => left.cmp(right),
            (Self::Float(left), Self::Float(right)) => left.cmp(right),
            (Self::Int(left), Self::Float(right)) => compare_numbers(*left, *right),
            (Self::Float(left), Self::Int(right)) => compare_numbers(*right, *left).reverse(),
            (Self::Text(left), Self::Text(right)) => left.cmp(right),
            (Self::Date(left), Self::Date(right)) => left.cmp(right),
            (Self::Timestamp(left), Self::Timestamp(right)) => left.cmp(right),
            _ => self.kind().cmp(&other.kind()),
        }
    }
}

impl PartialOrd for Category {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Category {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Category {}

impl Hash for Category {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind().hash(state);
        match self {
            Self::Bool(value) => value.hash(state),
            Self::Int(value) | Self::Timestamp(value) => value.hash(state),
            // Equal numbers hash alike, whichever kind they are.
            Self::Float(value) => match whole(*value) {
                Some(integer) => integer.hash(state),
                None => value.hash(state),
            },
            Self::Text(value) => value.hash(state),
            Self::Date(value) => value.hash(state),
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => formatter.write_str(if *value { "True" } else { "False" }),
            Self::Int(value) => write!(formatter, "{value}"),
            Self::Float(value) => write!(formatter, "{}", PythonFloat(value.get())),
            Self::Text(value) => formatter.write_str(value),
            Self::Date(days) => write_date(formatter, i128::from(*days)),
            Self::Timestamp(nanos) => write_timestamp(formatter, *nanos),
        }
    }
}

/// ISO 8601 in the proleptic Gregorian calendar. Years outside 0..=9999 carry a sign.
fn write_date(formatter: &mut fmt::Formatter<'_>, days: i128) -> fmt::Result {
    let (year, month, day) = civil(days);
    if (0..=9999).contains(&year) {
        write!(formatter, "{year:04}-{month:02}-{day:02}")
    } else {
        write!(formatter, "{year:+05}-{month:02}-{day:02}")
    }
}

/// As `isoformat` of pandas: a fraction of 6 digits, or of 9 where it is needed, or none.
fn write_timestamp(formatter: &mut fmt::Formatter<'_>, nanos: i128) -> fmt::Result {
    write_date(formatter, nanos.div_euclid(NANOS_PER_DAY))?;
    let of_day = nanos.rem_euclid(NANOS_PER_DAY);
    let (seconds, fraction) = (of_day / NANOS_PER_SECOND, of_day % NANOS_PER_SECOND);
    write!(formatter, "T{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
    match fraction {
        0 => Ok(()),
        micros if micros % 1000 == 0 => write!(formatter, ".{:06}", micros / 1000),
        nanos => write!(formatter, ".{nanos:09}"),
    }
}

/// Year, month and day of a day counted from 1970-01-01, after `civil_from_days` in H. Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms",
/// <https://howardhinnant.github.io/date_algorithms.html>.
fn civil(days: i128) -> (i128, i128, i128) {
    // Years begin in March here, so that the leap day is the last of its year.
    let since_march = days + 719_468;
    let era = since_march.div_euclid(146_097);
    let day_of_era = since_march.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i128::from(month <= 2), month, day)
}

/// Integers of 128 bits as decimal text, since formats differ in the numbers they hold.
pub(super) mod decimal {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in crate::stats) fn serialize<S: Serializer>(value: &i128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(in crate::stats) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<i128, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom("expected an integer of at most 128 bits in decimal text"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::hash_map::DefaultHasher;

    use num_bigint::BigInt;
    use num_traits::Float;
    use proptest::prelude::*;

    use super::*;

    fn hash(category: &Category) -> u64 {
        let mut hasher = DefaultHasher::new();
        category.hash(&mut hasher);
        hasher.finish()
    }

    /// A finite number in units of 2^−1074.
    fn units(category: &Category) -> BigInt {
        match category {
            Category::Int(value) => BigInt::from(*value) << 1074,
            Category::Float(value) => {
                let (mantissa, exponent, sign) = Float::integer_decode(value.get());
                (BigInt::from(mantissa) * sign) << (exponent + 1075) >> 1
            }
            other => panic!("{other:?} is not a number"),
        }
    }

    fn number() -> impl Strategy<Value = Category> {
        let float = |value| Category::float(value).unwrap();
        prop_oneof![
            (-3i128..4).prop_map(Category::Int),
            any::<i128>().prop_map(Category::Int),
            prop::sample::select(vec![i128::MIN, i128::MAX, (1 << 53) + 1, 1 << 53]).prop_map(Category::Int),
            (-8i32..9).prop_map(move |value| float(f64::from(value) / 2.0)),
            (-130i32..130, -1i32..2).prop_map(move |(power, sign)| float(f64::from(sign) * 2f64.powi(power))),
            any::<u64>()
                .prop_map(f64::from_bits)
                .prop_filter("finite", |value| value.is_finite())
                .prop_map(float),
        ]
    }

    proptest! {
        #[test]
        fn numbers_compare_by_exact_value(left in number(), right in number()) {
            prop_assert_eq!(left.cmp(&right), units(&left).cmp(&units(&right)));
            if left == right {
                prop_assert_eq!(hash(&left), hash(&right));
            }
        }

        #[test]
        fn dates_follow_each_other(days in -3_000_000i32..3_000_000) {
            let (year, month, day) = civil(i128::from(days));
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month as usize - 1];
            let next = if day < length {
                (year, month, day + 1)
            } else if month < 12 {
                (year, month + 1, 1)
            } else {
                (year + 1, 1, 1)
            };
            prop_assert_eq!(civil(i128::from(days) + 1), next);
        }

        #[test]
        fn categories_come_back(category in prop_oneof![
            number(),
            any::<bool>().prop_map(Category::Bool),
            ".*".prop_map(|text: String| Category::text(&text)),
            any::<i32>().prop_map(Category::Date),
            any::<i128>().prop_map(Category::Timestamp),
        ]) {
            let text = serde_json::to_string(&category).unwrap();
            prop_assert_eq!(serde_json::from_str::<Category>(&text).unwrap(), category);
        }
    }

    #[test]
    fn names_are_those_of_python() {
        let second = NANOS_PER_SECOND;
        let noon = (18_292 * 86_400 + 12 * 3600 + 34 * 60 + 56) * second;
        for (category, name) in [
            (Category::Bool(false), "False"),
            (Category::Bool(true), "True"),
            (Category::Int(-7), "-7"),
            (Category::float(-0.0).unwrap(), "0.0"),
            (Category::float(1e16).unwrap(), "1e+16"),
            (Category::float(f64::NEG_INFINITY).unwrap(), "-inf"),
            (Category::text("naïve, \"x\""), "naïve, \"x\""),
            (Category::Date(0), "1970-01-01"),
            (Category::Date(18_292), "2020-01-31"),
            (Category::Date(-719_163), "0000-12-31"),
            (Category::Date(-719_529), "-0001-12-31"),
            (Category::Date(2_932_897), "+10000-01-01"),
            (Category::Timestamp(noon), "2020-01-31T12:34:56"),
            (Category::Timestamp(noon + second / 2), "2020-01-31T12:34:56.500000"),
            (Category::Timestamp(noon + 1), "2020-01-31T12:34:56.000000001"),
            (Category::Timestamp(-1000), "1969-12-31T23:59:59.999999"),
        ] {
            assert_eq!(category.to_string(), name);
        }
    }

    #[test]
    fn kinds_have_an_order() {
        let sorted = [
            Category::Bool(false),
            Category::Bool(true),
            Category::float(f64::NEG_INFINITY).unwrap(),
            Category::Int(i128::MIN),
            Category::Int(0),
            Category::float(0.5).unwrap(),
            Category::Int(1),
            Category::float(f64::INFINITY).unwrap(),
            Category::text(""),
            Category::text("A"),
            Category::text("a"),
            Category::text("é"),
            Category::text("🦀"),
            Category::Date(-1),
            Category::Timestamp(-1),
        ];
        assert!(sorted.is_sorted_by(|left, right| left < right));
    }

    #[test]
    fn long_integers_are_text_in_every_format() {
        assert_eq!(
            serde_json::to_string(&Category::Int(1 << 100)).unwrap(),
            r#"{"Int":"1267650600228229401496703205376"}"#
        );
        let error = serde_json::from_str::<Category>(r#"{"Int":"1.5"}"#).unwrap_err();
        assert!(
            error.to_string().starts_with("expected an integer of at most 128 bits in decimal text"),
            "{error}"
        );
    }
}
