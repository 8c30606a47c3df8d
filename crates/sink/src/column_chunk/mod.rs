//! The values of one column in one row group, encoded to pages.
//!
//! ```text
//!  block ──► levels ─────────────────────────────────┐
//!    │       which rows are null                     ├──► page: header, levels, values ──► chunk
//!    └─────► values ──► packed differences, lengths, ┘    (values compressed, where
//!            not null   floats, or indices                 that is worth it)
//! ```
//!
//! A page ends with a block once it is long enough. Only the page in progress and, compressed, those before it are in
//! memory, so that thousands of columns cost what their values cost.
//!
//! The `parquet` crate's own column writer is not used: it takes 6.5 KiB a column before the first value and some 30 KiB
//! beside its pages later on, claims 1 MiB for packed differences, and hashes each row of a dictionary again. The crate
//! still makes the schema and the footer, and reads all of it back in tests.

mod bits;
mod bools;
mod bounds;
mod compressor;
mod dictionary_texts;
mod differences;
mod direction;
mod indices;
mod levels;
mod number_dictionary;
mod numbers;
mod page_header;
mod page_index;
mod pages;
mod runs;
mod scratch;
mod texts;
mod trials;
mod values;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use monitor::{Bytes, Reservation};
use parquet::basic::{self, Encoding, EncodingMask, PageType};
use parquet::bloom_filter::Sbbf;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};
use parquet::schema::types::ColumnDescPtr;

use crate::compression::Compression;
use crate::error::Error;

pub(crate) use direction::Direction;
use levels::Levels;
use page_header::DataPage;
pub(crate) use page_index::PageIndex;
use page_index::{PageIndexBuilder, PageRange};
pub(crate) use pages::Pages;
pub(crate) use scratch::Scratch;
pub(crate) use trials::Trials;
use values::{Refused, Values};

/// How the chunks of a column are written.
#[derive(Debug, Clone)]
pub(crate) struct ChunkOptions {
    pub(crate) descriptor: ColumnDescPtr,
    pub(crate) data_type: DataType,
    pub(crate) compression: Compression,
    /// A page ends with the block that reaches either.
    pub(crate) page_bytes: usize,
    pub(crate) page_rows: usize,
    /// Whether the file holds an index of the pages.
    pub(crate) is_indexed: bool,
    /// Bytes of a filter of its values, if it has one.
    pub(crate) filter_bytes: Option<usize>,
    /// What a dictionary may take; none for numbers that are written as they are.
    pub(crate) dictionary_bytes: Option<usize>,
}

/// Whether columns of this type can be written.
pub(crate) fn is_supported(data_type: &DataType) -> bool {
    values::of(data_type, None).is_some()
}

/// A chunk in progress.
pub(crate) struct ChunkEncoder {
    options: Arc<ChunkOptions>,
    codec: basic::Compression,
    values: Box<dyn Values>,
    levels: Levels,
    pages: Pages,
    /// If the file holds one.
    index: Option<PageIndexBuilder>,
    /// Data pages by encoding.
    encodings: Vec<(Encoding, i32)>,
    rows: u64,
    nulls: u64,
    uncompressed: u64,
    trials: Trials,
    /// Of what the values keep to be faster.
    kept: Option<Reservation>,
}

/// A finished chunk.
pub(crate) struct EncodedChunk {
    pub(crate) pages: Pages,
    pub(crate) rows: u64,
    /// Offsets are counted from the first page.
    pub(crate) metadata: ColumnChunkMetaData,
    pub(crate) index: Option<PageIndex>,
    pub(crate) filter: Option<Sbbf>,
    /// Which way the values go, where none is null and they are in order.
    pub(crate) direction: Option<Direction>,
    /// For the next chunk of the column.
    pub(crate) trials: Trials,
}

impl ChunkEncoder {
    /// # Errors
    ///
    /// A type that cannot be written, and a compression level that the format does not have.
    pub(crate) fn new(options: &Arc<ChunkOptions>, trials: Trials) -> Result<Self, ParquetError> {
        let values = values::of(&options.data_type, options.dictionary_bytes)
            .ok_or_else(|| ParquetError::NYI(format!("columns of type {} in Parquet", options.data_type)))?;
        Ok(Self {
            codec: compressor::codec_name(options.compression)?,
            values,
            levels: Levels::default(),
            pages: Pages::default(),
            index: options.is_indexed.then(PageIndexBuilder::default),
            encodings: Vec::new(),
            rows: 0,
            nulls: 0,
            uncompressed: 0,
            trials,
            kept: None,
            options: Arc::clone(options),
        })
    }

