//! Where encoded bytes go: a file that appears when it is whole, or a stream.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use monitor::BudgetExceeded;

use crate::atomic::{AtomicFile, WholeFile};
use crate::error::{Error, ErrorKind};
use crate::write_back::{WriteBack, Written};

/// Bytes gathered before the system is asked to take them.
pub(crate) const BUFFER_BYTES: usize = 128 << 10;
/// The same where many files are written side by side.
pub(crate) const SMALL_BUFFER_BYTES: usize = 32 << 10;

/// A buffered writer that knows its target's name and how much of it the system has taken.
pub(crate) struct Output {
    buffer: BufWriter<Counted>,
    progress: Progress,
}

/// The part of an [`Output`] that errors need, for encoders that own the rest.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Counts>);

struct Counts {
    path: PathBuf,
    /// Files count it where they are written.
    written: Written,
    /// What is buffered included.
    accepted: AtomicU64,
    /// Rows that are encoded, and bytes of the file up to their end, as far as somebody says so.
    rows: AtomicU64,
    announced: AtomicU64,
    /// Rows that are to come in all, or none if nobody knows.
    expected_rows: AtomicU64,
}

struct Counted {
    destination: Destination,
    progress: Progress,
}

enum Destination {
    File(AtomicFile),
    /// One of several files, in a folder that becomes visible later.
    Part(File, WriteBack),
    Stream(Box<dyn Write + Send>),
}

impl Output {
    pub(crate) fn file(path: &Path, overwrite: bool) -> Result<Self, Error> {
        Ok(Self::new(path, Destination::File(AtomicFile::create(path, overwrite)?), BUFFER_BYTES))
    }

    pub(crate) fn stream(path: &Path, stream: Box<dyn Write + Send>) -> Self {
        Self::new(path, Destination::Stream(stream), BUFFER_BYTES)
    }

    /// Creates the file `place`, of which errors speak as of `path`.
    pub(crate) fn part(path: &Path, place: &Path, buffer_bytes: usize) -> Result<Self, Error> {
        let file = File::create_new(place).map_err(|error| Error::io(path, 0, error))?;
        Ok(Self::new(path, Destination::Part(file, WriteBack::cached()), buffer_bytes))
    }

    fn new(path: &Path, destination: Destination, buffer_bytes: usize) -> Self {
        let written = match &destination {
            Destination::File(file) => Arc::clone(file.written()),
            Destination::Part(_, write_back) => Arc::clone(write_back.written()),
            Destination::Stream(_) => Written::default(),
        };
        let none = AtomicU64::default;
        let counts = Counts {
            path: path.to_owned(),
            written,
            accepted: none(),
            rows: none(),
            announced: none(),
            expected_rows: none(),
        };
        let progress = Progress(Arc::new(counts));
        let counted = Counted { destination, progress: progress.clone() };
        Self { buffer: BufWriter::with_capacity(buffer_bytes, counted), progress }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Says about how many rows will come in all, for who runs out of space.
    pub(crate) fn expecting(self, rows: u64) -> Self {
        self.progress.0.expected_rows.store(rows, Ordering::Relaxed);
        self
    }

    /// Bytes that wait for the disk at most, beside what is buffered.
    pub(crate) fn write_back_bytes(&self) -> u64 {
        match self.buffer.get_ref().destination {
            Destination::File(_) => WriteBack::BYTES,
            Destination::Part(..) | Destination::Stream(_) => 0,
        }
    }

    /// Bytes that are buffered at most.
    pub(crate) fn buffer_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    /// Hands over what is buffered; a file becomes durable. Returns the bytes in all, and the file that is to become visible,
    /// unless it is one of several.
    pub(crate) fn settle(self) -> Result<(u64, Option<WholeFile>), Error> {
        let Self { buffer, progress } = self;
        let mut counted = buffer.into_inner().map_err(|error| progress.io(error.into_error()))?;
        counted.flush().map_err(|error| progress.io(error))?;
        let whole = match counted.destination {
            Destination::File(file) => Some(file.settle().map_err(|error| progress.of_file(error))?),
            Destination::Part(file, write_back) => {
                write_back.end(&file).and_then(|()| file.sync_all()).map_err(|error| progress.io(error))?;
                None
            }
            Destination::Stream(_) => None,
        };
        Ok((progress.written(), whole))
    }

    /// Both in one, where there is no other output to wait for.
    #[cfg(test)]
    pub(crate) fn finish(self) -> Result<u64, Error> {
        let (bytes, whole) = self.settle()?;
        whole.map_or(Ok(()), WholeFile::publish)?;
        Ok(bytes)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.buffer.write(bytes)?;
        self.progress.accept(taken);
        Ok(taken)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.write_all(bytes)?;
        self.progress.accept(bytes.len());
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.buffer.flush()
    }
}

impl Progress {
    pub(crate) fn path(&self) -> &Path {
        &self.0.path
    }

    /// Bytes that the system has taken.
    pub(crate) fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    /// Bytes that were written, of which some may be buffered.
    pub(crate) fn accepted(&self) -> u64 {
        self.0.accepted.load(Ordering::Relaxed)
    }

    /// Only the output itself does.
    fn accept(&self, bytes: usize) {
        // One thread at a time writes, so that no addition is lost; adding as one step would cost more.
        self.0.accepted.store(self.accepted() + bytes as u64, Ordering::Relaxed);
    }

    /// Notes that `rows` more are encoded, whose last byte is the file's byte number `bytes`.
    pub(crate) fn announce(&self, rows: u64, bytes: u64) {
        // As in `accept`.
        self.0.rows.store(self.0.rows.load(Ordering::Relaxed) + rows, Ordering::Relaxed);
        self.0.announced.store(bytes, Ordering::Relaxed);
    }

    /// About the bytes that the whole file comes to, by what its rows so far do.
    fn needed(&self) -> Option<u64> {
        let [rows, announced, expected] = [&self.0.rows, &self.0.announced, &self.0.expected_rows]
            .map(|count| count.load(Ordering::Relaxed));
        if rows == 0 || expected == 0 {
            return None;
        }
        let encoded = u128::from(announced.max(self.accepted()));
        u64::try_from(encoded * u128::from(expected.max(rows)) / u128::from(rows)).ok()
    }

    /// Adds to an error of the file what the progress knows.
    fn of_file(&self, error: Error) -> Error {
        error.with_needed(self.needed())
    }

    pub(crate) fn io(&self, source: io::Error) -> Error {
        self.of_file(Error::io(self.path(), self.written(), source))
    }

    /// The budget has refused what writing needs.
    pub(crate) fn exceeded(&self, source: BudgetExceeded) -> Error {
        ErrorKind::Budget { path: self.path().to_owned(), source }.into()
    }

    /// A page of Parquet cannot hold that much of a column.
    pub(crate) fn page_too_long(&self, column: &str, bytes: usize) -> Error {
        ErrorKind::PageTooLong { path: self.path().to_owned(), column: column.to_owned(), bytes }.into()
    }

    pub(crate) fn encode(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        self.of_file(Error::encode(self.path(), self.written(), source))
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.destination {
            Destination::File(file) => file.write(bytes),
            Destination::Part(file, write_back) => write_back.write(file, bytes),
            Destination::Stream(stream) => {
                let taken = stream.write(bytes)?;
                self.progress.0.written.fetch_add(taken as u64, Ordering::Relaxed);
                Ok(taken)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.destination {
            Destination::File(file) => file.flush(),
            Destination::Part(file, _) => file.flush(),
            Destination::Stream(stream) => stream.flush(),
        }
    }
}
