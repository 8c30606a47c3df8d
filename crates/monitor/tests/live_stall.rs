//! A real stall trigger, and a process in a group that is too small for it, so that it waits for memory.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod live_group;

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use live_group::Group;
use monitor::{Bytes, ErrorKind, Monitor, StallTrigger};

const LIMIT: Bytes = Bytes::mib(24);
/// Of the file that does not fit into the group's page cache.
const FILE: Bytes = Bytes::mib(64);
const STALL: Duration = Duration::from_millis(1);
/// One that needs no privilege.
const WINDOW: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn the_kernel_tells_when_work_waits_for_memory() {
    if live_group::is_child() {
        return thrash();
    }
    let monitor = Monitor::unbounded();
    let (sender, told) = mpsc::channel();
    let watch = match monitor.on_stall(StallTrigger::some(STALL, WINDOW), move || {
        let _ = sender.send(());
    }) {
        Ok(watch) => watch,
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::NoTrigger { .. }), "{error}");
            return eprintln!("skipped: {error}");
        }
    };
    let started = Group::make(LIMIT)
        .and_then(|group| Ok((group.start("the_kernel_tells_when_work_waits_for_memory")?, group)));
    let (mut child, _group) = match started {
        Ok(started) => started,
        Err(error) => return eprintln!("skipped: no process can be put into a control group here: {error}"),
    };
    let before = monitor.snapshot().unwrap().pressure.unwrap();
    let is_told = told.recv_timeout(PATIENCE).is_ok();
    let after = monitor.snapshot().unwrap().pressure.unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let stalled = after.some.total.saturating_sub(before.some.total);
    if !is_told && stalled < STALL * PATIENCE.as_secs() as u32 {
        return eprintln!("skipped: no pressure could be made here: {stalled:?} in {PATIENCE:?}");
    }
    assert!(is_told, "{stalled:?} of stalls, and nobody was told");
    assert!(watch.times() >= 1);

    // It ends at once, and tells nobody any more.
    let began = Instant::now();
    drop(watch);
    assert!(began.elapsed() < WINDOW && told.iter().count() < 5);
}

/// Reads a file over and over that its group has no room for: each page is dropped before it is read again.
fn thrash() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("thrash-{}", std::process::id()));
    let mut file = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
    for _ in 0..FILE.get() >> 20 {
        file.write_all(&[7; 1 << 20]).unwrap();
    }
    file.sync_all().unwrap();
    fs::remove_file(&path).unwrap();
    let mut buffer = vec![0; 1 << 16];
    // Until it is killed; not for ever, should whoever started it be gone.
    let began = Instant::now();
    while began.elapsed() < 2 * PATIENCE {
        file.rewind().unwrap();
        while file.read(&mut buffer).unwrap() > 0 {}
    }
}
