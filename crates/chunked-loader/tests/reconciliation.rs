//! What is reserved, what is allocated and what is resident, side by side on a real run: the ledger knows nearly all of
//! the memory that the loader takes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]
#![cfg(target_os = "linux")]

use std::fmt::Write;

use chunked_loader::{FixedRows, Loader, Source};
use monitor::{Budget, Bytes, Monitor, TaggedAllocator};

#[global_allocator]
static ALLOCATOR: TaggedAllocator = TaggedAllocator::new();

const ROWS: usize = 300_000;
const BATCH_ROWS: usize = 5000;
/// More than a batch of so many rows takes.
const BATCH: Bytes = Bytes::kib(400);

fn table() -> String {
    let mut csv = String::from("id,amount,word,text\n");
    for row in 0..ROWS {
        let mixed = row.wrapping_mul(2_654_435_761) % 1_000_003;
        writeln!(
            csv,
            "{row},{}.{:02},{},text {mixed:x} of row {row}",
            mixed,
            row % 100,
            ["a", "b", "c"][row % 3]
        )
        .unwrap();
    }
    csv
}

/// Figures of one moment, in bytes.
struct Moment {
    reserved: u64,
    /// Live since the start.
    allocated: u64,
    /// Live in all.
    live: u64,
    resident: u64,
}

#[test]
fn what_is_reserved_is_nearly_all_that_is_allocated_and_no_more_than_is_resident() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    std::fs::write(&path, table()).unwrap();
    let budget = Budget::new(Bytes::mib(64));
    let monitor = Monitor::builder().with_budget(budget).with_tagged_allocator(&ALLOCATOR).build().unwrap();
    let source = Source::open(&[path], folder.path()).unwrap();
    for threads in [1, 2] {
        let loader = Loader::new(source.clone()).with_threads(threads).with_monitor(monitor.clone());
        let scan = loader.scan().unwrap();
        let start = ALLOCATOR.live().live_bytes.get();
        let mut moments = Vec::new();
        for batch in loader.batches(&scan, &[0, 1, 2, 3], Box::new(FixedRows(BATCH_ROWS))) {
            let batch = batch.unwrap();
            let live = ALLOCATOR.live().live_bytes.get();
            let resident = monitor.snapshot().unwrap().rss.get();
            let reserved = monitor.budget().reserved().get();
            moments.push(Moment { reserved, allocated: live.saturating_sub(start), live, resident });
            drop(batch);
        }
        // The first batches come while the others are being made: what is reserved for them is not allocated yet.
        let steady = &moments[moments.len() / 2..moments.len() - 4];
        assert!(steady.len() > 3, "{}", moments.len());
        let mean = |of: fn(&Moment) -> u64| steady.iter().map(of).sum::<u64>() / steady.len() as u64;
        let (reserved, allocated) = (mean(|m| m.reserved), mean(|m| m.allocated));
        let (live, resident) = (mean(|m| m.live), mean(|m| m.resident));
        println!(
            "{threads} threads: {reserved} reserved, {allocated} allocated since the start, {live} in all, {resident} \
             resident; the ledger knows {:.1} %",
            100.0 * reserved as f64 / allocated as f64
        );
        // Another thread may just have been granted a batch that it has not allocated yet.
        let granted = (threads as u64 - 1) * BATCH.get();
        assert!(reserved <= live + granted, "{threads} threads: {reserved} reserved, {live} live");
        assert!(live <= resident, "{threads} threads: {live} live, {resident} resident");
        assert!(100 * reserved >= 80 * allocated, "{threads} threads: {reserved} of {allocated}");
    }
}
