//! Batches made by a thread of their own while the caller works on the one before.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use arrow::datatypes::SchemaRef;

use crate::batch::Batch;
use crate::error::Error;
use crate::loader::Batches;

/// An iterator over the same batches in the same order, made ahead by one thread.
///
/// At most three batches are alive: one in the making, one waiting, one with the caller. Dropping it stops
/// the thread and waits for it.
pub struct Prefetch {
    schema: SchemaRef,
    batches: Option<Receiver<Result<Batch, Error>>>,
    thread: Option<JoinHandle<()>>,
}

/// Batches alive at a time.
pub(crate) const IN_FLIGHT: usize = 3;

impl Prefetch {
    /// Batches alive at a time, for [`Loader::with_batches_in_flight`](crate::Loader::with_batches_in_flight).
    pub const IN_FLIGHT: usize = IN_FLIGHT;

    /// Starts the thread.
    pub fn new(batches: Batches) -> Prefetch {
        let schema = batches.schema().clone();
        let (send, receive) = sync_channel(1);
        let thread = std::thread::spawn(move || {
            for batch in batches {
                // An error here means that nobody waits any more.
                if send.send(batch).is_err() {
                    return;
                }
            }
        });
        Prefetch { schema, batches: Some(receive), thread: Some(thread) }
    }

    /// The schema of every batch.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn join(&mut self) {
        self.batches = None;
        if let Some(thread) = self.thread.take()
            && let Err(panic) = thread.join()
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Iterator for Prefetch {
    type Item = Result<Batch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.batches.as_ref().and_then(|batches| batches.recv().ok());
        if next.is_none() {
            self.join();
        }
        next
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        self.join();
    }
}
