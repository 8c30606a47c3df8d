//! Where the control groups of a process are: its memberships and the mounted hierarchies.
//!
//! Version 1 and version 2 may be mounted side by side. See `cgroups(7)` and `proc_pid_mountinfo(5)`.

use std::path::{Path, PathBuf};

use super::source::is_absence;
use crate::error::Error;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

/// A group that may count the memory of the process.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) folder: PathBuf,
    pub(super) version: Version,
    /// Whether the process is in this very group, not in one below it.
    pub(super) is_own: bool,
}

/// The groups of the process whose `/proc` folder is `process`, each hierarchy from the process's own group
/// up to the mount point; mount points are taken relative to `root`. Empty for a process without any.
pub(super) fn groups(process: &Path, root: &Path) -> Result<Vec<Group>, Error> {
    let memberships = read_if_there(&process.join("cgroup"))?.unwrap_or_default();
    let mountinfo = read_if_there(&process.join("mountinfo"))?.unwrap_or_default();
    let mounts: Vec<Mount> = mountinfo.lines().filter_map(Mount::parse).collect();

    let mut groups = Vec::new();
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
        let parts = below.ancestors().enumerate();
        groups.extend(parts.map(|(i, part)| Group { folder: point.join(part), version, is_own: i == 0 }));
    }
    Ok(groups)
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

/// The text of a file; `None` if it does not exist or may not be seen, as within many sandboxes.
fn read_if_there(path: &Path) -> Result<Option<String>, Error> {
    match std::fs::read(path) {
        Ok(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(Error::read(path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_mount_points() {
        assert_eq!(unescaped("/mnt/c\\040g\\134x"), PathBuf::from("/mnt/c g\\x"));
        assert_eq!(unescaped("a\\9b\\"), PathBuf::from("a\\9b\\"));
    }
}
