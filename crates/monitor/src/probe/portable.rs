//! Other systems, through the `sysinfo` crate.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use sysinfo::{MemoryRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::{Limits, Probe, Reading};
use crate::bytes::Bytes;
use crate::error::Error;
use crate::locks::locked;

/// Reads what macOS, Windows and the BSDs say about this process and its host.
///
/// It costs tens of microseconds a reading. The peak is the system's own on Unix (`ru_maxrss`, which on some systems
/// begins with the size of the process that started this one: never below the peak, but perhaps above); on Windows it
/// is the highest that this probe has read, so that a sampler makes it truer. There are no control groups, no pressure
/// and no page faults here.
#[derive(Debug)]
pub struct SysinfoProbe {
    system: Mutex<System>,
    pid: Pid,
    /// The highest resident size that was read.
    highest: AtomicU64,
}

impl SysinfoProbe {
    /// Finds this process.
    ///
    /// ```
    /// use monitor::{Bytes, Probe, SysinfoProbe};
    ///
    /// let probe = SysinfoProbe::open()?;
    /// let seen = probe.read()?;
    /// assert!(seen.rss > Bytes::ZERO && seen.rss <= seen.peak_rss);
    /// # Ok::<(), monitor::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) on a system that `sysinfo` does not know, and
    /// as for [`Probe::read`].
    pub fn open() -> Result<SysinfoProbe, Error> {
        let pid = sysinfo::get_current_pid().map_err(|_| Error::unsupported())?;
        let system = System::new().map_err(|error| match error {
            sysinfo::Error::Io(source) => Error::read("the system's figures", source),
            _ => Error::unsupported(),
        })?;
        let probe = SysinfoProbe { system: Mutex::new(system), pid, highest: AtomicU64::new(0) };
        probe.read()?;
        Ok(probe)
    }
}

impl Probe for SysinfoProbe {
    fn read(&self) -> Result<Reading, Error> {
        let mut system = locked(&self.system);
        let memory = ProcessRefreshKind::nothing().with_memory();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[self.pid]), false, memory);
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let process = system.process(self.pid).ok_or_else(Error::unsupported)?;
        let rss = Bytes(process.memory());
        let highest = self.highest.fetch_max(rss.get(), Ordering::Relaxed);
        Ok(Reading {
            rss,
            vms: Bytes(process.virtual_memory()),
            peak_rss: Bytes(highest).max(rss).max(system_peak()),
            available: Bytes(system.available_memory()),
            total: Bytes(system.total_memory()),
            ..Reading::default()
        })
    }

    fn limits(&self) -> Result<Limits, Error> {
        let Reading { available, total, .. } = self.read()?;
        Ok(Limits { available, total, ..Limits::default() })
    }
}

#[cfg(unix)]
fn system_peak() -> Bytes {
    use nix::sys::resource::{UsageWho, getrusage};
    let max_rss = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss());
    let max_rss = u64::try_from(max_rss).unwrap_or(0);
    // Apple counts bytes, everybody else KiB.
    if cfg!(target_vendor = "apple") { Bytes(max_rss) } else { Bytes::kib(max_rss) }
}

#[cfg(not(unix))]
fn system_peak() -> Bytes {
    Bytes::ZERO
}

/// On Linux, where the native probe says what is true.
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::hint::black_box;
    use std::process::Command;

    use super::*;
    use crate::probe::LinuxProbe;

    const CHILD: &str = "MONITOR_TEST_CHILD";
    /// Both read the same counters of the kernel, one after the other: what this test's own process allocates in
    /// between, which is `sysinfo`'s buffers, and pages that a processor has not added up yet.
    const SLACK: Bytes = Bytes::mib(2);
    /// Of a host where others work: what they may take or give within microseconds.
    const HOST_SLACK: Bytes = Bytes::mib(256);

    /// In a process of its own, since other tests of this one allocate at the same time.
    #[test]
    fn it_agrees_with_the_native_probe() {
        if std::env::var_os(CHILD).is_some() {
            return compare_at_several_sizes();
        }
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "probe::portable::tests::it_agrees_with_the_native_probe", "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{said}{}", String::from_utf8_lossy(&child.stderr));
        assert!(said.contains("1 passed"), "{said}");
    }

    #[track_caller]
    fn near(what: &str, portable: Bytes, native: Bytes, slack: Bytes) {
        let apart = portable.get().abs_diff(native.get());
        assert!(apart <= slack.get(), "{what}: {portable} through sysinfo, {native} natively");
    }

    fn compare_at_several_sizes() {
        let (portable, native) = (SysinfoProbe::open().unwrap(), LinuxProbe::open().unwrap());
        let compare = || {
            let (portable, native) = (portable.read().unwrap(), native.read_anew().unwrap());
            near("resident", portable.rss, native.rss, SLACK);
            near("mapped", portable.vms, native.vms, SLACK);
            near("available", portable.available, native.available, HOST_SLACK);
            assert_eq!(portable.total, native.total);
            assert!(portable.rss <= portable.peak_rss);
            (portable, native)
        };
        let (start, _) = compare();
        // What was inherited from the process that started this one is left behind.
        let size = start.peak_rss.saturating_add(Bytes::mib(32));
        let block = black_box(vec![1u8; size.get() as usize]);
        let (held, native) = compare();
        assert!(held.rss.saturating_sub(start.rss) >= size.saturating_sub(SLACK));
        near("peak", held.peak_rss, native.peak_rss, SLACK);
        drop(block);
        let (after, native) = compare();
        assert!(after.rss < size);
        near("peak", after.peak_rss, native.peak_rss, SLACK);
        let limits = portable.limits().unwrap();
        assert_eq!((limits.cgroup, limits.total), (None, after.total));
    }
}
