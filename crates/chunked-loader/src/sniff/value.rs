//! Whether a text looks like a value rather than a word, under any marks that numbers are written with.

use crate::number_marks::NumberMarks;

const COMMA: NumberMarks = NumberMarks { decimal: b',', thousands: None };
const COMMA_GROUPS: NumberMarks = NumberMarks { decimal: b'.', thousands: Some(b',') };
const POINT_GROUPS: NumberMarks = NumberMarks { decimal: b',', thousands: Some(b'.') };

/// A number, a share, a date or a time, by its characters alone. A comma must be a mark in a number.
///
/// It only weighs one reading of a file against another; what a field is, the column's parser decides.
pub(super) fn is_value(text: &[u8]) -> bool {
    let unsigned = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let (Some(first), Some(last)) = (unsigned.first(), unsigned.last()) else { return false };
    if !(first.is_ascii_digit() || matches!(first, b'.' | b',')) || *last == b' ' {
        return false;
    }
    let is_one_of_a_value = |b: &u8| {
        b.is_ascii_digit()
            || matches!(b, b'.' | b',' | b':' | b'/' | b'+' | b'-' | b'%' | b' ')
            || matches!(b, b'e' | b'E' | b'T' | b'Z')
    };
    unsigned.iter().any(u8::is_ascii_digit)
        && unsigned.iter().all(is_one_of_a_value)
        && (!unsigned.contains(&b',')
            || [COMMA, COMMA_GROUPS, POINT_GROUPS].iter().any(|marks| is_number(unsigned, *marks)))
}

fn is_number(unsigned: &[u8], marks: NumberMarks) -> bool {
    let mut scratch = Vec::new();
    marks
        .canonical(unsigned, &mut scratch)
        .is_some_and(|digits| digits.iter().all(|b| b.is_ascii_digit() || *b == b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_words() {
        for text in [
            "0",
            "-12.5",
            "1e5",
            ".5",
            "1,5",
            "12,345",
            "12,345.67",
            "12.345,67",
            "2024-02-29",
            "12:30",
            "45%",
            "2024-02-29T12:00:00Z",
            "2024-02-29 12:00:00+01:00",
            "16/07/2010",
            "2019",
            "+1",
        ] {
            assert!(is_value(text.as_bytes()), "{text}");
        }
        for text in
            ["", "-", ".", "x1", "q1", " 1", "1 ", "1;2", "1,2,3", "E5", "NA", "5\" pipe", "1\t2", ", 1"]
        {
            assert!(!is_value(text.as_bytes()), "{text}");
        }
    }
}
