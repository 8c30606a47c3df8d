//! What the trait promises, run on every format: values and types come back however they were cut into
//! batches, and whatever fails leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arrow::array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, PrimitiveArray, RecordBatch, StringArray,
};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{
    ArrowDictionaryKeyType, ArrowPrimitiveType, DataType, Date32Type, Field, Fields, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Schema, SchemaRef, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::ipc::reader::{FileReader, StreamReader};
use monitor::{Budget, Bytes, Monitor};
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use proptest::prelude::*;
use sink::{Compression, Error, ErrorKind, SchemaMismatch, SinkBuilder, Written};

/// A stream whose bytes can be looked at after the sink has taken it.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A stream that fails once it has taken some bytes.
struct FailsAfter(usize, io::ErrorKind);

impl Write for FailsAfter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.0);
        if taken == 0 && !bytes.is_empty() {
            return Err(self.1.into());
        }
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One way of writing, and how to read it back.
#[derive(Clone, Copy, Debug)]
struct Way {
    name: &'static str,
    compression: &'static str,
    threads: usize,
}

const WAYS: [Way; 13] = [
    Way { name: "out.parquet", compression: "snappy", threads: 1 },
    Way { name: "out.parquet", compression: "zstd:1", threads: 1 },
    Way { name: "out.parquet", compression: "lz4", threads: 1 },
    Way { name: "out.parquet", compression: "none", threads: 1 },
    Way { name: "out.parquet", compression: "snappy", threads: 2 },
    Way { name: "out.parquet", compression: "zstd", threads: 8 },
    Way { name: "out.arrow", compression: "none", threads: 1 },
    Way { name: "out.arrow", compression: "zstd:9", threads: 1 },
    Way { name: "out.arrow", compression: "lz4", threads: 1 },
    Way { name: "out.arrows", compression: "none", threads: 1 },
    Way { name: "out.arrows", compression: "zstd", threads: 1 },
    Way { name: "out.arrows", compression: "lz4", threads: 1 },
    Way { name: "-", compression: "none", threads: 1 },
];

impl Way {
    fn builder(self, directory: &Path) -> (SinkBuilder, PathBuf) {
        let path = if self.name == "-" { "-".into() } else { directory.join(self.name) };
        let compression: Compression = self.compression.parse().unwrap();
        (SinkBuilder::new(&path).with_compression(compression).with_threads(self.threads), path)
    }

    fn is_parquet(self) -> bool {
        self.name.ends_with(".parquet")
    }

    /// The type that a column comes back with.
    fn read_type(self, written: &DataType) -> DataType {
        match written {
            DataType::Timestamp(TimeUnit::Second, zone) if self.is_parquet() => {
                DataType::Timestamp(TimeUnit::Millisecond, zone.clone())
            }
            other => other.clone(),
        }
    }

    /// What the table is when it is read back.
    fn expected(self, table: &RecordBatch) -> Table {
        let fields = table
            .schema()
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_data_type(self.read_type(field.data_type())))
            .collect::<Vec<_>>();
        let columns = fields
            .iter()
            .zip(table.columns())
            .map(|(field, column)| cast(column, field.data_type()).unwrap());
        let schema = Arc::new(Schema::new(fields.clone()));
        let table = RecordBatch::try_new(schema.clone(), columns.collect()).unwrap();
        Table::new(&schema, std::iter::once(table))
    }

    /// Writes the batches and reads them back as one table.
    fn round_trip(self, schema: &SchemaRef, batches: &[RecordBatch]) -> (Written, Table) {
        let directory = tempfile::tempdir().unwrap();
        let (builder, path) = self.builder(directory.path());
        let stream = Shared::default();
        // Small, so that several row groups are made of little data.
        let builder = builder.with_row_group_rows(37).with_stream(Box::new(stream.clone()));
        let mut sink = builder.build(schema.clone()).unwrap();
        for batch in batches {
            sink.write(batch).unwrap();
        }
        let written = sink.finish().unwrap();
        let (read, bytes) = match self.name {
            "-" => {
                let bytes = stream.0.lock().unwrap().clone();
                let length = bytes.len() as u64;
                (read_stream(io::Cursor::new(bytes)), length)
            }
            name => {
                assert_eq!(names(directory.path()), [name]);
                (self.read(&path), fs::metadata(&path).unwrap().len())
            }
        };
        assert_eq!(written.bytes, bytes, "{self:?}");
        (written, read)
    }

    fn read(self, path: &Path) -> Table {
        let file = File::open(path).unwrap();
        match self.name {
            "out.parquet" => {
                let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
                let schema = reader.schema().clone();
                Table::new(&schema, reader.build().unwrap().map(Result::unwrap))
            }
            "out.arrow" => {
                let reader = FileReader::try_new(file, None).unwrap();
                Table::new(&reader.schema(), reader.map(Result::unwrap))
            }
            _ => read_stream(file),
        }
    }
}

