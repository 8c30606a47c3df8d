//! Parquet and Arrow IPC files of other makers: every type, encoding and compression that is read, and what is damaged.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::io::Cursor;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Date64Array, DictionaryArray, Float16Array, Float32Array,
    Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, LargeStringArray, NullArray, StringArray,
    StringViewArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
    TimestampSecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Float16Type, Int32Type, UInt16Type};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow::record_batch::RecordBatch;
use chunked_loader::{
    Batch, Downcast, Error, ErrorKind, FixedRows, FixedType, Kind, Loader, Part, Scan, Source, TypeHint, Zone,
};
use monitor::{Budget, Bytes, Monitor};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn source(&self, files: &[&[u8]]) -> Source {
        let files = files.iter().enumerate();
        let paths: Vec<PathBuf> = files.map(|(n, bytes)| self.write(&format!("{n}"), bytes)).collect();
        Source::open(&paths, self.0.path()).unwrap()
    }

    fn loader(&self, files: &[&[u8]]) -> Loader {
        Loader::new(self.source(files))
    }

    /// An error as it is shown, the folder left out.
    fn message(&self, error: &Error) -> String {
        error.to_string().replace(&format!("{}/", self.0.path().display()), "")
    }
}

type Half = <Float16Type as ArrowPrimitiveType>::Native;

/// A table with a column of every type that is read, values near its ends, and nulls.
fn every_type(rows: usize) -> RecordBatch {
    let n = |row: usize| row as i64;
    fn some<T>(rows: usize, every: usize, value: impl Fn(usize) -> T) -> Vec<Option<T>> {
        (0..rows).map(|row| (row % every != 1).then(|| value(row))).collect()
    }
    let text = |row: usize| format!("text {} of {}", row % 7, "x".repeat(row % 40));
    let few: Vec<Option<String>> = some(rows, 5, |row| ["a", "bc", ""][row % 3].to_owned());
    let few: DictionaryArray<UInt16Type> = few.iter().map(|text| text.as_deref()).collect();
    let texts = some(rows, 6, text);
    let keys = || Int8Array::from(some(rows, 4, |row| (row % 3) as i8));
    let numbers = DictionaryArray::new(keys(), Arc::new(Int64Array::from(vec![1 << 40, -3, 0])));
    let stamps = TimestampSecondArray::from(vec![5, -5, 86_400]).with_timezone("+02:00");
    let bools = BooleanArray::from(vec![true, false, true]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("i8", Arc::new(Int8Array::from(some(rows, 3, |row| row as i8)))),
        ("i16", Arc::new(Int16Array::from(some(rows, 9, |row| -(row as i16))))),
        ("i32", Arc::new(Int32Array::from(some(rows, 4, |row| row as i32 * 77_777)))),
        ("i64", Arc::new(Int64Array::from(some(rows, 5, |row| i64::MIN + n(row))))),
        ("u8", Arc::new(UInt8Array::from(some(rows, 3, |row| 255 - row as u8)))),
        ("u16", Arc::new(UInt16Array::from(some(rows, 8, |row| 65_535 - row as u16)))),
        ("u32", Arc::new(UInt32Array::from(some(rows, 3, |row| u32::MAX - row as u32)))),
        ("u64", Arc::new(UInt64Array::from(some(rows, 3, |row| u64::MAX - row as u64)))),
        ("f16", Arc::new(Float16Array::from(some(rows, 3, |row| Half::from_f32(row as f32 / 8.0))))),
        ("f32", Arc::new(Float32Array::from(some(rows, 4, |row| row as f32 * 0.1)))),
        ("f64", Arc::new(Float64Array::from(some(rows, 5, |row| row as f64 * 0.1)))),
        ("bool", Arc::new(BooleanArray::from(some(rows, 6, |row| row % 2 == 0)))),
        ("date32", Arc::new(Date32Array::from(some(rows, 4, |row| row as i32 - 500)))),
        ("date64", Arc::new(Date64Array::from(some(rows, 4, |row| 86_400_000 * (n(row) - 500))))),
        ("s", Arc::new(TimestampSecondArray::from(some(rows, 4, |row| 86_399 * n(row) - 7_000_000)))),
        (
            "ms",
            Arc::new(
                TimestampMillisecondArray::from(some(rows, 4, |row| 1500 * n(row))).with_timezone("+02:00"),
            ),
        ),
        (
            "us",
            Arc::new(
                TimestampMicrosecondArray::from(some(rows, 4, |row| 1_000_001 * n(row)))
                    .with_timezone("Europe/Berlin"),
            ),
        ),
        ("ns", Arc::new(TimestampNanosecondArray::from(some(rows, 4, |row| 1_000_000_007 * n(row))))),
        ("utf8", Arc::new(StringArray::from(texts.clone()))),
        ("large", Arc::new(LargeStringArray::from(texts.clone()))),
        ("view", Arc::new(StringViewArray::from_iter(texts))),
        ("few", Arc::new(few)),
        ("null", Arc::new(NullArray::new(rows))),
        ("none", Arc::new(StringArray::new_null(rows))),
        ("few_numbers", Arc::new(numbers)),
        ("few_stamps", Arc::new(DictionaryArray::new(keys(), Arc::new(stamps)))),
        ("few_bools", Arc::new(DictionaryArray::new(keys(), Arc::new(bools)))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap()
}

fn parquet(table: &RecordBatch, properties: WriterProperties) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut out, table.schema(), Some(properties)).unwrap();
    writer.write(table).unwrap();
    writer.close().unwrap();
    out
}

