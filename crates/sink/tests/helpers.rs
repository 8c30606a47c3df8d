//! Threads of somebody else that help to encode: the same bytes, and nobody is waited for in vain.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use monitor::Bytes;
use sink::{Helpers, SinkBuilder};

fn table(rows: i32) -> RecordBatch {
    let texts = StringArray::from_iter_values(
        (0..rows).map(|row| format!("{:x}", row.wrapping_mul(0x9e37_79b9u32 as i32))),
    );
    let columns: Vec<(String, ArrayRef)> = (0..6)
        .map(|column| -> (String, ArrayRef) {
            match column % 2 {
                0 => (
                    format!("n{column}"),
                    Arc::new(Int32Array::from_iter_values((0..rows).map(|row| row ^ column))),
                ),
                _ => (format!("t{column}"), Arc::new(texts.clone())),
            }
        })
        .collect();
    RecordBatch::try_from_iter(columns).unwrap()
}

fn write(path: &Path, table: &RecordBatch, helpers: &Helpers) -> Vec<u8> {
    let mut sink = SinkBuilder::new(path)
        .with_overwrite(true)
        .with_threads(2)
        .with_helpers(helpers.clone())
        .with_row_group_bytes(Bytes::mib(1))
        .build(table.schema())
        .unwrap();
    for start in (0..table.num_rows()).step_by(1000) {
        sink.write(&table.slice(start, 1000.min(table.num_rows() - start))).unwrap();
    }
    sink.finish().unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn helpers_that_come_and_go_change_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.parquet");
    let table = table(100_000);
    let alone = write(&path, &table, &Helpers::default());
    let (helpers, is_over, helped) = (Helpers::default(), AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for number in 0..3 {
            let (helpers, is_over, helped) = (&helpers, &is_over, &helped);
            scope.spawn(move || {
                let mut turns = number;
                while !is_over.load(Ordering::Relaxed) {
                    helpers.arrive();
                    for _ in 0..1 + turns % 50 {
                        helped.fetch_add(usize::from(helpers.help()), Ordering::Relaxed);
                        std::thread::yield_now();
                    }
                    helpers.leave();
                    turns += 7;
                }
            });
        }
        for _ in 0..3 {
            assert!(write(&path, &table, &helpers) == alone);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(helped.into_inner() > 0, "nobody has helped");
}

#[test]
fn what_a_helper_leaves_behind_the_sinks_own_threads_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.parquet");
    let table = table(30_000);
    let helpers = Helpers::default();
    // Rows are brought while helpers are announced for every thread, which never come: they wait for them.
    (0..2).for_each(|_| helpers.arrive());
    let mut sink =
        SinkBuilder::new(&path).with_threads(2).with_helpers(helpers.clone()).build(table.schema()).unwrap();
    sink.write(&table.slice(0, 4096)).unwrap();
    let ending = std::thread::spawn(move || sink.finish().unwrap().rows);
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(!ending.is_finished(), "nobody has encoded");
    // Nothing more is brought, which would wake a thread too.
    (0..2).for_each(|_| helpers.leave());
    assert_eq!(ending.join().unwrap(), 4096);
}

#[test]
fn a_sink_that_is_given_up_waits_for_no_helper() {
    let folder = tempfile::tempdir().unwrap();
    let table = table(30_000);
    let helpers = Helpers::default();
    let mut sink = SinkBuilder::new(folder.path().join("out.parquet"))
        .with_threads(2)
        .with_helpers(helpers.clone())
        .build(table.schema())
        .unwrap();
    (0..2).for_each(|_| helpers.arrive());
    sink.write(&table.slice(0, 4096)).unwrap();
    drop(sink);
    assert!(!helpers.help());
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}
