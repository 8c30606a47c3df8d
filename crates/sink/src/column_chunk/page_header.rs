//! The headers of pages, in Thrift's compact protocol.
//!
//! Fields and numbers are those of `parquet.thrift`, version 2.11. The crate's own writer of headers takes a page as a
//! buffer of its own and copies it; here the header goes in front of what is there. A test holds one against the other.

use parquet::basic::Encoding;

use super::bits::{write_varint, zigzag};

/// Types of the compact protocol.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const I32: u8 = 5;
const STRUCT: u8 = 12;
const STOP: u8 = 0;

/// Appends the header of a dictionary's page.
pub(super) fn write_dictionary(uncompressed: i32, compressed: i32, values: i32, out: &mut Vec<u8>) {
    const DICTIONARY_PAGE: i32 = 2;
    sizes(DICTIONARY_PAGE, uncompressed, compressed, out);
    // dictionary_page_header is field 7.
    out.push(4 << 4 | STRUCT);
    number(values, out);
    number(encoding_number(Encoding::PLAIN), out);
    // is_sorted: the values stand in the order in which rows first have them.
    out.extend_from_slice(&[1 << 4 | FALSE, STOP, STOP]);
}

/// What the header of a data page of version 2 says beside sizes.
#[derive(Debug, Clone, Copy)]
pub(super) struct DataPage {
    pub(super) rows: i32,
    pub(super) nulls: i32,
    pub(super) encoding: Encoding,
    /// Bytes of the levels, which stand in front of the values and are never compressed.
    pub(super) level_bytes: i32,
    pub(super) is_compressed: bool,
}

/// Appends the header of a data page of version 2. Both sizes include the levels.
pub(super) fn write_data(page: DataPage, uncompressed: i32, compressed: i32, out: &mut Vec<u8>) {
    const DATA_PAGE_V2: i32 = 3;
    sizes(DATA_PAGE_V2, uncompressed, compressed, out);
    // data_page_header_v2 is field 8.
    out.push(5 << 4 | STRUCT);
    for value in [page.rows, page.nulls, page.rows, encoding_number(page.encoding), page.level_bytes, 0] {
        number(value, out);
    }
    out.push(1 << 4 | if page.is_compressed { TRUE } else { FALSE });
    out.extend_from_slice(&[STOP, STOP]);
}

fn sizes(page_type: i32, uncompressed: i32, compressed: i32, out: &mut Vec<u8>) {
    for value in [page_type, uncompressed, compressed] {
        number(value, out);
    }
}

/// The next field of a struct, a number.
fn number(value: i32, out: &mut Vec<u8>) {
    out.push(1 << 4 | I32);
    write_varint(zigzag(value.into()), out);
}

fn encoding_number(encoding: Encoding) -> i32 {
    encoding as i32
}

#[cfg(test)]
mod tests {
    use parquet::column::page::{CompressedPage, Page, PageWriter};
    use parquet::file::writer::{SerializedPageWriter, TrackedWrite};

    use super::*;

    fn by_the_crate(page: Page, uncompressed: usize) -> Vec<u8> {
        let mut out = TrackedWrite::new(Vec::new());
        SerializedPageWriter::new(&mut out).write_page(CompressedPage::new(page, uncompressed)).unwrap();
        out.into_inner().unwrap()
    }

    #[test]
    fn headers_are_those_of_the_crate() {
        for (rows, nulls, levels, size, uncompressed) in [
            (1i32, 0i32, 0i32, 5i32, 5i32),
            (2048, 100, 37, 5000, 9000),
            (70_000, 70_000, 3, 3, 3),
            (1 << 20, 1, 200, 1 << 21, 1 << 24),
        ] {
            for encoding in [
                Encoding::PLAIN,
                Encoding::RLE_DICTIONARY,
                Encoding::DELTA_BINARY_PACKED,
                Encoding::DELTA_LENGTH_BYTE_ARRAY,
                Encoding::RLE,
            ] {
                for is_compressed in [false, true] {
                    let header = DataPage { rows, nulls, encoding, level_bytes: levels, is_compressed };
                    let mut out = Vec::new();
                    write_data(header, uncompressed, size, &mut out);
                    let expected = Page::DataPageV2 {
                        buf: vec![0; size as usize].into(),
                        num_values: rows as u32,
                        encoding,
                        num_nulls: nulls as u32,
                        num_rows: rows as u32,
                        def_levels_byte_len: levels as u32,
                        rep_levels_byte_len: 0,
                        is_compressed,
                        statistics: None,
                    };
                    let expected = by_the_crate(expected, uncompressed as usize);
                    assert_eq!(out, expected[..expected.len() - size as usize]);
                }
            }
            let mut out = Vec::new();
            write_dictionary(uncompressed, size, rows, &mut out);
            let buf = vec![0; size as usize].into();
            let expected = Page::DictionaryPage {
                buf,
                num_values: rows as u32,
                encoding: Encoding::PLAIN,
                is_sorted: false,
            };
            let expected = by_the_crate(expected, uncompressed as usize);
            assert_eq!(out, expected[..expected.len() - size as usize]);
        }
    }
}
