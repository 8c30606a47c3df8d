//! Where encoded bytes go: a file that appears when it is whole, or a stream.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use monitor::BudgetExceeded;

use crate::atomic::AtomicFile;
use crate::error::{Error, ErrorKind};

/// Bytes gathered before the system is asked to take them.
pub(crate) const BUFFER_BYTES: usize = 128 << 10;

/// A buffered writer that knows its target's name and how much of it the system has taken.
pub(crate) struct Output {
    buffer: BufWriter<Counted>,
    progress: Progress,
}

/// The part of an [`Output`] that errors need, for encoders that own the rest.
#[derive(Clone)]
pub(crate) struct Progress {
    path: Arc<PathBuf>,
    written: Arc<AtomicU64>,
}

struct Counted {
    destination: Destination,
    written: Arc<AtomicU64>,
}

enum Destination {
    File(AtomicFile),
    Stream(Box<dyn Write + Send>),
}

impl Output {
    pub(crate) fn file(path: &Path, overwrite: bool) -> Result<Self, Error> {
        Ok(Self::new(path, Destination::File(AtomicFile::create(path, overwrite)?)))
    }

    pub(crate) fn stream(path: &Path, stream: Box<dyn Write + Send>) -> Self {
        Self::new(path, Destination::Stream(stream))
    }

    fn new(path: &Path, destination: Destination) -> Self {
        let written = Arc::new(AtomicU64::new(0));
        let counted = Counted { destination, written: Arc::clone(&written) };
        Self {
            buffer: BufWriter::with_capacity(BUFFER_BYTES, counted),
            progress: Progress { path: Arc::new(path.to_owned()), written },
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Hands over what is buffered; a file becomes durable and visible. Returns the bytes in all.
    pub(crate) fn finish(self) -> Result<u64, Error> {
        let Self { buffer, progress } = self;
        let mut counted = buffer.into_inner().map_err(|error| progress.io(error.into_error()))?;
        counted.flush().map_err(|error| progress.io(error))?;
        let written = progress.written();
        match counted.destination {
            Destination::File(file) => file.publish(written)?,
            Destination::Stream(_) => {}
        }
        Ok(written)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.write(bytes)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.buffer.flush()
    }
}

impl Progress {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that the system has taken.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub(crate) fn io(&self, source: io::Error) -> Error {
        Error::io(&self.path, self.written(), source)
    }

    /// The budget has refused what writing needs.
    pub(crate) fn exceeded(&self, source: BudgetExceeded) -> Error {
        ErrorKind::Budget { path: self.path().to_owned(), source }.into()
    }

    pub(crate) fn encode(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::encode(&self.path, self.written(), source)
    }
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = match &mut self.destination {
            Destination::File(file) => file.write(bytes),
            Destination::Stream(stream) => stream.write(bytes),
        }?;
        self.written.fetch_add(taken as u64, Ordering::Relaxed);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.destination {
            Destination::File(file) => file.flush(),
            Destination::Stream(stream) => stream.flush(),
        }
    }
}
