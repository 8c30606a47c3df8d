//! What can go wrong while writing, and the way from an encoder's error to the kind that explains it.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use monitor::BudgetExceeded;
use parquet::errors::ParquetError;

use crate::compression::LEVELS;
use crate::format::Format;

/// The longest name of a folder.
pub(crate) const MOST_NAME_BYTES: usize = 255;

/// The error of every fallible call of this crate.
///
/// The text says what failed, where, and what to do about it; [`Error::kind`] is for programs.
#[derive(Debug)]
pub struct Error(Box<ErrorKind>);

/// What went wrong. A path of `-` is the stream that the caller handed over.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused something, other than for the reasons that have a kind below.
    Io {
        /// The target that was being written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file system, or the writer's quota on it, has no space left.
    DiskFull {
        /// The target that was being written.
        path: PathBuf,
        /// Bytes that the system took before it refused.
        written: u64,
        /// What the system said.
        source: io::Error,
    },
    /// The reader of a stream went away. A command that writes to a pipe ends quietly on it.
    BrokenPipe {
        /// The target that was being written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The target exists and overwriting was not asked for.
    Exists {
        /// The target.
        path: PathBuf,
    },
    /// The target cannot become a file, whatever is in it.
    Target {
        /// The target.
        path: PathBuf,
        /// Why.
        problem: TargetProblem,
    },
    /// The target's extension names no format.
    UnknownFormat {
        /// The target.
        path: PathBuf,
    },
    /// A compression that does not exist, or that the format does not have.
    Compression {
        /// The compression as it was given.
        given: String,
        /// What is wrong with it.
        problem: CompressionProblem,
    },
    /// An option whose value makes no sense.
    Option {
        /// The option.
        name: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
    /// A batch does not have the schema that the sink was built for.
    Schema {
        /// The target.
        path: PathBuf,
        /// Where the two part.
        mismatch: SchemaMismatch,
    },
    /// A column came with a second, different dictionary, and the format holds one a column.
    Dictionary {
        /// The target.
        path: PathBuf,
        /// The column's name.
        column: String,
    },
    /// The encoder refused the values.
    Encode {
        /// The target.
        path: PathBuf,
        /// What the encoder said: an [`ArrowError`] or a [`ParquetError`].
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A page of a Parquet column, which holds at least one value, would be longer than its header can say: 2 GiB.
    PageTooLong {
        /// The target.
        path: PathBuf,
        /// The column's name.
        column: String,
        /// Bytes of the values that the page would hold.
        bytes: usize,
    },
    /// The memory budget has no room for the least that writing needs.
    Budget {
        /// The target.
        path: PathBuf,
        /// What the budget said.
        source: BudgetExceeded,
    },
    /// Rows cannot be parted by a column.
    Partition {
        /// The column's name.
        column: String,
        /// Why.
        problem: PartitionProblem,
    },
    /// The sink was used after one of its calls had failed.
    Failed {
        /// The target.
        path: PathBuf,
    },
}

/// Why a path cannot become a file.
#[derive(Debug)]
#[non_exhaustive]
pub enum TargetProblem {
    /// It is a directory.
    Directory,
    /// It is a file, and a folder of partitions cannot take its place.
    NotDirectory,
    /// It is a folder, and holds something that is no partition, by its path in it. To replace the folder would remove that.
    Stranger(PathBuf),
    /// It is a device, pipe or socket, which a rename would replace instead of filling.
    Special,
    /// The directory it would be in does not exist.
    MissingParent,
    /// What it would be in is not a directory.
    ParentNotDirectory,
    /// No file can be created in its directory.
    Unwritable(io::Error),
    /// It is `-`, and no stream was handed over.
    NoStream,
}

/// Why rows cannot be parted by a column.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartitionProblem {
    /// There is no such column.
    Missing,
    /// There is no other column, and files do not hold the one that names their folder.
    Alone,
    /// Its values have no form in a name.
    Type(DataType),
    /// One of its values makes a name that is longer than those of file systems.
    TooLong {
        /// The beginning of the value.
        excerpt: String,
        /// Bytes of the name.
        bytes: usize,
    },
}

/// What is wrong with a compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompressionProblem {
    /// There is none of that name.
    Unknown,
    /// The zstd level is not a number, or out of range.
    Level,
    /// The format does not have it.
    NotIn(Format),
}

/// Where a batch's schema and the sink's part.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaMismatch {
    /// Another number of columns.
    Columns {
        /// The sink's.
        expected: usize,
        /// The batch's.
        found: usize,
    },
    /// Another name at a place.
    Name {
        /// The place, from 0.
        index: usize,
        /// The sink's name.
        expected: String,
        /// The batch's name.
        found: String,
    },
    /// Another type.
    Type {
        /// The column's name.
        column: String,
        /// The sink's type.
        expected: DataType,
        /// The batch's type.
        found: DataType,
    },
    /// Nulls in a column that the sink's schema says has none.
    Nulls {
        /// The column's name.
        column: String,
        /// How many the batch has.
        nulls: usize,
    },
}

