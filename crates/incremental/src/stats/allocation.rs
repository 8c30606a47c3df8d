//! What allocations come to.

/// Bytes that a heap allocation of `length` takes: the usual allocators of 64-bit systems give out
/// multiples of 16, of which they keep 8, and never less than 32.
pub(crate) fn allocated(length: usize) -> usize {
    if length == 0 { 0 } else { (length + 8).next_multiple_of(16).max(32) }
}

/// Bytes of a hash table of the standard library: a power of two of buckets, at most 7 of 8 in use,
/// with one control byte each and a last group of 16.
pub(super) fn table_bytes<Entry>(capacity: usize) -> usize {
    if capacity == 0 {
        return 0;
    }
    let buckets = (capacity * 8 / 7).next_power_of_two();
    buckets * (size_of::<Entry>() + 1) + 16
}
