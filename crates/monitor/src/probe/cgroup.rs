//! Control groups: which bound this process, and what they could still take.
//!
//! A limit may sit on any ancestor, in version 1 as in version 2: all that count memory are looked at.

use std::path::Path;

use super::hierarchy::{Group, Version, groups};
use super::pressure::{self, Pressure};
use super::source::Source;
use crate::bytes::Bytes;
use crate::error::Error;

/// What the control groups of a process hold and could still take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CgroupUsage {
    /// Bytes charged to the process's own group, page cache included.
    pub current: Bytes,
    /// The least hard limit of the group and its ancestors; `None` if none has one.
    pub limit: Option<Bytes>,
    /// What the tightest group could still take, counting clean page cache as free, since the kernel drops it
    /// on demand: the least of `max − current + inactive_file + active_file − dirty − writeback` over the
    /// group and its ancestors, from 0 to `max`. `None` if no group has a limit.
    pub headroom: Option<Bytes>,
}

/// The control groups that count the memory of one process, as they were when it was asked for: a process
/// that is moved to another group later is not followed.
#[derive(Debug)]
pub(crate) struct Cgroup {
    /// Each hierarchy from the process's own group up to the mount point.
    levels: Vec<Level>,
    /// Of the process's own group in version 2.
    pressure: Option<Source>,
}

/// One group, by descriptors that stay open: opening a file costs more than reading it.
#[derive(Debug)]
struct Level {
    version: Version,
    is_own: bool,
    max: Option<Source>,
    high: Option<Source>,
    current: Option<Source>,
    peak: Option<Source>,
    stat: Option<Source>,
}

impl Version {
    fn max_file(self) -> &'static str {
        match self {
            Version::One => "memory.limit_in_bytes",
            Version::Two => "memory.max",
        }
    }

    fn current_file(self) -> &'static str {
        match self {
            Version::One => "memory.usage_in_bytes",
            Version::Two => "memory.current",
        }
    }

    fn peak_file(self) -> &'static str {
        match self {
            Version::One => "memory.max_usage_in_bytes",
            Version::Two => "memory.peak",
        }
    }

    /// Lines of `memory.stat`: clean and dirty page cache on either list, and what of it is not clean.
    ///
    /// In version 1 the plain names leave out the groups below; the totals match `memory.usage_in_bytes`.
    fn cache_fields(self) -> ([&'static str; 2], [&'static str; 2]) {
        match self {
            Version::One => {
                (["total_inactive_file", "total_active_file"], ["total_dirty", "total_writeback"])
            }
            Version::Two => (["inactive_file", "active_file"], ["file_dirty", "file_writeback"]),
        }
    }
}

/// Version 1 writes "no limit" as the largest multiple of the page size below 2⁶³, whatever the page size is.
const UNLIMITED: u64 = 1 << 62;

impl Cgroup {
    /// Finds the groups of the process whose `/proc` folder is `process`, under mount points that are taken
    /// relative to `root`. A process without control groups has no levels.
    pub(crate) fn find(process: &Path, root: &Path) -> Result<Cgroup, Error> {
        let groups = groups(process, root)?;
        let own = groups.iter().find(|group| group.is_own && group.version == Version::Two);
        let pressure = match own {
            Some(group) => Source::open_if_there(&group.folder.join("memory.pressure"))?,
            None => None,
        };
        let levels = groups.iter().map(Level::open).collect::<Result<_, Error>>()?;
        Ok(Cgroup { levels, pressure })
    }

    /// The least hard limit and the least soft limit.
    pub(crate) fn limits(&self) -> Result<(Option<Bytes>, Option<Bytes>), Error> {
        let (mut hard, mut soft) = (None, None);
        for level in &self.levels {
            hard = least(hard, number(&level.max)?);
            soft = least(soft, number(&level.high)?);
        }
        Ok((hard, soft))
    }

