//! The bytes of every format and layout follow from the rows, not from the batches in which they came, or from threads.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use monitor::Bytes;
use sink::{Compression, SinkBuilder, ZstdLevel};

const ROWS: usize = 150_000;

fn table() -> RecordBatch {
    let rows = 0..ROWS as i32;
    let mixed = |row: i32| (row as u32).wrapping_mul(0x9e37_79b9);
    let text = |row: i32| (row % 11 > 0).then(|| format!("{:x}", mixed(row) >> (row % 24)));
    let made = |row: i32| (row % 13 > 0).then(|| format!("{:x}", mixed(row) % (1 + row as u32 / 400)));
    let columns: [(&str, ArrayRef); 6] = [
        ("id", Arc::new(Int32Array::from_iter_values(rows.clone()))),
        (
            "share",
            Arc::new(Float64Array::from_iter(
                rows.clone().map(|row| (row % 7 > 0).then(|| f64::from(row) / 8.0)),
            )),
        ),
        ("text", Arc::new(StringArray::from_iter(rows.clone().map(text)))),
        ("made", Arc::new(StringArray::from_iter(rows.clone().map(made)))),
        ("flag", Arc::new(BooleanArray::from_iter(rows.clone().map(|row| Some(mixed(row) % 3 == 0))))),
        (
            "word",
            Arc::new(
                rows.map(|row| Some(["north", "east", "south", "west"][mixed(row) as usize % 4]))
                    .collect::<DictionaryArray<Int32Type>>(),
            ),
        ),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// The rows with texts as dictionaries that have the texts of these rows alone, as a step makes them.
fn with_words_made(rows: &RecordBatch) -> RecordBatch {
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let schema = rows.schema();
    let columns = schema.fields().iter().zip(rows.columns()).map(|(field, column)| {
        let is_made = field.name() == "made";
        (
            field.name().clone(),
            if is_made { cast(column, &dictionary).unwrap() } else { Arc::clone(column) },
            true,
        )
    });
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// All files below a place, by name.
fn files(place: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(place).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, into),
            false => drop(into.insert(path.clone(), fs::read(&path).unwrap())),
        }
    }
}

/// The files that a table comes to in batches of so many rows.
fn written(
    table: &RecordBatch,
    batch_rows: usize,
    build: impl Fn(PathBuf) -> SinkBuilder,
    name: &str,
) -> BTreeMap<PathBuf, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let mut sink =
        build(folder.path().join(name)).build(with_words_made(&table.slice(0, 0)).schema()).unwrap();
    for start in (0..table.num_rows()).step_by(batch_rows) {
        sink.write(&with_words_made(&table.slice(start, batch_rows.min(table.num_rows() - start)))).unwrap();
    }
    sink.finish().unwrap();
    let mut found = BTreeMap::new();
    files(folder.path(), &mut found);
    let relative = |path: PathBuf| path.strip_prefix(folder.path()).unwrap().to_owned();
    found.into_iter().map(|(path, bytes)| (relative(path), bytes)).collect()
}

#[test]
fn whatever_the_batches_and_threads_were() {
    let table = table();
    let zstd = Compression::Zstd(ZstdLevel::new(1).unwrap());
    let formats = [
        ("out.parquet", Compression::Snappy),
        ("out.parquet", zstd),
        ("out.arrow", Compression::None),
        ("out.arrow", zstd),
        ("out.arrows", Compression::None),
        ("out.arrows", Compression::Lz4),
        ("out.csv", Compression::None),
    ];
    type Layout = fn(SinkBuilder) -> SinkBuilder;
    let layouts: [(&str, Layout); 4] = [
        ("one", |sink| sink),
        ("rows", |sink| sink.with_split_rows(40_001)),
        ("bytes", |sink| sink.with_split_bytes(Bytes::kib(300))),
        ("folders", |sink| sink.with_partition_by("word")),
    ];
    for (name, compression) in formats {
        for (layout, divided) in layouts {
            let mut expected = None;
            for (batch_rows, threads) in [(ROWS, 1), (999, 1), (30_000, 2), (4097, 2)] {
                let build = |path: PathBuf| {
                    let sink = SinkBuilder::new(path).with_threads(threads);
                    let sink = sink.with_row_group_bytes(Bytes::mib(1));
                    divided(if name.ends_with("csv") { sink } else { sink.with_compression(compression) })
                };
                let found = written(&table, batch_rows, build, name);
                assert!(layout == "one" || found.len() > 1, "{name} {layout}: {} files", found.len());
                let expected = expected.get_or_insert_with(|| found.clone());
                for (path, bytes) in &found {
                    assert!(
                        expected.get(path) == Some(bytes),
                        "{name} {compression:?} {layout}, {batch_rows} rows a batch, {threads} threads: {path:?}"
                    );
                }
                assert_eq!(found.len(), expected.len());
            }
        }
    }
}

/// Each text a value of its own, in a dictionary of its batch.
#[test]
fn whatever_the_batches_of_a_dictionary_of_many_values_were() {
    let rows = 0..20_000;
    let text = |row: i32| (row % 17 > 0).then(|| format!("{:x}", row as u32 % 19_000));
    let columns: [(&str, ArrayRef); 2] = [
        ("id", Arc::new(Int32Array::from_iter_values(rows.clone()))),
        ("made", Arc::new(rows.map(text).collect::<StringArray>())),
    ];
    let table = RecordBatch::try_from_iter(columns).unwrap();
    for name in ["out.arrow", "out.arrows", "out.parquet"] {
        for split in [None, Some(Bytes::kib(60))] {
            let build = |path: PathBuf| {
                let sink = SinkBuilder::new(path).with_row_group_bytes(Bytes::mib(1));
                match split {
                    Some(bytes) => sink.with_split_bytes(bytes),
                    None => sink,
                }
            };
            let expected = written(&table, 20_000, build, name);
            assert!(split.is_none() || expected.len() > 2, "{} files", expected.len());
            for batch_rows in [3, 100, 4097] {
                assert!(
                    written(&table, batch_rows, build, name) == expected,
                    "{name} {split:?}, {batch_rows}"
                );
            }
        }
    }
}
