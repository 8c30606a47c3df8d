//! What a file of columns gives, whatever its format.

use std::fmt;
use std::sync::Arc;

use monitor::Budget;

use super::held::Held;
use super::ipc::IpcFile;
use super::parquet::{ParquetFile, Scratch};
use super::schema::SourceColumn;
use super::values::Values;
use crate::error::{Error, ErrorKind};
use crate::source::{Format, RawFile};

/// Rows that a file keeps together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) rows: u64,
    /// Where it begins.
    pub(crate) byte: u64,
}

/// A part of a file, as a message names it; numbers count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A row group of a Parquet file.
    RowGroup(usize),
    /// A record batch of an Arrow IPC file or stream.
    RecordBatch(usize),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::RowGroup(number) => write!(f, "row group {number}"),
            Part::RecordBatch(number) => write!(f, "record batch {number}"),
        }
    }
}

/// An open file.
pub(crate) trait Table: Send + Sync {
    fn columns(&self) -> &[SourceColumn];

    fn groups(&self) -> &[Group];

    /// What a group is called.
    fn part(&self, group: usize) -> Part;

    /// How its data are compressed, for reports.
    fn compression(&self) -> Option<&'static str>;

    /// A reader of one column of a group, which holds what it takes in `held`.
    ///
    /// # Errors
    /// If there is no room for it, or it is packed in a way that is not read.
    fn column(&self, group: usize, column: usize, held: Held) -> Result<Box<dyn ColumnReader>, Error>;

    /// Bytes of one column of a group in the file.
    fn column_bytes(&self, group: usize, column: usize) -> u64;
}

/// Reads a column from front to back.
pub(crate) trait ColumnReader: Send {
    /// The next rows, at least one and at most `most`. There must be one.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged, or there is no room for what is next.
    fn next(&mut self, scratch: &mut Scratch, most: usize) -> Result<Values, Error>;

    /// Passes over rows, which must be there.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    fn skip(&mut self, scratch: &mut Scratch, rows: u64) -> Result<(), Error>;

    /// The most that it has held.
    fn peak(&self) -> usize;
}

/// What a value of a step takes at the most: a text that points into its page, before and after nulls are put between
/// them, and its level.
const STEP_VALUE: usize = 80;

/// Bytes of a step of `rows` rows.
pub(crate) fn step_bytes(rows: usize) -> usize {
    rows * STEP_VALUE
}

/// Opens a file of columns.
///
/// # Errors
/// If it cannot be read, is damaged, has a column of a type that is not read, or is text.
pub(crate) fn open(raw: &RawFile, budget: &Budget) -> Result<Box<dyn Table>, Error> {
    let bytes = raw.fingerprint.bytes();
    match raw.format {
        Format::Parquet => Ok(Box::new(ParquetFile::open(Arc::clone(&raw.file), bytes, budget)?)),
        Format::ArrowFile | Format::ArrowStream => {
            let is_stream = raw.format == Format::ArrowStream;
            Ok(Box::new(IpcFile::open(Arc::clone(&raw.file), bytes, is_stream, budget)?))
        }
        Format::Csv => Err(Error::new(ErrorKind::Changed)),
    }
}
