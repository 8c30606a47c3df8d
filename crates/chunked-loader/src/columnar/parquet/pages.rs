//! The pages of one column chunk, checked and decompressed one by one.
//!
//! The `parquet` crate's own reader of pages allocates what a header says, and its decoders what a page says. A file is
//! bytes from outside: here a page is measured against the file, the budget and its own values before any of it is
//! handed on, and what the decoders cannot bear is refused.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Encoding, Type};
use parquet::column::page::Page;

use super::codec::{Codec, Scratch};
use super::thrift::{self, Broken, DATA_PAGE, DATA_PAGE_V2, DICTIONARY_PAGE, PageHeader};
use crate::columnar::held::{Held, zeroed};
use crate::columnar::values::is_utf8;
use crate::error::{Error, ErrorKind};

/// Where a chunk lies, and how its pages are to be read.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    pub(super) file: Arc<File>,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) codec: Codec,
    pub(super) physical: Type,
    /// Whether values may be null, so that pages begin with levels.
    pub(super) has_levels: bool,
    pub(super) rows: u64,
}

/// Bytes of a step of texts that are put together from those before them.
pub(super) const EXPANDED_STEP: usize = 64 << 10;

/// Bytes that are read for a header at first.
const HEADER_BYTES: usize = 512;

/// A text of a dictionary that is decoded, beside its bytes.
const DICTIONARY_TEXT: usize = 32;

/// Goes through the pages of a chunk.
pub(super) struct Pages {
    chunk: Chunk,
    at: u64,
    rows_left: u64,
    dictionary: Option<Page>,
    dictionary_bytes: usize,
    header: Vec<u8>,
}

/// A data page that is next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Next {
    header: PageHeader,
    /// Where its body begins.
    body: u64,
}

impl Next {
    /// Where its values begin.
    pub(super) fn byte(&self) -> u64 {
        self.body
    }

    pub(super) fn rows(&self) -> usize {
        self.header.values as usize
    }

    pub(super) fn is_dictionary_encoded(&self) -> bool {
        is_dictionary(self.header.encoding)
    }

    /// Whether a value may be longer than what stands for it in the page.
    pub(super) fn may_expand(&self) -> bool {
        self.header.encoding == Encoding::DELTA_BYTE_ARRAY as i64
    }

    /// Bytes that the page takes until its values are decoded.
    pub(super) fn memory(&self) -> usize {
        // The text before, and those of a step, the last of which may be as long as the page.
        let text = if self.may_expand() { 2 * self.header.uncompressed + EXPANDED_STEP } else { 0 };
        // Packed lengths are unpacked for all values at once.
        let lengths = if self.header.encoding >= Encoding::DELTA_LENGTH_BYTE_ARRAY as i64
            && !self.is_dictionary_encoded()
        {
            12 * self.rows()
        } else {
            0
        };
        self.header.uncompressed + text + lengths
    }
}

fn is_dictionary(encoding: i64) -> bool {
    encoding == Encoding::RLE_DICTIONARY as i64 || encoding == 2
}

impl Pages {
    pub(super) fn new(chunk: Chunk) -> Pages {
        Pages {
            at: chunk.start,
            rows_left: chunk.rows,
            chunk,
            dictionary: None,
            dictionary_bytes: 0,
            header: Vec::new(),
        }
    }

    /// The chunk's dictionary, if it has one and it was met.
    pub(super) fn dictionary(&self) -> Option<&Page> {
        self.dictionary.as_ref()
    }

    /// Bytes that the dictionary takes, decoded and as it was.
    pub(super) fn dictionary_bytes(&self) -> usize {
        self.dictionary_bytes
    }

    fn damaged(&self, cause: impl Into<String>) -> Error {
        let cause = Some(cause.into().into());
        Error::new(ErrorKind::Damaged { format: "Parquet", byte: self.at, cause })
    }

    /// The next data page, which stays the next one until it is [passed](Self::pass). Takes the dictionary on the way;
    /// `held` is then grown by what that takes.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged, or the budget has no room for the dictionary.
    pub(super) fn next(&mut self, scratch: &mut Scratch, held: &mut Held) -> Result<Next, Error> {
        loop {
            let next = self.read_header()?;
            match next.header.page_type {
                DATA_PAGE | DATA_PAGE_V2 => {
                    self.check_data(&next.header)?;
                    return Ok(next);
                }
                DICTIONARY_PAGE => self.take_dictionary(next, scratch, held)?,
                // Indexes of pages stand elsewhere, and what else there may be one day is passed over.
                _ => {}
            }
            self.at = next.body + next.header.compressed as u64;
        }
    }

