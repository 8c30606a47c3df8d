//! The rows of each message: they follow from the rows of the table alone, not from the batches in which they came. That is so of
//! the columns that a loader makes; of nested ones and views the bytes may tell of the batches.

use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{cast, concat};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use monitor::{Bytes, Reservation};

use crate::estimate::{row_bytes, slice_bytes};
use crate::one_dictionary::have_one_dictionary;
use crate::own_rows::copied;
use crate::row_groups::{Cutter, RowGroupLimits, RowSizes};

const MOST_ROWS: usize = 1 << 16;
const BYTES: Bytes = Bytes::mib(1);
/// Of each column at the least: what a message says of a column beside its values takes some 100 bytes.
const COLUMN_BYTES: u64 = 1 << 10;
/// What an array takes beside its values, for each column of rows that wait.
const ARRAY_BYTES: u64 = 512;

/// Gathers rows until there are enough for a message.
///
/// A budget that has no room for rows that wait ends one early.
pub(super) struct Messages {
    limits: RowGroupLimits,
    cutter: Cutter,
    /// Rows of a message that no batch has ended, copied: batches belong to somebody else, who counts on getting their
    /// memory back.
    begun: Vec<RecordBatch>,
    begun_bytes: u64,
    /// Covers them, and the message that they are joined to.
    reservation: Reservation,
}

impl Messages {
    /// Messages of a table of `columns`, of no more than `most` bytes.
    pub(super) fn new(columns: usize, most: Bytes, reservation: Reservation) -> Self {
        let bytes = BYTES.min(most).max(Bytes(columns as u64 * COLUMN_BYTES)).max(Bytes(1));
        let limits = RowGroupLimits { rows: MOST_ROWS, bytes };
        let cutter = Cutter::new(limits);
        Self { limits, cutter, begun: Vec::new(), begun_bytes: 0, reservation }
    }

    /// Bytes of the rows that wait: the same for the same rows.
    pub(super) fn begun_bytes(&self) -> u64 {
        self.begun_bytes
    }

    /// Bytes that are reserved for them.
    pub(super) fn reserved(&self) -> Bytes {
        self.reservation.bytes()
    }

    /// Takes the rows of a batch, and gives each message that is whole to `write`, in pieces.
    ///
    /// # Errors
    ///
    /// Those of `write`, and what copying rows says, by `fail`.
    pub(super) fn push<E>(
        &mut self,
        batch: &RecordBatch,
        fail: impl Fn(ArrowError) -> E,
        mut write: impl FnMut(&[RecordBatch]) -> Result<(), E>,
    ) -> Result<(), E> {
        let sizes = RowSizes::of(batch);
        let mut from = 0;
        while from < batch.num_rows() {
            let first = from;
            let is_whole = loop {
                let piece = self.cutter.next(&sizes, from);
                from += piece.rows;
                if piece.ends_row_group || from == batch.num_rows() {
                    break piece.ends_row_group;
                }
            };
            let rows = batch.slice(first, from - first);
            if is_whole {
                self.write(rows, &fail, &mut write)?;
            } else if self.hold(&rows).map_err(&fail)? {
                self.begun_bytes += sizes.bytes_in_memory(first, from);
            } else {
                self.cutter = Cutter::new(self.limits);
                self.write(rows, &fail, &mut write)?;
            }
        }
        Ok(())
    }

    /// Gives the rows that wait to `write`.
    ///
    /// # Errors
    ///
    /// Those of `write`.
    pub(super) fn end<E>(&mut self, mut write: impl FnMut(&[RecordBatch]) -> Result<(), E>) -> Result<(), E> {
        if self.begun.is_empty() {
            return Ok(());
        }
        write(&self.begun)?;
        self.begun.clear();
        self.begun_bytes = 0;
        self.reservation.shrink_to(Bytes::ZERO);
        Ok(())
    }

    /// Gives the rows that wait to `write`, with `last` behind them, which stay where they are if none wait.
    fn write<E>(
        &mut self,
        last: RecordBatch,
        fail: impl Fn(ArrowError) -> E,
        mut write: impl FnMut(&[RecordBatch]) -> Result<(), E>,
    ) -> Result<(), E> {
        if last.num_rows() == 0 {
            return self.end(write);
        }
        let has_room = self.reservation.try_grow(Bytes(row_bytes(&last))).is_ok();
        match (has_room, self.begun.is_empty()) {
            (true, true) => {
                write(&[mapped(&last, tidied).map_err(fail)?])?;
                self.reservation.shrink_to(Bytes::ZERO);
                Ok(())
            }
            (true, false) => {
                self.begun.push(last);
                self.end(write)
            }
            // Two messages take no more than is there.
            (false, _) => {
                self.end(&mut write)?;
                write(&[last])
            }
        }
    }

