//! Columns whose values all have one width: one loop over a block, the same for every kernel.
#![allow(unsafe_code)] // Values are written into reserved room without a check for each: see `push_block`.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow::buffer::ScalarBuffer;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::lanes::{self, ROWS, Texts};
use super::validity::{Validity, full, push_all};
use super::{ColumnBuilder, PushRows, Unfit, push_rows, vec_growth};
use crate::block::{Fields, Padded};
use crate::columnar::Values;
use crate::field_rules::FieldRules;
use crate::nulls::{Presence, TokenCounts};
use crate::processor::{Processor, WithAvx2};
use crate::record::Field;
use crate::spares::values_of;

/// Turns a text into a value of one Arrow type.
pub(crate) trait Kernel: Send {
    type Arrow: ArrowPrimitiveType;
    /// Whether the dialect's number marks apply.
    const IS_NUMBER: bool = false;

    /// `None`: not a value of this type.
    fn parse(&self, text: &[u8]) -> Option<<Self::Arrow as ArrowPrimitiveType>::Native>;

    /// The same for texts of the usual forms, plain marks supposed, with as few branches as can be. `false` says
    /// nothing: [`parse`](Self::parse) has to be asked; the value is the default then, since a null holds the same bits
    /// always. An empty text is no value.
    fn parse_block<P: Processor>(
        &self,
        processor: P,
        text: Padded<'_>,
    ) -> (<Self::Arrow as ArrowPrimitiveType>::Native, bool);

    /// What [`parse_lanes`](Self::parse_lanes) takes.
    const FORM: lanes::Form;

    /// [`parse_block`](Self::parse_block) of many rows: the values, and which there are, one bit each. It may leave texts
    /// that `parse_block` knows.
    fn parse_lanes(
        &self,
        processor: WithAvx2,
        texts: &Texts,
        values: &mut [<Self::Arrow as ArrowPrimitiveType>::Native; ROWS],
    ) -> u64;
}

/// A column in the making.
pub(crate) struct PrimitiveColumn<K: Kernel> {
    kernel: K,
    values: Vec<<K::Arrow as ArrowPrimitiveType>::Native>,
    validity: Validity,
    data_type: DataType,
    /// Whether the texts before were as short as those that are parsed side by side.
    fits_lanes: bool,
    /// Null tokens among the nulls, since the column began.
    tokens: TokenCounts,
    /// A number without its marks.
    scratch: Vec<u8>,
}

impl<K: Kernel + 'static> PrimitiveColumn<K> {
    pub(crate) fn boxed(kernel: K, data_type: &DataType) -> Box<dyn ColumnBuilder> {
        Box::new(PrimitiveColumn {
            kernel,
            values: Vec::new(),
            validity: Validity::default(),
            data_type: data_type.clone(),
            fits_lanes: true,
            tokens: TokenCounts::default(),
            scratch: Vec::new(),
        })
    }
}

impl<K: Kernel> PrimitiveColumn<K> {
    /// The value of a field, `None` if it is null.
    fn value(
        &mut self,
        field: Field<'_>,
        rules: &FieldRules,
    ) -> Result<Option<<K::Arrow as ArrowPrimitiveType>::Native>, Unfit> {
        if rules.nulls.presence(field) != Presence::Value {
            return Ok(None);
        }
        let plain = !K::IS_NUMBER || rules.marks.is_plain();
        let text =
            if plain { Some(field.text) } else { rules.marks.canonical(field.text, &mut self.scratch) };
        match text.and_then(|text| self.kernel.parse(text)) {
            Some(value) => Ok(Some(value)),
            None => {
                self.tokens.count(rules.nulls.auto_token(field).ok_or(Unfit)?);
                Ok(None)
            }
        }
    }

    /// The value of a field that the kernel does not know at once.
    #[cold]
    #[inline(never)]
    fn unusual(
        &mut self,
        fields: Fields<'_>,
        row: usize,
        rules: &FieldRules,
    ) -> Result<Option<<K::Arrow as ArrowPrimitiveType>::Native>, usize> {
        let mut scratch = Vec::new();
        self.value(fields.field(row, &mut scratch), rules).map_err(|_| row)
    }
}

