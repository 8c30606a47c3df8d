//! The values of a dictionary.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::concat;
use arrow::datatypes::DataType;
use monitor::{Bytes, Reservation};
use parquet::data_type::ByteArray;

use super::column::{BatchColumn, buffers_of};
use super::messages::{Messages, damaged};
use crate::columnar::held::Held;
use crate::columnar::values::Values;
use crate::error::Error;

/// What a text takes beside its bytes.
const TEXT: usize = size_of::<Option<ByteArray>>();

/// The values that keys stand for.
pub(super) struct Dictionary {
    pub(super) entries: Entries,
    /// Holds them.
    _held: Reservation,
}

/// The values by key.
pub(super) enum Entries {
    Texts(Vec<Option<ByteArray>>),
    /// Of any other type.
    Array(ArrayRef),
}

/// A message that makes a dictionary, or adds to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) id: i64,
    pub(super) is_delta: bool,
    pub(super) byte: u64,
    /// Record batches that stand before it.
    pub(super) batches: usize,
}

/// The messages that make dictionary `id` what it is at record batch `batch`. In a file, whose messages may be read in any
/// order, all batches have all of it; in a stream one that is no delta replaces what was before.
pub(super) fn entries(all: &[Entry], id: i64, batch: usize, is_stream: bool) -> Vec<Entry> {
    let mut made: Vec<Entry> = Vec::new();
    for entry in all.iter().filter(|entry| entry.id == id && (!is_stream || entry.batches <= batch)) {
        if !entry.is_delta {
            made.clear();
        }
        made.push(*entry);
    }
    made
}

/// Reads the values of type `values` that `entries` hold together.
///
/// # Errors
/// If the file cannot be read or is damaged, or the budget has no room for them.
pub(super) fn read(
    messages: &Messages,
    entries: &[Entry],
    values: &DataType,
    budget: &monitor::Budget,
) -> Result<Arc<Dictionary>, Error> {
    let consumer = budget.consumer("dictionary");
    let mut held = consumer.try_reserve(Bytes::ZERO)?;
    let (mut texts, mut arrays): (Vec<Option<ByteArray>>, Vec<ArrayRef>) = Default::default();
    for entry in entries {
        let message = messages.at(entry.byte)?;
        let message = message.ok_or_else(|| damaged(entry.byte, "a dictionary is gone"))?;
        let parts = message.columns(&[buffers_of(values)])?;
        let Some(part) = parts.first() else { continue };
        let mut column = BatchColumn::new(&messages.file, part, values.clone(), None, Held::of(&consumer)?)?;
        column.each(|values| {
            let bytes = match values.array() {
                // They are there twice while they are put together.
                Some(array) => 2 * array.get_array_memory_size(),
                None => values.text_bytes(0..values.len()) + 2 * TEXT * values.len(),
            };
            held.try_grow(Bytes::from(bytes))?;
            match values {
                // Each text of its own: the buffer that they come from need not stay.
                Values::Text(step) => {
                    texts.extend(step.into_iter().map(|text| text.map(|text| text.data().to_vec().into())));
                }
                Values::Number(array) => arrays.push(array),
                Values::Bool(array) => arrays.push(Arc::new(array)),
                Values::Null(rows) => texts.resize(texts.len() + rows, None),
            }
            Ok(())
        })?;
    }
    let entries = if arrays.is_empty() {
        Entries::Texts(texts)
    } else {
        let parts: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
        Entries::Array(concat(&parts)?)
    };
    Ok(Arc::new(Dictionary { entries, _held: held }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_is_what_was_sent_last_and_what_was_added_to_it() {
        let entry = |byte, id, is_delta, batches| Entry { id, is_delta, byte, batches };
        let all = [
            entry(0, 1, false, 0),
            entry(1, 2, false, 0),
            entry(2, 1, true, 1),
            entry(3, 1, false, 2),
            entry(4, 1, true, 2),
        ];
        let bytes = |batch, is_stream| -> Vec<u64> {
            entries(&all, 1, batch, is_stream).iter().map(|entry| entry.byte).collect()
        };
        assert_eq!(bytes(0, true), [0]);
        assert_eq!(bytes(1, true), [0, 2]);
        assert_eq!(bytes(2, true), [3, 4]);
        assert_eq!(bytes(0, false), [3, 4]);
        assert!(entries(&all, 3, 9, true).is_empty());
    }
}
