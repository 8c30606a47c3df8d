//! A real control group of version 1 with a limit, and a process in it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use monitor::Bytes;

const CHILD: &str = "MONITOR_TEST_CHILD";

/// A group with a limit, and a group without one in it. Goes when dropped.
pub(crate) struct Group(PathBuf);

impl Group {
    /// Beside the tests' own group; an error where the system does not let it be made.
    pub(crate) fn make(limit: Bytes) -> io::Result<Group> {
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let own = own.lines().find_map(|line| line.split_once(":memory:")).map_or("/", |(_, path)| path);
        let parent = Path::new("/sys/fs/cgroup/memory").join(own.trim_start_matches('/'));
        if !parent.join("memory.limit_in_bytes").exists() {
            return Err(io::Error::other("no control group of version 1 counts memory here"));
        }
        let group = Group(parent.join(format!("monitor-test-{}", std::process::id())));
        fs::create_dir(&group.0)?;
        fs::create_dir(group.inner())?;
        fs::write(group.0.join("memory.limit_in_bytes"), limit.get().to_string())?;
        Ok(group)
    }

    fn inner(&self) -> PathBuf {
        self.0.join("inner")
    }

    /// Runs the test `name` of this program again in the inner group, where [`is_child`] says so.
    pub(crate) fn start(&self, name: &str) -> io::Result<Child> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let moved = fs::write(self.inner().join("cgroup.procs"), child.id().to_string());
        let mut stdin = child.stdin.take().unwrap();
        if let Err(error) = moved {
            // Without the word it ends at once.
            drop(stdin);
            child.wait()?;
            return Err(error);
        }
        stdin.write_all(b"go")?;
        Ok(child)
    }
}

/// Whether this is the process in the group. Waits until it is there, and ends it if that did not work.
pub(crate) fn is_child() -> bool {
    if std::env::var_os(CHILD).is_none() {
        return false;
    }
    let mut word = String::new();
    io::stdin().read_to_string(&mut word).unwrap();
    if word != "go" {
        std::process::exit(0);
    }
    true
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel takes a moment to let go of a process that has just ended.
        for folder in [self.inner(), self.0.clone()] {
            for _ in 0..100 {
                if fs::remove_dir(&folder).is_ok() || !folder.exists() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}