impl<K: Kernel> PushRows for PrimitiveColumn<K> {
    #[inline(always)]
    fn push_rows<P: Processor>(
        &mut self,
        processor: P,
        fields: Fields<'_>,
        rules: &FieldRules,
    ) -> Result<(), usize> {
        let rows = fields.len();
        if !rules.values_are_plain || (K::IS_NUMBER && !rules.marks.is_plain()) {
            let mut scratch = Vec::new();
            return (0..rows)
                .try_for_each(|row| self.push(fields.field(row, &mut scratch), rules).map_err(|_| row));
        }
        self.values.reserve(rows);
        let mut texts = Texts::new();
        let mut row = 0;
        while row < rows {
            let chunk = (rows - row).min(64);
            let first = self.values.len();
            let Chunk { mut valid, empty } = match processor.avx2() {
                Some(processor) if self.fits_lanes => {
                    self.push_lanes(processor, &mut texts, fields, row, chunk)
                }
                _ => self.push_each(processor, fields, row, chunk),
            };
            let mut left = full(chunk) & !(valid | empty);
            while left != 0 {
                let bit = left.trailing_zeros() as usize;
                if let Some(value) = self.unusual(fields, row + bit, rules)? {
                    self.values[first + bit] = value;
                    valid |= 1 << bit;
                }
                left &= left - 1;
            }
            self.validity.push_bits(valid, chunk);
            row += chunk;
        }
        Ok(())
    }
}

/// What was found in some rows, one bit each.
struct Chunk {
    /// Values.
    valid: u64,
    /// Fields without a byte.
    empty: u64,
}

impl<K: Kernel> PrimitiveColumn<K> {
    /// Appends the values of `chunk` fields from `row` on, at most 64, for which room is reserved; 0 for those that the
    /// kernel does not know at once.
    #[inline(always)]
    fn push_each<P: Processor>(
        &mut self,
        processor: P,
        fields: Fields<'_>,
        row: usize,
        chunk: usize,
    ) -> Chunk {
        let first = self.values.len();
        let (mut valid, mut empty, mut longest) = (0u64, 0u64, 0);
        // Without a branch for each field: which of them are null cannot be foreseen.
        for bit in 0..chunk {
            let raw = fields.raw(row + bit);
            let (value, is_value) = self.kernel.parse_block(processor, fields.inner(raw));
            debug_assert!(is_value || value == Default::default());
            debug_assert!(first + bit < self.values.capacity());
            // SAFETY: the caller has reserved room for each of these rows.
            unsafe { self.values.as_mut_ptr().add(first + bit).write(value) };
            valid |= u64::from(is_value) << bit;
            empty |= u64::from(raw.len() == 0) << bit;
            longest = longest.max(raw.len());
        }
        // SAFETY: the loop has written `chunk` values behind the last one.
        unsafe { self.values.set_len(first + chunk) };
        self.fits_lanes = longest <= K::FORM.bytes;
        Chunk { valid, empty }
    }

    /// The same, side by side.
    #[inline(always)]
    fn push_lanes(
        &mut self,
        processor: WithAvx2,
        texts: &mut Texts,
        fields: Fields<'_>,
        row: usize,
        chunk: usize,
    ) -> Chunk {
        texts.lay(K::FORM, fields, row, chunk);
        self.fits_lanes = texts.longest() <= K::FORM.bytes;
        let empty = texts.empty(processor);
        let mut values = [Default::default(); ROWS];
        let mut valid = self.kernel.parse_lanes(processor, texts, &mut values);
        let mut left = full(chunk) & !(valid | empty);
        while left != 0 {
            let bit = left.trailing_zeros() as usize;
            let (value, is_value) = self.kernel.parse_block(processor, fields.inner(fields.raw(row + bit)));
            values[bit] = value;
            valid |= u64::from(is_value) << bit;
            left &= left - 1;
        }
        self.values.extend_from_slice(&values[..chunk]);
        Chunk { valid, empty }
    }
}

