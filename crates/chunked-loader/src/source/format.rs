//! Files that are no CSV, by their first bytes.

/// Bytes of a file that are enough to tell: a tar archive's mark stands last.
pub(crate) const HEAD: usize = 264;

const TAR: (usize, &[u8]) = (257, b"ustar");

/// How files of other formats and encodings begin.
///
/// Where the first bytes could be a column's name, what follows them is asked as well.
const MAGIC: [(&[u8], &str, &str); 4] = [
    (b"PK\x03\x04", "a zip archive", "unpack it first, for example with `unzip`"),
    // The first field of a page header or a footer follows, a whole number.
    (b"PAR1\x15", "a Parquet file", "give a CSV file"),
    (b"ARROW1\0\0", "an Arrow IPC file", "give a CSV file"),
    (b"\x04\x22\x4d\x18", "LZ4", "unpack it first, for example with `lz4 -d`"),
];

const UTF_32: (&str, &str) = ("UTF-32", "convert it first, for example with `iconv -f UTF-32 -t UTF-8`");

/// What else than CSV a file is, and what to do about it.
pub(crate) fn other_format(head: &[u8]) -> Option<(&'static str, &'static str)> {
    if head.get(TAR.0..TAR.0 + TAR.1.len()) == Some(TAR.1) && head.contains(&0) {
        return Some(("a tar archive", "unpack it first, for example with `tar -xf`"));
    }
    MAGIC.iter().find(|(magic, ..)| head.starts_with(magic)).map(|(_, what, remedy)| (*what, *remedy))
}

/// As [`other_format`], for text whose encoding nobody told. UTF-32's mark begins with UTF-16's.
pub(crate) fn other_encoding(head: &[u8]) -> Option<(&'static str, &'static str)> {
    (head.starts_with(b"\xff\xfe\0\0") || head.starts_with(b"\0\0\xfe\xff")).then_some(UTF_32)
}
