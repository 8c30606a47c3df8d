//! Peaks of phases by the kernel's own mark, in a process of its own: one test, so that nobody else's memory is in
//! the figures.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::hint::black_box;

use monitor::{Bytes, Monitor, Phase, PhasePeak};

const LARGE: Bytes = Bytes::mib(96);
const SMALL: Bytes = Bytes::mib(32);
/// A process of this kind before it begins, and what is not given back at once.
const SLACK: Bytes = Bytes::mib(16);

fn touch(monitor: &Monitor, name: &str, bytes: Bytes) -> Phase {
    let scope = monitor.scope(name);
    drop(black_box(vec![1u8; bytes.get() as usize]));
    scope.finish()
}

fn vm_hwm() -> Bytes {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    Bytes::kib(line.trim().trim_end_matches(" kB").parse().unwrap())
}

#[test]
fn a_small_phase_after_a_large_one() {
    let plain = Monitor::unbounded();
    let large = touch(&plain, "large", LARGE);
    let PhasePeak::Exact(peak) = large.own_peak else { panic!("it raised the mark: {large:?}") };
    assert!(peak >= LARGE && peak < LARGE.saturating_add(SLACK), "{large:?}");
    assert_eq!(peak, large.peak_rss);

    let small = touch(&plain, "small", SMALL);
    let PhasePeak::Between { at_least, at_most } = small.own_peak else { panic!("{small:?}") };
    // Nobody looked while it was large, and the mark is the first phase's.
    assert!(at_least < SMALL && at_most == peak, "{small:?}");

    let resetting = Monitor::builder().with_peak_reset().build().unwrap();
    let whole = resetting.scope("whole");
    touch(&resetting, "large", LARGE);
    let small = touch(&resetting, "small", SMALL);
    if !matches!(small.own_peak, PhasePeak::Exact(_)) {
        return eprintln!("skipped: the kernel's mark cannot be set back here: {small:?}");
    }
    let peak = small.own_peak.at_most().unwrap();
    assert!(peak >= SMALL && peak < SMALL.saturating_add(SLACK), "{small:?}");
    // The mark that others see fell; the monitor's own memory of it did not.
    assert!(vm_hwm() < LARGE);
    assert!(resetting.peak().unwrap() >= LARGE && resetting.snapshot().unwrap().peak_rss >= LARGE);
    let whole = whole.finish();
    assert!(matches!(whole.own_peak, PhasePeak::Exact(peak) if peak >= LARGE), "{whole:?}");
    assert!(small.peak_rss >= LARGE);
}