impl<K: Kernel> ColumnBuilder for PrimitiveColumn<K> {
    fn push(&mut self, field: Field<'_>, rules: &FieldRules) -> Result<(), Unfit> {
        let value = self.value(field, rules)?;
        self.values.push(value.unwrap_or_default());
        self.validity.push(value.is_some());
        Ok(())
    }

    fn push_block(&mut self, fields: Fields<'_>, rules: &FieldRules) -> Result<(), usize> {
        push_rows(self, fields, rules)
    }

    fn push_values(&mut self, values: &Values, rows: Range<usize>) -> Result<(), usize> {
        let Values::Number(array) = values else {
            // Nulls are of any kind; other values are not those that were scanned.
            self.values.resize(self.values.len() + rows.len(), Default::default());
            (0..rows.len()).for_each(|_| self.validity.push(false));
            return if values.are_null(rows) { Ok(()) } else { Err(0) };
        };
        let array = array.slice(rows.start, rows.len());
        // Between units of time the zone stays: its name alone may differ.
        let target = match (&self.data_type, array.data_type()) {
            (DataType::Timestamp(unit, _), DataType::Timestamp(_, zone)) => {
                DataType::Timestamp(*unit, zone.clone())
            }
            (target, _) => target.clone(),
        };
        let options = CastOptions { safe: true, ..CastOptions::default() };
        let cast = cast_with_options(&array, &target, &options).map_err(|_| 0usize)?;
        // What does not fit becomes null, which it was not before.
        if cast.null_count() != array.null_count() {
            return Err((0..array.len()).find(|row| cast.is_null(*row) != array.is_null(*row)).unwrap_or(0));
        }
        let Some(cast) = cast.as_any().downcast_ref::<PrimitiveArray<K::Arrow>>() else { return Err(0) };
        match cast.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => {
                self.values.extend_from_slice(cast.values());
                push_all(&mut self.validity, cast.len());
            }
            Some(nulls) => {
                // A null holds the same bits always.
                self.values.extend(cast.iter().map(Option::unwrap_or_default));
                nulls.iter().for_each(|is_there| self.validity.push(is_there));
            }
        }
        Ok(())
    }

    fn values_growth(&self, _: &Values, rows: Range<usize>) -> usize {
        // What the values are cast to first is part of the step that they come in.
        vec_growth(&self.values, rows.len()) + self.validity.growth(rows.len())
    }

    fn growth(&self, fields: Fields<'_>) -> usize {
        vec_growth(&self.values, fields.len()) + self.validity.growth(fields.len())
    }

    fn growth_of_one(&self, bytes: usize) -> usize {
        let scratch = if self.scratch.capacity() < bytes { 2 * bytes } else { 0 };
        // A vector that is empty takes four elements or more at once.
        let first = if self.values.capacity() == 0 { 64 } else { 0 };
        vec_growth(&self.values, 1) + first + self.validity.growth(1) + scratch
    }

    fn heap_bytes(&self) -> usize {
        self.values.capacity() * size_of::<<K::Arrow as ArrowPrimitiveType>::Native>()
            + self.validity.heap_bytes()
            + self.scratch.capacity()
    }

    fn null_tokens(&self) -> Option<&TokenCounts> {
        Some(&self.tokens)
    }

    fn make_room(&mut self, rows: usize, _: usize, spare: Option<ArrayRef>) {
        let spare = spare.and_then(|array| values_of::<K::Arrow>(array, rows));
        self.values = spare.unwrap_or_else(|| Vec::with_capacity(rows));
        self.validity.make_room(rows);
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let values = ScalarBuffer::from(std::mem::take(&mut self.values));
        let array = PrimitiveArray::<K::Arrow>::try_new(values, self.validity.finish())?;
        Ok(Arc::new(array.with_data_type(self.data_type.clone())))
    }
}
