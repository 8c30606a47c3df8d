//! Tables in several files: together they hold the rows of one, and they appear together or not at all.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Field, Int8Type, Int64Type, Schema};
use arrow::ipc::reader::{FileReader, StreamReader};
use monitor::{Budget, Bytes, Monitor};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use sink::{Error, ErrorKind, PartitionProblem, SinkBuilder, Written};

const EXTENSIONS: [&str; 4] = ["parquet", "arrow", "arrows", "csv"];

/// A row's number, a word of a few, nulls among them, and a text of any length.
fn table(rows: usize, words: usize) -> RecordBatch {
    let word = |row: usize| (row * 7 % (words + 1) < words).then(|| format!("w/{}", row * 7 % (words + 1)));
    let columns: [(&str, ArrayRef); 4] = [
        ("row", Arc::new(Int64Array::from_iter_values(0..rows as i64))),
        ("word", Arc::new((0..rows).map(word).collect::<StringArray>())),
        (
            "dictionary",
            Arc::new((0..rows).map(|row| Some(["x", "y"][row % 2])).collect::<DictionaryArray<Int8Type>>()),
        ),
        (
            "text",
            Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("{row:x}").repeat(row % 23)))),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
        .unwrap()
}

/// Paths of all files below a folder, hidden ones included, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true if fs::read_dir(&path).unwrap().next().is_none() => found.push(path),
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

fn names(folder: &Path) -> Vec<String> {
    let name = |path: PathBuf| path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
    files(folder).into_iter().map(name).collect()
}

fn plain(batch: &RecordBatch) -> RecordBatch {
    let columns: Vec<(String, ArrayRef)> = batch
        .schema()
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| match column.data_type() {
            DataType::Dictionary(_, values) => (field.name().clone(), cast(column, values).unwrap()),
            _ => (field.name().clone(), column.clone()),
        })
        .collect();
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
        .unwrap()
}

/// All rows of a file, or for CSV the numbers of its rows alone.
fn read(path: &Path) -> RecordBatch {
    let file = File::open(path).unwrap();
    let batches: Vec<RecordBatch> = match path.extension().unwrap().to_str().unwrap() {
        "parquet" => ParquetRecordBatchReaderBuilder::try_new(file)
            .unwrap()
            .build()
            .unwrap()
            .map(Result::unwrap)
            .collect(),
        "arrow" => FileReader::try_new(file, None).unwrap().map(Result::unwrap).collect(),
        "arrows" => StreamReader::try_new(file, None).unwrap().map(Result::unwrap).collect(),
        _ => {
            let text = fs::read_to_string(path).unwrap();
            let numbers =
                text.lines().skip(1).map(|line| line.split(',').next().unwrap().parse::<i64>().unwrap());
            let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
            vec![RecordBatch::try_from_iter_with_nullable([("row", numbers, true)]).unwrap()]
        }
    };
    let batches: Vec<RecordBatch> = batches.iter().map(plain).collect();
    match batches.first() {
        Some(first) => concat_batches(&first.schema(), &batches).unwrap(),
        None => RecordBatch::new_empty(Arc::new(Schema::empty())),
    }
}

fn row_numbers(batch: &RecordBatch) -> Vec<i64> {
    match batch.num_columns() {
        0 => Vec::new(),
        _ => batch.column(0).as_primitive::<Int64Type>().values().to_vec(),
    }
}

/// Writes a table in batches of so many rows.
fn write(builder: SinkBuilder, table: &RecordBatch, batch_rows: usize) -> Result<Written, Error> {
    let mut sink = builder.build(table.schema())?;
    for from in (0..table.num_rows()).step_by(batch_rows) {
        sink.write(&table.slice(from, batch_rows.min(table.num_rows() - from)))?;
    }
    sink.finish()
}

#[test]
fn files_have_the_rows_asked_for_however_batches_are_cut() {
    let table = table(1000, 3);
    for extension in EXTENSIONS {
        for (batch_rows, threads) in [(1000, 1), (7, 1), (299, 2), (300, 2)] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("out").with_extension(extension);
            let builder = SinkBuilder::new(&path).with_split_rows(300).with_threads(threads);
            let written = write(builder, &table, batch_rows).unwrap();
            let expected = [0, 1, 2, 3].map(|number| format!("out-0000{number}.{extension}"));
            assert_eq!(names(directory.path()), expected);
            let found: Vec<_> = files(directory.path()).iter().map(|path| read(path)).collect();
            assert_eq!(found.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [300, 300, 300, 100]);
            let numbers: Vec<i64> = found.iter().flat_map(row_numbers).collect();
            assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
            if extension != "csv" {
                assert_eq!(concat_batches(&found[0].schema(), &found).unwrap(), plain(&table));
            }
            let bytes: u64 =
                files(directory.path()).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
            assert_eq!((written.rows, written.files, written.bytes), (1000, 4, bytes));
        }
    }
}

