//! The dictionary of each column of an Arrow IPC file or stream, whatever dictionaries its batches come with.
//!
//! ```text
//!  rows of a message ──► keys, each value's by its first use ──► file:   keys, and each dictionary once at the end
//!                                                            └─► stream: a dictionary that has grown, then keys
//! ```
//!
//! In a file the keys of a message are defined by a dictionary that stands anywhere in it (Arrow Columnar Format, "IPC File
//! Format"). So it is written once and whole: deltas, which would come with the messages, are not known to all readers.

use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::{
    Array, ArrayRef, DictionaryArray, PrimitiveArray, RecordBatch, RecordBatchOptions, UInt32Array,
    downcast_dictionary_array, make_array, new_empty_array,
};
use arrow::compute::{concat, concat_batches, take};
use arrow::datatypes::{ArrowDictionaryKeyType, ArrowNativeType, DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::row::Rows;
use monitor::{Bytes, Reservation};

use super::known_values::KnownValues;
use crate::error::{Error, ErrorKind};
use crate::estimate::slice_bytes;
use crate::output::Progress;

/// Makes the keys of all messages those of one dictionary a column, which follows from the rows alone.
pub(super) struct Dictionaries {
    schema: SchemaRef,
    /// The same with each dictionary's keys in its place.
    of_keys: SchemaRef,
    columns: Vec<Column>,
    /// Whether a dictionary may be another one from a message on.
    may_restart: bool,
    reservation: Reservation,
}

/// A column's dictionary: values in the order in which rows use them first. Of an ordered one, all values of the first dictionary
/// stand before.
struct Column {
    index: usize,
    data_type: DataType,
    is_ordered: bool,
    /// Arrays of its values, each less than half as long as the one before.
    parts: Vec<ArrayRef>,
    /// Bytes of the values, the same for the same values.
    bytes: u64,
    known: KnownValues,
    last: Option<Last>,
    /// The values that were given with a message last.
    given: Option<ArrayRef>,
}

/// The dictionary that came last.
struct Last {
    values: ArrayRef,
    comparable: Rows,
    /// The key of each of its values, or [`UNKNOWN`] as long as no row uses it.
    keys: Vec<u32>,
}

const UNKNOWN: u32 = u32::MAX;

impl Dictionaries {
    /// Dictionaries that grow from message to message; or that also begin anew, where they can be replaced.
    ///
    /// # Errors
    ///
    /// Values of a type that arrow cannot compare.
    pub(super) fn new(
        schema: &SchemaRef,
        may_restart: bool,
        reservation: Reservation,
    ) -> Result<Self, ArrowError> {
        let mut columns = Vec::new();
        let mut fields = Vec::new();
        for (index, field) in schema.fields().iter().enumerate() {
            match field.data_type() {
                DataType::Dictionary(key, _) => {
                    columns.push(Column::new(index, field)?);
                    fields.push(Arc::new(field.as_ref().clone().with_data_type(key.as_ref().clone())));
                }
                _ => fields.push(Arc::clone(field)),
            }
        }
        let of_keys = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
        Ok(Self { schema: Arc::clone(schema), of_keys, columns, may_restart, reservation })
    }

    /// Whether a column has a dictionary.
    pub(super) fn are_any(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Bytes that are reserved.
    pub(super) fn reserved(&self) -> Bytes {
        self.reservation.bytes()
    }

    /// A message of the rows of some pieces, with keys in place of its dictionary columns.
    ///
    /// # Errors
    ///
    /// A dictionary that outgrows the type of its keys, or the budget; what joining rows says.
    pub(super) fn keys(&mut self, pieces: &[RecordBatch], progress: &Progress) -> Result<RecordBatch, Error> {
        let fail = |error| progress.encode(error);
        let mut arrays: Vec<Vec<ArrayRef>> = pieces.iter().map(|piece| piece.columns().to_vec()).collect();
        let mut held: u64 = self.columns.iter().map(Column::heap_bytes).sum();
        for column in &mut self.columns {
            let index = column.index;
            let before = column.known.len();
            let own: Vec<ArrayRef> = pieces.iter().map(|piece| Arc::clone(piece.column(index))).collect();
            // Of a dictionary that may begin anew there are two for a while.
            let growth = column.growth(&own) * if self.may_restart { 2 } else { 1 };
            let reserved = self.reservation.try_resize(Bytes(held + growth));
            reserved.map_err(|refusal| progress.exceeded(refusal))?;
            held -= column.heap_bytes();
            let mut keys = column.keys(&own).map_err(fail)?;
            if self.may_restart && column.known.len() > before && before > 0 {
                // What has grown is sent again: not all of it, if the message uses little of it.
                let mut anew = Column::new(index, self.schema.field(index)).map_err(fail)?;
                let keys_anew = anew.keys(&own).map_err(fail)?;
                if keys.is_none() || column.known.len() > 2 * anew.known.len() {
                    (*column, keys) = (anew, keys_anew);
                }
            }
            let keys = keys.ok_or_else(|| ErrorKind::Dictionary {
                path: progress.path().to_owned(),
                column: self.schema.field(index).name().clone(),
                keys: self.of_keys.field(index).data_type().clone(),
            })?;
            arrays.iter_mut().zip(keys).for_each(|(arrays, keys)| arrays[index] = keys);
            held += column.heap_bytes();
        }
        self.reservation.try_resize(Bytes(held)).map_err(|refusal| progress.exceeded(refusal))?;
        let of_keys = pieces.iter().zip(arrays);
        let of_keys = of_keys.map(|(piece, arrays)| with_columns(&self.of_keys, arrays, piece.num_rows()));
        let of_keys = of_keys.collect::<Result<Vec<_>, _>>().map_err(fail)?;
        match of_keys.as_slice() {
            [message] => Ok(message.clone()),
            all => concat_batches(&self.of_keys, all).map_err(fail),
        }
    }

    /// Bytes of the values that messages so far use: the same for the same messages.
    pub(super) fn bytes(&self) -> u64 {
        self.columns.iter().map(|column| column.bytes).sum()
    }

    /// A message of keys with all values so far.
    ///
    /// # Errors
    ///
    /// What joining values says.
    pub(super) fn attached(&mut self, message: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let mut arrays = message.columns().to_vec();
        for column in &mut self.columns {
            let values = column.values()?;
            let keys = arrays[column.index].to_data().into_builder();
            let dictionary = keys.data_type(column.data_type.clone()).add_child_data(values.to_data());
            arrays[column.index] = make_array(dictionary.build()?);
        }
        with_columns(&self.schema, arrays, message.num_rows())
    }

    /// Lets go of what tells values apart: there are no more rows.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub(super) fn end(&mut self) -> Result<(), ArrowError> {
        for column in &mut self.columns {
            column.known = KnownValues::new(values_type(&column.data_type))?;
            column.last = None;
        }
        Ok(())
    }

    /// No rows.
    pub(super) fn no_rows(&self) -> RecordBatch {
        RecordBatch::new_empty(Arc::clone(&self.schema))
    }
}

impl Column {
    fn new(index: usize, field: &Field) -> Result<Self, ArrowError> {
        let data_type = field.data_type().clone();
        let known = KnownValues::new(values_type(&data_type))?;
        let is_ordered = field.dict_is_ordered() == Some(true);
        Ok(Self { index, data_type, is_ordered, parts: Vec::new(), bytes: 0, known, last: None, given: None })
    }

    /// The keys of arrays in this dictionary; `None` if their type does not hold one.
    fn keys(&mut self, arrays: &[ArrayRef]) -> Result<Option<Vec<ArrayRef>>, ArrowError> {
        let mut all = Some(Vec::with_capacity(arrays.len()));
        for array in arrays {
            let keys = self.keys_of_one(array)?;
            all = all.zip(keys).map(|(mut all, keys)| {
                all.push(keys);
                all
            });
        }
        Ok(all)
    }

    fn keys_of_one(&mut self, array: &ArrayRef) -> Result<Option<ArrayRef>, ArrowError> {
        let values = array.as_any_dictionary().values();
        let known = &mut self.known;
        let mut last = match self.last.take().filter(|last| Arc::ptr_eq(&last.values, values)) {
            Some(last) => last,
            None => {
                let comparable = known.comparable(values)?;
                Last { values: Arc::clone(values), comparable, keys: vec![UNKNOWN; values.len()] }
            }
        };
        let mut new = Vec::new();
        if self.is_ordered && known.len() == 0 {
            for place in 0..values.len() {
                last.key(place, known, &mut new);
            }
        }
        let keys = downcast_dictionary_array!(
            array => keys_by(array, |place| last.key(place, known, &mut new)),
            _ => None
        );
        if !new.is_empty() {
            self.add(take(values, &UInt32Array::from(new), None)?)?;
        }
        self.last = Some(last);
        Ok(keys)
    }

    /// Adds values, and joins those of like length, so that there are few parts, and no value is joined often.
    fn add(&mut self, values: ArrayRef) -> Result<(), ArrowError> {
        self.bytes += values_bytes(&values);
        self.parts.push(values);
        while let [.., before, last] = self.parts.as_slice()
            && before.len() <= 2 * last.len()
        {
            let joined = concat(&[before.as_ref(), last.as_ref()])?;
            self.parts.truncate(self.parts.len() - 2);
            self.parts.push(joined);
        }
        self.given = None;
        Ok(())
    }

    /// All values, in one array: the same one as the time before if none has come since.
    fn values(&mut self) -> Result<ArrayRef, ArrowError> {
        if let Some(given) = &self.given {
            return Ok(Arc::clone(given));
        }
        let parts: Vec<&dyn Array> = self.parts.iter().map(|part| part.as_ref()).collect();
        let values = match parts.as_slice() {
            [] => new_empty_array(values_type(&self.data_type)),
            parts => concat(parts)?,
        };
        self.parts = vec![Arc::clone(&values)];
        Ok(Arc::clone(self.given.insert(values)))
    }

    /// Bytes that are held: the values, what they are joined to and encoded in, a vector that doubles, and what tells
    /// them apart. A writer of streams also holds the dictionary that it has sent.
    fn heap_bytes(&self) -> u64 {
        let last = self.last.as_ref().map_or(0, Last::heap_bytes);
        4 * self.bytes + last + self.known.heap_bytes() as u64
    }

    /// What the values of arrays may newly take at the most.
    fn growth(&self, arrays: &[ArrayRef]) -> u64 {
        let mut bytes = 0;
        let mut before = self.last.as_ref().map(|last| &last.values);
        for array in arrays {
            let values = array.as_any_dictionary().values();
            if before.is_none_or(|before| !Arc::ptr_eq(before, values)) {
                // As they are compared, as they are known, in a table, and as the dictionary's.
                bytes += 8 * slice_bytes(values) + 64 * values.len() as u64;
            }
            before = Some(values);
        }
        bytes
    }
}

/// Bytes of values without what an array of none takes and without bits of nulls, which are rounded up: as many together as apart.
fn values_bytes(values: &ArrayRef) -> u64 {
    let bits = values.nulls().map_or(0, |_| values.len().div_ceil(8) as u64);
    match values.data_type() {
        DataType::Boolean => values.len() as u64,
        _ => (slice_bytes(values) - bits).saturating_sub(slice_bytes(&values.slice(0, 0))),
    }
}

fn values_type(dictionary: &DataType) -> &DataType {
    let DataType::Dictionary(_, values) = dictionary else { unreachable!("{dictionary} is no dictionary") };
    values
}

impl Last {
    fn heap_bytes(&self) -> u64 {
        slice_bytes(&self.values) + (self.comparable.size() + 4 * self.keys.capacity()) as u64
    }

    /// The key of the value that stands at `place`, which is added to `new` if nobody knows it.
    #[inline]
    fn key(&mut self, place: usize, known: &mut KnownValues, new: &mut Vec<u32>) -> u32 {
        match self.keys[place] {
            UNKNOWN => {
                let before = known.len();
                let key = known.key(self.comparable.row(place));
                if known.len() > before {
                    new.push(place as u32);
                }
                self.keys[place] = key;
                key
            }
            key => key,
        }
    }
}

/// The keys of an array by what its own ones mean; those of nulls are 0.
fn keys_by<K: ArrowDictionaryKeyType>(
    array: &DictionaryArray<K>,
    mut key: impl FnMut(usize) -> u32,
) -> Option<ArrayRef> {
    let own = array.keys();
    let mut keys = Vec::with_capacity(own.len());
    for row in 0..own.len() {
        let key = if own.is_valid(row) { key(own.value(row).as_usize()) } else { 0 };
        keys.push(K::Native::from_usize(key as usize)?);
    }
    Some(Arc::new(PrimitiveArray::<K>::new(keys.into(), own.nulls().cloned())))
}

fn with_columns(schema: &SchemaRef, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, ArrowError> {
    let count = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &count)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use arrow::array::{DictionaryArray, Int8Array, StringArray};
    use arrow::compute::cast;
    use arrow::datatypes::Int8Type;
    use monitor::Budget;

    use super::*;
    use crate::output::Output;

    /// The values of a dictionary, and keys.
    type Piece<'a> = (&'a [Option<&'a str>], &'a [Option<i8>]);

    /// Dictionaries of a table of one column.
    struct Made {
        dictionaries: Dictionaries,
        progress: Progress,
    }

    impl Made {
        fn new(is_ordered: bool, may_restart: bool) -> Made {
            let data_type = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
            #[expect(deprecated, reason = "whether it is ordered can be said in no other way")]
            let field = Field::new_dict("word", data_type, true, 0, is_ordered);
            let schema = Arc::new(Schema::new(vec![field]));
            let reservation = Budget::unbounded().consumer("dictionaries").try_reserve(Bytes::ZERO).unwrap();
            Made {
                dictionaries: Dictionaries::new(&schema, may_restart, reservation).unwrap(),
                progress: Output::stream(Path::new("-"), Box::new(Vec::new())).progress(),
            }
        }

        /// The dictionary that a message of these pieces is given; what its rows mean stays.
        fn message(&mut self, pieces: &[Piece<'_>]) -> Vec<Option<String>> {
            let schema = Arc::clone(&self.dictionaries.schema);
            let pieces: Vec<RecordBatch> = pieces
                .iter()
                .map(|(values, keys)| {
                    let values = Arc::new(StringArray::from(values.to_vec()));
                    let words = DictionaryArray::<Int8Type>::new(Int8Array::from(keys.to_vec()), values);
                    with_columns(&schema, vec![Arc::new(words)], keys.len()).unwrap()
                })
                .collect();
            let message = self.dictionaries.keys(&pieces, &self.progress).unwrap();
            let attached = self.dictionaries.attached(&message).unwrap();
            let plain = |array: &ArrayRef| cast(array, &DataType::Utf8).unwrap();
            let expected: Vec<ArrayRef> = pieces.iter().map(|piece| plain(piece.column(0))).collect();
            let expected: Vec<&dyn Array> = expected.iter().map(|piece| piece.as_ref()).collect();
            assert_eq!(plain(attached.column(0)).as_ref(), concat(&expected).unwrap().as_ref());
            let values = attached.column(0).as_any_dictionary().values().as_string::<i32>().clone();
            values.iter().map(|value| value.map(str::to_owned)).collect()
        }
    }

    fn words(words: &[&str]) -> Vec<Option<String>> {
        words.iter().map(|word| Some((*word).to_owned())).collect()
    }

    const A: Option<&str> = Some("a");
    const B: Option<&str> = Some("b");
    const C: Option<&str> = Some("c");

    #[test]
    fn values_stand_in_the_order_of_their_first_use() {
        let mut made = Made::new(false, false);
        let pieces: [Piece<'_>; 2] = [
            (&[A, B, A, C], &[Some(1), None, Some(2), Some(0)]),
            (&[C, None, B], &[Some(1), Some(2), Some(0)]),
        ];
        let mut expected = words(&["b", "a"]);
        expected.extend([None, Some("c".to_owned())]);
        assert_eq!(made.message(&pieces), expected);
        assert_eq!(made.message(&[(&[B], &[Some(0), Some(0)])]), expected);
        assert_eq!(made.message(&[(&[], &[None])]), expected);
        assert!(made.dictionaries.bytes() > 0 && made.dictionaries.reserved() > Bytes::ZERO);
    }

    #[test]
    fn an_ordered_dictionary_keeps_its_order() {
        let mut made = Made::new(true, true);
        assert_eq!(made.message(&[(&[A, B, C], &[Some(2), Some(0)])]), words(&["a", "b", "c"]));
    }

    #[test]
    fn what_is_sent_again_is_little_more_than_what_is_used() {
        let many: Vec<String> = (0..100).map(|n| format!("word {n}")).collect();
        let all: Vec<Option<&str>> = many.iter().map(|word| Some(word.as_str())).collect();
        let every: Vec<Option<i8>> = (0..100).map(Some).collect();
        let few: Piece<'_> = (&[A, Some("word 7")], &[Some(0), Some(1)]);
        let mut kept = Made::new(false, false);
        assert_eq!(kept.message(&[(&all, &every)]).len(), 100);
        assert_eq!(kept.message(&[few]).len(), 101);
        let mut sent = Made::new(false, true);
        assert_eq!(sent.message(&[(&all, &every)]).len(), 100);
        // Nothing new, nothing to send.
        assert_eq!(sent.message(&[(&all, &every[..3])]).len(), 100);
        assert_eq!(sent.message(&[few]), words(&["a", "word 7"]));
        assert_eq!(sent.message(&[(&[A, B], &[Some(0), Some(1)])]), words(&["a", "word 7", "b"]));
        // More values together than the keys can tell apart, though no message has them.
        let others: Vec<String> = (0..100).map(|n| format!("other {n}")).collect();
        let others: Vec<Option<&str>> = others.iter().map(|word| Some(word.as_str())).collect();
        assert_eq!(sent.message(&[(&all, &every)]).len(), 102);
        assert_eq!(sent.message(&[(&others, &every)]).len(), 100);
    }
}
