//! Numbers and times: integers as packed differences, floats as they are, both by a dictionary where that pays.

use std::borrow::Cow;
use std::fmt::Debug;

use arrow::array::{Array, ArrayData, ArrayRef};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{ArrowNativeType, DataType, ToByteSlice};
use parquet::basic::{BoundaryOrder, Encoding};
use parquet::file::statistics::{Statistics, ValueStatistics};

use super::bounds::Bounds;
use super::differences::{Differences, Whole};
use super::direction::{Direction, Ordered};
use super::indices;
use super::number_dictionary::NumberDictionary;
use super::values::{PageValues, Refused, Values, hand_out};

/// A number as the format stores it.
pub(super) trait Number: ArrowNativeType + Debug {
    /// How numbers are written that have no dictionary.
    type Page: NumberPage<Self>;
    /// Whether it is looked at whether they come in order. Of floats those that do not compare would have to be told apart.
    const HAS_DIRECTION: bool;
    /// Which of two compare as less, `is_unsigned` if their bits are those of an unsigned number.
    fn less(self, other: Self, is_unsigned: bool) -> bool;
    /// The least and greatest of what can be compared.
    fn range(values: &[Self], is_unsigned: bool) -> Option<(Self, Self)>;
    /// The values of a block that are not null.
    fn present(block: &ArrayData) -> Cow<'_, [Self]>;
    /// The value's bits, for a table.
    fn bits(self) -> u64;
    fn statistics(least: Option<Self>, greatest: Option<Self>, nulls: u64) -> Statistics;
}

/// The numbers of a page in one encoding.
pub(super) trait NumberPage<T>: Default + Send {
    const ENCODING: Encoding;
    fn push(&mut self, values: &[T]);
    fn len(&self) -> usize;
    fn heap_bytes(&self) -> usize;
    /// These four are those of [`Values`].
    fn finish(&mut self, out: &mut Vec<u8>);
    fn rest(&self) -> &[u8];
    fn take_rest(&mut self) -> Vec<u8>;
    fn begin(&mut self);
}

impl<T: Whole + Send> NumberPage<T> for Differences<T> {
    const ENCODING: Encoding = Encoding::DELTA_BINARY_PACKED;

    fn push(&mut self, values: &[T]) {
        Differences::push(self, values);
    }

    fn len(&self) -> usize {
        Differences::len(self)
    }

    fn heap_bytes(&self) -> usize {
        Differences::heap_bytes(self)
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        Differences::finish(self, out);
    }

    fn rest(&self) -> &[u8] {
        self.packed()
    }

    fn take_rest(&mut self) -> Vec<u8> {
        self.take_packed()
    }

    fn begin(&mut self) {
        self.clear();
    }
}

/// Numbers as they are, behind one another. Here and in dictionaries they are taken from memory as they lie there: the
/// format's order of bytes is that of every machine this runs on, which a test asserts.
#[derive(Default)]
pub(super) struct PlainPage(Vec<u8>);

impl<T: Number> NumberPage<T> for PlainPage
where
    [T]: ToByteSlice,
{
    const ENCODING: Encoding = Encoding::PLAIN;

    fn push(&mut self, values: &[T]) {
        self.0.extend_from_slice(values.to_byte_slice());
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn heap_bytes(&self) -> usize {
        self.0.capacity()
    }

    fn finish(&mut self, _: &mut Vec<u8>) {}

    fn rest(&self) -> &[u8] {
        &self.0
    }

    fn take_rest(&mut self) -> Vec<u8> {
        hand_out(&mut self.0)
    }

    fn begin(&mut self) {
        self.0.clear();
    }
}

/// The values that are not null, which are numbers of the format as they are.
fn as_they_are<N: ArrowNativeType>(block: &ArrayData) -> Cow<'_, [N]> {
    let values = &block.buffer::<N>(0)[..block.len()];
    match block.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => Cow::Borrowed(values),
        Some(nulls) => Cow::Owned(collect_present(values, nulls, |value| value)),
    }
}

/// The values of a buffer of `N` that are not null, each turned into a number of the format.
fn collect<N: ArrowNativeType, T: Clone>(block: &ArrayData, stored: impl Fn(N) -> T) -> Cow<'_, [T]> {
    let values = &block.buffer::<N>(0)[..block.len()];
    Cow::Owned(match block.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => values.iter().map(|value| stored(*value)).collect(),
        Some(nulls) => collect_present(values, nulls, stored),
    })
}

