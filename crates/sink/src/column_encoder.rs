//! One column of the row group in progress: its rows are gathered to whole blocks, and encoded block by block.

use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, new_empty_array};
use arrow::compute::{cast, concat};
use arrow::datatypes::Field;
use arrow::error::ArrowError;
use parquet::errors::ParquetError;

use crate::bloom::BloomFilter;
use crate::column_chunk::{ChunkEncoder, ChunkOptions, EncodedChunk, Scratch, Trials};
use crate::error::Error;
use crate::one_dictionary::have_one_dictionary;
use crate::own_rows::copied;
use crate::row_groups::Piece;
use crate::seconds::stored_column;
use crate::word_sizes::WordSizes;

/// Encodes one column, from row group to row group.
#[derive(Default)]
pub(crate) struct ColumnEncoder {
    /// The rows so far of a block that no batch has ended, copied: batches belong to somebody else, who counts on
    /// getting their memory back.
    begun: Option<ArrayRef>,
    begun_bytes: usize,
    /// Of the row group in progress.
    chunk: Option<ChunkEncoder>,
    filter: Option<BloomFilter>,
    trials: Trials,
}

impl ColumnEncoder {
    /// Begins a row group.
    ///
    /// # Errors
    ///
    /// As [`ChunkEncoder::new`].
    ///
    /// # Panics
    ///
    /// If there is one already.
    pub(crate) fn begin(&mut self, options: &Arc<ChunkOptions>) -> Result<(), ParquetError> {
        let before = self.chunk.replace(ChunkEncoder::new(options, self.trials)?);
        assert!(before.is_none(), "the row group before was not ended");
        self.filter = options.filter_bytes.map(BloomFilter::new);
        Ok(())
    }

    /// The rows gathered so far, then those of `rest`, as they are stored in a column of type `field`.
    pub(crate) fn first_block(&self, rest: Option<&ArrayRef>, field: &Field) -> Result<ArrayRef, ArrowError> {
        let rows = match (&self.begun, rest) {
            (None, None) => return Ok(new_empty_array(field.data_type())),
            (Some(rows), None) | (None, Some(rows)) => Arc::clone(rows),
            (Some(begun), Some(rest)) => joined(begun, rest)?,
        };
        stored_column(rows)
    }

    /// Takes the next rows, those of `column` from row `from` in the order and number of `pieces`.
    ///
    /// # Panics
    ///
    /// If no row group was begun when a block ends, or the column is shorter.
    pub(crate) fn push(
        &mut self,
        column: &ArrayRef,
        mut from: usize,
        pieces: &[Piece],
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        for piece in pieces {
            let rows = column.slice(from, piece.rows);
            from += piece.rows;
            let rows = match self.begun.take() {
                Some(begun) => joined(&begun, &rows).map_err(|error| scratch.encode(error.into()))?,
                None if piece.ends_block => rows,
                None => gathered(&rows).map_err(|error| scratch.encode(error.into()))?,
            };
            self.begun_bytes = 0;
            if !piece.ends_block {
                let bytes = rows.to_data().get_slice_memory_size();
                self.begun_bytes = bytes.map_err(|error| scratch.encode(error.into()))?;
                self.begun = Some(rows);
            } else if !rows.is_empty() {
                self.encode(rows, scratch)?;
            }
        }
        Ok(())
    }

    fn encode(&mut self, block: ArrayRef, scratch: &mut Scratch) -> Result<(), Error> {
        let block = stored_column(block).map_err(|error| scratch.encode(error.into()))?;
        if let Some(filter) = &mut self.filter {
            filter.insert(&block).map_err(|error| scratch.encode(error.into()))?;
        }
        self.chunk.as_mut().expect("a row group was begun").push(&block, scratch)
    }

    /// Ends the row group with the rows that were taken.
    ///
    /// # Panics
    ///
    /// If no row group was begun.
    pub(crate) fn end(&mut self, scratch: &mut Scratch) -> Result<EncodedChunk, Error> {
        if let Some(begun) = self.begun.take() {
            self.begun_bytes = 0;
            self.encode(begun, scratch)?;
        }
        let mut chunk = self.chunk.take().expect("a row group was begun").finish(scratch)?;
        self.trials = chunk.trials;
        chunk.filter = self.filter.take().map(BloomFilter::finish);
        Ok(chunk)
    }

    /// Bytes of memory that the row group in progress takes, and the block begun.
    pub(crate) fn heap_bytes(&self) -> usize {
        let filter = self.filter.as_ref().map_or(0, BloomFilter::heap_bytes);
        self.chunk.as_ref().map_or(0, ChunkEncoder::heap_bytes) + self.begun_bytes + filter
    }

    /// Bytes that the blocks of the row group in progress have come to: the same for the same rows.
    pub(crate) fn held_bytes(&self) -> usize {
        self.chunk.as_ref().map_or(0, ChunkEncoder::held_bytes)
    }
}

/// The same rows in memory of their own. The values of a dictionary stay shared, unless they take more than the rows do:
/// then it is undone, since nobody else may hold it any longer.
///
/// # Errors
///
/// None but for texts of more bytes than their offsets can count, which a column cannot hold.
fn gathered(rows: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if let (Some(words), Some(dictionary)) = (WordSizes::of(rows.as_ref()), rows.as_any_dictionary_opt()) {
        let of_values = dictionary.values().to_data().get_slice_memory_size()? as u64;
        if of_values > words.bytes(0, rows.len()) + (rows.len() * size_of::<i32>()) as u64 {
            return plain(rows);
        }
    }
    copied(rows)
}

/// All rows of both. Dictionaries that differ are undone: together they may not fit their keys.
fn joined(first: &ArrayRef, second: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    if first.data_type() == second.data_type() && have_one_dictionary(first, second) {
        return concat(&[first.as_ref(), second.as_ref()]);
    }
    concat(&[plain(first)?.as_ref(), plain(second)?.as_ref()])
}

/// The values of a dictionary's keys; any other column as it is.
fn plain(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match column.as_any_dictionary_opt() {
        Some(dictionary) => cast(column, dictionary.values().data_type()),
        None => Ok(Arc::clone(column)),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{DictionaryArray, StringArray};
    use arrow::datatypes::{DataType, Int8Type};

    use super::*;

    fn words(words: &[&str]) -> ArrayRef {
        Arc::new(words.iter().copied().collect::<DictionaryArray<Int8Type>>())
    }

    #[test]
    fn dictionaries_that_differ_are_undone_and_one_dictionary_stays() {
        let (first, other) = (words(&["a", "b", "a", "b"]), words(&["b", "c"]));
        let same = joined(&first.slice(0, 1), &gathered(&first.slice(1, 3)).unwrap()).unwrap();
        assert!(matches!(same.data_type(), DataType::Dictionary(..)));
        assert_eq!(same.len(), 4);
        let undone = joined(&first, &other).unwrap();
        assert_eq!(undone.as_ref(), &StringArray::from(vec!["a", "b", "a", "b", "b", "c"]) as &dyn Array);
        // And what is undone once takes more.
        assert_eq!(joined(&undone, &first).unwrap().len(), 10);
    }

    #[test]
    fn a_dictionary_that_is_larger_than_its_rows_is_not_kept_for_them() {
        let many: Vec<String> = (0..100).map(|word| format!("word {word}")).collect();
        let many = words(&many.iter().map(String::as_str).collect::<Vec<_>>());
        let few = gathered(&many.slice(40, 2)).unwrap();
        assert_eq!(few.as_ref(), &StringArray::from(vec!["word 40", "word 41"]) as &dyn Array);
    }
}
