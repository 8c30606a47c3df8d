//! What `getrusage` says for the price of one system call: page faults, and the peak of resident bytes.

use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::resource::{Usage, UsageWho, getrusage};

use super::PageFaults;
use crate::bytes::Bytes;
use crate::error::Error;

/// The kernel's high-water mark of resident bytes (`VmHWM`), read as `ru_maxrss` where that is the same.
///
/// `ru_maxrss` is the larger of `VmHWM` and of what this process was *before it last called `exec`*: a child
/// of a large parent begins with its parent's size, and a reset of `VmHWM` does not touch it. The inherited
/// part never changes, so that whatever lies above it is `VmHWM`.
#[derive(Debug, Default)]
pub(super) struct HighWater {
    /// At or below this, `ru_maxrss` may be somebody else's figure.
    inherited: AtomicU64,
}

/// What one call of `getrusage` says.
pub(super) struct Rusage {
    /// `VmHWM`; `None` where `ru_maxrss` says nothing about it.
    pub(super) peak_rss: Option<Bytes>,
    pub(super) faults: PageFaults,
}

impl HighWater {
    /// Tells the two apart by the real mark, `vm_hwm`, which is read after `ru_maxrss`: now, and again after
    /// each reset.
    pub(super) fn calibrate(&self, vm_hwm: impl Fn() -> Result<Bytes, Error>) -> Result<(), Error> {
        let max_rss = max_rss(&usage()?);
        // The mark only rises between the two, so that an equal or smaller `ru_maxrss` holds no more than it.
        let inherited = if max_rss <= vm_hwm()? { Bytes::ZERO } else { max_rss };
        self.inherited.store(inherited.get(), Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn read(&self) -> Result<Rusage, Error> {
        let usage = usage()?;
        let max_rss = max_rss(&usage);
        let is_ours = max_rss.get() > self.inherited.load(Ordering::Relaxed);
        let count = |faults| u64::try_from(faults).unwrap_or(0);
        let faults =
            PageFaults { minor: count(usage.minor_page_faults()), major: count(usage.major_page_faults()) };
        Ok(Rusage { peak_rss: is_ours.then_some(max_rss), faults })
    }
}

fn usage() -> Result<Usage, Error> {
    getrusage(UsageWho::RUSAGE_SELF).map_err(|errno| Error::read("getrusage(RUSAGE_SELF)", errno.into()))
}

/// Linux counts it in KiB.
fn max_rss(usage: &Usage) -> Bytes {
    Bytes::kib(u64::try_from(usage.max_rss()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_below_what_was_inherited_is_not_taken_for_the_peak() {
        let own = HighWater::default();
        own.calibrate(|| Ok(Bytes::gib(1 << 20))).unwrap();
        let peak = own.read().unwrap().peak_rss.unwrap();
        assert!(peak > Bytes::ZERO);

        let inherited = HighWater::default();
        inherited.calibrate(|| Ok(Bytes::kib(4))).unwrap();
        // Other tests may raise it meanwhile: above what was inherited it counts.
        let read = inherited.read().unwrap().peak_rss;
        assert!(read.is_none_or(|read| read > peak), "{read:?} {peak}");
        inherited.inherited.store(0, Ordering::Relaxed);
        assert!(inherited.read().unwrap().peak_rss.unwrap() >= peak);
    }
}
