//! Texts and bytes: their lengths as packed differences, then all of them behind one another
//! (DELTA_LENGTH_BYTE_ARRAY).

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, GenericByteArray};
use arrow::datatypes::{ArrowNativeType, ByteArrayType, DataType};
use parquet::basic::{BoundaryOrder, Encoding};
use parquet::data_type::ByteArray;
use parquet::file::statistics::{Statistics, ValueStatistics};

use super::bounds::{Bounds, lower, upper};
use super::differences::Differences;
use super::values::{MOST_PAGE_BYTES, PageValues, Refused, Values, hand_out};

#[derive(Default)]
pub(super) struct Texts {
    /// Whether they are UTF-8, for the beginnings of them that an index holds.
    is_text: bool,
    /// Whether each stands behind its length, four bytes (PLAIN), and no lengths are packed.
    is_plain: bool,
    lengths: Differences<i32>,
    bytes: Vec<u8>,
    bounds: Bounds<Vec<u8>>,
}

pub(super) fn less(a: &Vec<u8>, b: &Vec<u8>) -> bool {
    a < b
}

impl Texts {
    pub(super) fn new(is_text: bool) -> Self {
        Self { is_text, ..Self::default() }
    }

    /// For a column whose type is a dictionary in Arrow's schema: of one, Arrow's C++ library reads no packed lengths.
    pub(super) fn plain(is_text: bool) -> Self {
        Self { is_text, is_plain: true, ..Self::default() }
    }

    /// What the last page that had values ranges over.
    pub(super) fn last_page(&self) -> Option<&(Vec<u8>, Vec<u8>)> {
        self.bounds.last_page()
    }

    fn push_all<T: ByteArrayType>(&mut self, block: &GenericByteArray<T>) -> Result<(), Refused> {
        let mut lengths = Vec::with_capacity(block.len() - block.null_count());
        match block.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => self.push_range(block, 0, block.len(), &mut lengths)?,
            Some(nulls) => {
                for (from, to) in nulls.valid_slices() {
                    self.push_range(block, from, to, &mut lengths)?;
                }
            }
        }
        self.lengths.push(&lengths);
        if let Some((least, greatest)) = range(block) {
            // Most blocks widen nothing, and need no copy.
            let is_within =
                |(low, high): &(Vec<u8>, Vec<u8>)| low.as_slice() <= least && greatest <= high.as_slice();
            if !self.bounds.page().is_some_and(is_within) {
                self.bounds.widen((least.to_vec(), greatest.to_vec()), less);
            }
        }
        Ok(())
    }

    /// Takes rows none of which is null.
    fn push_range<T: ByteArrayType>(
        &mut self,
        block: &GenericByteArray<T>,
        from: usize,
        to: usize,
        lengths: &mut Vec<i32>,
    ) -> Result<(), Refused> {
        let offsets = &block.value_offsets()[from..=to];
        let place = |offset: T::Offset| offset.as_usize();
        let (first, last) = (place(offsets[0]), place(offsets[offsets.len() - 1]));
        let framed = if self.is_plain { size_of::<u32>() * (to - from) } else { 0 };
        let bytes = self.bytes.len() + framed + last - first;
        if bytes > MOST_PAGE_BYTES {
            return Err(Refused::TooLong(bytes));
        }
        if self.is_plain {
            for pair in offsets.windows(2) {
                let text = &block.value_data()[place(pair[0])..place(pair[1])];
                self.bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
                self.bytes.extend_from_slice(text);
            }
            return Ok(());
        }
        lengths.extend(offsets.windows(2).map(|pair| (place(pair[1]) - place(pair[0])) as i32));
        self.bytes.extend_from_slice(&block.value_data()[first..last]);
        Ok(())
    }
}

/// The least and the greatest value that is not null.
fn range<T: ByteArrayType>(block: &GenericByteArray<T>) -> Option<(&[u8], &[u8])> {
    let offsets = block.value_offsets();
    let data = block.value_data();
    let mut range: Option<(Prefixed<'_>, Prefixed<'_>)> = None;
    let mut take = |from: usize, to: usize| {
        for row in from..to {
            let value = Prefixed::at(data, offsets[row].as_usize(), offsets[row + 1].as_usize());
            match &mut range {
                None => range = Some((value, value)),
                Some((least, greatest)) => {
                    if value < *least {
                        *least = value;
                    } else if *greatest < value {
                        *greatest = value;
                    }
                }
            }
        }
    };
    match block.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => take(0, block.len()),
        Some(nulls) => nulls.valid_slices().for_each(|(from, to)| take(from, to)),
    }
    range.map(|(least, greatest)| (least.bytes, greatest.bytes))
}

/// Bytes with their first eight as a number, which decides most comparisons.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Prefixed<'a> {
    prefix: u64,
    bytes: &'a [u8],
}

impl<'a> Prefixed<'a> {
    /// The bytes `data[from..to]`. Of short ones too, eight are read where there are so many.
    fn at(data: &'a [u8], from: usize, to: usize) -> Self {
        let (bytes, first) = (&data[from..to], data[from..].first_chunk::<8>());
        let prefix = match (first, bytes.len()) {
            (Some(first), 8..) => u64::from_be_bytes(*first),
            (Some(first), length) => u64::from_be_bytes(*first) & !(u64::MAX >> (8 * length)),
            (None, length) => {
                let all = bytes.iter().fold(0, |prefix, byte| prefix << 8 | u64::from(*byte));
                all << (8 * (8 - length) % 64)
            }
        };
        Prefixed { prefix, bytes }
    }
}

