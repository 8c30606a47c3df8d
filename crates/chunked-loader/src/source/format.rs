//! What a file is, by its first bytes.

use std::fmt;

/// Bytes of a file that are enough to tell: a tar archive's mark stands last.
pub(crate) const HEAD: usize = 264;

const TAR: (usize, &[u8]) = (257, b"ustar");

/// How files of other formats and encodings begin.
///
/// Where the first bytes could be a column's name, what follows them is asked as well.
const MAGIC: [(&[u8], &str, &str); 2] = [
    (b"PK\x03\x04", "a zip archive", "unpack it first, for example with `unzip`"),
    (b"\x04\x22\x4d\x18", "LZ4", "unpack it first, for example with `lz4 -d`"),
];

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Text, compressed or not.
    Csv,
    /// Parquet.
    Parquet,
    /// Arrow's IPC file format.
    ArrowFile,
    /// Arrow's IPC stream format.
    ArrowStream,
}

impl Format {
    /// Where the first bytes could be a column's name, what follows them is asked as well: in Parquet the first field of
    /// a page header or a footer, which is a whole number; in an Arrow stream the length of the schema, a multiple of 8.
    pub(crate) fn of(head: &[u8]) -> Format {
        if head.starts_with(b"PAR1\x15") {
            return Format::Parquet;
        }
        if head.starts_with(b"ARROW1\0\0") {
            return Format::ArrowFile;
        }
        match head {
            // No text begins so: these bytes are none in UTF-8 and no character in UTF-16 or UTF-32.
            [0xff, 0xff, 0xff, 0xff, a, b, c, d, ..] if matches!(i32::from_le_bytes([*a, *b, *c, *d]), length if length > 0 && length % 8 == 0) => {
                Format::ArrowStream
            }
            _ => Format::Csv,
        }
    }
}

/// Names the format as a message does.
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Csv => "CSV",
            Format::Parquet => "Parquet",
            Format::ArrowFile => "Arrow IPC",
            Format::ArrowStream => "Arrow IPC stream",
        })
    }
}

const UTF_32: (&str, &str) = ("UTF-32", "convert it first, for example with `iconv -f UTF-32 -t UTF-8`");

/// What else than CSV a file is, and what to do about it.
pub(crate) fn other_format(head: &[u8]) -> Option<(&'static str, &'static str)> {
    if head.get(TAR.0..TAR.0 + TAR.1.len()) == Some(TAR.1) && head.contains(&0) {
        return Some(("a tar archive", "unpack it first, for example with `tar -xf`"));
    }
    let among_csv = "give it alone, as it is: neither compressed nor with CSV files";
    match Format::of(head) {
        Format::Csv => {}
        Format::Parquet => return Some(("a Parquet file packed or among CSV files", among_csv)),
        _ => return Some(("an Arrow IPC file packed or among CSV files", among_csv)),
    }
    MAGIC.iter().find(|(magic, ..)| head.starts_with(magic)).map(|(_, what, remedy)| (*what, *remedy))
}

/// As [`other_format`], for text whose encoding nobody told. UTF-32's mark begins with UTF-16's.
pub(crate) fn other_encoding(head: &[u8]) -> Option<(&'static str, &'static str)> {
    (head.starts_with(b"\xff\xfe\0\0") || head.starts_with(b"\0\0\xfe\xff")).then_some(UTF_32)
}
