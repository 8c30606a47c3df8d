//! From a path and options to a sink.

use std::io::{self, Write};
use std::path::PathBuf;

use arrow::datatypes::SchemaRef;
use monitor::{Bytes, Monitor};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::atomic::check_target;
use crate::compression::Compression;
use crate::csv::CsvEncoder;
use crate::encoder::{Encoder, EncoderSink};
use crate::error::{Error, ErrorKind, TargetProblem};
use crate::format::Format;
use crate::ipc::IpcEncoder;
use crate::output::Output;
use crate::parquet::ParquetEncoder;
use crate::row_groups::RowGroupLimits;
use crate::sink::Sink;

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

    /// The most bytes that a row group takes in memory: its finished pages as they are in the file, those in progress
    /// before they are compressed; Parquet only. Only a block of rows more, or a single row that is larger, goes beyond.
    /// The default is a fifth of what the budget has above 16 MiB, but from 1 MiB to 64 MiB, and 64 MiB without a budget;
    /// where less is left, it is lowered.
    pub fn with_row_group_bytes(self, bytes: Bytes) -> Self {
        Self { row_group_bytes: Some(bytes), ..self }
    }

    /// The most rows of a row group; Parquet only. The default is 1 048 576.
    pub fn with_row_group_rows(self, rows: usize) -> Self {
        Self { row_group_rows: rows, ..self }
    }

    /// Checks all that can be known before there is a schema, so that a long first pass is not in vain:
    /// the format, the options, and by [`check_target`] the target. Returns the format.
    ///
    /// # Errors
    ///
    /// `UnknownFormat`, `Compression`, `Option`, `Exists` and `Target` of [`ErrorKind`].
    pub fn check(&self) -> Result<Format, Error> {
        let (format, _) = self.checked_options()?;
        check_target(&self.path, self.overwrite)?;
        Ok(format)
    }

    /// Opens the sink for batches of `schema`.
    ///
    /// # Errors
    ///
    /// As [`SinkBuilder::check`], and `Encode` when the format cannot hold one of the types.
    pub fn build(self, schema: SchemaRef) -> Result<Box<dyn Sink>, Error> {
        let (format, compression) = self.checked_options()?;
        let Self { path, stream, overwrite, monitor, row_group_bytes, row_group_rows, threads, .. } = self;
        let output = match stream {
            Some(stream) if Format::is_stream_path(&path) => Output::stream(&path, stream),
            _ => Output::file(&path, overwrite)?,
        };
        let budget = monitor.budget();
        let encoder: Box<dyn Encoder> = match format {
            Format::Parquet => {
                let limits = RowGroupLimits {
                    rows: row_group_rows,
                    bytes: row_group_bytes.unwrap_or_else(|| RowGroupLimits::default_bytes(budget)),
                };
                let threads = encoding_threads(threads).map_err(|error| Error::io(&path, 0, error))?;
                Box::new(ParquetEncoder::new(output, &schema, compression, limits, budget, threads)?)
            }
            Format::IpcFile | Format::IpcStream => {
                Box::new(IpcEncoder::new(output, &schema, format, compression, budget)?)
            }
            Format::Csv => Box::new(CsvEncoder::new(output, &schema, budget)?),
        };
        Ok(Box::new(EncoderSink::new(encoder, schema, path)))
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

/// Threads that encode columns; none where one is enough.
fn encoding_threads(threads: usize) -> io::Result<Option<ThreadPool>> {
    if threads == 1 {
        return Ok(None);
    }
    let builder =
        ThreadPoolBuilder::new().num_threads(threads).thread_name(|index| format!("encode-{index}"));
    // A panic has told of itself, and the sink learns of it; it must not take the process with it.
    builder.panic_handler(drop).build().map(Some).map_err(io::Error::other)
}
