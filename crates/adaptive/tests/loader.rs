//! The sizing under a loader: every row comes, and the budget holds.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use adaptive::{AutoSize, MAX_BATCH_ROWS};
use chunked_loader::{Batch, Error, FixedType, Loader, Source, TypeHint};
use monitor::{Budget, Bytes, Monitor};

/// Rows of a number and a text whose length changes ten- and hundredfold on the way.
fn uneven(rows: usize) -> String {
    let mut csv = "n,text\n".to_owned();
    for n in 0..rows {
        let length = [8, 80, 800, 8][n * 4 / rows];
        csv.push_str(&format!("{n},{:x>length$}\n", n % 977));
    }
    csv
}

/// A loader of a file of its own, which lasts as long as the folder.
fn loader(csv: &str, budget: Bytes) -> (Loader, Budget, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    std::fs::write(&path, csv).unwrap();
    let source = Source::open(&[path], folder.path()).unwrap();
    let budget = Budget::new(budget);
    let monitor = Monitor::builder().with_budget(budget.clone()).build().unwrap();
    (Loader::new(source).with_block_bytes(16 << 10).with_monitor(monitor), budget, folder)
}

/// Rows of each batch; at most `alive` batches are held at a time.
fn sizes(batches: impl Iterator<Item = Result<Batch, Error>>, alive: usize) -> Vec<usize> {
    let mut held = std::collections::VecDeque::new();
    let mut sizes = Vec::new();
    for batch in batches {
        let batch = batch.unwrap();
        sizes.push(batch.num_rows());
        held.push_back(batch);
        if held.len() == alive {
            held.pop_front();
        }
    }
    sizes
}

#[test]
fn every_row_comes_within_any_budget_that_can_hold_one() {
    const ROWS: usize = 8_000;
    let csv = uneven(ROWS);
    for budget in [Bytes::kib(256), Bytes::mib(1), Bytes::mib(64)] {
        // The scan's memory grows with different texts and is none of the sizing's, and neither is a dictionary of them.
        let (loader, _, _folder) = loader(&csv, Bytes::mib(64));
        let loader = loader.with_type_hints([("text".to_owned(), TypeHint::Fixed(FixedType::String))]);
        let scan = loader.scan().unwrap();
        let held = Budget::new(budget);
        let monitor = Monitor::builder().with_budget(held.clone()).build().unwrap();
        let loader = loader.with_monitor(monitor);

        let plain = sizes(loader.batches(&scan, &[0, 1], Box::new(AutoSize::new())), 1);
        assert_eq!(plain.iter().sum::<usize>(), ROWS);
        let two = loader.clone().with_batches_kept(2);
        assert_eq!(
            sizes(two.batches(&scan, &[0, 1], Box::new(AutoSize::new())), 2).iter().sum::<usize>(),
            ROWS
        );
        let ahead = loader.with_threads(2).batches(&scan, &[0, 1], Box::new(AutoSize::new()));
        assert_eq!(sizes(ahead, 1).iter().sum::<usize>(), ROWS);
        assert!(held.peak() <= held.limit());
        assert_eq!(held.reserved(), Bytes::ZERO);
    }
}

#[test]
fn rows_are_capped_where_memory_is_not_short() {
    let csv: String =
        std::iter::once("n\n".to_owned()).chain((0..150_000).map(|n| format!("{n}\n"))).collect();
    let (loader, _, _folder) = loader(&csv, Bytes::gib(1));
    let scan = loader.scan().unwrap();
    let found = sizes(loader.batches(&scan, &[0], Box::new(AutoSize::new())), 1);
    assert_eq!(found, [MAX_BATCH_ROWS, MAX_BATCH_ROWS, 150_000 - 2 * MAX_BATCH_ROWS]);
}

#[test]
fn a_widening_consumer_gets_fewer_rows() {
    let csv: String =
        std::iter::once("n\n".to_owned()).chain((0..50_000).map(|n| format!("{n}\n"))).collect();
    let (loader, budget, _folder) = loader(&csv, Bytes::mib(1));
    let scan = loader.scan().unwrap();
    let sizing = AutoSize::new().with_row_bytes_downstream(Bytes(1_000));
    let consumer = budget.consumer("wide rows");
    let mut rows = 0;
    for batch in loader.batches(&scan, &[0], Box::new(sizing)) {
        let batch = batch.unwrap();
        // What the consumer makes of the batch fits beside it.
        let wide = consumer.try_reserve(Bytes(1_000 * batch.num_rows() as u64)).unwrap();
        rows += batch.num_rows();
        assert!(batch.num_rows() > 300 || rows == 50_000, "{} rows", batch.num_rows());
        drop(wide);
    }
    assert_eq!(rows, 50_000);
}
