//! Records that are longer than the ranges and blocks that they are read in.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fmt::Write;
use std::path::Path;

use arrow::array::AsArray;
use arrow::datatypes::DataType;
use chunked_loader::{FixedRows, Loader, OnBadRecord, Source, TypeHint};

/// A table of numbers and texts, the text of row `n` as long as `length(n)` says; gives the rows that come back.
fn rows_of(rows: usize, length: fn(usize) -> usize, threads: usize) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.csv");
    let mut text = String::from("n,text\n");
    for n in 0..rows {
        // Different texts, so that they are no dictionary.
        writeln!(text, "{n},{}{n}", "x".repeat(length(n))).unwrap();
    }
    std::fs::write(&path, &text).unwrap();
    let loader = Loader::new(Source::open(&[path], Path::new("/nowhere")).unwrap()).with_threads(threads);
    let scan = loader.scan().unwrap();
    assert_eq!(scan.schema().field(1).data_type(), &DataType::Utf8);
    let mut seen = 0;
    for batch in loader.batches(&scan, &[0, 1], Box::new(FixedRows(7))) {
        let batch = batch.unwrap();
        for (row, text) in batch.columns().column(1).as_string::<i32>().iter().enumerate() {
            let n = seen + row;
            let text = text.unwrap();
            let (xs, number) = text.split_at(length(n));
            assert!(xs.bytes().all(|b| b == b'x') && number.parse() == Ok(n), "row {n}");
        }
        seen += batch.num_rows();
    }
    seen
}

/// A record that begins in the last bytes of a range, and is longer than what is read behind them.
#[test]
fn records_of_any_length_begin_anywhere_in_a_range() {
    for threads in [1, 2, 3] {
        assert_eq!(rows_of(500, |n| n * 37 % 23_000, threads), 500);
        assert_eq!(rows_of(12, |n| 300_000 + n * 41_000, threads), 12);
    }
}

/// A record that is longer than the mean of its block, and that a fixed type sends to the state machine.
#[test]
fn a_long_record_that_a_fixed_type_refuses_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dates.csv");
    let long = "x".repeat(200);
    std::fs::write(&path, format!("day,text\n2024-13-01,{long}\n2024-01-01,y\n2024-01-02,z\n")).unwrap();
    let source = Source::open(&[path], Path::new("/nowhere")).unwrap();
    let loader = Loader::new(source)
        .with_type_hints([("day".to_owned(), TypeHint::Fixed("date".parse().unwrap()))])
        .with_on_bad_record(OnBadRecord::Skip);
    for block in [1, 2, 50, 100, 1 << 16] {
        let scan = loader.clone().with_block_bytes(block).scan().unwrap();
        assert_eq!((scan.rows(), scan.rejected()), (2, 1), "blocks of {block}");
    }
}