fn read_stream(bytes: impl io::Read) -> Table {
    let reader = StreamReader::try_new(bytes, None).unwrap();
    Table::new(&reader.schema(), reader.map(Result::unwrap))
}

/// Types, and values freed of their dictionaries, whose layout is nobody's promise. Arrays are equal when
/// they are so to the bit: NaN equals itself, and 0 does not equal -0.
#[derive(Debug, PartialEq)]
struct Table {
    fields: Fields,
    values: RecordBatch,
}

impl Table {
    fn new(schema: &SchemaRef, batches: impl Iterator<Item = RecordBatch>) -> Self {
        let plain_type = |data_type: &DataType| match data_type {
            DataType::Dictionary(_, value) => value.as_ref().clone(),
            other => other.clone(),
        };
        let fields = schema
            .fields()
            .iter()
            .map(|field| Field::new(field.name(), plain_type(field.data_type()), field.is_nullable()));
        let plain = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let batches = batches.map(|batch| {
            let columns =
                batch.columns().iter().map(|column| cast(column, &plain_type(column.data_type())).unwrap());
            RecordBatch::try_new(plain.clone(), columns.collect()).unwrap()
        });
        let batches: Vec<_> = batches.collect();
        Self { fields: schema.fields().clone(), values: concat_batches(&plain, &batches).unwrap() }
    }
}

fn names(directory: &Path) -> Vec<String> {
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    fs::read_dir(directory).unwrap().map(name).collect()
}

/// A repeatable stream of numbers (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number, or, one time in eight, none.
    fn maybe(&mut self) -> Option<u64> {
        let number = self.next();
        (!number.is_multiple_of(8)).then_some(number >> 3)
    }
}

fn numbers<T: ArrowPrimitiveType>(
    rows: usize,
    random: &mut Numbers,
    make: impl Fn(u64) -> T::Native,
) -> PrimitiveArray<T> {
    (0..rows).map(|_| random.maybe().map(&make)).collect()
}

/// Words from `values` many, under a dictionary that all of them are in.
fn words<K: ArrowDictionaryKeyType>(
    rows: usize,
    values: usize,
    random: &mut Numbers,
    make: impl Fn(usize) -> K::Native,
) -> ArrayRef {
    let dictionary = StringArray::from_iter_values((0..values).map(|value| format!("word {value}")));
    let keys = numbers::<K>(rows, random, |number| make(number as usize % values));
    Arc::new(DictionaryArray::new(keys, Arc::new(dictionary)))
}

