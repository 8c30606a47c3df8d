//! How many bytes the rows of a batch take, as opposed to the buffers that they are a slice of.

use arrow::array::cast::AsArray;
use arrow::array::{Array, RecordBatch};

/// Bytes that the rows of `batch` take, a dictionary counted as far as they can refer to it.
pub(crate) fn row_bytes(batch: &RecordBatch) -> u64 {
    batch.columns().iter().map(|column| array_bytes(column)).sum()
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

/// Bytes that the values of an array take, without those around them in its buffers.
pub(crate) fn slice_bytes(array: &dyn Array) -> u64 {
    let data = array.to_data();
    data.get_slice_memory_size().unwrap_or_else(|_| data.get_array_memory_size()) as u64
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, DictionaryArray, Int32Array};
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
