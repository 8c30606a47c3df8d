//! `true` and `false` in any case, and nothing else.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder};

use super::{ColumnBuilder, Unfit};
use crate::field_rules::FieldRules;
use crate::nulls::Presence;
use crate::record::Field;

/// The truth value that `text` writes.
#[inline]
pub(crate) fn parse(text: &[u8]) -> Option<bool> {
    if text.eq_ignore_ascii_case(b"true") {
        Some(true)
    } else if text.eq_ignore_ascii_case(b"false") {
        Some(false)
    } else {
        None
    }
}

/// Collects a column of bools, one bit each.
#[derive(Default)]
pub(crate) struct BooleanColumn {
    builder: BooleanBuilder,
}

impl ColumnBuilder for BooleanColumn {
    fn push(&mut self, field: Field<'_>, rules: &FieldRules) -> Result<(), Unfit> {
        if rules.nulls.presence(field) != Presence::Value {
            self.builder.append_null();
            return Ok(());
        }
        match parse(field.text) {
            Some(value) => self.builder.append_value(value),
            None if rules.nulls.auto_token(field).is_some() => self.builder.append_null(),
            None => return Err(Unfit),
        }
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        self.builder.capacity() / 8 + self.builder.validity_slice().map_or(0, <[u8]>::len)
    }

    fn make_room(&mut self, rows: usize, _: usize) {
        self.builder = BooleanBuilder::with_capacity(rows);
    }

    fn finish(&mut self) -> Result<ArrayRef, arrow::error::ArrowError> {
        Ok(Arc::new(self.builder.finish()))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_words_in_any_case() {
        assert_eq!(super::parse(b"tRuE"), Some(true));
        assert_eq!(super::parse(b"FALSE"), Some(false));
        for text in ["t", "yes", "1", "0", "", " true", "truee"] {
            assert_eq!(super::parse(text.as_bytes()), None);
        }
    }
}
