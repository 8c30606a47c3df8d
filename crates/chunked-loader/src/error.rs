//! What can go wrong while reading, and where.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use monitor::BudgetExceeded;

use crate::position::Position;
use crate::source::Encoding;

/// An error with its kind, the file and place it is about, and its cause.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    file: Option<Arc<str>>,
    position: Option<Position>,
    column: Option<String>,
}

/// What kind of error it is.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The system refused to open or read a file.
    Io(io::Error),
    /// The input is a directory.
    IsDirectory,
    /// The input has not a single record, not even a header.
    Empty,
    /// A record breaks the format or a fixed type.
    Malformed(Malformed),
    /// The input is packed or encoded in a way that this version does not read.
    Unsupported {
        /// What the input is.
        what: &'static str,
        /// What the user can do about it.
        remedy: &'static str,
    },
    /// Compressed data that break off or break their format.
    Damaged {
        /// The format's name.
        format: &'static str,
        /// Offset in the stored file up to which it was read.
        byte: u64,
        /// What the decoder says; `None` if the file ends too early.
        cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Bytes that the encoding has no character for.
    Undecodable {
        /// The encoding that was found or told.
        encoding: Encoding,
        /// Offset of the first such byte from the start of the text, inside any compression and with its mark.
        byte: u64,
    },
    /// The copy of what cannot be read twice could not be written.
    Spool {
        /// Where it was to be.
        folder: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// The header of a later file is not that of the first.
    HeaderDiffers {
        /// Names of the first file.
        expected: Vec<String>,
        /// Names of this file.
        found: Vec<String>,
    },
    /// A named column is not in the input.
    UnknownColumn {
        /// The columns there are.
        known: Vec<String>,
    },
    /// An option contradicts another or has no meaning.
    Option(String),
    /// The input changed between two passes over it.
    Changed,
    /// The memory budget refused a reservation.
    Budget(BudgetExceeded),
    /// The caller asked to stop.
    Cancelled,
    /// Arrow refused an array, which is a defect of this crate.
    Arrow(arrow::error::ArrowError),
}

/// How a record is malformed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// Fewer or more fields than the header has.
    FieldCount {
        /// Fields of the header.
        expected: usize,
        /// Fields of the record.
        found: usize,
    },
    /// Something stands between a closing quote and the next delimiter.
    TextAfterQuote,
    /// A quote is opened and never closed.
    UnclosedQuote,
    /// The record grows beyond the limit, as behind an unclosed quote.
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// Bytes that are not UTF-8.
    InvalidUtf8 {
        /// Offset of the first bad byte from the start of the file.
        byte: u64,
    },
    /// A value that the column's type cannot hold.
    Value {
        /// The type, by its name in the contract.
        expected: String,
        /// The start of the value.
        excerpt: String,
    },
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Error(Box::new(Inner { kind, file: None, position: None, column: None }))
    }

    pub(crate) fn malformed(malformed: Malformed, position: Position) -> Self {
        Error::new(ErrorKind::Malformed(malformed)).at(position)
    }

    /// An error of the system, or the one of ours that came through a reader.
    pub(crate) fn io(error: io::Error) -> Self {
        error.downcast::<Error>().unwrap_or_else(|error| Error::new(ErrorKind::Io(error)))
    }

    pub(crate) fn at(mut self, position: Position) -> Self {
        self.0.position.get_or_insert(position);
        self
    }

    /// Adds what lies before the part of a file that the error's lines and records were counted in.
    pub(crate) fn counted_from(mut self, before: Position) -> Self {
        if let Some(position) = &mut self.0.position {
            *position = position.counted_from(before);
        }
        self
    }

    pub(crate) fn in_file(mut self, file: &Arc<str>) -> Self {
        self.0.file.get_or_insert_with(|| Arc::clone(file));
        self
    }

    pub(crate) fn in_column(mut self, column: &str) -> Self {
        self.0.column.get_or_insert_with(|| column.to_owned());
        self
    }

    /// What kind of error it is.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The record it is about, if it is about one.
    pub fn position(&self) -> Option<Position> {
        self.0.position
    }

    /// The file it is about, as it was named.
    pub fn file(&self) -> Option<&str> {
        self.0.file.as_deref()
    }

    /// The column it is about, if it is about one.
    pub fn column(&self) -> Option<&str> {
        self.0.column.as_deref()
    }
}

/// For what is a reader; `Error::io` takes it out again.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