#[test]
fn rows_that_fill_a_file_begin_no_other_and_no_rows_make_one() {
    for (rows, expected) in [(0, 1), (300, 1), (301, 2)] {
        let directory = tempfile::tempdir().unwrap();
        let builder = SinkBuilder::new(directory.path().join("out.csv")).with_split_rows(300);
        assert_eq!(write(builder, &table(rows, 2), 50).unwrap().files, expected);
        assert_eq!(names(directory.path()).len() as u64, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn where_a_file_ends_by_bytes_follows_from_the_rows(
        rows in 1usize..3000,
        bytes in 1u64..30_000,
        batches in prop::collection::vec(1usize..3000, 2),
        most_rows in prop::option::of(1u64..2000),
    ) {
        let table = table(rows, 4);
        // A file of one row each takes long.
        let bytes = bytes.max(rows as u64 * 4);
        for extension in ["csv", "parquet"] {
            let mut first: Option<Vec<Vec<u8>>> = None;
            for (batch_rows, threads) in batches.iter().zip([1, 2]) {
                let directory = tempfile::tempdir().unwrap();
                let path = directory.path().join("out").with_extension(extension);
                let mut builder = SinkBuilder::new(&path).with_split_bytes(Bytes(bytes)).with_threads(threads);
                if let Some(rows) = most_rows {
                    builder = builder.with_split_rows(rows.max(rows / 50 + 1));
                }
                write(builder, &table, *batch_rows).unwrap();
                let contents: Vec<Vec<u8>> = files(directory.path()).iter().map(|path| fs::read(path).unwrap()).collect();
                let numbers: Vec<i64> = files(directory.path()).iter().flat_map(|path| row_numbers(&read(path))).collect();
                prop_assert_eq!(numbers, (0..rows as i64).collect::<Vec<_>>());
                prop_assert!(*first.get_or_insert_with(|| contents.clone()) == contents);
            }
        }
    }
}

#[test]
fn files_by_bytes_have_about_those() {
    let table = table(40_000, 4);
    for extension in EXTENSIONS {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out").with_extension(extension);
        write(SinkBuilder::new(&path).with_split_bytes(Bytes::kib(100)), &table, 1000).unwrap();
        let lengths: Vec<u64> =
            files(directory.path()).iter().map(|path| fs::metadata(path).unwrap().len()).collect();
        assert!(lengths.len() > 2, "{extension}: {lengths:?}");
        for length in &lengths[..lengths.len() - 1] {
            assert!((75 << 10..125 << 10).contains(length), "{extension}: {lengths:?}");
        }
    }
}

#[test]
fn dropped_or_after_an_error_nothing_is_left() {
    let table = table(1000, 3);
    let other = table.project(&[0, 1]).unwrap();
    for extension in EXTENSIONS {
        for partition in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("out").with_extension(extension);
            let builder = || match partition {
                true => SinkBuilder::new(&path).with_partition_by("word"),
                false => SinkBuilder::new(&path).with_split_rows(30),
            };
            assert!(builder().check().is_ok());
            let mut sink = builder().build(table.schema()).unwrap();
            sink.write(&table).unwrap();
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
            drop(sink);
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
            let mut sink = builder().build(table.schema()).unwrap();
            sink.write(&table).unwrap();
            assert!(sink.write(&other).is_err());
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
            assert!(matches!(sink.finish().unwrap_err().kind(), ErrorKind::Failed { .. }));
        }
    }
}

/// The rows of each value, by the folder that they belong in: the slow twin.
fn by_folder(table: &RecordBatch) -> BTreeMap<String, Vec<i64>> {
    let mut folders: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let words = table.column_by_name("word").unwrap().as_string::<i32>();
    for (row, word) in words.iter().enumerate() {
        let folder = match word {
            Some(word) => format!("word={}", word.replace('/', "%2F")),
            None => "word=__HIVE_DEFAULT_PARTITION__".to_owned(),
        };
        folders.entry(folder).or_default().push(row as i64);
    }
    folders
}

fn found_by_folder(folder: &Path) -> BTreeMap<String, Vec<i64>> {
    let mut folders: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for path in files(folder) {
        let name = path.parent().unwrap().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        folders.entry(name).or_default().extend(row_numbers(&read(&path)));
    }
    folders
}

#[test]
fn each_value_has_its_rows_in_order_in_a_folder_of_its_own() {
    let table = table(1000, 9);
    for extension in EXTENSIONS {
        for (batch_rows, open_files) in [(1000, 64), (90, 64), (100, 3), (250, 1)] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("out").with_extension(extension);
            let builder = SinkBuilder::new(&path).with_partition_by("word").with_open_files(open_files);
            let written = write(builder, &table, batch_rows).unwrap();
            assert_eq!(found_by_folder(&path), by_folder(&table), "{extension}");
            assert_eq!(written.rows, 1000);
            assert_eq!(written.files, files(&path).len() as u64);
            assert_eq!(written.files > 10, open_files < 10);
            let first = read(&files(&path)[0]);
            if extension != "csv" {
                assert!(first.column_by_name("word").is_none());
                assert_eq!(first.num_columns(), 3);
            }
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        }
    }
}