    /// Copies rows, unless the budget has no room for them: `false`.
    fn hold(&mut self, rows: &RecordBatch) -> Result<bool, ArrowError> {
        // Where they wait, and in what they are joined to. Each new dictionary stays whole.
        let needed = 2 * row_bytes(rows)
            + ARRAY_BYTES * rows.num_columns() as u64
            + new_values_bytes(self.begun.last(), rows);
        if self.reservation.try_grow(Bytes(needed)).is_err() {
            return Ok(false);
        }
        self.begun.push(mapped(rows, copied)?);
        // Pieces of a row each would take more than their values do: no two that wait are of like size.
        while let [.., before, last] = self.begun.as_slice()
            && before.num_rows() <= last.num_rows()
            && let Some(joined) = joined(before, last)?
        {
            let arrays = Bytes(ARRAY_BYTES * joined.num_columns() as u64);
            self.begun.truncate(self.begun.len() - 2);
            self.begun.push(joined);
            self.reservation.shrink_to(self.reservation.bytes().saturating_sub(arrays));
        }
        Ok(true)
    }
}

/// The rows of two pieces, with the values that they use where their dictionaries differ; `None` if the keys cannot tell those
/// apart.
fn joined(before: &RecordBatch, last: &RecordBatch) -> Result<Option<RecordBatch>, ArrowError> {
    let mut columns = Vec::with_capacity(last.num_columns());
    for (before, last) in before.columns().iter().zip(last.columns()) {
        if have_one_dictionary(before, last) {
            columns.push(concat(&[before.as_ref(), last.as_ref()])?);
            continue;
        }
        let values = before.as_any_dictionary().values().data_type().clone();
        let plain = [cast(before, &values)?, cast(last, &values)?];
        match cast(&concat(&[plain[0].as_ref(), plain[1].as_ref()])?, before.data_type()) {
            Ok(made) => columns.push(made),
            Err(ArrowError::DictionaryKeyOverflowError) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let count = RecordBatchOptions::new().with_row_count(Some(before.num_rows() + last.num_rows()));
    RecordBatch::try_new_with_options(last.schema(), columns, &count).map(Some)
}

/// Bytes of the values of dictionaries that the rows before do not have.
fn new_values_bytes(before: Option<&RecordBatch>, rows: &RecordBatch) -> u64 {
    let columns = rows.columns().iter().enumerate();
    let new = columns.filter(|(index, column)| {
        before.is_none_or(|before| !have_one_dictionary(before.column(*index), column))
    });
    new.filter_map(|(_, column)| Some(slice_bytes(column.as_any_dictionary_opt()?.values()))).sum()
}

/// The batch with each column as `map` makes it.
fn mapped(
    rows: &RecordBatch,
    map: impl Fn(&ArrayRef) -> Result<ArrayRef, ArrowError>,
) -> Result<RecordBatch, ArrowError> {
    let columns = rows.columns().iter().map(map).collect::<Result<Vec<_>, _>>()?;
    let count = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(rows.schema(), columns, &count)
}

/// The same rows, with nothing of those around them: of what takes bits, the last byte would hold some.
fn tidied(rows: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match rows.nulls().is_some() || matches!(rows.data_type(), DataType::Boolean) {
        true => copied(rows),
        false => Ok(Arc::clone(rows)),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{DictionaryArray, Int32Array, StringArray};
    use arrow::compute::concat_batches;
    use arrow::datatypes::Int8Type;
    use monitor::Budget;
    use proptest::prelude::*;

    use super::*;

    fn table(lengths: &[usize]) -> RecordBatch {
        let number = Int32Array::from_iter_values(0..lengths.len() as i32);
        let text = StringArray::from_iter_values(lengths.iter().map(|length| "x".repeat(*length)));
        let word: DictionaryArray<Int8Type> =
            lengths.iter().map(|length| Some(["a", "b"][length % 2])).collect();
        let columns: [(&str, ArrayRef); 3] =
            [("number", Arc::new(number)), ("text", Arc::new(text)), ("word", Arc::new(word))];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    /// The messages that batches come to.
    fn messages(batches: &[RecordBatch], most: Bytes, budget: &Budget) -> Vec<RecordBatch> {
        let reservation = budget.consumer("rows").try_reserve(Bytes::ZERO).unwrap();
        let mut messages = Messages::new(batches[0].num_columns(), most, reservation);
        let mut written = Vec::new();
        let mut write = |pieces: &[RecordBatch]| {
            written.push(concat_batches(pieces[0].schema_ref(), pieces)?);
            Ok(())
        };
        for batch in batches {
            messages.push(batch, |error| error, &mut write).unwrap();
        }
        messages.end(&mut write).unwrap();
        assert_eq!((messages.begun_bytes(), messages.reserved()), (0, Bytes::ZERO));
        written
    }

    proptest! {
        #[test]
        fn messages_depend_on_the_rows_alone(
            lengths in prop::collection::vec(0usize..300, 1..400),
            cuts in prop::collection::vec(0usize..400, 0..8),
            most in 1u64..20_000,
        ) {
            let whole = table(&lengths);
            let mut places: Vec<usize> = cuts.into_iter().map(|cut| cut.min(lengths.len())).collect();
            places.extend([0, lengths.len()]);
            places.sort_unstable();
            let cut = places.windows(2).map(|w| whole.slice(w[0], w[1] - w[0]));
            let cut: Vec<RecordBatch> = cut.filter(|batch| batch.num_rows() > 0).collect();
            let expected = messages(std::slice::from_ref(&whole), Bytes(most), &Budget::unbounded());
            prop_assert_eq!(&messages(&cut, Bytes(most), &Budget::unbounded()), &expected);
            prop_assert_eq!(concat_batches(whole.schema_ref(), &expected).unwrap(), whole);
            for message in &expected {
                let bytes = RowSizes::of(message).bytes(0, message.num_rows());
                let most = most.max(3 * COLUMN_BYTES);
                prop_assert!(message.num_rows() == 1 || bytes <= most, "{} rows of {bytes}", message.num_rows());
            }
        }
    }

    #[test]
    fn rows_without_columns_are_counted() {
        let batch = |rows| {
            let count = RecordBatchOptions::new().with_row_count(Some(rows));
            let schema = Arc::new(arrow::datatypes::Schema::empty());
            RecordBatch::try_new_with_options(schema, Vec::new(), &count).unwrap()
        };
        let written = messages(&[batch(10), batch(MOST_ROWS), batch(1)], BYTES, &Budget::unbounded());
        assert_eq!(written.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [MOST_ROWS, 11]);
    }

    #[test]
    fn rows_wait_for_none_that_the_budget_has_no_room_for() {
        let whole = table(&[10; 100]);
        let halves = [whole.slice(0, 50), whole.slice(50, 50)];
        let written = messages(&halves, BYTES, &Budget::new(Bytes(100)));
        assert_eq!(written, halves);
    }

    #[test]
    fn rows_that_come_one_by_one_wait_in_few_pieces() {
        let (whole, budget) = (table(&[10; 3000]), Budget::unbounded());
        let reservation = budget.consumer("rows").try_reserve(Bytes::ZERO).unwrap();
        let mut messages = Messages::new(3, BYTES, reservation);
        for row in 0..3000 {
            messages.push(&whole.slice(row, 1), |error| error, |_| panic!("no message is whole")).unwrap();
            assert!(messages.begun.len() <= 12, "{} pieces", messages.begun.len());
        }
        // Where rows are and what they are joined to, some bytes for each array, and a share of the dictionary for each row.
        let of_rows = 2 * 3000 * (4 + 8 + 10 + 1 + 9);
        assert!(messages.reserved() <= Bytes(of_rows + 12 * 3 * ARRAY_BYTES), "{}", messages.reserved());
        let mut rows = 0;
        let count = |pieces: &[RecordBatch]| {
            rows += pieces.iter().map(RecordBatch::num_rows).sum::<usize>();
            Ok::<_, ArrowError>(())
        };
        messages.end(count).unwrap();
        assert_eq!((rows, budget.reserved()), (3000, Bytes::ZERO));
    }
}
