//! Bytes on their way to the disk while more are made, so that little is left to wait for at the end.
//!
//! Where the file system can, they go past the page cache: a copy there costs as much time as it takes to encode the
//! bytes, the pages crowd out what others read, and in a container they count as its memory until they are written.
//! Where it cannot, the system is asked again and again to bring to the disk what it holds.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Bytes between two requests to a system that holds them: the disk should have work, and each request costs a flush.
const EVERY: u64 = 32 << 20;

/// Bytes of a write past the cache.
const BLOCK: usize = 512 << 10;
/// One is filled, one is written, and one waits.
const BLOCKS: usize = 3;
/// What disks ask of addresses, places and lengths, at the most.
const ALIGNMENT: usize = 4096;

/// Brings a file to stable storage while it is written.
#[derive(Debug)]
pub(crate) struct WriteBack {
    /// What is gathered for the next write past the cache.
    block: Block,
    way: Way,
    written: Written,
}

/// Bytes that the system has taken.
pub(crate) type Written = Arc<AtomicU64>;

fn count(written: &Written, bytes: usize) {
    written.fetch_add(bytes as u64, Ordering::Relaxed);
}

#[derive(Debug)]
enum Way {
    /// Nothing was written yet.
    Undecided,
    /// Past the cache.
    Direct(DirectWorker),
    Cached {
        /// None before the first request, and where there is no thread to be had: then all is left to the end, which
        /// is slower and no less safe.
        worker: Option<SyncWorker>,
        since: u64,
    },
}

impl WriteBack {
    /// Memory that it takes at the most.
    pub(crate) const BYTES: u64 = (BLOCKS * (BLOCK + ALIGNMENT)) as u64;

    pub(crate) fn new() -> Self {
        WriteBack { block: Block::default(), way: Way::Undecided, written: Written::default() }
    }

    /// For one of many files: it takes no memory, and leaves the bytes to the system.
    pub(crate) fn cached() -> Self {
        WriteBack { way: Way::Cached { worker: None, since: 0 }, ..WriteBack::new() }
    }

    /// Bytes that the system has taken so far, counted on by whoever writes.
    pub(crate) fn written(&self) -> &Written {
        &self.written
    }

    /// Takes bytes for the end of `file`, always the same one, and says how many.
    ///
    /// # Errors
    ///
    /// What the system said, here or to a thread since the last call.
    pub(crate) fn write(&mut self, file: &File, bytes: &[u8]) -> io::Result<usize> {
        if let Way::Cached { worker, since } = &mut self.way {
            let taken = { file }.write(bytes)?;
            count(&self.written, taken);
            *since += taken as u64;
            if *since >= EVERY {
                *since = 0;
                ask(worker, file);
            }
            return Ok(taken);
        }
        let taken = self.block.take(bytes);
        if self.block.is_full() {
            self.hand_over(file)?;
        }
        Ok(taken)
    }

    /// Hands a full block to the thread that writes past the cache, if there is such a way.
    fn hand_over(&mut self, file: &File) -> io::Result<()> {
        if matches!(self.way, Way::Undecided) {
            self.way = match set_direct(file, true).and_then(|()| DirectWorker::begin(file, &self.written)) {
                Ok(worker) => Way::Direct(worker),
                Err(_) => {
                    // Where it was set there is a way to unset it.
                    let _ = set_direct(file, false);
                    Way::Cached { worker: None, since: 0 }
                }
            };
        }
        let Way::Direct(worker) = &mut self.way else {
            return std::mem::take(&mut self.block).write_to(file, &self.written);
        };
        self.block = worker.write(std::mem::take(&mut self.block))?;
        Ok(())
    }

    /// Waits for what is on its way, and writes the rest. The file is then to be synced.
    ///
    /// # Errors
    ///
    /// What the system said. It says so once: a later sync of the same file would know of no failure.
    pub(crate) fn end(self, file: &File) -> io::Result<()> {
        match self.way {
            Way::Undecided => {}
            Way::Direct(worker) => {
                worker.end()?;
                // The rest is no whole number of blocks.
                set_direct(file, false)?;
            }
            Way::Cached { worker, .. } => worker.map_or(Ok(()), SyncWorker::end)?,
        }
        self.block.write_to(file, &self.written)
    }
}

