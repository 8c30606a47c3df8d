//! Dates `YYYY-MM-DD`, and timestamps: a date, `T` or one space, `HH:MM[:SS[.fraction]]`, then nothing, `Z` or an offset.

use std::marker::PhantomData;

use arrow::datatypes::{ArrowPrimitiveType, ArrowTimestampType, Date32Type, TimeUnit};

use super::iso;
use super::kernel::Kernel;
use super::lanes::{self, ROWS, Texts};
use crate::block::Padded;
use crate::processor::{Processor, WithAvx2};
use crate::types::Zone;

/// A timestamp as a text writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    /// Seconds since 1970-01-01T00:00:00, in UTC if zoned.
    pub(crate) seconds: i64,
    pub(crate) nanos: u32,
    /// Digits of the fraction without its trailing zeros.
    pub(crate) digits: u8,
    /// Minutes east of UTC; `None` if unzoned.
    pub(crate) offset: Option<i16>,
}

fn units_a_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

impl Stamp {
    pub(crate) fn zone(&self) -> Zone {
        self.offset.map_or(Zone::Naive, Zone::Offset)
    }

    /// The count of `unit` since 1970; `None` if that loses digits or leaves 64 bits.
    pub(crate) fn count(&self, unit: TimeUnit) -> Option<i64> {
        let digits = match unit {
            TimeUnit::Second => 0,
            TimeUnit::Millisecond => 3,
            TimeUnit::Microsecond => 6,
            TimeUnit::Nanosecond => 9,
        };
        let scale = i128::from(units_a_second(unit));
        if self.digits > digits {
            return None;
        }
        // In 128 bits: the product alone may leave 64 where the sum does not.
        let count = i128::from(self.seconds) * scale + i128::from(self.nanos) * scale / 1_000_000_000;
        i64::try_from(count).ok()
    }
}

fn number(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0u32, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))
}

/// Days from 1970-01-01 to a day of the proleptic Gregorian calendar.
///
/// H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
fn days_from_civil(year: i32, month: u32, day: u32) -> i32 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((month as i32 + 9) % 12) + 2) / 5 + day as i32 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// The day that `text` writes, in days since 1970-01-01. Years run from 0001 to 9999.
#[inline]
pub(crate) fn parse_date(text: &[u8]) -> Option<i32> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else { return None };
    let year = number(&[y1, y2, y3, y4])? as i32;
    let month = number(&[m1, m2])?;
    let day = number(&[d1, d2])?;
    if year == 0 || !(1..=12).contains(&month) || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    Some(days_from_civil(year, month, day))
}

/// Splits a zone off the end of a time: `Z`, `+HH`, `+HHMM` or `+HH:MM`.
fn split_zone(time: &[u8]) -> Option<(&[u8], Option<i16>)> {
    if let [time @ .., b'Z'] = time {
        return Some((time, Some(0)));
    }
    let Some(at) = time.iter().rposition(|b| matches!(b, b'+' | b'-')) else { return Some((time, None)) };
    let (time, zone) = time.split_at(at);
    let (hours, minutes) = match *zone {
        [_, h1, h2] => (number(&[h1, h2])?, 0),
        [_, h1, h2, m1, m2] | [_, h1, h2, b':', m1, m2] => (number(&[h1, h2])?, number(&[m1, m2])?),
        _ => return None,
    };
    if hours > 23 || minutes > 59 {
        return None;
    }
    let offset = (hours * 60 + minutes) as i16;
    Some((time, Some(if zone[0] == b'-' { -offset } else { offset })))
}

