//! Reading the files that this program writes of a fit: pipelines, partial states and unfinished fits.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use incremental::{FileKind, Pipeline};
use monitor::{Bytes, Monitor, Reservation};

use crate::failure::Failure;

/// More than the first line of any of them has before its checksum.
const FIRST_BYTES: u64 = 64;

/// The kind that the file's first bytes tell; `None` for another file, and for a pipe, of which nothing is read.
pub(crate) fn kind(path: &Path) -> Result<Option<FileKind>, Failure> {
    let failed = |e| Failure::io(path, "read", e);
    if !path.metadata().map_err(failed)?.is_file() {
        return Ok(None);
    }
    let mut first = Vec::new();
    File::open(path).and_then(|file| file.take(FIRST_BYTES).read_to_end(&mut first)).map_err(failed)?;
    Ok(FileKind::of(&first))
}

/// Bytes that a pipe is read by.
const PIECE: Bytes = Bytes::kib(256);

/// A file's bytes, reserved from the budget before they are read.
pub(crate) struct StateFile {
    bytes: Vec<u8>,
    _held: Reservation,
}

impl StateFile {
    pub(crate) fn read(path: &Path, monitor: &Monitor) -> Result<StateFile, Failure> {
        let failed = |e| Failure::io(path, "read", e);
        let mut file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        // A byte more tells a reader that there is none. A pipe has a length of none, and is read by pieces.
        let mut room = Bytes(length + 1);
        let mut held = monitor.budget().consumer("file of a fit").try_reserve(room)?;
        let mut bytes = Vec::with_capacity(usize::try_from(length + 1).unwrap_or(usize::MAX));
        while file.by_ref().take(room.get()).read_to_end(&mut bytes).map_err(failed)? as u64 == room.get() {
            room = PIECE;
            held.try_grow(Bytes(2 * PIECE.get()))?;
        }
        Ok(StateFile { bytes, _held: held })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Reads a pipeline; it is held in what comes with it until it is bound.
pub(crate) fn pipeline(path: &Path, monitor: &Monitor) -> Result<(Pipeline, Reservation), Failure> {
    let file = StateFile::read(path, monitor)?;
    // What is learnt takes about as much as its text: a text has quotes there, a number as many digits as bytes.
    let most = Bytes(2 * file.bytes.len() as u64);
    let mut held = monitor.budget().consumer("pipeline").try_reserve(most)?;
    let pipeline = Pipeline::from_bytes(file.bytes()).map_err(|e| Failure::in_file(path, e))?;
    drop(file);
    held.try_resize(Bytes::from(pipeline.heap_bytes()))?;
    Ok((pipeline, held))
}
