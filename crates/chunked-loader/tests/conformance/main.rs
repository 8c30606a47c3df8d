//! Every case of the conformance corpus through the library, on every path.
//!
//! A case is read once by the state machine alone and held against the main reading that its file expects; all
//! other ways to cut the work must give the same columns, the same rejects and the same messages. The format of a case is written down in
//! `testdata/README.md`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod case;
mod compare;
mod reading;
#[path = "../values/mod.rs"]
mod values;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use case::Case;
use chunked_loader::IndexKernel;
use reading::{Cut, Reading, Way};

/// The budget that every case is read under once more. The least for all of them is 8.2 MiB: the longest field has
/// two, which are reserved for the batch before it is read, while a window of two is copied to one of four.
const SMALL_BUDGET: monitor::Bytes = monitor::Bytes::kib(8_400);

/// Bytes of the ranges that threads take where there is no scan.
const RANGES: [u64; 5] = [1, 7, 40, 250, 4096];

/// Runs a case on every path, and says what is wrong with it. Counts in `proved` how often it was read without a scan.
fn check(case: &Case, dir: &Path, proved: &AtomicUsize) -> Result<(), String> {
    let file = case.write(dir);
    let bytes = file.metadata().map_or(0, |m| m.len());
    let runs = std::iter::once((&case.main, case.skips())).chain(case.skip.iter().map(|skip| (skip, true)));
    for (expected, skips) in runs {
        let first = Reading::of(case, &file, TWIN, skips);
        compare::outcome(case, expected, &first).map_err(|e| format!("skips {skips}: {e}"))?;
        for way in ways(bytes) {
            let again = Reading::of(case, &file, way, skips);
            again.same_as(&first).map_err(|e| format!("skips {skips}, {way:?}: {e}"))?;
        }
        if skips {
            continue;
        }
        for range in RANGES.into_iter().filter(|range| bytes / range <= 2000) {
            let Some(columns) = reading::presumed(case, &file, range) else { continue };
            proved.fetch_add(1, Ordering::Relaxed);
            if !first.has_read(&columns) {
                return Err(format!("without a scan, ranges of {range}: gave other values"));
            }
        }
    }
    Ok(())
}

/// The slow twin that all other ways are held against: the state machine alone, the whole file at once.
const TWIN: Way = Way { block: 4 << 20, cut: Cut::Rows(1000), threads: 1, kernel: None, budget: None };

const BLOCKS: [usize; 7] = [1, 3, 7, 64, 4096, 64 << 10, 4 << 20];
const THREADS: [usize; 3] = [1, 2, 8];
const BATCH_ROWS: [usize; 3] = [1, 7, 1000];

/// The state machine, and each kernel that this processor has.
fn kernels() -> Vec<Option<IndexKernel>> {
    let available = IndexKernel::ALL.into_iter().filter(|kernel| kernel.is_available()).map(Some);
    std::iter::once(None).chain(available).collect()
}

/// The ways to cut the work of a file.
///
/// A small file is read in every combination. In a larger one every pair of block, kernel and threads comes once,
/// and a third of them in one that is larger still; both are spared cuts into very many pieces, which take their
/// time there and find nothing that the same bytes in a small file do not.
fn ways(file_bytes: u64) -> Vec<Way> {
    let (is_small, is_large) = (file_bytes <= 128, file_bytes > 32 << 10);
    let least_rows = if file_bytes > 64 << 10 { 1000 } else { 1 + (file_bytes >> 13) as usize };
    let kernels = kernels();
    let mut ways = Vec::new();
    for (b, &block) in BLOCKS.iter().enumerate().filter(|(_, block)| file_bytes / **block as u64 <= 600) {
        for (k, &kernel) in kernels.iter().enumerate() {
            for (t, &threads) in THREADS.iter().enumerate() {
                for (r, &rows) in BATCH_ROWS.iter().enumerate() {
                    let is_chosen = is_small || ((b + k + t) % 3 == r && (!is_large || (b + k) % 3 == t));
                    let is_spared = rows < least_rows;
                    if is_chosen && !is_spared {
                        ways.push(Way { block, cut: Cut::Rows(rows), threads, kernel, budget: None });
                    }
                }
            }
        }
    }
    for &kernel in &kernels {
        for (threads, bytes) in [(1, if least_rows == 1 { 1 } else { 1000 }), (2, 4096)] {
            ways.push(Way { block: 4096, cut: Cut::Bytes(bytes), threads, kernel, budget: None });
        }
        for (threads, cut) in
            [(1, Cut::Rows(if least_rows <= 7 { 7 } else { 1000 })), (2, Cut::Bytes(64 << 10))]
        {
            ways.push(Way { block: 4096, cut, threads, kernel, budget: Some(SMALL_BUDGET) });
        }
    }
    ways
}

/// Runs the cases; gives how many readings did without a scan.
fn run(cases: &[Case]) -> usize {
    assert!(!cases.is_empty());
    let next = AtomicUsize::new(0);
    let (wrong, proved) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            threads.spawn(|| {
                let dir = tempfile::tempdir().unwrap();
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(e) = check(case, dir.path(), &proved) {
                        wrong.lock().unwrap().push(format!("{}: {e}", case.name));
                    }
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    proved.into_inner()
}

fn manifest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The harness can fail: a text, a type, a name or a place that is not the file's is noticed.
#[test]
fn a_wrong_expectation_is_noticed() {
    let folder = manifest("../../testdata/conformance");
    let dir = tempfile::tempdir().unwrap();
    let mut noticed = 0;
    for case in &Case::all(&folder) {
        let file = case.write(dir.path());
        let reading = Reading::of(case, &file, TWIN, case.skips());
        if compare::outcome(case, &case.main, &reading).is_err() {
            continue;
        }
        for wrong in case.main.made_wrong() {
            assert!(compare::outcome(case, &wrong, &reading).is_err(), "{}: {wrong:?}", case.name);
            noticed += 1;
        }
    }
    assert!(noticed > 300, "only {noticed} wrong expectations were tried");
}

#[test]
fn cases_of_this_repository() {
    let proved = run(&Case::all(&manifest("../../testdata/conformance")));
    assert!(proved > 20, "only {proved} readings did without a scan");
}

#[test]
fn cases_of_the_whole_corpus_where_it_is_at_hand() {
    let folder = manifest("../../../shared/corpus/conformance");
    if !folder.is_dir() {
        eprintln!("skipped: {} is not there", folder.display());
        return;
    }
    let mut cases = Case::all(&folder);
    // What is kept here as well has a test of its own.
    let ours = Case::all(&manifest("../../testdata/conformance"));
    cases.retain(|case| !ours.iter().any(|our| our == case));
    run(&cases);
}
