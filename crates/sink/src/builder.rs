//! From a path and options to a sink.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use monitor::{Bytes, Monitor};
use parquet::arrow::ARROW_SCHEMA_META_KEY;

use crate::atomic::check_target;
use crate::compression::Compression;
use crate::encoder::{Files, FilesSink, OneFile};
use crate::error::{Error, ErrorKind, TargetProblem};
use crate::format::Format;
use crate::helpers::Helpers;
use crate::opener::Opener;
use crate::output::Output;
use crate::partition::PartitionedFiles;
use crate::row_groups::RowGroupLimits;
use crate::sink::Sink;
use crate::split::{SplitFiles, SplitLimits};
use crate::staging::{Layout, Staging};

/// Files of partitions that are open side by side.
const OPEN_FILES: usize = 256;

/// Says where and how to write; [`SinkBuilder::build`] opens the sink.
///
/// The target's extension picks the [`Format`]; `-` is an Arrow IPC stream into the writer given by
/// [`SinkBuilder::with_stream`].
pub struct SinkBuilder {
    path: PathBuf,
    stream: Option<Box<dyn Write + Send>>,
    compression: Option<Compression>,
    overwrite: bool,
    monitor: Monitor,
    row_group_bytes: Option<Bytes>,
    row_group_rows: usize,
    threads: usize,
    helpers: Option<Helpers>,
    expected_rows: u64,
    split: SplitLimits,
    partition_by: Option<String>,
    open_files: usize,
    filtered: Vec<String>,
    metadata: Vec<(String, String)>,
}