fn ipc(table: &RecordBatch, is_stream: bool, compression: Option<CompressionType>, rows: usize) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let parts = (0..table.num_rows()).step_by(rows);
    let parts = parts.map(|row| table.slice(row, rows.min(table.num_rows() - row)));
    let mut out = Cursor::new(Vec::new());
    if is_stream {
        let mut writer = StreamWriter::try_new_with_options(&mut out, &table.schema(), options).unwrap();
        parts.for_each(|part| writer.write(&part).unwrap());
        writer.finish().unwrap();
    } else {
        let mut writer = FileWriter::try_new_with_options(&mut out, &table.schema(), options).unwrap();
        parts.for_each(|part| writer.write(&part).unwrap());
        writer.finish().unwrap();
    }
    out.into_inner()
}

/// The same table in every format, encoding and compression.
fn files(table: &RecordBatch) -> Vec<(String, Vec<u8>)> {
    let properties = || WriterProperties::builder().set_max_row_group_row_count(Some(500));
    let small_pages = || properties().set_data_page_row_count_limit(100).set_write_batch_size(50);
    let mut files: Vec<(String, Vec<u8>)> = [
        ("plain", properties().set_dictionary_enabled(false)),
        ("dictionaries", small_pages()),
        ("a dictionary that overflows", small_pages().set_dictionary_page_size_limit(200)),
        ("version 2", small_pages().set_writer_version(WriterVersion::PARQUET_2_0)),
        (
            "version 2 without dictionaries",
            small_pages().set_writer_version(WriterVersion::PARQUET_2_0).set_dictionary_enabled(false),
        ),
        ("snappy", small_pages().set_compression(Compression::SNAPPY)),
        ("lz4", small_pages().set_compression(Compression::LZ4_RAW)),
        (
            "zstd",
            small_pages()
                .set_writer_version(WriterVersion::PARQUET_2_0)
                .set_compression(Compression::ZSTD(ZstdLevel::default())),
        ),
        (
            "other encodings",
            small_pages()
                .set_dictionary_enabled(false)
                .set_column_encoding("f64".into(), Encoding::BYTE_STREAM_SPLIT)
                .set_column_encoding("i32".into(), Encoding::BYTE_STREAM_SPLIT)
                .set_column_encoding("utf8".into(), Encoding::DELTA_LENGTH_BYTE_ARRAY)
                .set_column_encoding("large".into(), Encoding::DELTA_BYTE_ARRAY)
                .set_column_encoding("bool".into(), Encoding::RLE),
        ),
    ]
    .into_iter()
    .map(|(name, properties)| (format!("Parquet, {name}"), parquet(table, properties.build())))
    .collect();
    for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
        for is_stream in [false, true] {
            let name = format!("IPC, {is_stream}, {compression:?}");
            files.push((name, ipc(table, is_stream, compression, 333)));
        }
    }
    files
}

