//! What can go wrong while writing, and the way from an encoder's error to the kind that explains it.

mod message;
mod problem;

use std::error::Error as StdError;
use std::io;
use std::path::{Path, PathBuf};

use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use monitor::BudgetExceeded;
use parquet::errors::ParquetError;

pub use problem::{CompressionProblem, PartitionProblem, SchemaMismatch, TargetProblem};

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
        /// About the bytes that the file comes to, if that is known.
        needed: Option<u64>,
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
    /// The dictionaries of a column have more values together than its keys can tell apart, and the format holds one a column.
    Dictionary {
        /// The target.
        path: PathBuf,
        /// The column's name.
        column: String,
        /// The type of its keys.
        keys: DataType,
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
                ErrorKind::DiskFull { path, written, needed: None, source }
            }
            io::ErrorKind::BrokenPipe => ErrorKind::BrokenPipe { path, source },
            _ => ErrorKind::Io { path, source },
        }
        .into()
    }

    /// Adds what the file comes to, where that is of interest.
    pub(crate) fn with_needed(mut self, bytes: Option<u64>) -> Self {
        if let ErrorKind::DiskFull { needed, .. } = &mut *self.0 {
            *needed = bytes;
        }
        self
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
}
