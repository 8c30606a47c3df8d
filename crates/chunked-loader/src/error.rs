//! What can go wrong while reading, and where.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use monitor::BudgetExceeded;

use crate::columnar::Part;
use crate::position::Position;
use crate::source::{Encoding, Format};

/// An error with its kind, the file and place it is about, and its cause.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    file: Option<Arc<str>>,
    position: Option<Position>,
    part: Option<Part>,
    column: Option<String>,
    /// Some of the record it is about.
    excerpt: Option<String>,
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
    /// A column of a Parquet or Arrow IPC file is of a type that is not read, or packed so.
    ColumnType {
        /// The type.
        found: String,
        /// What the user can do about it.
        remedy: &'static str,
    },
    /// A column is of one type in one file and of another in a file before it, and none but text holds both.
    TypesDiffer {
        /// What it is here.
        found: String,
        /// What it is in the file before.
        expected: String,
        /// The file before.
        before: String,
    },
    /// Files of different formats in one input.
    FormatsDiffer {
        /// The format of the file.
        found: Format,
        /// The format of the first file.
        expected: Format,
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
        /// The field of the record that it is in, from 0.
        field: usize,
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
        let inner = Inner { kind, file: None, position: None, part: None, column: None, excerpt: None };
        Error(Box::new(inner))
    }

    /// About the record at `position`, which is `raw`, or begins with it.
    pub(crate) fn malformed(malformed: Malformed, position: Position, raw: &[u8]) -> Self {
        let excerpt = malformed.excerpt(position, raw);
        let mut error = Error::new(ErrorKind::Malformed(malformed)).at(position);
        error.0.excerpt = excerpt;
        error
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

    pub(crate) fn in_part(mut self, part: Part) -> Self {
        self.0.part.get_or_insert(part);
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

    /// The row group or record batch it is about, if it is about one.
    pub fn part(&self) -> Option<Part> {
        self.0.part
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
        if let Some(part) = self.0.part {
            write!(f, "{part}: ")?;
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
            ErrorKind::Malformed(malformed) => malformed.write(self.0.excerpt.as_deref(), f),
            ErrorKind::Unsupported { what, remedy } => {
                write!(f, "is {what}, which is not read yet; {remedy}")
            }
            ErrorKind::ColumnType { found, remedy } => {
                write!(f, "is of type {found}, which is not read; {remedy}")
            }
            ErrorKind::TypesDiffer { found, expected, before } => write!(
                f,
                "holds {found}, expected {expected} as in {before}; give the column one type in all files, or fix one \
                 that holds both, such as string"
            ),
            ErrorKind::FormatsDiffer { found, expected } => write!(
                f,
                "is {found}, expected {expected} as the first file; CSV files and files of columns are read apart"
            ),
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
                "found bytes at byte {byte} that {encoding} has no character for, expected {encoding} text; mend \
                 the file, or name its true encoding"
            ),
            ErrorKind::Spool { folder, error } if error.kind() == io::ErrorKind::StorageFull => {
                write!(f, "spool folder {} is full; free space in it, or choose another", folder.display())
            }
            ErrorKind::Spool { folder, error } => write!(
                f,
                "spool folder {} cannot be written to: {error}; choose a folder that can",
                folder.display()
            ),
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

impl Malformed {
    /// The part of the record to show: its start, or what is around a bad byte. `None`: the value says it all.
    fn excerpt(&self, position: Position, raw: &[u8]) -> Option<String> {
        const BEFORE: usize = 16;
        match self {
            Malformed::Value { .. } => None,
            Malformed::InvalidUtf8 { byte, .. } => {
                let bad = raw.len().min(byte.saturating_sub(position.byte) as usize);
                let mut from = bad.saturating_sub(BEFORE);
                while from < bad && raw[from] & 0xc0 == 0x80 {
                    from += 1;
                }
                Some(excerpt(&raw[from..]))
            }
            // However much more of it has been read.
            Malformed::TooLong { limit } => Some(excerpt(&raw[..raw.len().min(*limit)])),
            _ => Some(excerpt(raw)),
        }
    }

    /// The message, with some of the record.
    fn write(&self, excerpt: Option<&str>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = excerpt.map_or_else(String::new, |excerpt| format!(" in \"{excerpt}\""));
        match self {
            Malformed::FieldCount { expected, found } => write!(
                f,
                "found {found} field{}{shown}, expected {expected} as in the header; mend the record, or quote a field that holds the delimiter",
                if *found == 1 { "" } else { "s" }
            ),
            Malformed::TextAfterQuote => write!(
                f,
                "found text after a closing quote{shown}, expected a delimiter or the end of the line; double a quote that belongs to the text"
            ),
            Malformed::UnclosedQuote => {
                write!(
                    f,
                    "found the end of the file inside a quoted field{shown}, expected its closing quote; close it, or double a quote that belongs to the text"
                )
            }
            Malformed::TooLong { limit } => write!(
                f,
                "found no end of the record within {limit} bytes{shown}, expected one; a quote in it is probably never closed: close it, or allow longer records"
            ),
            Malformed::InvalidUtf8 { byte, .. } => write!(
                f,
                "found bytes that are not UTF-8 at byte {byte}{shown}, expected UTF-8; mend them, or name the file's true encoding"
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

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(None, f)
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

/// The start of a value for a message: at most 40 characters, control characters and bytes that are no UTF-8 escaped.
pub(crate) fn excerpt(value: &[u8]) -> String {
    const SHOWN: usize = 40;
    let (mut out, mut shown) = (String::new(), 0);
    for chunk in value[..value.len().min(4 * SHOWN + 4)].utf8_chunks() {
        for piece in chunk.valid().chars().map(|c| c.escape_debug().to_string()) {
            if shown == SHOWN {
                return out + "…";
            }
            out.push_str(&piece);
            shown += 1;
        }
        for bad in chunk.invalid() {
            if shown == SHOWN {
                return out + "…";
            }
            out.push_str(&format!("\\x{bad:02x}"));
            shown += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_what_where_expected_found_and_what_to_do() {
        let place = Position { byte: 12, line: 3, record: 2 };
        let orders = Arc::from("orders.csv");
        let told =
            |malformed, raw: &[u8]| Error::malformed(malformed, place, raw).in_file(&orders).to_string();
        for (malformed, raw, message) in [
            (
                Malformed::FieldCount { expected: 3, found: 2 },
                &b"7,0.5"[..],
                "found 2 fields in \"7,0.5\", expected 3 as in the header; mend the record, or quote a field that \
                 holds the delimiter",
            ),
            (
                Malformed::FieldCount { expected: 3, found: 1 },
                b"total",
                "found 1 field in \"total\", expected 3 as in the header; mend the record, or quote a field that \
                 holds the delimiter",
            ),
            (
                Malformed::TextAfterQuote,
                b"7,'x'y",
                "found text after a closing quote in \"7,\\'x\\'y\", expected a delimiter or the end of the line; \
                 double a quote that belongs to the text",
            ),
            (
                Malformed::UnclosedQuote,
                b"7,'x\n8,y\n",
                "found the end of the file inside a quoted field in \"7,\\'x\\n8,y\\n\", expected its closing quote; \
                 close it, or double a quote that belongs to the text",
            ),
            (
                Malformed::TooLong { limit: 4 },
                b"7,xyz",
                "found no end of the record within 4 bytes in \"7,xy\", expected one; a quote in it is probably never \
                 closed: close it, or allow longer records",
            ),
            (
                Malformed::InvalidUtf8 { byte: 12 + 22, field: 1 },
                b"7,before \xc3\xa9, much more\xe9",
                "found bytes that are not UTF-8 at byte 34 in \"re é, much more\\xe9\", expected UTF-8; mend them, or \
                 name the file's true encoding",
            ),
        ] {
            assert_eq!(told(malformed, raw), format!("orders.csv: line 3, record 2, byte 12: {message}"));
        }
        let value = Malformed::Value { expected: "int8".into(), excerpt: "300".into() };
        let error = Error::malformed(value, place, b"300,x").in_file(&Arc::from("a.csv")).in_column("n");
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
        assert_eq!(excerpt("😀".repeat(40).as_bytes()), "😀".repeat(40));
        assert_eq!(excerpt("😀".repeat(41).as_bytes()), "😀".repeat(40) + "…");
        assert_eq!(excerpt(b"caf\xe9\xe9!"), "caf\\xe9\\xe9!");
        assert_eq!(excerpt(&[0xff; 41]), "\\xff".repeat(40) + "…");
    }
}
