//! The values of one column chunk, page by page.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, BooleanArray, Float16Array, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::compute::concat;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType as Arrow, Date32Type, Float16Type, Float32Type, Float64Type, Int32Type,
    Int64Type, TimeUnit, UInt32Type, UInt64Type,
};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl, get_column_reader};
use parquet::data_type::{DataType, Int96};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::schema::types::ColumnDescPtr;

use super::codec::Scratch;
use super::pages::{Chunk, EXPANDED_STEP, Next, Pages};
use crate::columnar::guard::guarded;
use crate::columnar::held::Held;
use crate::columnar::values::{Values, is_utf8, timestamps};
use crate::error::{Error, ErrorKind};

/// What decoders of a column take beside pages: readers of bits, indices on their way, and values of a step.
pub(super) const COLUMN_BYTES: usize = 24 << 10;

/// Reads a chunk from front to back.
pub(super) struct ChunkReader {
    descriptor: ColumnDescPtr,
    /// What the values are.
    data_type: Arrow,
    pages: Pages,
    queue: Queue,
    reader: Option<ColumnReader>,
    /// Whether the reader has the chunk's dictionary.
    has_dictionary: bool,
    /// Rows of the page that the reader has.
    left: usize,
    may_expand: bool,
    /// Whether the page's values are those of the dictionary, which were looked at when it was read.
    is_of_dictionary: bool,
    /// What the page takes that the reader has.
    memory: usize,
    levels: Vec<i16>,
    held: Held,
    at: u64,
}

/// Pages that are loaded, for the reader to take: whatever can fail has happened by then.
#[derive(Clone, Default)]
struct Queue(Arc<Mutex<VecDeque<Page>>>);

impl Queue {
    fn put(&self, page: Page) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(page);
    }

    fn pop(&self) -> Option<Page> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

impl Iterator for Queue {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.pop().map(Ok)
    }
}

impl PageReader for Queue {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        Ok(self.pop())
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        let queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(queue.front().map(|page| PageMetadata {
            num_rows: None,
            num_levels: page.is_data_page().then(|| page.num_values() as usize),
            is_dict: page.is_dictionary_page(),
        }))
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        self.pop();
        Ok(())
    }
}

impl ChunkReader {
    /// A reader of values that are `data_type` in Arrow.
    ///
    /// # Errors
    /// If there is no room for it.
    pub(super) fn new(
        chunk: Chunk,
        descriptor: ColumnDescPtr,
        data_type: Arrow,
        mut held: Held,
    ) -> Result<ChunkReader, Error> {
        held.resize(COLUMN_BYTES)?;
        Ok(ChunkReader {
            descriptor,
            data_type,
            at: chunk.start,
            pages: Pages::new(chunk),
            queue: Queue::default(),
            reader: None,
            has_dictionary: false,
            left: 0,
            may_expand: false,
            is_of_dictionary: false,
            memory: 0,
            levels: Vec::new(),
            held,
        })
    }

    /// Gives the reader its next page.
    fn load(&mut self, next: Next, scratch: &mut Scratch) -> Result<(), Error> {
        let is_dictionary_encoded = next.is_dictionary_encoded();
        if !(is_dictionary_encoded && self.has_dictionary) {
            // The page before is let go of before there is another one.
            self.reader = None;
        }
        let dictionary = self.pages.dictionary_bytes();
        // Indices are short: with a dictionary, the page before is still there.
        let pages = if is_dictionary_encoded { 2 } else { 1 };
        self.held.resize(COLUMN_BYTES + dictionary + pages * next.memory().max(self.memory))?;
        self.memory = next.memory();
        let page = self.pages.load(&next, scratch)?;
        if self.reader.is_none() {
            self.queue = Queue::default();
            self.has_dictionary = is_dictionary_encoded;
            if let Some(dictionary) = self.pages.dictionary().filter(|_| is_dictionary_encoded) {
                self.queue.put(dictionary.clone());
            }
            let queue = Box::new(self.queue.clone());
            self.reader = Some(get_column_reader(Arc::clone(&self.descriptor), queue));
        }
        self.queue.put(page);
        self.left = next.rows();
        self.may_expand = next.may_expand();
        self.is_of_dictionary = is_dictionary_encoded;
        self.at = next.byte();
        self.pages.pass(&next);
        Ok(())
    }

