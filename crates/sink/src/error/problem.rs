//! What may be wrong with a target, a partition, a compression or a batch's schema.

use std::io;
use std::path::PathBuf;

use arrow::datatypes::DataType;

use crate::format::Format;

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
