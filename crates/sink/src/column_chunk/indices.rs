//! The indices of a page into its dictionary.

use super::bits::width_of;
use super::runs;

/// Bytes that the page takes before it is compressed, roughly: how many bits an index has is known at its end.
pub(super) fn bytes(indices: &[u32]) -> usize {
    indices.len() * 2
}

/// Bytes on the heap at the most, the same for the same indices.
pub(super) fn held_bytes(indices: &[u32]) -> usize {
    2 * size_of_val(indices)
}

/// Bytes on the heap.
pub(super) fn heap_bytes(indices: &Vec<u32>) -> usize {
    indices.capacity() * size_of::<u32>()
}

/// Appends the indices into a dictionary that has `values` of them so far.
pub(super) fn write(indices: &[u32], values: usize, out: &mut Vec<u8>) {
    let width = width_of(values.saturating_sub(1) as u64);
    out.push(width as u8);
    runs::write(indices, width, out);
}
