//! Whole records of one shape, and where their fields end: what the index makes and the columns read.
//!
//! A block is only made of records that are as they should be: all of one width, quotes in their places, one kind
//! of line end, valid UTF-8. Everything else is left to [`RecordReader`](crate::record_reader::RecordReader), so
//! that the loops over a block need no other case than a quoted field.
#![allow(unsafe_code)] // Loads without bounds checks; each rests on an invariant of `Block`, stated there.

use crate::index::IndexKernel;
use crate::processor::WithAvx2;
use crate::record::{Field, undo_quotes};

/// Bytes that may be read behind a block's last record, so that a kernel can load whole words.
pub(crate) const PADDING: usize = 64;

/// Records of one width, indexed.
///
/// Invariants: `ends` has a whole number of rows of `columns` entries, is ascending, starts at or behind `start`,
/// and no entry is above `padded.len() - PADDING`. A field that begins with a quote ends with another one, so that it has
/// two bytes at the least. Where a line end has two bytes, each record ends in CR LF. All records are UTF-8. The index
/// vouches for all of this, for the very bytes that it has indexed; columns are read without looking again.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    padded: &'a [u8],
    /// First byte of the first record.
    start: u32,
    /// Where each field ends, row by row: at its delimiter, or at the LF of its line end.
    ends: &'a [u32],
    columns: usize,
    /// Bytes of a line end: 1 for LF, 2 for CR LF.
    line_end: u32,
    /// [`NO_QUOTE`] if there is none, so that one comparison tells.
    quote: u16,
    /// The kernel that made the index; this processor has what it needs.
    kernel: IndexKernel,
}

/// A quote that no byte is.
const NO_QUOTE: u16 = u16::MAX;

impl<'a> Block<'a> {
    /// A block of the records that begin at `start`, for the columns to be read with what `kernel` needs.
    ///
    /// # Panics
    /// If the invariants of the type are broken at the ends of the index; that it ascends is the caller's part.
    pub(crate) fn new(
        padded: &'a [u8],
        start: usize,
        ends: &'a [u32],
        columns: usize,
        line_end: u32,
        quote: Option<u8>,
        kernel: IndexKernel,
    ) -> Self {
        debug_assert!(kernel.is_available());
        assert!(columns > 0 && ends.len().is_multiple_of(columns));
        assert!(ends.last().is_none_or(|last| *last as usize + PADDING <= padded.len()));
        assert!(start + PADDING <= padded.len() && ends.first().is_none_or(|first| start <= *first as usize));
        debug_assert!(ends.is_sorted());
        let quote = quote.map_or(NO_QUOTE, u16::from);
        Block { padded, start: start as u32, ends, columns, line_end, quote, kernel }
    }

    /// Records.
    pub(crate) fn rows(&self) -> usize {
        self.ends.len() / self.columns
    }

    /// Fields of each record.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Where record `row` begins, or where the last one ends with its line end if `row` is their number.
    pub(crate) fn row_start(&self, row: usize) -> usize {
        if row == 0 { self.start as usize } else { self.ends[row * self.columns - 1] as usize + 1 }
    }

    /// The records `from..to`.
    pub(crate) fn slice(&self, from: usize, to: usize) -> Block<'a> {
        let ends = &self.ends[from * self.columns..to * self.columns];
        Block { start: self.row_start(from) as u32, ends, ..*self }
    }

    /// Record `row` without its line end.
    pub(crate) fn raw(&self, row: usize) -> &'a [u8] {
        &self.padded[self.row_start(row)..self.row_start(row + 1) - self.line_end as usize]
    }

    /// One column.
    ///
    /// # Panics
    /// If there is no such column.
    pub(crate) fn column(&self, column: usize) -> Fields<'a> {
        assert!(column < self.columns);
        Fields {
            block: *self,
            rows: self.rows(),
            column,
            cut: if column + 1 == self.columns { self.line_end - 1 } else { 0 },
        }
    }
}

/// The fields of one column of a block.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    block: Block<'a>,
    /// Records of the block: a division less for each question.
    rows: usize,
    column: usize,
    /// Bytes before each end that belong to the line end.
    cut: u32,
}

impl<'a> Fields<'a> {
    /// Fields, one for each record.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// The processor that the block was made by, if it has AVX2 and may be asked for it.
    pub(crate) fn avx2(&self) -> Option<WithAvx2> {
        WithAvx2::if_it_is(self.block.kernel)
    }