/// As [`collect`] does, where some are null.
fn collect_present<N: Copy, T>(values: &[N], nulls: &NullBuffer, stored: impl Fn(N) -> T) -> Vec<T> {
    let mut present = Vec::with_capacity(values.len() - nulls.null_count());
    for (from, to) in nulls.valid_slices() {
        present.extend(values[from..to].iter().map(|value| stored(*value)));
    }
    present
}

macro_rules! whole_number {
    ($number:ty, $unsigned:ty, $statistics:ident, $present:item) => {
        impl Number for $number {
            type Page = Differences<$number>;
            const HAS_DIRECTION: bool = true;

            fn less(self, other: Self, is_unsigned: bool) -> bool {
                match is_unsigned {
                    true => (self as $unsigned) < other as $unsigned,
                    false => self < other,
                }
            }

            fn range(values: &[Self], is_unsigned: bool) -> Option<(Self, Self)> {
                // With the highest bit turned, unsigned numbers are in the order of signed ones.
                let turned = if is_unsigned { <$number>::MIN } else { 0 };
                let first = values.first()? ^ turned;
                let (least, greatest) = values.iter().fold((first, first), |(least, greatest), value| {
                    (least.min(value ^ turned), greatest.max(value ^ turned))
                });
                Some((least ^ turned, greatest ^ turned))
            }

            $present

            fn bits(self) -> u64 {
                self as $unsigned as u64
            }

            fn statistics(least: Option<Self>, greatest: Option<Self>, nulls: u64) -> Statistics {
                Statistics::$statistics(ValueStatistics::new(least, greatest, None, Some(nulls), false))
            }
        }
    };
}

whole_number!(
    i32,
    u32,
    Int32,
    fn present(block: &ArrayData) -> Cow<'_, [i32]> {
        match block.data_type() {
            DataType::Null => Cow::Borrowed(&[]),
            DataType::Int8 => collect(block, |value: i8| value.into()),
            DataType::Int16 => collect(block, |value: i16| value.into()),
            DataType::UInt8 => collect(block, |value: u8| value.into()),
            DataType::UInt16 => collect(block, |value: u16| value.into()),
            DataType::UInt32 => collect(block, |value: u32| value as i32),
            _ => as_they_are(block),
        }
    }
);

whole_number!(
    i64,
    u64,
    Int64,
    fn present(block: &ArrayData) -> Cow<'_, [i64]> {
        match block.data_type() {
            DataType::UInt64 => collect(block, |value: u64| value as i64),
            _ => as_they_are(block),
        }
    }
);

macro_rules! float {
    ($number:ty, $statistics:ident) => {
        impl Number for $number {
            type Page = PlainPage;
            const HAS_DIRECTION: bool = false;

            fn less(self, other: Self, _: bool) -> bool {
                self < other
            }

            fn range(values: &[Self], _: bool) -> Option<(Self, Self)> {
                let (least, greatest) = values
                    .iter()
                    .fold((<$number>::INFINITY, <$number>::NEG_INFINITY), |(least, greatest), value| {
                        (least.min(*value), greatest.max(*value))
                    });
                // Without a number among them, infinities of the wrong side are left.
                (least <= greatest).then(|| {
                    // Zeros of both signs are equal: each bound is the one that bounds both.
                    let least = if least == 0.0 { -0.0 } else { least };
                    let greatest = if greatest == 0.0 { 0.0 } else { greatest };
                    (least, greatest)
                })
            }

            fn present(block: &ArrayData) -> Cow<'_, [Self]> {
                as_they_are(block)
            }

            fn bits(self) -> u64 {
                self.to_bits().into()
            }

            fn statistics(least: Option<Self>, greatest: Option<Self>, nulls: u64) -> Statistics {
                Statistics::$statistics(ValueStatistics::new(least, greatest, None, Some(nulls), false))
            }
        }
    };
}

float!(f32, Float);
float!(f64, Double);

pub(super) struct Numbers<T: Number> {
    is_unsigned: bool,
    page: T::Page,
    /// None once it has grown too large.
    dictionary: Option<NumberDictionary<T>>,
    /// What has become of it then: pages refer to it.
    outgrown: Option<NumberDictionary<T>>,
    indices: Vec<u32>,
    bounds: Bounds<T>,
    ordered: Ordered<T>,
}

impl<T: Number> Numbers<T>
where
    [T]: ToByteSlice,
{
    pub(super) fn new(is_unsigned: bool, dictionary_bytes: Option<usize>) -> Self {
        Self {
            is_unsigned,
            page: T::Page::default(),
            dictionary: dictionary_bytes.map(NumberDictionary::new),
            outgrown: None,
            indices: Vec::new(),
            bounds: Bounds::default(),
            ordered: Ordered::default(),
        }
    }

    fn less(&self) -> impl Fn(&T, &T) -> bool + use<T> {
        let is_unsigned = self.is_unsigned;
        move |a, b| a.less(*b, is_unsigned)
    }

    fn dictionaries(&self) -> impl Iterator<Item = &NumberDictionary<T>> {
        self.dictionary.iter().chain(&self.outgrown)
    }
}

