//! Rows in memory of their own: batches belong to somebody else, who counts on getting their memory back.

use arrow::array::{Array, ArrayRef, MutableArrayData, make_array};
use arrow::error::ArrowError;

/// The same rows in memory of their own; the values of a dictionary stay shared.
///
/// # Errors
///
/// None but for texts of more bytes than their offsets can count, which a column cannot hold.
pub(crate) fn copied(rows: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let data = rows.to_data();
    let mut copy = MutableArrayData::new(vec![&data], false, rows.len());
    copy.try_extend(0, 0, rows.len())?;
    Ok(make_array(copy.freeze()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int32Array;

    use super::*;

    #[test]
    fn a_copy_holds_its_rows_alone() {
        let long: ArrayRef = Arc::new(Int32Array::from_iter_values(0..100_000));
        let copy = copied(&long.slice(500, 3)).unwrap();
        assert_eq!(copy.as_ref(), &Int32Array::from(vec![500, 501, 502]) as &dyn Array);
        assert!(copy.get_buffer_memory_size() < 1000, "{}", copy.get_buffer_memory_size());
    }
}