    /// Values that are put together from those before them: one at a time, since each may be as long as its page, until they
    /// are a step together.
    fn expanded(&mut self, rows: usize) -> Result<Values, Error> {
        let (mut texts, mut numbers, mut bytes) = (Vec::new(), Vec::new(), 0);
        while texts.len() + numbers.len() < rows && bytes < EXPANDED_STEP {
            let data_type = self.data_type.clone();
            match self.guarded(|reader, levels| decode(reader, &data_type, 1, levels))? {
                Values::Text(mut text) => {
                    bytes += text.iter().flatten().map(|text| text.len()).sum::<usize>();
                    texts.append(&mut text);
                }
                Values::Number(number) => numbers.push(number),
                _ => return Err(self.damaged("values are in an encoding for texts".into())),
            }
        }
        if numbers.is_empty() {
            return Ok(Values::Text(texts));
        }
        let numbers: Vec<&dyn Array> = numbers.iter().map(AsRef::as_ref).collect();
        Ok(Values::Number(concat(&numbers)?))
    }

    /// Calls a decoder of the `parquet` crate.
    ///
    /// Decoders are given bytes from outside. What would make them allocate is refused before; where they index beyond
    /// their input all the same they panic, and a damaged file must not end the program. This is the one place that calls
    /// them; what they leave behind is not used again.
    fn guarded<T>(
        &mut self,
        decode: impl FnOnce(&mut ColumnReader, &mut Vec<i16>) -> ParquetResult<T>,
    ) -> Result<T, Error> {
        let Some(mut reader) = self.reader.take() else { return Err(self.damaged("no page".into())) };
        let levels = &mut self.levels;
        levels.clear();
        let decoded = guarded(|| {
            let decoded = decode(&mut reader, levels);
            (reader, decoded)
        });
        match decoded {
            Ok((reader, Ok(values))) => {
                self.reader = Some(reader);
                Ok(values)
            }
            Ok((_, Err(error))) => Err(self.damaged(error.into())),
            Err(_) => Err(self.damaged("the values of a page make no sense".into())),
        }
    }

    fn damaged(&self, cause: Box<dyn std::error::Error + Send + Sync>) -> Error {
        Error::new(ErrorKind::Damaged { format: "Parquet", byte: self.at, cause: Some(cause) })
    }
}

impl crate::columnar::table::ColumnReader for ChunkReader {
    fn peak(&self) -> usize {
        self.held.peak()
    }

    fn skip(&mut self, scratch: &mut Scratch, mut rows: u64) -> Result<(), Error> {
        while rows > 0 {
            if self.left == 0 {
                let next = self.pages.next(scratch, &mut self.held)?;
                if next.rows() as u64 <= rows {
                    rows -= next.rows() as u64;
                    self.pages.pass(&next);
                    continue;
                }
                self.load(next, scratch)?;
            }
            let step = usize::try_from(rows).unwrap_or(usize::MAX).min(self.left);
            let step = if self.may_expand { 1 } else { step };
            self.guarded(|reader, _| {
                let skipped = match reader {
                    ColumnReader::BoolColumnReader(r) => r.skip_records(step),
                    ColumnReader::Int32ColumnReader(r) => r.skip_records(step),
                    ColumnReader::Int64ColumnReader(r) => r.skip_records(step),
                    ColumnReader::Int96ColumnReader(r) => r.skip_records(step),
                    ColumnReader::FloatColumnReader(r) => r.skip_records(step),
                    ColumnReader::DoubleColumnReader(r) => r.skip_records(step),
                    ColumnReader::ByteArrayColumnReader(r) => r.skip_records(step),
                    ColumnReader::FixedLenByteArrayColumnReader(r) => r.skip_records(step),
                }?;
                if skipped == step { Ok(()) } else { Err(short()) }
            })?;
            self.left -= step;
            rows -= step as u64;
        }
        Ok(())
    }