/// All rows as one batch.
fn all(loader: &Loader, scan: &Scan, rows: usize) -> Result<RecordBatch, Error> {
    let projection: Vec<usize> = (0..scan.columns().len()).collect();
    let batches = loader.batches(scan, &projection, Box::new(FixedRows(rows)));
    let batches: Vec<Batch> = batches.collect::<Result<_, _>>()?;
    Ok(concat_batches(scan.schema(), batches.iter().map(Batch::columns)).unwrap())
}

/// A column in a type that holds all of its kind, for comparison.
fn comparable(column: &ArrayRef, kind: Kind) -> ArrayRef {
    let wide = match kind {
        Kind::Text | Kind::Null => DataType::Utf8,
        Kind::Bool => DataType::Boolean,
        Kind::Int if column.data_type() == &DataType::UInt64 => DataType::UInt64,
        Kind::Int => DataType::Int64,
        Kind::Float => DataType::Float64,
        Kind::Date => DataType::Date32,
        Kind::Timestamp(_) => {
            let DataType::Timestamp(unit, _) = column.data_type() else { panic!("no timestamp") };
            let naive = cast(column, &DataType::Int64).unwrap();
            let naive = cast(&naive, &DataType::Timestamp(*unit, None)).unwrap();
            return cast(&naive, &DataType::Timestamp(arrow::datatypes::TimeUnit::Nanosecond, None)).unwrap();
        }
    };
    cast(column, &wide).unwrap()
}

/// A column without a dictionary.
fn plain(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Dictionary(_, values) => cast(column, values).unwrap(),
        _ => Arc::clone(column),
    }
}

fn assert_same(name: &str, scan: &Scan, found: &RecordBatch, expected: &RecordBatch) {
    assert_eq!(found.num_rows(), expected.num_rows(), "{name}");
    for (facts, column) in scan.columns().iter().zip(found.columns()) {
        let given = plain(expected.column_by_name(&facts.name).unwrap());
        let (found, given) = (comparable(column, facts.kind), comparable(&given, facts.kind));
        assert_eq!(&found, &given, "{name}: {}", facts.name);
        assert_eq!(facts.nulls, given.logical_null_count() as u64, "{name}: {}", facts.name);
    }
}

#[test]
fn every_type_is_read_from_every_encoding_however_it_is_cut() {
    let table = every_type(1200);
    let folder = Folder::new();
    for (name, bytes) in files(&table) {
        let loader = folder.loader(&[&bytes]);
        let scan = loader.scan().unwrap();
        let types: Vec<String> = scan.columns().iter().map(|facts| facts.data_type.to_string()).collect();
        let expected = [
            "Int8",
            "Int16",
            "Int32",
            "Int64",
            "UInt8",
            "UInt16",
            "UInt32",
            "UInt64",
            "Float32",
            "Float32",
            "Float64",
            "Boolean",
            "Date32",
            "Date32",
            "Timestamp(s)",
            "Timestamp(ms, \"+02:00\")",
            "Timestamp(µs, \"UTC\")",
            "Timestamp(ns)",
        ];
        assert_eq!(types[..expected.len()], expected, "{name}");
        assert_eq!(scan.columns()[22].kind, Kind::Null);
        assert_eq!(scan.columns()[23].kind, Kind::Null);
        assert_eq!(scan.columns()[15].kind, Kind::Timestamp(Zone::Offset(120)));
        for (threads, rows) in [(1, 1), (1, 97), (2, 5000)] {
            let loader = loader.clone().with_threads(threads);
            assert_same(&name, &scan, &all(&loader, &scan, rows).unwrap(), &table);
        }
        let loader = folder.loader(&[&bytes]).with_downcast(Downcast::None);
        let scan = loader.scan().unwrap();
        assert_same(&name, &scan, &all(&loader, &scan, 100).unwrap(), &table);
    }
}

