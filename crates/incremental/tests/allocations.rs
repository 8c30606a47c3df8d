//! What reading a file takes follows its size, whatever numbers stand in it; and what a fit and a transform hold never
//! exceeds what is reserved.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]
#![allow(unsafe_code, reason = "an allocator is unsafe to write; this one counts and hands on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Float64Array, Int64Array, StringArray, TimestampMillisecondArray,
};
use arrow::datatypes::Int32Type;
use arrow::record_batch::RecordBatch;
use incremental::{Column, Fitting, Merged, PartialFit, Pipeline, Recipe, UnfinishedFit};
use monitor::{Budget, Bytes, Monitor};

/// The system's allocator, which knows the bytes that each thread holds and has held at most.
struct Counting;

thread_local! {
    static HELD: Cell<i64> = const { Cell::new(0) };
    static MOST: Cell<i64> = const { Cell::new(0) };
    /// What is compared with the bytes held, where that is wanted, and what they have exceeded it by at most.
    static BUDGET: Cell<Option<&'static Budget>> = const { Cell::new(None) };
    static EXCESS: Cell<i64> = const { Cell::new(i64::MIN) };
}

fn count(bytes: i64) {
    // A thread that is ending has nothing left to count with.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        let _ = MOST.try_with(|most| most.set(most.get().max(held.get())));
        compare(held.get());
    });
}

