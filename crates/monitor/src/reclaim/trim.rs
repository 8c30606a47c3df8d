//! glibc's allocator, asked to give pages back to the system.

// `malloc_trim` is C.
#![allow(unsafe_code)]

use crate::bytes::Bytes;
use crate::probe::{LinuxProbe, Probe};

use super::{Giver, Stage};

/// The allocator of glibc as a [`Giver`]: pages that hold nothing go back to the system.
///
/// glibc keeps what is freed, for speed: it was seen to keep 595 MiB for 0.6 MiB in use. A trim takes locks of all
/// arenas, one after the other, and milliseconds for hundreds of MiB; pages that are needed again are faulted in again.
/// So it belongs behind a threshold, not behind each batch. Of no use where another allocator is installed.
///
/// Its bytes are what the resident size fell by, which other threads may move, too; zero if that cannot be read.
///
/// ```
/// use std::sync::Arc;
/// use monitor::{AllocatorTrim, Bytes, Monitor};
///
/// let monitor = Monitor::unbounded();
/// let trim = Arc::new(AllocatorTrim::new());
/// monitor.register_giver("allocator", &trim);
/// // Many small blocks, which glibc keeps when they are freed.
/// let last = {
///     let mut blocks: Vec<Box<[u8; 1000]>> = (0..40_000).map(|_| Box::new([1; 1000])).collect();
///     blocks.pop()
/// };
/// assert!(monitor.reclaim().total() > Bytes::mib(20));
/// # drop(last);
/// ```
#[derive(Debug, Default)]
pub struct AllocatorTrim(());

impl AllocatorTrim {
    /// Does nothing by itself; see [`Monitor::register_giver`](crate::Monitor::register_giver).
    pub fn new() -> AllocatorTrim {
        AllocatorTrim(())
    }
}

impl Giver for AllocatorTrim {
    fn give_back(&self) -> Bytes {
        let probe = LinuxProbe::open().ok();
        let resident = || probe.as_ref().and_then(|probe| probe.rss().ok());
        let before = resident();
        // SAFETY: it takes no pointer and may be called at any time from any thread.
        unsafe { libc::malloc_trim(0) };
        resident().zip(before).map_or(Bytes::ZERO, |(after, before)| before.saturating_sub(after))
    }

    fn stage(&self) -> Stage {
        Stage::Allocator
    }
}