#[test]
fn a_range_of_rows_is_read_wherever_it_begins() {
    let table = every_type(1200);
    let folder = Folder::new();
    for (name, bytes) in files(&table) {
        let loader = folder.loader(&[&bytes, &bytes]);
        let scan = loader.scan().unwrap();
        assert_eq!(scan.rows(), 2400);
        for rows in [0..1, 499..501, 640..641, 1199..1300, 2399..2400, 2400..2500, 100..100] {
            let loader = loader.clone().with_rows(rows.clone());
            let mut batches = loader.batches(&scan, &[18, 2], Box::new(FixedRows(64)));
            let mut next = rows.start;
            for batch in &mut batches {
                let batch = batch.unwrap();
                assert_eq!(batch.first_row(), next);
                assert_eq!(batch.file() as u64, next / 1200);
                assert_eq!((batch.position().line, batch.position().record), (0, next % 1200 + 1), "{name}");
                for row in 0..batch.num_rows() {
                    let given = (next as usize + row) % 1200;
                    let found = comparable(&batch.columns().column(0).slice(row, 1), Kind::Text);
                    assert_eq!(&found, &table.column(18).slice(given, 1), "{name}");
                    let found = comparable(&batch.columns().column(1).slice(row, 1), Kind::Int);
                    assert_eq!(&found, &comparable(&table.column(2).slice(given, 1), Kind::Int));
                }
                next += batch.num_rows() as u64;
            }
            assert_eq!(next, rows.end.min(2400).max(rows.start), "{name}");
        }
        // Where a row stands is asked for without any of its columns.
        let place = loader.with_rows(1700..1701).batches(&scan, &[], Box::new(FixedRows(1))).next();
        let place = place.unwrap().unwrap();
        assert_eq!((place.num_rows(), place.file(), place.position().record), (1, 1, 501));
    }
}

#[test]
fn what_is_demanded_of_a_column_is_asked_of_its_values_or_of_their_texts() {
    let folder = Folder::new();
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None, Some(300)]));
    let zips: ArrayRef = Arc::new(StringArray::from(vec![Some("007"), Some("12"), None]));
    let table = RecordBatch::try_from_iter([("n", numbers), ("zip", zips)]).unwrap();
    let bytes = parquet(&table, WriterProperties::new());
    let read = |column: &str, hint| -> Result<ArrayRef, Error> {
        let loader = folder.loader(&[&bytes]).with_type_hints([(column.to_owned(), hint)]);
        let scan = loader.scan()?;
        let column = scan.schema().index_of(column).unwrap();
        Ok(Arc::clone(all(&loader, &scan, 2)?.column(column)))
    };
    let fixed = |column, fixed| read(column, TypeHint::Fixed(fixed));
    assert_eq!(fixed("n", FixedType::Int64).unwrap().data_type(), &DataType::Int64);
    assert_eq!(fixed("n", FixedType::Float64).unwrap().data_type(), &DataType::Float64);
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("1"), None, Some("300")]));
    assert_eq!(&fixed("n", FixedType::String).unwrap(), &texts);
    assert_eq!(&cast(&read("n", TypeHint::Text).unwrap(), &DataType::Utf8).unwrap(), &texts);
    let error = fixed("n", FixedType::UInt8).unwrap_err();
    assert_eq!(
        folder.message(&error),
        "0: record 3, byte 4: row group 1: column \"n\": found \"300\", expected uint8; mend the value or give the \
         column another type"
    );
    assert_eq!((error.part(), error.column()), (Some(Part::RowGroup(1)), Some("n")));
    let error = fixed("zip", FixedType::Int32).unwrap_err();
    assert!(folder.message(&error).contains("record 1, byte 4: row group 1: column \"zip\": found \"007\""));
}