    /// The bytes of field `row` as they stand in the file, quotes included.
    ///
    /// # Panics
    /// If there is no such record.
    #[inline(always)]
    pub(crate) fn raw(&self, row: usize) -> Padded<'a> {
        assert!(row < self.len());
        let at = row * self.block.columns + self.column;
        // SAFETY: there is a whole number of rows, `row` is one of them, and `column` was checked against their width.
        let end = unsafe { *self.block.ends.get_unchecked(at) } - self.cut;
        let start = if at == 0 {
            self.block.start
        } else {
            // SAFETY: `at` is in bounds, and so is what lies before it.
            unsafe { *self.block.ends.get_unchecked(at - 1) + 1 }
        };
        debug_assert!(start <= end && end as usize + PADDING <= self.block.padded.len());
        // SAFETY: ends ascend and the last one is PADDING before the end of `padded`, by the block's invariants;
        // a field that is cut ends in CR LF, so that its end lies behind its start.
        let bytes = unsafe { self.block.padded.get_unchecked(start as usize..end as usize) };
        Padded { bytes }
    }

    /// The byte that a quoted field begins with; more than any byte if there is none.
    #[inline(always)]
    pub(crate) fn quote(&self) -> u16 {
        self.block.quote
    }

    /// Whether the field begins with a quote, so that its text is not its bytes.
    #[inline(always)]
    pub(crate) fn is_quoted(&self, raw: Padded<'_>) -> bool {
        // An empty field is followed by its separator, which is no quote.
        u16::from(raw.first_or_separator()) == self.block.quote
    }

    /// What stands between the quotes of a field, doubled ones not undone; all of it if there are none. Enough for
    /// kernels, which take no text that has quotes inside.
    #[inline(always)]
    pub(crate) fn inner(&self, raw: Padded<'a>) -> Padded<'a> {
        let quotes = usize::from(self.is_quoted(raw));
        // A quoted field of a block is closed before its separator, so that it has two bytes at the least.
        debug_assert!(raw.len() >= 2 * quotes);
        // SAFETY: the range lies inside of the field, as asserted.
        let bytes = unsafe { raw.bytes.get_unchecked(quotes..raw.len() - quotes) };
        Padded { bytes }
    }

    /// The records `from..to`.
    pub(crate) fn slice(&self, from: usize, to: usize) -> Fields<'a> {
        Fields { block: self.block.slice(from, to), rows: to - from, ..*self }
    }

    /// Bytes of all fields together, quotes included.
    pub(crate) fn bytes(&self) -> usize {
        (0..self.len()).map(|row| self.raw(row).len()).sum()
    }

    /// The text of field `row`, quotes undone.
    #[inline]
    pub(crate) fn field<'s>(&self, row: usize, scratch: &'s mut Vec<u8>) -> Field<'s>
    where
        'a: 's,
    {
        let raw = self.raw(row);
        if !self.is_quoted(raw) {
            return Field { text: raw.bytes, quoted: false };
        }
        let quote = raw.first_or_separator();
        // In a block each quoted field is closed, and closed before its separator.
        let inner = &raw.bytes[1..raw.bytes.len() - 1];
        if memchr::memchr(quote, inner).is_none() {
            return Field { text: inner, quoted: true };
        }
        undo_quotes(inner, quote, None, scratch);
        Field { text: scratch, quoted: true }
    }
}

/// Bytes behind which [`PADDING`] more may be read.
#[derive(Clone, Copy)]
pub(crate) struct Padded<'a> {
    bytes: &'a [u8],
}

impl<'a> Padded<'a> {
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes alone.
    #[inline(always)]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The first byte, or the one behind an empty field.
    #[inline(always)]
    pub(crate) fn first_or_separator(&self) -> u8 {
        // SAFETY: PADDING bytes behind the field are readable, whoever made this.
        unsafe { *self.bytes.as_ptr() }
    }

    /// The bytes `FROM..FROM + 8`, the first in the lowest place, whatever the length.
    #[inline(always)]
    pub(crate) fn word<const FROM: usize>(&self) -> u64 {
        const { assert!(FROM + 8 <= PADDING) };
        // SAFETY: PADDING bytes behind the field's end are readable, so that many from its start are.
        let word = unsafe { self.bytes.as_ptr().add(FROM).cast::<u64>().read_unaligned() };
        u64::from_le(word)
    }

    /// The first 16 bytes, whatever the length.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(crate) fn first_16(&self) -> &'a [u8; 16] {
        // SAFETY: as for `word`; an array of bytes has no alignment to keep.
        unsafe { &*self.bytes.as_ptr().cast::<[u8; 16]>() }
    }

    /// The same text without its first `bytes` bytes, or what it has of them.
    #[inline(always)]
    pub(crate) fn skip(&self, bytes: usize) -> Padded<'a> {
        // SAFETY: the range begins inside of the text or at its end.
        Padded { bytes: unsafe { self.bytes.get_unchecked(bytes.min(self.len())..) } }
    }

    /// Gives a test the field that stands before `separator` in a padded buffer.
    #[cfg(test)]
    pub(crate) fn of_test(padded: &'a [u8], len: usize) -> Self {
        assert!(len + PADDING <= padded.len());
        Padded { bytes: &padded[..len] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lie_between_separators_and_line_ends_are_cut_off() {
        let mut bytes = b"xx1,ab\r\n,\"c\"\"d\"\r\n".to_vec();
        let ends = [3, 7, 8, 16];
        bytes.resize(bytes.len() + PADDING, 0);
        let block = Block::new(&bytes, 2, &ends, 2, 2, Some(b'"'), IndexKernel::best());
        assert_eq!((block.rows(), block.row_start(1), block.row_start(2)), (2, 8, 17));
        assert_eq!(block.raw(0), b"1,ab");
        assert_eq!(block.raw(1), b",\"c\"\"d\"");
        let mut scratch = Vec::new();
        let (first, second) = (block.column(0), block.slice(1, 2).column(1));
        assert_eq!(first.field(0, &mut scratch), Field { text: b"1", quoted: false });
        assert_eq!(first.field(1, &mut scratch), Field { text: b"", quoted: false });
        assert_eq!(second.field(0, &mut scratch), Field { text: b"c\"d", quoted: true });
        assert_eq!(block.column(1).field(0, &mut scratch), Field { text: b"ab", quoted: false });
        assert_eq!(first.raw(0).word::<0>().to_le_bytes(), *b"1,ab\r\n,\"");
        let quoted = second.raw(0);
        assert_eq!(second.inner(quoted).bytes(), b"c\"\"d");
        assert_eq!(
            (second.inner(quoted).skip(3).bytes(), second.inner(quoted).skip(9).len()),
            (&b"d"[..], 0)
        );
        assert_eq!((first.bytes(), block.column(1).slice(1, 2).bytes()), (1, 6));
    }
}
