//! What files are made of and changed by: a small table with a column of each kind, recipes for all steps, and edits of
//! JSON.

#![allow(dead_code, reason = "each target takes what it needs")]

use std::sync::{Arc, OnceLock};

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int8Array, Int64Array, NullArray, StringArray,
    TimestampMillisecondArray, TimestampNanosecondArray, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use incremental::{Column, ValueKind};
use serde_json::Value;

const SCALE: &str = "version = 1
[[steps]]\nuse = \"simple_imputer\"\ncolumns = [\"i\", \"f\"]\nstrategy = \"median\"\nadd_indicator = true
[[steps]]\nuse = \"standard_scaler\"\ncolumns = [\"i\"]
[[steps]]\nuse = \"min_max_scaler\"\ncolumns = [\"f\", \"b\"]\nclip = true
[[steps]]\nuse = \"drop_columns\"\ncolumns = [\"s\", \"d\", \"t\", \"n\"]\n";
const FILL: &str = "version = 1
[[steps]]\nuse = \"simple_imputer\"\ncolumns = [\"i\", \"f\", \"b\", \"s\", \"d\", \"t\"]\nstrategy = \"most_frequent\"
[[steps]]\nuse = \"simple_imputer\"\ncolumns = [\"n\"]\nstrategy = \"constant\"\nkeep_empty_features = true\n";
const ENCODE: &str = "version = 1
[[steps]]\nuse = \"one_hot_encoder\"\ncolumns = [\"i\", \"s\", \"d\"]\nhandle_unknown = \"infrequent_if_exist\"\nmax_categories = 3
[[steps]]\nuse = \"ordinal_encoder\"\ncolumns = [\"f\", \"b\", \"t\"]\nhandle_unknown = \"use_encoded_value\"\nunknown_value = -1\n";
const TEXT: &str = "version = 1
[[steps]]\nuse = \"missing_indicator\"\ncolumns = [\"i\", \"b\"]\nfeatures = \"all\"
[[steps]]\nuse = \"date_parts\"\ncolumns = [\"d\", \"t\"]\nparts = [\"month\", \"second\"]
[[steps]]\nuse = \"feature_hasher\"\ncolumns = [\"f\", \"n\"]\nn_features = 3
[[steps]]\nuse = \"tfidf_vectorizer\"\ncolumns = [\"s\"]\nanalyzer = \"char_wb\"\nngram_range = [1, 2]\n";
const COUNT: &str = "version = 1
[[steps]]\nuse = \"count_encoder\"\ncolumns = [\"i\", \"t\"]\nmin_group_size = 2
[[steps]]\nuse = \"simple_imputer\"\ncolumns = [\"b\"]\nstrategy = \"most_frequent\"
[[steps]]\nuse = \"target_encoder\"\ncolumns = [\"f\", \"d\"]\ntarget = \"b\"
[[steps]]\nuse = \"hashing_vectorizer\"\ncolumns = [\"s\"]\nn_features = 3\ntoken_pattern = \"[a-z]\"\n";
const COMPUTE: &str = "version = 1
[[steps]]\nuse = \"simple_imputer\"\ncolumns = [\"i\", \"f\", \"b\"]
[[steps]]\nuse = \"k_bins_discretizer\"\ncolumns = [\"b\"]\nn_bins = 3\nstrategy = \"uniform\"
[[steps]]\nuse = \"polynomial_features\"\ncolumns = [\"i\", \"f\"]
[[steps]]\nuse = \"pca\"\ncolumns = [\"i^2\", \"f^2\"]\nwhiten = true
[[steps]]\nuse = \"quantile_transformer\"\ncolumns = [\"pca0\"]\noutput_distribution = \"normal\"
[[steps]]\nuse = \"power_transformer\"\ncolumns = [\"pca1\"]
[[steps]]\nuse = \"robust_scaler\"\ncolumns = [\"i\"]
[[steps]]\nuse = \"max_abs_scaler\"\ncolumns = [\"f\"]
[[steps]]\nuse = \"clip\"\ncolumns = [\"i f\", \"n\"]\nlower = -1\nupper = 0.5
[[steps]]\nuse = \"log1p\"\ncolumns = [\"i f\"]
[[steps]]\nuse = \"variance_threshold\"\ncolumns = [\"i\", \"1\"]
[[steps]]\nuse = \"cast\"\ncolumns = [\"d\", \"s\"]\ndtype = \"string\"\n";

/// Recipes whose steps are all that there are.
pub(crate) const RECIPES: [&str; 6] = [SCALE, FILL, ENCODE, TEXT, COUNT, COMPUTE];

/// A column of each kind, as the recipes name them.
pub(crate) fn table() -> &'static (RecordBatch, Vec<Column>) {
    static TABLE: OnceLock<(RecordBatch, Vec<Column>)> = OnceLock::new();
    TABLE.get_or_init(|| {
        let kinds = [
            ("i", ValueKind::Int),
            ("f", ValueKind::Float),
            ("b", ValueKind::Bool),
            ("s", ValueKind::Text),
            ("d", ValueKind::Date),
            ("t", ValueKind::Timestamp),
            ("n", ValueKind::Null),
        ];
        let columns = kinds.map(|(name, kind)| (name, array(kind, 0), true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).expect("all columns have four rows");
        let columns = batch.schema().fields().iter().filter_map(|f| Column::of(f)).collect();
        (batch, columns)
    })
}