impl SinkBuilder {
    /// A sink for `path`, with every option at its default.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            stream: None,
            compression: None,
            overwrite: false,
            monitor: Monitor::unbounded(),
            row_group_bytes: None,
            row_group_rows: RowGroupLimits::DEFAULT_ROWS,
            threads: 1,
            helpers: None,
            expected_rows: 0,
            split: SplitLimits::default(),
            partition_by: None,
            open_files: OPEN_FILES,
            filtered: Vec::new(),
            metadata: Vec::new(),
        }
    }

    /// What the path `-` stands for; not used with any other path. It needs no buffer of its own.
    pub fn with_stream(self, stream: Box<dyn Write + Send>) -> Self {
        Self { stream: Some(stream), ..self }
    }

    /// How to compress; the default is snappy for Parquet and none for Arrow IPC; CSV has no other.
    pub fn with_compression(self, compression: Compression) -> Self {
        Self { compression: Some(compression), ..self }
    }

    /// Whether a file that exists may be replaced, which is when the sink is finished; off by default.
    /// A symbolic link stays and what it links to is replaced. The new file has the mode of a new file.
    pub fn with_overwrite(self, overwrite: bool) -> Self {
        Self { overwrite, ..self }
    }

    /// Whose budget the sink reserves from; without it, memory is not bounded.
    pub fn with_monitor(self, monitor: Monitor) -> Self {
        Self { monitor, ..self }
    }

    /// How many threads encode columns; Parquet only. With one, which is the default, the thread that writes does it
    /// itself. The file's bytes are the same for any number.
    pub fn with_threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// Threads that come by to encode what otherwise the sink's own would; with several [threads](Self::with_threads)
    /// only. The sink reserves for as many of them as it has threads, and does without where the budget has no room for that.
    pub fn with_helpers(self, helpers: Helpers) -> Self {
        Self { helpers: Some(helpers), ..self }
    }

    /// The most bytes that a row group takes in memory: its finished pages as they are in the file, those in progress
    /// before they are compressed. Messages of Arrow IPC, of 1 MiB as a rule, take no more either. Only a block of rows more,
    /// or a single row that is larger, goes beyond.
    /// The default is a sixth of what the budget has above 16 MiB or, below 64 MiB, a quarter of what it has above 32 MiB, but
    /// from 1 MiB to 64 MiB, and 64 MiB without a budget;
    /// it is lowered until one and three quarters of it are no more than half of what the budget has left when the sink is
    /// built. With the same limit, the file has the same bytes for any batches and threads; only where a single row is longer
    /// than a row group, and the budget has no room for that, may a row group end earlier.
    pub fn with_row_group_bytes(self, bytes: Bytes) -> Self {
        Self { row_group_bytes: Some(bytes), ..self }
    }

    /// The most rows of a row group; Parquet only. The default is 1 048 576.
    pub fn with_row_group_rows(self, rows: usize) -> Self {
        Self { row_group_rows: rows, ..self }
    }

    /// Says about how many rows will come, so that the error of a full disk can tell how much space one file needs.
    /// The default is 0: nobody knows.
    pub fn with_expected_rows(self, rows: u64) -> Self {
        Self { expected_rows: rows, ..self }
    }

    /// Ends a file after so many rows and goes on in the next one: `NAME-00000.EXTENSION`, `NAME-00001.EXTENSION`, …. All
    /// but the last have just so many. With [`with_split_bytes`](Self::with_split_bytes), a file ends by what comes first.
    pub fn with_split_rows(self, rows: u64) -> Self {
        Self { split: SplitLimits { rows: Some(rows), ..self.split }, ..self }
    }

    /// Ends a file once it has so many bytes, as with [`with_split_rows`](Self::with_split_rows).
    ///
    /// Its length is looked at after rows that take a sixteenth of that in memory, so that it is a little more, and, where
    /// Parquet holds values that were not compressed when it was looked at, up to a quarter less. Where a file ends follows
    /// from the rows and not from batches or threads, but for Parquet under a budget, as row groups do.
    pub fn with_split_bytes(self, bytes: Bytes) -> Self {
        Self { split: SplitLimits { bytes: Some(bytes), ..self.split }, ..self }
    }

    /// Parts rows by the values of a column, into a folder of the target's name: `NAME.EXTENSION/COLUMN=value/`, in it
    /// `part-00000.EXTENSION`, `part-00001.EXTENSION`, …. The files do not hold the column.
    ///
    /// Names are those of Hive: a null is `__HIVE_DEFAULT_PARTITION__`, and what has a meaning in names stands as `%` and
    /// two hexadecimal digits. Numbers, dates and timestamps are written as in CSV. An empty text is `COLUMN=`. The thread
    /// that writes encodes all of them, one after the other.
    pub fn with_partition_by(self, column: impl Into<String>) -> Self {
        Self { partition_by: Some(column.into()), ..self }
    }

    /// How many files of partitions are open at most, 256 by default: each takes memory, and fewer are open where the budget
    /// has no more. Where there are more values than that, in no order, rows wait in a quarter of what the budget had left,
    /// and each file that is begun gets those of its value.
    pub fn with_open_files(self, files: usize) -> Self {
        Self { open_files: files, ..self }
    }

    /// Gives the columns of these names a bloom filter in each row group, by which a reader passes over those that surely do
    /// not hold a value; Parquet only. Columns of whole numbers, dates, timestamps and texts can have one.
    ///
    /// It takes a quarter of what a column may gather in memory, but from 1 KiB to 1 MiB, and in the file no more than one
    /// false answer in a hundred needs. In a row group of more different values than fit, more answers are false.
    pub fn with_bloom_filters(self, columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { filtered: columns.into_iter().map(Into::into).collect(), ..self }
    }

    /// Writes a pair of texts with the schema: into Parquet's footer, and the schema of Arrow IPC. CSV has no place for it. A
    /// key that is given again, or that the schema of the batches has, gets the last value.
    pub fn with_metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((key.into(), value.into()));
        self
    }

    /// Checks all that can be known before there is a schema, so that a long first pass is not in vain:
    /// the format, the options, and by [`check_target`] the target. Returns the format.
    ///
    /// # Errors
    ///
    /// `UnknownFormat`, `Compression`, `Option`, `Exists` and `Target` of [`ErrorKind`].
    pub fn check(&self) -> Result<Format, Error> {
        let (format, _) = self.checked_options()?;
        match self.layout() {
            None => check_target(&self.path, self.overwrite)?,
            Some(layout) => drop(Staging::create(&self.path, layout, self.overwrite)?),
        }
        Ok(format)
    }

    /// What the target becomes if it is not one file.
    fn layout(&self) -> Option<Layout> {
        match self.partition_by {
            Some(_) => Some(Layout::Folder),
            None => self.split.is_set().then_some(Layout::Numbered),
        }
    }

    /// Opens the sink for batches of `schema`.
    ///
    /// # Errors
    ///
    /// As [`SinkBuilder::check`], `Encode` when the format cannot hold one of the types, `Partition` when there is no such
    /// column, and `Budget`.
    pub fn build(self, schema: SchemaRef) -> Result<Box<dyn Sink>, Error> {
        let (format, compression) = self.checked_options()?;
        let staging = self.layout().map(|layout| Staging::create(&self.path, layout, self.overwrite));
        let staging = staging.transpose()?;
        let Self { path, stream, overwrite, monitor, split, partition_by, .. } = self;
        let bytes = self.row_group_bytes.unwrap_or_else(|| RowGroupLimits::default_bytes(monitor.budget()));
        let limits = RowGroupLimits { rows: self.row_group_rows, bytes };
        let threads = if partition_by.is_some() { 1 } else { self.threads };
        let filtered = self.filtered.into();
        let opener =
            Opener { format, compression, limits, threads, helpers: self.helpers, monitor, filtered };
        let mut metadata = schema.metadata().clone();
        metadata.extend(self.metadata);
        let schema = Arc::new(Schema::new_with_metadata(schema.fields().clone(), metadata));
        let files: Box<dyn Files> = match (staging, partition_by) {
            (Some(staging), Some(column)) => {
                let path = path.clone();
                Box::new(PartitionedFiles::new(staging, opener, &schema, path, column, self.open_files)?)
            }
            (Some(staging), None) => {
                Box::new(SplitFiles::new(staging, opener, schema.clone(), path.clone(), split)?)
            }
            (None, _) => {
                let output = match stream {
                    Some(stream) if Format::is_stream_path(&path) => Output::stream(&path, stream),
                    _ => Output::file(&path, overwrite)?,
                };
                Box::new(OneFile(opener.open(output.expecting(self.expected_rows), &schema)?))
            }
        };
        Ok(Box::new(FilesSink::new(files, schema, path)))
    }

    fn checked_options(&self) -> Result<(Format, Compression), Error> {
        let format = Format::of(&self.path)?;
        let compression = self.compression.unwrap_or_else(|| Compression::default_for(format));
        compression.check(format)?;
        if self.row_group_rows == 0 {
            return Err(ErrorKind::Option { name: "row group rows", expected: "at least 1" }.into());
        }
        if self.threads == 0 {
            return Err(ErrorKind::Option { name: "threads", expected: "at least 1" }.into());
        }
        let option = |name, expected| Err(ErrorKind::Option { name, expected }.into());
        if self.split.rows == Some(0) {
            return option("rows of a file", "at least 1");
        }
        if self.split.bytes == Some(Bytes::ZERO) {
            return option("bytes of a file", "at least 1");
        }
        if self.open_files == 0 {
            return option("open files", "at least 1");
        }
        if !self.filtered.is_empty() && format != Format::Parquet {
            return option("bloom filters", "left out of other formats than Parquet");
        }
        if self.metadata.iter().any(|(key, _)| key == ARROW_SCHEMA_META_KEY) {
            return option("the key of metadata", "another than that of the schema itself");
        }
        if self.partition_by.is_some() && self.split.is_set() {
            return option("a split", "left out where rows are partitioned");
        }
        if Format::is_stream_path(&self.path) && self.layout().is_some() {
            return option(
                "the target of rows that are split or partitioned",
                "a name, since - is one stream",
            );
        }
        if self.row_group_bytes == Some(Bytes::ZERO) {
            return Err(ErrorKind::Option { name: "row group bytes", expected: "at least 1" }.into());
        }
        if Format::is_stream_path(&self.path) && self.stream.is_none() {
            let problem = TargetProblem::NoStream;
            return Err(ErrorKind::Target { path: self.path.clone(), problem }.into());
        }
        Ok((format, compression))
    }
}
