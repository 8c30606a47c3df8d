//! The budget against the kernel's high-water mark, each case in a process of its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]
#![cfg(target_os = "linux")]

mod rise;

use std::io::{BufWriter, Write};
use std::path::Path;

use chunked_loader::{Batch, Error, ErrorKind, FixedRows};
use monitor::{Bytes, Monitor};
use rise::{Fill, SLACK, assert_within, loader, rise};

const BUDGET: Bytes = Bytes::mib(24);
const INPUT: Bytes = Bytes::mib(64);

/// Of a table of very many columns, where states, facts and arrays of each are most of what there is.
const WIDE_BUDGET: Bytes = Bytes::mib(64);
const WIDE_COLUMNS: usize = 10_000;

/// Numbers, dates, a few different words, and text that is different in each row.
fn orders(path: &Path) {
    orders_of(path, INPUT);
}

fn orders_of(path: &Path, bytes: Bytes) {
    let mut out = BufWriter::new(std::fs::File::create(path).unwrap());
    let mut written = 0;
    writeln!(out, "id,amount,day,state,note").unwrap();
    for n in 0u64.. {
        let row = format!(
            "{n},{}.{:02},2024-{:02}-{:02},{},\"note {:x}, of no use\"\n",
            n % 5000,
            n % 97,
            n % 12 + 1,
            n % 28 + 1,
            ["open", "paid", "sent", "returned"][(n % 4) as usize],
            n.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        );
        written += row.len() as u64;
        out.write_all(row.as_bytes()).unwrap();
        if written >= bytes.get() {
            break;
        }
    }
    out.flush().unwrap();
}

/// One column of texts of 256 KiB.
fn long_texts(path: &Path) {
    let mut out = BufWriter::new(std::fs::File::create(path).unwrap());
    writeln!(out, "n,text").unwrap();
    let text = "x".repeat(256 << 10);
    for n in 0..INPUT.get() / (256 << 10) {
        writeln!(out, "{n},{text}{n}").unwrap();
    }
    out.flush().unwrap();
}

/// Few rows of very many columns: `field` makes one of each row and column.
fn wide(path: &Path, name: &str, field: impl Fn(usize, usize) -> String) {
    let mut out = BufWriter::new(std::fs::File::create(path).unwrap());
    let line = |fields: &mut dyn Iterator<Item = String>| fields.collect::<Vec<_>>().join(",");
    writeln!(out, "{}", line(&mut (0..WIDE_COLUMNS).map(|column| format!("{name}{column}")))).unwrap();
    for row in 0..60 {
        writeln!(out, "{}", line(&mut (0..WIDE_COLUMNS).map(|column| field(row, column)))).unwrap();
    }
    out.flush().unwrap();
}

fn wide_numbers_and_texts(path: &Path) {
    wide(path, "c", |row, column| match column % 3 {
        0 => (row * 31 + column).to_string(),
        1 => format!("w{}", (row * 17 + column) % 997),
        _ => format!("{}.{:02}", row % 500, column % 100),
    });
}

fn wide_texts_under_long_names(path: &Path) {
    let name = "a name that takes its room in each place where it is kept ".repeat(3);
    wide(path, &name, |row, column| format!("w{}", (row * 17 + column * 31) % 997));
}

/// A field of 10 MiB between short ones.
fn one_long_field(path: &Path) {
    let mut out = BufWriter::new(std::fs::File::create(path).unwrap());
    let short = |out: &mut BufWriter<_>| (0..1000).try_for_each(|n| writeln!(out, "{n},short {n}"));
    writeln!(out, "n,text").unwrap();
    short(&mut out).unwrap();
    writeln!(out, "1,\"{}\"", "y\"\"z\n".repeat(2 << 20)).unwrap();
    short(&mut out).unwrap();
    out.flush().unwrap();
}

/// Rows that are a hundred times wider from the middle on.
fn wider_rows(path: &Path) {
    let mut out = BufWriter::new(std::fs::File::create(path).unwrap());
    writeln!(out, "a,b,c").unwrap();
    for n in 0..300_000 {
        writeln!(out, "{n},x{},{}", n % 1000, n % 7).unwrap();
    }
    for n in 0..16_000 {
        writeln!(out, "{n},{}{n},{}", "y".repeat(1200), n % 7).unwrap();
    }
    out.flush().unwrap();
}

/// 64 MiB of rows that are all the same, in a file nearly a thousand times smaller.
fn deep_gzip(path: &Path) {
    let file = std::fs::File::create(path).unwrap();
    let mut out = flate2::write::GzEncoder::new(file, flate2::Compression::best());
    writeln!(out, "a,b,c,d").unwrap();
    let row = vec!["x".repeat(2000); 4].join(",") + "\n";
    for _ in 0..(64 << 20) / row.len() {
        out.write_all(row.as_bytes()).unwrap();
    }
    out.finish().unwrap();
    assert!(std::fs::metadata(path).unwrap().len() < INPUT.get() / 500);
}

/// Counts rows; each batch is dropped before the next is asked for.
fn count(batches: impl Iterator<Item = Result<Batch, Error>>) -> u64 {
    batches.map(|b| b.unwrap().num_rows() as u64).sum()
}

fn stream_exact_rows() -> Monitor {
    let (loader, monitor) = loader(BUDGET);
    let scan = loader.scan().unwrap();
    assert_eq!(count(loader.batches(&scan, &[0, 1, 2, 3, 4], Box::new(FixedRows(50_000)))), scan.rows());
    monitor
}

fn stream_ahead_by_bytes() -> Monitor {
    let (loader, monitor) = loader(BUDGET);
    let loader = loader.with_threads(2);
    let scan = loader.scan().unwrap();
    let batches = loader.batches(&scan, &[0, 1, 2, 3, 4], Box::new(Fill(Bytes::mib(6))));
    assert_eq!(count(batches), scan.rows());
    monitor
}

