//! The marks inside numbers: what stands before the fraction, and what stands between thousands.

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NumberMarks {
    /// Between the whole-number part and the fraction.
    pub(crate) decimal: u8,
    /// Between groups of three digits of the whole-number part, where a number has such groups.
    pub(crate) thousands: Option<u8>,
}

impl Default for NumberMarks {
    fn default() -> Self {
        NumberMarks { decimal: b'.', thousands: None }
    }
}

impl NumberMarks {
    /// A point and no thousands mark: texts are parsed as they are.
    #[inline]
    pub(crate) fn is_plain(self) -> bool {
        self.decimal == b'.' && self.thousands.is_none()
    }

    /// The number in `text` with a point for the decimal mark and without thousands marks, in `scratch` if it
    /// differs from `text`.
    ///
    /// `None`: no number under these marks. A thousands mark must stand before groups of exactly three digits of
    /// the whole-number part, the first group having one to three; a point must be one of the marks. Whether the
    /// rest makes a number is left to the parser. A text without any mark passes as it is.
    #[inline]
    pub(crate) fn canonical<'s>(&self, text: &'s [u8], scratch: &'s mut Vec<u8>) -> Option<&'s [u8]> {
        if self.is_plain() || !text.iter().any(|&b| self.is_mark(b)) {
            return Some(text);
        }
        self.rewrite(text, scratch)
    }

    fn is_mark(self, b: u8) -> bool {
        b == b'.' || b == self.decimal || Some(b) == self.thousands
    }