    /// `None` if no group counts memory.
    pub(crate) fn usage(&self) -> Result<Option<CgroupUsage>, Error> {
        let mut usage: Option<CgroupUsage> = None;
        for level in &self.levels {
            let Some(current) = number(&level.current)? else { continue };
            let usage = usage.get_or_insert(CgroupUsage { current, limit: None, headroom: None });
            if let Some(max) = number(&level.max)? {
                usage.limit = least(usage.limit, Some(max));
                usage.headroom = least(usage.headroom, Some(level.headroom(max, current)?));
            }
        }
        Ok(usage)
    }

    /// The most that was ever charged to the process's own group, page cache included.
    pub(crate) fn peak(&self) -> Result<Option<Bytes>, Error> {
        let mut peak = None;
        for level in self.levels.iter().filter(|level| level.is_own) {
            peak = peak.or(number(&level.peak)?);
        }
        Ok(peak)
    }

    /// Makes [`Cgroup::peak`] begin anew. In version 1 for everybody who reads it, in version 2 (from Linux
    /// 6.12 on) for this descriptor alone.
    pub(crate) fn reset_peak(&self) -> Result<(), Error> {
        let own = self.levels.iter().filter(|level| level.is_own);
        match own.filter_map(|level| level.peak.as_ref()).next() {
            // Version 1 wants this number, version 2 takes any text.
            Some(peak) => peak.write("0"),
            None => Err(Error::unsupported()),
        }
    }

    /// How long the process's own group waited for memory; `None` outside of version 2.
    pub(crate) fn pressure(&self) -> Result<Option<Pressure>, Error> {
        self.pressure.as_ref().map_or(Ok(None), pressure::read)
    }
}

/// The number in a file of a group; `None` if there is no such file or it says that there is no limit.
fn number(source: &Option<Source>) -> Result<Option<Bytes>, Error> {
    let Some(source) = source else { return Ok(None) };
    let number = source.with_short_text_if_there(|text| match text.trim() {
        "max" => Ok(None),
        number => match number.parse::<u64>() {
            Ok(bytes) => Ok((bytes < UNLIMITED).then_some(Bytes(bytes))),
            Err(_) => Err(source.malformed("a number of bytes or `max`", number)),
        },
    })?;
    Ok(number.flatten())
}

impl Level {
    fn open(group: &Group) -> Result<Level, Error> {
        let open = |file| Source::open_if_there(&group.folder.join(file));
        Ok(Level {
            version: group.version,
            is_own: group.is_own,
            max: open(group.version.max_file())?,
            high: match group.version {
                Version::One => None,
                Version::Two => open("memory.high")?,
            },
            current: open(group.version.current_file())?,
            peak: match group.is_own {
                true => Source::open_writable_if_there(&group.folder.join(group.version.peak_file()))?,
                false => None,
            },
            stat: open("memory.stat")?,
        })
    }

    fn headroom(&self, max: Bytes, current: Bytes) -> Result<Bytes, Error> {
        let (cached, unclean) = self.version.cache_fields();
        let clean = self.stat.as_ref().map_or(Ok(None), |stat| {
            stat.with_text_if_there(|text| {
                let fields = text.lines().filter_map(|line| line.split_once(' '));
                let mut clean = 0i128;
                for (name, value) in fields {
                    let value = || value.parse::<u64>().map_or(0, i128::from);
                    if cached.contains(&name) {
                        clean += value();
                    } else if unclean.contains(&name) {
                        clean -= value();
                    }
                }
                Ok(clean)
            })
        })?;
        // The files are read one after the other and may contradict each other: dirty pages are never more
        // than are cached, and no more can be given than the group may have.
        let clean = clean.unwrap_or(0).max(0);
        let room = i128::from(max.get()) - i128::from(current.get()) + clean;
        Ok(Bytes(u64::try_from(room.max(0)).unwrap_or(u64::MAX)).min(max))
    }
}

fn least(a: Option<Bytes>, b: Option<Bytes>) -> Option<Bytes> {
    a.into_iter().chain(b).min()
}

#[cfg(test)]
mod tests;