    /// Passes over a page.
    pub(super) fn pass(&mut self, next: &Next) {
        self.at = next.body + next.header.compressed as u64;
        self.rows_left -= u64::from(next.header.values);
    }

    fn read_header(&mut self) -> Result<Next, Error> {
        let mut wanted = HEADER_BYTES;
        loop {
            let most = usize::try_from(self.chunk.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
            let len = wanted.min(most);
            self.header.resize(len, 0);
            read_exact(&self.chunk.file, &mut self.header, self.at)?;
            match thrift::page_header(&self.header) {
                Ok(header) => {
                    let body = self.at + header.bytes as u64;
                    if header.compressed > most - header.bytes {
                        return Err(self.damaged("a page is longer than its column chunk"));
                    }
                    return Ok(Next { header, body });
                }
                Err(Broken::Short) if len < most && wanted < thrift::MOST_HEADER_BYTES => wanted *= 8,
                Err(Broken::Short) => return Err(self.damaged("the chunk ends before all of its values")),
                Err(Broken::Wrong) => return Err(self.damaged("the header of a page makes no sense")),
            }
        }
    }

    fn check_data(&self, header: &PageHeader) -> Result<(), Error> {
        if header.values == 0 && header.page_type == DATA_PAGE && header.uncompressed == 0 {
            return Err(self.damaged("a page has no values"));
        }
        if u64::from(header.values) > self.rows_left {
            return Err(self.damaged("the pages have more values than the row group has rows"));
        }
        if header.page_type == DATA_PAGE_V2 {
            let is_sound = header.rows == header.values
                && header.nulls <= header.values
                && header.repetition_bytes == 0
                && header.level_bytes as usize <= header.uncompressed.min(header.compressed);
            if !is_sound {
                return Err(self.damaged("the header of a page contradicts itself"));
            }
        }
        if is_dictionary(header.encoding) && self.dictionary.is_none() {
            return Err(self.damaged("a page needs a dictionary, and there is none"));
        }
        Ok(())
    }

    fn take_dictionary(&mut self, next: Next, scratch: &mut Scratch, held: &mut Held) -> Result<(), Error> {
        let header = next.header;
        if self.dictionary.is_some() {
            return Err(self.damaged("a column chunk has two dictionaries"));
        }
        let width = match self.chunk.physical {
            Type::INT32 | Type::FLOAT | Type::BYTE_ARRAY => 4,
            Type::INT64 | Type::DOUBLE => 8,
            Type::INT96 => 12,
            Type::FIXED_LEN_BYTE_ARRAY => 2,
            Type::BOOLEAN => return Err(self.damaged("a dictionary of booleans")),
        };
        let values = header.values as usize;
        if values > header.uncompressed / width {
            return Err(self.damaged("a dictionary has more values than bytes for them"));
        }
        // PLAIN, or what older writers name PLAIN_DICTIONARY and write the same.
        if !matches!(header.encoding, 0 | 2) {
            return Err(self.damaged("a dictionary is not plain"));
        }
        let decoded = match self.chunk.physical {
            Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY => DICTIONARY_TEXT,
            _ => width,
        };
        let bytes = header.uncompressed + values * decoded;
        held.grow(bytes)?;
        self.dictionary_bytes = bytes;
        let buf = self.body(&next, 0, true, scratch)?;
        if self.chunk.physical == Type::BYTE_ARRAY {
            self.check_texts(&buf, values)?;
        }
        self.dictionary = Some(Page::DictionaryPage {
            buf,
            num_values: header.values,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        });
        Ok(())
    }

    /// Refuses plain texts of which one is no text, so that those of a dictionary are looked at once.
    fn check_texts(&self, mut plain: &[u8], texts: usize) -> Result<(), Error> {
        for _ in 0..texts {
            let text = plain.split_first_chunk::<4>().and_then(|(length, rest)| {
                rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
            });
            let (text, rest) = text.ok_or_else(|| self.damaged("a dictionary ends within a text"))?;
            if !is_utf8(text) {
                return Err(self.damaged("a text is not UTF-8"));
            }
            plain = rest;
        }
        Ok(())
    }

    /// The page itself, whose memory the caller has claimed.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged, or the budget has no room to decompress.
    pub(super) fn load(&mut self, next: &Next, scratch: &mut Scratch) -> Result<Page, Error> {
        let header = next.header;
        let encoding = encoding(header.encoding).ok_or_else(|| {
            self.damaged(format!("a page is in encoding {}, which is none of the format", header.encoding))
        })?;
        if header.page_type == DATA_PAGE_V2 {
            let levels = header.level_bytes as usize;
            let buf = self.body(next, levels, header.is_compressed, scratch)?;
            self.check_values(&header, &buf[levels..])?;
            return Ok(Page::DataPageV2 {
                buf,
                num_values: header.values,
                encoding,
                num_nulls: header.nulls,
                num_rows: header.rows,
                // Of a column without levels there may be none.
                def_levels_byte_len: header.level_bytes,
                rep_levels_byte_len: 0,
                is_compressed: false,
                statistics: None,
            });
        }
        let buf = self.body(next, 0, true, scratch)?;
        let levels = self.level_bytes(&header, &buf)?;
        self.check_values(&header, &buf[levels..])?;
        let def_level_encoding =
            if header.level_encoding == BIT_PACKED { bit_packed() } else { Encoding::RLE };
        Ok(Page::DataPage {
            buf,
            num_values: header.values,
            encoding,
            def_level_encoding,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        })
    }

    /// Bytes of the levels that a page of version 1 begins with.
    fn level_bytes(&self, header: &PageHeader, buf: &[u8]) -> Result<usize, Error> {
        let bytes = match header.level_encoding {
            _ if !self.chunk.has_levels => Some(0),
            BIT_PACKED => Some((header.values as usize).div_ceil(8)),
            _ => buf
                .first_chunk::<4>()
                .and_then(|length| usize::try_from(i32::from_le_bytes(*length)).ok())
                .map(|length| length.saturating_add(4)),
        };
        bytes.filter(|bytes| *bytes <= buf.len()).ok_or_else(|| self.damaged("a page ends within its levels"))
    }

    /// Refuses values that a decoder would allocate for beyond what there is.
    fn check_values(&self, header: &PageHeader, values: &[u8]) -> Result<(), Error> {
        if values.is_empty() {
            return Ok(());
        }
        let is_counted =
            |bytes: &[u8]| thrift::packed_count(bytes).is_ok_and(|count| count <= u64::from(header.values));
        let is_sound = match encoding(header.encoding) {
            Some(Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY) => values[0] <= 32,
            Some(Encoding::DELTA_BINARY_PACKED | Encoding::DELTA_LENGTH_BYTE_ARRAY) => is_counted(values),
            Some(Encoding::DELTA_BYTE_ARRAY) => {
                is_counted(values) && thrift::packed_end(values).is_ok_and(|end| is_counted(&values[end..]))
            }
            _ => true,
        };
        if is_sound { Ok(()) } else { Err(self.damaged("the values of a page contradict its header")) }
    }

    /// The body of a page, the first `plain` bytes of which are never compressed.
    fn body(
        &self,
        next: &Next,
        plain: usize,
        is_compressed: bool,
        scratch: &mut Scratch,
    ) -> Result<Bytes, Error> {
        let PageHeader { compressed, uncompressed, .. } = next.header;
        let codec = if is_compressed { self.chunk.codec } else { Codec::None };
        if codec == Codec::None && compressed != uncompressed {
            return Err(self.damaged("a page that is not compressed has two lengths"));
        }
        let mut out = zeroed(uncompressed)?;
        if codec == Codec::None {
            read_exact(&self.chunk.file, &mut out, next.body)?;
            return Ok(out.into());
        }
        scratch.make_room(compressed, codec)?;
        let Scratch { packed, decompressors, .. } = scratch;
        let packed = &mut packed[..compressed];
        read_exact(&self.chunk.file, packed, next.body)?;
        out[..plain].copy_from_slice(&packed[..plain]);
        // Where there is nothing but levels, there may be nothing to decompress.
        if !(packed.len() == plain && uncompressed == plain) {
            decompressors
                .decompress(codec, &packed[plain..], &mut out[plain..])
                .map_err(|cause| self.damaged(cause))?;
        }
        Ok(out.into())
    }
}

const BIT_PACKED: i64 = 4;

#[allow(deprecated)] // Older files have it still.
fn bit_packed() -> Encoding {
    Encoding::BIT_PACKED
}

fn encoding(number: i64) -> Option<Encoding> {
    Some(match number {
        0 => Encoding::PLAIN,
        2 => Encoding::PLAIN_DICTIONARY,
        3 => Encoding::RLE,
        5 => Encoding::DELTA_BINARY_PACKED,
        6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        7 => Encoding::DELTA_BYTE_ARRAY,
        8 => Encoding::RLE_DICTIONARY,
        9 => Encoding::BYTE_STREAM_SPLIT,
        _ => return None,
    })
}

/// Fills `into` from byte `at` on.
///
/// # Errors
/// [`ErrorKind::Damaged`] if the file ends before, [`ErrorKind::Io`].
pub(super) fn read_exact(file: &File, into: &mut [u8], at: u64) -> Result<(), Error> {
    file.read_exact_at(into, at).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            Error::new(ErrorKind::Damaged { format: "Parquet", byte: at, cause: None })
        }
        _ => Error::io(error),
    })
}
