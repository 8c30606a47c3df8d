//! A number of bytes: how it is written, read and added up.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// A number of bytes.
///
/// `Display` uses binary units with one decimal, rounded half up. `FromStr` takes `512MiB`, `1.5GiB`, `2GB`,
/// `64k` or `1048576`: units with an `i` are powers of 1024, units without are powers of 1000, letter case
/// does not matter, and a fraction of a byte is dropped.
///
/// ```
/// use monitor::Bytes;
///
/// assert_eq!(Bytes::mib(256).to_string(), "256.0 MiB");
/// assert_eq!("1.5GiB".parse(), Ok(Bytes::mib(1536)));
/// assert_eq!("2GB".parse(), Ok(Bytes(2_000_000_000)));
/// assert_eq!("64k".parse(), Ok(Bytes(64_000)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

/// Smallest first, each 1024 times the one before. Sixteen EiB is more than a `u64` holds.
const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

impl Bytes {
    /// No bytes.
    pub const ZERO: Bytes = Bytes(0);
    /// As many as can be written; the limit of an unbounded budget.
    pub const MAX: Bytes = Bytes(u64::MAX);

    /// `n` times 1024 bytes, or [`Bytes::MAX`] if that is too many to count.
    pub const fn kib(n: u64) -> Bytes {
        Bytes(n.saturating_mul(1 << 10))
    }

    /// `n` times 1024² bytes, or [`Bytes::MAX`] if that is too many to count.
    pub const fn mib(n: u64) -> Bytes {
        Bytes(n.saturating_mul(1 << 20))
    }

    /// `n` times 1024³ bytes, or [`Bytes::MAX`] if that is too many to count.
    pub const fn gib(n: u64) -> Bytes {
        Bytes(n.saturating_mul(1 << 30))
    }

    /// The plain number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum, or [`Bytes::MAX`] if it is too large to count.
    ///
    /// ```
    /// use monitor::Bytes;
    ///
    /// assert_eq!(Bytes(3).saturating_add(Bytes(4)), Bytes(7));
    /// assert_eq!(Bytes::MAX.saturating_add(Bytes(1)), Bytes::MAX);
    /// ```
    #[must_use]
    pub const fn saturating_add(self, other: Bytes) -> Bytes {
        Bytes(self.0.saturating_add(other.0))
    }

    /// The difference, or zero if `other` is larger.
    ///
    /// ```
    /// use monitor::Bytes;
    ///
    /// assert_eq!(Bytes(7).saturating_sub(Bytes(4)), Bytes(3));
    /// assert_eq!(Bytes(4).saturating_sub(Bytes(7)), Bytes::ZERO);
    /// ```
    #[must_use]
    pub const fn saturating_sub(self, other: Bytes) -> Bytes {
        Bytes(self.0.saturating_sub(other.0))
    }

    /// The sum, unless it is too large to count.
    ///
    /// ```
    /// use monitor::Bytes;
    ///
    /// assert_eq!(Bytes(3).checked_add(Bytes(4)), Some(Bytes(7)));
    /// assert_eq!(Bytes::MAX.checked_add(Bytes(1)), None);
    /// ```
    #[must_use]
    pub const fn checked_add(self, other: Bytes) -> Option<Bytes> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Bytes(sum)),
            None => None,
        }
    }

    /// The least number of bytes, at or above this one, whose printed form loses nothing.
    ///
    /// For advice such as "a budget of at least 70.3 MiB": a person who types the printed figure back must
    /// get no less than was needed, while `Display` alone may round down.
    ///
    /// ```
    /// use monitor::Bytes;
    ///
    /// let needed = Bytes(Bytes::mib(70).get() + 1);
    /// assert_eq!(needed.to_string(), "70.0 MiB");
    /// assert_eq!(needed.ceil_to_shown().to_string(), "70.1 MiB");
    /// ```
    #[must_use]
    pub fn ceil_to_shown(self) -> Bytes {
        let Some((unit, _)) = self.unit() else { return self };
        let tenths = (u128::from(self.0) * 10).div_ceil(unit);
        // Cut to whole bytes as `FromStr` does; it cannot fall below a whole number that was at or below it.
        Bytes(u64::try_from(tenths * unit / 10).unwrap_or(u64::MAX))
    }

    /// The unit to show it in, as bytes and as a name; `None` below one KiB.
    fn unit(self) -> Option<(u128, &'static str)> {
        let value = u128::from(self.0);
        if value < 1024 {
            return None;
        }
        let mut units = UNITS.iter().enumerate().map(|(i, name)| (1u128 << (10 * (i + 1)), *name));
        // What would be rounded to 1024.0 of one unit is shown as 1.0 of the next.
        units.rfind(|(unit, _)| *unit == 1024 || shown_tenths(value, unit / 1024) >= 10_240)
    }
}

fn shown_tenths(value: u128, unit: u128) -> u128 {
    (value * 10 + unit / 2) / unit
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit() {
            None => f.pad(&format!("{} B", self.0)),
            Some((unit, name)) => {
                let tenths = shown_tenths(u128::from(self.0), unit);
                f.pad(&format!("{}.{} {name}", tenths / 10, tenths % 10))
            }
        }
    }
}

