//! Where batches end: at rows, at bytes, or where the budget refuses; and that their memory is given back.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use chunked_loader::{
    Batch, BatchLimit, ErrorKind, FixedRows, LastBatch, Loader, Observation, Outside, Sizing, Source,
};
use monitor::{Budget, Bytes, Monitor};

const ROWS: usize = 200_000;

/// A column of whole numbers of 32 bits, in a plain file, which takes no memory of its own to be read.
fn numbers(budget: Bytes) -> (Loader, Budget) {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    let path = FILE.get_or_init(|| {
        let rows = (0..ROWS).map(|n| format!("{}\n", n + 100_000));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("numbers.csv");
        std::fs::write(&path, std::iter::once("n\n".to_owned()).chain(rows).collect::<String>()).unwrap();
        path
    });
    let source = Source::open(std::slice::from_ref(path), &std::env::temp_dir()).unwrap();
    let budget = Budget::new(budget);
    let monitor = Monitor::builder().with_budget(budget.clone()).build().unwrap();
    (Loader::new(source).with_block_bytes(16 << 10).with_monitor(monitor), budget)
}

/// These limits, one after another; the last one holds.
struct Script {
    limits: Vec<Bytes>,
    seen: Arc<Mutex<Vec<Observation>>>,
}

impl Script {
    fn new(limits: &[Bytes]) -> Script {
        Script { limits: limits.to_vec(), seen: Arc::default() }
    }
}

impl Sizing for Script {
    fn next(&mut self, seen: &Observation) -> BatchLimit {
        self.seen.lock().unwrap().push(*seen);
        let bytes = if self.limits.len() > 1 { self.limits.remove(0) } else { self.limits[0] };
        BatchLimit { rows: usize::MAX, bytes, may_be_cut: true }
    }
}

#[test]
fn a_smaller_limit_behind_a_larger_one_is_still_filled() {
    let (loader, _) = numbers(Bytes::mib(8));
    let scan = loader.scan().unwrap();
    let limits = Script::new(&[Bytes::kib(256), Bytes::kib(32)]);
    let batches: Vec<Batch> =
        loader.batches(&scan, &[0], Box::new(limits)).take(6).map(Result::unwrap).collect();
    // 8 Ki numbers of four bytes fill 32 KiB; doubling and the counts between two checks cost some of it.
    for batch in &batches[1..] {
        assert!((2_000..=16_384).contains(&batch.num_rows()), "{} rows", batch.num_rows());
        assert!(batch.reserved() <= Bytes::kib(64));
    }
}

#[test]
fn batches_that_are_held_leave_a_smaller_one_and_then_an_error() {
    let (loader, budget) = numbers(Bytes::kib(400));
    let scan = loader.scan().unwrap();
    let mut batches = loader.batches(&scan, &[0], Box::new(Script::new(&[Bytes::kib(200)])));
    let first = batches.next().unwrap().unwrap();
    // What is left is less than a batch like the first, and is filled all the same, to the last of it.
    let mut held = vec![first];
    let refusal = loop {
        match batches.next().unwrap() {
            Ok(batch) => {
                assert!(batch.num_rows() < held[0].num_rows() && batch.reserved() < held[0].reserved());
                held.push(batch);
            }
            Err(refusal) => break refusal,
        }
    };
    let rows: Vec<usize> = held.iter().map(Batch::num_rows).collect();
    assert!(rows[0] > 50_000 && rows[1] > 10_000, "{rows:?}");
    assert!(matches!(refusal.kind(), ErrorKind::Budget(_)), "{refusal}");
    assert!(budget.available() < Bytes::kib(4), "{} left", budget.available());
    assert!(batches.next().is_none());
    assert!(budget.peak() <= budget.limit());
    drop((batches, held));
    assert_eq!(budget.reserved(), Bytes::ZERO);
}

#[test]
fn a_batch_that_is_dropped_leaves_its_room_to_the_next() {
    let (loader, budget) = numbers(Bytes::kib(400));
    let scan = loader.scan().unwrap();
    let mut batches = loader.batches(&scan, &[0], Box::new(Script::new(&[Bytes::kib(200)])));
    let first = batches.next().unwrap().unwrap();
    let (rows, at_first) = (first.num_rows(), budget.reserved());
    drop(first);
    assert_eq!(budget.reserved(), at_first, "it waits for the next");
    let second = batches.next().unwrap().unwrap();
    assert_eq!((second.num_rows(), budget.reserved()), (rows, at_first));
    drop(second);
    // Whatever others take of the rest, but for the bits of nulls that might come.
    let rest = budget.available().saturating_sub(Bytes::kib(16));
    let others = budget.consumer("others").try_reserve(rest).unwrap();
    let third = batches.next().unwrap().unwrap();
    assert_eq!(third.num_rows(), rows);
    drop((third, others));
    assert_eq!(batches.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), ROWS - 3 * rows);
    assert_eq!(budget.reserved(), Bytes::ZERO);
}

