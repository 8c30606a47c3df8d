//! Fields in, arrays out: one small file for each kind of column, behind one private trait.
//!
//! The same parser decides in the scan what a column is and converts its values afterwards, so the scan
//! can never accept what conversion refuses.

pub(crate) mod boolean;
pub(crate) mod dictionary;
pub(crate) mod float;
pub(crate) mod int;
pub(crate) mod temporal;
mod text;

use std::sync::Arc;

use arrow::array::{ArrayRef, PrimitiveBuilder, StringArray};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use crate::block::Fields;
use crate::field_rules::FieldRules;
use crate::nulls::Presence;
use crate::record::Field;
use crate::types::{Kind, Zone};

/// A value that the column's type cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unfit;

/// Collects one column of a batch.
pub(crate) trait ColumnBuilder: Send {
    /// Takes the next record's field.
    fn push(&mut self, field: Field<'_>, rules: &FieldRules) -> Result<(), Unfit>;

    /// Takes one field of each record of a block; on a value that the type cannot hold, the index of its record.
    fn push_block(&mut self, fields: Fields<'_>, rules: &FieldRules) -> Result<(), usize> {
        let mut scratch = Vec::new();
        (0..fields.len())
            .try_for_each(|row| self.push(fields.field(row, &mut scratch), rules).map_err(|_| row))
    }

    /// Bytes that `push_block` may newly allocate at the most.
    fn growth(&self, fields: Fields<'_>) -> usize {
        fields.len() * 16
    }

    /// Bytes that `push` of a field of `bytes` bytes may newly allocate at the most.
    fn growth_of_one(&self, bytes: usize) -> usize {
        bytes
    }

    /// Bytes of text in the batch in progress; 0 in columns that hold none.
    fn text_bytes(&self) -> usize {
        0
    }

    /// Bytes allocated for the batch in progress, by capacity.
    fn heap_bytes(&self) -> usize;

    /// Makes room for `rows` rows, and in a text column for `text_bytes` bytes, in place of what an empty builder has.
    fn make_room(&mut self, rows: usize, text_bytes: usize);

    /// Gives the array and begins the next, with no room.
    fn finish(&mut self) -> Result<ArrayRef, arrow::error::ArrowError>;
}

/// Turns a text into a value of one Arrow type.
pub(crate) trait Kernel: Send {
    type Arrow: ArrowPrimitiveType;
    /// Whether the dialect's number marks apply.
    const IS_NUMBER: bool = false;

    /// `None`: not a value of this type.
    fn parse(&self, text: &[u8]) -> Option<<Self::Arrow as ArrowPrimitiveType>::Native>;
}

/// A column whose values all have one width.
struct PrimitiveColumn<K: Kernel> {
    kernel: K,
    builder: PrimitiveBuilder<K::Arrow>,
    data_type: DataType,
    /// A number without its marks.
    scratch: Vec<u8>,
}

impl<K: Kernel + 'static> PrimitiveColumn<K> {
    fn boxed(kernel: K, data_type: &DataType) -> Box<dyn ColumnBuilder> {
        let builder = PrimitiveBuilder::with_capacity(0).with_data_type(data_type.clone());
        Box::new(PrimitiveColumn { kernel, builder, data_type: data_type.clone(), scratch: Vec::new() })
    }
}

impl<K: Kernel> ColumnBuilder for PrimitiveColumn<K> {
    #[inline]
    fn push(&mut self, field: Field<'_>, rules: &FieldRules) -> Result<(), Unfit> {
        if rules.nulls.presence(field) != Presence::Value {
            self.builder.append_null();
            return Ok(());
        }
        let plain = !K::IS_NUMBER || rules.marks.is_plain();
        let text =
            if plain { Some(field.text) } else { rules.marks.canonical(field.text, &mut self.scratch) };
        match text.and_then(|text| self.kernel.parse(text)) {
            Some(value) => self.builder.append_value(value),
            None if rules.nulls.auto_token(field).is_some() => self.builder.append_null(),
            None => return Err(Unfit),
        }
        Ok(())
    }

    fn heap_bytes(&self) -> usize {
        self.builder.capacity() * size_of::<<K::Arrow as ArrowPrimitiveType>::Native>()
            + self.builder.validity_slice().map_or(0, <[u8]>::len)
            + self.scratch.capacity()
    }

