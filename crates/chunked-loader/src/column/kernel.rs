//! What makes values of texts, one at a time or 64 side by side.

use arrow::array::ArrowPrimitiveType;

use super::lanes::{Form, ROWS, Texts};
use super::validity::full;
use crate::block::{Fields, Padded};
use crate::processor::{Processor, WithAvx2};

/// Turns a text into a value of one Arrow type.
pub(crate) trait Kernel: Send {
    type Arrow: ArrowPrimitiveType;
    /// Whether the dialect's number marks apply.
    const IS_NUMBER: bool = false;

    /// `None`: not a value of this type.
    fn parse(&self, text: &[u8]) -> Option<<Self::Arrow as ArrowPrimitiveType>::Native>;

    /// The same for texts of the usual forms, plain marks supposed, with as few branches as can be. `false` says
    /// nothing: [`parse`](Self::parse) has to be asked; the value is the default then, since a null holds the same bits
    /// always. An empty text is no value.
    fn parse_block<P: Processor>(
        &self,
        processor: P,
        text: Padded<'_>,
    ) -> (<Self::Arrow as ArrowPrimitiveType>::Native, bool);

    /// What [`parse_lanes`](Self::parse_lanes) takes.
    const FORM: Form;

    /// [`parse_block`](Self::parse_block) of many rows: the values, and which there are, one bit each. It may leave texts
    /// that `parse_block` knows.
    fn parse_lanes(
        &self,
        processor: WithAvx2,
        texts: &Texts,
        values: &mut [<Self::Arrow as ArrowPrimitiveType>::Native; ROWS],
    ) -> u64;
}

/// A value that a kernel makes.
pub(crate) type Value<K> = <<K as Kernel>::Arrow as ArrowPrimitiveType>::Native;

/// Values of up to 64 fields of one column.
pub(crate) struct Chunk<K: Kernel> {
    texts: Texts,
    /// Whether the texts before were as short as those that are parsed side by side.
    fits_lanes: bool,
    values: [Value<K>; ROWS],
    rows: usize,
    valid: u64,
    empty: u64,
}

impl<K: Kernel> Chunk<K> {
    /// No fields. `fits_lanes` is what [`fits_lanes`](Self::fits_lanes) said of the fields before.
    #[inline(always)]
    pub(crate) fn new(fits_lanes: bool) -> Self {
        let values = [Default::default(); ROWS];
        Chunk { texts: Texts::new(), fits_lanes, values, rows: 0, valid: 0, empty: 0 }
    }

    /// Whether the texts were so short that the next ones are worth to be parsed side by side.
    #[inline(always)]
    pub(crate) fn fits_lanes(&self) -> bool {
        self.fits_lanes
    }

    /// The values, one for each field; the default for those that are not valid.
    #[inline(always)]
    pub(crate) fn values(&self) -> &[Value<K>] {
        &self.values[..self.rows]
    }

    /// The fields that are values, one bit each.
    #[inline(always)]
    pub(crate) fn valid(&self) -> u64 {
        self.valid
    }

    /// The fields without a byte.
    #[inline(always)]
    pub(crate) fn empty(&self) -> u64 {
        self.empty
    }

    /// The fields that the kernel does not know at once.
    #[inline(always)]
    pub(crate) fn left(&self) -> u64 {
        full(self.rows) & !(self.valid | self.empty)
    }

    /// Parses the fields from `row` on, 64 or what there is.
    #[inline(always)]
    pub(crate) fn parse<P: Processor>(&mut self, kernel: &K, processor: P, fields: Fields<'_>, row: usize) {
        self.rows = (fields.len() - row).min(ROWS);
        match processor.avx2() {
            Some(processor) if self.fits_lanes => self.parse_lanes(kernel, processor, fields, row),
            _ => self.parse_each(kernel, processor, fields, row),
        }
        debug_assert!(
            (0..self.rows).all(|i| self.valid >> i & 1 == 1 || self.values[i] == Default::default())
        );
    }

    #[inline(always)]
    fn parse_each<P: Processor>(&mut self, kernel: &K, processor: P, fields: Fields<'_>, row: usize) {
        let (mut valid, mut empty, mut longest) = (0u64, 0u64, 0);
        // Without a branch for each field: which of them are null cannot be foreseen.
        for (bit, place) in self.values[..self.rows].iter_mut().enumerate() {
            let raw = fields.raw(row + bit);
            let (value, is_value) = kernel.parse_block(processor, fields.inner(raw));
            *place = value;
            valid |= u64::from(is_value) << bit;
            empty |= u64::from(raw.len() == 0) << bit;
            longest = longest.max(raw.len());
        }
        self.fits_lanes = longest <= K::FORM.bytes;
        (self.valid, self.empty) = (valid, empty);
    }

