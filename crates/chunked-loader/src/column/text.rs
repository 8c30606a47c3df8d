//! Text, kept byte for byte.
#![allow(unsafe_code)] // Texts are copied 32 bytes at a time into reserved room, and not checked to be UTF-8 twice.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::error::ArrowError;

use super::validity::Validity;
use super::{ColumnBuilder, PushRows, Unfit, push_rows, vec_growth};
use crate::block::{Fields, Padded};
use crate::columnar::Values;
use crate::field_rules::FieldRules;
use crate::nulls::Presence;
use crate::processor::Processor;
use crate::record::Field;
use crate::spares::vec_of;

/// Bytes that are copied at a time. What a copy writes behind its text, the next one overwrites.
const STRIDE: usize = 32;

/// Collects a column of text: 32-bit offsets into one buffer.
///
/// Invariant: every text is part of a record that is UTF-8, cut at bytes of ASCII, and so is UTF-8; or it is a value of a
/// file of columns, which are UTF-8 each.
pub(crate) struct TextColumn {
    offsets: Vec<i32>,
    bytes: Vec<u8>,
    validity: Validity,
    empty_is_null: bool,
    /// A field without its quotes.
    scratch: Vec<u8>,
}

impl TextColumn {
    /// `empty_is_null` for a column without a single value, which is no text column: there an empty quoted
    /// field is null as well.
    pub(crate) fn new(empty_is_null: bool) -> Self {
        TextColumn {
            offsets: vec![0],
            bytes: Vec::new(),
            validity: Validity::default(),
            empty_is_null,
            scratch: Vec::new(),
        }
    }

    /// Appends the text of a field; whether it is there.
    fn append(&mut self, field: Field<'_>, rules: &FieldRules) -> bool {
        match rules.nulls.presence(field) {
            Presence::Null | Presence::Token(_) => false,
            Presence::EmptyQuoted if self.empty_is_null => false,
            Presence::EmptyQuoted | Presence::Value => {
                self.bytes.extend_from_slice(field.text);
                true
            }
        }
    }

    /// Ends the text that was appended last.
    ///
    /// 32-bit offsets end at 2 GiB of text in one batch. Automatic sizes stay far below it; exact rows of long
    /// texts need not, and end the run here.
    #[inline(always)]
    fn end(&mut self) -> Result<(), Unfit> {
        self.offsets.push(i32::try_from(self.bytes.len()).map_err(|_| Unfit)?);
        Ok(())
    }

    /// Appends a text that stands in a block, into room for it and for [`STRIDE`] bytes more.
    #[inline(always)]
    fn copy(&mut self, text: Padded<'_>) {
        let (from, len) = (text.bytes().as_ptr(), text.len());
        debug_assert!(self.bytes.capacity() - self.bytes.len() >= len + STRIDE);
        let mut copied = 0;
        // SAFETY: reads end at most STRIDE bytes behind the text, inside of the block's padding; writes end as far
        // behind the copy, inside of the room that `push_block` has reserved. What is counted in is copied.
        unsafe {
            let to = self.bytes.as_mut_ptr().add(self.bytes.len());
            loop {
                to.add(copied)
                    .cast::<[u8; STRIDE]>()
                    .write_unaligned(from.add(copied).cast::<[u8; STRIDE]>().read_unaligned());
                copied += STRIDE;
                if copied >= len {
                    break;
                }
            }
            self.bytes.set_len(self.bytes.len() + len);
        }
    }
}

impl PushRows for TextColumn {
    #[inline(always)]
    fn push_rows<P: Processor>(&mut self, _: P, fields: Fields<'_>, rules: &FieldRules) -> Result<(), usize> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let has_tokens = rules.nulls.has_listed_tokens();
        let rows = fields.len();
        self.bytes.reserve(fields.bytes() + STRIDE);
        self.offsets.reserve(rows);
        let mut row = 0;
        while row < rows {
            let chunk = (rows - row).min(64);
            let mut valid = 0u64;
            for bit in 0..chunk {
                let raw = fields.raw(row + bit);
                let is_there = if !(fields.is_quoted(raw) | has_tokens) {
                    self.copy(raw);
                    raw.len() > 0
                } else {
                    self.append(fields.field(row + bit, &mut scratch), rules)
                };
                self.end().map_err(|_| row + bit)?;
                valid |= u64::from(is_there) << bit;
            }
            self.validity.push_bits(valid, chunk);
            row += chunk;
        }
        self.scratch = scratch;
        Ok(())
    }
}

