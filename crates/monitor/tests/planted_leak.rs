//! A leak planted in a program, found and named. A process of its own: the allocator is the program's.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::hint::black_box;
use std::sync::Mutex;

use monitor::{Budget, Bytes, HolderOrder, HolderSource, Monitor, Tag, TaggedAllocator, TopHolder, Verdict};

#[global_allocator]
static ALLOCATOR: TaggedAllocator = TaggedAllocator::new();

const BATCHES: u64 = 240;
/// A tenth of a mebibyte a batch.
const LEFT_BEHIND: usize = 100 << 10;

/// What a batch works with: a few MiB, never the same, on two threads, all of it freed.
fn work(batch: u64, loader: Tag) -> u64 {
    let size = |salt: u64| 100_000 + ((batch + salt) * 2_654_435_761 % 700_000) as usize;
    let columns: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let made = scope.spawn(|| {
            let _under = loader.enter();
            (0..4).map(|salt| vec![1u8; size(salt)]).collect()
        });
        made.join().unwrap()
    });
    // Freed here, allocated there.
    columns.iter().map(|column| u64::from(black_box(column)[0])).sum()
}

#[test]
fn a_planted_leak_is_named_by_its_tag() {
    let monitor = Monitor::builder()
        .with_budget(Budget::unbounded())
        .with_tagged_allocator(&ALLOCATOR)
        .build()
        .unwrap();
    let [loader, steps, texts] = ["loader", "steps", "texts seen"].map(Tag::new);
    let seen: Mutex<Vec<Vec<u8>>> = Mutex::default();
    let mut learnt: Vec<u64> = Vec::new();
    let mut done = 0;
    for batch in 0..BATCHES {
        done += work(batch, loader);
        {
            let _under = steps.enter();
            // A state that is done with growing after a while, as of an encoder.
            if batch < 20 {
                learnt.extend(0..40_000);
            }
        }
        {
            let _under = texts.enter();
            seen.lock().unwrap().push(vec![2; LEFT_BEHIND]);
        }
        monitor.end_of_batch();
    }
    assert_eq!(done, 4 * BATCHES);

    assert_eq!(monitor.trend(BATCHES as usize).verdict, Verdict::Leak, "{:?}", monitor.trend(240));
    let holders = monitor.top_holders(usize::MAX, HolderOrder::Slope);
    for TopHolder { name, live, count, slope, verdict, .. } in &holders {
        println!("{name}: {live} in {count}, {:.0} bytes a batch: {verdict}", slope.unwrap_or(f64::NAN));
    }
    let first = &holders[0];
    assert_eq!((first.name.as_str(), first.source), ("texts seen", HolderSource::Allocator));
    assert_eq!(first.verdict, Verdict::Leak);
    let slope = first.slope.unwrap();
    // The list itself grows, too.
    assert!((0.99..1.02).contains(&(slope / LEFT_BEHIND as f64)), "{slope}");
    assert!(first.live >= Bytes((LEFT_BEHIND as u64) * BATCHES));
    let of = |tag: Tag| holders.iter().find(|holder| holder.name == tag.name()).unwrap();
    assert_ne!(of(steps).verdict, Verdict::Leak);
    assert_eq!((of(loader).verdict, of(loader).live), (Verdict::Flat, Bytes::ZERO));
    assert!(of(steps).live >= Bytes(20 * 40_000 * 8));
}
