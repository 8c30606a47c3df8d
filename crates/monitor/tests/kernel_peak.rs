//! The kernel's high-water mark, in a process of its own: one test, so that nobody else's memory is in the figure.

#![cfg(target_os = "linux")]

use std::hint::black_box;

use monitor::{Bytes, Monitor};

#[test]
fn a_block_that_came_and_went_is_in_the_peak() {
    const BLOCK: Bytes = Bytes::mib(64);
    let monitor = Monitor::unbounded();
    let before = monitor.set_baseline().unwrap();
    // Were the process as large as the block already, the assertions below could not fail.
    assert!(before.peak_rss < BLOCK, "{before:?}");

    let scope = monitor.scope("touch");
    let untouched: Vec<u8> = Vec::with_capacity(BLOCK.get() as usize);
    black_box(&untouched);
    // Address space is no memory.
    assert!(monitor.peak().unwrap() < BLOCK);
    assert!(monitor.snapshot().unwrap().vms >= before.vms.saturating_add(BLOCK));
    drop(untouched);

    let touched = black_box(vec![1u8; BLOCK.get() as usize]);
    let during = monitor.snapshot().unwrap();
    drop(touched);
    let phase = scope.finish();
    let after = monitor.snapshot().unwrap();

    assert!(during.rss >= BLOCK, "{during:?}");
    assert!(during.percent > 0.0 && during.percent < 100.0);
    // A block of this size is mapped on its own and unmapped when dropped, so that only the peak still shows it.
    assert!(after.rss < BLOCK, "{after:?}");
    assert!(after.peak_rss >= BLOCK && phase.peak_rss >= BLOCK && monitor.peak().unwrap() >= BLOCK);
    assert!(
        phase.peak_rss < BLOCK.saturating_add(before.peak_rss).saturating_add(Bytes::mib(16)),
        "{phase:?}"
    );
    assert!(!phase.cpu.is_zero());
}
