//! Which texts stand in quotes: those that a reader would otherwise take for something else.
//!
//! A reader that is told nothing looks for the delimiter and the quote itself, and so do other tools. What could mislead it
//! is quoted as well.

use std::io::{self, Write};

const QUOTE: u8 = b'"';

/// What may be taken for the delimiter by who looks for it.
const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// Unquoted these are null, or may be, wherever the other values of a column are none of a text.
pub(super) const NULL_TOKENS: [&str; 8] = ["NA", "N/A", "n/a", "#N/A", "NULL", "null", "None", "\\N"];
const LONGEST_TOKEN: usize = 4;

/// How a first line begins that declares a delimiter, and, as the mark of a byte order, an encoding.
const DECLARATIONS: [&str; 2] = ["sep=", "\u{feff}"];

/// The rule for the values of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quoting {
    /// Bytes that a text outside of quotes does not have, indexed by value.
    is_special: [bool; 256],
}

impl Quoting {
    /// The rule for a table of so many columns.
    ///
    /// Where no line has a comma between fields, another delimiter in a text may be taken for one.
    pub(super) fn of(columns: usize) -> Self {
        let mut is_special = [false; 256];
        let delimiters = if columns == 1 { &DELIMITERS[..] } else { &DELIMITERS[..1] };
        for byte in [QUOTE, b'\r', b'\n'].iter().chain(delimiters) {
            is_special[usize::from(*byte)] = true;
        }
        Self { is_special }
    }

    /// Whether a text has to stand in quotes.
    pub(super) fn is_needed(&self, text: &str) -> bool {
        text.is_empty()
            // Where texts begin and end with it, it may be taken for the quote.
            || text.starts_with('\'')
            || text.bytes().any(|byte| self.is_special[usize::from(byte)])
            || (text.len() <= LONGEST_TOKEN && NULL_TOKENS.contains(&text))
    }
}

/// Which names of columns stand in quotes. If one could be taken for two, so does the first: then no line begins that way.
pub(super) fn quoted_names(names: &[&str]) -> Vec<bool> {
    let all = Quoting::of(1);
    let mut quoted: Vec<bool> = names.iter().map(|name| all.is_needed(name)).collect();
    let misleads = |name: &&str| name.bytes().any(|byte| DELIMITERS[1..].contains(&byte));
    if let (Some(first), Some(is_quoted)) = (names.first(), quoted.first_mut()) {
        *is_quoted |= DECLARATIONS.iter().any(|mark| first.starts_with(mark)) || names.iter().any(misleads);
    }
    quoted
}

/// Writes a text, in quotes with those inside doubled if it is to be.
pub(super) fn write(text: &str, is_quoted: bool, to: &mut impl Write) -> io::Result<()> {
    if !is_quoted {
        return to.write_all(text.as_bytes());
    }
    to.write_all(&[QUOTE])?;
    for piece in text.as_bytes().split_inclusive(|byte| *byte == QUOTE) {
        to.write_all(piece)?;
        if piece.ends_with(&[QUOTE]) {
            to.write_all(&[QUOTE])?;
        }
    }
    to.write_all(&[QUOTE])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, columns: usize) -> String {
        let mut line = Vec::new();
        write(text, Quoting::of(columns).is_needed(text), &mut line).unwrap();
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn quotes_stand_where_they_are_needed() {
        for plain in ["a", " a ", "007", "a;b|c\td", "it's", "nulls", "Na", "é", "#", "true", "-"] {
            assert_eq!(line(plain, 2), plain);
        }
        for (text, quoted) in [
            ("", "\"\""),
            ("a,b", "\"a,b\""),
            ("\"", "\"\"\"\""),
            ("a\"b\"", "\"a\"\"b\"\"\""),
            ("a\nb", "\"a\nb\""),
            ("a\r", "\"a\r\""),
            ("NA", "\"NA\""),
            ("\\N", "\"\\N\""),
            ("'a'", "\"'a'\""),
        ] {
            assert_eq!(line(text, 2), quoted);
        }
        assert_eq!(line("a;b", 1), "\"a;b\"");
    }

    #[test]
    fn a_header_misleads_nobody() {
        assert_eq!(quoted_names(&["a", "b c", "d"]), [false, false, false]);
        assert_eq!(quoted_names(&["a", "b;c", "d"]), [true, true, false]);
        assert_eq!(quoted_names(&["sep=;"]), [true]);
        assert_eq!(quoted_names(&["\u{feff}a", "b"]), [true, false]);
        assert_eq!(quoted_names(&["a", ""]), [false, true]);
    }

    #[test]
    fn the_tokens_are_those_of_the_loader() {
        assert_eq!(NULL_TOKENS, chunked_loader::AUTO_NULL_TOKENS);
        assert_eq!(NULL_TOKENS.iter().map(|token| token.len()).max(), Some(LONGEST_TOKEN));
    }
}
