//! What other tools make of the files: pandas, Polars, DuckDB, pyarrow and DataFusion, of a Python environment that this
//! test makes in the target folder. Skipped, with a word, where there is no Python or no network to make it with.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod python;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Date32Array, DictionaryArray, Float32Array,
    Float64Array, PrimitiveArray, RecordBatch, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use sink::SinkBuilder;

const PACKAGES: [&str; 5] = ["pandas", "polars", "duckdb", "pyarrow", "datafusion"];
const ROWS: usize = 3000;
const MANY_COLUMNS: usize = 10_000;

/// Every seventh row is null, and the others are what `make` makes of a number that looks random.
fn rows<T>(make: impl Fn(u64) -> T) -> impl Iterator<Item = Option<T>> {
    (0..ROWS as u64).map(move |row| {
        let mixed = (row + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (row % 7 != 3).then(|| make(mixed ^ (mixed >> 29)))
    })
}

fn numbers<T: ArrowPrimitiveType>(make: impl Fn(u64) -> T::Native) -> PrimitiveArray<T> {
    rows(make).collect()
}

/// A column of every type that the engine makes.
fn all_types() -> RecordBatch {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 5e-324, f64::MAX, 0.1];
    let wide =
        move |n: u64| if n.is_multiple_of(4) { odd[(n / 4 % 7) as usize] } else { f64::from_bits(n >> 2) };
    let narrow = move |n: u64| {
        if n.is_multiple_of(4) { odd[(n / 4 % 4) as usize] as f32 } else { (n % 100_000) as f32 / 64.0 }
    };
    // In years that all tools know.
    let seconds = |n: u64| (n % 8_000_000_000) as i64 - 4_000_000_000;
    let text = |n: u64| match n % 6 {
        0 => String::new(),
        1 => "a,\"b\"\nc".to_owned(),
        2 => "NA".to_owned(),
        3 => "é 中 🙂".repeat((n % 5) as usize),
        4 => "007".to_owned(),
        _ => n.to_string(),
    };
    let word = |n: u64| ["red", "green", "", "blue, or so"][(n % 4) as usize];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("i8", Arc::new(numbers::<Int8Type>(|n| n as i8))),
        ("i16", Arc::new(numbers::<Int16Type>(|n| n as i16))),
        ("i32", Arc::new(numbers::<Int32Type>(|n| n as i32))),
        ("i64", Arc::new(numbers::<Int64Type>(|n| n as i64))),
        ("u8", Arc::new(numbers::<UInt8Type>(|n| n as u8))),
        ("u16", Arc::new(numbers::<UInt16Type>(|n| n as u16))),
        ("u32", Arc::new(numbers::<UInt32Type>(|n| n as u32))),
        ("u64", Arc::new(numbers::<UInt64Type>(|n| n))),
        ("f32", Arc::new(rows(narrow).collect::<Float32Array>())),
        ("f64", Arc::new(rows(wide).collect::<Float64Array>())),
        ("bool", Arc::new(rows(|n| n % 2 == 0).collect::<BooleanArray>())),
        ("date", Arc::new(rows(|n| (n % 90_000) as i32 - 45_000).collect::<Date32Array>())),
        ("s", Arc::new(numbers::<TimestampSecondType>(seconds))),
        ("ms", Arc::new(numbers::<TimestampMillisecondType>(|n| seconds(n) * 1000 + 7))),
        ("us", Arc::new(numbers::<TimestampMicrosecondType>(|n| seconds(n) * 1_000_000 + 7))),
        ("ns", Arc::new(numbers::<TimestampNanosecondType>(|n| seconds(n) * 1_000_000_000 + 7))),
        ("s_utc", Arc::new(numbers::<TimestampSecondType>(seconds).with_timezone("UTC"))),
        ("us_utc", Arc::new(numbers::<TimestampMicrosecondType>(|n| seconds(n) * 1000).with_timezone("UTC"))),
        ("ms_east", Arc::new(numbers::<TimestampMillisecondType>(seconds).with_timezone("+05:30"))),
        ("text", Arc::new(rows(text).collect::<StringArray>())),
        ("nulls", Arc::new(StringArray::new_null(ROWS))),
        ("word", Arc::new(rows(word).collect::<DictionaryArray<Int8Type>>())),
        (
            "many_words",
            Arc::new(
                rows(|n| n % 2500)
                    .map(|n| n.map(|n| format!("word {n}")))
                    .collect::<Vec<_>>()
                    .iter()
                    .map(|w| w.as_deref())
                    .collect::<DictionaryArray<Int16Type>>(),
            ),
        ),
        ("long_word", Arc::new(rows(word).collect::<DictionaryArray<Int32Type>>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap()
}

fn many_columns() -> RecordBatch {
    let column = |place: usize| {
        let numbers = PrimitiveArray::<Int16Type>::from(vec![Some(place as i16), None, Some(7)]);
        (format!("c{place}"), Arc::new(numbers) as ArrayRef, true)
    };
    RecordBatch::try_from_iter_with_nullable((0..MANY_COLUMNS).map(column)).unwrap()
}

fn kind(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "bool".into(),
        DataType::Date32 => "date".into(),
        DataType::Utf8 | DataType::Dictionary(..) => "text".into(),
        DataType::Timestamp(unit, zone) => {
            let unit = match unit {
                TimeUnit::Second => "s",
                TimeUnit::Millisecond => "ms",
                TimeUnit::Microsecond => "us",
                TimeUnit::Nanosecond => "ns",
            };
            format!("timestamp {unit} {}", zone.as_deref().unwrap_or_default()).trim_end().to_owned()
        }
        other => other.to_string().to_lowercase(),
    }
}

/// The values as the script compares them, in JSON.
fn values(column: &ArrayRef) -> Vec<String> {
    let quoted = |text: String| format!("\"{text}\"");
    let or_null = |text: Option<String>| text.unwrap_or_else(|| "null".into());
    let bits = |value: Option<f64>, bits: String| match value {
        Some(value) if value.is_nan() => quoted("nan".into()),
        Some(_) => quoted(bits),
        None => "null".into(),
    };
    match column.data_type() {
        DataType::Dictionary(_, values_type) => values(&cast(column, values_type).unwrap()),
        DataType::Boolean => column.as_boolean().iter().map(|v| or_null(v.map(|v| v.to_string()))).collect(),
        DataType::Float32 => {
            let floats = column.as_any().downcast_ref::<Float32Array>().unwrap();
            floats
                .iter()
                .map(|v| bits(v.map(f64::from), format!("{:08x}", v.unwrap_or(0.0).to_bits())))
                .collect()
        }
        DataType::Float64 => {
            let floats = column.as_any().downcast_ref::<Float64Array>().unwrap();
            floats.iter().map(|v| bits(v, format!("{:016x}", v.unwrap_or(0.0).to_bits()))).collect()
        }
        DataType::Utf8 => {
            let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            column.as_string::<i32>().iter().map(|v| or_null(v.map(|v| quoted(escaped(v))))).collect()
        }
        DataType::UInt64 => column
            .as_primitive::<UInt64Type>()
            .iter()
            .map(|v| or_null(v.map(|v| quoted(v.to_string()))))
            .collect(),
        data_type => {
            let nanoseconds: i128 = match data_type {
                DataType::Timestamp(TimeUnit::Second, _) => 1_000_000_000,
                DataType::Timestamp(TimeUnit::Millisecond, _) => 1_000_000,
                DataType::Timestamp(TimeUnit::Microsecond, _) => 1000,
                _ => 1,
            };
            let counts = match data_type {
                DataType::Date32 => cast(&cast(column, &DataType::Int32).unwrap(), &DataType::Int64),
                _ => cast(column, &DataType::Int64),
            };
            let counts = counts.unwrap();
            let counts = counts.as_primitive::<Int64Type>();
            counts
                .iter()
                .map(|v| or_null(v.map(|v| quoted((i128::from(v) * nanoseconds).to_string()))))
                .collect()
        }
    }
}

fn described(name: &str, table: &RecordBatch) -> String {
    let schema = table.schema();
    let columns = schema.fields().iter().zip(table.columns()).map(|(field, column)| {
        let (kind, values) = (kind(field.data_type()), values(column).join(","));
        format!("{{\"name\":\"{}\",\"kind\":\"{kind}\",\"values\":[{values}]}}", field.name())
    });
    format!("\"{name}\":[{}]", columns.collect::<Vec<_>>().join(","))
}

#[test]
fn other_tools_find_the_same_values_and_types() {
    let python = match python::python(&PACKAGES) {
        Ok(python) => python,
        Err(why) => {
            eprintln!("skipped: reading by other tools: {why}");
            return;
        }
    };
    let directory = tempfile::tempdir().unwrap();
    let whole = all_types();
    let tables = [("all", whole.clone()), ("empty", whole.slice(0, 0)), ("many", many_columns())];
    let compressions = |extension: &str| match extension {
        "parquet" => &["snappy", "zstd:3", "lz4", "none"][..],
        "csv" => &["none"],
        _ => &["none", "zstd:3", "lz4"],
    };
    let mut files = Vec::new();
    for (name, table) in &tables {
        for extension in ["parquet", "arrow", "arrows", "csv"] {
            // Wide tables are slow to read, and compression is not about width.
            let ways = if *name == "many" { &compressions(extension)[..1] } else { compressions(extension) };
            for compression in ways {
                let path = format!("{name}-{}.{extension}", compression.replace(':', "-"));
                let builder = SinkBuilder::new(directory.path().join(&path));
                let builder =
                    builder.with_compression(compression.parse().unwrap()).with_row_group_rows(2500);
                // So little that dictionaries of many words become too long.
                let builder = builder.with_row_group_bytes(monitor::Bytes::kib(256));
                let mut sink = builder.build(table.schema()).unwrap();
                for from in (0..table.num_rows()).step_by(1000) {
                    sink.write(&table.slice(from, 1000.min(table.num_rows() - from))).unwrap();
                }
                sink.finish().unwrap();
                files
                    .push(format!("{{\"path\":\"{path}\",\"format\":\"{extension}\",\"table\":\"{name}\"}}"));
            }
        }
    }
    let described: Vec<String> = tables.iter().map(|(name, table)| described(name, table)).collect();
    let manifest = format!("{{\"tables\":{{{}}},\"files\":[{}]}}", described.join(","), files.join(","));
    std::fs::write(directory.path().join("manifest.json"), manifest).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/check.py");
    let output = Command::new(python).arg(script).arg(directory.path()).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    eprintln!("{stdout}");
}
