//! Whole numbers as packed differences: DELTA_BINARY_PACKED.
//!
//! 128 differences make a block, in four parts of 32. A block holds the least difference, and each part what its
//! differences exceed it by, in as many bits as the largest needs. All arithmetic wraps at the column's own width, 32
//! or 64 bits, so that any values can be written.

use super::bits::{LANE, pack_lane, width_of, write_varint, zigzag};
use super::values::hand_out;

const BLOCK: usize = 128;
const PARTS: usize = BLOCK / PART;
const PART: usize = LANE;

/// A whole number of the format: 32 or 64 bits.
pub(super) trait Whole: Copy + Ord {
    /// 0.
    const ZERO: Self;
    fn minus(self, other: Self) -> Self;
    /// The same bits as an unsigned number of this width.
    fn unsigned(self) -> u64;
    fn wide(self) -> i64;
}

impl Whole for i32 {
    const ZERO: i32 = 0;

    fn minus(self, other: i32) -> i32 {
        self.wrapping_sub(other)
    }

    fn unsigned(self) -> u64 {
        u64::from(self as u32)
    }

    fn wide(self) -> i64 {
        i64::from(self)
    }
}

impl Whole for i64 {
    const ZERO: i64 = 0;

    fn minus(self, other: i64) -> i64 {
        self.wrapping_sub(other)
    }

    fn unsigned(self) -> u64 {
        self as u64
    }

    fn wide(self) -> i64 {
        self
    }
}

/// The numbers of a page, packed as they come.
#[derive(Debug)]
pub(super) struct Differences<T> {
    count: usize,
    first: T,
    last: T,
    /// Those that do not fill a block yet.
    waiting: Vec<T>,
    packed: Vec<u8>,
}

impl<T: Whole> Default for Differences<T> {
    fn default() -> Self {
        Self { count: 0, first: T::ZERO, last: T::ZERO, waiting: Vec::new(), packed: Vec::new() }
    }
}

impl<T: Whole> Differences<T> {
    pub(super) fn push(&mut self, values: &[T]) {
        let mut values = values;
        if self.count == 0
            && let [first, rest @ ..] = values
        {
            (self.first, self.last, self.count) = (*first, *first, 1);
            values = rest;
        }
        self.count += values.len();
        if !self.waiting.is_empty() {
            let missing = BLOCK - self.waiting.len();
            let (now, rest) = values.split_at(missing.min(values.len()));
            self.wait(now);
            values = rest;
            if self.waiting.len() < BLOCK {
                return;
            }
            write_block(&self.waiting, &mut self.packed);
            self.waiting.clear();
        }
        let mut blocks = values.chunks_exact(BLOCK);
        let mut differences = [T::ZERO; BLOCK];
        for block in &mut blocks {
            differences[0] = block[0].minus(self.last);
            for (difference, pair) in differences[1..].iter_mut().zip(block.windows(2)) {
                *difference = pair[1].minus(pair[0]);
            }
            self.last = block[BLOCK - 1];
            write_block(&differences, &mut self.packed);
        }
        self.wait(blocks.remainder());
    }

    fn wait(&mut self, values: &[T]) {
        for value in values {
            self.waiting.push(value.minus(self.last));
            self.last = *value;
        }
    }

    /// Bytes that the page takes so far, but for a few.
    pub(super) fn len(&self) -> usize {
        self.packed.len() + self.waiting.len() * size_of::<T>()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.packed.capacity() + self.waiting.capacity() * size_of::<T>()
    }

    /// Ends the page, and appends to `out` what stands in front of its [packed](Self::packed) blocks.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        for number in [BLOCK, PARTS, self.count] {
            write_varint(number as u64, out);
        }
        write_varint(zigzag(self.first.wide()), out);
        if !self.waiting.is_empty() {
            write_block(&self.waiting, &mut self.packed);
            self.waiting.clear();
        }
    }

    /// The blocks of the ended page.
    pub(super) fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// Gives their memory away.
    pub(super) fn take_packed(&mut self) -> Vec<u8> {
        hand_out(&mut self.packed)
    }

    /// Begins the next page.
    pub(super) fn clear(&mut self) {
        self.packed.clear();
        (self.count, self.first, self.last) = (0, T::ZERO, T::ZERO);
    }
}

