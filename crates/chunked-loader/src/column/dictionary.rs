//! Text with few different values: keys into the values that the scan found.
//!
//! The scan knows every value before the first batch is built, so all batches share one sorted values
//! array. That keeps keys the same however the batches are cut, and an IPC file needs no second dictionary.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, DictionaryArray, PrimitiveBuilder, StringArray};
use arrow::datatypes::{ArrowDictionaryKeyType, ArrowNativeType};
use arrow::error::ArrowError;

use super::{ColumnBuilder, Unfit};
use crate::field_rules::FieldRules;
use crate::nulls::Presence;
use crate::record::Field;

/// Collects a column of keys of type `K`.
pub(crate) struct DictionaryColumn<K: ArrowDictionaryKeyType> {
    values: Arc<StringArray>,
    keys: HashMap<Box<[u8]>, K::Native, ahash::RandomState>,
    builder: PrimitiveBuilder<K>,
}

impl<K: ArrowDictionaryKeyType> DictionaryColumn<K> {
    pub(crate) fn new(values: Arc<StringArray>) -> Self {
        let keys = values.iter().flatten().enumerate().filter_map(|(i, text)| {
            let key = K::Native::from_usize(i)?;
            Some((text.as_bytes().into(), key))
        });
        DictionaryColumn { keys: keys.collect(), values, builder: PrimitiveBuilder::with_capacity(0) }
    }
}

impl<K: ArrowDictionaryKeyType> ColumnBuilder for DictionaryColumn<K> {
    fn push(&mut self, field: Field<'_>, rules: &FieldRules) -> Result<(), Unfit> {
        match rules.nulls.presence(field) {
            Presence::Null | Presence::Token(_) => self.builder.append_null(),
            Presence::EmptyQuoted | Presence::Value => {
                self.builder.append_value(*self.keys.get(field.text).ok_or(Unfit)?);
            }
        }
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        self.builder.capacity() * size_of::<K::Native>()
            + self.builder.validity_slice().map_or(0, <[u8]>::len)
    }

    fn make_room(&mut self, rows: usize, _: usize) {
        self.builder = PrimitiveBuilder::with_capacity(rows);
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let keys = self.builder.finish();
        let values: ArrayRef = Arc::clone(&self.values) as Arc<dyn Array>;
        Ok(Arc::new(DictionaryArray::try_new(keys, values)?))
    }
}
