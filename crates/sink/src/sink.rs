//! The trait of everything that batches can be written to.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use crate::error::Error;

/// What batches are written to, in order, until [`finish`](Sink::finish) makes the result exist.
///
/// A file appears under its name in `finish` and not before: whole, and on stable storage. So do several files, which
/// appear together. Dropped without
/// `finish`, or after an error, a sink leaves neither the file nor a temporary one, and a file that was to be
/// overwritten is as it was.
///
/// Every batch has the schema that the sink was built for: same names, same types in the same order; field
/// and schema metadata are not compared. The values read back, nulls included, are those written, in the
/// order written, however they were cut into batches.
///
/// # What is not promised
///
/// - How rows are grouped in the file. Row groups follow the limits given, and neither batches nor threads,
///   but the limits depend on the memory there is. The same rows may give different bytes under different
///   budgets.
/// - That rows are encoded when `write` returns: threads may still be at it, and their failure is told by a
///   later call.
/// - That memory is bounded by the reservations alone. Reserved is what grows: the row group in progress,
///   rows that wait for an encoder, and, by an estimate, the index that Parquet keeps of finished row groups
///   until the end; or the batch that is being compressed for Arrow IPC. Not counted are the batches until
///   `write` returns (their owner counts them), fixed
///   buffers of some hundred KiB and some ten KiB a Parquet column, and 24 bytes a batch for the index of
///   an IPC file.
/// - Anything about a stream after an error or a drop: what went out cannot be taken back. A reader knows
///   by the missing end marker.
/// - That a killed process leaves nothing. What it leaves is beside the target and named
///   `.NAME.tidegate-` and six characters; it is never read, and the next sink for the same target removes it,
///   where the file system can lock files.
/// - That a process killed in the short moment in which several numbered files get their names leaves all or none. They
///   get them from the last to the first: a set with its file 0 is whole, and one without is to be made again. The next sink
///   finds the target in use, or, told to overwrite, replaces what there is. A folder of partitions gets its name in
///   one step; where the system cannot exchange two folders in one, which Linux can, an overwritten one has no name for a
///   moment, and a process killed in that leaves it and the new one as temporary folders.
/// - That an error of `finish` means the file is not there, in one case: when the directory's own sync
///   fails, the whole file is in place but may not survive a power cut.
pub trait Sink: Send {
    /// Writes the rows of `batch` after those of earlier calls. A batch without rows is legal and changes
    /// nothing.
    ///
    /// # Errors
    ///
    /// Any kind but `Exists`. The sink has then given up: what it wrote is removed, and every later call
    /// fails with [`ErrorKind::Failed`](crate::ErrorKind::Failed).
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error>;

    /// Writes the rest, and makes the file durable and visible. A sink that got no rows leaves a file
    /// with the schema and no rows.
    ///
    /// # Errors
    ///
    /// As for `write`, and [`ErrorKind::Exists`](crate::ErrorKind::Exists) when the target has come to
    /// exist since the sink was built and is not to be overwritten.
    fn finish(self: Box<Self>) -> Result<Written, Error> {
        self.settle()?.publish()
    }

    /// Writes the rest and makes it durable, and leaves it to [`Settled::publish`] to make it visible. So several sinks
    /// can be ended before any of their files appears.
    ///
    /// # Errors
    ///
    /// As for `write`.
    fn settle(self: Box<Self>) -> Result<Settled, Error>;

    /// As [`settle`](Self::settle), for columns that have come to the types of `schema`, of which only how their values are
    /// stored was known when the sink was built: a column of `Int32` to a narrower integer, signed or not, or a dictionary of
    /// text to one with other keys.
    ///
    /// # Errors
    ///
    /// As `settle`; another number of columns or other names; and any change of types but in one Parquet file, which has
    /// them at its end, or one of CSV, which has none.
    fn settle_as(self: Box<Self>, schema: &SchemaRef) -> Result<Settled, Error>;

    /// As [`settle_as`](Self::settle_as), and makes the file visible.
    ///
    /// # Errors
    ///
    /// As `settle_as` and `finish`.
    fn finish_as(self: Box<Self>, schema: &SchemaRef) -> Result<Written, Error> {
        self.settle_as(schema)?.publish()
    }
}

/// What makes files visible, and gives their number and bytes.
pub(crate) type Unnamed = Box<dyn FnOnce() -> Result<(u64, u64), Error> + Send>;

/// A sink that has written everything, and whose files have no names yet. Dropped, it leaves none.
pub struct Settled {
    pub(crate) rows: u64,
    pub(crate) publish: Unnamed,
}

impl Settled {
    /// Makes the files visible.
    ///
    /// # Errors
    ///
    /// As for [`Sink::finish`], in what has to do with names.
    pub fn publish(self) -> Result<Written, Error> {
        let (files, bytes) = (self.publish)()?;
        Ok(Written { rows: self.rows, bytes, files })
    }
}

/// What a finished sink has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// Rows of all batches.
    pub rows: u64,
    /// Length of the file, or of all files together, or bytes that went into the stream.
    pub bytes: u64,
    /// How many files; a stream is one.
    pub files: u64,
}