/// Appends a block of at most 128 differences. The last one of a page may be shorter: its parts without values have no
/// bytes, and a part with some is filled with zeros.
fn write_block<T: Whole>(differences: &[T], out: &mut Vec<u8>) {
    let least = differences.iter().copied().min().unwrap_or(T::ZERO);
    write_varint(zigzag(least.wide()), out);
    let widths_at = out.len();
    out.extend_from_slice(&[0; PARTS]);
    for (part, differences) in differences.chunks(PART).enumerate() {
        let mut excess = [0u64; PART];
        let mut all = 0;
        for (excess, difference) in excess.iter_mut().zip(differences) {
            *excess = difference.minus(least).unsigned();
            all |= *excess;
        }
        let width = width_of(all);
        out[widths_at + part] = width as u8;
        pack_lane(&excess, width, out);
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use proptest::prelude::*;

    use super::*;

    fn varint(bytes: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }

    fn signed(zigzag: u64) -> i64 {
        (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64)
    }

    /// Reads a page as the specification says, in 64 bits, wrapped to `bits` at the end.
    fn read(mut bytes: &[u8], bits: u32) -> Vec<i64> {
        let bytes = &mut bytes;
        let (block, parts, count) = (varint(bytes), varint(bytes), varint(bytes));
        assert_eq!((block, parts), (128, 4));
        let mut value = signed(varint(bytes));
        let mut values = if count == 0 { vec![] } else { vec![value] };
        while values.len() < count as usize {
            let least = signed(varint(bytes));
            let (widths, rest) = bytes.split_at(4);
            *bytes = rest;
            for width in widths.iter().map(|width| usize::from(*width)) {
                if values.len() == count as usize {
                    break;
                }
                let (packed, rest) = bytes.split_at(width * 4);
                *bytes = rest;
                for index in 0..32.min(count as usize - values.len()) {
                    let bit = |b: usize| u64::from(packed[b / 8] >> (b % 8) & 1);
                    let excess: u64 = (0..width).map(|b| bit(index * width + b) << b).sum();
                    value = value.wrapping_add(least).wrapping_add(excess as i64);
                    value = value << (64 - bits) >> (64 - bits);
                    values.push(value);
                }
            }
        }
        assert!(bytes.is_empty());
        values
    }

    fn page<T: Whole>(differences: &mut Differences<T>) -> Vec<u8> {
        let mut head = Vec::new();
        differences.finish(&mut head);
        let page = [head.as_slice(), differences.packed()].concat();
        differences.clear();
        page
    }

    fn check<T: Whole + Debug>(values: &[T], cuts: &[usize], bits: u32) {
        let mut differences = Differences::default();
        differences.push(values);
        let whole = page(&mut differences);
        let expected: Vec<i64> = values.iter().map(|value| value.wide()).collect();
        assert_eq!(read(&whole, bits), expected);
        // However they come, and again after a page: the same bytes.
        let mut rest = values;
        for cut in cuts {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            differences.push(now);
            rest = later;
        }
        differences.push(rest);
        assert_eq!(page(&mut differences), whole);
    }

    proptest! {
        #[test]
        fn whole_numbers_read_back(
            values in prop::collection::vec(any::<i64>(), 0..700),
            shift in 0u32..64,
            cuts in prop::collection::vec(0usize..300, 0..6),
        ) {
            let values: Vec<i64> = values.into_iter().map(|value| value >> shift).collect();
            check(&values, &cuts, 64);
            let values: Vec<i32> = values.into_iter().map(|value| value as i32).collect();
            check(&values, &cuts, 32);
        }
    }

    #[test]
    fn extremes_read_back() {
        check(&[i64::MIN, i64::MAX, i64::MIN, 0, i64::MAX], &[1], 64);
        check(&[i32::MIN, i32::MAX, i32::MIN, 0, i32::MAX], &[1], 32);
    }

    #[test]
    fn steps_of_one_take_no_bits() {
        let mut differences = Differences::default();
        differences.push(&(0..1025).collect::<Vec<i32>>());
        assert_eq!(page(&mut differences).len(), 2 + 1 + 2 + 1 + 8 * (1 + 4));
    }
}