fn stream_until_refused() -> Monitor {
    let (loader, monitor) = loader(BUDGET);
    let scan = loader.scan().unwrap();
    assert_eq!(count(loader.batches(&scan, &[0, 1, 2, 3, 4], Box::new(Fill(Bytes::MAX)))), scan.rows());
    assert!(monitor.budget().peak() > Bytes::mib(12), "the budget was never near its end");
    monitor
}

fn stream_long_texts() -> Monitor {
    let (loader, monitor) = loader(BUDGET);
    let scan = loader.scan().unwrap();
    assert_eq!(count(loader.batches(&scan, &[0, 1], Box::new(Fill(Bytes::mib(6))))), scan.rows());
    monitor
}

/// Every column, by `threads` threads, in batches of `batch` bytes.
fn stream(budget: Bytes, threads: usize, batch: Bytes) -> Monitor {
    let (loader, monitor) = loader(budget);
    let loader = loader.with_threads(threads);
    let scan = loader.scan().unwrap();
    let all: Vec<usize> = (0..scan.columns().len()).collect();
    assert_eq!(count(loader.batches(&scan, &all, Box::new(Fill(batch)))), scan.rows());
    monitor
}

fn hold_all() -> Monitor {
    let (loader, monitor) = loader(Bytes::gib(4));
    let scan = loader.scan().unwrap();
    let batches = loader.batches(&scan, &[0, 1, 2, 3, 4], Box::new(FixedRows(50_000)));
    let held: Vec<Batch> = batches.map(Result::unwrap).collect();
    let reserved: u64 = held.iter().map(|b| b.reserved().get()).sum();
    assert!(monitor.budget().reserved() >= Bytes(reserved));
    monitor
}

fn hold_all_within_the_budget() -> Monitor {
    let (loader, monitor) = loader(BUDGET);
    let scan = loader.scan().unwrap();
    let mut held = Vec::new();
    let mut batches = loader.batches(&scan, &[0, 1, 2, 3, 4], Box::new(FixedRows(50_000)));
    let refusal = loop {
        match batches.next().unwrap() {
            Ok(batch) => held.push(batch),
            Err(error) => break error,
        }
    };
    assert!(held.len() > 1);
    assert!(matches!(refusal.kind(), ErrorKind::Budget(_)), "{refusal}");
    assert!(batches.next().is_none());
    monitor
}

fn assert_within_budget(rise: Option<Bytes>) {
    assert_within(BUDGET, rise);
}

#[test]
fn exact_rows_stay_in_the_budget() {
    assert_within_budget(rise("exact_rows_stay_in_the_budget", orders, stream_exact_rows));
}

#[test]
fn batches_made_ahead_stay_in_the_budget() {
    assert_within_budget(rise("batches_made_ahead_stay_in_the_budget", orders, stream_ahead_by_bytes));
}

#[test]
fn a_batch_that_is_cut_by_refusal_stays_in_the_budget() {
    assert_within_budget(rise(
        "a_batch_that_is_cut_by_refusal_stays_in_the_budget",
        orders,
        stream_until_refused,
    ));
}

#[test]
fn long_texts_stay_in_the_budget() {
    assert_within_budget(rise("long_texts_stay_in_the_budget", long_texts, stream_long_texts));
}

#[test]
fn who_holds_all_batches_is_refused_within_the_budget() {
    let rise = rise("who_holds_all_batches_is_refused_within_the_budget", orders, hold_all_within_the_budget);
    assert_within_budget(rise);
}

/// One test for each of two numbers of threads: `NAME: WRITE, BUDGET, BATCH`.
macro_rules! stays_within {
    ($($name:ident: $write:expr, $budget:expr, $batch:expr;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn on_one_thread() {
                let test = concat!(stringify!($name), "::on_one_thread");
                assert_within($budget, rise(test, $write, || stream($budget, 1, $batch)));
            }

            #[test]
            fn on_two_threads() {
                let test = concat!(stringify!($name), "::on_two_threads");
                assert_within($budget, rise(test, $write, || stream($budget, 2, $batch)));
            }
        }
    )*};
}

stays_within! {
    many_columns: wide_numbers_and_texts, WIDE_BUDGET, Bytes::mib(8);
    many_columns_of_texts_under_long_names: wide_texts_under_long_names, WIDE_BUDGET, Bytes::mib(8);
    a_field_of_ten_megabytes: one_long_field, Bytes::mib(128), Bytes::mib(16);
    rows_that_become_wider: wider_rows, BUDGET, Bytes::mib(4);
    a_file_that_unpacks_to_a_thousand_times_its_size: deep_gzip, BUDGET, Bytes::mib(4);
}

/// Four times the rows take no more than the same memory. On one thread: of several, how many batches are alive at a
/// time is a matter of timing, and only the budget bounds it.
#[test]
fn the_peak_does_not_grow_with_the_file() {
    let case = || stream(BUDGET, 1, Bytes::mib(3));
    let test = "the_peak_does_not_grow_with_the_file";
    let large = rise(test, orders, case);
    let small = rise(test, |path| orders_of(path, Bytes(INPUT.get() / 4)), case);
    if let (Some(small), Some(large)) = (small, large) {
        assert!(large <= small.saturating_add(Bytes::mib(2)), "{large} after {small}");
    }
}

/// The harness can fail: the same input, held whole, is far above what the others may take.
#[test]
fn holding_all_batches_is_seen() {
    let rise = rise("holding_all_batches_is_seen", orders, hold_all);
    let most = BUDGET.saturating_add(SLACK);
    assert!(rise.is_none_or(|rise| rise > most), "{rise:?}");
}