/// All that is said of the columns.
fn facts(scan: &Scan) -> String {
    format!("{:?} {:?}", scan.columns(), scan.schema())
}

#[test]
fn several_threads_find_what_one_finds() {
    let table = every_type(2_200);
    let twice = concat_batches(&table.schema(), [&table, &table]).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(900));
    let folder = Folder::new();
    for bytes in [parquet(&table, properties.build()), ipc(&table, false, None, 300)] {
        let loader = folder.loader(&[&bytes, &bytes]).with_range_bytes(1 << 12);
        let alone = loader.scan().unwrap();
        for threads in [2, 3, 40] {
            let loader = loader.clone().with_threads(threads);
            let scan = loader.scan().unwrap();
            assert_eq!((scan.rows(), facts(&scan)), (4_400, facts(&alone)));
            assert_same("twice", &scan, &all(&loader, &scan, 100).unwrap(), &twice);
        }
    }
}

#[test]
fn columns_that_are_decoded_ahead_come_in_the_order_of_the_rows_wherever_they_begin() {
    // Of pages that are of another length in each column, so that none is ahead of the others for long.
    let table = every_type(3000);
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(1300));
    let properties = properties.set_data_page_size_limit(700).set_write_batch_size(16).build();
    let folder = Folder::new();
    let files = [parquet(&table, properties), ipc(&table, true, None, 170)];
    for bytes in &files {
        // The second file lacks columns that the first one has.
        let few = parquet(&table.project(&[0, 18, 21]).unwrap(), WriterProperties::new());
        let loader = folder.loader(&[bytes, &few]);
        let scan = loader.scan().unwrap();
        for rows in [0..6000, 5..6, 1299..1301, 2500..3400] {
            let read = |threads| {
                let loader = loader.clone().with_threads(threads).with_rows(rows.clone());
                let all = all(&loader, &scan, 333).unwrap();
                // Columns that are not wanted, and the order of those that are.
                let some = loader.batches(&scan, &[18, 3], Box::new(FixedRows(100)));
                let some: Vec<Batch> = some.map(Result::unwrap).collect();
                (all, some.iter().map(|batch| batch.columns().clone()).collect::<Vec<_>>())
            };
            let alone = read(1);
            assert_eq!(alone.0.num_rows() as u64, rows.end - rows.start);
            for threads in [2, 3, 9] {
                assert!(read(threads) == alone, "{threads} {rows:?}");
            }
        }
    }
}

#[test]
fn a_file_that_changes_behind_the_scan_is_refused_by_any_number_of_threads() {
    let folder = Folder::new();
    let table = every_type(3000);
    let bytes = parquet(&table, WriterProperties::new());
    for threads in [1, 2, 5] {
        let loader = folder.loader(&[&bytes]).with_threads(threads);
        let scan = loader.scan().unwrap();
        let mut batches = loader.batches(&scan, &[0, 3, 18], Box::new(FixedRows(100)));
        assert_eq!(batches.next().unwrap().unwrap().num_rows(), 100);
        folder.write("0", &bytes[..bytes.len() / 2]);
        let rest: Result<Vec<usize>, Error> =
            batches.map(|batch| batch.map(|batch| batch.num_rows())).collect();
        match rest {
            Err(error) => assert!(matches!(error.kind(), ErrorKind::Changed), "{error}"),
            // Threads may have made all of them by then.
            Ok(rest) => assert_eq!((threads > 1, rest.iter().sum::<usize>()), (true, 2900)),
        }
    }
}

