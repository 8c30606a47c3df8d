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
    }
}
