//! glibc's allocator, asked to give pages back to the system.

// `malloc_trim` and `mallopt` are C.
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

    /// Has each block of at least `bytes` mapped for itself from now on, in the whole process, so that its pages go back to
    /// the system as soon as it is freed; `false` if the allocator does not take that.
    ///
    /// Otherwise it maps so only what is larger than the largest block that was freed so far, and what it has freed of
    /// the others stays with the thread that had it: a program that handles values of a megabyte in turn on several threads
    /// was seen to hold 12 MiB that way which none of them could use. Each such block costs its page faults anew.
    ///
    /// ```
    /// use monitor::{AllocatorTrim, Bytes};
    ///
    /// assert!(AllocatorTrim::map_from(Bytes::kib(512)));
    /// assert!(!AllocatorTrim::map_from(Bytes::gib(2)), "more than glibc can be told");
    /// ```
    pub fn map_from(bytes: Bytes) -> bool {
        let Ok(bytes) = libc::c_int::try_from(bytes.get()) else { return false };
        // SAFETY: it takes no pointer and may be called at any time from any thread.
        unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, bytes) == 1 }
    }

    /// Has all threads of the process share no more than so many arenas from now on; `false` if the allocator does not take
    /// that.
    ///
    /// Otherwise it makes one for each thread, up to eight for each processor, and what is freed stays in the arena it came
    /// from: a job on eight threads and two processors peaked at 53 MiB that way, and at 40 with four arenas.
    ///
    /// ```
    /// use monitor::AllocatorTrim;
    ///
    /// assert!(AllocatorTrim::share_arenas(4));
    /// assert!(!AllocatorTrim::share_arenas(usize::MAX), "more than glibc can be told");
    /// ```
    pub fn share_arenas(most: usize) -> bool {
        let Ok(most) = libc::c_int::try_from(most) else { return false };
        // SAFETY: it takes no pointer and may be called at any time from any thread.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, most) == 1 }
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