/// The array of a kind; `choice` is how it is stored.
pub(crate) fn array(kind: ValueKind, choice: u8) -> ArrayRef {
    let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
    let stored = |array: ArrayRef, types: &[DataType]| {
        cast(&array, &types[usize::from(choice) % types.len()]).expect("small values have every type")
    };
    match kind {
        ValueKind::Bool => Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true)])),
        ValueKind::Int if choice % 5 == 4 => {
            Arc::new(UInt64Array::from(vec![Some(0), None, Some(u64::MAX), Some(1)]))
        }
        ValueKind::Int if choice % 5 == 3 => {
            Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(1), Some(2)]))
        }
        ValueKind::Int => stored(
            Arc::new(Int8Array::from(vec![Some(0), None, Some(1), Some(2)])),
            &[DataType::Int8, DataType::UInt8, DataType::Int32],
        ),
        ValueKind::Float => stored(
            Arc::new(Float64Array::from(vec![Some(0.5), None, Some(f64::NAN), Some(2.0)])),
            &[DataType::Float64, DataType::Float32],
        ),
        ValueKind::Date => Arc::new(Date32Array::from(vec![Some(0), None, Some(i32::MAX), Some(i32::MIN)])),
        ValueKind::Timestamp if choice % 2 == 1 => Arc::new(
            TimestampMillisecondArray::from(vec![Some(0), None, Some(i64::MIN), Some(1 << 50)])
                .with_timezone("UTC"),
        ),
        ValueKind::Timestamp => {
            Arc::new(TimestampNanosecondArray::from(vec![Some(0), None, Some(-1), Some(1 << 50)]))
        }
        ValueKind::Text => stored(
            Arc::new(StringArray::from(vec![Some("a"), None, Some("b"), Some("")])),
            &[DataType::Utf8, dictionary],
        ),
        _ => Arc::new(NullArray::new(4)),
    }
}

/// A file that begins with `magic`, over a right checksum.
pub(crate) fn under_checksum(magic: &str, body: &[u8]) -> Vec<u8> {
    let mut file = format!("{magic} 1 crc32:{:08x}\n", crc32fast::hash(body)).into_bytes();
    file.extend_from_slice(body);
    file
}

/// The `n`-th value of a document, counted in the order of writing.
fn nth<'a>(value: &'a mut Value, n: &mut usize) -> Option<&'a mut Value> {
    if *n == 0 {
        return Some(value);
    }
    *n -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, n)),
        Value::Object(items) => items.values_mut().find_map(|item| nth(item, n)),
        _ => None,
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(items) => items.values().map(count).sum(),
        _ => 0,
    }
}

/// Changes the value at `place`.
pub(crate) fn edit(document: &mut Value, [place, other, what]: [u8; 3], offset: usize) {
    let all = count(document);
    let copy = nth(document, &mut ((usize::from(other) + offset) % all)).cloned().unwrap_or(Value::Null);
    let Some(value) = nth(document, &mut ((usize::from(place) + offset) % all)) else { return };
    let text = |text: &str| Value::String(text.to_owned());
    match what % 32 {
        0 => *value = Value::Null,
        1 => *value = copy,
        2 => *value = Value::Bool(!value.as_bool().unwrap_or(false)),
        3 => *value = i64::from(other as i8).into(),
        4 => *value = i64::MAX.into(),
        5 => *value = i64::MIN.into(),
        6 => *value = u64::MAX.into(),
        7 => *value = u32::MAX.into(),
        8 => *value = 1e308.into(),
        9 => *value = (-1e308).into(),
        10 => *value = 5e-324.into(),
        11 => *value = 0.into(),
        12 => *value = text(""),
        13 => *value = text("170141183460469231731687303715884105727"),
        14 => *value = text("-170141183460469231731687303715884105728"),
        15 => *value = text("nan"),
        16 => *value = text("-inf"),
        17 => *value = text(["int8", "uint64", "float32", "float64", "x"][usize::from(other) % 5]),
        18 => *value = text(["i", "f", "b", "s", "d", "t", "n"][usize::from(other) % 7]),
        19 => {
            *value = text(
                ["null", "bool", "integer", "float", "date", "timestamp", "text"][usize::from(other) % 7],
            )
        }
        20 => {
            *value = text(
                [
                    "standard_scaler",
                    "min_max_scaler",
                    "simple_imputer",
                    "one_hot_encoder",
                    "ordinal_encoder",
                    "select_columns",
                    "drop_columns",
                    "missing_indicator",
                    "date_parts",
                    "count_encoder",
                    "hashing_vectorizer",
                    "feature_hasher",
                    "tfidf_vectorizer",
                    "target_encoder",
                    "max_abs_scaler",
                    "robust_scaler",
                    "log1p",
                    "clip",
                    "cast",
                    "variance_threshold",
                    "k_bins_discretizer",
                    "quantile_transformer",
                    "power_transformer",
                    "polynomial_features",
                    "pca",
                ][usize::from(other) % 25],
            );
        }
        21 => *value = text(["error", "ignore", "infrequent_if_exist", "code"][usize::from(other) % 4]),
        22 => *value = serde_json::json!({"Int": "9223372036854775808"}),
        23 => *value = serde_json::json!({"Float": "1e300"}),
        24 => *value = serde_json::json!({"Text": "a"}),
        25 => *value = serde_json::json!({"Date": i32::MIN + i32::from(other)}),
        26 => *value = serde_json::json!({"Timestamp": "170141183460469231731687303715884105727"}),
        27 => *value = serde_json::json!({"Bool": true}),
        28 => {
            if let Value::Array(items) = value {
                items.truncate(usize::from(other) % (items.len() + 1));
            }
        }
        29 => {
            if let Value::Array(items) = value {
                items.push(copy);
            }
        }
        30 => {
            if let Value::Array(items) = value {
                items.reverse();
            }
        }
        _ => {
            if let Value::Object(items) = value {
                let key = items.keys().nth(usize::from(other) % items.len().max(1)).cloned();
                key.and_then(|key| items.remove(&key));
            }
        }
    }
}
