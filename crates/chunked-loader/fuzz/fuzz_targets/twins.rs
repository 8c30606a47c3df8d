//! The slow, obvious twins of the kernels that read values: the standard library, and grammars written straight from
//! the definition of the types.

/// The whole number that `text` writes as it would be printed, of 38 digits at the most.
pub(crate) fn whole(text: &str) -> Option<i128> {
    let value: i128 = text.parse().ok()?;
    (value.to_string() == text && value.unsigned_abs() < 10u128.pow(38)).then_some(value)
}

/// The float that `text` writes, by the standard library.
pub(crate) fn float64(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if ["nan", "inf", "infinity"].contains(&unsigned.to_ascii_lowercase().as_str()) {
        return text.parse().ok();
    }
    let is_decimal = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    let begins_with_zero =
        unsigned.starts_with('0') && unsigned[1..].starts_with(|c: char| c.is_ascii_digit());
    if !is_decimal || text.starts_with('+') || begins_with_zero {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    let mantissa = text.split(['e', 'E']).next()?;
    let is_lost = value == 0.0 && mantissa.bytes().any(|b| matches!(b, b'1'..=b'9'));
    if !value.is_finite() || is_lost {
        return None;
    }
    if text != "-0" && unsigned.bytes().all(|b| b.is_ascii_digit()) {
        // Below 2^127 the cast back does not saturate.
        let exact = whole(text)?;
        return ((exact as f64) as i128 == exact).then_some(value);
    }
    Some(value)
}

/// The float32 that `text` writes, by the standard library.
pub(crate) fn float32(text: &str) -> Option<f32> {
    let wide = float64(text)?;
    if wide.is_finite() && wide.abs() > f64::from(f32::MAX) {
        return None;
    }
    text.parse().ok()
}

pub(crate) fn boolean(text: &str) -> Option<bool> {
    text.to_ascii_lowercase().parse().ok()
}

fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

/// Days since 1970-01-01, counted month by month.
pub(crate) fn date(text: &str) -> Option<i64> {
    if !text.is_ascii() || text.len() != 10 || &text[4..5] != "-" || &text[7..8] != "-" {
        return None;
    }
    let (year, month, day) = (digits(&text[..4])?, digits(&text[5..7])?, digits(&text[8..])?);
    let length = |month: i64| match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if year == 0 || !(1..=12).contains(&month) || day == 0 || day > length(month) {
        return None;
    }
    let before = year - 1;
    let leaps = before / 4 - before / 100 + before / 400;
    // There are 719 162 days from 0001-01-01 to 1970-01-01.
    Some(before * 365 + leaps + (1..month).map(length).sum::<i64>() + day - 1 - 719_162)
}

/// A timestamp: nanoseconds since 1970-01-01, in UTC if it has an offset; and the offset in minutes.
pub(crate) fn timestamp(text: &str) -> Option<(i128, Option<i64>)> {
    if !text.is_ascii() || text.len() < 16 || !matches!(&text[10..11], "T" | " ") {
        return None;
    }
    let days = date(&text[..10])?;
    let rest = &text[11..];
    let (clock, offset) = match rest.find(['Z', '+', '-']) {
        None => (rest, None),
        Some(at) => {
            let (clock, zone) = rest.split_at(at);
            let (sign, zone) = zone.split_at(1);
            let minutes = match (sign, zone.len()) {
                ("Z", 0) => 0,
                ("Z", _) => return None,
                (_, 2) => digits(zone)? * 60,
                (_, 4) => clock_minutes(&zone[..2], &zone[2..])?,
                (_, 5) if &zone[2..3] == ":" => clock_minutes(&zone[..2], &zone[3..])?,
                _ => return None,
            };
            if minutes >= 24 * 60 {
                return None;
            }
            (clock, Some(if sign == "-" { -minutes } else { minutes }))
        }
    };
    let (clock, fraction) = match clock.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (clock, None),
    };
    let parts: Vec<&str> = clock.split(':').collect();
    if parts.iter().any(|part| part.len() != 2) {
        return None;
    }
    let seconds = match (parts.as_slice(), fraction) {
        ([hour, minute], None) => clock_minutes(hour, minute)? * 60,
        ([hour, minute, second], _) => {
            clock_minutes(hour, minute)? * 60 + digits(second).filter(|second| *second < 60)?
        }
        _ => return None,
    };
    if seconds >= 24 * 60 * 60 {
        return None;
    }
    let nanos = match fraction {
        None => 0,
        Some(fraction) => {
            let kept = fraction.trim_end_matches('0');
            if !fraction.bytes().all(|b| b.is_ascii_digit()) || fraction.is_empty() || kept.len() > 9 {
                return None;
            }
            digits(&format!("{kept:0<9}"))?
        }
    };
    let seconds = days * 86_400 + seconds - offset.unwrap_or(0) * 60;
    Some((i128::from(seconds) * 1_000_000_000 + i128::from(nanos), offset))
}

fn clock_minutes(hour: &str, minute: &str) -> Option<i64> {
    let (hour, minute) = (digits(hour)?, digits(minute)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}
