//! Where a record stands in its file.

use std::fmt;

/// The place of a record: byte from 0, physical line from 1, data record from 1.
///
/// In a Parquet or Arrow IPC file the byte is where the record's row group or record batch begins, and there are no lines:
/// the line is 0.
///
/// A record that spans several lines has the line it begins on. The header is record 0, so the first
/// record of data is record 1 whether or not the file has a header.
///
/// ```
/// use chunked_loader::Position;
///
/// let place = Position { byte: 12, line: 3, record: 2 };
/// assert_eq!(place.to_string(), "line 3, record 2, byte 12");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Offset in bytes from the start of the file, a byte-order mark included; the first byte is 0.
    pub byte: u64,
    /// Physical line, counted by line ends also inside quotes; the first line is 1.
    pub line: u64,
    /// Data record; the first is 1, the header 0.
    pub record: u64,
}

impl Position {
    /// The first byte of a file, before its header.
    pub const START: Position = Position { byte: 0, line: 1, record: 0 };

    /// The same place, whose line and record were counted from `before` on as if a file began there.
    pub(crate) fn counted_from(self, before: Position) -> Position {
        let line = self.line + before.line - Position::START.line;
        Position { byte: self.byte, line, record: self.record + before.record }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}, ", self.line)?;
        }
        write!(f, "record {}, byte {}", self.record, self.byte)
    }
}
