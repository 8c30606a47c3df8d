//! Linux: `/proc/self`, `/proc/meminfo` and control groups, by positioned reads on descriptors that stay open.

use std::path::Path;
use std::time::Duration;

use super::cgroup::Cgroup;
use super::kept::Kept;
use super::pressure::{self, Pressure};
use super::source::Source;
use super::usage::HighWater;
use super::{CgroupUsage, Limits, Peaks, Probe, Reading};
use crate::bytes::Bytes;
use crate::error::Error;

/// Reads what the kernel keeps about this process, its control groups and the host.
///
/// | figure | source | read |
/// |---|---|---|
/// | `rss`, `vms` | `/proc/self/statm` | every time |
/// | `faults`, and `peak_rss` where it says so | `getrusage` | every time |
/// | `pressure` | `memory.pressure` of the process's group in version 2, else `/proc/pressure/memory` | once per 10 ms |
/// | `available`, `total` | `MemAvailable` and `MemTotal` of `/proc/meminfo` | once per [`refresh`](LinuxProbe::with_refresh) |
/// | `container_*`, `headroom` | `memory.stat` and others of all control groups | once per refresh |
/// | `peak_rss` where `getrusage` has an ancestor's | `VmHWM` of `/proc/self/status` | once per refresh |
///
/// What is read once per refresh is dear, and [`Reading::host_age`] says how old it is; of `available` and
/// `headroom` is taken what the process has grown by since. See `proc(5)`,
/// `cgroups(7)` and `getrusage(2)`.
///
/// The descriptors belong to the process that opened them: after a bare `fork`, a child reads its parent's
/// figures.
///
/// ```
/// use std::time::Duration;
/// use monitor::{LinuxProbe, Probe};
///
/// let probe = LinuxProbe::open()?.with_refresh(Duration::from_millis(10));
/// let reading = probe.read()?;
/// assert!(reading.rss <= reading.peak_rss && reading.available <= reading.total);
/// # Ok::<(), monitor::Error>(())
/// ```
#[derive(Debug)]
pub struct LinuxProbe {
    statm: Source,
    status: Source,
    meminfo: Source,
    /// None on kernels without pressure stall information.
    pressure: Option<Source>,
    page_size: u64,
    cgroup: Cgroup,
    high_water: HighWater,
    refresh: Duration,
    dear: Kept<Dear>,
    stalls: Kept<Option<Pressure>>,
}

/// What is not read every time.
#[derive(Clone, Copy, Debug)]
struct Dear {
    /// The resident size at that time.
    rss: Bytes,
    available: Bytes,
    total: Bytes,
    cgroup: Option<CgroupUsage>,
    /// `VmHWM`, where it was needed.
    peak_rss: Bytes,
}

/// Tells a squeeze of the host in time, at a cost of 0.1 % when read without a pause.
const REFRESH: Duration = Duration::from_millis(100);
/// The stalls are half of what a snapshot would cost, and a rate over less than this says nothing.
const STALLS_REFRESH: Duration = Duration::from_millis(10);

impl LinuxProbe {
    /// Opens the kernel's files and finds the control groups of this process.
    ///
    /// # Errors
    ///
    /// If `/proc` is not mounted, or a file in it cannot be opened or understood.
    pub fn open() -> Result<LinuxProbe, Error> {
        let probe = LinuxProbe {
            statm: Source::open("/proc/self/statm")?,
            status: Source::open("/proc/self/status")?,
            meminfo: Source::open("/proc/meminfo")?,
            pressure: Source::open_if_there(Path::new("/proc/pressure/memory"))?,
            page_size: rustix::param::page_size() as u64,
            cgroup: Cgroup::find(Path::new("/proc/self"), Path::new("/"))?,
            high_water: HighWater::default(),
            refresh: REFRESH,
            dear: Kept::nothing(),
            stalls: Kept::nothing(),
        };
        probe.high_water.calibrate(|| probe.vm_hwm())?;
        Ok(probe)
    }