#[test]
fn several_threads_meet_the_error_that_one_meets_and_the_end_that_was_asked_for() {
    let folder = Folder::new();
    let texts: Vec<String> =
        (0..20_000).map(|row| if row > 15_000 { "x".into() } else { row.to_string() }).collect();
    let texts: ArrayRef = Arc::new(StringArray::from(texts));
    let columns = ["a", "b", "c", "d"].map(|name| (name, Arc::clone(&texts)));
    let bytes = parquet(&RecordBatch::try_from_iter(columns).unwrap(), WriterProperties::new());
    for threads in [1, 2, 4] {
        // Both are met in another order than that of the columns.
        let fixed = TypeHint::Fixed(FixedType::Int64);
        let hints = vec![("c".to_owned(), fixed), ("b".to_owned(), fixed)];
        let loader = folder.loader(&[&bytes]).with_threads(threads).with_range_bytes(1 << 12);
        let error = loader.clone().with_type_hints(hints).scan().unwrap_err();
        assert_eq!(
            folder.message(&error),
            "0: record 15002, byte 4: row group 1: column \"b\": found \"x\", expected int64; mend the value or give the \
             column another type"
        );
        let error = loader.with_progress(|_| ControlFlow::Break(())).scan().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Cancelled));
    }
}

#[test]
fn files_whose_numbers_go_together_exactly_are_one_table() {
    let folder = Folder::new();
    let file = |column: ArrayRef| {
        parquet(&RecordBatch::try_from_iter([("a", column)]).unwrap(), WriterProperties::new())
    };
    let floats = file(Arc::new(Float64Array::from(vec![0.5])));
    let ints = |value: i64| file(Arc::new(Int64Array::from(vec![value])));
    let loader = folder.loader(&[&ints(3), &floats]);
    let scan = loader.scan().unwrap();
    assert_eq!(scan.columns()[0].kind, Kind::Float);
    let values = all(&loader, &scan, 10).unwrap();
    assert_eq!(values.column(0).as_ref(), &Float32Array::from(vec![3.0, 0.5]) as &dyn Array);
    let error = folder.loader(&[&ints((1 << 53) + 1), &floats]).scan().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Option(_)) && error.column() == Some("a"), "{error}");
    let huge = file(Arc::new(UInt64Array::from(vec![u64::MAX])));
    assert!(folder.loader(&[&huge, &ints(-1)]).scan().is_err());
    assert_eq!(folder.loader(&[&huge, &ints(1)]).scan().unwrap().columns()[0].data_type, DataType::UInt64);
}

#[test]
fn a_file_with_nothing_but_nulls_goes_with_any_other() {
    let folder = Folder::new();
    let file = |column: ArrayRef| {
        parquet(&RecordBatch::try_from_iter([("a", column)]).unwrap(), WriterProperties::new())
    };
    let nulls = file(Arc::new(StringArray::new_null(2)));
    let columns: [ArrayRef; 3] = [
        Arc::new(Int8Array::from(vec![Some(1), None])),
        Arc::new(BooleanArray::from(vec![true])),
        Arc::new(Date32Array::from(vec![5])),
    ];
    for column in columns {
        for files in [[&nulls, &file(Arc::clone(&column))], [&file(Arc::clone(&column)), &nulls]] {
            let loader = folder.loader(&[files[0], files[1]]);
            let scan = loader.scan().unwrap();
            let found = all(&loader, &scan, 10).unwrap();
            assert_eq!(found.column(0).data_type(), column.data_type());
            assert_eq!(found.column(0).null_count(), 2 + column.null_count());
        }
    }
    let texts = file(Arc::new(StringArray::from(vec!["x"])));
    let error =
        folder.loader(&[&nulls, &texts, &file(Arc::new(Int8Array::from(vec![1])))]).scan().unwrap_err();
    assert_eq!(
        folder.message(&error),
        format!(
            "2: row group 1: column \"a\": holds whole numbers, expected text as in {}; give the column one type in all \
             files, or fix one that holds both, such as string",
            "1"
        )
    );
}

