//! A thread that writes row groups, so that those that encode do not wait for the disk.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use crate::column_chunk::EncodedChunk;

/// See the module's documentation.
pub(crate) struct RowGroupWriter {
    row_groups: SyncSender<Vec<EncodedChunk>>,
    thread: JoinHandle<()>,
}

impl RowGroupWriter {
    /// A thread that does `write` with each row group. `None` if the system starts none.
    pub(crate) fn start(write: impl Fn(Vec<EncodedChunk>) + Send + 'static) -> Option<Self> {
        let (row_groups, to_write) = sync_channel(1);
        let work = move || to_write.into_iter().for_each(write);
        let thread = Builder::new().name("write-groups".into()).spawn(work).ok()?;
        Some(Self { row_groups, thread })
    }

    /// Hands a row group over. One may wait while another is written; whoever brings a third one waits.
    ///
    /// # Errors
    ///
    /// The row group, if the thread has ended, which it does by itself only in a panic.
    pub(crate) fn write(&self, chunks: Vec<EncodedChunk>) -> Result<(), Vec<EncodedChunk>> {
        self.row_groups.send(chunks).map_err(|unsent| unsent.0)
    }

    /// Waits for the thread to write what it has.
    pub(crate) fn end(self) {
        drop(self.row_groups);
        // What it panicked at has told of itself.
        let _ = self.thread.join();
    }
}