    fn make_room(&mut self, rows: usize, _: usize) {
        self.builder = PrimitiveBuilder::with_capacity(rows).with_data_type(self.data_type.clone());
    }

    fn finish(&mut self) -> Result<ArrayRef, arrow::error::ArrowError> {
        Ok(Arc::new(self.builder.finish()))
    }
}

/// The builder of a column of `data_type`, whose values are of `kind`. `values` are the sorted values of a dictionary column.
///
/// # Panics
/// If the type is none that a scan resolves to, or a dictionary comes without its values.
pub(crate) fn builder(
    data_type: &DataType,
    kind: Kind,
    values: Option<&Arc<StringArray>>,
) -> Box<dyn ColumnBuilder> {
    let t = data_type;
    match t {
        DataType::Boolean => Box::new(boolean::BooleanColumn::default()),
        DataType::Int8 => PrimitiveColumn::boxed(int::IntKernel::<Int8Type>::new(), t),
        DataType::Int16 => PrimitiveColumn::boxed(int::IntKernel::<Int16Type>::new(), t),
        DataType::Int32 => PrimitiveColumn::boxed(int::IntKernel::<Int32Type>::new(), t),
        DataType::Int64 => PrimitiveColumn::boxed(int::IntKernel::<Int64Type>::new(), t),
        DataType::UInt8 => PrimitiveColumn::boxed(int::IntKernel::<UInt8Type>::new(), t),
        DataType::UInt16 => PrimitiveColumn::boxed(int::IntKernel::<UInt16Type>::new(), t),
        DataType::UInt32 => PrimitiveColumn::boxed(int::IntKernel::<UInt32Type>::new(), t),
        DataType::UInt64 => PrimitiveColumn::boxed(int::IntKernel::<UInt64Type>::new(), t),
        DataType::Float32 => PrimitiveColumn::boxed(float::Float32Kernel, t),
        DataType::Float64 => PrimitiveColumn::boxed(float::Float64Kernel, t),
        DataType::Date32 => PrimitiveColumn::boxed(temporal::DateKernel, t),
        DataType::Timestamp(unit, zone) => {
            let zone = zone.as_deref().map_or(Zone::Naive, |name| Zone::Offset(offset_of(name)));
            match unit {
                TimeUnit::Second => {
                    PrimitiveColumn::boxed(temporal::TimestampKernel::<TimestampSecondType>::new(zone), t)
                }
                TimeUnit::Millisecond => PrimitiveColumn::boxed(
                    temporal::TimestampKernel::<TimestampMillisecondType>::new(zone),
                    t,
                ),
                TimeUnit::Microsecond => PrimitiveColumn::boxed(
                    temporal::TimestampKernel::<TimestampMicrosecondType>::new(zone),
                    t,
                ),
                TimeUnit::Nanosecond => {
                    PrimitiveColumn::boxed(temporal::TimestampKernel::<TimestampNanosecondType>::new(zone), t)
                }
            }
        }
        DataType::Utf8 => Box::new(text::TextColumn::new(kind == Kind::Null)),
        DataType::Dictionary(key, _) => {
            let values = Arc::clone(values.expect("a dictionary column has the values that its scan found"));
            match key.as_ref() {
                DataType::Int8 => Box::new(dictionary::DictionaryColumn::<Int8Type>::new(values)),
                DataType::Int16 => Box::new(dictionary::DictionaryColumn::<Int16Type>::new(values)),
                _ => Box::new(dictionary::DictionaryColumn::<Int32Type>::new(values)),
            }
        }
        other => panic!("no scan resolves to {other}"),
    }
}

/// Minutes east of UTC of a zone as [`Zone::arrow_name`] writes it.
fn offset_of(name: &str) -> i16 {
    if name == "UTC" {
        return 0;
    }
    let digits = |range| name.get(range).and_then(|d: &str| d.parse::<i16>().ok()).unwrap_or(0);
    let minutes = digits(1..3) * 60 + digits(4..6);
    if name.starts_with('-') { -minutes } else { minutes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zone_names_are_read_back() {
        for minutes in [0, 1, -1, 60, 120, -330, 23 * 60 + 59] {
            let name = Zone::Offset(minutes).arrow_name().unwrap();
            assert_eq!(offset_of(&name), minutes, "{name}");
        }
    }
}
