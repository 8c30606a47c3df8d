//! Texts of a column that is a dictionary in memory: indices into the distinct ones of the chunk, in the order in which
//! they first stand there.
//!
//! A column's batches share a dictionary, or have each their own. What is written depends on the rows alone: each
//! value of a dictionary is looked up once, when a row first has it.

use ahash::RandomState;
use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, downcast_dictionary_array};
use arrow::compute::cast;
use arrow::datatypes::{ArrowNativeType, DataType};
use arrow::error::ArrowError;
use hashbrown::HashTable;
use parquet::basic::{BoundaryOrder, Encoding};
use parquet::file::statistics::Statistics;

use super::bounds::{Bounds, lower, upper};
use super::indices;
use super::texts::{self, Texts};
use super::values::{MOST_PAGE_BYTES, PageValues, Refused, Values};

/// No row has had this value of a dictionary yet.
const UNKNOWN: u32 = u32::MAX;

pub(super) struct DictionaryTexts {
    is_text: bool,
    distinct: Distinct,
    /// For the dictionary of the last block, what its values are in the chunk's.
    known: Option<Known>,
    indices: Vec<u32>,
    /// Whether the page has each value of the chunk's dictionary.
    is_in_page: Vec<bool>,
    bounds: Bounds<Vec<u8>>,
    /// Where values go once there are too many distinct ones.
    plain: Option<Texts>,
    most: usize,
}

/// It keeps the dictionary from being freed, whose place in memory says which one it is.
struct Known {
    values: ArrayRef,
    indices: Vec<u32>,
    bytes: usize,
}

impl Known {
    fn new(values: &ArrayRef) -> Self {
        let indices = vec![UNKNOWN; values.len()];
        let bytes = values.get_array_memory_size() + size_of_val(indices.as_slice());
        Self { values: values.clone(), indices, bytes }
    }
}

/// Distinct byte strings, each behind its length, as a dictionary page holds them.
#[derive(Default)]
struct Distinct {
    page: Vec<u8>,
    /// Where each one begins in the page, behind its length.
    places: Vec<u32>,
    table: HashTable<u32>,
    hasher: Hasher,
}

/// Hashes that are the same in every run.
struct Hasher(RandomState);

impl Default for Hasher {
    fn default() -> Self {
        Hasher(RandomState::with_seeds(1, 2, 3, 4))
    }
}

impl Distinct {
    fn get(&self, index: u32) -> &[u8] {
        let place = self.places[index as usize] as usize;
        let end = self.places.get(index as usize + 1).map_or(self.page.len(), |next| *next as usize - 4);
        &self.page[place..end]
    }

    fn index_of(&mut self, value: &[u8]) -> Result<u32, Refused> {
        let hash = self.hasher.0.hash_one(value);
        if let Some(index) = self.table.find(hash, |index| self.get(*index) == value) {
            return Ok(*index);
        }
        let bytes = self.page.len() + size_of::<u32>() + value.len();
        if bytes > MOST_PAGE_BYTES {
            return Err(Refused::TooLong(bytes));
        }
        let index = self.places.len() as u32;
        self.page.extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.places.push(self.page.len() as u32);
        self.page.extend_from_slice(value);
        let Distinct { page, places, table, hasher } = self;
        let hash_of = |index: &u32| {
            let place = places[*index as usize] as usize;
            let end = places.get(*index as usize + 1).map_or(page.len(), |next| *next as usize - 4);
            hasher.0.hash_one(&page[place..end])
        };
        table.insert_unique(hash, index, hash_of);
        Ok(index)
    }

    fn heap_bytes(&self) -> usize {
        self.page.capacity() + (self.places.capacity() + self.table.capacity() * 2) * size_of::<u32>()
    }
}

impl DictionaryTexts {
    /// `most`: bytes that the dictionary may take.
    pub(super) fn new(is_text: bool, most: usize) -> Self {
        Self {
            is_text,
            distinct: Distinct::default(),
            known: None,
            indices: Vec::new(),
            is_in_page: Vec::new(),
            bounds: Bounds::default(),
            plain: None,
            most,
        }
    }

    /// Takes the rows of a dictionary, `keys` of it that are not null.
    fn push_keys<I: Iterator<Item = usize>>(
        &mut self,
        values: &ArrayRef,
        keys: impl Fn() -> I,
    ) -> Result<(), Refused> {
        let known = match self.known.take() {
            Some(known) if known.values.to_data().ptr_eq(&values.to_data()) => known,
            _ => Known::new(values),
        };
        let Known { values, indices, .. } = self.known.insert(known);
        let first = self.indices.len();
        self.indices.extend(keys().map(|key| indices[key]));
        // Soon all values have been seen.
        if self.indices[first..].contains(&UNKNOWN) {
            let all = bytes_of(values);
            for (index, key) in self.indices[first..].iter_mut().zip(keys()) {
                // It may have come up since.
                *index = indices[key];
                if *index == UNKNOWN {
                    *index = self.distinct.index_of(all(key))?;
                    indices[key] = *index;
                }
            }
            self.is_in_page.resize(self.distinct.places.len(), false);
        }
        for index in &self.indices[first..] {
            self.is_in_page[*index as usize] = true;
        }
        Ok(())
    }

    /// Takes the rows of a dictionary none of which is null.
    fn push_all(&mut self, block: &ArrayRef) -> Result<(), Refused> {
        downcast_dictionary_array! {
            block => {
                self.push_keys(block.values(), || block.keys().values().iter().map(|key| key.as_usize()))
            },
            _ => self.push_texts(block),
        }
    }

