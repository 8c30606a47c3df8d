//! Columns whose values all have one width: one loop over a block, the same for every kernel.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow::buffer::ScalarBuffer;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;

use super::kernel::{Chunk, Kernel};
use super::validity::{Validity, push_all};
use super::{ColumnBuilder, PushRows, Unfit, push_rows, vec_growth};
use crate::block::Fields;
use crate::columnar::Values;
use crate::field_rules::FieldRules;
use crate::nulls::{Presence, TokenCounts};
use crate::processor::Processor;
use crate::record::Field;
use crate::spares::values_of;

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
        let mut chunk = Chunk::new(self.fits_lanes);
        let mut row = 0;
        while row < rows {
            chunk.parse(&self.kernel, processor, fields, row);
            let first = self.values.len();
            self.values.extend_from_slice(chunk.values());
            let (mut valid, mut left) = (chunk.valid(), chunk.left());
            while left != 0 {
                let bit = left.trailing_zeros() as usize;
                if let Some(value) = self.unusual(fields, row + bit, rules)? {
                    self.values[first + bit] = value;
                    valid |= 1 << bit;
                }
                left &= left - 1;
            }
            self.validity.push_bits(valid, chunk.values().len());
            row += chunk.values().len();
        }
        self.fits_lanes = chunk.fits_lanes();
        Ok(())
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
