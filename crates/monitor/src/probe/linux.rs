//! Linux: `/proc/self` and `/proc/meminfo`, by positioned reads on descriptors that stay open.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::cgroup::Cgroup;
use super::{Limits, Probe, Reading};
use crate::bytes::Bytes;
use crate::error::Error;

/// Reads what the kernel keeps about this process, its control groups and the host.
///
/// Sources: `VmRSS`, `VmSize` and `VmHWM` of `/proc/self/status`, `MemAvailable` and `MemTotal` of
/// `/proc/meminfo`, and, where resident bytes are all that is asked for, `/proc/self/statm`, which costs a
/// tenth; see `proc(5)`.
///
/// The descriptors belong to the process that opened them: after a bare `fork`, a child reads its parent's
/// figures.
#[derive(Debug)]
pub struct LinuxProbe {
    statm: Source,
    status: Source,
    meminfo: Source,
    page_size: u64,
    cgroup: Cgroup,
}

impl LinuxProbe {
    /// Opens the kernel's files and finds the control groups of this process.
    ///
    /// # Errors
    ///
    /// If `/proc` is not mounted, or a file in it cannot be opened or understood.
    pub fn open() -> Result<LinuxProbe, Error> {
        Ok(LinuxProbe {
            statm: Source::open("/proc/self/statm")?,
            status: Source::open("/proc/self/status")?,
            meminfo: Source::open("/proc/meminfo")?,
            page_size: rustix::param::page_size() as u64,
            cgroup: Cgroup::find(Path::new("/proc/self"), Path::new("/"))?,
        })
    }

    /// What the control groups of this process hold and could still take; `None` if none of them counts
    /// memory.
    ///
    /// # Errors
    ///
    /// If a group's file cannot be read or understood.
    pub fn cgroup_usage(&self) -> Result<Option<super::CgroupUsage>, Error> {
        self.cgroup.usage()
    }
}

impl Probe for LinuxProbe {
    fn read(&self) -> Result<Reading, Error> {
        // All three from one file, so that the peak is never below the size that it is shown beside.
        let (rss, vms, peak_rss) = self.status.with_text(|text| {
            let field = |name| kib_field(text, name);
            field("VmRSS:")
                .zip(field("VmSize:"))
                .zip(field("VmHWM:"))
                .map(|((rss, vms), peak)| (rss, vms, peak))
                .ok_or_else(|| {
                    self.status.malformed("lines `VmSize: N kB`, `VmHWM: N kB` and `VmRSS: N kB`", text)
                })
        })?;
        let (available, total) = host_memory(&self.meminfo)?;
        Ok(Reading { rss, vms, peak_rss, available, total })
    }

    fn limits(&self) -> Result<Limits, Error> {
        let (available, total) = host_memory(&self.meminfo)?;
        let (cgroup, soft) = self.cgroup.limits()?;
        Ok(Limits { cgroup, soft, available, total })
    }

    fn rss(&self) -> Result<Bytes, Error> {
        self.statm.with_text(|text| match text.split_ascii_whitespace().nth(1).map(str::parse::<u64>) {
            Some(Ok(pages)) => Ok(Bytes(pages.saturating_mul(self.page_size))),
            _ => Err(self.statm.malformed("numbers of pages, the second of them resident", text)),
        })
    }

    fn peak_rss(&self) -> Result<Bytes, Error> {
        self.status.with_text(|text| {
            kib_field(text, "VmHWM:").ok_or_else(|| self.status.malformed("a line `VmHWM: N kB`", text))
        })
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

/// A kernel file that is written anew for each read from its start.
#[derive(Debug)]
struct Source {
    file: File,
    path: PathBuf,
}

/// `statm` takes some 40 bytes, the other two about 1 500 each.
const USUAL_SIZE: usize = 4096;

impl Source {
    fn open(path: &str) -> Result<Source, Error> {
        let file = File::open(path).map_err(|source| Error::read(path, source))?;
        Ok(Source { file, path: path.into() })
    }

    fn malformed(&self, expected: &'static str, found: &str) -> Error {
        Error::malformed(&self.path, expected, found)
    }

    /// Reads the file into a buffer on the stack, so that watching memory takes none.
    ///
    /// What does not fit is left out: every field that is asked for stands before the lines whose length has
    /// no bound, save `Groups:` of a process with hundreds of groups, for which there is a second, longer
    /// read.
    fn with_text<T>(&self, parse: impl Fn(&str) -> Result<T, Error>) -> Result<T, Error> {
        let mut buffer = [0; USUAL_SIZE];
        let filled = self.read_from_start(&mut buffer)?;
        if filled < buffer.len() {
            return parse(&String::from_utf8_lossy(&buffer[..filled]));
        }
        // 65 536 groups of up to ten digits and a space each is the kernel's own bound.
        let mut long = vec![0; 1 << 20];
        let filled = self.read_from_start(&mut long)?;
        parse(&String::from_utf8_lossy(&long[..filled]))
    }

    fn read_from_start(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        loop {
            match self.file.read_at(buffer, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map_err(|source| Error::read(&self.path, source)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
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
    fn fields_behind_a_long_line_are_found() {
        let (_folder, source) = source(&format!("Groups:\t{}\nVmHWM:\t5 kB\n", "1000 ".repeat(9000)));
        let peak = source.with_text(|text| Ok(kib_field(text, "VmHWM:")));
        assert_eq!(peak.unwrap(), Some(Bytes::kib(5)));
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
        let reading = probe.read().unwrap();
        assert!(reading.rss > Bytes::ZERO && reading.rss <= reading.peak_rss);
        assert!(reading.rss <= reading.vms);
        assert!(reading.available <= reading.total && reading.rss < reading.total);
        // Two counts of the same pages at different times: the same order of magnitude is all that can be
        // said.
        let rss = probe.rss().unwrap();
        assert!(rss.get() / 4 < reading.rss.get() && reading.rss.get() / 4 < rss.get(), "{rss} {reading:?}");
        assert_eq!(probe.limits().unwrap().total, reading.total);
    }
}