/// A column of every type that the engine makes.
fn table(rows: usize, seed: u64) -> RecordBatch {
    let random = &mut Numbers(seed);
    let odd = [f64::NAN, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE, 5e-324];
    let float = move |number: u64| match number % 4 {
        0 => odd[(number / 4) as usize % odd.len()],
        _ => f64::from_bits(number << 3),
    };
    // Before 1970 and after, far inside what nanoseconds can say.
    let seconds = |number: u64| (number % 8_000_000_000) as i64 - 4_000_000_000;
    let text = |number: u64| match number % 5 {
        0 => String::new(),
        1 => "é\n\"x\"".repeat(number as usize % 7),
        _ => number.to_string(),
    };
    let zone = "+00:00";
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("int8", Arc::new(numbers::<Int8Type>(rows, random, |number| number as i8))),
        ("int16", Arc::new(numbers::<Int16Type>(rows, random, |number| number as i16))),
        ("int32", Arc::new(numbers::<Int32Type>(rows, random, |number| number as i32))),
        ("int64", Arc::new(numbers::<Int64Type>(rows, random, |number| (number << 3) as i64))),
        ("uint8", Arc::new(numbers::<UInt8Type>(rows, random, |number| number as u8))),
        ("uint16", Arc::new(numbers::<UInt16Type>(rows, random, |number| number as u16))),
        ("uint32", Arc::new(numbers::<UInt32Type>(rows, random, |number| number as u32))),
        ("uint64", Arc::new(numbers::<UInt64Type>(rows, random, |number| number << 3))),
        ("float32", Arc::new(numbers::<Float32Type>(rows, random, |number| float(number) as f32))),
        ("float64", Arc::new(numbers::<Float64Type>(rows, random, float))),
        ("bool", Arc::new((0..rows).map(|_| random.maybe().map(|n| n % 2 == 0)).collect::<BooleanArray>())),
        ("date", Arc::new(numbers::<Date32Type>(rows, random, |number| (number % 90_000) as i32 - 45_000))),
        ("s", Arc::new(numbers::<TimestampSecondType>(rows, random, seconds))),
        ("ms", Arc::new(numbers::<TimestampMillisecondType>(rows, random, |n| seconds(n) * 1_000 + 1))),
        ("us", Arc::new(numbers::<TimestampMicrosecondType>(rows, random, |n| seconds(n) * 1_000_000 + 1))),
        (
            "ns",
            Arc::new(numbers::<TimestampNanosecondType>(rows, random, |n| seconds(n) * 1_000_000_000 + 1)),
        ),
        ("s zoned", Arc::new(numbers::<TimestampSecondType>(rows, random, seconds).with_timezone(zone))),
        (
            "ms zoned",
            Arc::new(numbers::<TimestampMillisecondType>(rows, random, seconds).with_timezone(zone)),
        ),
        (
            "us zoned",
            Arc::new(numbers::<TimestampMicrosecondType>(rows, random, seconds).with_timezone("UTC")),
        ),
        (
            "ns zoned",
            Arc::new(numbers::<TimestampNanosecondType>(rows, random, seconds).with_timezone("+05:30")),
        ),
        ("text", Arc::new((0..rows).map(|_| random.maybe().map(text)).collect::<StringArray>())),
        ("null text", Arc::new(StringArray::new_null(rows))),
        ("words8", words::<Int8Type>(rows, 100, random, |key| key as i8)),
        ("words16", words::<Int16Type>(rows, 300, random, |key| key as i16)),
        ("words32", words::<Int32Type>(rows, 5, random, |key| key as i32)),
        ("dotted.name", Arc::new(numbers::<Int8Type>(rows, random, |number| number as i8))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
        .unwrap()
}

/// Cuts a table at the given places, some of them the same.
fn cut(table: &RecordBatch, places: &[usize]) -> Vec<RecordBatch> {
    let mut places: Vec<usize> = places.iter().map(|place| place % (table.num_rows() + 1)).collect();
    places.extend([0, table.num_rows()]);
    places.sort_unstable();
    places.windows(2).map(|ends| table.slice(ends[0], ends[1] - ends[0])).collect()
}

/// The conformance of one way.
fn conform(way: Way) {
    let whole = table(200, 1);
    let expected = way.expected(&whole);
    for places in [vec![], vec![1], vec![36, 37, 38, 100, 100, 199]] {
        let (written, read) = way.round_trip(&whole.schema(), &cut(&whole, &places));
        assert_eq!(written.rows, 200);
        assert_eq!(read, expected, "{way:?} cut at {places:?}");
    }

    let none = whole.slice(0, 0);
    for batches in [vec![], vec![none.clone(), none.clone()]] {
        let (written, read) = way.round_trip(&whole.schema(), &batches);
        assert_eq!(written.rows, 0);
        assert_eq!(read, way.expected(&none), "{way:?}");
    }

    dropped_it_leaves_nothing(way, &whole);
    a_wrong_schema_is_told_and_ends_the_sink(way, &whole);
    if way.name != "-" {
        a_target_that_exists_is_kept_or_replaced(way, &whole);
    }
}

fn dropped_it_leaves_nothing(way: Way, whole: &RecordBatch) {
    let directory = tempfile::tempdir().unwrap();
    let (builder, _) = way.builder(directory.path());
    let mut sink = builder.with_stream(Box::new(io::sink())).build(whole.schema()).unwrap();
    sink.write(whole).unwrap();
    drop(sink);
    assert!(names(directory.path()).is_empty(), "{way:?}");
}

fn a_wrong_schema_is_told_and_ends_the_sink(way: Way, whole: &RecordBatch) {
    let directory = tempfile::tempdir().unwrap();
    let (builder, _) = way.builder(directory.path());
    let mut sink = builder.with_stream(Box::new(io::sink())).build(whole.schema()).unwrap();
    sink.write(whole).unwrap();
    let narrow = whole.project(&[0, 1]).unwrap();
    let error = sink.write(&narrow).unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ErrorKind::Schema { mismatch: SchemaMismatch::Columns { expected: 26, found: 2 }, .. }
        ),
        "{error}"
    );
    assert!(names(directory.path()).is_empty(), "{way:?}");
    assert!(matches!(sink.write(whole).unwrap_err().kind(), ErrorKind::Failed { .. }));
    assert!(matches!(sink.finish().unwrap_err().kind(), ErrorKind::Failed { .. }));
    assert!(names(directory.path()).is_empty(), "{way:?}");
}

