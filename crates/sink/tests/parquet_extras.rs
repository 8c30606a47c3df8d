//! What a file can hold beside its rows: filters of values, and metadata.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, DictionaryArray, Float64Array, Int8Array, Int64Array, RecordBatch, StringArray,
    TimestampSecondArray, UInt32Array,
};
use arrow::datatypes::{Int16Type, Schema};
use arrow::ipc::reader::FileReader as IpcReader;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::BoundaryOrder;
use parquet::bloom_filter::Sbbf;
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::properties::ReaderProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::serialized_reader::ReadOptionsBuilder;
use sink::{ErrorKind, SinkBuilder};

const ROWS: i64 = 20_000;
const COLUMNS: [&str; 7] = ["small", "unsigned", "large", "date", "stamp", "text", "word"];

/// Even numbers, in columns of all types that have filters, and a float.
fn table() -> RecordBatch {
    let even = || (0..ROWS).map(|row| row * 2);
    let text = |number: i64| format!("text {number}");
    let texts: Vec<String> = even().map(text).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("small", Arc::new(even().map(|n| (n % 60 != 0).then_some((n % 60) as i8)).collect::<Int8Array>())),
        ("unsigned", Arc::new(even().map(|n| Some(u32::MAX - n as u32)).collect::<UInt32Array>())),
        ("large", Arc::new(even().map(|n| Some(n << 40)).collect::<Int64Array>())),
        ("date", Arc::new(even().map(|n| Some(n as i32)).collect::<Date32Array>())),
        ("stamp", Arc::new(even().map(Some).collect::<TimestampSecondArray>())),
        ("text", Arc::new(even().map(|n| Some(text(n))).collect::<StringArray>())),
        ("word", Arc::new(texts.iter().map(|t| Some(t.as_str())).collect::<DictionaryArray<Int16Type>>())),
        ("float", Arc::new(Float64Array::from_iter_values(even().map(|n| n as f64)))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap()
}

fn reader(path: &Path) -> SerializedFileReader<File> {
    let properties = ReaderProperties::builder().set_read_bloom_filter(true).build();
    let options = ReadOptionsBuilder::new().with_reader_properties(properties).build();
    SerializedFileReader::new_with_options(File::open(path).unwrap(), options).unwrap()
}

/// Whether a filter may hold a number of the column at a place.
fn may_hold(filter: &Sbbf, column: &str, number: i64) -> bool {
    match column {
        "small" => filter.check(&(number as i32)),
        "unsigned" => filter.check(&(u32::MAX - number as u32)),
        "large" => filter.check(&(number << 40)),
        "date" => filter.check(&(number as i32)),
        // Stored in milliseconds.
        "stamp" => filter.check(&(number * 1000)),
        _ => filter.check(format!("text {number}").as_str()),
    }
}

#[test]
fn a_filter_holds_all_values_and_few_others() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.parquet");
    let whole = table();
    for threads in [1, 2] {
        let builder = SinkBuilder::new(&path).with_overwrite(true).with_threads(threads);
        let builder = builder.with_bloom_filters(COLUMNS).with_row_group_rows(ROWS as usize / 2);
        let mut sink = builder.build(whole.schema()).unwrap();
        for from in (0..ROWS as usize).step_by(3000) {
            sink.write(&whole.slice(from, 3000.min(ROWS as usize - from))).unwrap();
        }
        sink.finish().unwrap();
        let reader = reader(&path);
        for group in 0..2 {
            let row_group = reader.get_row_group(group).unwrap();
            for (place, column) in COLUMNS.iter().enumerate() {
                let filter = row_group.get_column_bloom_filter(place).unwrap();
                let of_group = (0..ROWS / 2).map(|row| (row + group as i64 * ROWS / 2) * 2);
                match *column {
                    "small" => {
                        let held = |n: &i64| may_hold(filter, column, *n);
                        assert_eq!(
                            (0..120).filter(held).filter(|n| n % 2 == 0 && *n < 60 && *n > 0).count(),
                            29
                        );
                        assert!((0..120).filter(held).count() < 40);
                    }
                    _ => {
                        assert!(of_group.clone().all(|n| may_hold(filter, column, n)), "{column}");
                        let wrong = of_group.filter(|n| may_hold(filter, column, n + 1)).count();
                        assert!(wrong < ROWS as usize / 2 / 25, "{column}: {wrong}");
                    }
                }
            }
            assert!(row_group.get_column_bloom_filter(COLUMNS.len()).is_none());
        }
    }
}

