//! In steady state a batch costs the same few allocations however many rows it has: buffers have their room from the
//! start, or are used again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]
#![allow(unsafe_code, reason = "an allocator is unsafe to write; this one counts and hands on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Write;
use std::path::Path;

use arrow::datatypes::DataType;
use chunked_loader::{FixedRows, Loader, Source};

/// The system's allocator, which counts what each thread asks of it.
struct Counting;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has nothing left to count with.
    let _ = ASKED.try_with(|asked| asked.set(asked.get() + 1));
}

// SAFETY: each method hands on to the system's allocator under the contract that it was called under; counting
// touches a cell that is there from the start and allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
/// Batches that are counted, behind two that are not: what is made once is made in those.
const COUNTED: usize = 2;
const ROWS: usize = 100_000 * (2 + COUNTED);

/// Allocations of a batch of each size of a table of one column, whose field in row `n` is `field(n)`.
fn allocations(data_type: &DataType, field: impl Fn(usize) -> String) -> [u64; 3] {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    let mut text = String::from("id,v\n");
    for n in 0..ROWS {
        writeln!(text, "{},{}", n % 100, field(n)).unwrap();
    }
    std::fs::write(&path, &text).unwrap();
    drop(text);
    let loader = Loader::new(Source::open(&[path], Path::new("/nowhere")).unwrap());
    let scan = loader.scan().unwrap();
    assert_eq!(scan.schema().field(1).data_type(), data_type);
    SIZES.map(|rows| {
        let mut batches = loader.batches(&scan, &[1], Box::new(FixedRows(rows)));
        for _ in 0..2 {
            assert_eq!(batches.next().unwrap().unwrap().num_rows(), rows);
        }
        let before = ASKED.get();
        for _ in 0..COUNTED {
            assert_eq!(batches.next().unwrap().unwrap().num_rows(), rows);
        }
        (ASKED.get() - before).div_ceil(COUNTED as u64)
    })
}

fn check(data_type: &DataType, field: impl Fn(usize) -> String) {
    let counts = allocations(data_type, field);
    eprintln!("{data_type}: {counts:?} allocations a batch of {SIZES:?} rows");
    assert!(counts[0] > 0, "nothing was counted");
    // What differs between two batches of one size, such as a block that begins a batch and ends the one before.
    assert!(
        counts.iter().all(|count| *count <= counts[0] + 2),
        "{data_type}: {counts:?} allocations a batch"
    );
}

#[test]
fn whole_numbers() {
    check(&DataType::Int32, |n| (n as i64 * 71 - 400_000).to_string());
}

#[test]
fn whole_numbers_with_nulls() {
    check(&DataType::Int32, |n| if n % 7 == 0 { String::new() } else { (n as i64 - 100_000).to_string() });
}

#[test]
fn floats() {
    check(&DataType::Float64, |n| format!("{}.{:04}", n % 900, n % 9973));
}

#[test]
fn bools() {
    check(&DataType::Boolean, |n| (n % 3 == 0).to_string());
}

#[test]
fn dates() {
    check(&DataType::Date32, |n| format!("20{:02}-{:02}-{:02}", n % 100, n % 12 + 1, n % 28 + 1));
}

#[test]
fn timestamps() {
    let unit = arrow::datatypes::TimeUnit::Second;
    check(&DataType::Timestamp(unit, None), |n| {
        format!("2024-01-{:02}T10:{:02}:{:02}", n % 28 + 1, n % 60, n % 59)
    });
}

#[test]
fn text() {
    check(&DataType::Utf8, |n| format!("text number {:x}", n.wrapping_mul(0x9e37_79b9)));
}

#[test]
fn quoted_text() {
    check(&DataType::Utf8, |n| format!("\"text, \"\"{:x}\"\"\"", n.wrapping_mul(0x9e37_79b9)));
}

#[test]
fn dictionaries() {
    let types = (Box::new(DataType::Int8), Box::new(DataType::Utf8));
    check(&DataType::Dictionary(types.0, types.1), |n| ["open", "paid", "sent back"][n % 3].to_owned());
}

/// The counter can tell: a batch that is copied row by row costs more the more rows it has.
#[test]
fn what_allocates_row_by_row_is_seen() {
    let before = ASKED.get();
    let copies: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    assert!(ASKED.get() - before > copies.len() as u64);
}