    fn next(&mut self, scratch: &mut Scratch, most: usize) -> Result<Values, Error> {
        while self.left == 0 {
            let next = self.pages.next(scratch, &mut self.held)?;
            self.load(next, scratch)?;
        }
        let rows = most.min(self.left).max(1);
        let values = if self.may_expand {
            self.expanded(rows)?
        } else {
            let data_type = self.data_type.clone();
            self.guarded(|reader, levels| decode(reader, &data_type, rows, levels))?
        };
        self.left -= values.len();
        if let (Values::Text(texts), false) = (&values, self.is_of_dictionary)
            && !texts.iter().flatten().all(|text| is_utf8(text.data()))
        {
            return Err(self.damaged("a text is not UTF-8".into()));
        }
        Ok(values)
    }
}

fn short() -> ParquetError {
    ParquetError::EOF("a page ends before its last value".to_owned())
}

fn wrong(message: &str) -> ParquetError {
    ParquetError::General(message.to_owned())
}

/// The values that are there of `rows` rows, and which rows those are if not all.
fn read<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    levels: &mut Vec<i16>,
) -> ParquetResult<(Vec<T::T>, Option<NullBuffer>)> {
    let mut values = Vec::with_capacity(rows);
    let (records, _, _) = reader.read_records(rows, Some(levels), None, &mut values)?;
    if records != rows {
        return Err(short());
    }
    if levels.is_empty() || values.len() == rows {
        return if values.len() == rows { Ok((values, None)) } else { Err(short()) };
    }
    let nulls = NullBuffer::new(BooleanBuffer::collect_bool(rows, |row| levels[row] > 0));
    if nulls.len() - nulls.null_count() == values.len() { Ok((values, Some(nulls))) } else { Err(short()) }
}

/// Puts values where their rows are; a null has the default.
fn spread<T: Default, U: Default>(
    values: Vec<T>,
    nulls: Option<&NullBuffer>,
    each: impl Fn(T) -> U,
) -> Vec<U> {
    let Some(nulls) = nulls else { return values.into_iter().map(each).collect() };
    let mut values = values.into_iter();
    nulls
        .iter()
        .map(|is_there| if is_there { values.next().map(&each).unwrap_or_default() } else { U::default() })
        .collect()
}

fn number<A: ArrowPrimitiveType>(values: Vec<A::Native>, nulls: Option<NullBuffer>) -> PrimitiveArray<A> {
    PrimitiveArray::new(ScalarBuffer::from(values), nulls)
}

/// Whole numbers as what the type says they are: numbers, days, or counts since 1970.
fn whole(values: Vec<i64>, nulls: Option<NullBuffer>, data_type: &Arrow) -> ParquetResult<ArrayRef> {
    Ok(match data_type {
        Arrow::UInt64 => {
            Arc::new(number::<UInt64Type>(values.into_iter().map(|v| v as u64).collect(), nulls))
        }
        Arrow::UInt32 => {
            Arc::new(number::<UInt32Type>(values.into_iter().map(|v| v as u32).collect(), nulls))
        }
        Arrow::Date64 => {
            // Milliseconds of whole days.
            const DAY: i64 = 86_400_000;
            if values.iter().any(|v| v % DAY != 0) {
                return Err(wrong("a date has a time of day"));
            }
            let days = values.into_iter().map(|v| i32::try_from(v / DAY)).collect::<Result<_, _>>();
            Arc::new(number::<Date32Type>(days.map_err(|_| wrong("a date is out of range"))?, nulls))
        }
        Arrow::Timestamp(unit, zone) => timestamps(number(values, nulls), *unit, zone.clone()),
        _ => Arc::new(number::<Int64Type>(values, nulls)),
    })
}

