//! Rows of many partitions that wait until there are more of each, so that files of few rows are not begun for them.

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, make_array};
use arrow::compute::{interleave, take_record_batch};
use arrow::error::ArrowError;
use monitor::{BudgetExceeded, Bytes, Consumer, Reservation};

use crate::estimate::row_bytes;
use crate::one_dictionary::have_one_dictionary;

/// The place of a row, here and while rows are put in order.
const PLACE_BYTES: u64 = 32;

/// At most one part in so many of the rows is copied at a time when they are written.
const COPIED_SHARE: usize = 8;

/// Where a row is.
#[derive(Debug, Clone, Copy)]
struct Place {
    partition: u32,
    batch: u32,
    row: u32,
}

/// Rows in the order in which they came, in memory of their own.
pub(crate) struct PendingRows {
    batches: Vec<RecordBatch>,
    places: Vec<Place>,
    reservation: Reservation,
}

impl PendingRows {
    /// # Errors
    ///
    /// None but for a budget that is used up.
    pub(crate) fn new(consumer: &Consumer) -> Result<Self, BudgetExceeded> {
        let reservation = consumer.try_reserve(Bytes::ZERO)?;
        Ok(Self { batches: Vec::new(), places: Vec::new(), reservation })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Bytes that are reserved for them.
    pub(crate) fn bytes(&self) -> Bytes {
        self.reservation.bytes()
    }

    /// What [`push`](Self::push) reserves for rows.
    pub(crate) fn needed(rows: &RecordBatch) -> Bytes {
        let bytes = row_bytes(rows);
        Bytes(bytes + bytes / COPIED_SHARE as u64 + PLACE_BYTES * rows.num_rows() as u64)
    }

    /// Reserves for rows and copies them. Gives whether there was room.
    ///
    /// # Errors
    ///
    /// What taking rows of a batch says.
    pub(crate) fn push(&mut self, rows: &RecordBatch, partitions: &[u32]) -> Result<bool, ArrowError> {
        if self.reservation.try_grow(Self::needed(rows)).is_err() {
            return Ok(false);
        }
        // Batches belong to somebody else, who counts on getting their memory back.
        let all = UInt32Array::from_iter_values(0..rows.num_rows() as u32);
        let batch = self.batches.len() as u32;
        self.batches.push(take_record_batch(rows, &all)?);
        let places =
            (0..).zip(partitions).map(|(row, partition)| Place { partition: *partition, batch, row });
        self.places.extend(places);
        Ok(true)
    }

    /// Whom they are reserved for.
    pub(crate) fn consumer(&self) -> &Consumer {
        self.reservation.consumer()
    }

    /// Gives the rows of each partition to `write`, a share at a time, in their order. Partitions for which `comes_first`
    /// holds come before the others.
    ///
    /// # Errors
    ///
    /// Those of `write`, and what copying rows says, by `fail`.
    pub(crate) fn write<E>(
        mut self,
        comes_first: impl Fn(u32) -> bool,
        fail: impl Fn(ArrowError) -> E,
        mut write: impl FnMut(u32, &RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        // Stable, so that rows stay in their order.
        self.places.sort_by_key(|place| (!comes_first(place.partition), place.partition));
        let most = self.places.len().div_ceil(COPIED_SHARE).max(1);
        let share_dictionaries = share_dictionaries(&self.batches);
        let all: Vec<&RecordBatch> = self.batches.iter().collect();
        for same in self.places.chunk_by(|a, b| a.partition == b.partition) {
            for some in same.chunks(most) {
                if share_dictionaries {
                    let indices: Vec<_> =
                        some.iter().map(|place| (place.batch as usize, place.row as usize)).collect();
                    write(some[0].partition, &interleaved(&all, &indices).map_err(&fail)?)?;
                    continue;
                }
                // Together, dictionaries may not fit their keys.
                for of_batch in some.chunk_by(|a, b| a.batch == b.batch) {
                    let indices = UInt32Array::from_iter_values(of_batch.iter().map(|place| place.row));
                    let rows = take_record_batch(all[of_batch[0].batch as usize], &indices).map_err(&fail)?;
                    write(of_batch[0].partition, &rows)?;
                }
            }
        }
        Ok(())
    }
}

/// Rows of batches, by the number of the batch and of the row in it. Each column has one dictionary, and keeps it.
fn interleaved(batches: &[&RecordBatch], rows: &[(usize, usize)]) -> Result<RecordBatch, ArrowError> {
    let column = |column: usize| {
        let of_batches: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(column).as_ref()).collect();
        let Some(dictionary) = of_batches[0].as_any_dictionary_opt() else {
            return interleave(&of_batches, rows);
        };
        let keys: Vec<&dyn Array> =
            of_batches.iter().filter_map(|column| Some(column.as_any_dictionary_opt()?.keys())).collect();
        let keys = interleave(&keys, rows)?.to_data().into_builder();
        let column = keys.data_type(dictionary.data_type().clone());
        Ok(make_array(column.add_child_data(dictionary.values().to_data()).build()?))
    };
    let columns = (0..batches[0].num_columns()).map(column).collect::<Result<Vec<ArrayRef>, _>>()?;
    let count = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(batches[0].schema(), columns, &count)
}

/// Whether each column has one dictionary, if any, in all batches.
fn share_dictionaries(batches: &[RecordBatch]) -> bool {
    let Some((first, rest)) = batches.split_first() else { return true };
    rest.iter()
        .all(|batch| first.columns().iter().zip(batch.columns()).all(|(a, b)| have_one_dictionary(a, b)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{DictionaryArray, Int64Array};
    use arrow::datatypes::{Int8Type, Int64Type};
    use monitor::Budget;

    use super::*;

    fn batch(from: i64, rows: i64) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(from..from + rows));
        let words: DictionaryArray<Int8Type> =
            (from..from + rows).map(|row| Some(["a", "b", "c"][row as usize % 3])).collect();
        RecordBatch::try_from_iter([("number", numbers), ("word", Arc::new(words) as ArrayRef)]).unwrap()
    }

    fn written(pending: PendingRows, first: u32) -> Vec<(u32, Vec<i64>)> {
        let mut out: Vec<(u32, Vec<i64>)> = Vec::new();
        let written = pending.write(
            |partition| partition == first,
            |error| error,
            |partition, rows| {
                let numbers = rows.column(0).as_primitive::<Int64Type>().values();
                match out.last_mut().filter(|(last, _)| *last == partition) {
                    Some((_, before)) => before.extend(numbers),
                    None => out.push((partition, numbers.to_vec())),
                }
                Ok(())
            },
        );
        written.unwrap();
        out
    }

    #[test]
    fn rows_come_back_by_partition_and_in_their_order() {
        // One dictionary for all batches, and one for each.
        let whole = batch(0, 60);
        let slices = [whole.slice(0, 25), whole.slice(25, 35)];
        for batches in [slices, [batch(0, 25), batch(25, 35)]] {
            let budget = Budget::new(Bytes::kib(64));
            let mut pending = PendingRows::new(&budget.consumer("pending")).unwrap();
            for batch in &batches {
                let numbers = batch.column(0).as_primitive::<Int64Type>().values();
                let partitions: Vec<u32> = numbers.iter().map(|number| (number % 4) as u32).collect();
                assert!(pending.push(batch, &partitions).unwrap());
            }
            assert!(budget.reserved() > Bytes(60 * 8) && !pending.is_empty());
            let expected: Vec<(u32, Vec<i64>)> = [2, 0, 1, 3]
                .map(|partition| (partition, (0..60).filter(|row| row % 4 == i64::from(partition)).collect()))
                .into();
            assert_eq!(written(pending, 2), expected);
            assert_eq!(budget.reserved(), Bytes::ZERO);
        }
    }

    #[test]
    fn what_the_budget_has_no_room_for_is_not_taken() {
        let budget = Budget::new(Bytes(100));
        let mut pending = PendingRows::new(&budget.consumer("pending")).unwrap();
        assert!(!pending.push(&batch(0, 60), &[0; 60]).unwrap());
        assert!(pending.is_empty() && budget.reserved() == Bytes::ZERO);
    }
}