    /// How old the figures of the host and the container may become: 100 ms unless told otherwise. Zero reads
    /// them every time, at ten times the price.
    ///
    /// ```
    /// use std::time::Duration;
    /// use monitor::{LinuxProbe, Probe};
    ///
    /// let probe = LinuxProbe::open()?.with_refresh(Duration::ZERO);
    /// assert_eq!(probe.read()?.host_age, Duration::ZERO);
    /// # Ok::<(), monitor::Error>(())
    /// ```
    #[must_use]
    pub fn with_refresh(self, refresh: Duration) -> LinuxProbe {
        LinuxProbe { refresh, ..self }
    }

    /// What the control groups of this process hold and could still take, read anew; `None` if none of them
    /// counts memory.
    ///
    /// # Errors
    ///
    /// If a group's file cannot be read or understood.
    ///
    /// ```
    /// let probe = monitor::LinuxProbe::open()?;
    /// if let Some(usage) = probe.cgroup_usage()? {
    ///     assert!(usage.headroom <= usage.limit);
    /// }
    /// # Ok::<(), monitor::Error>(())
    /// ```
    pub fn cgroup_usage(&self) -> Result<Option<CgroupUsage>, Error> {
        self.cgroup.usage()
    }

    /// All figures anew and by the plainest way: the three sizes of this process from one text,
    /// `/proc/self/status`, and nothing kept from an earlier reading. Dear; [`Probe::read`] is tested against
    /// it.
    ///
    /// # Errors
    ///
    /// As for [`Probe::read`].
    ///
    /// ```
    /// let reading = monitor::LinuxProbe::open()?.read_anew()?;
    /// assert!(reading.rss <= reading.peak_rss && reading.host_age.is_zero());
    /// # Ok::<(), monitor::Error>(())
    /// ```
    pub fn read_anew(&self) -> Result<Reading, Error> {
        let (rss, vms, peak_rss) = self.status_sizes()?;
        let (available, total) = host_memory(&self.meminfo)?;
        let cgroup = self.cgroup.usage()?;
        Ok(Reading {
            rss,
            vms,
            peak_rss,
            available,
            total,
            container_limit: cgroup.and_then(|usage| usage.limit),
            container_used: cgroup.map(|usage| usage.current),
            headroom: cgroup.and_then(|usage| usage.headroom),
            host_age: Duration::ZERO,
            pressure: self.read_pressure()?,
            faults: Some(self.high_water.read()?.faults),
        })
    }

    /// Mapped and resident bytes.
    fn sizes(&self) -> Result<(Bytes, Bytes), Error> {
        self.statm.with_short_text(|text| {
            let mut pages = text.split_ascii_whitespace().map(str::parse::<u64>);
            match (pages.next(), pages.next()) {
                (Some(Ok(mapped)), Some(Ok(resident))) => {
                    let bytes = |pages: u64| Bytes(pages.saturating_mul(self.page_size));
                    Ok((bytes(mapped), bytes(resident)))
                }
                _ => Err(self.statm.malformed("numbers of pages, the second of them resident", text)),
            }
        })
    }

    fn read_pressure(&self) -> Result<Option<Pressure>, Error> {
        match (self.cgroup.pressure()?, &self.pressure) {
            (None, Some(host)) => pressure::read(host),
            (own, _) => Ok(own),
        }
    }

    fn read_dear(&self, rss: Bytes) -> Result<Dear, Error> {
        let (available, total) = host_memory(&self.meminfo)?;
        let peak_rss = match self.high_water.read()?.peak_rss {
            Some(peak) => peak,
            None => self.vm_hwm()?,
        };
        Ok(Dear { rss, available, total, cgroup: self.cgroup.usage()?, peak_rss })
    }

