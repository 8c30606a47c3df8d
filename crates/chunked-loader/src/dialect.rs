//! How a file writes its records: delimiter, quote, header, null tokens, marks in numbers.

use crate::error::{Error, ErrorKind};
use crate::sniff;

/// The tokens that `--null-values auto` reads as null in columns that are no text without them.
pub const AUTO_NULL_TOKENS: [&str; 8] = ["NA", "N/A", "n/a", "#N/A", "NULL", "null", "None", "\\N"];

/// Which unquoted fields are null beside the empty one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NullValues {
    /// [`AUTO_NULL_TOKENS`], but only in a column that is a number, a bool, a date or a timestamp without them.
    #[default]
    Auto,
    /// These tokens, in every column. An empty list leaves none but the empty field.
    Listed(Vec<String>),
}

/// What is known of the byte around quoted fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Quote {
    /// Nothing: it is found by looking.
    #[default]
    Unset,
    /// This byte.
    Byte(u8),
    /// No field is quoted.
    Off,
}

/// How a file writes its records.
///
/// What is left unset of delimiter, quote and skipped lines is found by looking at the first part of the file;
/// see [`settled`](Dialect::settled). Nothing else is ever assumed: no comment or escape character, no marks in
/// numbers, and the first record is the header.
///
/// ```
/// use chunked_loader::Dialect;
///
/// let dialect = Dialect::default().with_delimiter(b';').with_header(false);
/// assert!(dialect.validate().is_ok());
/// assert!(dialect.with_quote(Some(b';')).validate().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    pub(crate) delimiter: Option<u8>,
    pub(crate) quote: Quote,
    pub(crate) escape: Option<u8>,
    pub(crate) comment: Option<u8>,
    pub(crate) header: bool,
    /// `None`: found by looking.
    pub(crate) skip_lines: Option<u64>,
    pub(crate) decimal: u8,
    pub(crate) thousands: Option<u8>,
    pub(crate) null_values: NullValues,
}

impl Default for Dialect {
    fn default() -> Self {
        Dialect {
            delimiter: None,
            quote: Quote::Unset,
            escape: None,
            comment: None,
            header: true,
            skip_lines: None,
            decimal: b'.',
            thousands: None,
            null_values: NullValues::Auto,
        }
    }
}

impl Dialect {
    /// Fixes the byte between two fields.
    pub fn with_delimiter(mut self, delimiter: u8) -> Self {
        self.delimiter = Some(delimiter);
        self
    }

    /// Fixes the byte around a field that holds delimiters or line ends; `None`: no field is quoted.
    pub fn with_quote(mut self, quote: Option<u8>) -> Self {
        self.quote = quote.map_or(Quote::Off, Quote::Byte);
        self
    }

    /// Sets the byte that makes the next one plain inside quotes. Default none; a doubled quote always is one.
    pub fn with_escape(mut self, escape: Option<u8>) -> Self {
        self.escape = escape;
        self
    }

    /// Sets the byte that begins a comment line. Default none.
    pub fn with_comment(mut self, comment: Option<u8>) -> Self {
        self.comment = comment;
        self
    }

    /// Says whether the first record names the columns. Default yes; else they are `column_1`, `column_2`, ….
    pub fn with_header(mut self, header: bool) -> Self {
        self.header = header;
        self
    }

    /// Skips exactly this many physical lines, empty ones too, before the header.
    pub fn with_skip_lines(mut self, lines: u64) -> Self {
        self.skip_lines = Some(lines);
        self
    }

    /// Sets the mark between the whole-number part of a number and its fraction. Default `.`.
    pub fn with_decimal(mut self, decimal: u8) -> Self {
        self.decimal = decimal;
        self
    }

    /// Sets the mark between thousands, as in `12,345,678`; a field with the mark in another place is text.
    /// Default none. It may be the delimiter too, since a quoted field holds both.
    pub fn with_thousands(mut self, thousands: Option<u8>) -> Self {
        self.thousands = thousands;
        self
    }

    /// Sets which unquoted fields are null.
    pub fn with_null_values(mut self, null_values: NullValues) -> Self {
        self.null_values = null_values;
        self
    }

    /// The byte between two fields; `None` until a look at the file has settled it.
    pub fn delimiter(&self) -> Option<u8> {
        self.delimiter
    }

    /// The byte around a quoted field, `None` where none is quoted; `"` until a look at the file has settled it.
    pub fn quote(&self) -> Option<u8> {
        match self.quote {
            Quote::Unset => Some(b'"'),
            Quote::Byte(quote) => Some(quote),
            Quote::Off => None,
        }
    }

    /// The byte that makes the next one plain inside quotes.
    pub fn escape(&self) -> Option<u8> {
        self.escape
    }

    /// The byte that begins a comment line.
    pub fn comment(&self) -> Option<u8> {
        self.comment
    }

    /// Whether the first record names the columns.
    pub fn header(&self) -> bool {
        self.header
    }

    /// Physical lines skipped before the header; 0 until a look at the file has settled it.
    pub fn skip_lines(&self) -> u64 {
        self.skip_lines.unwrap_or(0)
    }

    /// The mark between the whole-number part of a number and its fraction.
    pub fn decimal(&self) -> u8 {
        self.decimal
    }

    /// The mark between thousands.
    pub fn thousands(&self) -> Option<u8> {
        self.thousands
    }

