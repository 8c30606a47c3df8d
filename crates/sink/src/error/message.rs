//! What errors say: what failed, where, and what to do about it.

use std::fmt;
use std::path::Path;

use super::{
    CompressionProblem, Error, ErrorKind, MOST_NAME_BYTES, PartitionProblem, SchemaMismatch, TargetProblem,
};
use crate::compression::LEVELS;
use crate::format::Format;

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
            ErrorKind::DiskFull { path, written, needed, source } => {
                write!(f, "no space left for {} after {written} bytes", Named(path))?;
                if let Some(needed) = needed {
                    write!(f, " of about {needed}")?;
                }
                write!(f, " ({source}); free space there, or write to another file system, and run again")
            }
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
            ErrorKind::Dictionary { path, column, keys } => write!(
                f,
                "the dictionaries of column \"{column}\" have more values together than its keys of {} can tell \
                 apart, and Arrow IPC ({}) holds one dictionary a column; give it wider keys, or write .parquet",
                keys.to_string().to_lowercase(),
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
    use std::io;
    use std::path::PathBuf;

    use arrow::datatypes::DataType;

    use super::*;

    const FULL: io::ErrorKind = io::ErrorKind::StorageFull;

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
                ErrorKind::DiskFull { path: path(), written: 12, needed: Some(300), source: io(FULL) },
                "no space left for \"/data/out.arrow\" after 12 bytes of about 300 (no storage space); free space there, \
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
                ErrorKind::Dictionary { path: path(), column: "city".into(), keys: DataType::Int8 },
                "the dictionaries of column \"city\" have more values together than its keys of int8 can tell \
                 apart, and Arrow IPC (\"/data/out.arrow\") holds one dictionary a column; give it wider keys, \
                 or write .parquet",
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
