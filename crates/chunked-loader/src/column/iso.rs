//! Dates and timestamps of the usual form, by their places: `YYYY-MM-DD`, and that with one separator and
//! `HH:MM:SS` behind it. Everything else is [`temporal`](super::temporal)'s.

use super::digits::{has_other_than_digits, pairs};
use crate::block::Padded;

/// Length of a date.
const DATE: usize = 10;
/// Length of a timestamp without fraction and zone.
const SECONDS: usize = 19;

const fn word(text: [u8; 8]) -> u64 {
    u64::from_le_bytes(text)
}

/// Days before each month in a year that begins with March, by the month's usual number.
const DAYS_BEFORE: [i32; 13] = [0, 306, 337, 0, 31, 61, 92, 122, 153, 184, 214, 245, 275];
/// Days of each month in a year that is no leap year, and in one that is.
const DAYS_IN: [[u8; 13]; 2] = [
    [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31],
    [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31],
];

/// The day since 1970-01-01 that the first ten bytes write, and whether they write one.
#[inline(always)]
fn day(text: Padded<'_>) -> (i32, bool) {
    let front = text.word::<0>() ^ word(*b"0000-00-");
    let back = (text.word::<8>() & 0xffff) ^ 0x3030;
    // Where the dashes stand, nothing is left.
    let has_dashes = front & 0xff00_00ff_0000_0000 == 0;
    let are_digits = !has_other_than_digits(front) & !has_other_than_digits(back);
    let tens = pairs(front);
    let (century, of_century) = ((tens & 0x7f) as u32, (tens >> 16 & 0x7f) as u32);
    let year = century * 100 + of_century;
    let month = (tens >> 40 & 0xff) as u32;
    let day = (back & 0xff) as u32 * 10 + (back >> 8) as u32;
    // Digits that are none make any number; the tables are asked for nothing beyond their ends.
    let month = if month <= 12 { month as usize } else { 0 };
    // The digits say themselves which years are multiples of 100, and then of 400.
    let is_leap = (if of_century == 0 { century } else { of_century }).is_multiple_of(4);
    let is_day = day.wrapping_sub(1) < u32::from(DAYS_IN[usize::from(is_leap)][month]);
    // A year begins with March, so that a leap day is its last one; 400 years more keep the first one above zero.
    let is_before_march = month <= 2;
    let march_year = year + 400 - u32::from(is_before_march);
    let century = century + 4 - u32::from(is_before_march & (of_century == 0));
    let days = 365 * march_year + march_year / 4 - century + century / 4;
    let days = days as i32 + DAYS_BEFORE[month] + day as i32 - (719_469 + 146_097);
    (days, has_dashes & are_digits & is_day & (year > 0))
}

/// The day since 1970-01-01 that a text of the usual form writes.
#[inline(always)]
pub(crate) fn parse_date(text: Padded<'_>) -> (i32, bool) {
    let (day, is_day) = day(text);
    (day, is_day & (text.len() == DATE))
}

/// What stands between date and time.
#[inline(always)]
pub(crate) fn separator(text: Padded<'_>) -> u8 {
    (text.word::<8>() >> 16) as u8
}

/// The second since 1970-01-01T00:00:00 that a text of the usual form writes.
#[inline(always)]
pub(crate) fn parse_seconds(text: Padded<'_>) -> (i64, bool) {
    let (day, is_day) = day(text);
    let between = separator(text);
    let clock = text.word::<{ DATE + 1 }>() ^ word(*b"00:00:00");
    let has_colons = clock & 0x0000_ff00_00ff_0000 == 0;
    let are_digits = !has_other_than_digits(clock);
    let tens = pairs(clock);
    let (hour, minute, second) = (tens & 0xff, tens >> 24 & 0xff, tens >> 48 & 0xff);
    let is_time = (hour < 24) & (minute < 60) & (second < 60) & has_colons & are_digits;
    let seconds = i64::from(day) * 86_400 + (hour * 3600 + minute * 60 + second) as i64;
    let is_usual = (text.len() == SECONDS) & ((between == b'T') | (between == b' '));
    (seconds, is_day & is_time & is_usual)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::block::PADDING;
    use crate::column::temporal;

    fn check(text: &str) {
        for behind in [b',', b'0', 0xff] {
            let mut padded = text.as_bytes().to_vec();
            padded.resize(text.len() + PADDING, behind);
            let padded = Padded::of_test(&padded, text.len());
            let (day, is_day) = parse_date(padded);
            let expected = temporal::parse_date(text.as_bytes());
            assert_eq!(is_day.then_some(day), expected, "{text:?}");
            let (seconds, is_stamp) = parse_seconds(padded);
            let expected = temporal::parse_timestamp(text.as_bytes());
            let expected = expected.filter(|_| text.len() == SECONDS && text.as_bytes()[10] != b'+');
            let is_plain = expected.is_some_and(|stamp| stamp.offset.is_none());
            assert_eq!(is_stamp, is_plain, "{text:?}");
            if is_stamp {
                assert_eq!(
                    Some((seconds, 0)),
                    expected.map(|stamp| (stamp.seconds, stamp.digits)),
                    "{text:?}"
                );
            }
        }
    }

    #[test]
    fn every_month_and_day_of_the_years_where_rules_change() {
        for year in [0, 1, 4, 99, 100, 400, 1599, 1600, 1899, 1900, 1970, 1999, 2000, 2023, 2024, 9999] {
            for month in 0..=13 {
                for day in 0..=32 {
                    check(&format!("{year:04}-{month:02}-{day:02}"));
                    check(&format!("{year:04}-{month:02}-{day:02}T23:59:59"));
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

        #[test]
        fn by_place_is_what_reading_on_gives(
            date in "[0-9]{4}-[01][0-9]-[0-3][0-9]|[0-9:/.-]{10}",
            rest in "|[T t][0-2][0-9]:[0-6][0-9]:[0-6][0-9]|[T ][0-2][0-9]:[0-6][0-9][+Z.:0-9]{0,6}|[0-9:T ]{9}",
        ) {
            check(&[date, rest].concat());
        }
    }
}