    /// Takes the next rows.
    ///
    /// # Errors
    ///
    /// A value too long for the format, and the budget's refusal of what compressing a page takes.
    pub(crate) fn push(&mut self, block: &ArrayRef, scratch: &mut Scratch) -> Result<(), Error> {
        self.levels.push(block.len(), block.logical_nulls().as_ref());
        let column = self.options.descriptor.name();
        self.values.push(block).map_err(|refused| scratch.refused(column, refused))?;
        self.reserve_kept(scratch);
        let is_full = self.values.page_bytes() + self.levels.rows() / 8 >= self.options.page_bytes
            || self.levels.rows() >= self.options.page_rows
            || self.values.ends_page();
        if is_full { self.finish_page(scratch) } else { Ok(()) }
    }

    /// Reserves what the values keep to be faster, or has them keep nothing where the budget has no room for it.
    fn reserve_kept(&mut self, scratch: &Scratch) {
        let bytes = Bytes(self.values.kept_bytes() as u64);
        let is_reserved = match &mut self.kept {
            None if bytes == Bytes::ZERO => true,
            None => {
                self.kept = scratch.dictionaries().try_reserve(bytes).ok();
                self.kept.is_some()
            }
            Some(kept) => kept.bytes() == bytes || kept.try_resize(bytes).is_ok(),
        };
        if !is_reserved {
            self.values.forget();
            self.kept = None;
        }
    }

    fn finish_page(&mut self, scratch: &mut Scratch) -> Result<(), Error> {
        let (rows, nulls) = (self.levels.rows(), self.levels.nulls());
        let mut room = scratch.begin_page(self.values.page_bytes(), rows)?;
        if self.options.descriptor.max_def_level() > 0 {
            self.levels.finish(&mut room.levels);
        } else {
            self.levels = Levels::default();
        }
        let page = self.values.finish_page(&mut room.values);
        let rest = self.values.rest();
        let (values_before, has_rest) = (room.values.len(), !rest.is_empty());
        let value_bytes = values_before + rest.len();
        let mut compressed = None;
        if self.trials.next() && value_bytes > 0 {
            let most = value_bytes - value_bytes / compressor::least_saved_share(self.options.compression);
            compressed = room.compressor.compress(&mut room.values, rest)?;
            compressed = compressed.filter(|compressed| compressed.len() <= most);
            self.trials.note(compressed.is_some());
        }
        let is_compressed = compressed.is_some();
        let stored_bytes = compressed.map_or(value_bytes, <[u8]>::len);
        let level_bytes = room.levels.len();
        let size = |bytes| self.size(bytes, scratch);
        let header = DataPage {
            rows: size(rows)?,
            nulls: size(nulls)?,
            encoding: page.encoding,
            level_bytes: size(level_bytes)?,
            is_compressed,
        };
        let mut head = Vec::with_capacity(64);
        let (before, after) = (size(level_bytes + value_bytes)?, size(level_bytes + stored_bytes)?);
        page_header::write_data(header, before, after, &mut head);
        let offset = self.pages.bytes() as u64;
        self.uncompressed += (head.len() + level_bytes + value_bytes) as u64;
        let begin = compressed.unwrap_or(&room.values[..values_before]);
        self.pages.push([&head, &room.levels, begin].concat());
        if !is_compressed && has_rest {
            self.pages.push(self.values.take_rest());
        }
        scratch.end_page(room);
        self.values.begin_page();

        let length = self.size(self.pages.bytes() - offset as usize, scratch)?;
        if let Some(index) = &mut self.index {
            let range = match &page.bounds {
                Some((least, greatest)) => PageRange::Between(least, greatest),
                None if nulls == rows => PageRange::Nulls,
                None => PageRange::Unknown,
            };
            index.push(offset, length, self.rows, nulls, range);
        }
        self.count(page.encoding);
        self.rows += rows as u64;
        self.nulls += nulls as u64;
        Ok(())
    }

