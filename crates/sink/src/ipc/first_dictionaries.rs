//! The one dictionary that each column of an Arrow IPC file has.

use std::path::Path;
use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Schema};

use crate::error::{Error, ErrorKind};

/// The dictionary that each column came with first.
///
/// A later batch may bring the same values in another allocation, or a beginning of them: its keys mean
/// the same in the first one, and it is written with that. Any other dictionary is refused, before a byte
/// of the batch is written.
pub(crate) struct FirstDictionaries {
    columns: Vec<Column>,
}

struct Column {
    index: usize,
    first: Option<ArrayRef>,
}

impl FirstDictionaries {
    pub(crate) fn new(schema: &Schema) -> Self {
        let is_dictionary = |field: &DataType| matches!(field, DataType::Dictionary(..));
        let columns = schema
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| is_dictionary(field.data_type()))
            .map(|(index, _)| Column { index, first: None })
            .collect();
        Self { columns }
    }

    /// The batch with its columns on the first dictionaries, or the error that names the column that
    /// cannot be.
    pub(crate) fn share(&mut self, batch: &RecordBatch, path: &Path) -> Result<RecordBatch, Error> {
        let mut shared = batch.columns().to_vec();
        for Column { index, first } in &mut self.columns {
            let dictionary = batch.column(*index).as_any_dictionary();
            let values = dictionary.values();
            match first {
                None => *first = Some(Arc::clone(values)),
                Some(first) if Arc::ptr_eq(first, values) => {}
                Some(first) if is_beginning(values, first) => {
                    shared[*index] = dictionary.with_values(Arc::clone(first));
                }
                Some(_) => {
                    let column = batch.schema_ref().field(*index).name().clone();
                    return Err(ErrorKind::Dictionary { path: path.to_owned(), column }.into());
                }
            }
        }
        let rows = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(batch.schema(), shared, &rows)
            .map_err(|error| Error::encode(path, 0, error))
    }
}

fn is_beginning(values: &ArrayRef, first: &ArrayRef) -> bool {
    values.len() <= first.len() && first.slice(0, values.len()).as_ref() == values.as_ref()
}
