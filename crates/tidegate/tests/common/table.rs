//! Tables as the command wrote them, in a form that compares to the bit.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, Schema, SchemaRef, UInt64Type};
use arrow::ipc::reader::{FileReader, StreamReader};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// One value. Floats are kept as their bits, so that equal means equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Null,
    Bool(bool),
    Int(i128),
    Float(u64),
    /// Text, and dates and timestamps as they are written.
    Text(String),
}

impl Cell {
    /// The number that it is; a bool counts as 0 or 1.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Cell::Int(value) => Some(*value as f64),
            Cell::Float(bits) => Some(f64::from_bits(*bits)),
            Cell::Bool(value) => Some(f64::from(u8::from(*value))),
            Cell::Null | Cell::Text(_) => None,
        }
    }
}

/// A column with all its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// The type that the file gives, dictionaries included.
    pub(crate) data_type: DataType,
    pub(crate) cells: Vec<Cell>,
}

/// All rows of a Parquet file.
pub(crate) fn read_parquet(path: &Path) -> Vec<Column> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = reader.schema().clone();
    table(&schema, reader.build().unwrap().map(Result::unwrap))
}

/// All rows of an Arrow IPC file.
pub(crate) fn read_ipc_file(path: &Path) -> Vec<Column> {
    let reader = FileReader::try_new(File::open(path).unwrap(), None).unwrap();
    table(&reader.schema(), reader.map(Result::unwrap))
}

/// All rows of an Arrow IPC stream.
pub(crate) fn read_ipc_stream(bytes: impl Read) -> Vec<Column> {
    let reader = StreamReader::try_new(bytes, None).unwrap();
    table(&reader.schema(), reader.map(Result::unwrap))
}

fn table(schema: &Schema, batches: impl Iterator<Item = RecordBatch>) -> Vec<Column> {
    let empty = |field: &arrow::datatypes::FieldRef| Column {
        name: field.name().clone(),
        data_type: field.data_type().clone(),
        cells: Vec::new(),
    };
    let mut columns: Vec<Column> = schema.fields().iter().map(empty).collect();
    for batch in batches {
        let schema: SchemaRef = batch.schema();
        assert_eq!(schema.fields().len(), columns.len());
        for (column, array) in columns.iter_mut().zip(batch.columns()) {
            column.cells.extend(cells(array));
        }
    }
    columns
}

fn cells(array: &ArrayRef) -> Vec<Cell> {
    let cell = |cell: Option<Cell>| cell.unwrap_or(Cell::Null);
    match array.data_type() {
        DataType::Dictionary(_, values) => cells(&cast(array, values).unwrap()),
        // Zoned values are instants, and the display of names of zones is not built.
        DataType::Timestamp(unit, Some(_)) => {
            let counts = cast(array, &DataType::Int64).unwrap();
            let texts = cells(&cast(&counts, &DataType::Timestamp(*unit, None)).unwrap());
            let zoned = |cell| match cell {
                Cell::Text(text) => Cell::Text(text + "Z"),
                other => other,
            };
            texts.into_iter().map(zoned).collect()
        }
        DataType::Boolean => array.as_boolean().iter().map(|v| cell(v.map(Cell::Bool))).collect(),
        DataType::UInt64 => {
            array.as_primitive::<UInt64Type>().iter().map(|v| cell(v.map(|v| Cell::Int(v.into())))).collect()
        }
        kind if kind.is_integer() => {
            let wide = cast(array, &DataType::Int64).unwrap();
            wide.as_primitive::<Int64Type>().iter().map(|v| cell(v.map(|v| Cell::Int(v.into())))).collect()
        }
        kind if kind.is_floating() => {
            let wide = cast(array, &DataType::Float64).unwrap();
            let wide = wide.as_primitive::<Float64Type>();
            wide.iter().map(|v| cell(v.map(|v| Cell::Float(v.to_bits())))).collect()
        }
        _ => {
            let options = FormatOptions::default();
            let shown = ArrayFormatter::try_new(array.as_ref(), &options).unwrap();
            let text =
                |row| if array.is_null(row) { Cell::Null } else { Cell::Text(shown.value(row).to_string()) };
            (0..array.len()).map(text).collect()
        }
    }
}