#[test]
fn dictionaries_that_change_between_record_batches_are_followed() {
    let folder = Folder::new();
    let batch = |texts: &[&str]| {
        let texts: DictionaryArray<Int32Type> = texts.iter().copied().collect();
        RecordBatch::try_from_iter([("a", Arc::new(texts) as ArrayRef)]).unwrap()
    };
    let batches = [batch(&["x", "y"]), batch(&["z", "x", "z"]), batch(&["y"])];
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    let bytes = writer.into_inner().unwrap();
    let loader = folder.loader(&[&bytes]);
    let scan = loader.scan().unwrap();
    let found = cast(all(&loader, &scan, 4).unwrap().column(0), &DataType::Utf8).unwrap();
    assert_eq!(found.as_ref(), &StringArray::from(vec!["x", "y", "z", "x", "z", "y"]) as &dyn Array);
}

#[test]
fn a_table_without_rows_has_its_columns() {
    let folder = Folder::new();
    for (name, bytes) in files(&every_type(0)) {
        let loader = folder.loader(&[&bytes]);
        let scan = loader.scan().unwrap();
        assert_eq!((scan.rows(), scan.columns().len()), (0, 27), "{name}");
        assert_eq!(all(&loader, &scan, 10).unwrap().num_rows(), 0);
    }
}

#[test]
fn a_column_that_is_no_number_nor_text_is_named() {
    let folder = Folder::new();
    let list = arrow::array::ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)])]);
    let table = RecordBatch::try_from_iter([("l", Arc::new(list) as ArrayRef)]).unwrap();
    for bytes in
        [parquet(&table, WriterProperties::new()), ipc(&table, false, None, 1), ipc(&table, true, None, 1)]
    {
        let error = folder.loader(&[&bytes]).scan().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::ColumnType { .. }));
        assert_eq!(
            folder.message(&error),
            "0: column \"l\": is of type list, which is not read; make a column of each of its parts, or leave it out"
        );
    }
}

#[test]
fn a_table_without_columns_is_refused_by_name() {
    let folder = Folder::new();
    let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(3));
    let table =
        RecordBatch::try_new_with_options(Arc::new(arrow::datatypes::Schema::empty()), vec![], &options)
            .unwrap();
    for bytes in [parquet(&table, WriterProperties::new()), ipc(&table, true, None, 3)] {
        let error = folder.loader(&[&bytes]).scan().unwrap_err();
        assert_eq!(
            folder.message(&error),
            "0: is a table without columns, which is not read yet; there is nothing in it"
        );
    }
}

#[test]
fn a_stream_whose_bytes_stand_the_other_way_round_is_refused() {
    // A message of a schema without columns, made by hand, since no writer makes such: behind the offset of its table, the
    // fields' places in it (version, type and body), the table, and the same of the schema, whose first field says 1: big.
    let message: &[&[u8]] = &[
        &[0xff; 4],
        &56u32.to_le_bytes(),
        &16u32.to_le_bytes(),
        &[12, 0, 12, 0, 4, 0, 6, 0, 8, 0, 0, 0],
        &[12, 0, 0, 0, 4, 0, 1, 0, 12, 0, 0, 0],
        &[8, 0, 12, 0, 4, 0, 8, 0],
        &[8, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0],
        &[0; 8],
    ];
    let folder = Folder::new();
    let error = folder.loader(&[&message.concat()]).scan().unwrap_err();
    assert_eq!(
        folder.message(&error),
        "0: is big-endian Arrow IPC, which is not read yet; write it again on a little-endian machine"
    );
}

