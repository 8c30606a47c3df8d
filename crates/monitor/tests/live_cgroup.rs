//! A real control group with a limit, and a child process in it: what is found there, and that it is true.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use monitor::{Budget, Bytes, LinuxProbe, Monitor, Probe};

const LIMIT: Bytes = Bytes::mib(96);
/// Of the file that fills the page cache.
const CACHED: Bytes = Bytes::mib(64);
/// More than is left if the page cache counts as used.
const BLOCK: Bytes = Bytes::mib(56);
/// What a process of this kind takes beside: code, stacks, the kernel's own pages for it.
const SLACK: Bytes = Bytes::mib(12);

const CHILD: &str = "MONITOR_TEST_CHILD";

/// A group of version 1 with a limit, and a group without one in it. Goes when dropped.
struct Group(PathBuf);

impl Group {
    /// Beside the tests' own group; an error where the system does not let it be made.
    fn make() -> std::io::Result<Group> {
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let own = own.lines().find_map(|line| line.split_once(":memory:")).map_or("/", |(_, path)| path);
        let parent = Path::new("/sys/fs/cgroup/memory").join(own.trim_start_matches('/'));
        let group = Group(parent.join(format!("monitor-test-{}", std::process::id())));
        if !parent.join("memory.limit_in_bytes").exists() {
            return Err(std::io::Error::other("no control group of version 1 counts memory here"));
        }
        fs::create_dir(&group.0)?;
        fs::create_dir(group.inner())?;
        fs::write(group.0.join("memory.limit_in_bytes"), LIMIT.get().to_string())?;
        Ok(group)
    }

    fn inner(&self) -> PathBuf {
        self.0.join("inner")
    }
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

#[test]
fn a_process_in_a_group_with_a_limit() {
    if std::env::var_os(CHILD).is_some() {
        return child();
    }
    let group = match Group::make() {
        Ok(group) => group,
        Err(error) => return eprintln!("skipped: a control group cannot be made here: {error}"),
    };
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_process_in_a_group_with_a_limit", "--nocapture"])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let moved = fs::write(group.inner().join("cgroup.procs"), child.id().to_string());
    if moved.is_ok() {
        child.stdin.take().unwrap().write_all(b"go").unwrap();
    }
    // Without the word it ends at once.
    let output = child.wait_with_output().unwrap();
    if let Err(error) = moved {
        return eprintln!("skipped: a process cannot be put into a control group here: {error}");
    }
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {said}", output.status);
    eprint!("{said}");
}

fn child() {
    let mut word = String::new();
    std::io::stdin().read_to_string(&mut word).unwrap();
    if word != "go" {
        return;
    }
    let probe = LinuxProbe::open().unwrap().with_refresh(Duration::ZERO);
    // The limit is an ancestor's: the group that the process is in has none.
    assert_eq!(probe.limits().unwrap().cgroup, Some(LIMIT));
    let start = probe.read().unwrap();
    assert_eq!(start.container_limit, Some(LIMIT));
    assert!(start.headroom.unwrap().saturating_add(SLACK) >= LIMIT, "{start:?}");

    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cached-{}", std::process::id()));
    let mut file = File::create(&path).unwrap();
    for _ in 0..CACHED.get() >> 20 {
        file.write_all(&[7; 1 << 20]).unwrap();
    }
    // Clean pages only can be dropped at once.
    file.sync_all().unwrap();
    let full = probe.read().unwrap();
    let peak = probe.peaks().unwrap().container_peak.unwrap();
    fs::remove_file(&path).unwrap();
    if full.container_used.unwrap() < CACHED {
        return eprintln!("skipped: files here are not kept in the page cache of the group");
    }
    assert!(peak >= CACHED);
    assert!(full.headroom.unwrap().saturating_add(SLACK) >= LIMIT, "clean page cache is no use: {full:?}");

    // Whoever counted it as used would say that this does not fit; the kernel says that it does.
    assert!(BLOCK > LIMIT.saturating_sub(CACHED).saturating_add(SLACK) && BLOCK < full.headroom.unwrap());
    let block = black_box(vec![1u8; BLOCK.get() as usize]);
    let held = probe.read().unwrap();
    let lost = full.headroom.unwrap().saturating_sub(held.headroom.unwrap());
    assert!(lost.get().abs_diff(BLOCK.get()) < SLACK.get(), "{lost} of headroom for {BLOCK}: {held:?}");

    // A budget above the group's limit does not raise what the process may become.
    let monitor = Monitor::builder().with_budget(Budget::new(Bytes::gib(1))).build().unwrap();
    assert_eq!(monitor.threshold(), Some(LIMIT));
    let limit = monitor.snapshot().unwrap().limit.unwrap();
    assert!(limit <= LIMIT && limit.saturating_add(SLACK) >= LIMIT, "{limit}");

    // The file is gone, and so are its pages: the peak begins anew below what it was.
    drop((block, file));
    probe.reset_container_peak().unwrap();
    assert!(probe.peaks().unwrap().container_peak.unwrap().saturating_add(Bytes::mib(32)) < peak);
}
