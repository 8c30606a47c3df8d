//! Text with few different values: keys into the values that the scan found.
//!
//! The scan knows every value before the first batch is built, so all batches share one sorted values
//! array. That keeps keys the same however the batches are cut, and an IPC file needs no second dictionary.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, DictionaryArray, PrimitiveArray, StringArray};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{ArrowDictionaryKeyType, ArrowNativeType};
use arrow::error::ArrowError;

use super::growing_dictionary::GrowingDictionary;
use super::short_text::ShortText;
use super::validity::Validity;
use super::{ColumnBuilder, PushRows, Unfit, push_rows, vec_growth};
use crate::block::Fields;
use crate::columnar::Values;
use crate::field_rules::FieldRules;
use crate::nulls::Presence;
use crate::processor::Processor;
use crate::record::Field;
use crate::spares::vec_of;

const FREE: u32 = u32::MAX;

/// Places for so many texts: eight each for few, two for many, whose places would crowd out the nearest cache.
fn places_for(texts: usize) -> usize {
    const FEW: usize = 1024;
    (if texts <= FEW { 8 * texts } else { 2 * texts }).next_power_of_two().max(2)
}

/// The values of a dictionary column and the key of each; one for all batches of a pass.
#[derive(Debug)]
pub(crate) struct DictionaryKeys {
    values: Arc<StringArray>,
    /// Short texts with their keys.
    short: Vec<(ShortText, u32)>,
    /// Where in `short` a text is, by its hash, the next free place taken where two collide. Apart from the texts, so that
    /// there is room for many free ones, with which the processor seldom guesses wrong.
    places: Vec<u32>,
    long: HashMap<Box<[u8]>, u32, ahash::RandomState>,
}

impl DictionaryKeys {
    /// The key of each value is its index.
    pub(crate) fn new(values: &Arc<StringArray>) -> Self {
        let mut keys = DictionaryKeys {
            values: Arc::clone(values),
            short: Vec::new(),
            places: vec![FREE; places_for(values.len())],
            long: HashMap::default(),
        };
        for (key, text) in values.iter().flatten().enumerate() {
            let key = key as u32;
            match ShortText::of(text.as_bytes()) {
                Some(short) => {
                    let place = keys.probe(short).find(|place| keys.places[*place] == FREE);
                    if let Some(place) = place {
                        keys.places[place] = keys.short.len() as u32;
                        keys.short.push((short, key));
                    }
                }
                None => {
                    keys.long.insert(text.as_bytes().into(), key);
                }
            }
        }
        keys
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn values(&self) -> &Arc<StringArray> {
        &self.values
    }

    /// Bytes allocated, those of the values included.
    pub(crate) fn heap_bytes(&self) -> usize {
        let long: usize = self.long.keys().map(|text| text.len()).sum();
        self.short.capacity() * size_of::<(ShortText, u32)>()
            + self.places.capacity() * size_of::<u32>()
            + long
            + self.values.get_buffer_memory_size()
            + self.long.capacity() * (size_of::<(Box<[u8]>, u32)>() + 1)
    }

    /// Where a short text may stand, in the order to look.
    #[inline(always)]
    fn probe(&self, text: ShortText) -> impl Iterator<Item = usize> + use<> {
        let mask = self.places.len() - 1;
        let first = (text.hash() >> 32) as usize;
        (0..=mask).map(move |step| (first + step) & mask)
    }

    #[inline(always)]
    fn short_key(&self, text: ShortText) -> Option<u32> {
        for place in self.probe(text) {
            // No text is where a free place says.
            let (known, key) = *self.short.get(self.places[place] as usize)?;
            if known == text {
                return Some(key);
            }
        }
        None
    }

    pub(super) fn key(&self, text: &[u8]) -> Option<u32> {
        match ShortText::of(text) {
            Some(short) => self.short_key(short),
            None => self.long.get(text).copied(),
        }
    }
}

/// Collects a column of keys of type `K`.
pub(crate) struct DictionaryColumn<K: ArrowDictionaryKeyType> {
    dictionary: Arc<DictionaryKeys>,
    /// Where texts without a key get one, where no scan has told them all.
    growing: Option<Arc<GrowingDictionary>>,
    keys: Vec<K::Native>,
    validity: Validity,
    /// A field without its quotes.
    scratch: Vec<u8>,
}

impl<K: ArrowDictionaryKeyType> DictionaryColumn<K> {
    pub(crate) fn new(dictionary: Arc<DictionaryKeys>) -> Self {
        DictionaryColumn {
            dictionary,
            growing: None,
            keys: Vec::new(),
            validity: Validity::default(),
            scratch: Vec::new(),
        }
    }

    /// A column whose values are not known beforehand. Its arrays hold those that have come up so far, in the order in
    /// which they did.
    pub(crate) fn growing(growing: &Arc<GrowingDictionary>) -> Self {
        DictionaryColumn { growing: Some(Arc::clone(growing)), ..DictionaryColumn::new(growing.keys()) }
    }