    /// Takes rows that are no dictionary, or no more: two that differ were joined.
    fn push_texts(&mut self, block: &ArrayRef) -> Result<(), Refused> {
        let all = bytes_of(block);
        for row in (0..block.len()).filter(|row| block.is_valid(*row)) {
            let index = self.distinct.index_of(all(row))?;
            self.is_in_page.resize(self.distinct.places.len(), false);
            self.is_in_page[index as usize] = true;
            self.indices.push(index);
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.distinct.page.len() > self.most
    }
}

/// The value of each row of a column of texts.
fn bytes_of<'a>(column: &'a ArrayRef) -> Box<dyn Fn(usize) -> &'a [u8] + 'a> {
    match column.data_type() {
        DataType::Utf8 => {
            let column = column.as_string::<i32>();
            Box::new(|row| column.value(row).as_bytes())
        }
        DataType::LargeUtf8 => {
            let column = column.as_string::<i64>();
            Box::new(|row| column.value(row).as_bytes())
        }
        DataType::Binary => {
            let column = column.as_binary::<i32>();
            Box::new(|row| column.value(row))
        }
        _ => {
            let column = column.as_binary::<i64>();
            Box::new(|row| column.value(row))
        }
    }
}

/// The texts of a dictionary's rows.
fn undone(block: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match block.as_any_dictionary_opt() {
        Some(dictionary) => cast(block, dictionary.values().data_type()),
        None => Ok(block.clone()),
    }
}

impl Values for DictionaryTexts {
    fn push(&mut self, block: &ArrayRef) -> Result<(), Refused> {
        if let Some(plain) = &mut self.plain {
            return plain.push(&undone(block)?);
        }
        match block.as_any_dictionary_opt() {
            Some(dictionary) if dictionary.values().is_empty() => Ok(()),
            // A value of the dictionary may be null too.
            Some(dictionary) if dictionary.values().null_count() == 0 => {
                match dictionary.keys().nulls().filter(|nulls| nulls.null_count() > 0) {
                    None => self.push_all(block),
                    Some(nulls) => {
                        let keys = dictionary.normalized_keys();
                        self.push_keys(dictionary.values(), || nulls.valid_indices().map(|row| keys[row]))
                    }
                }
            }
            _ => self.push_texts(&undone(block)?),
        }
    }

    fn page_bytes(&self) -> usize {
        indices::bytes(&self.indices) + self.plain.as_ref().map_or(0, Texts::page_bytes)
    }

    fn ends_page(&self) -> bool {
        self.plain.is_none() && self.is_full()
    }

    fn finish_page(&mut self, out: &mut Vec<u8>) -> PageValues {
        if let Some(plain) = &mut self.plain {
            return plain.finish_page(out);
        }
        indices::write(&self.indices, self.distinct.places.len(), out);
        let in_page = (0..).zip(&self.is_in_page).filter(|(_, is_in_page)| **is_in_page);
        let mut values = in_page.map(|(index, _)| self.distinct.get(index));
        if let Some(first) = values.next() {
            let (least, greatest) = values
                .fold((first, first), |(least, greatest), value| (least.min(value), greatest.max(value)));
            self.bounds.widen((least.to_vec(), greatest.to_vec()), texts::less);
        }
        let bounds = self.bounds.end_page(texts::less);
        let indexed = |(least, greatest): (Vec<u8>, Vec<u8>)| {
            (lower(&least, self.is_text).to_vec(), upper(&greatest, self.is_text))
        };
        PageValues { encoding: Encoding::RLE_DICTIONARY, bounds: bounds.map(indexed) }
    }

    fn rest(&self) -> &[u8] {
        self.plain.as_ref().map_or(&[], |plain| plain.rest())
    }

    fn take_rest(&mut self) -> Vec<u8> {
        self.plain.as_mut().map(Values::take_rest).unwrap_or_default()
    }

    fn begin_page(&mut self) {
        if let Some(plain) = &mut self.plain {
            if let Some(range) = plain.last_page() {
                self.bounds.widen(range.clone(), texts::less);
                self.bounds.end_page(texts::less);
            }
            return plain.begin_page();
        }
        self.indices.clear();
        self.is_in_page.fill(false);
        if self.is_full() {
            self.plain = Some(Texts::plain(self.is_text));
            (self.known, self.indices, self.is_in_page) = (None, Vec::new(), Vec::new());
        }
    }

    fn dictionary(&mut self) -> Option<(Vec<u8>, usize)> {
        let count = self.distinct.places.len();
        Some((std::mem::take(&mut self.distinct).page, count))
    }

    fn statistics(&self, nulls: u64) -> Statistics {
        texts::statistics(&self.bounds, self.is_text, nulls)
    }

    fn order(&self) -> BoundaryOrder {
        self.bounds.order()
    }

    fn held_bytes(&self) -> usize {
        let plain = self.plain.as_ref().map_or(0, Texts::held_bytes);
        indices::held_bytes(&self.indices) + self.distinct.heap_bytes() + plain
    }

    fn heap_bytes(&self) -> usize {
        let plain = self.plain.as_ref().map_or(0, Texts::heap_bytes);
        self.distinct.heap_bytes() + plain + indices::heap_bytes(&self.indices) + self.is_in_page.capacity()
    }

    fn kept_bytes(&self) -> usize {
        self.known.as_ref().map_or(0, |known| known.bytes)
    }

    fn forget(&mut self) {
        self.known = None;
    }
}