    /// A size as the format holds it.
    fn size(&self, bytes: usize, scratch: &Scratch) -> Result<i32, Error> {
        let column = self.options.descriptor.name();
        i32::try_from(bytes).map_err(|_| scratch.refused(column, Refused::TooLong(bytes)))
    }

    fn count(&mut self, encoding: Encoding) {
        match self.encodings.iter_mut().find(|(other, _)| *other == encoding) {
            Some((_, pages)) => *pages += 1,
            None => self.encodings.push((encoding, 1)),
        }
    }

    /// Ends the chunk.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    pub(crate) fn finish(mut self, scratch: &mut Scratch) -> Result<EncodedChunk, Error> {
        if self.levels.rows() > 0 {
            self.finish_page(scratch)?;
        }
        let dictionary_bytes = match self.values.dictionary() {
            Some((values, count)) => self.put_dictionary(&values, count, scratch)?,
            None => 0,
        };
        self.close(dictionary_bytes).map_err(|error| scratch.encode(error))
    }

    /// Puts the dictionary's page in front of the others, and gives its length.
    fn put_dictionary(&mut self, values: &[u8], count: usize, scratch: &mut Scratch) -> Result<usize, Error> {
        let mut room = scratch.begin_page(values.len(), 0)?;
        // This page cannot say that it is not compressed.
        let stored = room.compressor.compress(&mut Vec::new(), values)?.unwrap_or(values);
        let mut head = Vec::with_capacity(32);
        let size = |bytes| self.size(bytes, scratch);
        page_header::write_dictionary(size(values.len())?, size(stored.len())?, size(count)?, &mut head);
        self.uncompressed += (head.len() + values.len()) as u64;
        let page = [&head[..], stored].concat();
        let length = page.len();
        self.pages.push_front(page);
        scratch.end_page(room);
        Ok(length)
    }

    fn close(self, dictionary_bytes: usize) -> Result<EncodedChunk, ParquetError> {
        let has_dictionary = dictionary_bytes > 0;
        let encodings = self.encodings.iter().map(|(encoding, _)| *encoding);
        let encodings = encodings.chain([Encoding::RLE]).chain(has_dictionary.then_some(Encoding::PLAIN));
        let dictionary = has_dictionary.then_some(PageEncodingStats {
            page_type: PageType::DICTIONARY_PAGE,
            encoding: Encoding::PLAIN,
            count: 1,
        });
        let data = self.encodings.iter().map(|(encoding, count)| PageEncodingStats {
            page_type: PageType::DATA_PAGE_V2,
            encoding: *encoding,
            count: *count,
        });
        let metadata = ColumnChunkMetaData::builder(self.options.descriptor.clone())
            .set_compression(self.codec)
            .set_encodings_mask(EncodingMask::new_from_encodings(encodings.collect::<Vec<_>>().iter()))
            .set_page_encoding_stats(dictionary.into_iter().chain(data).collect())
            .set_total_compressed_size(self.pages.bytes() as i64)
            .set_total_uncompressed_size(self.uncompressed as i64)
            .set_num_values(self.rows as i64)
            .set_dictionary_page_offset(has_dictionary.then_some(0))
            .set_data_page_offset(dictionary_bytes as i64)
            .set_statistics(self.values.statistics(self.nulls))
            .build()?;
        Ok(EncodedChunk {
            rows: self.rows,
            metadata,
            index: self.index.map(|index| index.finish(self.values.order())),
            filter: None,
            direction: self.values.direction().filter(|_| self.nulls == 0),
            pages: self.pages,
            trials: self.trials,
        })
    }

    /// Bytes of memory that are filled: the same for the same rows, however they came.
    pub(crate) fn held_bytes(&self) -> usize {
        self.pages.bytes() + self.values.held_bytes() + self.levels.rows() / 8
    }

    /// Bytes on the heap, but for some hundred.
    pub(crate) fn heap_bytes(&self) -> usize {
        let index = self.index.as_ref().map_or(0, PageIndexBuilder::heap_bytes);
        self.pages.heap_bytes() + self.values.heap_bytes() + self.levels.heap_bytes() + index
    }
}