/// The next `rows` rows of the page that the reader has.
fn decode(
    reader: &mut ColumnReader,
    data_type: &Arrow,
    rows: usize,
    levels: &mut Vec<i16>,
) -> ParquetResult<Values> {
    Ok(match reader {
        ColumnReader::BoolColumnReader(reader) => {
            let (values, nulls) = read(reader, rows, levels)?;
            let values = spread(values, nulls.as_ref(), |v| v);
            Values::Bool(BooleanArray::new(values.into(), nulls))
        }
        ColumnReader::Int32ColumnReader(reader) => {
            let (values, nulls) = read(reader, rows, levels)?;
            match data_type {
                Arrow::Null => Values::Null(rows),
                Arrow::Date32 | Arrow::Date64 => Values::Number(Arc::new(number::<Date32Type>(
                    spread(values, nulls.as_ref(), |v| v),
                    nulls,
                ))),
                Arrow::Timestamp(_, _) | Arrow::UInt32 => {
                    Values::Number(whole(spread(values, nulls.as_ref(), i64::from), nulls, data_type)?)
                }
                _ => Values::Number(Arc::new(number::<Int32Type>(
                    spread(values, nulls.as_ref(), |v| v),
                    nulls,
                ))),
            }
        }
        ColumnReader::Int64ColumnReader(reader) => {
            let (values, nulls) = read(reader, rows, levels)?;
            Values::Number(whole(spread(values, nulls.as_ref(), |v| v), nulls, data_type)?)
        }
        ColumnReader::Int96ColumnReader(reader) => {
            let (values, nulls) = read(reader, rows, levels)?;
            let unit = match data_type {
                Arrow::Timestamp(unit, _) => *unit,
                _ => TimeUnit::Nanosecond,
            };
            let counts =
                values.iter().map(|value| count_of(value, unit)).collect::<ParquetResult<Vec<_>>>()?;
            Values::Number(whole(spread(counts, nulls.as_ref(), |v| v), nulls, data_type)?)
        }
        ColumnReader::FloatColumnReader(reader) => {
            let (values, nulls) = read(reader, rows, levels)?;
            Values::Number(Arc::new(number::<Float32Type>(spread(values, nulls.as_ref(), |v| v), nulls)))
        }
        ColumnReader::DoubleColumnReader(reader) => {
            let (values, nulls) = read(reader, rows, levels)?;
            Values::Number(Arc::new(number::<Float64Type>(spread(values, nulls.as_ref(), |v| v), nulls)))
        }
        ColumnReader::ByteArrayColumnReader(reader) => {
            let (values, nulls) = read(reader, rows, levels)?;
            Values::Text(spread(values, nulls.as_ref(), Some))
        }
        ColumnReader::FixedLenByteArrayColumnReader(reader) => {
            let (values, nulls) = read(reader, rows, levels)?;
            let halves = spread(values, nulls.as_ref(), |v| match v.data() {
                [low, high] => Half::from_le_bytes([*low, *high]),
                _ => Half::NAN,
            });
            let halves = Float16Array::new(halves.into(), nulls);
            Values::Number(arrow::compute::cast(&halves, &Arrow::Float32)?)
        }
    })
}

type Half = <Float16Type as ArrowPrimitiveType>::Native;

/// A count since 1970 of a day of the Julian calendar and the nanoseconds in it.
fn count_of(value: &Int96, unit: TimeUnit) -> ParquetResult<i64> {
    const EPOCH: i64 = 2_440_588;
    let [low, high, day] = *value.data() else { return Err(short()) };
    let nanos = i128::from(low) | i128::from(high) << 32;
    let days = i128::from(day) - i128::from(EPOCH);
    let nanos = days * 86_400_000_000_000 + nanos;
    let nanos_of_unit = match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    };
    if nanos % nanos_of_unit != 0 {
        return Err(wrong("a timestamp has more digits than its unit"));
    }
    let count = i64::try_from(nanos / nanos_of_unit);
    count
        .map_err(|_| wrong("a timestamp is beyond the years 1677 to 2262, which 64 bits of nanoseconds hold"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_of_96_bits_are_counted_in_the_unit_of_their_column() {
        let mut value = Int96::new();
        // 1970-01-02 00:00:05.
        value.set_data(705_032_704, 1, 2_440_589);
        assert_eq!(count_of(&value, TimeUnit::Second).unwrap(), 86_405);
        assert_eq!(count_of(&value, TimeUnit::Nanosecond).unwrap(), 86_405_000_000_000);
        // A nanosecond more, and a day of the year 9999.
        value.set_data(705_032_705, 1, 2_440_589);
        assert!(count_of(&value, TimeUnit::Microsecond).is_err());
        value.set_data(0, 0, 5_373_484);
        assert_eq!(count_of(&value, TimeUnit::Second).unwrap(), 253_402_214_400);
        assert!(count_of(&value, TimeUnit::Nanosecond).is_err());
    }
}
