//! Filters that tell which values a column's part in a row group surely does not have.

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, PrimitiveArray, downcast_integer_array};
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use arrow::error::ArrowError;
use parquet::bloom_filter::Sbbf;
use parquet::data_type::AsBytes;

/// A filter that holds few values is made shorter at the end, as long as no more of the values that it does not hold pass.
const MOST_FALSE: f64 = 0.01;

/// Most and least bytes of a filter.
const MOST_BYTES: u64 = 1 << 20;
const LEAST_BYTES: u64 = 1 << 10;

/// Whether a column of this type can have one. Floats have not: 0 and -0 are equal and differ in their bytes.
pub(crate) fn is_supported(data_type: &DataType) -> bool {
    match data_type {
        DataType::Date32 | DataType::Timestamp(..) | DataType::Utf8 | DataType::LargeUtf8 => true,
        DataType::Dictionary(_, values) => **values == DataType::Utf8,
        other => other.is_integer(),
    }
}

/// Bytes of a filter of a column that may gather so many bytes.
pub(crate) fn filter_bytes(share: u64) -> usize {
    // A power of two, which it is made to be.
    let bytes = (share / 4).clamp(LEAST_BYTES, MOST_BYTES);
    1 << bytes.ilog2()
}

/// A filter in progress.
pub(crate) struct BloomFilter {
    filter: Sbbf,
    bytes: usize,
}

impl BloomFilter {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { filter: Sbbf::new_with_num_of_bytes(bytes), bytes }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.bytes
    }

    /// Takes the values of rows, as they are stored.
    ///
    /// # Errors
    ///
    /// None but for texts of more bytes than their offsets can count.
    ///
    /// # Panics
    ///
    /// If the type is not [supported](is_supported).
    #[allow(clippy::unnecessary_cast, reason = "integers of all widths share an arm")]
    pub(crate) fn insert(&mut self, rows: &ArrayRef) -> Result<(), ArrowError> {
        match rows.data_type() {
            DataType::Date32 => self.numbers(rows.as_primitive::<Date32Type>(), |day| day),
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                self.numbers(rows.as_primitive::<TimestampMillisecondType>(), |count| count);
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                self.numbers(rows.as_primitive::<TimestampMicrosecondType>(), |count| count);
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                self.numbers(rows.as_primitive::<TimestampNanosecondType>(), |count| count);
            }
            DataType::Utf8 => {
                rows.as_string::<i32>().iter().flatten().for_each(|text| self.filter.insert(text));
            }
            DataType::LargeUtf8 => {
                rows.as_string::<i64>().iter().flatten().for_each(|text| self.filter.insert(text));
            }
            DataType::Dictionary(..) => {
                let values = rows.as_any_dictionary().values().data_type().clone();
                self.insert(&cast(rows, &values)?)?;
            }
            // Parquet has integers of 32 and of 64 bits.
            DataType::Int64 | DataType::UInt64 => {
                downcast_integer_array! {
                    rows => self.numbers(rows, |number| number as i64),
                    other => unreachable!("{other} is no integer"),
                }
            }
            _ => {
                downcast_integer_array! {
                    rows => self.numbers(rows, |number| number as i32),
                    other => unreachable!("columns of type {other} have no filter"),
                }
            }
        }
        Ok(())
    }

    fn numbers<T: ArrowPrimitiveType, S: AsBytes>(
        &mut self,
        rows: &PrimitiveArray<T>,
        stored: impl Fn(T::Native) -> S,
    ) {
        rows.iter().flatten().for_each(|number| self.filter.insert(&stored(number)));
    }

    pub(crate) fn finish(mut self) -> Sbbf {
        self.filter.fold_to_target_fpp(MOST_FALSE);
        self.filter
    }
}
