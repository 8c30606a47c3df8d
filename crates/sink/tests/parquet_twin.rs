//! Parquet as this crate writes it against Parquet as the `parquet` crate's own writer writes the same rows: the same
//! values and types read back, the same statistics and page bounds, for every type and any cut.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, DictionaryArray, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, LargeStringArray, RecordBatch, StringArray,
    TimestampMicrosecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{Int8Type, Int32Type};
use arrow::row::{RowConverter, SortField};
use monitor::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, SortingColumn};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use proptest::prelude::*;
use sink::{Compression, Sink, SinkBuilder};

/// A column of each type out of the same numbers; `None` is null.
fn columns(numbers: &[Option<i64>], distinct: i64) -> Vec<(&'static str, ArrayRef)> {
    let each = || numbers.iter().copied();
    let text = |n: i64| match n % 5 {
        0 => String::new(),
        1 => format!("{n}"),
        2 => format!("é{}", "long ".repeat(n.unsigned_abs() as usize % 30)),
        _ => format!("{:x}", n.wrapping_mul(0x9e37_79b9)),
    };
    let few = |n: i64| text(n.rem_euclid(distinct));
    let float = |n: i64| match n % 11 {
        0 => f64::NAN,
        1 => -0.0,
        2 => f64::INFINITY,
        _ => n as f64 / 8.0,
    };
    let texts: Vec<Option<String>> = each().map(|n| n.map(text)).collect();
    let words: Vec<Option<String>> = each().map(|n| n.map(few)).collect();
    vec![
        ("bool", Arc::new(each().map(|n| n.map(|n| n % 3 == 0)).collect::<BooleanArray>())),
        ("int8", Arc::new(each().map(|n| n.map(|n| n as i8)).collect::<Int8Array>())),
        ("int16", Arc::new(each().map(|n| n.map(|n| n as i16)).collect::<Int16Array>())),
        ("int32", Arc::new(each().map(|n| n.map(|n| n as i32)).collect::<Int32Array>())),
        ("int64", Arc::new(each().collect::<Int64Array>())),
        ("uint8", Arc::new(each().map(|n| n.map(|n| n as u8)).collect::<UInt8Array>())),
        ("uint16", Arc::new(each().map(|n| n.map(|n| n as u16)).collect::<UInt16Array>())),
        ("uint32", Arc::new(each().map(|n| n.map(|n| n as u32)).collect::<UInt32Array>())),
        ("uint64", Arc::new(each().map(|n| n.map(|n| n as u64)).collect::<UInt64Array>())),
        ("float32", Arc::new(each().map(|n| n.map(|n| float(n) as f32)).collect::<Float32Array>())),
        ("float64", Arc::new(each().map(|n| n.map(float)).collect::<Float64Array>())),
        ("date", Arc::new(each().map(|n| n.map(|n| n as i32 % 100_000)).collect::<Date32Array>())),
        ("time", Arc::new(each().collect::<TimestampMicrosecondArray>())),
        (
            "code",
            Arc::new(each().map(|n| n.map(|n| n.rem_euclid(distinct) * 1_000_003)).collect::<Int64Array>()),
        ),
        (
            "half",
            Arc::new(
                each().map(|n| n.map(|n| n.rem_euclid(distinct) as f64 / 2.0)).collect::<Float64Array>(),
            ),
        ),
        ("text", Arc::new(texts.iter().cloned().collect::<StringArray>())),
        ("large", Arc::new(texts.iter().cloned().collect::<LargeStringArray>())),
        ("binary", Arc::new(texts.iter().map(|t| t.as_ref().map(String::as_bytes)).collect::<BinaryArray>())),
        ("words", Arc::new(words.iter().map(Option::as_deref).collect::<DictionaryArray<Int32Type>>())),
        (
            "few",
            Arc::new(
                each()
                    .map(|n| n.map(|n| ["b", "a", "c"][n.rem_euclid(3) as usize]))
                    .collect::<DictionaryArray<Int8Type>>(),
            ),
        ),
    ]
}

/// Rows with nulls here and there, in runs, or nowhere.
fn numbers() -> impl Strategy<Value = Vec<Option<i64>>> {
    let run = (prop::option::weighted(0.8, any::<i64>()), 0u32..64, 1usize..400, any::<bool>());
    prop::collection::vec(run, 0..12).prop_map(|runs| {
        let value = |first: Option<i64>, shift: u32, same: bool, row: usize| {
            first.map(|n| if same { n >> shift } else { n.wrapping_mul(row as i64 * 2 + 1) >> shift })
        };
        let all = runs.into_iter().flat_map(|(first, shift, rows, same)| {
            (0..rows).map(move |row| {
                if first.is_some() && !same && row % 7 == 3 { None } else { value(first, shift, same, row) }
            })
        });
        all.collect()
    })
}

fn metadata(path: &Path) -> ParquetMetaData {
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Optional);
    ArrowReaderMetadata::load(&File::open(path).unwrap(), options).unwrap().metadata().as_ref().clone()
}

fn read(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<_> = reader.build().unwrap().collect::<Result<_, _>>().unwrap();
    concat_batches(&schema, &batches).unwrap()
}

