//! Columns whose types are known when their rows are written: the file is the one that they would have made from the
//! beginning, byte for byte.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, DictionaryArray, Float32Array, Int32Array, RecordBatch, StringArray, TimestampSecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int32Type, Schema, SchemaRef};
use sink::{ErrorKind, Sink, SinkBuilder};

const ROWS: usize = 30_000;

fn schema(types: &[DataType]) -> SchemaRef {
    let fields = types.iter().enumerate();
    Arc::new(Schema::new(
        fields.map(|(n, t)| Field::new(format!("c{n}"), t.clone(), true)).collect::<Vec<_>>(),
    ))
}

fn dictionary(key: DataType) -> DataType {
    DataType::Dictionary(Box::new(key), Box::new(DataType::Utf8))
}

/// Columns as wide as they are stored.
fn wide() -> RecordBatch {
    let with_nulls = |row: usize, value: i32| (row % 11 != 3).then_some(value);
    let words = ["violet", "red", "green", "a rather longer word"];
    let columns: [ArrayRef; 7] = [
        Arc::new(Int32Array::from_iter_values((0..ROWS).map(|n| n as i32 % 200 - 100))),
        Arc::new(Int32Array::from_iter((0..ROWS).map(|n| with_nulls(n, n as i32 % 250)))),
        Arc::new(Int32Array::from_iter((0..ROWS).map(|n| with_nulls(n, n as i32 * 7 % 60_000)))),
        Arc::new((0..ROWS).map(|n| Some(words[n * n % 4])).collect::<DictionaryArray<Int32Type>>()),
        Arc::new(StringArray::from_iter_values((0..ROWS).map(|n| format!("text {}", n * 31 % 999)))),
        Arc::new(Float32Array::from_iter_values((0..ROWS).map(|n| n as f32 / 2.0))),
        Arc::new(TimestampSecondArray::from_iter_values((0..ROWS as i64).map(|n| n * 3600))),
    ];
    let types: Vec<DataType> = columns.iter().map(|column| column.data_type().clone()).collect();
    RecordBatch::try_new(schema(&types), columns.to_vec()).unwrap()
}

fn narrow_types() -> Vec<DataType> {
    let mut types: Vec<DataType> = wide().schema().fields().iter().map(|f| f.data_type().clone()).collect();
    (types[0], types[1], types[2]) = (DataType::Int8, DataType::UInt8, DataType::UInt16);
    types[3] = dictionary(DataType::Int8);
    types
}

fn build(path: &Path, schema: &SchemaRef) -> Box<dyn Sink> {
    SinkBuilder::new(path)
        .with_row_group_rows(7000)
        .with_metadata("origin", "a test")
        .with_bloom_filters(["c2"])
        .build(Arc::clone(schema))
        .unwrap()
}

fn write(sink: &mut dyn Sink, rows: &RecordBatch, step: usize) {
    for from in (0..ROWS).step_by(step) {
        sink.write(&rows.slice(from, step.min(ROWS - from))).unwrap();
    }
}

#[test]
fn the_file_is_that_of_types_known_beforehand() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, narrow) = (wide(), schema(&narrow_types()));
    let columns = rows.columns().iter().zip(narrow.fields());
    let columns = columns.map(|(column, field)| cast(column, field.data_type()).unwrap());
    let narrow_rows = RecordBatch::try_new(Arc::clone(&narrow), columns.collect()).unwrap();

    let expected = folder.path().join("expected.parquet");
    let mut sink = build(&expected, &narrow);
    write(sink.as_mut(), &narrow_rows, 1000);
    sink.finish().unwrap();
    let expected = std::fs::read(expected).unwrap();
    for step in [777, ROWS] {
        let path = folder.path().join(format!("{step}.parquet"));
        let mut sink = build(&path, &rows.schema());
        write(sink.as_mut(), &rows, step);
        let written = sink.finish_as(&narrow).unwrap();
        assert_eq!((written.rows, written.bytes), (ROWS as u64, expected.len() as u64));
        assert!(std::fs::read(&path).unwrap() == expected, "batches of {step} rows");
    }
}

#[test]
fn types_that_are_stored_in_another_way_are_refused_and_leave_no_file() {
    let folder = tempfile::tempdir().unwrap();
    for (column, data_type) in
        [(0, DataType::Int64), (5, DataType::Float64), (4, DataType::Int32), (6, DataType::Int32)]
    {
        let path = folder.path().join("refused.parquet");
        let rows = wide();
        let mut sink = build(&path, &rows.schema());
        write(sink.as_mut(), &rows, ROWS);
        let mut types = narrow_types();
        types[column] = data_type;
        let error = sink.finish_as(&schema(&types)).unwrap_err();
        assert!(error.to_string().contains(&format!("\"c{column}\"")), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn where_types_stand_first_they_cannot_change_and_without_a_change_all_is_as_ever() {
    let folder = tempfile::tempdir().unwrap();
    let rows = wide();
    for name in ["a.arrow", "a.arrows"] {
        let path = folder.path().join(name);
        let builder = || SinkBuilder::new(&path).with_overwrite(true).build(rows.schema()).unwrap();
        let mut sink = builder();
        write(sink.as_mut(), &rows, ROWS);
        assert!(sink.finish_as(&schema(&narrow_types())).is_err(), "{name}");
        assert!(!path.exists());
        let mut sink = builder();
        write(sink.as_mut(), &rows, ROWS);
        assert_eq!(sink.finish_as(&rows.schema()).unwrap().rows, ROWS as u64);
    }
    // A text has no types.
    let path = folder.path().join("a.csv");
    let mut sink = SinkBuilder::new(&path).build(rows.schema()).unwrap();
    write(sink.as_mut(), &rows, ROWS);
    sink.finish_as(&schema(&narrow_types())).unwrap();
    let split = SinkBuilder::new(folder.path().join("s.parquet")).with_split_rows(1000);
    let mut sink = split.build(rows.schema()).unwrap();
    write(sink.as_mut(), &rows, ROWS);
    assert!(sink.finish_as(&schema(&narrow_types())).is_err());
}

#[test]
fn other_columns_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let rows = wide();
    let sink = build(&folder.path().join("a.parquet"), &rows.schema());
    let error = sink.finish_as(&schema(&narrow_types()[1..])).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Schema { .. }), "{error}");
}
