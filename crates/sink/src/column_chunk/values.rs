//! What the kinds of columns have in common: values that are not null, gathered to pages.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use parquet::basic::{BoundaryOrder, Encoding};
use parquet::file::statistics::Statistics;

use super::bools::Bools;
use super::dictionary_texts::DictionaryTexts;
use super::direction::Direction;
use super::numbers::Numbers;
use super::texts::Texts;

/// Bytes of values that a page takes at most. Its header counts them in 31 bits, and levels and lengths with them.
pub(super) const MOST_PAGE_BYTES: usize = 0x7800_0000;

/// Why values cannot be taken.
#[derive(Debug)]
pub(super) enum Refused {
    /// They would make a page of so many bytes.
    TooLong(usize),
    /// A dictionary could not be undone.
    Arrow(ArrowError),
}

impl From<ArrowError> for Refused {
    fn from(error: ArrowError) -> Self {
        Self::Arrow(error)
    }
}

/// The values of a column chunk. Its bytes depend on the values alone, not on how they came in blocks, but for where
/// pages end.
pub(super) trait Values: Send {
    /// Takes the rows of a block that are not null.
    ///
    /// # Errors
    ///
    /// Values that are longer than the format can count.
    fn push(&mut self, block: &ArrayRef) -> Result<(), Refused>;

    /// Bytes that the page takes so far, before it is compressed, but for a few.
    fn page_bytes(&self) -> usize;

    /// Whether the page must end here, since the next block is written in another way.
    fn ends_page(&self) -> bool {
        false
    }

    /// Ends the page. What does not lie in memory as it is to be written is appended to `out`.
    fn finish_page(&mut self, out: &mut Vec<u8>) -> PageValues;

    /// The rest of the ended page.
    fn rest(&self) -> &[u8] {
        &[]
    }

    /// Gives the memory of the [rest](Self::rest) away, to be written as it is.
    fn take_rest(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// Begins the next page.
    fn begin_page(&mut self);

    /// The values that indices stand for, and how many, if pages hold indices. A page of nulls does too, and needs the
    /// dictionary, empty as it is.
    fn dictionary(&mut self) -> Option<(Vec<u8>, usize)> {
        None
    }

    /// The statistics of all finished pages.
    fn statistics(&self, nulls: u64) -> Statistics;

    /// The order of all finished pages.
    fn order(&self) -> BoundaryOrder;

    /// Which way all values go that were taken, where that is cheap to see and they are not all the same.
    fn direction(&self) -> Option<Direction> {
        None
    }

    /// Bytes of memory that are filled, the page's included. The same for the same rows.
    fn held_bytes(&self) -> usize;

    /// Bytes on the heap, but for what is [kept](Self::kept_bytes).
    fn heap_bytes(&self) -> usize;

    /// Bytes of what is kept to be faster, and can be [forgotten](Self::forget) at any time. They depend on how the values
    /// came.
    fn kept_bytes(&self) -> usize {
        0
    }

    /// Drops what is kept. The bytes that are written do not change.
    fn forget(&mut self) {}
}

/// Gives the memory of a page away. What takes its place has room for one that is hardly longer.
pub(super) fn hand_out(page: &mut Vec<u8>) -> Vec<u8> {
    let next = Vec::with_capacity(page.len() + page.len() / 8);
    let mut page = std::mem::replace(page, next);
    page.shrink_to_fit();
    page
}

/// What there is to say of a page's values.
pub(super) struct PageValues {
    pub(super) encoding: Encoding,
    /// The least and the greatest one as an index holds them; none if no two of them compare.
    pub(super) bounds: Option<(Vec<u8>, Vec<u8>)>,
}

/// The values of a column of `data_type`; `None` if the format, or this writer, has no such column. Numbers get a
/// dictionary as long as it takes no more than `dictionary_bytes`, texts if the type is one.
pub(super) fn of(data_type: &DataType, dictionary_bytes: Option<usize>) -> Option<Box<dyn Values>> {
    use DataType::{
        Binary, Boolean, Date32, Dictionary, Float32, Float64, Int8, Int16, Int32, Int64, LargeBinary,
        LargeUtf8, Null, Time32, Time64, Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8,
    };
    Some(match data_type {
        Boolean => Box::new(Bools::default()),
        Null | Int8 | Int16 | Int32 | UInt8 | UInt16 | Date32 | Time32(_) => {
            Box::new(Numbers::<i32>::new(false, dictionary_bytes))
        }
        UInt32 => Box::new(Numbers::<i32>::new(true, dictionary_bytes)),
        Int64 | Time64(_) | Timestamp(..) => Box::new(Numbers::<i64>::new(false, dictionary_bytes)),
        UInt64 => Box::new(Numbers::<i64>::new(true, dictionary_bytes)),
        Float32 => Box::new(Numbers::<f32>::new(false, dictionary_bytes)),
        Float64 => Box::new(Numbers::<f64>::new(false, dictionary_bytes)),
        Utf8 | LargeUtf8 => Box::new(Texts::new(true)),
        Binary | LargeBinary => Box::new(Texts::new(false)),
        Dictionary(_, values) => match values.as_ref() {
            text @ (Utf8 | LargeUtf8 | Binary | LargeBinary) => Box::new(DictionaryTexts::new(
                matches!(text, Utf8 | LargeUtf8),
                dictionary_bytes.unwrap_or(0),
            )),
            _ => return None,
        },
        _ => return None,
    })
}
