//! Text, kept byte for byte.

use std::sync::Arc;

use arrow::array::{ArrayRef, NullBufferBuilder, StringArray};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::error::ArrowError;

use super::{ColumnBuilder, Unfit};
use crate::field_rules::FieldRules;
use crate::nulls::Presence;
use crate::record::Field;

/// Collects a column of text: 32-bit offsets into one buffer.
pub(crate) struct TextColumn {
    offsets: Vec<i32>,
    bytes: Vec<u8>,
    nulls: NullBufferBuilder,
    empty_is_null: bool,
}

impl TextColumn {
    /// `empty_is_null` for a column without a single value, which is no text column: there an empty quoted
    /// field is null as well.
    pub(crate) fn new(empty_is_null: bool) -> Self {
        TextColumn { offsets: vec![0], bytes: Vec::new(), nulls: NullBufferBuilder::new(0), empty_is_null }
    }
}

impl ColumnBuilder for TextColumn {
    fn push(&mut self, field: Field<'_>, rules: &FieldRules) -> Result<(), Unfit> {
        match rules.nulls.presence(field) {
            Presence::Null | Presence::Token(_) => self.nulls.append_null(),
            Presence::EmptyQuoted if self.empty_is_null => self.nulls.append_null(),
            Presence::EmptyQuoted | Presence::Value => {
                self.bytes.extend_from_slice(field.text);
                self.nulls.append_non_null();
            }
        }
        // 32-bit offsets end at 2 GiB of text in one batch. Automatic sizes stay far below it; exact rows of long
        // texts need not, and end the run here.
        self.offsets.push(i32::try_from(self.bytes.len()).map_err(|_| Unfit)?);
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        self.offsets.capacity() * size_of::<i32>() + self.bytes.capacity() + self.nulls.len() / 8
    }

    fn make_room(&mut self, rows: usize, _: usize) {
        self.offsets = Vec::with_capacity(rows + 1);
        self.offsets.push(0);
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let offsets = std::mem::replace(&mut self.offsets, vec![0]);
        let bytes = std::mem::take(&mut self.bytes);
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(Arc::new(StringArray::try_new(offsets, bytes.into(), self.nulls.finish())?))
    }
}
