//! The beginning of a file: the names of its columns, and where its records begin.

use crate::dialect::Dialect;
use crate::error::{Error, Malformed};
use crate::header;
use crate::position::Position;
use crate::record::{Flow, Record, RecordSink};
use crate::record_reader::RecordReader;
use crate::window::Window;

/// Bytes that are read at first.
pub(crate) const HEAD_BYTES: usize = 64 << 10;

/// What stands before a file's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Preface {
    /// Names of the columns, each different.
    pub(crate) names: Vec<String>,
    /// In front of the first record of data.
    pub(crate) before: Position,
}

/// Takes the header, or looks at the first record without one.
struct Beginning {
    has_header: bool,
    names: Option<Vec<String>>,
    /// In front of the first record, whole or not.
    first: Option<Position>,
    malformed: Option<Error>,
}

impl RecordSink for Beginning {
    fn record(&mut self, record: &Record<'_>) -> Result<Flow, Error> {
        self.first.get_or_insert(record.position);
        let names = if self.has_header { header::names(record) } else { header::numbered(record.len()) };
        self.names = Some(names);
        Ok(Flow::Stop)
    }

    fn malformed(&mut self, malformed: Malformed, position: Position, raw: &[u8]) -> Result<Flow, Error> {
        if self.has_header {
            // Without its names no record has a meaning, and the next record must not be taken for them.
            return Err(Error::malformed(malformed, position, raw));
        }
        self.first.get_or_insert(position);
        self.malformed.get_or_insert_with(|| Error::malformed(malformed, position, raw));
        Ok(Flow::Continue)
    }
}

/// Reads the preface of the input whose window stands behind a mark of `mark` bytes. The window stays in front of
/// the first record of data. `None`: the file has no record at all.
///
/// # Errors
/// If the input cannot be read, or has no whole record to tell its columns from.
pub(crate) fn read(
    window: &mut Window,
    mark: u64,
    dialect: &Dialect,
    max_record_bytes: usize,
) -> Result<Option<Preface>, Error> {
    let mut bytes = HEAD_BYTES;
    loop {
        window.want(bytes)?;
        let mut beginning =
            Beginning { has_header: dialect.header(), names: None, first: None, malformed: None };
        let mut records = RecordReader::new(dialect, max_record_bytes);
        records.skip_bytes(mark);
        records.push(window.bytes(window.len()), &mut beginning)?;
        if beginning.names.is_none() && window.is_last() {
            records.finish(&mut beginning)?;
        } else if beginning.names.is_none() {
            bytes = window.len().saturating_mul(2);
            continue;
        }
        let Some(names) = beginning.names else {
            return beginning.malformed.map_or(Ok(None), Err);
        };
        let before = match beginning.first {
            Some(first) if !dialect.header() => Position { record: 0, ..first },
            _ => records.position(),
        };
        // A header without a line end is followed by nothing.
        let used = ((before.byte - mark) as usize).min(window.len());
        window.advance(used);
        return Ok(Some(Preface { names, before }));
    }
}
