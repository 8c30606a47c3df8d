//! What reading a file takes follows its size, whatever numbers stand in it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]
#![allow(unsafe_code, reason = "an allocator is unsafe to write; this one counts and hands on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, StringArray};
use arrow::record_batch::RecordBatch;
use incremental::{Column, Fitting, Merged, PartialFit, Pipeline, Recipe, UnfinishedFit};
use monitor::Monitor;

/// The system's allocator, which knows the bytes that each thread holds and has held at most.
struct Counting;

thread_local! {
    static HELD: Cell<i64> = const { Cell::new(0) };
    static MOST: Cell<i64> = const { Cell::new(0) };
}

fn count(bytes: i64) {
    // A thread that is ending has nothing left to count with.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        let _ = MOST.try_with(|most| most.set(most.get().max(held.get())));
    });
}

// SAFETY: each method hands on to the system's allocator under the contract that it was called under; counting
// touches cells that are there from the start and allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as i64 - layout.size() as i64);
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that `work` holds at most beside what was there before.
fn most_of(work: impl FnOnce()) -> i64 {
    let before = HELD.get();
    MOST.set(before);
    work();
    MOST.get() - before
}

const RECIPE: &str = "version = 1
[[steps]]
use = \"one_hot_encoder\"
columns = [\"word\"]
handle_unknown = \"ignore\"
[[steps]]
use = \"count_encoder\"
columns = [\"code\"]
[[steps]]
use = \"tfidf_vectorizer\"
columns = [\"text\"]
[[steps]]
use = \"hashing_vectorizer\"
columns = [\"other\"]
n_features = 7
[[steps]]
use = \"quantile_transformer\"
columns = [\"x\"]
n_quantiles = 20
[[steps]]
use = \"polynomial_features\"
columns = [\"y\"]
degree = 3
[[steps]]
use = \"simple_imputer\"
columns = [\"z\"]
[[steps]]
use = \"pca\"
columns = [\"z\"]
";

fn table() -> RecordBatch {
    let texts = |salt: usize| -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..60).map(|row| format!("word{}", row * salt % 23))))
    };
    let floats = |salt: usize| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values((0..60).map(|row| (row * salt % 41) as f64 / 7.0)))
    };
    RecordBatch::try_from_iter_with_nullable([
        ("word", texts(1), true),
        ("code", texts(3), true),
        ("text", texts(5), true),
        ("other", texts(7), true),
        ("x", floats(3), true),
        ("y", floats(5), true),
        ("z", floats(7), true),
    ])
    .unwrap()
}

type Read = fn(&[u8]) -> bool;

/// A file of each kind, with what reads it.
fn files() -> [(Vec<u8>, Read); 3] {
    let (table, monitor) = (table(), Monitor::unbounded());
    let columns: Vec<Column> = table.schema().fields().iter().filter_map(|f| Column::of(f)).collect();
    let mut fitting = Fitting::new(Recipe::parse(RECIPE).unwrap(), &columns, &monitor);
    let mut files = Vec::new();
    loop {
        let mut part = PartialFit::new(fitting, "1/1".parse().unwrap()).unwrap();
        let projection = part.projection().unwrap().to_vec();
        part.update(&table.project(&projection).unwrap(), 0).unwrap();
        let state = part.to_bytes().unwrap();
        match part.finish().unwrap() {
            Merged::Unfinished(next) => {
                let file = next.to_bytes().unwrap();
                fitting = UnfinishedFit::from_bytes(&file, &monitor).unwrap().resume(&columns).unwrap();
                files = vec![state, file];
            }
            Merged::Pipeline(pipeline) => {
                files.push(pipeline.to_bytes().unwrap());
                break;
            }
        }
    }
    let [state, unfinished, pipeline] = <[Vec<u8>; 3]>::try_from(files).unwrap();
    [
        (state, |file| PartialFit::from_bytes(file, &Monitor::unbounded()).is_ok()),
        (unfinished, |file| UnfinishedFit::from_bytes(file, &Monitor::unbounded()).is_ok()),
        (pipeline, |file| Pipeline::from_bytes(file).is_ok()),
    ]
}

#[test]
fn no_number_in_a_file_makes_reading_it_expensive() {
    // A refusal's message, a monitor, tables of nothing.
    const BASE: i64 = 256 << 10;
    for (file, read) in files() {
        let size = file.len() as i64;
        let sound = most_of(|| assert!(read(&file)));
        let head = file.iter().position(|b| *b == b'\n').unwrap() + 1;
        let (first, body) = (&file[..head], std::str::from_utf8(&file[head..]).unwrap());
        let magic = std::str::from_utf8(first).unwrap().split(' ').next().unwrap();
        // Where a number begins.
        let is_digit = |at: usize| body.as_bytes()[at].is_ascii_digit();
        let places: Vec<usize> = (1..body.len()).filter(|at| is_digit(*at) && !is_digit(at - 1)).collect();
        assert!(places.len() > 50);
        for (at, large) in places
            .iter()
            .zip(["2147483647", "4294967295", "999999999999999", "18446744073709551615"].iter().cycle())
        {
            let length = body[*at..].bytes().take_while(u8::is_ascii_digit).count();
            let forged = format!("{}{large}{}", &body[..*at], &body[at + length..]);
            let forged = format!("{magic} 1 crc32:{:08x}\n{forged}", crc32fast::hash(forged.as_bytes()));
            let most = most_of(|| {
                let _ = read(forged.as_bytes());
            });
            assert!(
                most <= 2 * sound + BASE,
                "{most} bytes for a file of {size}, {sound} when it is sound: {large} at {at}, after {:?}",
                &body[at.saturating_sub(60)..*at]
            );
        }
        // What is cut or flipped is refused by its checksum, before it is looked at.
        let mut flipped = file.clone();
        let last = flipped.len() - 2;
        flipped[last] ^= 1;
        for damaged in [&flipped[..], &file[..file.len() / 2], &file[..head]] {
            let most = most_of(|| assert!(!read(damaged)));
            assert!(most <= BASE, "{most} bytes for a damaged file of {size}");
        }
    }
}

#[test]
fn the_allocator_sees_what_is_held() {
    let most = most_of(|| drop(vec![1u8; 1 << 20]));
    assert!((1 << 20..1 << 21).contains(&most), "{most}");
}