    fn vm_hwm(&self) -> Result<Bytes, Error> {
        self.status.with_text(|text| {
            kib_field(text, "VmHWM:").ok_or_else(|| self.status.malformed("a line `VmHWM: N kB`", text))
        })
    }

    /// The sizes of this process from one text, so that they agree with each other: resident, mapped, peak.
    fn status_sizes(&self) -> Result<(Bytes, Bytes, Bytes), Error> {
        self.status.with_text(|text| {
            let field = |name| kib_field(text, name);
            field("VmRSS:")
                .zip(field("VmSize:"))
                .zip(field("VmHWM:"))
                .map(|((rss, vms), peak)| (rss, vms, peak))
                .ok_or_else(|| {
                    self.status.malformed("lines `VmSize: N kB`, `VmHWM: N kB` and `VmRSS: N kB`", text)
                })
        })
    }
}

impl Probe for LinuxProbe {
    fn read(&self) -> Result<Reading, Error> {
        let (vms, rss) = self.sizes()?;
        let usage = self.high_water.read()?;
        let (dear, host_age) = self.dear.get(self.refresh, || self.read_dear(rss))?;
        let (pressure, _) = self.stalls.get(self.refresh.min(STALLS_REFRESH), || self.read_pressure())?;
        // What this process has grown by since is no longer there to be taken.
        let grown = rss.saturating_sub(dear.rss);
        Ok(Reading {
            rss,
            vms,
            // The kernel adds pages up by processor: its mark may lag behind the size that was just read.
            peak_rss: usage.peak_rss.unwrap_or(dear.peak_rss).max(rss),
            available: dear.available.saturating_sub(grown),
            total: dear.total,
            container_limit: dear.cgroup.and_then(|usage| usage.limit),
            container_used: dear.cgroup.map(|usage| usage.current),
            headroom: dear.cgroup.and_then(|usage| usage.headroom).map(|room| room.saturating_sub(grown)),
            host_age,
            pressure,
            faults: Some(usage.faults),
        })
    }

    fn limits(&self) -> Result<Limits, Error> {
        let (available, total) = host_memory(&self.meminfo)?;
        let (cgroup, soft) = self.cgroup.limits()?;
        Ok(Limits { cgroup, soft, available, total })
    }

    fn rss(&self) -> Result<Bytes, Error> {
        Ok(self.sizes()?.1)
    }

    /// `VmHWM` itself, which others who watch this process see.
    fn peak_rss(&self) -> Result<Bytes, Error> {
        self.vm_hwm()
    }

    fn peaks(&self) -> Result<Peaks, Error> {
        let (rss, _, peak_rss) = self.status_sizes()?;
        Ok(Peaks { rss, peak_rss, container_peak: self.cgroup.peak()? })
    }

    /// By writing 5 to `/proc/self/clear_refs`, see `proc_pid_clear_refs(5)`.
    fn reset_peak_rss(&self) -> Result<(), Error> {
        let path = "/proc/self/clear_refs";
        std::fs::write(path, "5").map_err(|source| Error::write(path, source))?;
        self.dear.forget();
        self.high_water.calibrate(|| self.vm_hwm())
    }

    /// By writing to the group's peak: in version 1 it begins anew for everybody, in version 2 (from Linux
    /// 6.12 on) for this probe alone.
    fn reset_container_peak(&self) -> Result<(), Error> {
        self.cgroup.reset_peak()
    }
}

/// `MemAvailable` and `MemTotal`.
fn host_memory(meminfo: &Source) -> Result<(Bytes, Bytes), Error> {
    meminfo.with_text(|text| {
        let total = kib_field(text, "MemTotal:");
        // Kernels before 3.14 have no estimate of their own; free plus cached is the old rule of thumb.
        let available = kib_field(text, "MemAvailable:")
            .or_else(|| Some(kib_field(text, "MemFree:")?.saturating_add(kib_field(text, "Cached:")?)));
        available
            .zip(total)
            .ok_or_else(|| meminfo.malformed("lines `MemTotal: N kB` and `MemAvailable: N kB`", text))
    })
}

