//! What the texts of a dictionary's rows come to.

use arrow::array::cast::AsArray;
use arrow::array::{Array, DictionaryArray, downcast_dictionary_array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    ArrowDictionaryKeyType, ArrowNativeType, BinaryType, ByteArrayType, DataType, LargeBinaryType,
    LargeUtf8Type, Utf8Type,
};

/// Rows between two sums that are kept.
const STRIDE: usize = 64;

/// Bytes of the rows of a dictionary of texts, each as long as its value, as if the dictionary were undone: it may have to
/// be, and what rows come to must not depend on which dictionary they came with.
pub(crate) struct WordSizes<'a> {
    rows: Box<dyn Rows + 'a>,
    /// Of all rows before each one whose number divides by the stride.
    sums: Vec<u64>,
}

impl<'a> WordSizes<'a> {
    /// `None` where it is no dictionary of texts.
    pub(crate) fn of(column: &'a dyn Array) -> Option<Self> {
        let rows = downcast_dictionary_array! {
            column => match column.values().data_type() {
                DataType::Utf8 => words::<_, Utf8Type>(column),
                DataType::LargeUtf8 => words::<_, LargeUtf8Type>(column),
                DataType::Binary => words::<_, BinaryType>(column),
                DataType::LargeBinary => words::<_, LargeBinaryType>(column),
                _ => return None,
            },
            _ => return None,
        };
        let mut sums = Vec::with_capacity(column.len() / STRIDE + 1);
        let mut sum = 0;
        for from in (0..=column.len()).step_by(STRIDE) {
            sums.push(sum);
            sum += rows.sum(from, (from + STRIDE).min(column.len()));
        }
        Some(Self { rows, sums })
    }

    /// Bytes of the rows `from..to`.
    pub(crate) fn bytes(&self, from: usize, to: usize) -> u64 {
        self.before(to) - self.before(from)
    }

    fn before(&self, row: usize) -> u64 {
        let kept = row / STRIDE;
        self.sums[kept] + self.rows.sum(kept * STRIDE, row)
    }
}

trait Rows {
    /// Bytes of the rows `from..to`, one by one.
    fn sum(&self, from: usize, to: usize) -> u64;
}

struct Words<'a, K, O> {
    keys: &'a [K],
    nulls: Option<&'a NullBuffer>,
    offsets: &'a [O],
}

fn words<K: ArrowDictionaryKeyType, T: ByteArrayType>(column: &DictionaryArray<K>) -> Box<dyn Rows + '_> {
    let keys = column.keys();
    let nulls = keys.nulls().filter(|nulls| nulls.null_count() > 0);
    Box::new(Words { keys: keys.values(), nulls, offsets: column.values().as_bytes::<T>().value_offsets() })
}

impl<K: ArrowNativeType, O: ArrowNativeType> Rows for Words<'_, K, O> {
    fn sum(&self, from: usize, to: usize) -> u64 {
        let bytes = |row: usize| {
            let key = self.keys[row].as_usize();
            (self.offsets[key + 1].as_usize() - self.offsets[key].as_usize()) as u64
        };
        match self.nulls {
            None => (from..to).map(bytes).sum(),
            // The key of a null is no key.
            Some(nulls) => (from..to).filter(|row| nulls.is_valid(*row)).map(bytes).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use arrow::compute::cast;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_come_to_the_same_as_their_texts(
            words in prop::collection::vec(prop::option::of("[a-e]{0,9}"), 0..300),
            large: bool,
            cuts in (0usize..300, 0usize..300, 0usize..300),
        ) {
            let texts = StringArray::from(words.clone());
            let value = if large { DataType::LargeUtf8 } else { DataType::Utf8 };
            let data_type = DataType::Dictionary(Box::new(DataType::UInt16), Box::new(value));
            let column: ArrayRef = cast(&texts, &data_type).unwrap();
            let skipped = cuts.2.min(words.len());
            let column = column.slice(skipped, words.len() - skipped);
            let sizes = WordSizes::of(&column).unwrap();
            let (from, to) = (cuts.0.min(column.len()), cuts.1.min(column.len()));
            let (from, to) = (from.min(to), from.max(to));
            let expected: usize = words[skipped + from..skipped + to].iter().flatten().map(String::len).sum();
            prop_assert_eq!(sizes.bytes(from, to), expected as u64);
        }
    }

    #[test]
    fn other_columns_have_none() {
        let numbers: ArrayRef = std::sync::Arc::new(Int64Array::from(vec![1, 2]));
        assert!(WordSizes::of(&numbers).is_none());
        let data_type = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Int64));
        assert!(WordSizes::of(&cast(&numbers, &data_type).unwrap()).is_none());
    }
}
