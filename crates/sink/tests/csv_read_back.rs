//! CSV that is written is read back by the loader with the same values, nulls and types.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Float32Array, Float64Array, Int8Array, RecordBatch,
    StringArray, UInt64Array,
};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Int16Type, Schema, TimeUnit};
use chunked_loader::{Downcast, FixedRows, FixedType, Loader, Source, TypeHint};
use proptest::prelude::*;
use sink::SinkBuilder;

/// What the loader makes of a file.
fn read(path: &Path, hints: Vec<(String, TypeHint)>, downcast: Downcast) -> RecordBatch {
    let source = Source::open(&[path.to_owned()], &std::env::temp_dir()).unwrap();
    let loader = Loader::new(source).with_type_hints(hints).with_downcast(downcast);
    let scan = loader.scan().unwrap();
    let all: Vec<usize> = (0..scan.columns().len()).collect();
    let batches = loader.batches(&scan, &all, Box::new(FixedRows(7)));
    let batches: Vec<RecordBatch> = batches.map(|batch| batch.unwrap().columns().clone()).collect();
    concat_batches(scan.schema(), &batches).unwrap()
}

/// Writes batches of some rows each.
fn write(path: &Path, table: &RecordBatch, batch_rows: usize) {
    let mut sink = SinkBuilder::new(path).with_overwrite(true).build(table.schema()).unwrap();
    for from in (0..table.num_rows()).step_by(batch_rows) {
        sink.write(&table.slice(from, batch_rows.min(table.num_rows() - from))).unwrap();
    }
    sink.finish().unwrap();
}

fn plain(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Dictionary(_, values) => cast(column, values).unwrap(),
        _ => Arc::clone(column),
    }
}

/// Fields as files have them: of every kind, null, in quotes, and of one kind only so often that columns have types.
fn column(rows: usize) -> impl Strategy<Value = Vec<String>> {
    let kinds = [
        "-?(0|[1-9][0-9]{0,3})",
        "-?(0|[1-9][0-9]{0,18})",
        "-?(0|[1-9][0-9]{0,5})(\\.[0-9]{1,17})?(e-?[0-9]{1,2})?|-0|nan|-inf|5e-324|\\.5|7\\.",
        "true|false|TRUE",
        "[0-9]{3}[1-9]-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])",
        "(19|20)[0-9]{2}-0[1-9]-[12][0-8][T ][01][0-9]:[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,7})?)?",
        "(19|20)[0-9]{2}-0[1-9]-[12][0-8]T[01][0-9]:[0-5][0-9]:[0-5][0-9](Z)",
        "(19|20)[0-9]{2}-0[1-9]-[12][0-8] [01][0-9]:[0-5][0-9]:[0-5][0-9]\\.[0-9]{3}\\+05:30",
        "NA|null|\\\\N|None|\"\"|\"NA\"|a",
        "[a-c;|\t']{0,4}|'[a-c]'",
        "\"[a-c,;'é \n\r]{0,6}\"|[ a-cé0-9;]{1,9}|\"(a\"\"){1,3}\"|007",
    ];
    (0..kinds.len()).prop_flat_map(move |kind| {
        let field = prop_oneof![6 => kinds[kind], 1 => "", 1 => if kind == 0 { kinds[8] } else { "" }];
        prop::collection::vec(field, rows)
    })
}

fn table() -> impl Strategy<Value = String> {
    let names = prop::collection::vec("[a-d]{1,2}|\"[a-c,;|\n]{1,3}\"|'a'", 5);
    (1usize..25, 1usize..5)
        .prop_flat_map(|(rows, columns)| prop::collection::vec(column(rows), columns))
        .prop_flat_map(move |columns| {
            names.clone().prop_map(move |names| {
                let line = |fields: Vec<&str>| fields.join(",") + "\n";
                let header = line(names[..columns.len()].iter().map(String::as_str).collect());
                let rows =
                    (0..columns[0].len()).map(|row| line(columns.iter().map(|c| c[row].as_str()).collect()));
                header + &rows.collect::<String>()
            })
        })
}