#[test]
fn columns_without_filters_and_other_formats_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let build = |name: &str, column: &str| {
        let builder = SinkBuilder::new(directory.path().join(name)).with_bloom_filters([column]);
        builder.build(table().schema()).err().unwrap().to_string()
    };
    assert!(build("x.parquet", "float").contains("column \"float\" has the type Float64, which has none"));
    assert!(build("x.parquet", "flaot").contains("there is no column \"flaot\""));
    assert_eq!(build("x.arrow", "text"), "bloom filters must be left out of other formats than Parquet");
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_table_without_columns_is_refused_before_its_rows() {
    let directory = tempfile::tempdir().unwrap();
    for threads in [1, 2] {
        let builder = SinkBuilder::new(directory.path().join("x.parquet")).with_threads(threads);
        let refused = builder.build(Arc::new(Schema::empty())).err().unwrap().to_string();
        assert!(
            refused.contains("a table without columns has no rows in Parquet; keep a column"),
            "{refused}"
        );
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn metadata_is_in_the_footer_and_in_the_schema() {
    let directory = tempfile::tempdir().unwrap();
    let whole = table();
    let write = |name: &str| {
        let path = directory.path().join(name);
        let builder = SinkBuilder::new(&path).with_metadata("maker", "first").with_metadata("maker", "é\n");
        let mut sink = builder.with_metadata("a", "").build(whole.schema()).unwrap();
        sink.write(&whole).unwrap();
        sink.finish().unwrap();
        path
    };
    let parquet = reader(&write("out.parquet"));
    let pairs = parquet.metadata().file_metadata().key_value_metadata().unwrap();
    let pairs: Vec<(&str, Option<&str>)> =
        pairs.iter().map(|p| (p.key.as_str(), p.value.as_deref())).collect();
    assert_eq!(pairs[..2], [("a", Some("")), ("maker", Some("é\n"))]);
    assert_eq!((pairs.len(), pairs[2].0), (3, "ARROW:schema"));
    let arrow = IpcReader::try_new(File::open(write("out.arrow")).unwrap(), None).unwrap();
    assert_eq!(arrow.schema().metadata().get("maker").map(String::as_str), Some("é\n"));
    write("out.csv");
    let reserved = SinkBuilder::new(directory.path().join("x.parquet")).with_metadata("ARROW:schema", "x");
    assert!(matches!(reserved.check().unwrap_err().kind(), ErrorKind::Option { .. }));
}

#[test]
fn pages_are_known_to_come_in_order() {
    const ROWS: i64 = 100_000;
    let column = |of: fn(i64) -> i64| Arc::new(Int64Array::from_iter_values((0..ROWS).map(of))) as ArrayRef;
    let text = |of: fn(i64) -> i64| {
        Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| format!("{:09}", of(row))))) as ArrayRef
    };
    // Within a page there may be any order.
    let columns = [
        ("up", column(|row| row ^ 1), BoundaryOrder::ASCENDING),
        ("down", column(|row| -(row ^ 1)), BoundaryOrder::DESCENDING),
        ("both", column(|row| row % 70_000), BoundaryOrder::UNORDERED),
        ("text up", text(|row| row), BoundaryOrder::ASCENDING),
        ("text down", text(|row| ROWS - row), BoundaryOrder::DESCENDING),
    ];
    let batch =
        RecordBatch::try_from_iter(columns.iter().map(|(name, column, _)| (*name, column.clone()))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.parquet");
    let mut sink = SinkBuilder::new(&path).build(batch.schema()).unwrap();
    sink.write(&batch).unwrap();
    sink.finish().unwrap();
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let metadata = ArrowReaderMetadata::load(&File::open(&path).unwrap(), options).unwrap();
    let index = metadata.metadata().column_index().unwrap();
    for (column, (name, _, order)) in columns.iter().enumerate() {
        assert!(index[0][column].num_pages() > 3, "{name}");
        assert_eq!(index[0][column].get_boundary_order(), Some(*order), "{name}");
    }
}