impl Error {
    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }

    /// The kind, taken out of the error.
    pub fn into_kind(self) -> ErrorKind {
        *self.0
    }

    /// Sorts an error of the operating system; `written` is what the target had taken by then.
    pub(crate) fn io(path: &Path, written: u64, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                ErrorKind::DiskFull { path, written, source }
            }
            io::ErrorKind::BrokenPipe => ErrorKind::BrokenPipe { path, source },
            _ => ErrorKind::Io { path, source },
        }
        .into()
    }

    /// Sorts an encoder's error: a failed write below it is told as that, anything else as `Encode`.
    pub(crate) fn encode(
        path: &Path,
        written: u64,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        match unwrap_io(source.into()) {
            Ok(source) => Self::io(path, written, source),
            Err(source) => ErrorKind::Encode { path: path.to_owned(), source }.into(),
        }
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self(Box::new(kind))
    }
}

/// Takes the `io::Error` out of whatever the encoders wrapped around it, or gives the error back.
fn unwrap_io(error: Box<dyn StdError + Send + Sync>) -> Result<io::Error, Box<dyn StdError + Send + Sync>> {
    let error = match error.downcast::<ParquetError>() {
        Ok(parquet) => match *parquet {
            ParquetError::External(inner) => return unwrap_io(inner),
            other => return Err(Box::new(other)),
        },
        Err(error) => error,
    };
    let error = match error.downcast::<ArrowError>() {
        Ok(arrow) => match *arrow {
            ArrowError::IoError(_, io) => return unwrap_io(Box::new(io)),
            ArrowError::ExternalError(inner) => return unwrap_io(inner),
            other => return Err(Box::new(other)),
        },
        Err(error) => error,
    };
    // An encoder's error may itself have been carried through a writer as `io::Error::other`.
    let io = *error.downcast::<io::Error>()?;
    let carries_encoder =
        io.get_ref().is_some_and(|inner| inner.is::<ParquetError>() || inner.is::<ArrowError>());
    match io.kind() {
        io::ErrorKind::Other if carries_encoder => match io.into_inner() {
            Some(inner) => unwrap_io(inner),
            None => Ok(io::ErrorKind::Other.into()),
        },
        _ => Ok(io),
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self.kind() {
            ErrorKind::Io { source, .. }
            | ErrorKind::DiskFull { source, .. }
            | ErrorKind::BrokenPipe { source, .. }
            | ErrorKind::Target { problem: TargetProblem::Unwritable(source), .. } => Some(source),
            ErrorKind::Encode { source, .. } => Some(source.as_ref()),
            ErrorKind::Budget { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// A target as messages name it.
struct Named<'a>(&'a Path);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if Format::is_stream_path(self.0) {
            f.write_str("the output stream")
        } else {
            write!(f, "\"{}\"", self.0.display())
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            ErrorKind::Io { path, source } => write!(f, "cannot write {}: {source}", Named(path)),
            ErrorKind::DiskFull { path, written, source } => write!(
                f,
                "no space left for {} after {written} bytes ({source}); free space there, or write \
                 to another file system, and run again",
                Named(path)
            ),
            ErrorKind::BrokenPipe { path, .. } => {
                write!(f, "the reader of {} closed it before the end", Named(path))
            }
            ErrorKind::Exists { path } => {
                write!(f, "{} already exists; choose another name or ask to overwrite it", Named(path))
            }
            ErrorKind::Target { path, problem } => problem.describe(path, f),
            ErrorKind::UnknownFormat { path } => write!(
                f,
                "cannot tell the format of {} from its extension; valid are {}, or - for an Arrow IPC \
                 stream",
                Named(path),
                Format::extensions()
            ),
            ErrorKind::Compression { given, problem } => problem.describe(given, f),
            ErrorKind::Option { name, expected } => write!(f, "{name} must be {expected}"),
            ErrorKind::Schema { path, mismatch } => {
                write!(f, "a batch for {} does not have its schema: {mismatch}", Named(path))
            }
            ErrorKind::Dictionary { path, column } => write!(
                f,
                "column \"{column}\" came with a second, different dictionary, but an Arrow IPC file ({}) \
                 holds one dictionary a column; unify the dictionaries first, or write .arrows or .parquet",
                Named(path)
            ),
            ErrorKind::Encode { path, source } => {
                write!(f, "cannot encode a batch for {}: {source}", Named(path))
            }
            ErrorKind::PageTooLong { path, column, bytes } => write!(
                f,
                "column \"{column}\" has values that come to {bytes} bytes at once, and a page of Parquet ({}) holds \
                 less than 2 GiB; leave the column out, or write .arrow",
                Named(path)
            ),
            ErrorKind::Budget { path, source } => {
                write!(f, "cannot write {}: {source}", Named(path))
            }
            ErrorKind::Partition { column, problem } => {
                write!(f, "cannot partition by column \"{column}\": {problem}")
            }
            ErrorKind::Failed { path } => write!(
                f,
                "writing {} failed earlier, and nothing was kept; start again with a new sink",
                Named(path)
            ),
        }
    }
}

impl TargetProblem {
    fn describe(&self, path: &Path, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = Named(path);
        match self {
            Self::Directory => write!(f, "{target} is a directory; name a file in it"),
            Self::NotDirectory => {
                write!(f, "{target} is no folder, and partitions go into one; choose another name")
            }
            Self::Stranger(what) => write!(
                f,
                "{target} holds {what:?}, which is no partition and would be removed; move it, or choose another name"
            ),
            Self::Special => write!(
                f,
                "{target} is not a regular file; write to - and redirect that, or name a regular file"
            ),
            Self::MissingParent => {
                write!(f, "the directory of {target} does not exist; create it first")
            }
            Self::ParentNotDirectory => {
                write!(f, "what {target} would be in is not a directory; choose another place")
            }
            Self::Unwritable(source) => {
                write!(f, "cannot create a file beside {target}: {source}; choose another directory")
            }
            Self::NoStream => f.write_str("the output is -, but no stream was given to write to"),
        }
    }
}

impl fmt::Display for PartitionProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the output has none of that name; choose one that it has"),
            Self::Alone => f.write_str("it is the only one, and files do not hold it; keep another column"),
            Self::Type(data_type) => {
                write!(f, "values of type {data_type} have no form in a name; cast it first")
            }
            Self::TooLong { excerpt, bytes } => write!(
                f,
                "its value \"{excerpt}…\" makes a name of {bytes} bytes, and file systems have at most \
                 {MOST_NAME_BYTES}; choose a column of short values"
            ),
        }
    }
}