impl From<BudgetExceeded> for Error {
    fn from(refusal: BudgetExceeded) -> Self {
        Error::new(ErrorKind::Budget(refusal))
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        Error::new(ErrorKind::Arrow(error))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.0.file {
            write!(f, "{file}: ")?;
        }
        if let Some(position) = self.0.position {
            write!(f, "{position}: ")?;
        }
        if let Some(column) = &self.0.column {
            write!(f, "column \"{column}\": ")?;
        }
        match &self.0.kind {
            ErrorKind::Io(e) => match e.kind() {
                io::ErrorKind::NotFound => write!(f, "no such file; check the path"),
                io::ErrorKind::PermissionDenied => write!(f, "may not be read; check its permissions"),
                _ => write!(f, "cannot be read: {e}"),
            },
            ErrorKind::IsDirectory => {
                write!(
                    f,
                    "is a directory, expected a file; name the files in it, for example with a glob `*.csv`"
                )
            }
            ErrorKind::Empty => write!(f, "has no record, expected at least a header; is it the right file?"),
            ErrorKind::Malformed(malformed) => malformed.fmt(f),
            ErrorKind::Unsupported { what, remedy } => {
                write!(f, "is {what}, which is not read yet; {remedy}")
            }
            ErrorKind::Damaged { format, byte, cause: None } => write!(
                f,
                "ends at byte {byte} in the middle of its {format} data, expected their end; it was cut off, so fetch \
                 or make it again"
            ),
            ErrorKind::Damaged { format, byte, cause: Some(cause) } => write!(
                f,
                "its {format} data are damaged at or before byte {byte}: {cause}; fetch or make the file again"
            ),
            ErrorKind::Undecodable { encoding, byte } => write!(
                f,
                "found bytes at byte {byte} that {encoding} has no character for, expected {encoding} text; name the \
                 file's true encoding, or mend the file"
            ),
            ErrorKind::Spool { folder, error } if error.kind() == io::ErrorKind::StorageFull => {
                write!(f, "spool folder {} is full; free space in it, or choose another", folder.display())
            }
            ErrorKind::Spool { folder, error } => write!(
                f,
                "spool folder {} cannot be written to: {error}; choose a folder that can",
                folder.display()
            ),
            ErrorKind::HeaderDiffers { expected, found } => {
                let differs = expected.iter().zip(found).position(|(a, b)| a != b);
                match differs {
                    Some(i) => write!(
                        f,
                        "its column {} is \"{}\", expected \"{}\" as in the first file",
                        i + 1,
                        found[i],
                        expected[i]
                    )?,
                    None => write!(
                        f,
                        "has {} columns, expected {} as in the first file",
                        found.len(),
                        expected.len()
                    )?,
                }
                write!(f, "; read files of one shape together, others apart")
            }
            ErrorKind::UnknownColumn { known } => {
                write!(f, "is not in the input; its columns are {}", shortened(known))
            }
            ErrorKind::Option(message) => f.write_str(message),
            ErrorKind::Changed => {
                write!(
                    f,
                    "changed while it was read, so that its types no longer hold; run again when it is complete"
                )
            }
            ErrorKind::Budget(refusal) => refusal.fmt(f),
            ErrorKind::Cancelled => write!(f, "interrupted"),
            ErrorKind::Arrow(e) => write!(f, "an array could not be built: {e}"),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::FieldCount { expected, found } => write!(
                f,
                "found {found} fields, expected {expected} as in the header; mend the record, or quote a field that holds the delimiter"
            ),
            Malformed::TextAfterQuote => write!(
                f,
                "found text after a closing quote, expected a delimiter or the end of the line; double a quote that belongs to the text"
            ),
            Malformed::UnclosedQuote => {
                write!(
                    f,
                    "found the end of the file inside a quoted field, expected its closing quote; close it, or double a quote that belongs to the text"
                )
            }
            Malformed::TooLong { limit } => write!(
                f,
                "the record is longer than {limit} bytes, expected its end before; a quote that opens here is probably never closed"
            ),
            Malformed::InvalidUtf8 { byte } => write!(
                f,
                "found bytes that are not UTF-8 at byte {byte}, expected UTF-8; convert the file, for example with `iconv -f WINDOWS-1252 -t UTF-8`"
            ),
            Malformed::Value { expected, excerpt } => {
                write!(
                    f,
                    "found \"{excerpt}\", expected {expected}; mend the value or give the column another type"
                )
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.kind {
            ErrorKind::Io(e) | ErrorKind::Spool { error: e, .. } => Some(e),
            ErrorKind::Damaged { cause: Some(cause), .. } => Some(cause.as_ref()),
            ErrorKind::Budget(e) => Some(e),
            ErrorKind::Arrow(e) => Some(e),
            _ => None,
        }
    }
}

/// The first names of a list, so that a message about a wide table stays readable.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut text = names.iter().take(SHOWN).map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}

/// The start of a value for a message: at most 40 characters, control characters escaped.
pub(crate) fn excerpt(value: &[u8]) -> String {
    const SHOWN: usize = 40;
    let text = String::from_utf8_lossy(&value[..value.len().min(4 * SHOWN)]);
    let mut out: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.chars().count() > SHOWN || value.len() > 4 * SHOWN {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_what_where_expected_found_and_what_to_do() {
        let place = Position { byte: 12, line: 3, record: 2 };
        let error = Error::malformed(Malformed::FieldCount { expected: 3, found: 2 }, place)
            .in_file(&Arc::from("orders.csv"));
        assert_eq!(
            error.to_string(),
            "orders.csv: line 3, record 2, byte 12: found 2 fields, expected 3 as in the header; \
             mend the record, or quote a field that holds the delimiter"
        );
        let value = Malformed::Value { expected: "int8".into(), excerpt: "300".into() };
        let error = Error::malformed(value, place).in_file(&Arc::from("a.csv")).in_column("n");
        assert_eq!(
            error.to_string(),
            "a.csv: line 3, record 2, byte 12: column \"n\": found \"300\", expected int8; \
             mend the value or give the column another type"
        );
    }

    #[test]
    fn an_excerpt_is_short_and_printable() {
        assert_eq!(excerpt(b"a\nb"), "a\\nb");
        let long = excerpt("é".repeat(100).as_bytes());
        assert_eq!(long.chars().count(), 41);
        assert!(long.ends_with('…'));
    }
}
