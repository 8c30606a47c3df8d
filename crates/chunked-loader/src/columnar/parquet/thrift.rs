//! Thrift's compact protocol, as far as it must be looked at before anything is allocated by what it says.
//!
//! Fields and numbers are those of `parquet.thrift`, version 2.11.

/// Why bytes are no such structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// They end too early: more of them may be there.
    Short,
    /// They make no sense.
    Wrong,
}

/// Structures within structures; the format's own go no deeper than this.
const MOST_DEPTH: usize = 32;

// Types of the compact protocol.
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const STRUCT: u8 = 12;

/// Reads from front to back.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn byte(&mut self) -> Result<u8, Broken> {
        let byte = self.bytes.get(self.at).ok_or(Broken::Short)?;
        self.at += 1;
        Ok(*byte)
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn pass(&mut self, bytes: usize) -> Result<(), Broken> {
        if bytes > self.left() {
            return Err(Broken::Short);
        }
        self.at += bytes;
        Ok(())
    }

    fn varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Broken::Wrong)
    }

    fn zigzag(&mut self) -> Result<i64, Broken> {
        let value = self.varint()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The next field's number and type; `None` at the end of the structure.
    fn field(&mut self, last: &mut i64) -> Result<Option<(i64, u8)>, Broken> {
        let byte = self.byte()?;
        let field_type = byte & 0x0f;
        if field_type == 0 {
            return Ok(None);
        }
        *last = match byte >> 4 {
            0 => self.zigzag()?,
            step => last.checked_add(i64::from(step)).ok_or(Broken::Wrong)?,
        };
        Ok(Some((*last, field_type)))
    }

    /// The type and number of a list's elements.
    fn list(&mut self) -> Result<(u8, usize), Broken> {
        let byte = self.byte()?;
        let count = match byte >> 4 {
            15 => usize::try_from(self.varint()?).map_err(|_| Broken::Wrong)?,
            count => usize::from(count),
        };
        Ok((byte & 0x0f, count))
    }

    /// Passes over a value, and adds what it would become in memory to `memory`.
    fn skip(&mut self, value_type: u8, depth: usize, memory: &mut usize) -> Result<(), Broken> {
        if depth > MOST_DEPTH {
            return Err(Broken::Wrong);
        }
        match value_type {
            TRUE | FALSE => Ok(()),
            BYTE => self.pass(1),
            I16 | I32 | I64 => self.varint().map(|_| ()),
            DOUBLE => self.pass(8),
            BINARY => {
                let len = usize::try_from(self.varint()?).map_err(|_| Broken::Wrong)?;
                self.pass(len)?;
                *memory = memory.saturating_add(len);
                Ok(())
            }
            LIST | SET => {
                let (element, count) = self.list()?;
                // No element takes less than a byte.
                if count > self.left() {
                    return Err(Broken::Short);
                }
                *memory = memory.saturating_add(count.saturating_mul(memory_of(element, depth)));
                (0..count).try_for_each(|_| match element {
                    TRUE | FALSE => self.pass(1),
                    other => self.skip(other, depth + 1, memory),
                })
            }
            STRUCT => {
                let mut last = 0;
                while let Some((_, field_type)) = self.field(&mut last)? {
                    self.skip(field_type, depth + 1, memory)?;
                }
                Ok(())
            }
            // Maps are in no structure of the format.
            _ => Err(Broken::Wrong),
        }
    }
}

/// What an element of a list takes in memory: row groups, columns of the schema and chunks are large and stand in outer
/// lists, what is within them is small.
fn memory_of(element: u8, depth: usize) -> usize {
    match element {
        STRUCT if depth <= 3 => 768,
        STRUCT => 64,
        _ => 32,
    }
}

/// What a footer takes in memory once it is decoded, at the most. Nothing of it is kept.
pub(super) fn footer_memory(bytes: &[u8]) -> Result<usize, Broken> {
    let mut memory = bytes.len();
    Cursor { bytes, at: 0 }.skip(STRUCT, 0, &mut memory)?;
    Ok(memory)
}

/// What the header of a page says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PageHeader {
    /// Bytes of the header itself.
    pub(super) bytes: usize,
    pub(super) page_type: i64,
    pub(super) uncompressed: usize,
    pub(super) compressed: usize,
    /// Of all values, nulls included.
    pub(super) values: u32,
    pub(super) encoding: i64,
    /// Of version 1.
    pub(super) level_encoding: i64,
    /// Of version 2.
    pub(super) nulls: u32,
    pub(super) rows: u32,
    pub(super) level_bytes: u32,
    pub(super) repetition_bytes: u32,
    pub(super) is_compressed: bool,
}

pub(super) const DATA_PAGE: i64 = 0;
pub(super) const DICTIONARY_PAGE: i64 = 2;
pub(super) const DATA_PAGE_V2: i64 = 3;

/// Headers of pages are short but for the statistics in them, which writers cut.
pub(super) const MOST_HEADER_BYTES: usize = 1 << 20;