fn a_target_that_exists_is_kept_or_replaced(way: Way, whole: &RecordBatch) {
    let directory = tempfile::tempdir().unwrap();
    let (builder, path) = way.builder(directory.path());
    assert!(builder.check().is_ok());
    fs::write(&path, "old").unwrap();
    assert!(matches!(builder.check().unwrap_err().kind(), ErrorKind::Exists { .. }));
    let refused = builder.build(whole.schema()).err().map(Error::into_kind);
    assert!(matches!(refused, Some(ErrorKind::Exists { .. })), "{refused:?}");
    assert_eq!(fs::read(&path).unwrap(), b"old");

    let (builder, _) = way.builder(directory.path());
    let mut sink = builder.with_overwrite(true).build(whole.schema()).unwrap();
    sink.write(whole).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    sink.finish().unwrap();
    assert_eq!(way.read(&path), way.expected(whole), "{way:?}");
    assert_eq!(names(directory.path()), [way.name]);
}

#[test]
fn every_way_conforms() {
    WAYS.into_iter().for_each(conform);
}

/// Values and types of CSV have a test of their own.
#[test]
fn csv_leaves_nothing_behind_and_is_the_same_for_any_batches() {
    let way = Way { name: "out.csv", compression: "none", threads: 1 };
    let whole = table(200, 1);
    dropped_it_leaves_nothing(way, &whole);
    a_wrong_schema_is_told_and_ends_the_sink(way, &whole);
    let directory = tempfile::tempdir().unwrap();
    let write = |places: &[usize]| {
        let (builder, path) = way.builder(directory.path());
        let mut sink = builder.with_overwrite(true).build(whole.schema()).unwrap();
        cut(&whole, places).iter().for_each(|batch| sink.write(batch).unwrap());
        assert_eq!(sink.finish().unwrap().rows, 200);
        fs::read(path).unwrap()
    };
    let expected = write(&[]);
    assert!(expected.starts_with(b"int8,int16,"));
    assert_eq!(write(&[1, 36, 37, 37, 199]), expected);
    assert_eq!(write(&(0..200).collect::<Vec<_>>()), expected);
    let (builder, _) = way.builder(directory.path());
    let refused = builder.build(whole.schema()).err().map(Error::into_kind);
    assert!(matches!(refused, Some(ErrorKind::Exists { .. })), "{refused:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_cut_does_not_change_what_is_read(
        seed in any::<u64>(),
        rows in 0_usize..300,
        places in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let whole = table(rows, seed);
        let batches = cut(&whole, &places);
        for way in WAYS {
            let (written, read) = way.round_trip(&whole.schema(), &batches);
            prop_assert_eq!(written.rows, rows as u64);
            prop_assert_eq!(read, way.expected(&whole), "{:?}", way);
        }
    }
}