    /// The key of a text that the values so far do not hold.
    #[cold]
    #[inline(never)]
    fn new_key(&self, text: &[u8]) -> Result<u32, Unfit> {
        self.growing.as_ref().and_then(|growing| growing.key(text)).ok_or(Unfit)
    }

    /// The key of a field, `None` if it is null.
    fn key(&self, field: Field<'_>, rules: &FieldRules) -> Result<Option<u32>, Unfit> {
        match rules.nulls.presence(field) {
            Presence::Null | Presence::Token(_) => Ok(None),
            Presence::EmptyQuoted | Presence::Value => match self.dictionary.key(field.text) {
                Some(key) => Ok(Some(key)),
                None => self.new_key(field.text).map(Some),
            },
        }
    }

    fn push_key(&mut self, key: Option<u32>) {
        self.keys.push(native::<K>(key));
        self.validity.push(key.is_some());
    }
}

fn native<K: ArrowDictionaryKeyType>(key: Option<u32>) -> K::Native {
    K::Native::usize_as(key.unwrap_or(0) as usize)
}

impl<K: ArrowDictionaryKeyType> PushRows for DictionaryColumn<K> {
    #[inline(always)]
    fn push_rows<P: Processor>(&mut self, _: P, fields: Fields<'_>, rules: &FieldRules) -> Result<(), usize> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let has_tokens = rules.nulls.has_listed_tokens();
        let rows = fields.len();
        self.keys.reserve(rows);
        let mut row = 0;
        while row < rows {
            let chunk = (rows - row).min(64);
            let mut valid = 0u64;
            for bit in 0..chunk {
                let raw = fields.raw(row + bit);
                let is_plain = !fields.is_quoted(raw) & !has_tokens & (raw.len() > 0);
                let short = if is_plain { ShortText::of_padded(raw) } else { None };
                let key = match short {
                    Some(short) => match self.dictionary.short_key(short) {
                        Some(key) => Some(key),
                        None => Some(self.new_key(raw.bytes()).map_err(|_| row + bit)?),
                    },
                    None => self.key(fields.field(row + bit, &mut scratch), rules).map_err(|_| row + bit)?,
                };
                self.keys.push(native::<K>(key));
                valid |= u64::from(key.is_some()) << bit;
            }
            self.validity.push_bits(valid, chunk);
            row += chunk;
        }
        self.scratch = scratch;
        Ok(())
    }
}

impl<K: ArrowDictionaryKeyType> ColumnBuilder for DictionaryColumn<K> {
    fn push(&mut self, field: Field<'_>, rules: &FieldRules) -> Result<(), Unfit> {
        let key = self.key(field, rules)?;
        self.push_key(key);
        Ok(())
    }

    fn push_block(&mut self, fields: Fields<'_>, rules: &FieldRules) -> Result<(), usize> {
        push_rows(self, fields, rules)
    }

    fn push_values(&mut self, values: &Values, rows: Range<usize>) -> Result<(), usize> {
        let texts = match values {
            Values::Text(texts) => &texts[rows],
            _ => {
                rows.clone().for_each(|_| self.push_key(None));
                return if values.are_null(rows) { Ok(()) } else { Err(0) };
            }
        };
        for (row, text) in texts.iter().enumerate() {
            let key = match text {
                Some(text) => Some(self.dictionary.key(text.data()).ok_or(row)?),
                None => None,
            };
            self.push_key(key);
        }
        Ok(())
    }

    fn values_growth(&self, _: &Values, rows: Range<usize>) -> usize {
        vec_growth(&self.keys, rows.len()) + self.validity.growth(rows.len()) + 64
    }

    fn growth(&self, fields: Fields<'_>) -> usize {
        vec_growth(&self.keys, fields.len()) + self.validity.growth(fields.len())
    }

    fn growth_of_one(&self, _: usize) -> usize {
        let first = if self.keys.capacity() == 0 { 64 } else { 0 };
        vec_growth(&self.keys, 1) + first + self.validity.growth(1)
    }

    fn heap_bytes(&self) -> usize {
        self.keys.capacity() * size_of::<K::Native>() + self.validity.heap_bytes() + self.scratch.capacity()
    }

    fn make_room(&mut self, rows: usize, _: usize, spare: Option<ArrayRef>) {
        let spare = spare.and_then(|array| {
            let keys = array.as_any().downcast_ref::<DictionaryArray<K>>()?.keys().values().inner().clone();
            drop(array);
            vec_of(keys, rows)
        });
        self.keys = spare.unwrap_or_else(|| Vec::with_capacity(rows));
        self.validity.make_room(rows);
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        // The same values for all threads' batches from now on, those included that have met nothing new.
        if let Some(growing) = &self.growing {
            self.dictionary = growing.keys();
        }
        let keys = ScalarBuffer::from(std::mem::take(&mut self.keys));
        let keys = PrimitiveArray::<K>::try_new(keys, self.validity.finish())?;
        let values: ArrayRef = Arc::clone(&self.dictionary.values) as Arc<dyn Array>;
        Ok(Arc::new(DictionaryArray::try_new(keys, values)?))
    }
}