#[test]
fn what_a_dropped_batch_leaves_can_be_reclaimed() {
    for threads in [1, 2] {
        let (loader, budget) = numbers(Bytes::mib(4));
        let monitor = Monitor::builder().with_budget(budget.clone()).build().unwrap();
        let loader = loader.with_threads(threads).with_monitor(monitor.clone());
        let scan = loader.scan().unwrap();
        let mut batches = loader.batches(&scan, &[0], Box::new(FixedRows(10_000)));
        let (mut rows, mut reclaimed) = (0, Bytes::ZERO);
        for batch in batches.by_ref() {
            rows += batch.unwrap().num_rows();
            let given = monitor.reclaim();
            assert!(given.by_giver.iter().all(|(name, _)| name == "spare batches"), "{given}");
            reclaimed = reclaimed.saturating_add(given.total());
        }
        assert_eq!(rows, ROWS);
        // Each batch was built anew, but for those that other threads took before it was asked.
        assert!(reclaimed > Bytes::kib(40), "{reclaimed} of {threads} threads");
        drop(batches);
        assert!(monitor.reclaim().by_giver.is_empty());
        assert_eq!(budget.reserved(), Bytes::ZERO);
    }
}

#[test]
fn exact_rows_are_never_cut_but_refused() {
    let (loader, _) = numbers(Bytes::kib(256));
    let scan = loader.scan().unwrap();
    let mut batches = loader.batches(&scan, &[0], Box::new(FixedRows(100_000)));
    let error = batches.next().unwrap().unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("numbers.csv: the memory budget of 256.0 KiB cannot give ")
            && message.contains("`batch`"),
        "{message}"
    );
}

#[test]
fn a_limit_of_no_bytes_gives_single_rows() {
    let (loader, _) = numbers(Bytes::mib(1));
    let scan = loader.scan().unwrap();
    let batches = loader.batches(&scan, &[0], Box::new(Script::new(&[Bytes::ZERO])));
    assert!(batches.take(50).all(|b| b.unwrap().num_rows() == 1));
}

#[test]
fn a_sizing_sees_the_budget_and_the_batch_before() {
    let (loader, _) = numbers(Bytes::mib(1));
    let loader = loader.with_batches_kept(2);
    let scan = loader.scan().unwrap();
    let limits = Script::new(&[Bytes::kib(64)]);
    let seen = Arc::clone(&limits.seen);
    let mut batches = loader.batches(&scan, &[0], Box::new(limits));
    let first = batches.next().unwrap().unwrap();
    let second = batches.next().unwrap().unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(
        (seen[0].budget, seen[0].in_flight, seen[0].columns, seen[0].last),
        (Bytes::mib(1), 2, 1, None)
    );
    let last = seen[1].last.unwrap();
    assert_eq!((last.rows, last.raw_bytes), (first.num_rows(), first.raw_bytes()));
    assert!(last.bytes >= first.reserved() && last != LastBatch::default());
    assert!(seen[1].reserved >= first.reserved());
    assert_eq!(second.first_row(), first.num_rows() as u64);
}

#[test]
fn a_sizing_sees_what_came_of_the_batch_before() {
    let (loader, budget) = numbers(Bytes::mib(1));
    let scan = loader.scan().unwrap();
    let limits = Script::new(&[Bytes::kib(64)]);
    let seen = Arc::clone(&limits.seen);
    let consumer = budget.consumer("made of it");
    for batch in loader.batches(&scan, &[0], Box::new(limits)).take(3) {
        let batch = batch.unwrap();
        drop(consumer.try_reserve(Bytes::kib(100)).unwrap());
        drop(batch);
    }
    let seen = seen.lock().unwrap();
    for seen in &seen[1..] {
        let last = seen.last.unwrap();
        let made = last.peak.saturating_sub(last.bytes);
        assert!((Bytes::kib(100)..Bytes::kib(130)).contains(&made), "{seen:?}");
        assert!(seen.reserved_peak >= last.peak, "{seen:?}");
        assert!(!seen.is_consumer_behind && seen.outside == Outside::default());
    }
}

#[test]
fn a_consumer_that_others_wait_for_is_behind() {
    let (loader, _) = numbers(Bytes::mib(4));
    let scan = loader.scan().unwrap();
    let limits = Script::new(&[Bytes::kib(4)]);
    let seen = Arc::clone(&limits.seen);
    let batches = loader.with_threads(2).batches(&scan, &[0], Box::new(limits));
    // Nobody who makes a batch can be seen to wait, so the consumer lets them run, over and over.
    let is_behind = batches.map(Result::unwrap).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(1));
        seen.lock().unwrap().iter().any(|seen| seen.is_consumer_behind)
    });
    assert!(is_behind);
}

#[test]
fn an_iterator_with_threads_that_is_dropped_early_gives_everything_back() {
    let (loader, budget) = numbers(Bytes::mib(4));
    let scan = loader.scan().unwrap();
    let mut ahead = loader.with_threads(2).batches(&scan, &[0], Box::new(FixedRows(1000)));
    assert_eq!(ahead.schema(), scan.schema());
    let first = ahead.next().unwrap().unwrap();
    assert!(budget.reserved() >= first.reserved());
    drop(ahead);
    assert_eq!(budget.reserved(), first.reserved());
    drop(first);
    assert_eq!(budget.reserved(), Bytes::ZERO);
}
