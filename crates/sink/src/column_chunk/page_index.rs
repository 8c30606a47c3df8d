//! Where the pages of a chunk are, and what their values range over: the format's offset index and column index.
//!
//! Both are kept in the bytes that the file holds at its end, in Thrift's compact protocol; fields and numbers are those of
//! `parquet.thrift`, version 2.11. The crate's builders keep each bound in memory of its own. It reads them back in tests.

use parquet::basic::BoundaryOrder;

use super::bits::{write_varint, zigzag};

/// Types of the compact protocol; lists of bools are of the type of the second one.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const I32: u8 = 5;
const I64: u8 = 6;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;
const STOP: u8 = 0;

/// The index of a chunk in progress, page by page.
pub(super) struct PageIndexBuilder {
    pages: Vec<Place>,
    /// None once a page has values that do not compare: it has no place in it, and leaves none for the others.
    bounds: Option<PageBounds>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    /// From the chunk's first data page.
    offset: u64,
    bytes: i32,
    first_row: u64,
}

/// Each is a list of the index, but for its head.
#[derive(Default)]
struct PageBounds {
    are_null: Vec<u8>,
    least: Vec<u8>,
    greatest: Vec<u8>,
    nulls: Vec<u8>,
}

/// What a page's values come to in an index.
pub(super) enum PageRange<'a> {
    Nulls,
    Between(&'a [u8], &'a [u8]),
    Unknown,
}

impl Default for PageIndexBuilder {
    fn default() -> Self {
        Self { pages: Vec::new(), bounds: Some(PageBounds::default()) }
    }
}

impl PageIndexBuilder {
    /// Adds a page of `bytes`, headers and all, that lies behind `offset` bytes of data pages.
    pub(super) fn push(
        &mut self,
        offset: u64,
        bytes: i32,
        first_row: u64,
        nulls: usize,
        range: PageRange<'_>,
    ) {
        self.pages.push(Place { offset, bytes, first_row });
        let (is_null, least, greatest): (u8, &[u8], &[u8]) = match range {
            PageRange::Nulls => (TRUE, &[], &[]),
            PageRange::Between(least, greatest) => (FALSE, least, greatest),
            PageRange::Unknown => return self.bounds = None,
        };
        if let Some(bounds) = &mut self.bounds {
            bounds.are_null.push(is_null);
            binary(least, &mut bounds.least);
            binary(greatest, &mut bounds.greatest);
            write_varint(zigzag(nulls as i64), &mut bounds.nulls);
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let bounds = self.bounds.as_ref().map_or(0, |bounds| {
            bounds.are_null.capacity()
                + bounds.least.capacity()
                + bounds.greatest.capacity()
                + bounds.nulls.capacity()
        });
        self.pages.capacity() * size_of::<Place>() + bounds
    }

    pub(super) fn finish(self, order: BoundaryOrder) -> PageIndex {
        let bounds = self.bounds.map(|bounds| {
            let mut out = Vec::new();
            for (list, of) in [(&bounds.are_null, FALSE), (&bounds.least, BINARY), (&bounds.greatest, BINARY)]
            {
                out.push(1 << 4 | LIST);
                list_head(self.pages.len(), of, &mut out);
                out.extend_from_slice(list);
            }
            out.push(1 << 4 | I32);
            write_varint(zigzag(order as i64), &mut out);
            out.push(1 << 4 | LIST);
            list_head(self.pages.len(), I64, &mut out);
            out.extend_from_slice(&bounds.nulls);
            out.push(STOP);
            out.into_boxed_slice()
        });
        PageIndex { pages: self.pages, bounds }
    }
}

/// The index of a whole chunk.
pub(crate) struct PageIndex {
    pages: Vec<Place>,
    bounds: Option<Box<[u8]>>,
}

impl PageIndex {
    /// Bytes of both parts at the most.
    pub(crate) fn most_bytes(&self) -> usize {
        const PLACE: usize = 29;
        self.bounds.as_ref().map_or(0, |bounds| bounds.len()) + (self.pages.len() + 1) * PLACE
    }