/// What a sink into `stream` says by its end.
fn error_of(stream: Box<dyn Write + Send>, batches: usize) -> ErrorKind {
    let batch = table(2000, 3);
    let run = || {
        let mut sink = SinkBuilder::new("-").with_stream(stream).build(batch.schema())?;
        for _ in 0..batches {
            sink.write(&batch)?;
        }
        sink.finish()
    };
    match run() {
        Ok(written) => panic!("{written:?}"),
        Err(error) => error.into_kind(),
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_as_that() {
    // Found by the last flush, and found in the middle.
    for batches in [0, 5] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let kind = error_of(Box::new(full), batches);
        assert!(matches!(kind, ErrorKind::DiskFull { written: 0, .. }), "{kind:?}");
        assert_eq!(
            Error::from(kind).to_string(),
            "no space left for the output stream after 0 bytes (No space left on device (os error 28)); \
             free space there, or write to another file system, and run again"
        );
    }
}

#[test]
fn a_stream_that_fails_in_the_middle_is_told_by_its_kind() {
    let kind = error_of(Box::new(FailsAfter(300_000, io::ErrorKind::BrokenPipe)), 5);
    assert!(matches!(kind, ErrorKind::BrokenPipe { .. }), "{kind:?}");
    let kind = error_of(Box::new(FailsAfter(300_000, io::ErrorKind::StorageFull)), 5);
    assert!(matches!(kind, ErrorKind::DiskFull { written: 300_000, .. }), "{kind:?}");
    let kind = error_of(Box::new(FailsAfter(300_000, io::ErrorKind::ConnectionReset)), 5);
    assert!(matches!(kind, ErrorKind::Io { .. }), "{kind:?}");
}

/// A column of one dictionary word a row.
fn one_word(dictionary: &[&str]) -> RecordBatch {
    let keys = (0..dictionary.len() as i32).collect::<Vec<_>>();
    let column: DictionaryArray<Int32Type> =
        DictionaryArray::new(keys.into(), Arc::new(StringArray::from(dictionary.to_vec())));
    RecordBatch::try_from_iter_with_nullable([("city", Arc::new(column) as ArrayRef, true)]).unwrap()
}

#[test]
fn dictionaries_that_differ_become_one() {
    let batches = [
        one_word(&["a", "b"]),
        one_word(&["a", "b"]),
        one_word(&["a"]),
        one_word(&["c", "a"]),
        one_word(&["c"]),
        one_word(&["a", "b", "d"]),
    ];
    let words = ["a", "b", "a", "b", "a", "c", "a", "c", "a", "b", "d"];
    let whole = Table::new(&batches[0].schema(), batches.iter().cloned());
    assert_eq!(whole.values.column(0).as_ref(), &StringArray::from(words.to_vec()) as &dyn Array);
    for way in WAYS {
        let (_, read) = way.round_trip(&batches[0].schema(), &batches);
        assert_eq!(read, whole, "{way:?}");
    }
}

#[test]
fn a_dictionary_that_outgrows_its_keys_is_told_by_its_column() {
    let many = |from: u8| {
        let words = (from..from + 100).map(|n| Some(format!("word {n}"))).collect::<Vec<_>>();
        let words: DictionaryArray<Int8Type> = words.iter().map(Option::as_deref).collect();
        RecordBatch::try_from_iter_with_nullable([("city", Arc::new(words) as ArrayRef, true)]).unwrap()
    };
    for name in ["out.arrow", "out.arrows"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        let mut sink = SinkBuilder::new(&path).build(many(0).schema()).unwrap();
        sink.write(&many(0)).unwrap();
        // 128 words fit.
        sink.write(&many(28)).unwrap();
        sink.write(&many(29)).unwrap();
        // Rows wait until they make a message.
        let error = sink.finish().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the dictionaries of column \"city\" have more values together than its keys of int8 can tell \
                 apart, and Arrow IPC ({path:?}) holds one dictionary a column; give it wider keys, or write .parquet"
            )
        );
        assert!(names(directory.path()).is_empty());
    }
}

