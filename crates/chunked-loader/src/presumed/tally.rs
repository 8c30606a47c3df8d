//! What a pass counts of a column while it makes its batches, for its facts at the end.

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use arrow::compute::{max, min};
use arrow::datatypes::{
    DataType, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};

use crate::nulls::TokenCounts;

/// Figures of one column, over batches in any order.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    pub(super) values: u64,
    pub(super) nulls: u64,
    pub(super) tokens: TokenCounts,
    pub(super) int_range: Option<(i128, i128)>,
    /// Whether all finite floats lie within float32's range.
    pub(super) fits_float32_range: bool,
    pub(super) text_bytes: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Tally {
            values: 0,
            nulls: 0,
            tokens: TokenCounts::default(),
            int_range: None,
            fits_float32_range: true,
            text_bytes: 0,
        }
    }
}

impl Tally {
    /// Counts a column of a batch.
    pub(super) fn take(&mut self, column: &ArrayRef) {
        let nulls = column.null_count();
        self.nulls += nulls as u64;
        self.values += (column.len() - nulls) as u64;
        match column.data_type() {
            DataType::Int8 => self.ints::<Int8Type>(column.as_primitive()),
            DataType::Int16 => self.ints::<Int16Type>(column.as_primitive()),
            DataType::Int32 => self.ints::<Int32Type>(column.as_primitive()),
            DataType::Int64 => self.ints::<Int64Type>(column.as_primitive()),
            DataType::UInt8 => self.ints::<UInt8Type>(column.as_primitive()),
            DataType::UInt16 => self.ints::<UInt16Type>(column.as_primitive()),
            DataType::UInt32 => self.ints::<UInt32Type>(column.as_primitive()),
            DataType::UInt64 => self.ints::<UInt64Type>(column.as_primitive()),
            DataType::Float64 if self.fits_float32_range => {
                // What is null is zero in memory.
                let values = column.as_primitive::<Float64Type>().values();
                let is_beyond = |value: &f64| value.is_finite() & (value.abs() > f64::from(f32::MAX));
                self.fits_float32_range = !values.iter().fold(false, |any, value| any | is_beyond(value));
            }
            DataType::Utf8 => {
                let offsets = column.as_string::<i32>().value_offsets();
                self.text_bytes += (offsets[offsets.len() - 1] - offsets[0]) as u64;
            }
            DataType::Dictionary(..) => {
                let dictionary = column.as_dictionary::<Int32Type>();
                let offsets = dictionary.values().as_string::<i32>().value_offsets();
                let length = |key: i32| (offsets[key as usize + 1] - offsets[key as usize]) as u64;
                let keys = dictionary.keys();
                // A null's key may be one that an empty dictionary has not.
                self.text_bytes += match keys.null_count() {
                    0 => keys.values().iter().map(|key| length(*key)).sum::<u64>(),
                    _ => keys.iter().flatten().map(length).sum(),
                };
            }
            _ => {}
        }
    }

    fn ints<T: ArrowPrimitiveType>(&mut self, column: &PrimitiveArray<T>)
    where
        T::Native: Into<i128>,
    {
        let range = min(column).zip(max(column));
        self.widen(range.map(|(least, greatest)| (least.into(), greatest.into())));
    }

    fn widen(&mut self, range: Option<(i128, i128)>) {
        self.int_range = match (self.int_range, range) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (range, None) | (None, range) => range,
        };
    }

    /// Adds what was counted elsewhere.
    pub(super) fn add(&mut self, other: &Tally) {
        self.values += other.values;
        self.nulls += other.nulls;
        self.tokens.add(&other.tokens);
        self.widen(other.int_range);
        self.fits_float32_range &= other.fits_float32_range;
        self.text_bytes += other.text_bytes;
    }
}
