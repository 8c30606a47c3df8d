//! A record and its fields, as they lie in the bytes of the input, and who takes them.

use crate::error::{Error, Malformed};
use crate::position::Position;

/// Where a field lies within its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FieldSpan {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) quoted: bool,
    /// Holds a doubled quote or an escape, to be undone.
    pub(crate) escaped: bool,
}

impl FieldSpan {
    /// Bytes of the field as they stand there.
    pub(crate) fn len(&self) -> usize {
        (self.end - self.start) as usize
    }
}

/// A record in the bytes of the input, before any typing.
pub(crate) struct Record<'a> {
    pub(crate) position: Position,
    /// The raw bytes, without the line end.
    pub(crate) raw: &'a [u8],
    pub(crate) spans: &'a [FieldSpan],
    pub(crate) quote: u8,
    pub(crate) escape: Option<u8>,
}

/// One field: its text with quotes undone, and whether it stood in quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) text: &'a [u8],
    pub(crate) quoted: bool,
}

impl<'a> Record<'a> {
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    /// The field at `index`. `scratch` serves fields whose quotes have to be undone.
    #[inline]
    pub(crate) fn field<'s>(&self, index: usize, scratch: &'s mut Vec<u8>) -> Field<'s>
    where
        'a: 's,
    {
        let span = self.spans[index];
        let raw = &self.raw[span.start as usize..span.end as usize];
        if !span.escaped {
            return Field { text: raw, quoted: span.quoted };
        }
        undo_quotes(raw, self.quote, self.escape, scratch);
        Field { text: scratch, quoted: true }
    }
}

/// Writes what a quoted field means to `scratch`: its doubled quotes and escapes undone.
pub(crate) fn undo_quotes(inner: &[u8], quote: u8, escape: Option<u8>, scratch: &mut Vec<u8>) {
    scratch.clear();
    let mut bytes = inner.iter();
    while let Some(&b) = bytes.next() {
        // The parser has made sure that a quote or an escape in here has a partner.
        let partner = if b == quote || Some(b) == escape { bytes.next() } else { None };
        scratch.push(*partner.unwrap_or(&b));
    }
}

/// Whether to go on after a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    /// Return to the caller behind this record.
    Stop,
    /// Return to the caller, who has to hand this record over again.
    Decline,
}

/// What receives the records.
pub(crate) trait RecordSink {
    /// Takes a whole record; the first one of a file with a header is the header, with record number 0.
    fn record(&mut self, record: &Record<'_>) -> Result<Flow, Error>;

    /// Takes a record that breaks the format.
    fn malformed(&mut self, malformed: Malformed, position: Position, raw: &[u8]) -> Result<Flow, Error>;
}