/// Reads the header that `bytes` begin with.
pub(super) fn page_header(bytes: &[u8]) -> Result<PageHeader, Broken> {
    let mut cursor = Cursor { bytes, at: 0 };
    let mut header = PageHeader { page_type: -1, is_compressed: true, ..PageHeader::default() };
    let (mut last, mut memory) = (0, 0);
    let mut has_body = false;
    while let Some((field, field_type)) = cursor.field(&mut last)? {
        match (field, field_type) {
            (1, I32) => header.page_type = cursor.zigzag()?,
            (2, I32) => header.uncompressed = count(cursor.zigzag()?)? as usize,
            (3, I32) => header.compressed = count(cursor.zigzag()?)? as usize,
            (5 | 7 | 8, STRUCT) => {
                has_body = true;
                body(&mut cursor, field, &mut header)?;
            }
            (_, other) => cursor.skip(other, 1, &mut memory)?,
        }
    }
    header.bytes = cursor.at;
    if has_body || !matches!(header.page_type, DATA_PAGE | DICTIONARY_PAGE | DATA_PAGE_V2) {
        Ok(header)
    } else {
        Err(Broken::Wrong)
    }
}

/// The part of a header that only pages of its kind have.
fn body(cursor: &mut Cursor<'_>, kind: i64, header: &mut PageHeader) -> Result<(), Broken> {
    let (mut last, mut memory) = (0, 0);
    while let Some((field, field_type)) = cursor.field(&mut last)? {
        match (kind, field, field_type) {
            (_, 1, I32) => header.values = count(cursor.zigzag()?)?,
            // data_page_header, dictionary_page_header
            (5 | 7, 2, I32) => header.encoding = cursor.zigzag()?,
            (5, 3, I32) => header.level_encoding = cursor.zigzag()?,
            // data_page_header_v2
            (8, 2, I32) => header.nulls = count(cursor.zigzag()?)?,
            (8, 3, I32) => header.rows = count(cursor.zigzag()?)?,
            (8, 4, I32) => header.encoding = cursor.zigzag()?,
            (8, 5, I32) => header.level_bytes = count(cursor.zigzag()?)?,
            (8, 6, I32) => header.repetition_bytes = count(cursor.zigzag()?)?,
            (8, 7, TRUE | FALSE) => header.is_compressed = field_type == TRUE,
            (_, _, other) => cursor.skip(other, 2, &mut memory)?,
        }
    }
    Ok(())
}

fn count(value: i64) -> Result<u32, Broken> {
    i32::try_from(value).ok().and_then(|value| u32::try_from(value).ok()).ok_or(Broken::Wrong)
}

/// How packed differences (DELTA_BINARY_PACKED) begin.
struct Packed {
    values: u64,
    /// Parts of a block, each packed to a width of its own, and the values of each.
    parts: u64,
    part_values: u64,
}

fn packed(cursor: &mut Cursor<'_>) -> Result<Packed, Broken> {
    let (block, parts, values) = (cursor.varint()?, cursor.varint()?, cursor.varint()?);
    let is_sound = block > 0
        && block % 128 == 0
        && block <= 1 << 20
        && parts > 0
        && block % parts == 0
        && (block / parts) % 32 == 0;
    if is_sound { Ok(Packed { values, parts, part_values: block / parts }) } else { Err(Broken::Wrong) }
}

/// The number of values that packed differences say they have.
pub(super) fn packed_count(bytes: &[u8]) -> Result<u64, Broken> {
    Ok(packed(&mut Cursor { bytes, at: 0 })?.values)
}

/// Where packed differences end.
pub(super) fn packed_end(bytes: &[u8]) -> Result<usize, Broken> {
    let mut cursor = Cursor { bytes, at: 0 };
    let packed = packed(&mut cursor)?;
    cursor.varint()?;
    let mut left = packed.values.saturating_sub(1);
    while left > 0 {
        cursor.varint()?;
        let widths = cursor.at;
        cursor.pass(packed.parts as usize)?;
        for part in 0..packed.parts as usize {
            if left == 0 {
                break;
            }
            let width = u64::from(cursor.bytes[widths + part]);
            cursor.pass((packed.part_values * width / 8) as usize)?;
            left = left.saturating_sub(packed.part_values);
        }
    }
    Ok(cursor.at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_header_is_read_with_what_stands_between_its_fields() {
        // type 0, uncompressed 9, compressed 8, crc, data_page_header { 5 values, PLAIN, RLE, RLE, statistics {} }
        let bytes = [
            0x15, 0, 0x15, 18, 0x15, 16, 0x15, 7, 0x1c, 0x15, 10, 0x15, 0, 0x15, 6, 0x15, 6, 0x1c, 0, 0, 0,
            99,
        ];
        let header = page_header(&bytes).unwrap();
        assert_eq!((header.page_type, header.uncompressed, header.compressed), (DATA_PAGE, 9, 8));
        assert_eq!((header.values, header.encoding, header.level_encoding, header.bytes), (5, 0, 3, 21));
        for cut in 0..21 {
            assert_eq!(page_header(&bytes[..cut]), Err(Broken::Short), "{cut}");
        }
    }

    #[test]
    fn lists_say_no_more_than_there_can_be() {
        // Field 4, a list of 2^31 structs.
        let bytes = [0x49, 0xfc, 0x80, 0x80, 0x80, 0x80, 0x08, 0];
        assert_eq!(footer_memory(&bytes), Err(Broken::Short));
        // Lists in lists without end.
        assert_eq!(footer_memory(&[0x19; 4096]), Err(Broken::Wrong));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = footer_memory(&bytes);
            let _ = (packed_count(&bytes), packed_end(&bytes));
            if let Ok(header) = page_header(&bytes) {
                prop_assert!(header.bytes <= bytes.len());
            }
        }
    }
}