impl From<usize> for Bytes {
    fn from(bytes: usize) -> Bytes {
        Bytes(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

impl std::iter::Sum for Bytes {
    fn sum<I: Iterator<Item = Bytes>>(iter: I) -> Bytes {
        iter.fold(Bytes::ZERO, Bytes::saturating_add)
    }
}

impl FromStr for Bytes {
    type Err = ParseBytesError;

    fn from_str(text: &str) -> Result<Bytes, ParseBytesError> {
        let fail = |kind| ParseBytesError { text: shortened(text), kind };
        let trimmed = text.trim();
        let end = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(end);
        let (whole, fraction) = match number.split_once('.') {
            // A point wants digits on both sides, and eighteen after it keep the arithmetic below within
            // `u128`.
            Some((whole, fraction)) if (1..=18).contains(&fraction.len()) => (whole, fraction),
            Some(_) => return Err(fail(ParseBytesErrorKind::Number)),
            None => (number, ""),
        };
        if whole.is_empty() || fraction.contains('.') {
            return Err(fail(ParseBytesErrorKind::Number));
        }
        let unit = multiplier(unit.trim_start()).ok_or_else(|| fail(ParseBytesErrorKind::Unit))?;
        if unit == 1 && !fraction.is_empty() {
            return Err(fail(ParseBytesErrorKind::PartOfByte));
        }
        let too_large = || fail(ParseBytesErrorKind::TooLarge);
        // Only digits are left, so that the one thing that can go wrong is their number.
        let whole: u64 = whole.parse().map_err(|_| too_large())?;
        let part = fraction.bytes().fold(0u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
        let scale = fraction.bytes().fold(1u128, |scale, _| scale * 10);
        let total = u128::from(whole) * u128::from(unit) + part * u128::from(unit) / scale;
        u64::try_from(total).map(Bytes).map_err(|_| too_large())
    }
}

fn multiplier(unit: &str) -> Option<u64> {
    let unit = unit.to_ascii_lowercase();
    let Some(letter) = unit.chars().next() else { return Some(1) };
    let power = match letter {
        'b' => return (unit == "b").then_some(1),
        'k' => 1,
        'm' => 2,
        'g' => 3,
        't' => 4,
        'p' => 5,
        'e' => 6,
        _ => return None,
    };
    match &unit[1..] {
        "" | "b" => Some(1000u64.pow(power)),
        "i" | "ib" => Some(1024u64.pow(power)),
        _ => None,
    }
}

/// A message quotes what was typed, but never without end.
fn shortened(text: &str) -> String {
    const MOST: usize = 40;
    match text.char_indices().nth(MOST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Why a text is not a number of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseBytesError {
    text: String,
    kind: ParseBytesErrorKind,
}

/// What is wrong with the text of a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseBytesErrorKind {
    /// It does not start with digits, or has a point without digits on both sides (at most 18 after it).
    Number,
    /// What follows the number is no known unit.
    Unit,
    /// A fraction of plain bytes.
    PartOfByte,
    /// More than 2⁶⁴ − 1 bytes.
    TooLarge,
}

impl ParseBytesError {
    /// What is wrong.
    ///
    /// ```
    /// use monitor::{Bytes, ParseBytesErrorKind};
    ///
    /// let kind = |text: &str| text.parse::<Bytes>().unwrap_err().kind();
    /// assert_eq!(kind("large"), ParseBytesErrorKind::Number);
    /// assert_eq!(kind("5 acres"), ParseBytesErrorKind::Unit);
    /// assert_eq!(kind("0.5"), ParseBytesErrorKind::PartOfByte);
    /// assert_eq!(kind("16EiB"), ParseBytesErrorKind::TooLarge);
    /// ```
    pub fn kind(&self) -> ParseBytesErrorKind {
        self.kind
    }
}

impl fmt::Display for ParseBytesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wrong = match self.kind {
            ParseBytesErrorKind::Number => "it does not start with a number",
            ParseBytesErrorKind::Unit => "its unit is unknown",
            ParseBytesErrorKind::PartOfByte => "bytes come whole",
            ParseBytesErrorKind::TooLarge => "it is larger than can be counted (16 EiB)",
        };
        write!(
            f,
            "`{}` is not a size: {wrong}; write 512MiB, 1.5GiB or 64KiB (powers of 1024), \
             2GB or 64k (powers of 1000), or plain bytes such as 1048576",
            self.text
        )
    }
}

impl Error for ParseBytesError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Sizes of every magnitude, not only of the largest.
    fn sizes() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0u32..64).prop_map(|(value, shift)| value >> shift)
    }

    /// Those whose printed form is below 16.0 EiB, which is one more than can be counted.
    fn shown_sizes() -> impl Strategy<Value = u64> {
        sizes().prop_filter("shown as 16.0 EiB", |bytes| *bytes < 0xfccc << 48)
    }

