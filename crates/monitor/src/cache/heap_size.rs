//! How much memory a value holds on the heap.

use std::sync::Arc;

/// Bytes that a value holds on the heap, beside its own `size_of`.
///
/// Capacity counts, not length: what is set aside is held. What several values share is counted by each of them, so that
/// a sum over values may be more than there is, and never less.
///
/// ```
/// use monitor::HeapSize;
///
/// struct Named {
///     name: String,
///     values: Vec<f64>,
/// }
///
/// impl HeapSize for Named {
///     fn heap_size(&self) -> usize {
///         self.name.heap_size() + self.values.heap_size()
///     }
/// }
///
/// let named = Named { name: String::with_capacity(20), values: vec![1.0; 100] };
/// assert_eq!(named.heap_size(), 820);
/// ```
pub trait HeapSize {
    /// Bytes on the heap.
    fn heap_size(&self) -> usize;
}

macro_rules! without_heap {
    ($($type:ty),*) => {$(
        impl HeapSize for $type {
            fn heap_size(&self) -> usize {
                0
            }
        }
    )*};
}

without_heap!((), bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64, &str);

impl HeapSize for String {
    fn heap_size(&self) -> usize {
        self.capacity()
    }
}

impl HeapSize for Box<str> {
    fn heap_size(&self) -> usize {
        self.len()
    }
}

impl<T: HeapSize> HeapSize for Vec<T> {
    fn heap_size(&self) -> usize {
        self.capacity() * size_of::<T>() + self.iter().map(HeapSize::heap_size).sum::<usize>()
    }
}

impl<T: HeapSize> HeapSize for Box<[T]> {
    fn heap_size(&self) -> usize {
        size_of_val(&**self) + self.iter().map(HeapSize::heap_size).sum::<usize>()
    }
}

impl<T: HeapSize> HeapSize for Box<T> {
    fn heap_size(&self) -> usize {
        size_of::<T>() + (**self).heap_size()
    }
}

/// The value and its two counts. Each holder is charged all of it.
impl<T: HeapSize> HeapSize for Arc<T> {
    fn heap_size(&self) -> usize {
        2 * size_of::<usize>() + size_of::<T>() + (**self).heap_size()
    }
}

impl<T: HeapSize> HeapSize for Option<T> {
    fn heap_size(&self) -> usize {
        self.as_ref().map_or(0, HeapSize::heap_size)
    }
}

impl<A: HeapSize, B: HeapSize> HeapSize for (A, B) {
    fn heap_size(&self) -> usize {
        self.0.heap_size() + self.1.heap_size()
    }
}

#[cfg(feature = "arrow")]
mod arrow {
    use std::collections::HashSet;
    use std::mem::size_of;

    use arrow_array::{Array, ArrayRef, RecordBatch};
    use arrow_data::ArrayData;

    use super::HeapSize;

    /// The buffers behind the array by capacity, each once however often it is met, and what describes them. A slice
    /// counts the whole buffers that it keeps alive. Values of a dictionary that other arrays share are counted by
    /// each of those.
    impl HeapSize for ArrayRef {
        fn heap_size(&self) -> usize {
            size_of_data(&self.to_data(), &mut HashSet::new())
        }
    }

    /// The same over all columns: a buffer that several of them share is counted once. The schema is not counted; it is
    /// most often the one of all batches.
    impl HeapSize for RecordBatch {
        fn heap_size(&self) -> usize {
            let mut seen = HashSet::new();
            let columns: usize =
                self.columns().iter().map(|column| size_of_data(&column.to_data(), &mut seen)).sum();
            size_of_val(self.columns()) + columns
        }
    }

    fn size_of_data(data: &ArrayData, seen: &mut HashSet<*const u8>) -> usize {
        let validity = data.nulls().map(|nulls| nulls.buffer());
        let buffers: usize = data
            .buffers()
            .iter()
            .chain(validity)
            // Slices of one allocation begin at different places, but the allocation does not.
            .filter(|buffer| seen.insert(buffer.data_ptr().as_ptr().cast_const()))
            .map(|buffer| buffer.capacity())
            .sum();
        let children: usize = data.child_data().iter().map(|child| size_of_data(child, seen)).sum();
        size_of::<ArrayData>() + buffers + children
    }

    #[cfg(test)]
    mod tests {
        use std::sync::Arc;

        use arrow_array::types::Int32Type;
        use arrow_array::{DictionaryArray, Int32Array, StringArray};

        use super::*;

        const DATA: usize = size_of::<ArrayData>();

        #[test]
        fn capacity_counts_and_slices_keep_the_whole() {
            let mut values = Vec::with_capacity(1000);
            values.extend(0..10);
            let array: ArrayRef = Arc::new(Int32Array::from(values));
            assert_eq!(array.heap_size(), 4000 + DATA);
            assert_eq!(array.slice(3, 2).heap_size(), 4000 + DATA);
        }

        #[test]
        fn what_columns_share_counts_once() {
            let column: ArrayRef = Arc::new(Int32Array::from(vec![1; 100]));
            let one = RecordBatch::try_from_iter([("a", Arc::clone(&column))]).unwrap();
            let shared = column.slice(10, 90);
            let other = column.slice(0, 90);
            let two = RecordBatch::try_from_iter([("a", shared), ("b", other)]).unwrap();
            assert_eq!(one.heap_size(), 400 + DATA + size_of::<ArrayRef>());
            assert_eq!(two.heap_size(), 400 + 2 * (DATA + size_of::<ArrayRef>()));
        }

        #[test]
        fn nulls_text_and_dictionaries() {
            let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("abc"), None]));
            let data = texts.to_data();
            let buffers: usize = data.buffers().iter().map(|buffer| buffer.capacity()).sum();
            let validity = data.nulls().unwrap().buffer().capacity();
            assert!(validity > 0 && buffers >= 3 + 12);
            assert_eq!(texts.heap_size(), DATA + buffers + validity);
            let keys = Int32Array::from(vec![0, 1, 0]);
            let key_bytes = keys.to_data().buffers()[0].capacity();
            let coded: ArrayRef =
                Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::clone(&texts)).unwrap());
            assert_eq!(coded.heap_size(), DATA + key_bytes + texts.heap_size());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        assert_eq!((7u64.heap_size(), 'x'.heap_size()), (0, 0));
        assert_eq!(vec![String::from("abc"), String::new()].heap_size(), 2 * size_of::<String>() + 3);
        assert_eq!(Box::new(5u32).heap_size(), 4);
        assert_eq!(vec![1u8, 2].into_boxed_slice().heap_size(), 2);
        assert_eq!(Box::<str>::from("four").heap_size(), 4);
        assert_eq!(Arc::new(5u64).heap_size(), 24);
        assert_eq!((Some(String::from("ab")), None::<String>).heap_size(), 2);
    }
}
