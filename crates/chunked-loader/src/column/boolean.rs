//! `true` and `false` in any case, and nothing else.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, BooleanBufferBuilder};
use arrow::error::ArrowError;

use super::validity::Validity;
use super::{ColumnBuilder, PushRows, Unfit, push_rows};
use crate::block::{Fields, Padded};
use crate::columnar::Values;
use crate::field_rules::FieldRules;
use crate::nulls::{Presence, TokenCounts};
use crate::processor::Processor;
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

/// The same as two bools: the value, and whether it is one.
#[inline(always)]
pub(crate) fn parse_word(text: Padded<'_>) -> (bool, bool) {
    const TRUE: u64 = u64::from_le_bytes(*b"true\0\0\0\0");
    const FALSE: u64 = u64::from_le_bytes(*b"false\0\0\0");
    // Of two bytes that differ in this bit alone, one is the other's small letter, if either is a letter.
    let word = text.word::<0>() | 0x2020_2020_2020_2020;
    let is_true = (text.len() == 4) & (word & 0xffff_ffff == TRUE);
    let is_false = (text.len() == 5) & (word & 0xff_ffff_ffff == FALSE);
    (is_true, is_true | is_false)
}

/// Collects a column of bools, one bit each.
pub(crate) struct BooleanColumn {
    values: BooleanBufferBuilder,
    validity: Validity,
    /// Null tokens among the nulls, since the column began.
    tokens: TokenCounts,
}

impl Default for BooleanColumn {
    fn default() -> Self {
        BooleanColumn {
            values: BooleanBufferBuilder::new(0),
            validity: Validity::default(),
            tokens: TokenCounts::default(),
        }
    }
}

impl BooleanColumn {
    /// The value of a field, `None` if it is null.
    fn value(&mut self, field: Field<'_>, rules: &FieldRules) -> Result<Option<bool>, Unfit> {
        if rules.nulls.presence(field) != Presence::Value {
            return Ok(None);
        }
        match parse(field.text) {
            Some(value) => Ok(Some(value)),
            None => {
                self.tokens.count(rules.nulls.auto_token(field).ok_or(Unfit)?);
                Ok(None)
            }
        }
    }

    fn bits_growth(&self, rows: usize) -> usize {
        let needed = self.values.len() + rows;
        if needed <= self.values.capacity() { 0 } else { needed.max(2 * self.values.capacity()) / 8 + 64 }
    }
}

impl PushRows for BooleanColumn {
    #[inline(always)]
    fn push_rows<P: Processor>(&mut self, _: P, fields: Fields<'_>, rules: &FieldRules) -> Result<(), usize> {
        let rows = fields.len();
        let mut scratch = Vec::new();
        let mut row = 0;
        while row < rows {
            let chunk = (rows - row).min(64);
            let (mut bits, mut valid) = (0u64, 0u64);
            for bit in 0..chunk {
                let raw = fields.raw(row + bit);
                let (mut value, mut is_value) = parse_word(fields.inner(raw));
                if !(is_value & rules.values_are_plain) & (raw.len() > 0) {
                    let unusual = self.value(fields.field(row + bit, &mut scratch), rules);
                    let unusual = unusual.map_err(|_| row + bit)?;
                    is_value = unusual.is_some();
                    value = unusual.unwrap_or_default();
                }
                bits |= u64::from(value & is_value) << bit;
                valid |= u64::from(is_value) << bit;
            }
            self.values.append_packed_range(0..chunk, &bits.to_le_bytes());
            self.validity.push_bits(valid, chunk);
            row += chunk;
        }
        Ok(())
    }
}

impl ColumnBuilder for BooleanColumn {
    fn push(&mut self, field: Field<'_>, rules: &FieldRules) -> Result<(), Unfit> {
        let value = self.value(field, rules)?;
        self.values.append(value.unwrap_or_default());
        self.validity.push(value.is_some());
        Ok(())
    }

    fn push_block(&mut self, fields: Fields<'_>, rules: &FieldRules) -> Result<(), usize> {
        push_rows(self, fields, rules)
    }

    fn push_values(&mut self, values: &Values, rows: Range<usize>) -> Result<(), usize> {
        for row in rows {
            let value = match values {
                Values::Bool(array) => array.is_valid(row).then(|| array.value(row)),
                nulls if nulls.are_null(row..row + 1) => None,
                _ => return Err(0),
            };
            self.values.append(value.unwrap_or_default());
            self.validity.push(value.is_some());
        }
        Ok(())
    }

    fn values_growth(&self, _: &Values, rows: Range<usize>) -> usize {
        self.bits_growth(rows.len()) + self.validity.growth(rows.len())
    }

    fn growth(&self, fields: Fields<'_>) -> usize {
        self.bits_growth(fields.len()) + self.validity.growth(fields.len())
    }

    fn growth_of_one(&self, _: usize) -> usize {
        self.bits_growth(1) + self.validity.growth(1)
    }

    fn heap_bytes(&self) -> usize {
        self.values.capacity() / 8 + self.validity.heap_bytes()
    }

    fn null_tokens(&self) -> Option<&TokenCounts> {
        Some(&self.tokens)
    }

    fn make_room(&mut self, rows: usize, _: usize, _: Option<ArrayRef>) {
        self.values = BooleanBufferBuilder::new(rows);
        self.validity.make_room(rows);
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let values = std::mem::replace(&mut self.values, BooleanBufferBuilder::new(0)).finish();
        Ok(Arc::new(BooleanArray::new(values, self.validity.finish())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::PADDING;

    #[test]
    fn two_words_in_any_case() {
        assert_eq!(parse(b"tRuE"), Some(true));
        assert_eq!(parse(b"FALSE"), Some(false));
        for text in ["t", "yes", "1", "0", "", " true", "truee"] {
            assert_eq!(parse(text.as_bytes()), None);
        }
    }

    #[test]
    fn a_word_is_what_its_letters_are() {
        for text in [
            "true",
            "TRUE",
            "tRuE",
            "false",
            "FALSE",
            "truE ",
            "tru",
            "falsey",
            "TruE\0",
            "\u{14}rue",
            "",
            "fals",
        ] {
            for behind in [b',', 0, b'e'] {
                let mut padded = text.as_bytes().to_vec();
                padded.resize(text.len() + PADDING, behind);
                let (value, is_value) = parse_word(Padded::of_test(&padded, text.len()));
                assert_eq!(is_value.then_some(value), parse(text.as_bytes()), "{text:?}");
            }
        }
    }
}
