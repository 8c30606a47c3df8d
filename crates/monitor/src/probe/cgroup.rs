//! Control groups: which bound this process, and what they could still take.
//!
//! Version 1 and version 2 may be mounted side by side, and a limit may sit on any ancestor. All that count
//! memory are found through `/proc/self/cgroup` and `/proc/self/mountinfo`, see `cgroups(7)` and
//! `proc_pid_mountinfo(5)`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::bytes::Bytes;
use crate::error::Error;

/// What the control groups of a process hold and could still take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CgroupUsage {
    /// Bytes charged to the process's own group, page cache included.
    pub current: Bytes,
    /// What the tightest group could still take, counting clean page cache as free, since the kernel drops it
    /// on demand: the least of `max − current + inactive_file + active_file − dirty − writeback` over the
    /// group and its ancestors, from 0 to `max`. `None` if no group has a limit.
    pub headroom: Option<Bytes>,
}

/// The control groups that count the memory of one process.
#[derive(Debug)]
pub(crate) struct Cgroup {
    /// Each hierarchy from the process's own group up to the mount point.
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    folder: PathBuf,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
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
        let memberships = read_if_there(&process.join("cgroup"))?.unwrap_or_default();
        let mountinfo = read_if_there(&process.join("mountinfo"))?.unwrap_or_default();
        let mounts: Vec<Mount> = mountinfo.lines().filter_map(Mount::parse).collect();

        let mut levels = Vec::new();
        for (version, group) in memberships.lines().filter_map(memory_membership) {
            // A later mount covers an earlier one.
            let mount = mounts.iter().rev().filter(|mount| mount.version == version);
            let Some((mount, below)) = mount
                .clone()
                .find_map(|mount| Some((mount, mount.below(group)?)))
                // A group outside of what is mounted here: the mount point is the nearest that can be seen.
                .or_else(|| mount.clone().next().map(|mount| (mount, Path::new(""))))
            else {
                continue;
            };
            let point = root.join(mount.point.strip_prefix("/").unwrap_or(&mount.point));
            levels.extend(below.ancestors().map(|part| Level { folder: point.join(part), version }));
        }
        Ok(Cgroup { levels })
    }

    /// The least hard limit and the least soft limit.
    pub(crate) fn limits(&self) -> Result<(Option<Bytes>, Option<Bytes>), Error> {
        let (mut hard, mut soft) = (None, None);
        for level in &self.levels {
            hard = least(hard, level.number(level.version.max_file())?);
            if level.version == Version::Two {
                soft = least(soft, level.number("memory.high")?);
            }
        }
        Ok((hard, soft))
    }

    /// `None` if no group counts memory.
    pub(crate) fn usage(&self) -> Result<Option<CgroupUsage>, Error> {
        let mut usage: Option<CgroupUsage> = None;
        for level in &self.levels {
            let Some(current) = level.number(level.version.current_file())? else { continue };
            let usage = usage.get_or_insert(CgroupUsage { current, headroom: None });
            if let Some(max) = level.number(level.version.max_file())? {
                usage.headroom = least(usage.headroom, Some(level.headroom(max, current)?));
            }
        }
        Ok(usage)
    }
}

impl Level {
    /// The number in a file of this group; `None` if there is no such file or it says that there is no limit.
    fn number(&self, file: &str) -> Result<Option<Bytes>, Error> {
        let path = self.folder.join(file);
        let Some(text) = read_if_there(&path)? else { return Ok(None) };
        match text.trim() {
            "max" => Ok(None),
            number => match number.parse::<u64>() {
                Ok(bytes) => Ok((bytes < UNLIMITED).then_some(Bytes(bytes))),
                Err(_) => Err(Error::malformed(path, "a number of bytes or `max`", number)),
            },
        }
    }