    /// One pass: digits of the group in progress are counted as long as groups matter.
    fn rewrite<'s>(self, text: &[u8], scratch: &'s mut Vec<u8>) -> Option<&'s [u8]> {
        scratch.clear();
        let mut is_whole_part = true;
        let mut is_grouped = false;
        let mut digits = 0;
        for (i, &b) in text.iter().enumerate() {
            if Some(b) == self.thousands {
                // The first group has one to three digits, each other three.
                let fits = if is_grouped { digits == 3 } else { matches!(digits, 1..=3) };
                if !is_whole_part || !fits {
                    return None;
                }
                is_grouped = true;
                digits = 0;
                continue;
            }
            let ends_whole_part = b == self.decimal || matches!(b, b'e' | b'E');
            if is_whole_part && ends_whole_part {
                if is_grouped && digits != 3 {
                    return None;
                }
                is_whole_part = false;
            } else if b == self.decimal || b == b'.' {
                // A second decimal mark, one in the exponent, or a point that is no mark.
                return None;
            } else if is_whole_part && b.is_ascii_digit() {
                digits += 1;
            } else if is_whole_part && !(i == 0 && matches!(b, b'-' | b'+')) {
                if is_grouped {
                    return None;
                }
                // No number; none of what follows may look like a group of one.
                digits = usize::MAX / 2;
            }
            scratch.push(if b == self.decimal { b'.' } else { b });
        }
        (!(is_whole_part && is_grouped && digits != 3)).then_some(scratch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COMMA: NumberMarks = NumberMarks { decimal: b',', thousands: None };
    const GROUPED: NumberMarks = NumberMarks { decimal: b'.', thousands: Some(b',') };
    const GERMAN: NumberMarks = NumberMarks { decimal: b',', thousands: Some(b'.') };
    const SPACED: NumberMarks = NumberMarks { decimal: b',', thousands: Some(b' ') };

    fn canonical(marks: NumberMarks, text: &str) -> Option<String> {
        let mut scratch = b"left over".to_vec();
        marks.canonical(text.as_bytes(), &mut scratch).map(|t| String::from_utf8(t.to_vec()).unwrap())
    }

    /// The same by splitting, checking and joining.
    fn twin(marks: NumberMarks, text: &str) -> Option<String> {
        let decimal = char::from(marks.decimal);
        let thousands = marks.thousands.map(char::from);
        if !text.contains([decimal, '.', thousands.unwrap_or(decimal)]) {
            return Some(text.to_owned());
        }
        let end = text.find([decimal, 'e', 'E']).unwrap_or(text.len());
        let (whole, tail) = text.split_at(end);
        let (fraction, tail_rest) = match tail.strip_prefix(decimal) {
            Some(rest) => (".", rest),
            None => ("", tail),
        };
        if tail_rest.contains([decimal, '.', thousands.unwrap_or(decimal)]) {
            return None;
        }
        let digits = whole.strip_prefix(['-', '+']).unwrap_or(whole);
        let sign = &whole[..whole.len() - digits.len()];
        let joined = match thousands.filter(|t| digits.contains(*t)) {
            None if digits.contains('.') => return None,
            None => digits.to_owned(),
            Some(mark) => {
                let groups: Vec<&str> = digits.split(mark).collect();
                let all_digits = groups.iter().all(|g| g.chars().all(|c| c.is_ascii_digit()));
                let lengths_fit =
                    (1..=3).contains(&groups[0].len()) && groups[1..].iter().all(|g| g.len() == 3);
                if !all_digits || !lengths_fit {
                    return None;
                }
                groups.concat()
            }
        };
        Some(format!("{sign}{joined}{fraction}{tail_rest}"))
    }

    #[test]
    fn texts_without_a_mark_are_borrowed() {
        for marks in [NumberMarks::default(), COMMA, GROUPED, GERMAN, SPACED] {
            for text in ["", "0", "-12345", "1e5", "nan", "-Infinity", "007", "x"] {
                let mut scratch = Vec::new();
                let found = marks.canonical(text.as_bytes(), &mut scratch).unwrap();
                assert!(std::ptr::eq(found, text.as_bytes()), "{text}");
            }
        }
        assert_eq!(canonical(NumberMarks::default(), "1.2.3").as_deref(), Some("1.2.3"));
        assert!(NumberMarks::default().is_plain());
        assert!(!COMMA.is_plain() && !GROUPED.is_plain());
    }

    #[test]
    fn marks_are_replaced_and_left_out() {
        for (marks, text, expected) in [
            (COMMA, "1,5", "1.5"),
            (COMMA, "-0,25e-3", "-0.25e-3"),
            (COMMA, ",5", ".5"),
            (COMMA, "5,", "5."),
            (GROUPED, "1,234", "1234"),
            (GROUPED, "-43,774.58", "-43774.58"),
            (GROUPED, "12,345,678", "12345678"),
            (GROUPED, "123,456e7", "123456e7"),
            (GROUPED, "0,123", "0123"),
            (GROUPED, "1.5", "1.5"),
            (GROUPED, "1234.5", "1234.5"),
            (GERMAN, "1.234,5", "1234.5"),
            (GERMAN, "-12.345.678,25", "-12345678.25"),
            (GERMAN, "1.234", "1234"),
            (SPACED, "+1 234,5", "+1234.5"),
        ] {
            assert_eq!(canonical(marks, text).as_deref(), Some(expected), "{text}");
            assert_eq!(twin(marks, text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_mark_out_of_place_makes_no_number() {
        for (marks, texts) in [
            (COMMA, &["1.5", "1,5,5", "1e5,5", "1,5.5", ".", "a.b"][..]),
            (
                GROUPED,
                &[
                    "9,0,0",
                    "1,23",
                    "1234,567",
                    "1,2345",
                    ",123",
                    "-,123",
                    "1,",
                    "1,234,",
                    "1,,234",
                    "1.234,567",
                    "1e5,000",
                    "x1,234",
                    "1,234x",
                    "inf,",
                    "1,-23",
                    "1,234-",
                    ",",
                    "1,2 3",
                    "--1,234",
                    "1.2.3",
                ],
            ),
            (GERMAN, &["1.5", "1.234.5", "1,234.5", "1,2,3"]),
            (SPACED, &["1 23", " 123", "1.5", "2020-01-01 123"]),
        ] {
            for text in texts {
                assert_eq!(canonical(marks, text), None, "{text}");
                assert_eq!(twin(marks, text), None, "{text}");
            }
        }
    }

    #[test]
    fn every_short_text_is_read_as_the_twin_reads_it() {
        let letters = *b"12.,e-x";
        for marks in [COMMA, GROUPED, GERMAN] {
            for length in 0..=6u32 {
                for mut n in 0..(letters.len() as u64).pow(length) {
                    let mut text = String::new();
                    for _ in 0..length {
                        text.push(char::from(letters[(n % letters.len() as u64) as usize]));
                        n /= letters.len() as u64;
                    }
                    assert_eq!(canonical(marks, &text), twin(marks, &text), "{marks:?} {text}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_twin_reads_the_same(
            text in "[-+]?[0-9]{0,4}([,. '][0-9]{0,4}){0,4}([eE][-+]?[0-9,.]{0,4})?[a-z]?",
            marks in prop::sample::select(vec![
                NumberMarks::default(), COMMA, GROUPED, GERMAN, SPACED,
                NumberMarks { decimal: b'.', thousands: Some(b'\'') },
            ]),
        ) {
            prop_assume!(!marks.is_plain());
            prop_assert_eq!(canonical(marks, &text), twin(marks, &text));
        }

        #[test]
        fn groups_written_are_the_number_again(value in any::<i64>()) {
            let digits = value.unsigned_abs().to_string();
            let grouped: Vec<&str> = digits.as_bytes().rchunks(3).rev()
                .map(|group| std::str::from_utf8(group).unwrap())
                .collect();
            let sign = if value < 0 { "-" } else { "" };
            let text = format!("{sign}{},5", grouped.join("."));
            prop_assert_eq!(canonical(GERMAN, &text), Some(format!("{value}.5")));
        }
    }
}
