//! The values of one column of a record batch, some rows at a time.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, PrimitiveArray, UInt64Array};
use arrow::buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer, ScalarBuffer};
use arrow::compute::{cast, take};
use arrow::datatypes::{
    ArrowNativeType, ArrowPrimitiveType, DataType, Date32Type, Float16Type, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use bytes::Bytes;
use parquet::data_type::ByteArray;

use super::buffers::Source;
use super::dictionary::{Dictionary, Entries};
use super::messages::{Part, Parts, damaged};
use crate::columnar::held::Held;
use crate::columnar::parquet::Scratch;
use crate::columnar::schema::is_text;
use crate::columnar::table::ColumnReader;
use crate::columnar::values::{Values, is_utf8, timestamps};
use crate::error::Error;

/// Bytes of text of a step; a longer text is a step of its own.
const TEXT_STEP: usize = 16 << 10;
/// What a reader takes beside that.
const COLUMN_BYTES: usize = 4 << 10;
/// Bytes of a view, and of a text that stands in it whole.
const VIEW: usize = 16;
const INLINE: usize = 12;

/// Reads a column of a record batch from front to back, or the values of a dictionary.
pub(super) struct BatchColumn {
    data_type: DataType,
    rows: u64,
    row: u64,
    /// Where the first buffer is, for messages.
    byte: u64,
    validity: Option<Source>,
    buffers: Vec<Source>,
    dictionary: Option<Arc<Dictionary>>,
    /// What the buffers take.
    opened: usize,
    held: Held,
}

impl BatchColumn {
    /// A column of type `data_type`, at `parts` of the file.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged, or there is no room for what is packed.
    pub(super) fn new(
        file: &Arc<std::fs::File>,
        parts: &Parts,
        data_type: DataType,
        dictionary: Option<Arc<Dictionary>>,
        mut held: Held,
    ) -> Result<BatchColumn, Error> {
        held.resize(COLUMN_BYTES)?;
        let byte = parts.buffers.first().map_or(0, |part| part.at);
        let mut open = |part: &Part| Source::open(file, *part, parts.packing, &mut held);
        let (first, others) = match parts.buffers.split_first() {
            Some((first, others)) => (Some(open(first)?), others),
            None => (None, &[][..]),
        };
        let buffers = others.iter().map(open).collect::<Result<_, _>>()?;
        Ok(BatchColumn {
            data_type,
            rows: parts.rows,
            row: 0,
            byte,
            // Where there are no nulls, there may be no bits.
            validity: first.filter(|validity| validity.len() > 0),
            buffers,
            dictionary,
            opened: held.bytes(),
            held,
        })
    }

    fn damaged(&self, cause: &str) -> Error {
        damaged(self.byte, cause)
    }

    fn buffer(&self, number: usize) -> Result<&Source, Error> {
        self.buffers.get(number).ok_or_else(|| self.damaged("a column lacks its buffers"))
    }

    /// Which of the next rows have a value, if not all.
    fn nulls(&self, rows: usize) -> Result<Option<NullBuffer>, Error> {
        let Some(validity) = &self.validity else { return Ok(None) };
        let nulls = NullBuffer::new(self.bits(validity, rows)?);
        Ok(Some(nulls).filter(|nulls| nulls.null_count() > 0))
    }

    fn bits(&self, source: &Source, rows: usize) -> Result<BooleanBuffer, Error> {
        let (first, skipped) = (self.row / 8, (self.row % 8) as usize);
        let mut bytes = MutableBuffer::from_len_zeroed((skipped + rows).div_ceil(8));
        source.read(first, bytes.as_slice_mut())?;
        Ok(BooleanBuffer::new(bytes.into(), skipped, rows))
    }

    /// Values of a fixed width from place `from` on.
    fn native<T: ArrowNativeType>(
        &self,
        buffer: usize,
        from: u64,
        count: usize,
    ) -> Result<ScalarBuffer<T>, Error> {
        let mut bytes = MutableBuffer::from_len_zeroed(count * size_of::<T>());
        let at = from.checked_mul(size_of::<T>() as u64);
        let at = at.ok_or_else(|| self.damaged("a buffer is shorter than its column"))?;
        self.buffer(buffer)?.read(at, bytes.as_slice_mut())?;
        Ok(ScalarBuffer::new(Buffer::from(bytes), 0, count))
    }

    fn number<A: ArrowPrimitiveType>(&self, rows: usize) -> Result<PrimitiveArray<A>, Error> {
        Ok(PrimitiveArray::new(self.native(0, self.row, rows)?, self.nulls(rows)?))
    }

    /// The next rows of numbers, days or timestamps.
    fn numbers(&self, rows: usize) -> Result<ArrayRef, Error> {
        Ok(match &self.data_type {
            DataType::Int8 => Arc::new(self.number::<Int8Type>(rows)?),
            DataType::Int16 => Arc::new(self.number::<Int16Type>(rows)?),
            DataType::Int32 => Arc::new(self.number::<Int32Type>(rows)?),
            DataType::Int64 => Arc::new(self.number::<Int64Type>(rows)?),
            DataType::UInt8 => Arc::new(self.number::<UInt8Type>(rows)?),
            DataType::UInt16 => Arc::new(self.number::<UInt16Type>(rows)?),
            DataType::UInt32 => Arc::new(self.number::<UInt32Type>(rows)?),
            DataType::UInt64 => Arc::new(self.number::<UInt64Type>(rows)?),
            DataType::Float16 => cast(&self.number::<Float16Type>(rows)?, &DataType::Float32)?,
            DataType::Float32 => Arc::new(self.number::<Float32Type>(rows)?),
            DataType::Float64 => Arc::new(self.number::<Float64Type>(rows)?),
            DataType::Date32 => Arc::new(self.number::<Date32Type>(rows)?),
            DataType::Date64 => {
                // Milliseconds of whole days.
                const DAY: i64 = 86_400_000;
                let millis = self.number::<Int64Type>(rows)?;
                let days =
                    millis.try_unary::<_, Date32Type, String>(|millis| match i32::try_from(millis / DAY) {
                        Ok(days) if millis % DAY == 0 => Ok(days),
                        _ => Err("a date has a time of day, or is out of range".to_owned()),
                    });
                Arc::new(days.map_err(|cause| self.damaged(&cause))?)
            }
            DataType::Timestamp(unit, zone) => {
                timestamps(self.number::<Int64Type>(rows)?, *unit, zone.clone())
            }
            _ => return Err(self.damaged("a column is not of the type of the schema")),
        })
    }

    /// Where the next texts begin and end, as many as fit a step.
    fn offsets(&self, rows: usize) -> Result<Vec<u64>, Error> {
        let wrong = || self.damaged("the offsets of a column do not ascend");
        let read: Vec<i64> = if self.data_type == DataType::LargeUtf8 {
            self.native::<i64>(0, self.row, rows + 1)?.to_vec()
        } else {
            self.native::<i32>(0, self.row, rows + 1)?.iter().map(|offset| i64::from(*offset)).collect()
        };
        let mut offsets = Vec::with_capacity(read.len());
        for offset in read {
            let offset = u64::try_from(offset).map_err(|_| wrong())?;
            if offsets.last().is_some_and(|before| *before > offset) {
                return Err(wrong());
            }
            if offsets.len() > 1 && offset - offsets[0] > TEXT_STEP as u64 {
                break;
            }
            offsets.push(offset);
        }
        Ok(offsets)
    }

    /// The next texts of a column with offsets.
    fn texts(&mut self, rows: usize) -> Result<Vec<Option<ByteArray>>, Error> {
        let offsets = self.offsets(rows)?;
        let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
        let len = usize::try_from(last - first).map_err(|_| self.damaged("a text is too long"))?;
        self.held.resize(self.opened + len.max(TEXT_STEP))?;
        let bytes = self.buffer(1)?.bytes(first, len)?;
        let nulls = self.nulls(offsets.len() - 1)?;
        let texts = offsets.windows(2).enumerate().map(|(row, ends)| {
            let is_there = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
            is_there.then(|| bytes.slice((ends[0] - first) as usize..(ends[1] - first) as usize).into())
        });
        Ok(texts.collect())
    }

    /// The next texts of a column of views.
    fn viewed(&mut self, rows: usize) -> Result<Vec<Option<ByteArray>>, Error> {
        let views = self.native::<u128>(0, self.row, rows)?;
        let nulls = self.nulls(rows)?;
        let mut texts: Vec<Option<ByteArray>> = Vec::with_capacity(rows);
        let mut taken = 0usize;
        for (row, view) in views.iter().enumerate() {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                texts.push(None);
                continue;
            }
            let view = view.to_le_bytes();
            let word = |at: usize| u32::from_le_bytes([view[at], view[at + 1], view[at + 2], view[at + 3]]);
            let len = word(0) as usize;
            if len <= INLINE {
                texts.push(Some(Bytes::copy_from_slice(&view[4..4 + len]).into()));
                continue;
            }
            taken = taken.saturating_add(len);
            if taken > TEXT_STEP && row > 0 {
                break;
            }
            self.held.resize(self.opened + taken.max(TEXT_STEP))?;
            let buffer = (word(8) as usize).checked_add(1);
            let source =
                buffer.map_or_else(|| Err(self.damaged("a view points nowhere")), |b| self.buffer(b))?;
            texts.push(Some(source.bytes(word(12).into(), len)?.into()));
        }
        Ok(texts)
    }

    /// The next texts of a column of keys.
    fn keyed(&self, rows: usize, key: &DataType, values: &DataType) -> Result<Values, Error> {
        let Some(dictionary) = &self.dictionary else {
            return Err(self.damaged("a column has no dictionary"));
        };
        let beyond = || self.damaged("a key is beyond its dictionary");
        let nulls = self.nulls(rows)?;
        let is_null = |row| nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
        let keys = self.keys(rows, key)?.into_iter().enumerate();
        match &dictionary.entries {
            Entries::Texts(texts) => {
                let keyed = keys.map(|(row, key)| {
                    if is_null(row) {
                        return Ok(None);
                    }
                    let text = usize::try_from(key).ok().and_then(|key| texts.get(key));
                    text.cloned().ok_or_else(beyond)
                });
                let keyed: Vec<_> = keyed.collect::<Result<_, _>>()?;
                // A dictionary of numbers without any, or of nulls.
                let is_text = is_text(values);
                Ok(if is_text { Values::Text(keyed) } else { Values::Null(keyed.len()) })
            }
            Entries::Array(values) => {
                let places = keys.map(|(row, key)| {
                    if is_null(row) {
                        return Ok(None);
                    }
                    let place = u64::try_from(key).ok().filter(|place| *place < values.len() as u64);
                    place.map(Some).ok_or_else(beyond)
                });
                let places: UInt64Array = places.collect::<Result<_, _>>()?;
                let values = take(values, &places, None)?;
                Ok(match values.as_boolean_opt() {
                    Some(values) => Values::Bool(values.clone()),
                    None => Values::Number(values),
                })
            }
        }
    }

    fn keys(&self, rows: usize, key: &DataType) -> Result<Vec<i128>, Error> {
        fn wide<T: Copy + Into<i128> + ArrowNativeType>(keys: &ScalarBuffer<T>) -> Vec<i128> {
            keys.iter().map(|key| (*key).into()).collect()
        }
        Ok(match key {
            DataType::Int8 => wide(&self.native::<i8>(0, self.row, rows)?),
            DataType::Int16 => wide(&self.native::<i16>(0, self.row, rows)?),
            DataType::Int32 => wide(&self.native::<i32>(0, self.row, rows)?),
            DataType::Int64 => wide(&self.native::<i64>(0, self.row, rows)?),
            DataType::UInt8 => wide(&self.native::<u8>(0, self.row, rows)?),
            DataType::UInt16 => wide(&self.native::<u16>(0, self.row, rows)?),
            DataType::UInt32 => wide(&self.native::<u32>(0, self.row, rows)?),
            DataType::UInt64 => wide(&self.native::<u64>(0, self.row, rows)?),
            _ => return Err(self.damaged("the keys of a dictionary are no integers")),
        })
    }

    /// The next rows, at most `rows`.
    fn values(&mut self, rows: usize) -> Result<Values, Error> {
        Ok(match self.data_type.clone() {
            DataType::Null => Values::Null(rows),
            DataType::Boolean => {
                let values = self.bits(self.buffer(0)?, rows)?;
                Values::Bool(BooleanArray::new(values, self.nulls(rows)?))
            }
            DataType::Utf8 | DataType::LargeUtf8 => Values::Text(self.texts(rows)?),
            DataType::Utf8View => Values::Text(self.viewed(rows)?),
            DataType::Dictionary(key, values) => self.keyed(rows, &key, &values)?,
            _ => Values::Number(self.numbers(rows)?),
        })
    }

    /// All that is left, handed to `each` step by step.
    pub(super) fn each(&mut self, mut each: impl FnMut(Values) -> Result<(), Error>) -> Result<(), Error> {
        while self.row < self.rows {
            let values = self.step(usize::MAX)?;
            each(values)?;
        }
        Ok(())
    }

    fn step(&mut self, most: usize) -> Result<Values, Error> {
        const MOST: usize = 1 << 14;
        let left = usize::try_from(self.rows - self.row).unwrap_or(usize::MAX);
        if left == 0 {
            return Err(self.damaged("a record batch has fewer rows than it says"));
        }
        let values = self.values(left.min(most).min(MOST))?;
        // What a dictionary holds was looked at when it was read.
        if let (Values::Text(texts), None) = (&values, &self.dictionary)
            && !texts.iter().flatten().all(|text| is_utf8(text.data()))
        {
            return Err(self.damaged("a text is not UTF-8"));
        }
        self.row += values.len() as u64;
        Ok(values)
    }
}

impl ColumnReader for BatchColumn {
    fn next(&mut self, _: &mut Scratch, most: usize) -> Result<Values, Error> {
        self.step(most)
    }

    fn skip(&mut self, _: &mut Scratch, rows: u64) -> Result<(), Error> {
        self.row = self.row.saturating_add(rows).min(self.rows);
        Ok(())
    }

    fn peak(&self) -> usize {
        self.held.peak()
    }
}

/// How many buffers a column has after those of its nulls; `None` for one that is not read.
pub(super) fn buffers_of(data_type: &DataType) -> super::messages::Buffers {
    use super::messages::Buffers;
    match data_type {
        DataType::Null => Buffers::Fixed(0),
        DataType::Utf8 | DataType::LargeUtf8 => Buffers::Fixed(3),
        DataType::Utf8View => Buffers::Views,
        _ => Buffers::Fixed(2),
    }
}

const _: () = assert!(VIEW == size_of::<u128>());