/// Asks for a file to be brought to storage.
fn ask(worker: &mut Option<SyncWorker>, file: &File) {
    if worker.is_none() {
        *worker = SyncWorker::begin(file).ok();
    }
    if let Some(worker) = worker {
        // One that is at work or has failed takes no more: the first goes on by itself, the second is told of at the
        // end.
        let _ = worker.requests.try_send(());
    }
}

/// Bytes in memory from which a disk can read. It takes none before the first byte.
#[derive(Debug, Default)]
struct Block {
    memory: Vec<u8>,
    /// Where the aligned part begins.
    start: usize,
    filled: usize,
}

impl Block {
    fn take(&mut self, bytes: &[u8]) -> usize {
        if self.memory.is_empty() {
            self.memory = vec![0; BLOCK + ALIGNMENT];
            self.start = self.memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        }
        let taken = bytes.len().min(BLOCK - self.filled);
        let from = self.start + self.filled;
        self.memory[from..from + taken].copy_from_slice(&bytes[..taken]);
        self.filled += taken;
        taken
    }

    fn is_full(&self) -> bool {
        self.filled == BLOCK
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.filled]
    }

    fn write_to(self, file: &File, written: &Written) -> io::Result<()> {
        write_all(file, self.bytes(), written)
    }
}

/// A thread that writes blocks past the cache.
#[derive(Debug)]
struct DirectWorker {
    full: SyncSender<Block>,
    free: Receiver<Block>,
    /// None once its failure was told.
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl DirectWorker {
    fn begin(file: &File, counter: &Written) -> io::Result<Self> {
        let (file, counter) = (file.try_clone()?, Arc::clone(counter));
        let (full, to_write) = sync_channel::<Block>(BLOCKS);
        let (written, free) = sync_channel(BLOCKS);
        // Whoever fills blocks has one already.
        for _ in 1..BLOCKS {
            let _ = written.send(Block::default());
        }
        let work = move || {
            to_write.iter().try_for_each(|mut block| {
                write_past_the_cache(&file, block.bytes(), &counter)?;
                block.filled = 0;
                // Nobody takes them any more at the end.
                let _ = written.send(block);
                Ok(())
            })
        };
        let thread = thread::Builder::new().name("write-back".into()).spawn(work)?;
        Ok(Self { full, free, thread: Some(thread) })
    }

    /// Hands over a full block for an empty one.
    fn write(&mut self, block: Block) -> io::Result<Block> {
        let taken = self.full.send(block).ok().and_then(|()| self.free.recv().ok());
        // The thread ends before it is told to only if it fails.
        taken.map_or_else(|| Err(self.failure()), Ok)
    }

    fn failure(&mut self) -> io::Error {
        let ended = self.thread.take().map(JoinHandle::join);
        match ended {
            Some(Ok(Err(error))) => error,
            _ => io::Error::other("the thread that writes has ended"),
        }
    }

    fn end(mut self) -> io::Result<()> {
        // Told of once, a failure is still one.
        let Some(thread) = self.thread.take() else { return Err(self.failure()) };
        drop(self.full);
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that writes has panicked")))
    }
}

/// As `write_all` of the file, and counts what is taken.
fn write_all(mut file: &File, mut bytes: &[u8], written: &Written) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(taken) => {
                count(written, taken);
                bytes = &bytes[taken..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Some file systems let a file be opened for it and refuse the write, and a disk that fills up takes part of a block: the
/// rest of a block then goes through the cache.
fn write_past_the_cache(file: &File, bytes: &[u8], written: &Written) -> io::Result<()> {
    let before = written.load(Ordering::Relaxed);
    match write_all(file, bytes, written) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            set_direct(file, false)?;
            // Nobody else counts.
            let taken = (written.load(Ordering::Relaxed) - before) as usize;
            write_all(file, &bytes[taken..], written)?;
            // Refused again, all goes through the cache from now on.
            set_direct(file, true).or(Ok(()))
        }
        done => done,
    }
}

#[cfg(target_os = "linux")]
fn set_direct(file: &File, is_direct: bool) -> io::Result<()> {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    let flags = fcntl_getfl(file)?;
    Ok(fcntl_setfl(file, if is_direct { flags | OFlags::DIRECT } else { flags - OFlags::DIRECT })?)
}

#[cfg(not(target_os = "linux"))]
fn set_direct(_: &File, is_direct: bool) -> io::Result<()> {
    if is_direct { Err(io::ErrorKind::Unsupported.into()) } else { Ok(()) }
}

/// A thread that brings to storage what the system holds of a file.
#[derive(Debug)]
struct SyncWorker {
    requests: SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl SyncWorker {
    fn begin(file: &File) -> io::Result<Self> {
        let file = file.try_clone()?;
        let (requests, asked) = sync_channel(1);
        let work = move || asked.iter().try_for_each(|()| file.sync_data());
        let thread = thread::Builder::new().name("write-back".into()).spawn(work)?;
        Ok(Self { requests, thread })
    }

    fn end(self) -> io::Result<()> {
        drop(self.requests);
        self.thread
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the thread of the write-back has panicked")))
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]
mod tests {
    use std::io::{Read, Seek};
    use std::os::fd::OwnedFd;

    use super::*;

    /// What is read back of bytes written in pieces of `piece`.
    fn written(mut file: File, back: WriteBack, bytes: &[u8], piece: usize) -> Vec<u8> {
        let mut back = back;
        for mut piece in bytes.chunks(piece) {
            while !piece.is_empty() {
                let taken = back.write(&file, piece).unwrap();
                piece = &piece[taken..];
            }
        }
        let counter = Arc::clone(back.written());
        back.end(&file).unwrap();
        assert_eq!(counter.load(Ordering::Relaxed), bytes.len() as u64);
        file.sync_all().unwrap();
        let mut read = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut read).unwrap();
        read
    }

    #[test]
    fn every_byte_arrives_in_its_place_either_way() {
        let bytes: Vec<u8> =
            (0..5 * BLOCK as u32 + 12_345).map(|n| (n.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
        // In the build's folder, which seldom is in memory as a temporary folder may be.
        let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
        for len in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, bytes.len()] {
            for piece in [1000, 128 << 10, 3 * BLOCK] {
                let new = || tempfile::tempfile_in(&folder).unwrap();
                let read = written(new(), WriteBack::new(), &bytes[..len], piece);
                assert!(read == bytes[..len], "{len} bytes by {piece}");
                let cached = WriteBack::cached();
                assert!(written(new(), cached, &bytes[..len], piece) == bytes[..len]);
            }
        }
    }

    #[test]
    fn what_a_disk_reads_from_is_aligned() {
        let mut block = Block::default();
        assert_eq!(block.take(&[7; 10]), 10);
        assert_eq!(block.bytes().as_ptr().align_offset(ALIGNMENT), 0);
        assert_eq!(block.take(&vec![7; BLOCK]), BLOCK - 10);
        assert!(block.is_full() && block.bytes().len() == BLOCK);
    }

    #[test]
    fn a_failure_of_the_thread_is_told() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut worker =
            DirectWorker::begin(&File::from(OwnedFd::from(writer)), &Written::default()).unwrap();
        let full = || {
            let mut block = Block::default();
            block.take(&vec![1; BLOCK]);
            block
        };
        let told = (0..10).find_map(|_| worker.write(full()).err()).unwrap();
        assert_eq!(told.kind(), io::ErrorKind::BrokenPipe);
        assert!(worker.end().is_err());
    }

    #[test]
    fn it_waits_for_what_was_asked() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"bytes").unwrap();
        let mut worker = None;
        ask(&mut worker, &file);
        worker.unwrap().end().unwrap();
    }

    #[test]
    fn a_failure_to_sync_is_kept_for_the_end() {
        // What cannot be brought to storage: the write end of a pipe.
        let (_reader, writer) = io::pipe().unwrap();
        let mut worker = None;
        ask(&mut worker, &File::from(OwnedFd::from(writer)));
        assert!(worker.unwrap().end().is_err());
    }
}
