//! The laws of every step's fit states, through their files: merging is associative and commutative and has an identity,
//! what is read is what was written, and what is no such file is refused.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampSecondArray};
use arrow::record_batch::RecordBatch;
use incremental::{Error, FileKind, Merged, PartialFit, Pipeline, Shard, UnfinishedFit};
use monitor::Monitor;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::recipes::{self, Takes};
use crate::shards::{Begin, begin};
use crate::support::{recipe, table};

const ROWS: usize = 48;

/// Columns for all steps: classes, numbers, positive ones, numbers with holes, texts, times, bools, texts with holes.
fn mixed() -> RecordBatch {
    let row = |row: usize, salt: usize| (row * 7919 + salt * 104_729) % 1009;
    let rows = || 0..ROWS;
    let float = |r: usize| row(r, 1) as f64 / 7.0 - 60.0;
    let word = |r: usize| ["red", "green", "blue", "red wine", "Åre"][row(r, 4) % 5];
    let columns: [(&str, ArrayRef); 8] = [
        ("c0", Arc::new(Int64Array::from_iter_values(rows().map(|r| (row(r, 0) % 3) as i64)))),
        ("c1", Arc::new(Float64Array::from_iter_values(rows().map(float)))),
        ("c2", Arc::new(Float64Array::from_iter_values(rows().map(|r| 1e9 + row(r, 2) as f64 / 3.0)))),
        ("c3", Arc::new(Float64Array::from_iter(rows().map(|r| (r % 5 > 0).then(|| float(r)))))),
        ("c4", Arc::new(StringArray::from_iter_values(rows().map(word)))),
        ("c5", Arc::new(TimestampSecondArray::from_iter_values(rows().map(|r| row(r, 5) as i64 * 86_399)))),
        ("c6", Arc::new(BooleanArray::from_iter(rows().map(|r| Some(row(r, 6) % 3 == 0))))),
        ("c7", Arc::new(StringArray::from_iter(rows().map(|r| (r % 4 > 0).then(|| word(r)))))),
    ];
    table(columns)
}

fn suiting(values: Takes) -> Vec<String> {
    let names: &[&str] = match values {
        Takes::Anything => &["c0", "c4", "c6", "c7"],
        Takes::Numbers => &["c1", "c2", "c3"],
        Takes::CompleteNumbers => &["c1", "c2"],
        Takes::Texts => &["c4", "c7"],
        Takes::Times => &["c5"],
    };
    names.iter().map(ToString::to_string).collect()
}

/// The file of a shard that has seen these rows.
fn seen(from: &Begin<'_>, table: &RecordBatch, shard: &str, rows: Range<usize>) -> Result<Vec<u8>, Error> {
    let mut part = PartialFit::new(begin(from, table)?, shard.parse::<Shard>().unwrap())?;
    if let Some(projection) = part.projection().map(<[usize]>::to_vec) {
        let wanted = table.project(&projection).unwrap();
        part.update(&wanted.slice(rows.start, rows.len()), rows.start as u64)?;
    }
    part.to_bytes()
}

fn merged(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut left = PartialFit::from_bytes(left, &Monitor::unbounded()).unwrap();
    left.merge(right).unwrap();
    left.to_bytes().unwrap()
}

/// What a file says of states, without the lines that name file and shards.
fn states(file: &[u8]) -> &[u8] {
    file.splitn(3, |b| *b == b'\n').nth(2).unwrap()
}

/// Checks all passes of a fit, and gives how many states there were.
fn check(steps: &str, table: &RecordBatch) -> Result<usize, Error> {
    let recipe = recipe(&[steps]);
    let mut unfinished: Option<Vec<u8>> = None;
    let mut count = 0;
    loop {
        let from = unfinished.as_deref().map_or(Begin::Recipe(&recipe), Begin::Unfinished);
        let a = seen(&from, table, "1/4", 0..12)?;
        let b = seen(&from, table, "2/4", 12..24)?;
        let c = seen(&from, table, "3/4", 24..36)?;
        let nothing = seen(&from, table, "4/4", 0..0)?;
        for file in [&a, &b, &c, &nothing] {
            let read = PartialFit::from_bytes(file, &Monitor::unbounded())?;
            assert!(read.to_bytes()? == *file, "{steps}: what is read is not what was written");
        }
        let ab = merged(&a, &b);
        assert!(ab == merged(&b, &a), "{steps}: merging does not commute");
        assert!(merged(&ab, &c) == merged(&a, &merged(&b, &c)), "{steps}: merging is not associative");
        for both in [merged(&a, &nothing), merged(&nothing, &a)] {
            assert!(states(&both) == states(&a), "{steps}: what has seen nothing is not the identity");
        }
        let in_one = seen(&from, table, "1/4", 0..24)?;
        assert!(states(&ab) == states(&in_one), "{steps}: merged is not what one state would have seen");
        count += usize::from(!states(&a).is_empty());

        let last = seen(&from, table, "4/4", 36..ROWS)?;
        let whole = merged(&merged(&last, &c), &ab);
        match PartialFit::from_bytes(&whole, &Monitor::unbounded())?.finish()? {
            Merged::Pipeline(_) => return Ok(count),
            Merged::Unfinished(next) => unfinished = Some(next.to_bytes()?),
        }
    }
}