    /// Which unquoted fields are null.
    pub fn null_values(&self) -> &NullValues {
        &self.null_values
    }

    /// This dialect with all that is unset found by looking at `head`, the first part of a file behind any
    /// byte-order mark. `is_whole_file`: nothing follows, so that a last line without its end counts.
    ///
    /// 64 KiB are enough to look at; the work grows with `head` alone. If this dialect is
    /// [valid](Self::validate), the one that comes out is.
    ///
    /// ```
    /// use chunked_loader::Dialect;
    ///
    /// let dialect = Dialect::default().settled(b"Sales of 2024\n\nid;amount\n1;0,5\n2;1,5\n", true);
    /// assert_eq!((dialect.delimiter(), dialect.skip_lines()), (Some(b';'), 2));
    /// ```
    pub fn settled(&self, head: &[u8], is_whole_file: bool) -> Dialect {
        sniff::settle(head, is_whole_file, self)
    }

    /// Checks that no byte has two jobs, that none is a line end, and that a mark is no part of a number itself.
    ///
    /// # Errors
    /// [`ErrorKind::Option`] naming the two that clash.
    pub fn validate(&self) -> Result<(), Error> {
        let refused = |message: String| Err(Error::new(ErrorKind::Option(message)));
        let quote = match self.quote {
            Quote::Byte(quote) => Some(quote),
            Quote::Unset | Quote::Off => None,
        };
        let jobs = [
            ("delimiter", self.delimiter),
            ("quote", quote),
            ("escape", self.escape),
            ("comment", self.comment),
            ("decimal mark", Some(self.decimal)),
            ("thousands mark", self.thousands),
        ];
        for (i, (name, byte)) in jobs.iter().enumerate() {
            let Some(byte) = byte else { continue };
            if matches!(byte, b'\r' | b'\n') {
                return refused(format!("the {name} cannot be a line end; choose another character"));
            }
            if !byte.is_ascii() {
                return refused(format!("the {name} must be one ASCII character; choose another"));
            }
            if name.ends_with("mark") && (byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-')) {
                return refused(format!(
                    "the {name} cannot be a letter, a digit or a sign, found `{}`; choose another character",
                    char::from(*byte)
                ));
            }
            for (other, taken) in &jobs[..i] {
                // A doubled quote is an escape; a number with marks between thousands can stand in quotes.
                let may_share =
                    matches!((*other, *name), ("quote", "escape") | ("delimiter", "thousands mark"));
                if *taken == Some(*byte) && !may_share {
                    return refused(format!(
                        "the {name} `{}` is the {other} too; choose another character for one of them",
                        shown(*byte)
                    ));
                }
            }
        }
        Ok(())
    }
}

/// A byte as a message shows it.
fn shown(byte: u8) -> String {
    match byte {
        b' '..=b'~' => char::from(byte).to_string(),
        other => other.escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(dialect: Dialect) -> Option<String> {
        dialect.validate().err().map(|e| e.to_string())
    }

    #[test]
    fn clashing_bytes_are_refused_with_both_jobs() {
        let dialect = Dialect::default;
        for (clash, message) in [
            (dialect().with_delimiter(b'#').with_comment(Some(b'#')), "the comment `#` is the delimiter too"),
            (dialect().with_delimiter(b',').with_decimal(b','), "the decimal mark `,` is the delimiter too"),
            (
                dialect().with_quote(Some(b'\'')).with_thousands(Some(b'\'')),
                "the thousands mark `'` is the quote too",
            ),
            (dialect().with_thousands(Some(b'.')), "the thousands mark `.` is the decimal mark too"),
            (dialect().with_comment(Some(b'.')), "the decimal mark `.` is the comment too"),
            (dialect().with_escape(Some(b',')).with_decimal(b','), "the decimal mark `,` is the escape too"),
        ] {
            let message = format!("{message}; choose another character for one of them");
            assert_eq!(refusal(clash), Some(message));
        }
        assert!(dialect().with_delimiter(b'\n').validate().is_err());
        assert!(dialect().with_decimal(b'\r').validate().is_err());
        assert!(dialect().with_thousands(Some(0xa0)).validate().is_err());
        assert!(dialect().with_quote(Some(b'"')).with_delimiter(b'"').validate().is_err());
    }

    #[test]
    fn bytes_that_may_share_a_job() {
        let dialect = Dialect::default;
        for shared in [
            dialect().with_quote(None).with_delimiter(b'"'),
            dialect().with_quote(Some(b'"')).with_escape(Some(b'"')),
            dialect().with_delimiter(b',').with_thousands(Some(b',')),
            dialect().with_decimal(b',').with_thousands(Some(b'.')),
            dialect().with_decimal(b',').with_thousands(Some(b' ')),
        ] {
            assert_eq!(refusal(shared), None);
        }
    }

    #[test]
    fn a_mark_is_no_part_of_a_number() {
        for byte in *b"0eEx-+" {
            let dialect = Dialect::default();
            assert!(dialect.clone().with_decimal(byte).validate().is_err());
            assert!(dialect.with_thousands(Some(byte)).validate().is_err());
        }
        assert_eq!(
            refusal(Dialect::default().with_decimal(b'e')).as_deref(),
            Some(
                "the decimal mark cannot be a letter, a digit or a sign, found `e`; choose another character"
            )
        );
    }
}