impl Values for Texts {
    fn push(&mut self, block: &ArrayRef) -> Result<(), Refused> {
        match block.data_type() {
            DataType::Utf8 => self.push_all(block.as_string::<i32>()),
            DataType::LargeUtf8 => self.push_all(block.as_string::<i64>()),
            DataType::Binary => self.push_all(block.as_binary::<i32>()),
            _ => self.push_all(block.as_binary::<i64>()),
        }
    }

    fn page_bytes(&self) -> usize {
        self.lengths.len() + self.bytes.len()
    }

    fn finish_page(&mut self, out: &mut Vec<u8>) -> PageValues {
        let encoding = match self.is_plain {
            true => Encoding::PLAIN,
            false => {
                self.lengths.finish(out);
                out.extend_from_slice(self.lengths.packed());
                Encoding::DELTA_LENGTH_BYTE_ARRAY
            }
        };
        let bounds = self.bounds.end_page(less);
        let indexed = |(least, greatest): (Vec<u8>, Vec<u8>)| {
            (lower(&least, self.is_text).to_vec(), upper(&greatest, self.is_text))
        };
        PageValues { encoding, bounds: bounds.map(indexed) }
    }

    fn rest(&self) -> &[u8] {
        &self.bytes
    }

    fn take_rest(&mut self) -> Vec<u8> {
        hand_out(&mut self.bytes)
    }

    fn begin_page(&mut self) {
        self.lengths.clear();
        self.bytes.clear();
    }

    fn statistics(&self, nulls: u64) -> Statistics {
        statistics(&self.bounds, self.is_text, nulls)
    }

    fn order(&self) -> BoundaryOrder {
        self.bounds.order()
    }

    fn held_bytes(&self) -> usize {
        self.page_bytes()
    }

    fn heap_bytes(&self) -> usize {
        self.lengths.heap_bytes() + self.bytes.capacity()
    }
}

/// What a chunk of texts ranges over, long ones cut and marked as such.
pub(super) fn statistics(bounds: &Bounds<Vec<u8>>, is_text: bool, nulls: u64) -> Statistics {
    let (least, greatest) = bounds.chunk().map(|(least, greatest)| (least, greatest)).unzip();
    let low = least.map(|least| lower(least, is_text).to_vec());
    let high = greatest.map(|greatest| upper(greatest, is_text));
    let is_exact = |cut: &Option<Vec<u8>>, whole: Option<&Vec<u8>>| cut.as_ref() == whole;
    let (low_is_exact, high_is_exact) = (is_exact(&low, least), is_exact(&high, greatest));
    let bytes = |bytes: Option<Vec<u8>>| bytes.map(ByteArray::from);
    Statistics::ByteArray(
        ValueStatistics::new(bytes(low), bytes(high), None, Some(nulls), false)
            .with_min_is_exact(low_is_exact)
            .with_max_is_exact(high_is_exact),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::LargeBinaryArray;
    use arrow::buffer::{Buffer, OffsetBuffer};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_prefix_decides_as_the_bytes_do(
            a: Vec<u8>,
            b: Vec<u8>,
            shared in prop::collection::vec(0u8..3, 0..12),
            behind in prop::collection::vec(any::<u8>(), 0..12),
        ) {
            let (a, b) = ([shared.clone(), a].concat(), [shared, b].concat());
            let data = [a.as_slice(), &b, &behind].concat();
            let (first, second) =
                (Prefixed::at(&data, 0, a.len()), Prefixed::at(&data, a.len(), a.len() + b.len()));
            prop_assert_eq!(first.cmp(&second), a.cmp(&b));
            prop_assert_eq!(Prefixed::at(&a, 0, a.len()).prefix, first.prefix);
        }
    }

    #[test]
    fn what_is_too_long_for_a_page_is_refused_before_it_is_copied() {
        // Memory that the system only lends once it is touched.
        let zeros = Buffer::from(vec![0u8; MOST_PAGE_BYTES]);
        let of = |lengths: &[usize]| -> ArrayRef {
            let offsets = OffsetBuffer::<i64>::from_lengths(lengths.iter().copied());
            Arc::new(LargeBinaryArray::new(offsets, zeros.clone(), None))
        };
        for plain in [false, true] {
            let mut texts = if plain { Texts::plain(false) } else { Texts::new(false) };
            texts.push(&of(&[3, 4])).unwrap();
            let held = texts.page_bytes();
            match texts.push(&of(&[MOST_PAGE_BYTES - 10, 10])) {
                Err(Refused::TooLong(bytes)) => assert!(bytes > MOST_PAGE_BYTES),
                other => panic!("{other:?}"),
            }
            assert_eq!(texts.page_bytes(), held);
        }
    }

    #[test]
    fn short_bytes_are_less_than_those_they_begin() {
        for (a, b) in [(&b""[..], &b"\0"[..]), (b"a", b"a\0"), (b"abcdefgh", b"abcdefgh\0")] {
            assert!(Prefixed::at(a, 0, a.len()) < Prefixed::at(b, 0, b.len()));
        }
    }
}
