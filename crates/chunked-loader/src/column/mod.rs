//! Fields in, arrays out: one small file for each kind of column, behind one private trait.
//!
//! The same parser decides in the scan what a column is and converts its values afterwards, so the scan
//! can never accept what conversion refuses.
#![allow(unsafe_code)] // One call of code for some processors, which the caller has checked for.

pub(crate) mod boolean;
pub(crate) mod decimal;
mod dictionary;
mod digits;
pub(crate) mod float;
mod growing_dictionary;
pub(crate) mod int;
pub(crate) mod iso;
pub(crate) mod kernel;
mod lanes;
mod primitive;
pub(crate) mod short_text;
pub(crate) mod temporal;
mod text;
pub(crate) mod validity;

use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{
    DataType, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};

use crate::block::Fields;
use crate::columnar::Values;
use crate::field_rules::FieldRules;
use crate::nulls::TokenCounts;
use crate::processor::{AnyProcessor, Processor, WithAvx2};
use crate::record::Field;
use crate::types::{Kind, Zone};
pub(crate) use dictionary::DictionaryKeys;
pub(crate) use growing_dictionary::GrowingDictionary;
use primitive::PrimitiveColumn;

/// A value that the column's type cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unfit;

/// Collects one column of a batch.
pub(crate) trait ColumnBuilder: Send {
    /// Takes the next record's field.
    fn push(&mut self, field: Field<'_>, rules: &FieldRules) -> Result<(), Unfit>;

    /// Takes one field of each record of a block; on a value that the type cannot hold, the index of its record.
    fn push_block(&mut self, fields: Fields<'_>, rules: &FieldRules) -> Result<(), usize>;

    /// Takes rows of values that are of the column's kind: numbers of any width that the scan has seen.
    ///
    /// # Errors
    /// The row, counted from the first of these, of a value that the type cannot hold.
    fn push_values(&mut self, values: &Values, rows: Range<usize>) -> Result<(), usize>;

    /// Bytes that `push_values` may newly allocate at the most, beside what the values are converted in.
    fn values_growth(&self, values: &Values, rows: Range<usize>) -> usize;

    /// Bytes that `push_block` may newly allocate at the most.
    fn growth(&self, fields: Fields<'_>) -> usize;

    /// Bytes that `push` of a field of `bytes` bytes may newly allocate at the most.
    fn growth_of_one(&self, bytes: usize) -> usize;

    /// Bytes of text in the batch in progress; 0 in columns that hold none.
    fn text_bytes(&self) -> usize {
        0
    }

    /// Bytes allocated for the batch in progress, by capacity.
    fn heap_bytes(&self) -> usize;

    /// Null tokens that nobody listed, met since the column began; `None` in columns where such are texts.
    fn null_tokens(&self) -> Option<&TokenCounts> {
        None
    }

    /// Makes room for `rows` rows, and in a text column for `text_bytes` bytes, in place of what an empty builder has.
    /// `spare` is an array of the same type that is done with, whose buffers are taken if they suit.
    fn make_room(&mut self, rows: usize, text_bytes: usize, spare: Option<ArrayRef>);

    /// Gives the array and begins the next, with no room.
    fn finish(&mut self) -> Result<ArrayRef, arrow::error::ArrowError>;
}

/// The loop of [`ColumnBuilder::push_block`]. Implementations are always inlined, so that each is compiled for the
/// processor that it is called for.
trait PushRows {
    fn push_rows<P: Processor>(
        &mut self,
        processor: P,
        fields: Fields<'_>,
        rules: &FieldRules,
    ) -> Result<(), usize>;
}

/// Runs the loop as this processor does best.
fn push_rows<C: PushRows>(column: &mut C, fields: Fields<'_>, rules: &FieldRules) -> Result<(), usize> {
    if let Some(processor) = fields.avx2() {
        // SAFETY: a `WithAvx2` shows that the processor has all of these features.
        return unsafe { push_rows_avx2(processor, column, fields, rules) };
    }
    column.push_rows(AnyProcessor, fields, rules)
}

/// # Safety
/// Needs the features of a [`WithAvx2`].
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt"))]
unsafe fn push_rows_avx2<C: PushRows>(
    processor: WithAvx2,
    column: &mut C,
    fields: Fields<'_>,
    rules: &FieldRules,
) -> Result<(), usize> {
    column.push_rows(processor, fields, rules)
}

/// Bytes that a vector may newly allocate at the most for `more` elements more: all of it anew, beside what it has
/// until that is copied.
pub(crate) fn vec_growth<T>(vec: &Vec<T>, more: usize) -> usize {
    let needed = vec.len() + more;
    if needed <= vec.capacity() { 0 } else { needed.max(2 * vec.capacity()) * size_of::<T>() }
}

/// The builder of a column of `data_type`, whose values are of `kind`. `keys` are those of a dictionary column.
///
/// # Panics
/// If the type is none that a scan resolves to, or a dictionary comes without its values.
pub(crate) fn builder(
    data_type: &DataType,
    kind: Kind,
    keys: Option<&Arc<DictionaryKeys>>,
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
            let keys = Arc::clone(keys.expect("a dictionary column has the keys of what its scan found"));
            match key.as_ref() {
                DataType::Int8 => Box::new(dictionary::DictionaryColumn::<Int8Type>::new(keys)),
                DataType::Int16 => Box::new(dictionary::DictionaryColumn::<Int16Type>::new(keys)),
                _ => Box::new(dictionary::DictionaryColumn::<Int32Type>::new(keys)),
            }
        }
        other => panic!("no scan resolves to {other}"),
    }
}

/// What is presumed of a column beside its type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Presumed {
    /// Takes the texts of a dictionary column as they come up.
    pub(crate) growing: Option<Arc<GrowingDictionary>>,
    /// Whether float32 may round; else it is the type only as long as it holds every value exactly.
    pub(crate) may_round: bool,
}

/// As [`builder`], for a column of which no scan has told the values: what its type is not known to hold, it refuses.
///
/// # Panics
/// As [`builder`].
pub(crate) fn presumed_builder(
    data_type: &DataType,
    kind: Kind,
    presumed: &Presumed,
) -> Box<dyn ColumnBuilder> {
    match (data_type, &presumed.growing) {
        (DataType::Dictionary(..), Some(growing)) => {
            Box::new(dictionary::DictionaryColumn::<Int32Type>::growing(growing))
        }
        (DataType::Float32, _) if !presumed.may_round => {
            PrimitiveColumn::boxed(float::ExactFloat32Kernel, data_type)
        }
        _ => builder(data_type, kind, None),
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