impl<T: Number> Values for Numbers<T>
where
    [T]: ToByteSlice,
{
    fn push(&mut self, block: &ArrayRef) -> Result<(), Refused> {
        let block = block.to_data();
        let values = T::present(&block);
        if let Some(range) = T::range(&values, self.is_unsigned) {
            let less = self.less();
            self.bounds.widen(range, less);
        }
        if T::HAS_DIRECTION {
            let less = self.less();
            self.ordered.push(&values, less);
        }
        match &mut self.dictionary {
            Some(dictionary) => dictionary.look_up(&values, &mut self.indices),
            None => self.page.push(&values),
        }
        Ok(())
    }

    fn page_bytes(&self) -> usize {
        self.page.len() + indices::bytes(&self.indices)
    }

    fn ends_page(&self) -> bool {
        self.dictionary.as_ref().is_some_and(NumberDictionary::is_full)
    }

    fn finish_page(&mut self, out: &mut Vec<u8>) -> PageValues {
        let encoding = match &self.dictionary {
            Some(dictionary) => {
                indices::write(&self.indices, dictionary.len(), out);
                Encoding::RLE_DICTIONARY
            }
            None => {
                self.page.finish(out);
                T::Page::ENCODING
            }
        };
        let less = self.less();
        let bounds = self.bounds.end_page(less);
        let bytes = |value: T| [value].to_byte_slice().to_vec();
        PageValues { encoding, bounds: bounds.map(|(least, greatest)| (bytes(least), bytes(greatest))) }
    }

    fn rest(&self) -> &[u8] {
        self.page.rest()
    }

    fn take_rest(&mut self) -> Vec<u8> {
        self.page.take_rest()
    }

    fn begin_page(&mut self) {
        self.page.begin();
        self.indices.clear();
        if self.ends_page() {
            self.outgrown = self.dictionary.take();
            self.indices = Vec::new();
        }
    }

    fn dictionary(&mut self) -> Option<(Vec<u8>, usize)> {
        let dictionary = self.dictionaries().next()?;
        Some((dictionary.values().to_byte_slice().to_vec(), dictionary.len()))
    }

    fn statistics(&self, nulls: u64) -> Statistics {
        let (least, greatest) = self.bounds.chunk().copied().unzip();
        T::statistics(least, greatest, nulls)
    }

    fn order(&self) -> BoundaryOrder {
        self.bounds.order()
    }

    fn direction(&self) -> Option<Direction> {
        self.ordered.direction().filter(|_| T::HAS_DIRECTION)
    }

    fn held_bytes(&self) -> usize {
        let dictionaries = self.dictionaries().map(NumberDictionary::heap_bytes).sum::<usize>();
        self.page.len() + indices::held_bytes(&self.indices) + dictionaries
    }

    fn heap_bytes(&self) -> usize {
        let dictionaries: usize = self.dictionaries().map(NumberDictionary::heap_bytes).sum();
        self.page.heap_bytes() + indices::heap_bytes(&self.indices) + dictionaries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_lie_in_memory_as_in_the_format() {
        assert_eq!([1i32].to_byte_slice(), 1i32.to_le_bytes());
        assert_eq!([1.5f64].to_byte_slice(), 1.5f64.to_le_bytes());
    }

    #[test]
    fn unsigned_numbers_have_an_order_of_their_own() {
        let values = [5, u32::MAX as i32, 0, i32::MIN];
        assert_eq!(i32::range(&values, true), Some((0, u32::MAX as i32)));
        assert_eq!(i32::range(&values, false), Some((i32::MIN, 5)));
        assert!(i64::less(1, -1, true) && i64::less(-1, 1, false));
        assert_eq!(i64::range(&[], true), None);
    }

    #[test]
    fn what_does_not_compare_bounds_nothing() {
        assert_eq!(f64::range(&[f64::NAN, f64::NAN], false), None);
        assert_eq!(f64::range(&[f64::NAN, 2.0, 1.0], false), Some((1.0, 2.0)));
        assert_eq!(f32::range(&[f32::INFINITY], false), Some((f32::INFINITY, f32::INFINITY)));
        let (least, greatest) = f64::range(&[0.0, -0.0], false).unwrap();
        assert!(least.is_sign_negative() && greatest.is_sign_positive());
    }
}