#[test]
fn where_memory_is_short_fewer_files_are_open() {
    let table = table(20_000, 40);
    let budget = Budget::new(Bytes::mib(2));
    let monitor = Monitor::builder().with_budget(budget.clone()).build().unwrap();
    for extension in EXTENSIONS {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out").with_extension(extension);
        let builder = SinkBuilder::new(&path).with_partition_by("word").with_monitor(monitor.clone());
        write(builder, &table, 4000).unwrap();
        assert_eq!(found_by_folder(&path), by_folder(&table), "{extension}");
        assert_eq!(budget.reserved(), Bytes::ZERO);
        assert!(budget.peak() > Bytes::kib(256));
    }
    let monitor = Monitor::builder().with_budget(Budget::new(Bytes::kib(16))).build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.csv");
    let builder = SinkBuilder::new(&path).with_partition_by("word").with_monitor(monitor);
    let refused = write(builder, &table, 4000).unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Budget { .. }), "{refused}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn many_values_in_no_order_make_few_files_of_each() {
    const ROWS: usize = 30_000;
    // A draw of one of 300 values.
    let draw = |row: usize| ((row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) % 300;
    let columns: [(&str, ArrayRef); 2] = [
        ("row", Arc::new(Int64Array::from_iter_values(0..ROWS as i64))),
        ("word", Arc::new((0..ROWS).map(|row| Some(format!("w{}", draw(row)))).collect::<StringArray>())),
    ];
    let table = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, column)| (name, column, true)),
    );
    let table = table.unwrap();
    let monitor = Monitor::builder().with_budget(Budget::new(Bytes::mib(3))).build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.parquet");
    let builder = SinkBuilder::new(&path).with_partition_by("word").with_monitor(monitor);
    let written = write(builder, &table, 500).unwrap();
    assert_eq!(found_by_folder(&path), by_folder(&table));
    // There are 60 batches, and most values are in each of them.
    assert!(written.files < 1200, "{}", written.files);
}

#[test]
fn columns_that_cannot_part_rows_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.parquet");
    let problem = |table: &RecordBatch, column: &str| {
        let refused = write(SinkBuilder::new(&path).with_partition_by(column), table, 10);
        match refused.map_err(Error::into_kind) {
            Err(ErrorKind::Partition { problem, .. }) => problem,
            other => panic!("{other:?}"),
        }
    };
    let whole = table(10, 2);
    assert_eq!(problem(&whole, "words"), PartitionProblem::Missing);
    assert_eq!(problem(&whole.project(&[1]).unwrap(), "word"), PartitionProblem::Alone);
    let long: ArrayRef = Arc::new(StringArray::from(vec!["é".repeat(200)]));
    let number: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let long = RecordBatch::try_from_iter([("row", number.clone()), ("word", long)]).unwrap();
    assert_eq!(problem(&long, "word"), PartitionProblem::TooLong { excerpt: "é".repeat(20), bytes: 405 });
    let schema = Schema::new(vec![
        Field::new("row", DataType::Int64, true),
        Field::new("word", DataType::Binary, true),
    ]);
    let binary: ArrayRef = Arc::new(arrow::array::BinaryArray::from(vec![&b"x"[..]]));
    let binary = RecordBatch::try_new(Arc::new(schema), vec![number, binary]).unwrap();
    assert_eq!(problem(&binary, "word"), PartitionProblem::Type(DataType::Binary));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let csv = || SinkBuilder::new(directory.path().join("out.csv"));
    let stream = || SinkBuilder::new("-").with_stream(Box::new(std::io::sink()));
    for (builder, expected) in [
        (csv().with_split_rows(0), "rows of a file must be at least 1"),
        (csv().with_split_bytes(Bytes::ZERO), "bytes of a file must be at least 1"),
        (csv().with_open_files(0), "open files must be at least 1"),
        (
            csv().with_partition_by("a").with_split_rows(1),
            "a split must be left out where rows are partitioned",
        ),
        (
            stream().with_split_rows(1),
            "the target of rows that are split or partitioned must be a name, since - is one stream",
        ),
        (
            stream().with_partition_by("a"),
            "the target of rows that are split or partitioned must be a name, since - is one stream",
        ),
    ] {
        assert_eq!(builder.check().unwrap_err().to_string(), expected);
    }
}