    fn headroom(&self, max: Bytes, current: Bytes) -> Result<Bytes, Error> {
        let stat = read_if_there(&self.folder.join("memory.stat"))?.unwrap_or_default();
        let sum = |names: [&str; 2]| -> i128 {
            let values = stat.lines().filter_map(|line| line.split_once(' '));
            values
                .filter(|(name, _)| names.contains(name))
                .filter_map(|(_, n)| n.parse::<u64>().ok())
                .map(i128::from)
                .sum()
        };
        let (cached, unclean) = self.version.cache_fields();
        // The files are read one after the other and may contradict each other: dirty pages are never more
        // than are cached, and no more can be given than the group may have.
        let clean = (sum(cached) - sum(unclean)).max(0);
        let room = i128::from(max.get()) - i128::from(current.get()) + clean;
        Ok(Bytes(u64::try_from(room.max(0)).unwrap_or(u64::MAX)).min(max))
    }
}

/// The hierarchy that may count memory and the group's path in it, of one line of `/proc/self/cgroup`.
fn memory_membership(line: &str) -> Option<(Version, &Path)> {
    let mut parts = line.splitn(3, ':');
    let (id, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
    if id == "0" && controllers.is_empty() {
        Some((Version::Two, Path::new(group)))
    } else if controllers.split(',').any(|controller| controller == "memory") {
        Some((Version::One, Path::new(group)))
    } else {
        None
    }
}

/// A mounted hierarchy: `point` shows the group `root` and what is below it.
struct Mount {
    version: Version,
    root: PathBuf,
    point: PathBuf,
}

impl Mount {
    /// Of a line of `mountinfo`: `36 35 98:0 /root /point options [optional…] - type source super-options`.
    fn parse(line: &str) -> Option<Mount> {
        let (mount, filesystem) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (mount.next()?, mount.next()?);
        let mut filesystem = filesystem.split(' ');
        let kind = filesystem.next()?;
        let version = match kind {
            "cgroup2" => Version::Two,
            "cgroup" if filesystem.nth(1)?.split(',').any(|option| option == "memory") => Version::One,
            _ => return None,
        };
        Some(Mount { version, root: unescaped(root), point: unescaped(point) })
    }

    /// Where `group` is below the mount point; `None` if it is not shown there.
    fn below<'a>(&self, group: &'a Path) -> Option<&'a Path> {
        let below = group.strip_prefix(&self.root).ok()?;
        // Seen from inside a namespace, a group outside of it starts with `/..`: not a path to follow.
        let inside = below.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        inside.then_some(below)
    }
}

/// `mountinfo` writes space, tab, newline and backslash as three octal digits after a backslash.
fn unescaped(text: &str) -> PathBuf {
    let mut rest = text;
    let mut path = String::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once('\\') {
        path.push_str(before);
        let code = after.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                path.push(char::from(code));
                rest = &after[3..];
            }
            None => {
                path.push('\\');
                rest = after;
            }
        }
    }
    path.push_str(rest);
    path.into()
}

fn least(a: Option<Bytes>, b: Option<Bytes>) -> Option<Bytes> {
    a.into_iter().chain(b).min()
}