/// The value of the line that starts with `name`. What the kernel writes as kB is KiB.
fn kib_field(text: &str, name: &str) -> Option<Bytes> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim_end().parse().ok().map(Bytes::kib)
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    fn source(text: &str) -> (tempfile::TempDir, Source) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, text).unwrap();
        let source = Source::open(path.to_str().unwrap()).unwrap();
        (folder, source)
    }

    #[test]
    fn a_field_is_a_whole_line_in_kib() {
        let text = "Name:\tVmHWM: 9 kB\nVmHWM:\t    1752 kB\nVmRSS:\t9 MB\n";
        assert_eq!(kib_field(text, "VmHWM:"), Some(Bytes::kib(1752)));
        assert_eq!(kib_field(text, "VmRSS:"), None);
        assert_eq!(kib_field(text, "VmSize:"), None);
    }

    #[test]
    fn a_kernel_without_an_estimate_counts_free_and_cached() {
        let (_folder, old) = source("MemTotal: 100 kB\nMemFree: 10 kB\nBuffers: 1 kB\nCached: 20 kB\n");
        assert_eq!(host_memory(&old).unwrap(), (Bytes::kib(30), Bytes::kib(100)));
        let (_folder, new) = source("MemTotal: 100 kB\nMemFree: 10 kB\nMemAvailable: 25 kB\nCached: 20 kB\n");
        assert_eq!(host_memory(&new).unwrap(), (Bytes::kib(25), Bytes::kib(100)));
        let (folder, broken) = source("MemTotal: lots\n");
        assert_eq!(
            host_memory(&broken).unwrap_err().to_string(),
            format!(
                "{} should hold lines `MemTotal: N kB` and `MemAvailable: N kB`, but holds `MemTotal: lots`",
                folder.path().join("file").display()
            )
        );
    }

    #[test]
    fn a_reading_of_this_process_agrees_with_itself() {
        let probe = LinuxProbe::open().unwrap();
        for reading in [probe.read().unwrap(), probe.read().unwrap(), probe.read_anew().unwrap()] {
            assert!(reading.rss > Bytes::ZERO && reading.rss <= reading.peak_rss);
            assert!(reading.rss <= reading.vms);
            assert!(reading.available <= reading.total && reading.rss < reading.total);
            assert!(reading.faults.unwrap().minor > 0);
            assert!(reading.headroom <= reading.container_limit);
        }
        assert_eq!(probe.limits().unwrap().total, probe.read().unwrap().total);
    }

    #[test]
    fn dear_figures_age_until_they_are_refreshed() {
        let kept = LinuxProbe::open().unwrap().with_refresh(Duration::MAX);
        assert_eq!(kept.read().unwrap().host_age, Duration::ZERO);
        let (first, second) = (kept.read().unwrap(), kept.read().unwrap());
        assert!(Duration::ZERO < first.host_age && first.host_age < second.host_age);

        let fresh = LinuxProbe::open().unwrap().with_refresh(Duration::ZERO);
        assert_eq!((fresh.read().unwrap().host_age, fresh.read().unwrap().host_age), Default::default());
    }

    #[test]
    fn what_the_process_grew_by_is_not_available_any_more() {
        const BLOCK: Bytes = Bytes::mib(64);
        let probe = LinuxProbe::open().unwrap().with_refresh(Duration::MAX);
        let before = probe.read().unwrap();
        let block = black_box(vec![1u8; BLOCK.get() as usize]);
        let after = probe.read().unwrap();
        let grown = after.rss.saturating_sub(before.rss);
        assert!(grown >= Bytes::mib(48), "{grown}");
        // Age alone does not change it: it was not read again.
        assert_eq!(after.available, before.available.saturating_sub(grown));
        drop(block);
    }
}
