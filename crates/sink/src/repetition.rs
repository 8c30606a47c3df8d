//! Whether the values of a column repeat so much that a dictionary of them pays.

use std::collections::HashSet;

use arrow::array::cast::AsArray;
use arrow::array::{Array, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{ArrowPrimitiveType, DataType, Float32Type, Float64Type, Int64Type};

/// Fewer values say nothing about those to come.
const LEAST_VALUES: usize = 64;

/// Each distinct value must stand this many times among the values seen.
const LEAST_REPEATS: usize = 8;

/// Integers whose differences are packed together, each in the bits of the widest.
const PACKED: usize = 32;

/// Whether a dictionary is worth its time for a column that begins with `values`: each value is looked up in a table,
/// which takes some ten times as long as to write it.
///
/// Floats have no other way to be short. Integers do, as packed differences, so that a dictionary has to take a
/// quarter off these.
pub(crate) fn pays(values: &dyn Array) -> bool {
    match values.data_type() {
        DataType::Float64 => {
            distinct(values.as_primitive::<Float64Type>().iter().flatten().map(f64::to_bits)).is_some()
        }
        DataType::Float32 => {
            distinct(values.as_primitive::<Float32Type>().iter().flatten().map(f32::to_bits)).is_some()
        }
        other if other.is_integer() || other.is_temporal() => {
            // What 64 bits with a sign cannot hold becomes null here, and is left out.
            let Ok(values) = cast(values, &DataType::Int64) else { return false };
            let values = present(values.as_primitive::<Int64Type>());
            let bits = distinct(values.iter()).map(|distinct| index_bits(distinct) * values.len() as u64);
            bits.is_some_and(|bits| 4 * bits < 3 * difference_bits(&values))
        }
        _ => false,
    }
}

fn present<T: ArrowPrimitiveType>(values: &PrimitiveArray<T>) -> Vec<T::Native> {
    values.iter().flatten().collect()
}

/// How many different values there are, if each stands there often.
fn distinct<T: std::hash::Hash + Eq>(values: impl Iterator<Item = T>) -> Option<usize> {
    let (mut different, mut count) = (HashSet::new(), 0);
    for value in values {
        different.insert(value);
        count += 1;
    }
    (count >= LEAST_VALUES && different.len() * LEAST_REPEATS <= count).then_some(different.len())
}

/// Bits of an index into a dictionary.
fn index_bits(distinct: usize) -> u64 {
    u64::from(distinct.saturating_sub(1).checked_ilog2().map_or(0, |log| log + 1))
}

/// Bits of all differences, packed as the format packs them.
fn difference_bits(values: &[i64]) -> u64 {
    let differences: Vec<i64> = values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    let packed = differences.chunks(PACKED).map(|packed| {
        let least = packed.iter().min().copied().unwrap_or(0);
        let widest = packed.iter().map(|difference| difference.wrapping_sub(least) as u64).max().unwrap_or(0);
        u64::from(u64::BITS - widest.leading_zeros()) * packed.len() as u64
    });
    packed.sum()
}

#[cfg(test)]
mod tests {
    use arrow::array::{Date32Array, Float64Array, Int16Array, StringArray, UInt64Array};

    use super::*;

    #[test]
    fn few_values_far_apart_pay() {
        let codes = Int16Array::from_iter((0..1000).map(|row| Some([200, 404, 500, 301][row * row % 4])));
        assert!(pays(&codes));
        let halves =
            Float64Array::from_iter((0..1000).map(|row| (row % 7 > 0).then_some(f64::from(row % 10) / 2.0)));
        assert!(pays(&halves));
        let dates = Date32Array::from_iter((0..1000).map(|row| Some((row * 7919 % 5) * 365)));
        assert!(pays(&dates));
    }

    #[test]
    fn what_is_short_as_differences_does_not() {
        assert!(!pays(&Int16Array::from_iter_values((0..1000).map(|row| row / 100))));
        assert!(!pays(&Int16Array::from_iter_values((0..1000).map(|row| row * 7 % 100))));
    }

    #[test]
    fn what_does_not_repeat_or_is_unknown_does_not() {
        assert!(!pays(&Float64Array::from_iter_values((0..1000).map(f64::from))));
        assert!(!pays(&Float64Array::from_iter_values([1.0; LEAST_VALUES - 1])));
        assert!(!pays(&Float64Array::new_null(1000)));
        assert!(!pays(&UInt64Array::from_iter_values((0..1000).map(|row| u64::MAX - row))));
        assert!(!pays(&StringArray::from(vec!["a"; 1000])));
    }

    #[test]
    fn bits_are_those_of_the_format() {
        assert_eq!([0, 1, 2, 3, 4, 5, 256, 257].map(index_bits), [0, 0, 1, 2, 2, 3, 8, 9]);
        assert_eq!(difference_bits(&[5]), 0);
        assert_eq!(difference_bits(&[1, 2, 3, 4]), 0);
        // Differences 1 and 4, of which the least is taken off both: two bits each.
        assert_eq!(difference_bits(&[0, 1, 5]), 4);
        assert_eq!(difference_bits(&[i64::MIN, i64::MAX, i64::MIN]), 4);
    }
}