#[test]
fn a_text_that_is_none_is_damaged_wherever_it_stands() {
    let schema = Arc::new(parse_message_type("message schema { required binary t (UTF8); }").unwrap());
    let folder = Folder::new();
    for (is_dictionary, version) in [
        (true, WriterVersion::PARQUET_1_0),
        (false, WriterVersion::PARQUET_1_0),
        (false, WriterVersion::PARQUET_2_0),
    ] {
        for last in [
            "fine".as_bytes(),
            "schön".as_bytes(),
            b"sch\xf6n",
            b"a long one that ends in half of a letter \xc3",
        ] {
            let properties = WriterProperties::builder();
            let properties =
                properties.set_dictionary_enabled(is_dictionary).set_writer_version(version).build();
            let mut bytes = Vec::new();
            let mut writer =
                SerializedFileWriter::new(&mut bytes, Arc::clone(&schema), Arc::new(properties)).unwrap();
            let mut group = writer.next_row_group().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            let texts: Vec<ByteArray> =
                [b"some".as_slice(), b"text", last].iter().map(|t| t.to_vec().into()).collect();
            column.typed::<ByteArrayType>().write_batch(&texts, None, None).unwrap();
            column.close().unwrap();
            group.close().unwrap();
            writer.close().unwrap();
            let scanned = folder.loader(&[&bytes]).scan();
            match std::str::from_utf8(last) {
                Ok(_) => assert_eq!(scanned.unwrap().rows(), 3),
                Err(_) => assert!(matches!(scanned.unwrap_err().kind(), ErrorKind::Damaged { .. })),
            }
        }
    }
}

#[test]
fn a_record_batch_has_no_more_rows_than_its_bytes_can_be() {
    let folder = Folder::new();
    let table = |rows| {
        let columns = ["a", "b"].map(|name| (name, Arc::new(NullArray::new(rows)) as ArrayRef));
        ipc(&RecordBatch::try_from_iter(columns).unwrap(), true, None, rows)
    };
    let scan = |rows| folder.loader(&[&table(rows)]).scan();
    assert_eq!(scan(3_000_000).unwrap().rows(), 3_000_000);
    for rows in [1 << 31, 1 << 62] {
        let error = scan(rows).unwrap_err();
        assert!(
            folder.message(&error).contains("a record batch has more rows than its bytes can be"),
            "{error}"
        );
    }
}

/// Scans and reads within a budget; what comes of it.
fn outcome(folder: &Folder, bytes: &[u8]) -> Result<u64, Error> {
    let budget = Budget::new(Bytes::mib(32));
    let monitor = Monitor::builder().with_budget(budget.clone()).build().unwrap();
    let end = (|| {
        let loader = folder.loader(&[bytes]).with_monitor(monitor.clone());
        let scan = loader.scan()?;
        let projection: Vec<usize> = (0..scan.columns().len()).collect();
        let batches = loader.batches(&scan, &projection, Box::new(FixedRows(500)));
        batches.map(|batch| batch.map(|batch| batch.num_rows() as u64)).sum()
    })();
    assert!(budget.peak() <= budget.limit());
    assert_eq!(budget.reserved(), Bytes::ZERO, "all is given back");
    end
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_an_error() {
    let folder = Folder::new();
    for (name, bytes) in files(&every_type(300)) {
        // A stream may end between two messages, behind which it lacks nothing but the mark of its end.
        for cut in (0..bytes.len() - 9).step_by(bytes.len() / 23).skip(1) {
            let end = outcome(&folder, &bytes[..cut]);
            let is_stream = name.contains("true");
            assert!(end.is_err() || is_stream, "{name}: {cut} of {}", bytes.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_file_that_is_changed_anywhere_is_read_or_refused(
        number in 0usize..15,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        from_end in any::<bool>(),
    ) {
        let folder = Folder::new();
        let (_, mut bytes) = files(&every_type(120)).swap_remove(number);
        let len = bytes.len();
        for (index, change) in changes {
            // Footers are where most can go wrong.
            let at = if from_end { len - 1 - index.index(len / 3) } else { index.index(len) };
            bytes[at] ^= change;
        }
        let _ = outcome(&folder, &bytes);
    }
}