    /// The column index, if there is one, and the offset index of a chunk whose data pages begin at `offset` of the file.
    pub(crate) fn into_parts(self, offset: u64) -> (Option<Box<[u8]>>, Box<[u8]>) {
        let mut out = Vec::new();
        out.push(1 << 4 | LIST);
        list_head(self.pages.len(), STRUCT, &mut out);
        for page in &self.pages {
            out.push(1 << 4 | I64);
            write_varint(zigzag((offset + page.offset) as i64), &mut out);
            out.push(1 << 4 | I32);
            write_varint(zigzag(page.bytes.into()), &mut out);
            out.push(1 << 4 | I64);
            write_varint(zigzag(page.first_row as i64), &mut out);
            out.push(STOP);
        }
        out.push(STOP);
        (self.bounds, out.into_boxed_slice())
    }
}

fn list_head(length: usize, of: u8, out: &mut Vec<u8>) {
    match length {
        0..15 => out.push((length as u8) << 4 | of),
        _ => {
            out.push(15 << 4 | of);
            write_varint(length as u64, out);
        }
    }
}

fn binary(bytes: &[u8], out: &mut Vec<u8>) {
    write_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::file::metadata::{
        ColumnChunkMetaData, ColumnIndexBuilder, FileMetaData, OffsetIndexBuilder, ParquetMetaDataBuilder,
        ParquetMetaDataWriter, RowGroupMetaData,
    };
    use parquet::schema::parser::parse_message_type;
    use parquet::schema::types::SchemaDescriptor;

    use super::*;

    /// Both indexes as the crate writes them, of a chunk at the file's beginning.
    fn by_the_crate(index: ColumnIndexBuilder, offsets: OffsetIndexBuilder) -> Vec<u8> {
        let schema = parse_message_type("message m { required int32 a; }").unwrap();
        let schema = Arc::new(SchemaDescriptor::new(Arc::new(schema)));
        let chunk = ColumnChunkMetaData::builder(schema.column(0)).build().unwrap();
        let group = RowGroupMetaData::builder(schema.clone()).add_column_metadata(chunk).build().unwrap();
        let file = FileMetaData::new(1, 0, None, None, schema, None);
        let metadata = ParquetMetaDataBuilder::new(file)
            .add_row_group(group)
            .set_column_index(Some(vec![vec![index.build().unwrap()]]))
            .set_offset_index(Some(vec![vec![offsets.build()]]))
            .build();
        let mut out = Vec::new();
        ParquetMetaDataWriter::new(&mut out, &metadata).finish().unwrap();
        out
    }

    #[test]
    fn indexes_are_those_of_the_crate() {
        for pages in [1usize, 3, 14, 15, 300] {
            let mut ours = PageIndexBuilder::default();
            let mut index = ColumnIndexBuilder::new(parquet::basic::Type::INT32);
            let mut offsets = OffsetIndexBuilder::new();
            let (mut offset, mut first_row) = (0u64, 0);
            for page in 0..pages {
                let (rows, nulls, bytes) = (page * 7 + 1, page * 3, page as i32 * 1000 + 20);
                let (least, greatest) = ((page as i32).to_le_bytes(), (page as i32 * 2).to_le_bytes());
                if page % 5 == 4 {
                    ours.push(offset, bytes, first_row, nulls, PageRange::Nulls);
                    index.append(true, Vec::new(), Vec::new(), nulls as i64);
                } else {
                    ours.push(offset, bytes, first_row, nulls, PageRange::Between(&least, &greatest));
                    index.append(false, least.to_vec(), greatest.to_vec(), nulls as i64);
                }
                offsets.append_row_count(rows as i64);
                offsets.append_offset_and_size(offset as i64 + 4, bytes);
                offset += bytes as u64;
                first_row += rows as u64;
            }
            index.set_boundary_order(BoundaryOrder::ASCENDING);
            let (bounds, places) = ours.finish(BoundaryOrder::ASCENDING).into_parts(4);
            let expected = by_the_crate(index, offsets);
            let ours = [bounds.unwrap(), places].concat();
            assert_eq!(ours, expected[..ours.len()], "{pages} pages");
        }
    }

    #[test]
    fn a_page_that_does_not_compare_leaves_the_places_alone() {
        let mut index = PageIndexBuilder::default();
        index.push(0, 10, 0, 0, PageRange::Unknown);
        index.push(10, 10, 5, 0, PageRange::Between(&[1], &[2]));
        let (bounds, places) = index.finish(BoundaryOrder::UNORDERED).into_parts(4);
        assert!(bounds.is_none() && places.len() > 10);
    }
}
