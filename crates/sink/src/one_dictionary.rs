//! Whether keys of two columns mean the same.

use arrow::array::Array;
use arrow::array::cast::AsArray;

/// Whether two columns have one dictionary, if any: the same values in memory, not only equal ones.
pub(crate) fn have_one_dictionary(a: &dyn Array, b: &dyn Array) -> bool {
    let both = a.as_any_dictionary_opt().zip(b.as_any_dictionary_opt());
    both.is_none_or(|(a, b)| a.values().to_data().ptr_eq(&b.values().to_data()))
}
