//! One column of the row group in progress: its rows are gathered to whole blocks, and encoded block by block.

use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::{AnyDictionaryArray, Array, ArrayRef, MutableArrayData, make_array, new_empty_array};
use arrow::compute::{cast, concat};
use arrow::datatypes::Field;
use arrow::error::ArrowError;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, compute_leaves};
use parquet::errors::ParquetError;

use crate::row_groups::Piece;
use crate::seconds::stored_column;

/// What the encoder of packed differences takes at once, to be filled as far as a page is long.
const DIFFERENCES: usize = 1 << 20;

/// Encodes one column, from row group to row group.
pub(crate) struct ColumnEncoder {
    name: String,
    is_nullable: bool,
    /// The rows so far of a block that no batch has ended, copied: batches belong to somebody else, who counts on
    /// getting their memory back.
    begun: Option<ArrayRef>,
    begun_bytes: usize,
    /// Bytes that the encoder counts but has not filled, so that they are no memory yet.
    unfilled: usize,
    /// Of the row group in progress.
    writer: Option<ArrowColumnWriter>,
}

impl ColumnEncoder {
    pub(crate) fn new(field: &Field) -> Self {
        Self {
            name: field.name().clone(),
            is_nullable: field.is_nullable(),
            begun: None,
            begun_bytes: 0,
            unfilled: 0,
            writer: None,
        }
    }

    /// Begins a row group.
    ///
    /// # Panics
    ///
    /// If there is one already.
    pub(crate) fn begin(&mut self, writer: ArrowColumnWriter) {
        self.unfilled = if writer.memory_size() < DIFFERENCES { 0 } else { DIFFERENCES };
        let before = self.writer.replace(writer);
        assert!(before.is_none(), "the row group before was not ended");
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
    /// If no row group was begun, or the column is shorter.
    pub(crate) fn push(
        &mut self,
        column: &ArrayRef,
        mut from: usize,
        pieces: &[Piece],
    ) -> Result<(), ParquetError> {
        for piece in pieces {
            let rows = column.slice(from, piece.rows);
            from += piece.rows;
            let rows = match self.begun.take() {
                Some(begun) => joined(&begun, &rows)?,
                None if piece.ends_block => rows,
                None => copied(&rows)?,
            };
            self.begun_bytes = 0;
            match piece.ends_block {
                true => self.encode(rows)?,
                false => {
                    self.begun_bytes = rows.to_data().get_slice_memory_size()?;
                    self.begun = Some(rows);
                }
            }
        }
        Ok(())
    }

    fn encode(&mut self, block: ArrayRef) -> Result<(), ParquetError> {
        if block.is_empty() {
            return Ok(());
        }
        let block = stored_column(block)?;
        // Blocks of one column may be dictionaries and plain: what they hold is one type of Parquet.
        let field = Field::new(&self.name, block.data_type().clone(), self.is_nullable);
        let writer = self.writer.as_mut().expect("a row group was begun");
        compute_leaves(&field, &block)?.iter().try_for_each(|leaf| writer.write(leaf))
    }

    /// Ends the row group with the rows that were taken.
    ///
    /// # Panics
    ///
    /// If no row group was begun.
    pub(crate) fn end(&mut self) -> Result<ArrowColumnChunk, ParquetError> {
        if let Some(begun) = self.begun.take() {
            self.begun_bytes = 0;
            self.encode(begun)?;
        }
        self.writer.take().expect("a row group was begun").close()
    }

    /// Bytes of memory that the row group in progress takes, as far as the encoder tells, and of the block begun.
    pub(crate) fn memory_size(&self) -> usize {
        let encoded = self.writer.as_ref().map_or(0, |writer| {
            writer.memory_size().saturating_sub(self.unfilled).max(writer.get_estimated_total_bytes())
        });
        encoded + self.begun_bytes
    }
}

/// The same rows in memory of their own; the values of a dictionary stay shared.
///
/// # Errors
///
/// None but for texts of more bytes than their offsets can count, which a column cannot hold.
fn copied(rows: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let data = rows.to_data();
    let mut copy = MutableArrayData::new(vec![&data], false, rows.len());
    copy.try_extend(0, 0, rows.len())?;
    Ok(make_array(copy.freeze()))
}

/// All rows of both. Dictionaries that differ are undone: together they may not fit their keys.
fn joined(first: &ArrayRef, second: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let dictionaries = first.as_any_dictionary_opt().zip(second.as_any_dictionary_opt());
    let is_one = |(first, second): (&dyn AnyDictionaryArray, &dyn AnyDictionaryArray)| {
        first.values().to_data().ptr_eq(&second.values().to_data())
    };
    if first.data_type() == second.data_type() && dictionaries.is_none_or(is_one) {
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
    use arrow::array::{DictionaryArray, Int32Array, StringArray};
    use arrow::datatypes::{DataType, Int8Type};

    use super::*;

    fn words(words: &[&str]) -> ArrayRef {
        Arc::new(words.iter().copied().collect::<DictionaryArray<Int8Type>>())
    }

    #[test]
    fn a_copy_holds_its_rows_alone() {
        let long: ArrayRef = Arc::new(Int32Array::from_iter_values(0..100_000));
        let copy = copied(&long.slice(500, 3)).unwrap();
        assert_eq!(copy.as_ref(), &Int32Array::from(vec![500, 501, 502]) as &dyn Array);
        assert!(copy.get_buffer_memory_size() < 1000, "{}", copy.get_buffer_memory_size());
    }

    #[test]
    fn dictionaries_that_differ_are_undone_and_one_dictionary_stays() {
        let (first, other) = (words(&["a", "b"]), words(&["b", "c"]));
        let same = joined(&first.slice(0, 1), &copied(&first.slice(1, 1)).unwrap()).unwrap();
        assert!(matches!(same.data_type(), DataType::Dictionary(..)));
        assert_eq!(same.len(), 2);
        let undone = joined(&first, &other).unwrap();
        assert_eq!(undone.as_ref(), &StringArray::from(vec!["a", "b", "b", "c"]) as &dyn Array);
        // And what is undone once takes more.
        assert_eq!(joined(&undone, &first).unwrap().len(), 6);
    }
}