#[test]
fn options_that_do_not_go_together_fail_in_build() {
    let directory = tempfile::tempdir().unwrap();
    let schema = table(0, 0).schema();
    let parquet = || SinkBuilder::new(directory.path().join("out.parquet"));
    let arrow = || SinkBuilder::new(directory.path().join("out.arrow"));
    let cases: Vec<(SinkBuilder, &str)> = vec![
        (
            arrow().with_compression(Compression::Snappy),
            "Arrow IPC file has no compression \"snappy\"; use zstd, lz4 or none, or write .parquet",
        ),
        (parquet().with_row_group_rows(0), "row group rows must be at least 1"),
        (parquet().with_row_group_bytes(Bytes::ZERO), "row group bytes must be at least 1"),
        (SinkBuilder::new("-"), "the output is -, but no stream was given to write to"),
        (
            SinkBuilder::new("out.csv").with_compression(Compression::Lz4),
            "CSV has no compression \"lz4\"; leave it out, or write .parquet",
        ),
        (
            SinkBuilder::new("out"),
            "cannot tell the format of \"out\" from its extension; valid are .parquet, .arrow, .arrows, .csv, \
             or - for an Arrow IPC stream",
        ),
    ];
    for (builder, expected) in cases {
        assert_eq!(builder.check().unwrap_err().to_string(), expected);
        let error = builder.build(schema.clone()).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some(expected));
    }
    assert!(names(directory.path()).is_empty());
}

#[test]
fn columns_declared_without_nulls_get_none() {
    let declared = Arc::new(Schema::new(vec![Field::new("n", DataType::Int8, false)]));
    let column: ArrayRef = Arc::new(PrimitiveArray::<Int8Type>::from(vec![Some(1), None]));
    let batch = RecordBatch::try_from_iter_with_nullable([("n", column, true)]).unwrap();
    let mut sink = SinkBuilder::new("-").with_stream(Box::new(io::sink())).build(declared).unwrap();
    sink.write(&batch.slice(0, 1)).unwrap();
    assert_eq!(
        sink.write(&batch).unwrap_err().to_string(),
        "a batch for the output stream does not have its schema: column \"n\" is declared without nulls, \
         found 1"
    );
}

#[test]
fn a_budget_without_room_is_told_with_its_figures() {
    let batch = table(2000, 5);
    let monitor = || Monitor::builder().with_budget(Budget::new(Bytes(64))).build().unwrap();
    for way in WAYS.into_iter().filter(|way| way.name != "-" || way.compression != "none") {
        let directory = tempfile::tempdir().unwrap();
        let (builder, _) = way.builder(directory.path());
        // What waits for the disk needs its share before the first row, so with files it is the sink that is refused.
        let sink = builder.with_monitor(monitor()).build(batch.schema());
        assert_eq!(sink.is_err(), way.name != "-");
        let error = sink.and_then(|mut sink| sink.write(&batch)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Budget { .. }), "{error}");
        assert!(error.to_string().starts_with("cannot write \""), "{error}");
        assert!(error.to_string().contains("the memory budget of 64 B cannot give"), "{error}");
        assert!(names(directory.path()).is_empty());
    }
}

#[test]
fn a_finished_or_dropped_sink_gives_its_memory_back() {
    let batch = table(2000, 6);
    let budget = Budget::new(Bytes::mib(16));
    let monitor = Monitor::builder().with_budget(budget.clone()).build().unwrap();
    for way in WAYS {
        for finish in [true, false] {
            let directory = tempfile::tempdir().unwrap();
            let (builder, _) = way.builder(directory.path());
            let builder = builder.with_stream(Box::new(io::sink())).with_monitor(monitor.clone());
            let mut sink = builder.build(batch.schema()).unwrap();
            sink.write(&batch).unwrap();
            match finish {
                true => assert_eq!(sink.finish().unwrap().rows, 2000),
                false => drop(sink),
            }
            assert_eq!(budget.reserved(), Bytes::ZERO, "{way:?}");
        }
    }
    assert!(budget.peak() > Bytes::ZERO);
}

#[test]
fn parquet_readers_that_do_not_know_arrow_find_widths_and_times() {
    let whole = table(10, 8);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("out.parquet");
    let mut sink = SinkBuilder::new(&path).build(whole.schema()).unwrap();
    sink.write(&whole).unwrap();
    sink.finish().unwrap();
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let file = File::open(&path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options).unwrap();
    let type_of = |name: &str| reader.schema().field_with_name(name).unwrap().data_type().clone();
    for name in ["int8", "uint16", "uint64", "float32", "bool", "ms", "ns"] {
        assert_eq!(&type_of(name), whole.schema().field_with_name(name).unwrap().data_type());
    }
    assert_eq!(type_of("s"), DataType::Timestamp(TimeUnit::Millisecond, None));
    assert_eq!(type_of("s zoned"), DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())));
    assert_eq!(type_of("date"), DataType::Date32);
    assert_eq!(type_of("words8"), DataType::Utf8);
}
