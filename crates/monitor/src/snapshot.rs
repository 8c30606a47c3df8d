//! What memory was at one time, and what changed between two.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::bytes::Bytes;
use crate::probe::{PageFaults, Pressure};

/// What memory was at one time.
///
/// Shown, it is the line for a log:
///
/// ```
/// use monitor::{Budget, Bytes, Monitor, Reading, Scripted};
///
/// let seen = Reading {
///     rss: Bytes::mib(48),
///     peak_rss: Bytes::mib(52),
///     available: Bytes::mib(700),
///     total: Bytes::gib(1),
///     ..Reading::default()
/// };
/// let monitor = Monitor::builder()
///     .with_budget(Budget::new(Bytes::mib(64)))
///     .with_probe(Scripted::new([seen]))
///     .build()?;
/// assert_eq!(
///     monitor.snapshot()?.to_string(),
///     "48.0 MiB resident (4.7 % of 1.0 GiB), peak 52.0 MiB, limit 64.0 MiB, 0 B reserved, 700.0 MiB available"
/// );
/// # Ok::<(), monitor::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
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
    /// The highest `rss` so far, as the kernel kept it. Never below `rss`, and never below that of an earlier
    /// snapshot of the same monitor.
    pub peak_rss: Bytes,
    /// How large this process may become: the effective limit, the least of the budget's limit, the control
    /// groups' hard limit, `rss` and `headroom` together, and `rss` and `available` together. `None` if none
    /// of them is known.
    pub limit: Option<Bytes>,
    /// The least hard limit among the process's control group and that group's ancestors.
    pub container_limit: Option<Bytes>,
    /// Bytes charged to the process's control group, page cache included.
    pub container_used: Option<Bytes>,
    /// Bytes that the tightest of these groups could still take, clean page cache counted as free. `None`
    /// without a limit.
    pub headroom: Option<Bytes>,
    /// How long before this snapshot the figures of the host and the container (`available`, `total`,
    /// `container_limit`, `container_used`, `headroom`) were read.
    pub host_age: Duration,
    /// How long work waited for memory, at most 10 ms before; `None` where the system does not keep it.
    pub pressure: Option<Pressure>,
    /// Page faults of this process so far; `None` where the system does not count them.
    pub faults: Option<PageFaults>,
    /// Bytes reserved from the monitor's budget.
    pub reserved: Bytes,
    /// Reservations that are alive, those of zero bytes included.
    pub reservations: u64,
    /// What the allocator says is in use; `None` unless the monitor was
    /// [told how to ask](crate::MonitorBuilder::with_allocations).
    pub allocations: Option<AllocationCounts>,
}

/// What a counting allocator says is in use.
///
/// ```
/// use monitor::{AllocationCounts, Bytes, Monitor, Reading, Scripted};
///
/// // A program with a counting allocator asks that one.
/// let counts = || AllocationCounts { live_bytes: Bytes(300), live_allocations: 2 };
/// let probe = Scripted::new([Reading::default()]);
/// let monitor = Monitor::builder().with_probe(probe).with_allocations(counts).build()?;
/// assert_eq!(monitor.snapshot()?.allocations, Some(counts()));
/// # Ok::<(), monitor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllocationCounts {
    /// Bytes that were asked for and not given back.
    pub live_bytes: Bytes,
    /// Blocks that were asked for and not given back.
    pub live_allocations: u64,
}

impl Snapshot {
    /// What changed from `earlier` to this one.
    ///
    /// ```
    /// use monitor::{Bytes, Monitor, Reading, Scripted};
    ///
    /// let at = |mib| Reading { rss: Bytes::mib(mib), ..Reading::default() };
    /// let monitor = Monitor::builder().with_probe(Scripted::new([at(10), at(7)])).build()?;
    /// let (before, after) = (monitor.snapshot()?, monitor.snapshot()?);
    /// assert_eq!(after.since(&before).rss.to_string(), "-3.0 MiB");
    /// # Ok::<(), monitor::Error>(())
    /// ```
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

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} resident", self.rss)?;
        if self.total > Bytes::ZERO {
            write!(f, " ({:.1} % of {})", self.percent, self.total)?;
        }
        write!(f, ", peak {}", self.peak_rss)?;
        if let Some(limit) = self.limit {
            write!(f, ", limit {limit}")?;
        }
        write!(f, ", {} reserved", self.reserved)?;
        if let Some(counts) = self.allocations {
            write!(f, ", {} allocated", counts.live_bytes)?;
        }
        if let Some(headroom) = self.headroom {
            write!(f, ", headroom {headroom}")?;
        }
        write!(f, ", {} available", self.available)?;
        match self.pressure {
            Some(pressure) if pressure.some.avg10 > 0.0 => {
                write!(f, ", {:.2} % of the last 10 s waited for memory", pressure.some.avg10)
            }
            _ => Ok(()),
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
