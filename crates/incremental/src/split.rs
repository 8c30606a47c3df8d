//! The table `[split]` of a recipe: which rows a fit does not see.

use std::sync::Arc;

use arrow::array::{ArrayRef, DictionaryArray, Int8Array, StringArray};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field};

use crate::error::Error;
use crate::params::Params;
use crate::row_hash;

/// The name of the column that says which rows were fitted.
pub(crate) const COLUMN: &str = "split";

/// A share of the rows, chosen by a seeded hash of the row's number, on which nothing is fitted.
///
/// | key | default | means |
/// |---|---|---|
/// | `test` | must be given | the share of rows, above 0 and below 1 |
/// | `seed` | 0 | of the hash |
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Split {
    test: f64,
    seed: u64,
}

impl Split {
    pub(crate) fn parse(params: &mut Params, line: usize) -> Result<Split, Error> {
        let expected = "a share of the rows between 0 and 1";
        let test = params.read("test", None, expected, |value| {
            value.as_f64().filter(|share| 0.0 < *share && *share < 1.0).map(Some)
        })?;
        let seed = params.seed("seed")?;
        params.finish()?;
        let test = test.ok_or_else(|| Error::parameter("test", "not given", expected).at_line(line))?;
        Ok(Split { test, seed })
    }

    /// Which of `rows` rows from `first_row` on are fitted.
    pub(crate) fn training(&self, first_row: u64, rows: usize) -> BooleanBuffer {
        BooleanBuffer::collect_bool(rows, |row| {
            row_hash::share(self.seed, first_row + row as u64) >= self.test
        })
    }

    /// How many of the first `rows` rows are fitted.
    pub(crate) fn training_rows(&self, rows: u64) -> u64 {
        (0..rows).filter(|row| row_hash::share(self.seed, *row) >= self.test).count() as u64
    }

    /// The column that says so: `train` or `test`, by keys where storage is narrow.
    pub(crate) fn field(narrow: bool) -> Field {
        let data_type = if narrow {
            DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8))
        } else {
            DataType::Utf8
        };
        Field::new(COLUMN, data_type, true)
    }

    /// The values of the column.
    pub(crate) fn array(training: &BooleanBuffer, data_type: &DataType) -> Result<ArrayRef, Error> {
        let keys: Int8Array = training.iter().map(|is_training| Some(i8::from(!is_training))).collect();
        let texts = Arc::new(StringArray::from(vec!["train", "test"]));
        Ok(cast(&DictionaryArray::try_new(keys, texts)?, data_type)?)
    }
}
