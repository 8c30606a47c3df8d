//! Whole numbers in bits and bytes, as the format packs them.
//!
//! Both forms are those of the Parquet specification, `Encodings.md`.

/// Appends `value` in groups of seven bits, the least first (ULEB128).
pub(super) fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A signed number as an unsigned one that is small where it is near 0.
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Appends values in `width` bits each, the first in the lowest bits. What is left of the last byte is 0.
///
/// No value may have more bits, and `width` is at most 64.
pub(super) fn pack(values: impl Iterator<Item = u64>, width: u32, out: &mut Vec<u8>) {
    let (mut word, mut filled) = (0u64, 0u32);
    for value in values {
        debug_assert!(width == 64 || value >> width == 0, "{value} has more than {width} bits");
        word |= value << filled;
        filled += width;
        if filled >= u64::BITS {
            out.extend_from_slice(&word.to_le_bytes());
            filled -= u64::BITS;
            word = if filled == 0 { 0 } else { value >> (width - filled) };
        }
    }
    out.extend_from_slice(&word.to_le_bytes()[..filled.div_ceil(8) as usize]);
}

/// Values that are packed at a time.
pub(super) const LANE: usize = 32;

/// As [`pack`], without a branch for each value: 32 of them at any width end with a whole byte.
pub(super) fn pack_lane(values: &[u64; LANE], width: u32, out: &mut Vec<u8>) {
    debug_assert!(width == 64 || values.iter().all(|value| value >> width == 0), "more than {width} bits");
    // One function for each width, in which all shifts are constants.
    macro_rules! of_width {
        ($($width:literal)*) => {
            match width {
                $($width => extend::<$width>(values, out),)*
                _ => {}
            }
        };
    }
    of_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32
        33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63 64);
}

fn extend<const WIDTH: usize>(values: &[u64; LANE], out: &mut Vec<u8>) {
    let mut words = [0u64; LANE];
    macro_rules! put {
        ($($index:literal)*) => { $(put::<WIDTH, $index>(values, &mut words);)* };
    }
    put!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
    let mut bytes = [0u8; LANE * 8];
    for (bytes, word) in bytes.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(&bytes[..LANE / 8 * WIDTH]);
}

#[inline(always)]
fn put<const WIDTH: usize, const INDEX: usize>(values: &[u64; LANE], words: &mut [u64; LANE]) {
    let (word, shift) = (INDEX * WIDTH / 64, INDEX * WIDTH % 64);
    words[word] |= values[INDEX] << shift;
    if shift + WIDTH > 64 {
        words[word + 1] |= values[INDEX] >> (64 - shift);
    }
}

/// Bits that `value` takes; 0 for 0.
pub(super) fn width_of(value: u64) -> u32 {
    u64::BITS - value.leading_zeros()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn varints_and_zigzag_are_those_of_the_specification() {
        let written = |value| {
            let mut out = Vec::new();
            write_varint(value, &mut out);
            out
        };
        assert_eq!(written(0), [0]);
        assert_eq!(written(300), [0xac, 0x02]);
        assert_eq!(written(u64::MAX).len(), 10);
        assert_eq!([0, -1, 1, -2, i64::MAX, i64::MIN].map(zigzag), [0, 1, 2, 3, u64::MAX - 1, u64::MAX]);
    }

    #[test]
    fn the_example_of_the_specification() {
        let mut out = Vec::new();
        pack(0..8, 3, &mut out);
        assert_eq!(out, [0b1000_1000, 0b1100_0110, 0b1111_1010]);
    }

    proptest! {
        #[test]
        fn packed_bit_by_bit_it_is_the_same(values: Vec<u64>, width in 0u32..=64) {
            let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
            let mut packed = Vec::new();
            pack(values.iter().map(|value| value & mask), width, &mut packed);
            let mut expected = vec![0u8; (values.len() * width as usize).div_ceil(8)];
            for (index, value) in values.iter().enumerate() {
                for bit in (0..width as usize).filter(|bit| value >> bit & 1 == 1) {
                    let place = index * width as usize + bit;
                    expected[place / 8] |= 1 << (place % 8);
                }
            }
            prop_assert_eq!(packed, expected);
        }

        #[test]
        fn a_lane_is_packed_as_value_by_value(values: [u64; LANE], width in 0u32..=64) {
            let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
            let values = values.map(|value| value & mask);
            let (mut lane, mut one_by_one) = (vec![7], vec![7]);
            pack_lane(&values, width, &mut lane);
            pack(values.into_iter(), width, &mut one_by_one);
            prop_assert_eq!(lane, one_by_one);
        }
    }
}
