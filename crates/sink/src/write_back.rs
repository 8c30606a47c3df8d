//! Bytes on their way to the disk while more are made, so that little is left to wait for at the end.

use std::fs::File;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Bytes between two requests: the disk should have work, and each request costs a flush of its own.
const EVERY: u64 = 32 << 20;

/// Asks the system again and again to bring a file to stable storage.
#[derive(Debug, Default)]
pub(crate) struct WriteBack {
    /// None before the first request, and where there is no thread to be had: then all is left to the end, which is
    /// slower and no less safe.
    worker: Option<Worker>,
    since: u64,
}

#[derive(Debug)]
struct Worker {
    requests: SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl WriteBack {
    /// Counts bytes of `file` that the system has taken.
    pub(crate) fn wrote(&mut self, file: &File, bytes: usize) {
        self.since += bytes as u64;
        if self.since < EVERY {
            return;
        }
        self.since = 0;
        if self.worker.is_none() {
            self.worker = Worker::begin(file).ok();
        }
        if let Some(worker) = &self.worker {
            // One that is at work or has failed takes no more: the first goes on by itself, the second is told of at
            // the end.
            let _ = worker.requests.try_send(());
        }
    }

    /// Waits for what was asked.
    ///
    /// # Errors
    ///
    /// What the system said. It says so once: a later sync of the same file would know of no failure.
    pub(crate) fn end(self) -> io::Result<()> {
        let Some(Worker { requests, thread }) = self.worker else { return Ok(()) };
        drop(requests);
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread of the write-back has panicked")))
    }
}

impl Worker {
    fn begin(file: &File) -> io::Result<Self> {
        let file = file.try_clone()?;
        let (requests, asked) = sync_channel(1);
        let work = move || asked.iter().try_for_each(|()| file.sync_data());
        let thread = thread::Builder::new().name("write-back".into()).spawn(work)?;
        Ok(Self { requests, thread })
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write;
    use std::os::fd::OwnedFd;

    use super::*;

    #[test]
    fn it_waits_for_what_was_asked() {
        let mut file = tempfile::tempfile().unwrap();
        let mut back = WriteBack::default();
        file.write_all(b"bytes").unwrap();
        back.wrote(&file, EVERY as usize - 1);
        assert!(back.worker.is_none());
        back.wrote(&file, 1);
        assert!(back.worker.is_some());
        back.end().unwrap();
    }

    #[test]
    fn a_failure_is_kept_for_the_end() {
        // What cannot be brought to storage: the write end of a pipe.
        let (_reader, writer) = io::pipe().unwrap();
        let pipe = File::from(OwnedFd::from(writer));
        let mut back = WriteBack::default();
        back.wrote(&pipe, EVERY as usize);
        assert!(back.end().is_err());
    }
}
