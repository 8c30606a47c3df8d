//! How a file writes its records: delimiter, quote, header, null tokens.

use crate::error::{Error, ErrorKind};

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

/// How a file writes its records.
///
/// What is `None` under [`delimiter`](Dialect::with_delimiter) is found by looking at the first part of the file.
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
    pub(crate) quote: Option<u8>,
    pub(crate) escape: Option<u8>,
    pub(crate) comment: Option<u8>,
    pub(crate) header: bool,
    pub(crate) skip_lines: u64,
    pub(crate) null_values: NullValues,
}

impl Default for Dialect {
    fn default() -> Self {
        Dialect {
            delimiter: None,
            quote: Some(b'"'),
            escape: None,
            comment: None,
            header: true,
            skip_lines: 0,
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

    /// Sets the byte around a field that holds delimiters or line ends; `None`: no field is quoted. Default `"`.
    pub fn with_quote(mut self, quote: Option<u8>) -> Self {
        self.quote = quote;
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

    /// Skips this many physical lines, empty ones too, before the header.
    pub fn with_skip_lines(mut self, lines: u64) -> Self {
        self.skip_lines = lines;
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

    /// The byte around a quoted field.
    pub fn quote(&self) -> Option<u8> {
        self.quote
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

    /// Physical lines skipped before the header.
    pub fn skip_lines(&self) -> u64 {
        self.skip_lines
    }

    /// Which unquoted fields are null.
    pub fn null_values(&self) -> &NullValues {
        &self.null_values
    }

    /// Checks that no byte has two jobs and that none is a line end.
    ///
    /// # Errors
    /// [`ErrorKind::Option`] naming the two that clash.
    pub fn validate(&self) -> Result<(), Error> {
        let jobs = [
            ("delimiter", self.delimiter),
            ("quote", self.quote),
            ("escape", self.escape),
            ("comment", self.comment),
        ];
        for (i, (name, byte)) in jobs.iter().enumerate() {
            let Some(byte) = byte else { continue };
            if matches!(byte, b'\r' | b'\n') {
                return Err(Error::new(ErrorKind::Option(format!(
                    "the {name} cannot be a line end; choose another character"
                ))));
            }
            if !byte.is_ascii() {
                return Err(Error::new(ErrorKind::Option(format!(
                    "the {name} must be one ASCII character; choose another"
                ))));
            }
            for (other, taken) in &jobs[..i] {
                if *taken == Some(*byte) && !(*name == "escape" && *other == "quote") {
                    return Err(Error::new(ErrorKind::Option(format!(
                        "the {name} `{}` is the {other} too; choose another character for one of them",
                        byte.escape_ascii()
                    ))));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clashing_bytes_are_refused_with_both_jobs() {
        let error = Dialect::default().with_delimiter(b'#').with_comment(Some(b'#')).validate();
        assert_eq!(
            error.map_err(|e| e.to_string()),
            Err("the comment `#` is the delimiter too; choose another character for one of them".into())
        );
        assert!(Dialect::default().with_delimiter(b'\n').validate().is_err());
        assert!(Dialect::default().with_quote(None).with_delimiter(b'"').validate().is_ok());
    }
}