/// The bounds of all pages of a row group's column, as text; `None` where there is no index.
fn page_bounds(metadata: &ParquetMetaData, group: usize, column: usize) -> Option<String> {
    match &metadata.column_index()?[group][column] {
        ColumnIndexMetaData::NONE => None,
        index => Some(format!("{index:?}")),
    }
}

/// Which of a row group's columns of whole numbers and times are sorted, and not all the same; all others are none.
fn sorting(group: &RecordBatch) -> Vec<SortingColumn> {
    let direction = |column: &ArrayRef| {
        let data_type = column.data_type();
        if !(data_type.is_integer() || data_type.is_temporal()) || column.null_count() > 0 {
            return None;
        }
        let converter = RowConverter::new(vec![SortField::new(data_type.clone())]).unwrap();
        let rows = converter.convert_columns(&[Arc::clone(column)]).unwrap();
        let (ascends, descends) = (rows.iter().is_sorted(), rows.iter().is_sorted_by(|a, b| a >= b));
        (ascends != descends).then_some(descends)
    };
    let columns = group.columns().iter().enumerate();
    columns
        .filter_map(|(index, column)| {
            let descending = direction(column)?;
            Some(SortingColumn { column_idx: index as i32, descending, nulls_first: false })
        })
        .collect()
}

fn check(numbers: &[Option<i64>], distinct: i64, group_bytes: u64, cut: usize, compression: Compression) {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns(numbers, distinct).into_iter().map(|(name, column)| (name, column, true)),
    )
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (folder.path().join("ours.parquet"), folder.path().join("theirs.parquet"));
    let mut sink: Box<dyn Sink> = SinkBuilder::new(&ours)
        .with_compression(compression)
        .with_row_group_bytes(Bytes(group_bytes))
        .build(batch.schema())
        .unwrap();
    for from in (0..batch.num_rows()).step_by(cut) {
        sink.write(&batch.slice(from, cut.min(batch.num_rows() - from))).unwrap();
    }
    sink.finish().unwrap();
    let read_back = read(&ours);
    assert_eq!(read_back, batch);

    // What we wrote as row groups, written by the crate: the same statistics, and the same bounds where each has one page.
    let ours = metadata(&ours);
    let mut from = 0;
    for (index, group) in ours.row_groups().iter().enumerate() {
        let rows = group.num_rows() as usize;
        let sorted = sorting(&batch.slice(from, rows));
        assert_eq!(group.sorting_columns().map_or(&[][..], Vec::as_slice), sorted);
        let mut writer = ArrowWriter::try_new(File::create(&theirs).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch.slice(from, rows)).unwrap();
        writer.close().unwrap();
        from += rows;
        let theirs = metadata(&theirs);
        for column in 0..batch.num_columns() {
            let name = batch.schema_ref().field(column).name();
            let (mine, other) = (group.column(column), theirs.row_group(0).column(column));
            assert_eq!(mine.statistics(), other.statistics(), "{name}");
            assert_eq!(mine.num_values(), other.num_values());
            assert!(mine.dictionary_page_offset().is_none_or(|at| at < mine.data_page_offset()));
            let pages = |metadata: &ParquetMetaData, group: usize| {
                metadata.offset_index().map(|index| index[group][column].page_locations().len())
            };
            if pages(&ours, index) == Some(1) && pages(&theirs, 0) == Some(1) {
                let (mine, other) = (page_bounds(&ours, index, column), page_bounds(&theirs, 0, column));
                // Theirs counts levels too.
                let bounds = |text: Option<String>| {
                    text.map(|text| text.split("repetition").next().unwrap().to_owned())
                };
                assert_eq!(bounds(mine), bounds(other), "{name}");
            }
        }
    }
    assert_eq!(from, batch.num_rows());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_type_reads_back_with_its_statistics(
        numbers in numbers(),
        distinct in 1i64..2000,
        group_bytes in prop_oneof![Just(1u64 << 26), 1u64..200_000],
        cut in 1usize..3000,
        compression in prop_oneof![
            Just(Compression::Snappy),
            Just(Compression::Zstd(Default::default())),
            Just(Compression::Lz4),
            Just(Compression::None),
        ],
    ) {
        check(&numbers, distinct, group_bytes, cut, compression);
    }
}

#[test]
fn dictionaries_that_outgrow_their_share_go_on_without() {
    let numbers: Vec<_> = (0..60_000).map(|row| Some(row * row % 50_021)).collect();
    check(&numbers, 40_000, 4 << 20, 8192, Compression::Snappy);
}

#[test]
fn sorted_columns_are_known_until_they_turn() {
    // Of many row groups and pages; some columns wrap around, and are sorted in some row groups alone.
    let ascending: Vec<_> = (0..90_000).map(|row| Some(row / 3)).collect();
    let descending: Vec<_> = ascending.iter().rev().copied().collect();
    for numbers in [ascending, descending] {
        check(&numbers, 1000, 400_000, 8192, Compression::Snappy);
        check(&numbers, 1000, 64 << 20, 5000, Compression::None);
    }
}

#[test]
fn pages_of_nulls_alone_are_pages() {
    let mut numbers = vec![None; 50_000];
    numbers.extend((0..30_000).map(Some));
    numbers.extend(vec![None; 50_000]);
    check(&numbers, 3, 64 << 20, 10_000, Compression::Snappy);
}