/// The timestamp that `text` writes.
pub(crate) fn parse_timestamp(text: &[u8]) -> Option<Stamp> {
    if text.len() < 16 || !matches!(text[10], b'T' | b' ') {
        return None;
    }
    let days = parse_date(&text[..10])?;
    let (time, offset) = split_zone(&text[11..])?;
    let (clock, fraction) = match time.iter().position(|b| *b == b'.') {
        Some(at) => (&time[..at], Some(&time[at + 1..])),
        None => (time, None),
    };
    let (hour, minute, second) = match *clock {
        [h1, h2, b':', m1, m2] if fraction.is_none() => (number(&[h1, h2])?, number(&[m1, m2])?, 0),
        [h1, h2, b':', m1, m2, b':', s1, s2] => (number(&[h1, h2])?, number(&[m1, m2])?, number(&[s1, s2])?),
        _ => return None,
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (mut nanos, mut digits) = (0, 0);
    if let Some(fraction) = fraction {
        let kept = fraction.len() - fraction.iter().rev().take_while(|b| **b == b'0').count();
        if fraction.is_empty() || kept > 9 || !fraction.iter().all(u8::is_ascii_digit) {
            return None;
        }
        nanos = number(&fraction[..kept])? * 10u32.pow(9 - kept as u32);
        digits = kept as u8;
    }
    let seconds = i64::from(days) * 86_400 + i64::from(hour * 3600 + minute * 60 + second)
        - i64::from(offset.unwrap_or(0)) * 60;
    Some(Stamp { seconds, nanos, digits, offset })
}

/// Parses into days.
pub(crate) struct DateKernel;

impl Kernel for DateKernel {
    type Arrow = Date32Type;
    const FORM: lanes::Form = lanes::DATE;

    #[inline(always)]
    fn parse_block<P: Processor>(&self, _: P, text: Padded<'_>) -> (i32, bool) {
        let (day, is_day) = iso::parse_date(text);
        (if is_day { day } else { 0 }, is_day)
    }

    #[inline(always)]
    fn parse_lanes(&self, processor: WithAvx2, texts: &Texts, values: &mut [i32; ROWS]) -> u64 {
        texts.days(processor, values)
    }

    #[inline]
    fn parse(&self, text: &[u8]) -> Option<i32> {
        parse_date(text)
    }
}

/// Parses into a count of a unit, in one zone.
pub(crate) struct TimestampKernel<T> {
    zone: Zone,
    units_a_second: i64,
    unit: PhantomData<fn() -> T>,
}

impl<T: ArrowTimestampType> TimestampKernel<T> {
    pub(crate) fn new(zone: Zone) -> Self {
        TimestampKernel { zone, units_a_second: units_a_second(T::UNIT), unit: PhantomData }
    }
}

impl<T: ArrowTimestampType + ArrowPrimitiveType<Native = i64>> Kernel for TimestampKernel<T> {
    type Arrow = T;
    const FORM: lanes::Form = lanes::SECONDS;

    #[inline(always)]
    fn parse_block<P: Processor>(&self, _: P, text: Padded<'_>) -> (i64, bool) {
        let (seconds, is_value) = iso::parse_seconds(text);
        // A unit that some value leaves 64 bits by is none that a scan resolves to, but files change.
        let (count, overflows) = seconds.overflowing_mul(self.units_a_second);
        let is_value = is_value & !overflows & (self.zone == Zone::Naive);
        (if is_value { count } else { 0 }, is_value)
    }

    #[inline(always)]
    fn parse_lanes(&self, processor: WithAvx2, texts: &Texts, values: &mut [i64; ROWS]) -> u64 {
        if self.zone != Zone::Naive {
            return 0;
        }
        let mut valid = texts.seconds(processor, values);
        for (row, value) in values.iter_mut().enumerate() {
            let (count, overflows) = value.overflowing_mul(self.units_a_second);
            *value = if overflows { 0 } else { count };
            valid &= !(u64::from(overflows) << row);
        }
        valid
    }

    #[inline]
    fn parse(&self, text: &[u8]) -> Option<i64> {
        parse_timestamp(text).filter(|stamp| stamp.zone() == self.zone).and_then(|stamp| stamp.count(T::UNIT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_1970() {
        assert_eq!(parse_date(b"1970-01-01"), Some(0));
        assert_eq!(parse_date(b"1969-12-31"), Some(-1));
        assert_eq!(parse_date(b"2000-02-29"), Some(11_016));
        assert_eq!(parse_date(b"0001-01-01"), Some(-719_162));
        assert_eq!(parse_date(b"9999-12-31"), Some(2_932_896));
    }

    /// The slow twin: count the days one by one.
    #[test]
    fn every_day_of_five_centuries_follows_the_one_before() {
        let mut expected = parse_date(b"1890-01-01").unwrap();
        for year in 1890..2410 {
            for month in 1..=12 {
                for day in 1..=31 {
                    let text = format!("{year:04}-{month:02}-{day:02}");
                    if day <= days_in_month(year, month) {
                        assert_eq!(parse_date(text.as_bytes()), Some(expected), "{text}");
                        expected += 1;
                    } else {
                        assert_eq!(parse_date(text.as_bytes()), None, "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_date_or_timestamp() {
        for text in [
            "2024-1-01",
            "2023-02-29",
            "1900-02-29",
            "2024-13-01",
            "2024-00-01",
            "0000-01-01",
            "20240101",
            "2024/01/01",
        ] {
            assert_eq!(parse_date(text.as_bytes()), None, "{text}");
        }
        for text in [
            "2024-01-01",
            "2024-01-01T24:00",
            "2024-01-01T12",
            "2024-01-01  12:00",
            "2024-01-01T12:60",
            "2024-01-01T12:00:60",
            "2024-01-01T12:00.5",
            "2024-01-01T12:00:00.",
            "2024-01-01T12:00:00.1234567891",
            "2024-01-01T12:00:00z",
            "2024-01-01T12:00:00+2",
            "2024-01-01T12:00:00+24:00",
            "2024-01-01T12:00:00 +02:00",
            "2024-01-01T12:00:00+02:0",
        ] {
            assert_eq!(parse_timestamp(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn fractions_and_offsets_are_kept() {
        let stamp = |text: &str| parse_timestamp(text.as_bytes()).unwrap();
        assert_eq!(stamp("1970-01-01 00:00"), Stamp { seconds: 0, nanos: 0, digits: 0, offset: None });
        assert_eq!(stamp("1970-01-01T02:00:00+02:00").seconds, 0);
        assert_eq!(stamp("1970-01-01T00:00:00-0530").seconds, 19_800);
        assert_eq!(stamp("1970-01-01T00:00:00.1230000000").digits, 3);
        assert_eq!(stamp("1969-12-31T23:59:59.999").count(TimeUnit::Millisecond), Some(-1));
        assert_eq!(stamp("1969-12-31T23:59:59.999").count(TimeUnit::Second), None);
        assert_eq!(stamp("0001-01-01T00:00:00").count(TimeUnit::Nanosecond), None);
        assert_eq!(stamp("1677-09-21T00:12:43.145224192").count(TimeUnit::Nanosecond), Some(i64::MIN));
    }
}
