//! How many bytes the rows of a batch take, as opposed to the buffers that they are a slice of.

use arrow::array::cast::AsArray;
use arrow::array::{Array, RecordBatch};

/// Bytes that the rows of `batch` take, a dictionary counted as far as they can refer to it.
pub(crate) fn row_bytes(batch: &RecordBatch) -> u64 {
    batch.columns().iter().map(|column| array_bytes(column)).sum()
}

/// The most rows from the start of `batch`, but at least one, that take no more than `most` bytes
/// (found by halving, so up to half as many as would fit), and the bytes that they take.
pub(crate) fn rows_within(batch: &RecordBatch, most: u64) -> (usize, u64) {
    let total = row_bytes(batch);
    if total <= most || batch.num_rows() <= 1 {
        return (batch.num_rows(), total);
    }
    // Right for rows of one size; rows of uneven sizes may need less.
    let even = (batch.num_rows() as u128 * u128::from(most) / u128::from(total)) as usize;
    let mut rows = even.max(1);
    loop {
        let bytes = row_bytes(&batch.slice(0, rows));
        if bytes <= most || rows == 1 {
            return (rows, bytes);
        }
        rows /= 2;
    }
}

fn array_bytes(array: &dyn Array) -> u64 {
    let Some(dictionary) = array.as_any_dictionary_opt() else {
        return slice_bytes(array);
    };
    let values = dictionary.values();
    let reachable = match values.len() {
        0 => 0,
        all => {
            let used = all.min(array.len());
            (u128::from(slice_bytes(values)) * used as u128 / all as u128) as u64
        }
    };
    slice_bytes(dictionary.keys()) + reachable
}

fn slice_bytes(array: &dyn Array) -> u64 {
    let data = array.to_data();
    data.get_slice_memory_size().unwrap_or_else(|_| data.get_array_memory_size()) as u64
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, DictionaryArray, Int32Array, StringArray};
    use arrow::datatypes::Int8Type;

    use super::*;

    fn batch(column: ArrayRef) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable([("a", column, true)]).unwrap()
    }

    #[test]
    fn a_slice_counts_for_its_rows_only() {
        let ints = batch(Arc::new(Int32Array::from_iter_values(0..1000)));
        assert_eq!(row_bytes(&ints), 4000);
        assert_eq!(row_bytes(&ints.slice(10, 20)), 80);
        assert_eq!(rows_within(&ints, 400), (100, 400));
        assert_eq!(rows_within(&ints, 0), (1, 4));
        assert_eq!(rows_within(&ints, 4000), (1000, 4000));
        assert_eq!(rows_within(&ints.slice(0, 0), 0), (0, 0));
    }

    #[test]
    fn uneven_rows_are_cut_by_their_own_size() {
        let long = "x".repeat(10_000);
        let texts: Vec<&str> = (0..100).map(|row| if row == 0 { long.as_str() } else { "y" }).collect();
        let texts = batch(Arc::new(StringArray::from(texts)));
        let (rows, bytes) = rows_within(&texts, 1000);
        assert_eq!(rows, 1);
        assert!(bytes > 10_000);
        let (rows, bytes) = rows_within(&texts.slice(1, 99), 300);
        assert!(rows > 25 && bytes <= 300, "{rows} rows, {bytes} bytes");
    }

    #[test]
    fn a_dictionary_counts_as_far_as_it_can_be_used() {
        let words: DictionaryArray<Int8Type> = ["aaaa", "bbbb", "aaaa", "bbbb"].into_iter().collect();
        let all = slice_bytes(words.values());
        let words = batch(Arc::new(words));
        assert_eq!(row_bytes(&words), 4 + all);
        assert_eq!(row_bytes(&words.slice(0, 1)), 1 + all / 2);
    }
}