impl CompressionProblem {
    fn describe(self, given: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = (LEVELS.start(), LEVELS.end());
        match self {
            Self::Unknown => write!(
                f,
                "unknown compression \"{given}\"; valid are snappy, zstd, zstd:LEVEL (LEVEL from {least} to \
                 {most}), lz4, none"
            ),
            Self::Level => write!(
                f,
                "compression \"{given}\": the zstd level must be a whole number from {least} to {most}"
            ),
            Self::NotIn(format @ Format::Csv) => {
                write!(f, "{format} has no compression \"{given}\"; leave it out, or write .parquet")
            }
            Self::NotIn(format) => {
                write!(f, "{format} has no compression \"{given}\"; use zstd, lz4 or none, or write .parquet")
            }
        }
    }
}

impl fmt::Display for SchemaMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Columns { expected, found } => {
                write!(f, "expected {expected} columns, found {found}")
            }
            Self::Name { index, expected, found } => {
                write!(f, "column {index} (from 0) should be \"{expected}\", found \"{found}\"")
            }
            Self::Type { column, expected, found } => {
                write!(f, "column \"{column}\" should be {expected}, found {found}; cast it first")
            }
            Self::Nulls { column, nulls } => {
                write!(f, "column \"{column}\" is declared without nulls, found {nulls}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: io::ErrorKind = io::ErrorKind::StorageFull;

    #[test]
    fn io_errors_are_found_below_every_wrapping() {
        let wrapped: Vec<Box<dyn StdError + Send + Sync>> = vec![
            Box::new(io::Error::from(FULL)),
            Box::new(ArrowError::from(io::Error::from(FULL))),
            Box::new(ParquetError::from(io::Error::from(FULL))),
            Box::new(ParquetError::from(ArrowError::from(io::Error::from(FULL)))),
            Box::new(ArrowError::ExternalError(Box::new(ParquetError::from(io::Error::from(FULL))))),
            Box::new(io::Error::other(ParquetError::from(io::Error::from(FULL)))),
        ];
        for error in wrapped {
            let shown = format!("{error:?}");
            let error = Error::encode(Path::new("a"), 7, error);
            assert!(matches!(error.kind(), ErrorKind::DiskFull { written: 7, .. }), "{shown}");
        }
    }

    #[test]
    fn other_encoder_errors_keep_their_source() {
        let error = Error::encode(Path::new("a.arrow"), 0, ArrowError::ComputeError("no".into()));
        assert_eq!(error.to_string(), "cannot encode a batch for \"a.arrow\": Compute error: no");
        let source = error.source().and_then(|source| source.downcast_ref::<ArrowError>());
        assert!(matches!(source, Some(ArrowError::ComputeError(_))), "{source:?}");
    }

    #[test]
    fn messages_are_pinned() {
        let path = || PathBuf::from("/data/out.arrow");
        let io = |kind: io::ErrorKind| io::Error::from(kind);
        let cases: Vec<(ErrorKind, &str)> = vec![
            (
                ErrorKind::Io { path: path(), source: io(io::ErrorKind::PermissionDenied) },
                "cannot write \"/data/out.arrow\": permission denied",
            ),
            (
                ErrorKind::DiskFull { path: path(), written: 12, source: io(FULL) },
                "no space left for \"/data/out.arrow\" after 12 bytes (no storage space); free space there, \
                 or write to another file system, and run again",
            ),
            (
                ErrorKind::BrokenPipe { path: "-".into(), source: io(io::ErrorKind::BrokenPipe) },
                "the reader of the output stream closed it before the end",
            ),
            (
                ErrorKind::Exists { path: path() },
                "\"/data/out.arrow\" already exists; choose another name or ask to overwrite it",
            ),
            (
                ErrorKind::Target { path: path(), problem: TargetProblem::Directory },
                "\"/data/out.arrow\" is a directory; name a file in it",
            ),
            (
                ErrorKind::Target { path: path(), problem: TargetProblem::NotDirectory },
                "\"/data/out.arrow\" is no folder, and partitions go into one; choose another name",
            ),
            (
                ErrorKind::Target { path: path(), problem: TargetProblem::Stranger("a.txt".into()) },
                "\"/data/out.arrow\" holds \"a.txt\", which is no partition and would be removed; move it, or \
                 choose another name",
            ),
            (
                ErrorKind::Target { path: path(), problem: TargetProblem::Special },
                "\"/data/out.arrow\" is not a regular file; write to - and redirect that, or name a regular \
                 file",
            ),
            (
                ErrorKind::Target { path: path(), problem: TargetProblem::MissingParent },
                "the directory of \"/data/out.arrow\" does not exist; create it first",
            ),
            (
                ErrorKind::Target { path: path(), problem: TargetProblem::ParentNotDirectory },
                "what \"/data/out.arrow\" would be in is not a directory; choose another place",
            ),
            (
                ErrorKind::Target {
                    path: path(),
                    problem: TargetProblem::Unwritable(io(io::ErrorKind::PermissionDenied)),
                },
                "cannot create a file beside \"/data/out.arrow\": permission denied; choose another directory",
            ),
            (
                ErrorKind::Target { path: "-".into(), problem: TargetProblem::NoStream },
                "the output is -, but no stream was given to write to",
            ),
            (
                ErrorKind::UnknownFormat { path: "out.xlsx".into() },
                "cannot tell the format of \"out.xlsx\" from its extension; valid are .parquet, .arrow, \
                 .arrows, .csv, or - for an Arrow IPC stream",
            ),
            (
                ErrorKind::PageTooLong { path: "a.parquet".into(), column: "n".into(), bytes: 1 << 31 },
                "column \"n\" has values that come to 2147483648 bytes at once, and a page of Parquet \
                 (\"a.parquet\") holds less than 2 GiB; leave the column out, or write .arrow",
            ),
            (
                ErrorKind::Compression { given: "gzip".into(), problem: CompressionProblem::Unknown },
                "unknown compression \"gzip\"; valid are snappy, zstd, zstd:LEVEL (LEVEL from 1 to 22), lz4, \
                 none",
            ),
            (
                ErrorKind::Compression { given: "zstd:23".into(), problem: CompressionProblem::Level },
                "compression \"zstd:23\": the zstd level must be a whole number from 1 to 22",
            ),
            (
                ErrorKind::Compression {
                    given: "snappy".into(),
                    problem: CompressionProblem::NotIn(Format::IpcFile),
                },
                "Arrow IPC file has no compression \"snappy\"; use zstd, lz4 or none, or write .parquet",
            ),
            (
                ErrorKind::Compression {
                    given: "lz4".into(),
                    problem: CompressionProblem::NotIn(Format::Csv),
                },
                "CSV has no compression \"lz4\"; leave it out, or write .parquet",
            ),
            (
                ErrorKind::Option { name: "row group rows", expected: "at least 1" },
                "row group rows must be at least 1",
            ),
            (
                ErrorKind::Schema {
                    path: path(),
                    mismatch: SchemaMismatch::Columns { expected: 2, found: 3 },
                },
                "a batch for \"/data/out.arrow\" does not have its schema: expected 2 columns, found 3",
            ),
            (
                ErrorKind::Schema {
                    path: path(),
                    mismatch: SchemaMismatch::Name { index: 1, expected: "a".into(), found: "b".into() },
                },
                "a batch for \"/data/out.arrow\" does not have its schema: column 1 (from 0) should be \"a\", \
                 found \"b\"",
            ),
            (
                ErrorKind::Schema {
                    path: path(),
                    mismatch: SchemaMismatch::Type {
                        column: "a".into(),
                        expected: DataType::Int8,
                        found: DataType::Int16,
                    },
                },
                "a batch for \"/data/out.arrow\" does not have its schema: column \"a\" should be Int8, found \
                 Int16; cast it first",
            ),
            (
                ErrorKind::Schema {
                    path: path(),
                    mismatch: SchemaMismatch::Nulls { column: "a".into(), nulls: 4 },
                },
                "a batch for \"/data/out.arrow\" does not have its schema: column \"a\" is declared without \
                 nulls, found 4",
            ),
            (
                ErrorKind::Dictionary { path: path(), column: "city".into() },
                "column \"city\" came with a second, different dictionary, but an Arrow IPC file \
                 (\"/data/out.arrow\") holds one dictionary a column; unify the dictionaries first, or write \
                 .arrows or .parquet",
            ),
            (
                ErrorKind::Partition { column: "k".into(), problem: PartitionProblem::Missing },
                "cannot partition by column \"k\": the output has none of that name; choose one that it has",
            ),
            (
                ErrorKind::Partition { column: "k".into(), problem: PartitionProblem::Alone },
                "cannot partition by column \"k\": it is the only one, and files do not hold it; keep another column",
            ),
            (
                ErrorKind::Partition {
                    column: "k".into(),
                    problem: PartitionProblem::TooLong { excerpt: "ab".into(), bytes: 300 },
                },
                "cannot partition by column \"k\": its value \"ab…\" makes a name of 300 bytes, and file systems have \
                 at most 255; choose a column of short values",
            ),
            (
                ErrorKind::Failed { path: path() },
                "writing \"/data/out.arrow\" failed earlier, and nothing was kept; start again with a new sink",
            ),
        ];
        for (kind, expected) in cases {
            assert_eq!(Error::from(kind).to_string(), expected);
        }
    }
}
