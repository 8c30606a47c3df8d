//! What memory was at one time, and what changed between two.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::bytes::Bytes;

/// What memory was at one time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// When, by the wall clock.
    pub at: SystemTime,
    /// How long after the monitor was built, by the monotonic clock.
    pub elapsed: Duration,
    /// Bytes of this process that are in RAM.
    pub rss: Bytes,
    /// Bytes of address space that this process has mapped.
    pub vms: Bytes,
    /// `rss` in percent of `total`; zero if the total is not known.
    pub percent: f64,
    /// Bytes that the host could give to new work without swapping.
    pub available: Bytes,
    /// Bytes of RAM that the host has.
    pub total: Bytes,
    /// The highest `rss` so far, as the kernel kept it.
    pub peak_rss: Bytes,
    /// The least of the budget's limit and the control groups' hard limit as it was when the monitor was
    /// built.
    pub limit: Option<Bytes>,
    /// Bytes reserved from the monitor's budget.
    pub reserved: Bytes,
}

impl Snapshot {
    /// What changed from `earlier` to this one.
    pub fn since(&self, earlier: &Snapshot) -> MemoryDelta {
        MemoryDelta {
            elapsed: self.elapsed.saturating_sub(earlier.elapsed),
            rss: ByteChange::between(earlier.rss, self.rss),
            vms: ByteChange::between(earlier.vms, self.vms),
            peak_rss: ByteChange::between(earlier.peak_rss, self.peak_rss),
            available: ByteChange::between(earlier.available, self.available),
            reserved: ByteChange::between(earlier.reserved, self.reserved),
        }
    }
}

/// A snapshot that was given a name.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LabelledSnapshot {
    /// The name. Several snapshots may share one.
    pub label: String,
    /// How many snapshots were labelled before this one, those no longer kept included.
    pub sequence: u64,
    /// What memory was then.
    pub snapshot: Snapshot,
}

/// What changed between two snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryDelta {
    /// The time between them; zero if they were given in the wrong order.
    pub elapsed: Duration,
    /// Change of resident bytes.
    pub rss: ByteChange,
    /// Change of mapped bytes.
    pub vms: ByteChange,
    /// Change of the kernel's peak.
    pub peak_rss: ByteChange,
    /// Change of what the host has available.
    pub available: ByteChange,
    /// Change of what is reserved.
    pub reserved: ByteChange,
}

/// A number of bytes with a sign: `+12.0 MiB`, `-512 B`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteChange(i64);

impl ByteChange {
    /// From one size to another. A change beyond 8 EiB is given as the nearest that can be counted.
    pub fn between(from: Bytes, to: Bytes) -> ByteChange {
        let change = i128::from(to.get()) - i128::from(from.get());
        ByteChange(i64::try_from(change).unwrap_or(if change < 0 { i64::MIN } else { i64::MAX }))
    }

    /// The plain number, negative for a loss.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for ByteChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        f.pad(&format!("{sign}{}", Bytes(self.0.unsigned_abs())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_have_a_sign_and_do_not_overflow() {
        let shown = |from, to| ByteChange::between(from, to).to_string();
        assert_eq!(shown(Bytes::mib(1), Bytes::mib(13)), "+12.0 MiB");
        assert_eq!(shown(Bytes(512), Bytes(0)), "-512 B");
        assert_eq!(shown(Bytes(5), Bytes(5)), "+0 B");
        assert_eq!(ByteChange::between(Bytes::MAX, Bytes::ZERO).get(), i64::MIN);
        assert_eq!(ByteChange::between(Bytes::ZERO, Bytes::MAX).get(), i64::MAX);
        assert_eq!(shown(Bytes::MAX, Bytes::ZERO), "-8.0 EiB");
    }
}
