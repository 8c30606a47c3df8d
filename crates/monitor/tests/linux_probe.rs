//! The fast reading of the kernel's figures beside the slow, obvious one, in a process that does nothing else.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::hint::black_box;
use std::process::Command;
use std::time::Duration;

use monitor::{Bytes, LinuxProbe, Monitor, Probe, Reading};

const BLOCK: Bytes = Bytes::mib(48);
const CHILD: &str = "MONITOR_TEST_CHILD";

fn touched(bytes: Bytes) -> Vec<u8> {
    black_box(vec![1u8; bytes.get() as usize])
}

/// Two readings of the same pages may differ by what processors have not added up yet: the kernel lets each keep
/// back the larger of 32 and twice the number of processors, in pages, of each of three kinds of page.
fn slack() -> u64 {
    let processors = std::thread::available_parallelism().unwrap().get() as u64;
    3 * processors * (2 * processors).max(32) * 4096
}

#[track_caller]
fn near(what: &str, fast: Bytes, slow: Bytes) {
    assert!(fast.get().abs_diff(slow.get()) <= slack(), "{what}: {fast} read fast, {slow} slowly");
}

/// The same process is read both ways, while nothing happens, at sizes that differ by far more than the slack.
fn compare(probe: &LinuxProbe) -> Reading {
    let (fast, slow) = (probe.read().unwrap(), probe.read_anew().unwrap());
    near("resident", fast.rss, slow.rss);
    near("mapped", fast.vms, slow.vms);
    near("peak", fast.peak_rss, slow.peak_rss);
    near("peak alone", probe.peak_rss().unwrap(), slow.peak_rss);
    near("resident alone", probe.rss().unwrap(), slow.rss);
    assert!(fast.rss <= fast.peak_rss && slow.rss <= slow.peak_rss);
    assert_eq!((fast.total, fast.container_limit), (slow.total, slow.container_limit));
    assert_eq!(fast.pressure.is_some(), slow.pressure.is_some());
    let (fast_faults, slow_faults) = (fast.faults.unwrap(), slow.faults.unwrap());
    assert!(fast_faults.minor <= slow_faults.minor && fast_faults.major <= slow_faults.major);
    fast
}

/// One test in this file's process, so that nobody else's memory is in the figures.
#[test]
fn fast_and_slow_agree() {
    let probe = LinuxProbe::open().unwrap().with_refresh(Duration::ZERO);
    if std::env::var_os(CHILD).is_some() {
        return child_of_a_large_process(&probe);
    }
    let start = compare(&probe);
    let block = touched(BLOCK);
    let held = compare(&probe);
    assert!(held.rss.get() - start.rss.get() >= BLOCK.get() - slack());
    assert!(held.faults.unwrap().minor > start.faults.unwrap().minor);
    drop(block);
    let after = compare(&probe);
    assert!(after.rss < BLOCK && after.peak_rss.get() >= BLOCK.get());

    // A process begins with what its parent was, as far as `ru_maxrss` goes. That is not its peak.
    let block = touched(BLOCK);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "fast_and_slow_agree", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    drop(block);
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
}

fn child_of_a_large_process(probe: &LinuxProbe) {
    let inherited = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).unwrap();
    assert!(inherited.max_rss() as u64 * 1024 >= BLOCK.get(), "or this test shows nothing");
    let small = compare(probe);
    assert!(small.peak_rss < BLOCK, "{small:?}");
    // Beyond what was inherited, the two are one.
    let larger = touched(Bytes(BLOCK.get() * 3 / 2));
    assert!(compare(probe).peak_rss > BLOCK);
    drop(larger);
    assert!(Monitor::unbounded().snapshot().unwrap().peak_rss > BLOCK);
}