/// Whether a column has a value, or a text with characters, which is what gives it a type.
fn has_type(column: &ArrayRef) -> bool {
    match plain(column).as_any().downcast_ref::<StringArray>() {
        Some(texts) => texts.iter().flatten().any(|text| !text.is_empty()),
        None => column.null_count() < column.len(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_was_read_is_written_and_read_again_the_same(csv in table(), batch_rows in 1usize..30) {
        let directory = tempfile::tempdir().unwrap();
        let (given, written) = (directory.path().join("given.csv"), directory.path().join("written.csv"));
        std::fs::write(&given, &csv).unwrap();
        let dialect = chunked_loader::Dialect::default().with_delimiter(b',').with_quote(Some(b'"')).with_skip_lines(0);
        for downcast in [Downcast::Safe, Downcast::None] {
            let source = Source::open(std::slice::from_ref(&given), directory.path()).unwrap();
            let loader = Loader::new(source).with_dialect(dialect.clone()).with_downcast(downcast);
            // A record that is none, such as one with a lone quote, is no case of this test.
            let Ok(scan) = loader.scan() else { return Ok(()) };
            let all: Vec<usize> = (0..scan.columns().len()).collect();
            let batches = loader.batches(&scan, &all, Box::new(FixedRows(1000)));
            let batches: Vec<RecordBatch> = batches.map(|batch| batch.unwrap().columns().clone()).collect();
            let expected = concat_batches(scan.schema(), &batches).unwrap();
            write(&written, &expected, batch_rows);
            let found = read(&written, Vec::new(), downcast);
            let text = std::fs::read_to_string(&written).unwrap();
            prop_assert_eq!(found.num_rows(), expected.num_rows(), "{:?}", text);
            for (field, (expected, found)) in
                expected.schema().fields().iter().zip(expected.columns().iter().zip(found.columns()))
            {
                if has_type(expected) {
                    prop_assert_eq!(expected.data_type(), found.data_type(), "{:?} in {:?}", field.name(), text);
                    prop_assert_eq!(&plain(expected), &plain(found), "{:?} in {:?}", field.name(), text);
                } else {
                    prop_assert_eq!(found.null_count(), found.len());
                }
            }
            prop_assert_eq!(expected.schema().fields().len(), found.schema().fields().len());
            let names = |table: &RecordBatch| -> Vec<String> {
                table.schema().fields().iter().map(|field| field.name().clone()).collect()
            };
            prop_assert_eq!(names(&expected), names(&found));
        }
    }

    #[test]
    fn floats_come_back_to_the_bit(wide in prop::collection::vec(any::<f64>(), 1..40), narrow in prop::collection::vec(any::<f32>(), 1..40)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.csv");
        let wide = Float64Array::from(wide);
        write(&path, &RecordBatch::try_from_iter([("f", Arc::new(wide.clone()) as ArrayRef)]).unwrap(), 9);
        let hint = vec![("f".to_owned(), TypeHint::Fixed(FixedType::Float64))];
        let found = read(&path, hint, Downcast::Safe);
        prop_assert_eq!(found.column(0).as_ref(), &wide as &dyn Array);
        let narrow = Float32Array::from(narrow);
        write(&path, &RecordBatch::try_from_iter([("f", Arc::new(narrow.clone()) as ArrayRef)]).unwrap(), 9);
        // Without being told: every value is one of float32.
        let found = read(&path, Vec::new(), Downcast::Safe);
        prop_assert_eq!(found.column(0).as_ref(), &narrow as &dyn Array);
    }

    #[test]
    fn any_text_comes_back(texts in prop::collection::vec(prop::option::of(any::<String>()), 1..20), columns in 1usize..3) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.csv");
        let texts: ArrayRef = Arc::new(StringArray::from(texts));
        let names = ["first", "second"];
        let table = RecordBatch::try_from_iter_with_nullable(names[..columns].iter().map(|n| (*n, texts.clone(), true)));
        write(&path, &table.unwrap(), 3);
        let hints = names[..columns].iter().map(|n| ((*n).to_owned(), TypeHint::Text)).collect();
        for column in read(&path, hints, Downcast::None).columns() {
            prop_assert_eq!(column.as_ref(), texts.as_ref());
        }
    }
}

#[test]
fn the_ends_of_all_ranges_come_back() {
    let words: DictionaryArray<Int16Type> = [Some(""), None, Some("x")].into_iter().collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("i", Arc::new(Int8Array::from(vec![Some(i8::MIN), None, Some(i8::MAX)]))),
        ("u", Arc::new(UInt64Array::from(vec![Some(u64::MAX), Some(0), None]))),
        ("b", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]))),
        ("w", Arc::new(words)),
    ];
    let table =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.csv");
    write(&path, &table, 2);
    let found = read(&path, Vec::new(), Downcast::Safe);
    for (expected, found) in table.columns().iter().zip(found.columns()) {
        assert_eq!(plain(expected).as_ref(), plain(found).as_ref());
    }
}

#[test]
fn a_table_without_rows_is_its_header() {
    let schema = Schema::new(vec![
        arrow::datatypes::Field::new("a", DataType::Int8, true),
        arrow::datatypes::Field::new("b,", DataType::Timestamp(TimeUnit::Second, None), true),
    ]);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.csv");
    write(&path, &RecordBatch::new_empty(Arc::new(schema)), 1);
    assert_eq!(std::fs::read(&path).unwrap(), b"a,\"b,\"\n");
    assert_eq!(read(&path, Vec::new(), Downcast::Safe).num_rows(), 0);
}
