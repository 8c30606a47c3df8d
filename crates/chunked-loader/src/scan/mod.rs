//! The exact scan: every record of the whole input is typed, nothing is kept of it but what its columns are.
//!
//! ```text
//!  prefaces ──► layout ──► pass over all records ──► (pass over late texts) ──► facts, schema
//!  of all files  columns    types, rejects,            texts of columns that
//!                by name    checkpoints                became text late
//! ```

mod chain;
mod exact;
mod pass;
mod ranges;
mod scanner;

use std::sync::Arc;

use arrow::array::StringArray;
use arrow::datatypes::{DataType, Field, SchemaRef};

use crate::batch_builder::RowWidth;
use crate::checkpoints::Checkpoints;
use crate::column_scan::{ColumnScan, TextWitness, TypeHint};
use crate::columnar::ColumnarScan;
use crate::dialect::Dialect;
use crate::downcast::{self, Downcast};
use crate::field_rules::FieldRules;
use crate::layout::Layout;
use crate::source::{Encoding, Fingerprint, Format};
use crate::types::Kind;

pub(crate) use chain::Chain;
pub(crate) use exact::{Opened, Request, dictionary_bytes, no_timestamp_unit};
pub(crate) use ranges::{RANGE, Ranges};
pub(crate) use scanner::{Rejected, ScanPlan, Scanner};

/// What the scan found out about one column.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ColumnFacts {
    /// Its name; unique in the input.
    pub name: String,
    /// The kind of its values.
    pub kind: Kind,
    /// The type of its arrays, as narrow as was asked for.
    pub data_type: DataType,
    /// Its type without downcasting.
    pub wide_type: DataType,
    /// Records whose value is null.
    pub nulls: u64,
    /// How many of the nulls were written as which token.
    pub null_tokens: Vec<(String, u64)>,
    /// Smallest and largest value of a column of whole numbers.
    pub int_range: Option<(i128, i128)>,
    /// Whether a lossy downcast may make a column of floats float32: its type is not fixed, and no finite value
    /// lies beyond float32's range.
    pub may_be_float32: bool,
    /// Earliest and latest value of a date or timestamp column, as the file writes them.
    pub extent: Option<(String, String)>,
    /// The value that made the column text, if others before it were no text.
    pub text_witness: Option<TextWitness>,
    /// Bytes of its arrays for the whole input in the wide type.
    pub bytes_wide: u64,
    /// The same in [`data_type`](Self::data_type).
    pub bytes_narrow: u64,
    pub(crate) dictionary: Option<Arc<StringArray>>,
    pub(crate) hint: TypeHint,
}

/// What the scan found out about the whole input.
#[derive(Clone, Debug)]
pub struct Scan {
    pub(crate) dialect: Dialect,
    /// Shared, since each pass has a scan of its own and there may be very many columns.
    pub(crate) columns: Arc<[ColumnFacts]>,
    pub(crate) rows: u64,
    pub(crate) rejected: u64,
    pub(crate) bytes: u64,
    pub(crate) schema: SchemaRef,
    pub(crate) passes: usize,
    pub(crate) prints: Vec<Fingerprint>,
    pub(crate) encodings: Vec<Encoding>,
    pub(crate) compressions: Vec<Option<&'static str>>,
    pub(crate) layouts: Vec<Option<Arc<Layout>>>,
    pub(crate) checkpoints: Checkpoints,
    /// Rows before each file.
    pub(crate) first_rows: Vec<u64>,
    /// Whether several threads may make batches of it, each at another place.
    pub(crate) is_seekable: bool,
    pub(crate) formats: Vec<Format>,
    /// What is known of files of columns.
    pub(crate) columnar: Option<Arc<ColumnarScan>>,
}

impl ColumnFacts {
    /// The facts of a column of `rows` records. Its witness has the place that the scan has noted.
    pub(crate) fn new(
        name: &str,
        column: &ColumnScan,
        rows: u64,
        downcast: Downcast,
        rules: &FieldRules,
    ) -> ColumnFacts {
        let resolved = downcast::resolve(column, rows, downcast);
        let tokens = rules.nulls.tokens().iter().zip(&column.tokens).filter(|(_, n)| **n > 0);
        ColumnFacts {
            name: name.to_owned(),
            kind: resolved.kind,
            nulls: downcast::nulls(column, resolved.kind),
            null_tokens: tokens.map(|(token, n)| (token.clone(), *n)).collect(),
            int_range: column.int_range.filter(|_| resolved.kind == Kind::Int),
            may_be_float32: column.hint == TypeHint::Inferred && column.fits_float32_range,
            extent: column.extent(resolved.kind),
            text_witness: column.witness().filter(|_| resolved.kind == Kind::Text),
            data_type: resolved.narrow,
            wide_type: resolved.wide,
            bytes_wide: resolved.bytes_wide,
            bytes_narrow: resolved.bytes_narrow,
            dictionary: resolved.dictionary,
            hint: column.hint,
        }
    }

    /// The column in the schema of batches.
    pub(crate) fn field(&self) -> Field {
        Field::new(&self.name, self.data_type.clone(), true)
    }

    /// Bytes that a row takes in [`data_type`](Self::data_type), a dictionary's values left aside.
    pub(crate) fn row_width(&self, rows: u64) -> RowWidth {
        let validity = if self.nulls > 0 { 0.125 } else { 0.0 };
        let (values, text) = match &self.data_type {
            DataType::Boolean => (0.125, 0.0),
            DataType::Utf8 => {
                let fixed = 4 * (rows + 1) + if self.nulls > 0 { rows.div_ceil(8) } else { 0 };
                (4.0, self.bytes_narrow.saturating_sub(fixed) as f64 / rows.max(1) as f64)
            }
            DataType::Dictionary(key, _) => (key.primitive_width().unwrap_or(4) as f64, 0.0),
            other => (other.primitive_width().unwrap_or(8) as f64, 0.0),
        };
        RowWidth { fixed: values + validity, text }
    }
}

impl Scan {
    /// The dialect, with what was found by looking filled in.
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// The columns in file order.
    pub fn columns(&self) -> &[ColumnFacts] {
        &self.columns
    }

    /// Records that are not rejected.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Records that were rejected; 0 unless bad records are skipped.
    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How often the input was read: once, or twice where a column became text too late to count its texts.
    pub fn passes(&self) -> usize {
        self.passes
    }

    /// How the text of each file is encoded, in the order of the files.
    pub fn encodings(&self) -> &[Encoding] {
        &self.encodings
    }

    /// The format of each file, in the order of the files.
    pub fn formats(&self) -> &[Format] {
        &self.formats
    }

    /// How each file is compressed, in the order of the files: `gzip`, `zstd`, `bzip2`, `xz`, or not at all. What is in a
    /// Parquet or Arrow IPC file has its own compression, which in the first of its columns is one of these, `snappy` or
    /// `lz4`.
    pub fn compressions(&self) -> &[Option<&'static str>] {
        &self.compressions
    }

    /// Columns that a file lacks, by index; they are null in its rows. `file` counts from 0.
    pub fn missing_columns(&self, file: usize) -> &[usize] {
        self.layouts.get(file).and_then(Option::as_ref).map_or(&[], |layout| &layout.missing)
    }

    /// The schema of the batches, all columns included.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}