#[test]
fn every_step_and_parameter_keeps_the_laws() {
    const TRIES: usize = 24;
    let table = mixed();
    let mut runner = TestRunner::deterministic();
    let mut learning = BTreeSet::new();
    for name in recipes::names() {
        let steps = recipes::step_called(name);
        let mut checked = 0;
        for _ in 0..TRIES {
            let step = steps.new_tree(&mut runner).unwrap().current().on(suiting);
            if let Ok(count) = check(&step, &table) {
                checked += 1;
                learning.extend((count > 0).then_some(name));
            }
        }
        assert!(checked >= 3, "{name}: {checked} of {TRIES} could be fitted");
    }
    // Nothing is learnt from rows by the others.
    let all: BTreeSet<&str> = recipes::names().collect();
    let others: Vec<&str> = all.difference(&learning).copied().collect();
    assert_eq!(
        others,
        [
            "cast",
            "clip",
            "date_parts",
            "drop_columns",
            "feature_hasher",
            "hashing_vectorizer",
            "log1p",
            "polynomial_features",
            "select_columns"
        ]
    );
}

/// A file of each kind: a pipeline, a partial state, an unfinished fit.
fn files() -> [Vec<u8>; 3] {
    let steps = "use = \"simple_imputer\"\ncolumns = [\"c3\"]\n[[steps]]\nuse = \"robust_scaler\"\ncolumns = [\"c3\"]
[[steps]]\nuse = \"one_hot_encoder\"\ncolumns = [\"c7\"]\n[[steps]]\nuse = \"target_encoder\"\ncolumns = [\"c4\"]\ntarget = \"c1\"";
    let (table, recipe) = (mixed(), recipe(&[steps]));
    let state = seen(&Begin::Recipe(&recipe), &table, "1/1", 0..ROWS).unwrap();
    let read = || PartialFit::from_bytes(&state, &Monitor::unbounded()).unwrap();
    let Merged::Unfinished(unfinished) = read().finish().unwrap() else { panic!("another pass") };
    let (pipeline, _) = crate::support::fit(&[steps], &table).unwrap();
    [pipeline.to_bytes().unwrap(), state, unfinished.to_bytes().unwrap()]
}

/// Reads a file as what `like` is.
fn read(like: &[u8], file: &[u8]) -> Result<(), Error> {
    match FileKind::of(like).unwrap() {
        FileKind::Pipeline => Pipeline::from_bytes(file).map(drop),
        FileKind::PartialState => PartialFit::from_bytes(file, &Monitor::unbounded()).map(drop),
        FileKind::UnfinishedFit => UnfinishedFit::from_bytes(file, &Monitor::unbounded()).map(drop),
        _ => panic!("a kind without a test"),
    }
}

fn refusal(like: &[u8], file: &[u8]) -> String {
    let error = read(like, file).unwrap_err();
    assert!(
        matches!(
            error.kind(),
            incremental::ErrorKind::Archive { .. } | incremental::ErrorKind::OtherFile { .. }
        ),
        "{error}"
    );
    error.to_string()
}

#[test]
fn files_of_later_versions_and_of_other_kinds_are_refused_by_name() {
    let files = files();
    for (file, name) in files.iter().zip(["a pipeline", "a partial state", "an unfinished fit"]) {
        read(file, file).unwrap();
        let text = String::from_utf8(file.clone()).unwrap();
        let later = text.replacen(" 1 crc32", " 2 crc32", 1);
        assert_eq!(
            refusal(file, later.as_bytes()),
            format!(
                "is {name} of version 2, and this program reads version 1; fit again, or use the program that wrote it"
            )
        );
        for other in files.iter().filter(|other| *other != file) {
            let message = refusal(file, other);
            assert!(message.starts_with("is no ") && message.contains(" but a"), "{message}");
        }
        assert!(refusal(file, b"").starts_with("is no "));
    }
}

proptest! {
    #[test]
    fn damaged_files_are_refused(
        which in 0..3usize,
        end in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..5),
        noise in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        thread_local! { static FILES: [Vec<u8>; 3] = files(); }
        let file = FILES.with(|files| files[which].clone());
        refusal(&file, &file[..end.index(file.len())]);
        let mut flipped = file.clone();
        flips.iter().for_each(|(place, flip)| flipped[place.index(file.len())] ^= flip);
        if flipped != file {
            refusal(&file, &flipped);
        }
        refusal(&file, &noise);
        // Behind a first line that is right, too.
        let head = file.iter().position(|b| *b == b'\n').unwrap() + 1;
        refusal(&file, &[&file[..head], &noise].concat());
        let magic = file.iter().position(|b| *b == b' ').unwrap();
        let magic = String::from_utf8(file[..magic].to_vec()).unwrap();
        let body = String::from_utf8_lossy(&noise).into_owned();
        let sealed = format!("{magic} 1 crc32:{:08x}\n{body}", crc32fast::hash(body.as_bytes()));
        refusal(&file, sealed.as_bytes());
    }
}
