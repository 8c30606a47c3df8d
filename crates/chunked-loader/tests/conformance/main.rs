//! Every case of the conformance corpus through the library, on every path.
//!
//! A case is read once and held against what its file expects; all other ways to cut the work must give the same
//! columns, the same positions and the same messages. The format of a case is written down in
//! `testdata/README.md`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod case;
mod compare;
mod reading;
#[path = "../values/mod.rs"]
mod values;

use std::path::{Path, PathBuf};

use case::Case;
use reading::{Cut, Outcome, Reading, Way};

/// What a case demands that the loader has no option for yet, and what is checked in place of the expectation.
enum Pending {
    /// Refused as bytes that are not UTF-8.
    NotUtf8,
    /// Refused as malformed: NUL bytes stand where delimiters and line ends are looked for.
    Malformed,
    /// Read, and every field is the text that the file holds: no number is guessed, none cut.
    Text,
}

/// By name, with the reason.
const PENDING: [(&str, Pending, &str); 13] = [
    ("clevercsv-airedale", Pending::Text, "thousands"),
    ("cp1252-by-option", Pending::NotUtf8, "encoding"),
    ("decimal-comma", Pending::Text, "decimal"),
    ("decimal-comma-and-thousands-point", Pending::Text, "decimal"),
    ("duckdb-thousands-multi-column-quote", Pending::Text, "thousands"),
    ("latin1-by-option", Pending::NotUtf8, "encoding"),
    ("qsv-311011", Pending::Text, "thousands"),
    ("rust-csv-uspop-latin1", Pending::NotUtf8, "encoding"),
    ("thousands-comma-quoted", Pending::Text, "thousands"),
    ("thousands-in-the-wrong-place", Pending::Text, "thousands"),
    ("utf16le-without-bom", Pending::NotUtf8, "encoding"),
    ("vroom-latin1", Pending::NotUtf8, "encoding"),
    ("vroom-utf16-be-no-bom", Pending::Malformed, "encoding"),
];

/// Cases that are read in one of the other ways that their file lets pass.
const TOLERATED: [&str; 2] = ["cp1252-found", "preamble-found"];

/// The budget that every case is read under once more. The least for all of them is 6.1 MiB: the longest field has
/// two, for which doubling takes four in the record that blocks are put together to, and the column takes two.
const SMALL_BUDGET: monitor::Bytes = monitor::Bytes::kib(6_400);

/// Runs a case on every path; what is wrong with it, or whether a tolerated reading was needed.
fn check(case: &Case, dir: &Path) -> Result<bool, String> {
    let file = case.write(dir);
    let plain = Way { block: 256 << 10, cut: Cut::Rows(1000), threads: 1, kernel: None, budget: None };
    let first = Reading::of(case, &file, plain, case.skips());
    for way in ways(file.metadata().map_or(0, |m| m.len())) {
        Reading::of(case, &file, way, case.skips()).same_as(&first).map_err(|e| format!("{way:?}: {e}"))?;
    }

    if let Some((_, pending, _)) = PENDING.iter().find(|(name, ..)| *name == case.name) {
        match (pending, &first.outcome) {
            (Pending::NotUtf8, Outcome::Refused(e)) if e.is_not_utf8 => {}
            (Pending::Malformed, Outcome::Refused(e)) if e.exit == 3 && e.position.is_some() => {}
            (Pending::Text, Outcome::Read(read)) => compare::rows(&case.main, read)?,
            (_, outcome) => return Err(format!("is no longer refused or read as pending: {outcome:?}")),
        }
        return Ok(false);
    }
    let mut wrong = Vec::new();
    let mut tolerated = None;
    for (i, expected) in std::iter::once(&case.main).chain(&case.also_ok).enumerate() {
        match compare::outcome(case, expected, &first) {
            Ok(()) => {
                tolerated = Some(i > 0);
                break;
            }
            Err(e) => wrong.push(e),
        }
    }
    let Some(tolerated) = tolerated else { return Err(wrong.join(" / ")) };

    if let Some(skip) = &case.skip {
        let skipped = Reading::of(case, &file, plain, true);
        compare::outcome(case, skip, &skipped).map_err(|e| format!("skip: {e}"))?;
        for way in ways(file.metadata().map_or(0, |m| m.len())) {
            let again = Reading::of(case, &file, way, true);
            again.same_as(&skipped).map_err(|e| format!("skip, {way:?}: {e}"))?;
        }
    }
    Ok(tolerated)
}

/// Every way to cut the work. Files beyond 32 KiB are spared the smallest cuts, which take their time there
/// and find nothing that the same bytes in a small file do not.
fn ways(file_bytes: u64) -> Vec<Way> {
    let is_large = file_bytes > 32 << 10;
    let blocks: &[usize] = if is_large { &[4096, 256 << 10] } else { &[1, 3, 7, 64, 4096, 256 << 10] };
    let rows: &[usize] = if is_large { &[1000] } else { &[1, 7, 1000] };
    let mut ways = Vec::new();
    for &block in blocks {
        for &rows in rows {
            for prefetch in [false, true] {
                ways.push(Way { block, cut: Cut::Rows(rows), prefetch, budget: None });
            }
        }
    }
    for bytes in [1, 4096] {
        ways.push(Way { block: 4096, cut: Cut::Bytes(bytes), threads: 1, kernel: None, budget: None });
    }
    ways.push(Way { block: 4096, cut: Cut::Rows(7), threads: 1, kernel: None, budget: Some(SMALL_BUDGET) });
    ways.push(Way { block: 4096, cut: Cut::Bytes(64 << 10), prefetch: true, budget: Some(SMALL_BUDGET) });
    ways
}

fn run(folder: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    let mut tolerated = Vec::new();
    let cases = Case::all(folder);
    assert!(!cases.is_empty(), "{} holds no case", folder.display());
    for case in &cases {
        match check(case, dir.path()) {
            Ok(true) => tolerated.push(case.name.as_str()),
            Ok(false) => {}
            Err(e) => wrong.push(format!("{}: {e}", case.name)),
        }
    }
    eprintln!("{} cases; read in another way that passes: {}", cases.len(), tolerated.join(", "));
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let expected: Vec<&str> =
        TOLERATED.into_iter().filter(|name| cases.iter().any(|c| c.name == *name)).collect();
    assert_eq!(tolerated, expected, "the list of cases that are read in another way is out of date");
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
    for case in Case::all(&folder).iter().filter(|c| !PENDING.iter().any(|(name, ..)| *name == c.name)) {
        let file = case.write(dir.path());
        let way = Way { block: 4096, cut: Cut::Rows(1000), threads: 1, kernel: None, budget: None };
        let reading = Reading::of(case, &file, way, case.skips());
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
    run(&manifest("../../testdata/conformance"));
}

#[test]
fn cases_of_the_whole_corpus_where_it_is_at_hand() {
    let folder = manifest("../../../shared/corpus/conformance");
    if !folder.is_dir() {
        eprintln!("skipped: {} is not there", folder.display());
        return;
    }
    run(&folder);
}
