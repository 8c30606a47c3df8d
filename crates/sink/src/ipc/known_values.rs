//! Values of any type, and the key that each has.

use ahash::RandomState;
use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::row::{Row, RowConverter, Rows, SortField};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// Values in the order of their keys, and a table of them.
pub(super) struct KnownValues {
    converter: RowConverter,
    rows: Rows,
    keys: HashTable<u32>,
    hasher: RandomState,
}

impl KnownValues {
    pub(super) fn new(data_type: &DataType) -> Result<Self, ArrowError> {
        let converter = RowConverter::new(vec![SortField::new(data_type.clone())])?;
        let rows = converter.empty_rows(0, 0);
        // Nothing that is told depends on the order of the table.
        let hasher = RandomState::with_seeds(1, 2, 3, 4);
        Ok(Self { converter, rows, keys: HashTable::new(), hasher })
    }

    /// Values.
    pub(super) fn len(&self) -> usize {
        self.rows.num_rows()
    }

    /// Values as [`key`](Self::key) takes them.
    pub(super) fn comparable(&self, values: &ArrayRef) -> Result<Rows, ArrowError> {
        self.converter.convert_columns(std::slice::from_ref(values))
    }

    /// The key of a value, which is the next one if it is new.
    pub(super) fn key(&mut self, value: Row<'_>) -> u32 {
        let next = self.rows.num_rows() as u32;
        match entry(&mut self.keys, &self.hasher, &self.rows, value) {
            Entry::Occupied(key) => *key.get(),
            Entry::Vacant(place) => {
                place.insert(next);
                self.rows.push(value);
                next
            }
        }
    }

    /// Bytes allocated.
    pub(super) fn heap_bytes(&self) -> usize {
        self.rows.size() + self.keys.allocation_size()
    }
}

fn entry<'a>(
    keys: &'a mut HashTable<u32>,
    hasher: &RandomState,
    rows: &Rows,
    row: Row<'_>,
) -> Entry<'a, u32> {
    let hash = |row: Row<'_>| hasher.hash_one(row.as_ref());
    keys.entry(
        hash(row),
        |key| rows.row(*key as usize).as_ref() == row.as_ref(),
        |key| hash(rows.row(*key as usize)),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::StringArray;

    use super::*;

    #[test]
    fn new_values_get_the_next_keys() {
        let texts = |texts: &[Option<&str>]| Arc::new(StringArray::from(texts.to_vec())) as ArrayRef;
        let mut known = KnownValues::new(&DataType::Utf8).unwrap();
        let values = [Some("b"), Some("a"), Some("b"), None, Some(""), Some("a"), None, Some("c")];
        let rows = known.comparable(&texts(&values)).unwrap();
        let keys: Vec<u32> = rows.iter().map(|row| known.key(row)).collect();
        assert_eq!((keys, known.len()), (vec![0, 1, 0, 2, 3, 1, 2, 4], 5));
        assert!(known.heap_bytes() > 0);
    }
}