impl ColumnBuilder for TextColumn {
    fn push(&mut self, field: Field<'_>, rules: &FieldRules) -> Result<(), Unfit> {
        let is_there = self.append(field, rules);
        self.validity.push(is_there);
        self.end()
    }

    fn push_block(&mut self, fields: Fields<'_>, rules: &FieldRules) -> Result<(), usize> {
        push_rows(self, fields, rules)
    }

    fn push_values(&mut self, values: &Values, rows: Range<usize>) -> Result<(), usize> {
        let texts = match values {
            Values::Text(texts) => &texts[rows],
            // A column without a single value is one of nulls, whatever its type.
            _ => {
                let len = rows.len();
                if !values.are_null(rows) {
                    return Err(0);
                }
                return (0..len).try_for_each(|row| {
                    self.validity.push(false);
                    self.end().map_err(|_| row)
                });
            }
        };
        for (row, text) in texts.iter().enumerate() {
            // Texts are UTF-8, which was checked as they were read.
            if let Some(text) = text {
                self.bytes.extend_from_slice(text.data());
            }
            self.validity.push(text.is_some());
            self.end().map_err(|_| row)?;
        }
        Ok(())
    }

    fn values_growth(&self, values: &Values, rows: Range<usize>) -> usize {
        let len = rows.len();
        vec_growth(&self.bytes, values.text_bytes(rows))
            + vec_growth(&self.offsets, len)
            + self.validity.growth(len)
            + 64
    }

    fn growth(&self, fields: Fields<'_>) -> usize {
        vec_growth(&self.bytes, fields.bytes() + STRIDE)
            + vec_growth(&self.offsets, fields.len())
            + self.validity.growth(fields.len())
    }

    fn growth_of_one(&self, bytes: usize) -> usize {
        vec_growth(&self.bytes, bytes) + vec_growth(&self.offsets, 1) + self.validity.growth(1) + 64
    }

    fn text_bytes(&self) -> usize {
        self.bytes.len()
    }

    fn heap_bytes(&self) -> usize {
        self.offsets.capacity() * size_of::<i32>()
            + self.bytes.capacity()
            + self.validity.heap_bytes()
            + self.scratch.capacity()
    }

    fn make_room(&mut self, rows: usize, text_bytes: usize, spare: Option<ArrayRef>) {
        let room = if text_bytes > 0 { text_bytes + STRIDE } else { 0 };
        let spare = spare.and_then(|array| {
            let texts = array.as_any().downcast_ref::<StringArray>()?;
            let (offsets, bytes) = (texts.offsets().inner().inner().clone(), texts.values().clone());
            drop(array);
            Some((vec_of(offsets, rows + 1), vec_of(bytes, room)))
        });
        let (offsets, bytes) = spare.unwrap_or_default();
        self.offsets = offsets.unwrap_or_else(|| Vec::with_capacity(rows + 1));
        self.offsets.push(0);
        self.bytes = bytes.unwrap_or_else(|| Vec::with_capacity(room));
        self.validity.make_room(rows);
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let offsets = std::mem::replace(&mut self.offsets, vec![0]);
        let bytes = Buffer::from_vec(std::mem::take(&mut self.bytes));
        // Ascending, from 0 to the bytes' length.
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        debug_assert!(StringArray::try_new(offsets.clone(), bytes.clone(), None).is_ok());
        // SAFETY: each text is UTF-8 by the type's invariant; offsets ascend to the length of the bytes, as appended.
        Ok(Arc::new(unsafe { StringArray::new_unchecked(offsets, bytes, self.validity.finish()) }))
    }
}