    #[test]
    fn shows_binary_units() {
        let shown = |bytes: u64| Bytes(bytes).to_string();
        assert_eq!(shown(0), "0 B");
        assert_eq!(shown(512), "512 B");
        assert_eq!(shown(1023), "1023 B");
        assert_eq!(shown(1024), "1.0 KiB");
        assert_eq!(shown(1000 << 10), "1000.0 KiB");
        assert_eq!(shown((1 << 20) - 1), "1.0 MiB");
        assert_eq!(shown(256 << 20), "256.0 MiB");
        assert_eq!(shown((3 << 30) / 2), "1.5 GiB");
        assert_eq!(shown(u64::MAX), "16.0 EiB");
        assert_eq!(format!("[{:>10}]", Bytes(512)), "[     512 B]");
    }

    #[test]
    fn reads_each_form() {
        let read = |text: &str| text.parse::<Bytes>().map(Bytes::get);
        for (text, bytes) in [
            ("1048576", 1 << 20),
            ("512 B", 512),
            ("512MiB", 512 << 20),
            ("1.5GiB", (3 << 30) / 2),
            ("2GB", 2_000_000_000),
            ("64k", 64_000),
            ("64K", 64_000),
            ("64KB", 64_000),
            ("64Ki", 64 << 10),
            ("3m", 3_000_000),
            ("1t", 1_000_000_000_000),
            ("1PiB", 1 << 50),
            (" 256.0 MiB ", 256 << 20),
            ("0.0001k", 0),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(read(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest_by_kind() {
        use ParseBytesErrorKind::{Number, PartOfByte, TooLarge, Unit};
        for (text, kind) in [
            ("", Number),
            ("MiB", Number),
            ("-1", Number),
            ("+1", Number),
            (".5GiB", Number),
            ("1.GiB", Number),
            ("1.2.3k", Number),
            ("1.0000000000000000001k", Number),
            ("12 parsecs", Unit),
            ("1bb", Unit),
            ("1kiBs", Unit),
            ("1é", Unit),
            ("1mé", Unit),
            ("1,5k", Unit),
            ("1e3", Unit),
            ("1.5", PartOfByte),
            ("1.0 B", PartOfByte),
            ("16EiB", TooLarge),
            ("18446744073709551616", TooLarge),
            ("99999999999999999999999999999999999999999999k", TooLarge),
        ] {
            assert_eq!(text.parse::<Bytes>().map_err(|error| error.kind()), Err(kind), "{text}");
        }
    }

    #[test]
    fn refusal_lists_the_valid_forms() {
        assert_eq!(
            "12 parsecs".parse::<Bytes>().unwrap_err().to_string(),
            "`12 parsecs` is not a size: its unit is unknown; write 512MiB, 1.5GiB or 64KiB (powers of 1024), \
             2GB or 64k (powers of 1000), or plain bytes such as 1048576"
        );
        let long = "x".repeat(1000).parse::<Bytes>().unwrap_err().to_string();
        assert!(long.starts_with(&format!("`{}…` is not a size", "x".repeat(40))), "{long}");
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        assert_eq!(Bytes(1).saturating_sub(Bytes(2)), Bytes::ZERO);
        assert_eq!(Bytes::MAX.saturating_add(Bytes(1)), Bytes::MAX);
        assert_eq!(Bytes::mib(u64::MAX), Bytes::MAX);
        assert_eq!(Bytes::MAX.checked_add(Bytes(1)), None);
        assert_eq!([Bytes::MAX, Bytes(1)].into_iter().sum::<Bytes>(), Bytes::MAX);
    }

    proptest! {
        #[test]
        fn plain_numbers_come_back(bytes in any::<u64>()) {
            prop_assert_eq!(bytes.to_string().parse(), Ok(Bytes(bytes)));
        }

        #[test]
        fn what_is_shown_reads_back_within_half_a_tenth(bytes in shown_sizes()) {
            let shown = Bytes(bytes).to_string();
            let read = shown.parse::<Bytes>().unwrap();
            // The unit shown is at most 1024/1023.95 times the value, so half a tenth of it is under 5.1 %.
            prop_assert!(read.get().abs_diff(bytes) as f64 <= 0.051 * bytes as f64, "{} {}", bytes, shown);
            prop_assert_eq!(read.to_string(), shown);
        }

        #[test]
        fn advice_never_falls_short(bytes in shown_sizes()) {
            let advice = Bytes(bytes).ceil_to_shown();
            prop_assert!(advice >= Bytes(bytes));
            prop_assert_eq!(advice.to_string().parse(), Ok(advice));
            // No tenth of the unit below would have done.
            prop_assert!(advice.get() - bytes <= bytes / 10 + 1);
        }

        #[test]
        fn fractions_are_cut_like_by_hand(whole in 0u64..1_000_000, tenths in 0u64..10, power in 1u32..4) {
            let unit = ["", "KiB", "MiB", "GiB"][power as usize];
            let expected = (whole * 10 + tenths) * 1024u64.pow(power) / 10;
            prop_assert_eq!(format!("{whole}.{tenths}{unit}").parse(), Ok(Bytes(expected)));
        }

        #[test]
        fn no_text_panics(text in "[0-9.kKmMgiIbB é+-]{0,12}") {
            let _ = text.parse::<Bytes>();
        }
    }
}
