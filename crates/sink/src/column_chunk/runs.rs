//! Small numbers as runs of one value and groups of packed ones: the format's RLE and bit-packing hybrid.

use super::bits::{LANE, pack, pack_lane, write_varint};

/// Values of a packed group.
const GROUP: usize = 8;
/// A shorter run costs as much as it saves, since it ends the packed groups before it.
const LEAST_RUN: usize = 2 * GROUP;
/// The same for levels of one bit, in bytes of the bitmap.
const LEAST_BITMAP_RUN: usize = 4;

/// Appends `values`, none of which has more than `width` bits.
pub(super) fn write(values: &[u32], width: u32, out: &mut Vec<u8>) {
    let (mut packed_from, mut at) = (0, 0);
    while at < values.len() {
        let value = values[at];
        let same = values[at..].iter().take_while(|other| **other == value).count();
        // Packed groups are whole, so that a run begins where a group does; it may only end elsewhere at the very end.
        let is_last = at + same == values.len();
        let run = if is_last { same } else { same / GROUP * GROUP };
        if run >= LEAST_RUN {
            write_packed(&values[packed_from..at], width, out);
            write_varint((run as u64) << 1, out);
            out.extend_from_slice(&value.to_le_bytes()[..width.div_ceil(8) as usize]);
            at += run;
            packed_from = at;
        } else {
            at = (at + GROUP).min(values.len());
        }
    }
    write_packed(&values[packed_from..], width, out);
}

fn write_packed(values: &[u32], width: u32, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let groups = values.len().div_ceil(GROUP);
    write_varint((groups as u64) << 1 | 1, out);
    let filling = groups * GROUP - values.len();
    let (lanes, rest) = values.as_chunks::<LANE>();
    for lane in lanes {
        pack_lane(&lane.map(u64::from), width, out);
    }
    let rest = rest.iter().map(|value| u64::from(*value));
    pack(rest.chain(std::iter::repeat_n(0, filling)), width, out);
}

/// Appends `len` levels of one bit, given as a bitmap. Its bits behind them are set to 0.
pub(super) fn write_bitmap(bitmap: &mut [u8], len: usize, out: &mut Vec<u8>) {
    let bitmap = &mut bitmap[..len.div_ceil(8)];
    if let (Some(last), rest @ 1..) = (bitmap.last_mut(), len % 8) {
        *last &= (1 << rest) - 1;
    }
    let bitmap = &*bitmap;
    let (mut packed_from, mut at) = (0, 0);
    while at < bitmap.len() {
        let byte = bitmap[at];
        let whole = bitmap[at..].iter().take_while(|other| **other == byte).count();
        if matches!(byte, 0 | u8::MAX) && whole >= LEAST_BITMAP_RUN {
            write_packed_bitmap(&bitmap[packed_from..at], out);
            let run = (whole * 8).min(len - at * 8);
            write_varint((run as u64) << 1, out);
            out.push(byte & 1);
            at += whole;
            packed_from = at;
        } else {
            at += 1;
        }
    }
    write_packed_bitmap(&bitmap[packed_from..], out);
}

fn write_packed_bitmap(bitmap: &[u8], out: &mut Vec<u8>) {
    if !bitmap.is_empty() {
        write_varint((bitmap.len() as u64) << 1 | 1, out);
        out.extend_from_slice(bitmap);
    }
}

#[cfg(test)]
mod tests {
    use arrow::buffer::BooleanBuffer;
    use proptest::prelude::*;

    use super::*;

    /// Reads what was written, as the specification says.
    fn read(mut bytes: &[u8], width: u32, count: usize) -> Vec<u32> {
        let mut values = Vec::new();
        while values.len() < count {
            let (mut header, mut shift) = (0u64, 0);
            loop {
                let byte = bytes[0];
                bytes = &bytes[1..];
                header |= u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    break;
                }
            }
            if header & 1 == 0 {
                let (value, rest) = bytes.split_at(width.div_ceil(8) as usize);
                bytes = rest;
                let value = value.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
                values.extend(std::iter::repeat_n(value, (header >> 1) as usize));
            } else {
                let groups = (header >> 1) as usize;
                let (packed, rest) = bytes.split_at(groups * width as usize);
                bytes = rest;
                for index in 0..groups * GROUP {
                    let bit = |bit: usize| u32::from(packed[bit / 8] >> (bit % 8) & 1);
                    values.push((0..width as usize).map(|b| bit(index * width as usize + b) << b).sum());
                }
            }
        }
        assert!(bytes.is_empty() && values.len() < count + GROUP);
        values.truncate(count);
        values
    }

    proptest! {
        #[test]
        fn values_read_back(runs in prop::collection::vec((any::<u32>(), 1usize..40), 0..20), width in 0u32..=32) {
            let mask = (1u64 << width) as u32 as u64;
            let mask = if width == 32 { u32::MAX } else { (mask - 1) as u32 };
            let values: Vec<u32> =
                runs.iter().flat_map(|(value, run)| std::iter::repeat_n(value & mask, *run)).collect();
            let mut out = Vec::new();
            write(&values, width, &mut out);
            prop_assert_eq!(read(&out, width, values.len()), values);
        }

        #[test]
        fn levels_read_back(runs in prop::collection::vec((any::<bool>(), 1usize..90), 1..20)) {
            let levels: Vec<bool> = runs.iter().flat_map(|(level, run)| std::iter::repeat_n(*level, *run)).collect();
            let bitmap = BooleanBuffer::from(levels.clone());
            let mut out = Vec::new();
            write_bitmap(&mut bitmap.values().to_vec(), levels.len(), &mut out);
            let expected: Vec<u32> = levels.into_iter().map(u32::from).collect();
            prop_assert_eq!(read(&out, 1, expected.len()), expected);
        }
    }

    #[test]
    fn a_run_takes_a_few_bytes() {
        let mut out = Vec::new();
        write(&[3; 1_000_000], 20, &mut out);
        assert_eq!(out.len(), 3 + 3);
        out.clear();
        write_bitmap(&mut [u8::MAX; 1250], 10_000, &mut out);
        assert_eq!(out.len(), 3 + 1);
    }
}