fn compare(held: i64) {
    if let Ok(Some(budget)) = BUDGET.try_with(Cell::get) {
        let excess = held - budget.reserved().get() as i64;
        let _ = EXCESS.try_with(|most| most.set(most.get().max(excess)));
    }
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

/// Different values, more than a table is about to hold: enough that a copy of them shows.
const ROWS: usize = 100_000;
const BATCH: usize = 8_000;
/// What a batch's own arrays take, names and messages, and the tables of steps that learn nothing.
const SLACK: i64 = 512 << 10;

/// Bytes by which `work` holds more than `budget` has reserved, at the worst moment. What is there before is no part of
/// it.
fn excess_of(budget: &'static Budget, work: impl FnOnce(&dyn Fn())) -> i64 {
    let before = HELD.get() - budget.reserved().get() as i64;
    EXCESS.set(i64::MIN);
    BUDGET.set(Some(budget));
    // What is given back to the budget makes no allocation that would be compared.
    work(&|| compare(HELD.get()));
    BUDGET.set(None);
    EXCESS.get() - before
}

fn values(kind: &str) -> ArrayRef {
    let mixed = (0..ROWS).map(|row| row * 2_654_435_761 % 1_000_000_007);
    let text = |value: usize| format!("k{value:010}");
    match kind {
        "text" => Arc::new(StringArray::from_iter_values(mixed.map(text))),
        "long text" => {
            Arc::new(StringArray::from_iter_values(mixed.map(|v| format!("{}{v}", "-".repeat(v % 97)))))
        }
        "shared text" => Arc::new(mixed.map(|v| text(v % 500)).map(Some).collect::<StringArray>()),
        "dictionary" => {
            let texts: Vec<String> = mixed.map(text).collect();
            Arc::new(texts.iter().map(String::as_str).collect::<DictionaryArray<Int32Type>>())
        }
        "int" => Arc::new(Int64Array::from_iter_values(mixed.map(|v| v as i64 - 500_000_000))),
        "float" => Arc::new(Float64Array::from_iter_values(mixed.map(|v| v as f64 / 7.0))),
        "time" => Arc::new(TimestampMillisecondArray::from_iter_values(mixed.map(|v| v as i64))),
        "class" => Arc::new(Int64Array::from_iter_values((0..ROWS).map(|row| (row * row % 7) as i64))),
        _ => Arc::new(Float64Array::from_iter_values((0..ROWS).map(|row| row as f64 / 64.0))),
    }
}

/// Fits a step in two parts that are merged, binds what comes of it and transforms a batch.
fn fit_and_transform(step: &str, kind: &str, target: &str, budget: &'static Budget) -> i64 {
    let monitor = Monitor::builder().with_budget(budget.clone()).build().unwrap();
    let table = RecordBatch::try_from_iter([("x", values(kind)), ("y", values(target))]).unwrap();
    let columns: Vec<Column> = table.schema().fields().iter().filter_map(|f| Column::of(f)).collect();
    let recipe = format!("version = 1\n[[steps]]\ncolumns = [\"x\"]\n{step}\n");
    let recipe = Recipe::parse(&recipe).unwrap();
    excess_of(budget, |look| {
        let mut fitting = Fitting::new(recipe, &columns, &monitor);
        while let Some(pass) = fitting.next_pass().unwrap() {
            let mut parts = [pass.sibling().unwrap(), pass];
            for (batch, from) in (0..ROWS).step_by(BATCH).enumerate() {
                let rows = table.slice(from, BATCH.min(ROWS - from));
                let rows = rows.project(parts[0].projection()).unwrap();
                parts[batch % 2].update(&rows, from as u64).unwrap();
                look();
            }
            let [other, mut pass] = parts;
            pass.merge(other).unwrap();
            look();
            fitting.finish_pass(pass).unwrap();
            look();
        }
        let pipeline = fitting.finish().unwrap();
        look();
        let more = Bytes::from(pipeline.heap_bytes() + pipeline.bound_bytes());
        let binding =
            budget.consumer("binding").try_reserve(more.saturating_sub(pipeline.reserved())).unwrap();
        let bound = pipeline.bind(&columns, true).unwrap();
        let batch = table.slice(0, 2_000).project(bound.projection()).unwrap();
        let made = Bytes::from(bound.made_row_bytes() * batch.num_rows());
        let made = budget.consumer("rows made").try_reserve(made).unwrap();
        drop((bound.transform(&batch, 0).unwrap(), made));
        // What was bound holds what the pipeline does.
        drop(pipeline);
        look();
        drop((bound, binding));
    })
}

#[test]
fn what_a_fit_and_a_transform_hold_is_reserved() {
    let budget: &'static Budget = Box::leak(Box::new(Budget::new(Bytes::mib(4096))));
    let target = "use = \"target_encoder\"\ntarget = \"y\"";
    let runs = [
        ("use = \"ordinal_encoder\"", "text", ""),
        ("use = \"ordinal_encoder\"", "int", ""),
        ("use = \"ordinal_encoder\"", "long text", ""),
        ("use = \"ordinal_encoder\"", "float", ""),
        ("use = \"ordinal_encoder\"", "dictionary", ""),
        ("use = \"ordinal_encoder\"", "time", ""),
        ("use = \"ordinal_encoder\"\nmax_categories = 100", "text", ""),
        ("use = \"count_encoder\"", "text", ""),
        ("use = \"count_encoder\"\nmin_group_size = 2\nnormalize = true", "int", ""),
        ("use = \"one_hot_encoder\"\nmax_categories = 50", "text", ""),
        ("use = \"one_hot_encoder\"\nmin_frequency = 2", "int", ""),
        ("use = \"one_hot_encoder\"", "shared text", ""),
        ("use = \"tfidf_vectorizer\"\nmax_features = 50", "text", ""),
        ("use = \"tfidf_vectorizer\"\nmax_features = 50\nngram_range = [1, 3]", "shared text", ""),
        ("use = \"simple_imputer\"\nstrategy = \"most_frequent\"", "text", ""),
        ("use = \"simple_imputer\"\nstrategy = \"most_frequent\"", "int", ""),
        ("use = \"simple_imputer\"\nstrategy = \"median\"", "float", ""),
        ("use = \"k_bins_discretizer\"\nn_bins = 2000\nencode = \"ordinal\"", "float", ""),
        ("use = \"k_bins_discretizer\"\nn_bins = 60\nstrategy = \"kmeans\"", "float", ""),
        ("use = \"quantile_transformer\"\nn_quantiles = 5000", "float", ""),
        ("use = \"robust_scaler\"", "float", ""),
        (target, "text", "number"),
        (target, "int", "class"),
    ];
    for (step, kind, target) in runs {
        let excess = fit_and_transform(step, kind, target, budget);
        assert!(excess <= SLACK, "{step} on {kind} {target}: {excess} bytes more than reserved");
        assert_eq!(budget.reserved(), Bytes::ZERO, "{step} on {kind}");
    }
}

#[test]
fn what_is_not_reserved_is_seen() {
    let budget: &'static Budget = Box::leak(Box::new(Budget::new(Bytes::mib(64))));
    let excess = excess_of(budget, |_| {
        let held = budget.consumer("some").try_reserve(Bytes::mib(3)).unwrap();
        drop((vec![1u8; 5 << 20], held));
    });
    assert!((2 << 20..(2 << 20) + (1 << 16)).contains(&excess), "{excess}");
    let excess = excess_of(budget, |look| {
        let held = budget.consumer("some").try_reserve(Bytes::mib(3)).unwrap();
        let bytes = vec![1u8; 3 << 20];
        drop(held);
        look();
        drop(bytes);
    });
    assert!((3 << 20..(3 << 20) + (1 << 16)).contains(&excess), "{excess}");
}