    #[inline(always)]
    fn parse_lanes(&mut self, kernel: &K, processor: WithAvx2, fields: Fields<'_>, row: usize) {
        self.texts.lay(K::FORM, fields, row, self.rows);
        self.fits_lanes = self.texts.longest() <= K::FORM.bytes;
        self.empty = self.texts.empty(processor);
        self.valid = kernel.parse_lanes(processor, &self.texts, &mut self.values);
        let mut left = self.left();
        while left != 0 {
            let bit = left.trailing_zeros() as usize;
            let (value, is_value) = kernel.parse_block(processor, fields.inner(fields.raw(row + bit)));
            self.values[bit] = value;
            self.valid |= u64::from(is_value) << bit;
            left &= left - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{
        Int8Type, Int16Type, Int32Type, Int64Type, TimestampNanosecondType, TimestampSecondType, UInt8Type,
        UInt16Type, UInt32Type, UInt64Type,
    };
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::block::{Block, PADDING};
    use crate::column::float::{ExactFloat32Kernel, Float32Kernel, Float64Kernel};
    use crate::column::int::IntKernel;
    use crate::column::temporal::{DateKernel, TimestampKernel};
    use crate::index::IndexKernel;
    use crate::processor::AnyProcessor;
    use crate::types::Zone;

    /// What a kernel makes of each field.
    fn parsed<K: Kernel, P: Processor>(
        kernel: &K,
        processor: P,
        fields: Fields<'_>,
        fits_lanes: bool,
    ) -> Vec<String> {
        let mut chunk = Chunk::new(fits_lanes);
        let mut all = Vec::new();
        for row in (0..fields.len()).step_by(ROWS) {
            chunk.fits_lanes = fits_lanes;
            chunk.parse(kernel, processor, fields, row);
            assert_eq!(chunk.valid() & chunk.empty(), 0);
            for (bit, value) in chunk.values().iter().enumerate() {
                let is = |bits: u64| bits >> bit & 1 == 1;
                all.push(format!(
                    "{value:?} {} {} {}",
                    is(chunk.valid()),
                    is(chunk.empty()),
                    is(chunk.left())
                ));
            }
        }
        all
    }

    /// One at a time, side by side, and with the plainest processor: the same of each.
    fn check_kernel<K: Kernel>(kernel: &K, fields: Fields<'_>) {
        let expected = parsed(kernel, AnyProcessor, fields, true);
        assert_eq!(expected.len(), fields.len());
        if let Some(processor) = fields.avx2() {
            assert_eq!(parsed(kernel, processor, fields, false), expected);
            assert_eq!(parsed(kernel, processor, fields, true), expected);
        }
    }

    fn check(texts: &[String]) {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for text in texts {
            bytes.extend_from_slice(text.as_bytes());
            ends.push(bytes.len() as u32);
            bytes.push(b'\n');
        }
        bytes.resize(bytes.len() + PADDING, b'1');
        let block = Block::new(&bytes, 0, &ends, 1, 1, Some(b'"'), IndexKernel::best());
        let fields = block.column(0);
        check_kernel(&IntKernel::<Int8Type>::new(), fields);
        check_kernel(&IntKernel::<Int16Type>::new(), fields);
        check_kernel(&IntKernel::<Int32Type>::new(), fields);
        check_kernel(&IntKernel::<Int64Type>::new(), fields);
        check_kernel(&IntKernel::<UInt8Type>::new(), fields);
        check_kernel(&IntKernel::<UInt16Type>::new(), fields);
        check_kernel(&IntKernel::<UInt32Type>::new(), fields);
        check_kernel(&IntKernel::<UInt64Type>::new(), fields);
        check_kernel(&Float64Kernel, fields);
        check_kernel(&Float32Kernel, fields);
        check_kernel(&ExactFloat32Kernel, fields);
        check_kernel(&DateKernel, fields);
        for zone in [Zone::Naive, Zone::Offset(60)] {
            check_kernel(&TimestampKernel::<TimestampSecondType>::new(zone), fields);
            // Years that nanoseconds do not reach are left.
            check_kernel(&TimestampKernel::<TimestampNanosecondType>::new(zone), fields);
        }
    }

    #[test]
    fn the_ends_of_every_width() {
        let mut texts = Vec::new();
        for end in [0, 127, 128, 255, 256, 32_767, 32_768, 65_535, 65_536, 1 << 31, 1 << 32, i64::MAX as i128]
        {
            for value in [end - 1, end, end + 1, -end + 1, -end, -end - 1] {
                texts.push(value.to_string());
                texts.push(format!("\"{value}\""));
            }
        }
        for text in ["1600-01-01T00:00:00", "2262-04-11 23:47:16", "2262-04-11T23:47:17", "16777217", "0.1"] {
            texts.push(text.to_owned());
        }
        check(&texts);
        texts.iter().for_each(|text| check(std::slice::from_ref(text)));
    }

    proptest! {
        #[test]
        fn fields_of_any_kind_among_one_another(
            texts in vec(
                "|\"\"|-?[0-9]{1,20}|-?[0-9]{1,9}\\.[0-9]{1,12}|[0-9]{4}-[01][0-9]-[0-3][0-9]|\"-?[0-9]{1,8}\"|[a-z-]{1,4}",
                1..200,
            ),
        ) {
            check(&texts);
        }
    }
}
