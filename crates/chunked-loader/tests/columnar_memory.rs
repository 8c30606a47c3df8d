//! Row groups and record batches that are far larger than the budget, against the kernel's high-water mark. Each case runs in
//! a process of its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]
#![cfg(target_os = "linux")]

mod rise;

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Date32Array, Float64Array, Int64Array, StringArray};
use arrow::ipc::writer::FileWriter;
use arrow::record_batch::RecordBatch;
use chunked_loader::{Batch, ErrorKind};
use monitor::{Bytes, Monitor};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use rise::{Fill, SLACK, assert_within, loader, rise};

/// Rows of the one row group or record batch: 80 MB of values.
const ROWS: usize = 1 << 20;
const BUDGET: Bytes = Bytes::mib(32);
/// Numbers, dates, a few different words, and text that is different in each row.
fn table() -> RecordBatch {
    let rows = || 0..ROWS as u64;
    let state = |n: u64| ["open", "paid", "sent", "returned"][(n % 4) as usize];
    let note = |n: u64| format!("note {:x}, of no use to anybody", n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    RecordBatch::try_from_iter::<_, &str>([
        ("id", Arc::new(rows().map(|n| n as i64).collect::<Int64Array>()) as _),
        ("amount", Arc::new(rows().map(|n| n as f64 * 0.01).collect::<Float64Array>()) as _),
        ("day", Arc::new(Date32Array::from_iter_values(rows().map(|n| (n % 5000) as i32))) as _),
        ("state", Arc::new(rows().map(|n| Some(state(n))).collect::<StringArray>()) as _),
        ("note", Arc::new(rows().map(|n| Some(note(n))).collect::<StringArray>()) as _),
    ])
    .unwrap()
}

fn one_row_group(path: &Path) {
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(ROWS))
        .set_compression(Compression::SNAPPY)
        .build();
    let table = table();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), table.schema(), Some(properties)).unwrap();
    writer.write(&table).unwrap();
    assert_eq!(writer.close().unwrap().num_row_groups(), 1);
}

fn one_record_batch(path: &Path) {
    let table = table();
    let out = BufWriter::new(File::create(path).unwrap());
    let mut writer = FileWriter::try_new(out, &table.schema()).unwrap();
    writer.write(&table).unwrap();
    writer.finish().unwrap();
}

fn stream(threads: usize) -> Monitor {
    let (loader, monitor) = loader(BUDGET);
    let loader = loader.with_threads(threads);
    let scan = loader.scan().unwrap();
    let batches = loader.batches(&scan, &[0, 1, 2, 3, 4], Box::new(Fill(Bytes::mib(2))));
    let rows: usize = batches.map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, ROWS);
    monitor
}

fn hold_all() -> Monitor {
    let (loader, monitor) = loader(Bytes::gib(4));
    let scan = loader.scan().unwrap();
    let batches = loader.batches(&scan, &[0, 1, 2, 3, 4], Box::new(Fill(Bytes::mib(2))));
    let held: Vec<Batch> = batches.map(Result::unwrap).collect();
    assert!(held.len() > 10);
    monitor
}

#[test]
fn a_row_group_is_read_page_by_page() {
    assert_within(BUDGET, rise("a_row_group_is_read_page_by_page", one_row_group, || stream(1)));
}

#[test]
fn a_row_group_is_read_page_by_page_ahead() {
    assert_within(BUDGET, rise("a_row_group_is_read_page_by_page_ahead", one_row_group, || stream(2)));
}

#[test]
fn a_record_batch_is_read_step_by_step() {
    assert_within(BUDGET, rise("a_record_batch_is_read_step_by_step", one_record_batch, || stream(2)));
}

/// The harness can fail.
#[test]
fn holding_all_batches_is_seen() {
    let rise = rise("holding_all_batches_is_seen", one_row_group, hold_all);
    let most = BUDGET.saturating_add(SLACK);
    assert!(rise.is_none_or(|rise| rise > most), "{rise:?}");
}

/// A page that does not fit is refused with figures, and says where it stands.
#[test]
fn a_page_beyond_the_budget_is_refused_with_its_place() {
    let test = "a_page_beyond_the_budget_is_refused_with_its_place";
    rise(test, one_row_group, || {
        let (loader, monitor) = loader(Bytes::mib(1));
        let error = loader.scan().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Budget(_)), "{error}");
        let message = error.to_string();
        assert!(message.contains("row group 1: column \"") && message.contains("MiB"), "{message}");
        monitor
    });
}
