//! Days and instants as ISO 8601 writes them.

use arrow::error::ArrowError;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Appends the day that is so many days from 1970-01-01, `YYYY-MM-DD`.
///
/// H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
///
/// # Errors
///
/// A year that four digits do not write, or the year 0.
pub(super) fn append_date(days: i64, to: &mut Vec<u8>) -> Result<(), ArrowError> {
    // Years begin with March here, and 400 of them are an era.
    let from_era = days + 719_468;
    let (era, day_of_era) = (from_era.div_euclid(146_097), from_era.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    if !(1..=9999).contains(&year) {
        let problem = format!("the year {year} is not written in CSV, which has 0001 to 9999");
        return Err(ArrowError::InvalidArgumentError(problem));
    }
    append_padded(year, 4, to);
    to.push(b'-');
    append_padded(month, 2, to);
    to.push(b'-');
    append_padded(day, 2, to);
    Ok(())
}

/// Where a timestamp's clock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    /// Nowhere.
    None,
    /// Minutes east of UTC.
    Offset(i16),
}

impl Zone {
    /// The zone that an Arrow type names. One that is not `+HH:MM` or `-HH:MM` is written in UTC: the instants stay.
    pub(super) fn of(name: Option<&str>) -> Self {
        let Some(name) = name else { return Self::None };
        let minutes = match *name.as_bytes() {
            [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2]
                if [h1, h2, m1, m2].iter().all(u8::is_ascii_digit) =>
            {
                let two = |tens: u8, ones: u8| i16::from(tens - b'0') * 10 + i16::from(ones - b'0');
                let minutes = two(h1, h2) * 60 + two(m1, m2);
                if sign == b'-' { -minutes } else { minutes }
            }
            _ => 0,
        };
        // What is no offset of a day names no clock.
        Self::Offset(if minutes.unsigned_abs() < 24 * 60 { minutes } else { 0 })
    }
}

/// Appends an instant, `YYYY-MM-DDTHH:MM:SS`, then `digits` of a fraction, then the zone.
///
/// `count` is in units of `10^-digits` seconds since 1970 in UTC.
///
/// # Errors
///
/// As [`append_date`].
pub(super) fn append_timestamp(
    count: i64,
    digits: u32,
    zone: Zone,
    to: &mut Vec<u8>,
) -> Result<(), ArrowError> {
    let scale = 10_i64.pow(digits);
    let (seconds, fraction) = (count.div_euclid(scale), count.rem_euclid(scale));
    let offset = match zone {
        Zone::None => 0,
        Zone::Offset(minutes) => i64::from(minutes),
    };
    // Beyond 64 bits only in years that are refused.
    let seconds = seconds.saturating_add(offset * 60);
    append_date(seconds.div_euclid(DAY), to)?;
    let second = seconds.rem_euclid(DAY);
    to.push(b'T');
    append_padded(second / 3600, 2, to);
    to.push(b':');
    append_padded(second / 60 % 60, 2, to);
    to.push(b':');
    append_padded(second % 60, 2, to);
    if digits > 0 {
        to.push(b'.');
        append_padded(fraction, digits as usize, to);
    }
    match zone {
        Zone::None => {}
        Zone::Offset(0) => to.push(b'Z'),
        Zone::Offset(minutes) => {
            to.push(if minutes < 0 { b'-' } else { b'+' });
            append_padded(i64::from(minutes.unsigned_abs() / 60), 2, to);
            to.push(b':');
            append_padded(i64::from(minutes.unsigned_abs() % 60), 2, to);
        }
    }
    Ok(())
}

/// Appends a number that is not negative with zeros in front.
fn append_padded(number: i64, width: usize, to: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(number).as_bytes();
    to.extend(std::iter::repeat_n(b'0', width.saturating_sub(digits.len())));
    to.extend_from_slice(digits);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(days: i64) -> String {
        let mut text = Vec::new();
        append_date(days, &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    /// The slow twin: count the days one by one.
    #[test]
    fn every_day_that_has_a_form_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1, 1, 1);
        for days in -719_162..=2_932_896 {
            assert_eq!(date(days), format!("{year:04}-{month:02}-{day:02}"));
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                2 => 28 + i32::from(is_leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > last {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
        assert_eq!(year, 10_000);
        assert!(append_date(2_932_897, &mut Vec::new()).is_err());
        assert!(append_date(-719_163, &mut Vec::new()).is_err());
        assert!(append_date(i64::MAX / DAY, &mut Vec::new()).is_err());
    }

    #[test]
    fn zones_are_offsets_or_utc() {
        for (name, expected) in [
            (None, Zone::None),
            (Some("UTC"), Zone::Offset(0)),
            (Some("+00:00"), Zone::Offset(0)),
            (Some("+05:45"), Zone::Offset(345)),
            (Some("-12:00"), Zone::Offset(-720)),
            (Some("Europe/Berlin"), Zone::Offset(0)),
            (Some("+99:99"), Zone::Offset(0)),
            (Some(""), Zone::Offset(0)),
        ] {
            assert_eq!(Zone::of(name), expected, "{name:?}");
        }
    }

    #[test]
    fn instants_at_the_ends_of_what_counts_hold() {
        let mut text = Vec::new();
        append_timestamp(i64::MIN, 9, Zone::None, &mut text).unwrap();
        assert_eq!(text, b"1677-09-21T00:12:43.145224192");
        assert!(append_timestamp(i64::MIN, 0, Zone::Offset(-60), &mut text).is_err());
        assert!(append_timestamp(i64::MAX, 0, Zone::Offset(60), &mut text).is_err());
    }
}
