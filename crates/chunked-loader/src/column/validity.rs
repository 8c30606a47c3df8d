//! Which values of a column are there, one bit each, kept only from the first null on.

use arrow::array::BooleanBufferBuilder;
use arrow::buffer::NullBuffer;

/// The bits of a column in the making.
#[derive(Default)]
pub(crate) struct Validity {
    len: usize,
    /// Rows that room is made for once there is a null.
    room: usize,
    bits: Option<BooleanBufferBuilder>,
}

impl Validity {
    /// Appends the lowest `len` bits, at most 64, the first value's lowest.
    #[inline(always)]
    pub(crate) fn push_bits(&mut self, bits: u64, len: usize) {
        debug_assert!(len <= 64 && (len == 64 || bits >> len == 0));
        if self.bits.is_none() && bits == full(len) {
            self.len += len;
            return;
        }
        self.append(bits, len);
    }

    #[cold]
    fn begin(&mut self) -> &mut BooleanBufferBuilder {
        let mut bits = BooleanBufferBuilder::new(self.room.max(self.len + 64));
        bits.append_n(self.len, true);
        self.bits.insert(bits)
    }

    fn append(&mut self, bits: u64, len: usize) {
        if self.bits.is_none() {
            self.begin();
        }
        if let Some(all) = &mut self.bits {
            all.append_packed_range(0..len, &bits.to_le_bytes());
        }
        self.len += len;
    }

    /// Appends one bit.
    #[inline]
    pub(crate) fn push(&mut self, is_valid: bool) {
        self.push_bits(u64::from(is_valid), 1);
    }

    /// Bytes allocated.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.bits.as_ref().map_or(0, |bits| bits.capacity() / 8)
    }

    /// Bytes that `rows` values more may newly allocate at the most.
    pub(crate) fn growth(&self, rows: usize) -> usize {
        let all = self.room.max(self.len + rows + 64).div_ceil(8).next_multiple_of(64);
        // A buffer that doubles is there twice until it is copied.
        if self.heap_bytes() >= (self.len + rows).div_ceil(8) { 0 } else { 2 * all }
    }

    /// Makes room for `rows` values, in place of what an empty one has.
    pub(crate) fn make_room(&mut self, rows: usize) {
        *self = Validity { len: 0, room: rows, bits: None };
    }

    /// The bits, if any of them says null; an empty one is left.
    pub(crate) fn finish(&mut self) -> Option<NullBuffer> {
        let Validity { bits, .. } = std::mem::take(self);
        Some(NullBuffer::new(bits?.finish()))
    }
}

/// Appends so many values that are there.
pub(crate) fn push_all(validity: &mut Validity, values: usize) {
    (0..values / 64).for_each(|_| validity.push_bits(u64::MAX, 64));
    if !values.is_multiple_of(64) {
        validity.push_bits(full(values % 64), values % 64);
    }
}

/// The lowest `len` bits.
#[inline(always)]
pub(crate) fn full(len: usize) -> u64 {
    if len >= 64 { u64::MAX } else { (1 << len) - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_begin_with_the_first_null() {
        let mut validity = Validity::default();
        validity.make_room(200);
        validity.push_bits(u64::MAX, 64);
        validity.push_bits(full(6), 6);
        assert_eq!(validity.heap_bytes(), 0);
        validity.push(false);
        validity.push_bits(0b101, 3);
        let nulls = validity.finish().unwrap();
        assert_eq!((nulls.len(), nulls.null_count()), (74, 2));
        assert!(nulls.is_null(70) && nulls.is_valid(71) && nulls.is_null(72) && nulls.is_valid(73));
        validity.push_bits(full(64), 64);
        assert!(validity.finish().is_none());
    }
}