/// The text of a file; `None` if it does not exist or may not be seen, as within many sandboxes.
fn read_if_there(path: &Path) -> Result<Option<String>, Error> {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    match fs::read(path) {
        Ok(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory | PermissionDenied) => Ok(None),
        Err(error) => Err(Error::read(path, error)),
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A made-up root folder with `/proc/self` and mounted hierarchies in it.
    struct Host(TempDir);

    impl Host {
        fn new(memberships: &str, mountinfo: &str) -> Host {
            let host = Host(tempfile::tempdir().unwrap());
            host.write("proc/self/cgroup", memberships);
            host.write("proc/self/mountinfo", mountinfo);
            host
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn cgroup(&self) -> Cgroup {
            Cgroup::find(&self.0.path().join("proc/self"), self.0.path()).unwrap()
        }

        fn limits(&self) -> (Option<u64>, Option<u64>) {
            let (hard, soft) = self.cgroup().limits().unwrap();
            (hard.map(Bytes::get), soft.map(Bytes::get))
        }
    }

    const UNIFIED: &str = "\
        25 1 254:0 / / rw - ext4 /dev/vda rw\n\
        31 25 0:28 / /sys/fs/cgroup rw,nosuid shared:9 master:2 - cgroup2 cgroup2 rw,nsdelegate\n";
    const SPLIT: &str = "\
        33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
    const SPLIT_MEMBER: &str = "4:memory:/jobs/one\n1:cpu,cpuacct:/else\n0::/\n";

    #[test]
    fn version_two_takes_the_least_of_all_ancestors() {
        let host = Host::new("0::/machine/box/job\n", UNIFIED);
        host.write("sys/fs/cgroup/machine/box/job/memory.max", "900\n");
        host.write("sys/fs/cgroup/machine/box/job/memory.high", "max\n");
        host.write("sys/fs/cgroup/machine/box/memory.max", "max\n");
        host.write("sys/fs/cgroup/machine/box/memory.high", "500\n");
        host.write("sys/fs/cgroup/machine/memory.max", "700\n");
        host.write("sys/fs/cgroup/machine/memory.high", "600\n");
        host.write("sys/fs/cgroup/other/memory.max", "1\n");
        assert_eq!(host.limits(), (Some(700), Some(500)));
    }

    #[test]
    fn version_two_without_limits() {
        let host = Host::new("0::/job\n", UNIFIED);
        host.write("sys/fs/cgroup/job/memory.max", "max\n");
        host.write("sys/fs/cgroup/job/memory.current", "123\n");
        assert_eq!(host.limits(), (None, None));
        let usage = CgroupUsage { current: Bytes(123), headroom: None };
        assert_eq!(host.cgroup().usage().unwrap(), Some(usage));
    }

    #[test]
    fn version_one_beside_an_empty_version_two() {
        let host = Host::new(SPLIT_MEMBER, SPLIT);
        host.write("sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes", "9223372036854771712\n");
        host.write("sys/fs/cgroup/memory/jobs/memory.limit_in_bytes", "4096\n");
        host.write("sys/fs/cgroup/memory/jobs/memory.soft_limit_in_bytes", "1\n");
        host.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        host.write("sys/fs/cgroup/unified/cgroup.procs", "1\n");
        assert_eq!(host.limits(), (Some(4096), None));
    }

    #[test]
    fn version_one_unlimited_for_any_page_size() {
        for unlimited in ["9223372036854771712", "9223372036854710272", "9223372036854775807"] {
            let host = Host::new(SPLIT_MEMBER, SPLIT);
            host.write("sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes", unlimited);
            assert_eq!(host.limits(), (None, None));
        }
    }

    #[test]
    fn the_tighter_of_two_versions_counts() {
        let host = Host::new("4:memory:/a\n0::/b\n", SPLIT);
        host.write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "800");
        host.write("sys/fs/cgroup/unified/b/memory.max", "300");
        assert_eq!(host.limits(), (Some(300), None));
    }

    #[test]
    fn a_container_sees_its_group_at_the_mount_point() {
        let mountinfo = "35 31 0:32 /docker/c0ffee /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        let host = Host::new("4:memory:/docker/c0ffee/inner\n", mountinfo);
        host.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "600");
        host.write("sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "500");
        // Not the same path below the mount point.
        host.write("sys/fs/cgroup/memory/docker/c0ffee/inner/memory.limit_in_bytes", "1");
        assert_eq!(host.limits(), (Some(500), None));
    }

    #[test]
    fn a_group_outside_of_the_mount_falls_back_to_the_mount_point() {
        for group in ["0::/../sibling\n", "0::/elsewhere\n"] {
            let root = if group.contains("..") { "/" } else { "/docker/c0ffee" };
            let host =
                Host::new(group, &format!("31 25 0:28 {root} /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"));
            host.write("sys/fs/cgroup/memory.max", "500");
            host.write("sys/fs/sibling/memory.max", "1");
            assert_eq!(host.limits(), (Some(500), None), "{group}");
        }
    }

    #[test]
    fn mount_points_with_escaped_characters() {
        let host = Host::new("0::/job\n", "31 25 0:28 / /mnt/c\\040g\\134x rw - cgroup2 none rw\n");
        host.write("mnt/c g\\x/job/memory.max", "77");
        assert_eq!(host.limits(), (Some(77), None));
        assert_eq!(unescaped("a\\9b\\"), PathBuf::from("a\\9b\\"));
    }

    #[test]
    fn nothing_there_is_no_limit() {
        let empty = tempfile::tempdir().unwrap();
        let cgroup = Cgroup::find(&empty.path().join("proc/self"), empty.path()).unwrap();
        assert_eq!(cgroup.limits().unwrap(), (None, None));
        assert_eq!(cgroup.usage().unwrap(), None);

        let unmounted = Host::new("0::/job\n", "25 1 254:0 / / rw - ext4 /dev/vda rw\n");
        unmounted.write("sys/fs/cgroup/job/memory.max", "1");
        assert_eq!(unmounted.limits(), (None, None));

        let nonsense = Host::new("\n::\nx\n", "- \nx\n1 2 - cgroup\n1 2 3 / /x - cgroup\n");
        assert_eq!(nonsense.limits(), (None, None));
    }

    #[test]
    fn a_limit_that_is_no_number_is_an_error() {
        let host = Host::new("0::/job\n", UNIFIED);
        host.write("sys/fs/cgroup/job/memory.max", "plenty\n");
        let message = host.cgroup().limits().unwrap_err().to_string();
        let end = "sys/fs/cgroup/job/memory.max should hold a number of bytes or `max`, but holds `plenty`";
        assert!(message.ends_with(end), "{message}");
    }

    #[test]
    fn headroom_counts_clean_cache_as_free() {
        let host = Host::new("0::/box/job\n", UNIFIED);
        host.write("sys/fs/cgroup/box/job/memory.current", "400\n");
        host.write("sys/fs/cgroup/box/memory.current", "800\n");
        host.write("sys/fs/cgroup/box/memory.max", "1000\n");
        let stat =
            "anon 300\nfile 500\nfile_dirty 40\nfile_writeback 10\ninactive_file 350\nactive_file 100\n";
        host.write("sys/fs/cgroup/box/memory.stat", stat);
        let usage = host.cgroup().usage().unwrap().unwrap();
        assert_eq!(usage, CgroupUsage { current: Bytes(400), headroom: Some(Bytes(600)) });
        // A tighter group below it.
        host.write("sys/fs/cgroup/box/job/memory.max", "450\n");
        assert_eq!(host.cgroup().usage().unwrap().unwrap().headroom, Some(Bytes(50)));
    }

    #[test]
    fn headroom_of_version_one_reads_the_totals() {
        let host = Host::new(SPLIT_MEMBER, SPLIT);
        host.write("sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes", "1000");
        host.write("sys/fs/cgroup/memory/jobs/one/memory.usage_in_bytes", "900");
        let stat = "dirty 1\ninactive_file 7\ntotal_inactive_file 200\ntotal_active_file 50\ntotal_dirty 20\n\
                    total_writeback 5\n";
        host.write("sys/fs/cgroup/memory/jobs/one/memory.stat", stat);
        assert_eq!(host.cgroup().usage().unwrap().unwrap().headroom, Some(Bytes(325)));
    }

    #[test]
    fn headroom_stays_between_nothing_and_the_limit() {
        for (current, stat, headroom) in [
            ("2000", "", 0),
            ("1100", "inactive_file 50\n", 0),
            ("900", "inactive_file 10\nfile_dirty 500\n", 100),
            ("900", "active_file 5000\n", 1000),
        ] {
            let host = Host::new("0::/job\n", UNIFIED);
            host.write("sys/fs/cgroup/job/memory.max", "1000");
            host.write("sys/fs/cgroup/job/memory.current", current);
            host.write("sys/fs/cgroup/job/memory.stat", stat);
            assert_eq!(
                host.cgroup().usage().unwrap().unwrap().headroom,
                Some(Bytes(headroom)),
                "{current} {stat}"
            );
        }
    }
}
