//! The messages of an IPC file or stream: where they stand, and what they say.
//!
//! A message is a length, a flatbuffer of so many bytes, and a body. The flatbuffer is verified before anything is asked of
//! it, and the body measured against the file. A stream is gone through from the schema to its end; the footer of a file says
//! where its messages are, and has the schema itself.

use std::fs::File;
use std::sync::Arc;

use arrow::datatypes::Schema;
use arrow::ipc::convert::fb_to_schema;
use arrow::ipc::{
    BodyCompressionMethod, CompressionType, Endianness, Message, MessageHeader, MetadataVersion, RecordBatch,
    root_as_footer, root_as_message,
};
use monitor::{Budget, Bytes};

use super::buffers::{Packing, read_exact};
use crate::columnar::guard::guarded;
use crate::columnar::held::zeroed;
use crate::error::{Error, ErrorKind};

/// Stands in front of the length of a message.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// The mark at both ends of a file; at the start two more bytes follow.
const MARK: &[u8] = b"ARROW1";
const FILE_START: u64 = 8;
/// The length of the footer and the mark behind it.
const FILE_TAIL: u64 = 10;

/// Rows that a record batch may have without a byte of them: as many as an array has in most of what writes Arrow.
const MOST_NULLS: u64 = i32::MAX as u64;
/// How many times longer than itself a compressed buffer may be, at the very most.
const MOST_PACKED: u64 = 1 << 20;

/// Where messages are.
#[derive(Clone)]
pub(super) struct Messages {
    pub(super) file: Arc<File>,
    budget: Budget,
    end: u64,
}

/// What a footer says.
pub(super) struct Footer {
    pub(super) schema: Schema,
    pub(super) ids: Vec<Option<i64>>,
    /// Where the messages of dictionaries and of record batches are.
    pub(super) dictionaries: Vec<u64>,
    pub(super) batches: Vec<u64>,
}

/// A message with what it says; its body is in the file.
pub(super) struct At {
    metadata: Vec<u8>,
    /// Where the body begins and ends.
    pub(super) body: u64,
    pub(super) end: u64,
    byte: u64,
}

/// A column, or the values of a dictionary: how many rows, and where its buffers are.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    pub(super) rows: u64,
    pub(super) buffers: Vec<Part>,
    pub(super) packing: Option<Packing>,
}

/// A buffer in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) at: u64,
    pub(super) bytes: u64,
}

/// What a message is.
pub(super) enum Content {
    Schema(Schema, Vec<Option<i64>>),
    Dictionary { id: i64, is_delta: bool },
    Batch { rows: u64 },
    Other,
}

pub(super) fn damaged(byte: u64, cause: &str) -> Error {
    Error::new(ErrorKind::Damaged { format: "Arrow IPC", byte, cause: Some(cause.into()) })
}

fn cut(byte: u64) -> Error {
    Error::new(ErrorKind::Damaged { format: "Arrow IPC", byte, cause: None })
}

impl Messages {
    /// Those of a stream of `bytes` bytes.
    pub(super) fn of_stream(file: Arc<File>, bytes: u64, budget: &Budget) -> Messages {
        Messages { file, budget: budget.clone(), end: bytes }
    }

    /// Those of a file of `bytes` bytes, whose end must be there.
    ///
    /// # Errors
    /// If the end cannot be read or is damaged, or the budget has no room for it.
    pub(super) fn of_file(file: Arc<File>, bytes: u64, budget: &Budget) -> Result<(Messages, Footer), Error> {
        let tail_at =
            bytes.checked_sub(FILE_TAIL).filter(|at| *at >= FILE_START).ok_or_else(|| cut(bytes))?;
        let mut tail = [0; FILE_TAIL as usize];
        read_exact(&file, &mut tail, tail_at)?;
        let (length, mark) = tail.split_at(4);
        let length = i32::from_le_bytes([length[0], length[1], length[2], length[3]]);
        if mark != MARK {
            return Err(cut(bytes));
        }
        let length = u64::try_from(length).map_err(|_| damaged(tail_at, "the footer has no length"))?;
        let end = tail_at.checked_sub(length).filter(|end| *end >= FILE_START).ok_or_else(|| cut(tail_at))?;
        let _held = budget.consumer("footer").try_reserve(Bytes(length))?;
        let mut footer = zeroed(length as usize)?;
        read_exact(&file, &mut footer, end)?;
        let footer = root_as_footer(&footer).map_err(|e| damaged(end, &e.to_string()))?;
        let schema = footer.schema().ok_or_else(|| damaged(end, "the footer has no schema"))?;
        let (schema, ids) = schema_of(schema, end)?;
        let places = |mut offsets: Box<dyn Iterator<Item = i64> + '_>| {
            let place = |offset| u64::try_from(offset).ok().filter(|at| *at >= FILE_START);
            let places = offsets.by_ref().map(place).collect::<Option<Vec<u64>>>();
            places.ok_or_else(|| damaged(end, "a message lies nowhere"))
        };
        let dictionaries = footer.dictionaries().into_iter().flat_map(|all| all.iter());
        let dictionaries = places(Box::new(dictionaries.map(|block| block.offset())))?;
        let batches = footer.recordBatches().into_iter().flat_map(|all| all.iter());
        let batches = places(Box::new(batches.map(|block| block.offset())))?;
        let messages = Messages { file, budget: budget.clone(), end };
        Ok((messages, Footer { schema, ids, dictionaries, batches }))
    }

    /// The message at a byte; `None` at the end.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged, or the budget has no room for what the message says.
    pub(super) fn at(&self, byte: u64) -> Result<Option<At>, Error> {
        let left = self.end.saturating_sub(byte);
        if left == 0 {
            return Ok(None);
        }
        let mut prefix = [0; 8];
        let prefix = &mut prefix[..left.min(8) as usize];
        read_exact(&self.file, prefix, byte)?;
        // Before version 0.15 the length stood alone.
        let (length, from) = match *prefix {
            [a, b, c, d, e, f, g, h] if [a, b, c, d] == CONTINUATION => ([e, f, g, h], 8),
            [a, b, c, d, ..] if [a, b, c, d] != CONTINUATION => ([a, b, c, d], 4),
            _ => return Err(cut(byte + left)),
        };
        let length = i32::from_le_bytes(length);
        if length == 0 {
            return Ok(None);
        }
        let length = u64::try_from(length).map_err(|_| damaged(byte, "a message has no length"))?;
        if length > left - from {
            return Err(cut(self.end));
        }
        let _held = self.budget.consumer("message").try_reserve(Bytes(length))?;
        let mut metadata = zeroed(length as usize)?;
        read_exact(&self.file, &mut metadata, byte + from)?;
        let body = byte + from + length;
        let message = root_as_message(&metadata).map_err(|e| damaged(byte, &e.to_string()))?;
        let bytes = u64::try_from(message.bodyLength()).map_err(|_| damaged(byte, "a body has no length"))?;
        if bytes > self.end - body {
            return Err(cut(self.end));
        }
        if message.version() < MetadataVersion::V4 {
            let (what, remedy) = ("Arrow IPC of a version before 0.8", "write it again with a newer Arrow");
            return Err(Error::new(ErrorKind::Unsupported { what, remedy }));
        }
        Ok(Some(At { body, end: body + bytes, byte, metadata }))
    }
}

impl At {
    fn message(&self) -> Result<Message<'_>, Error> {
        root_as_message(&self.metadata).map_err(|e| damaged(self.byte, &e.to_string()))
    }

    /// What the message is.
    pub(super) fn content(&self) -> Result<Content, Error> {
        let message = self.message()?;
        let wrong = || damaged(self.byte, "a message is not what it says it is");
        Ok(match message.header_type() {
            MessageHeader::Schema => {
                let (schema, ids) = schema_of(message.header_as_schema().ok_or_else(wrong)?, self.byte)?;
                Content::Schema(schema, ids)
            }
            MessageHeader::DictionaryBatch => {
                let batch = message.header_as_dictionary_batch().ok_or_else(wrong)?;
                Content::Dictionary { id: batch.id(), is_delta: batch.isDelta() }
            }
            MessageHeader::RecordBatch => {
                let batch = message.header_as_record_batch().ok_or_else(wrong)?;
                let rows = u64::try_from(batch.length()).map_err(|_| wrong())?;
                // Columns of nulls have no bytes. Any other has a bit of each row at the least, packed or not.
                let most_packed = if batch.compression().is_some() { MOST_PACKED } else { 1 };
                let bits = (self.end - self.body).saturating_mul(8 * most_packed);
                if rows > bits.max(MOST_NULLS) {
                    return Err(damaged(self.byte, "a record batch has more rows than its bytes can be"));
                }
                Content::Batch { rows }
            }
            _ => Content::Other,
        })
    }

    /// The columns of a record batch, or the values of a dictionary as one: `kinds` says of each how many buffers it has.
    pub(super) fn columns(&self, kinds: &[Buffers]) -> Result<Vec<Parts>, Error> {
        let wrong = |cause| damaged(self.byte, cause);
        let message = self.message()?;
        let batch = match message.header_type() {
            MessageHeader::DictionaryBatch => message.header_as_dictionary_batch().and_then(|d| d.data()),
            _ => message.header_as_record_batch(),
        };
        let batch = batch.ok_or_else(|| wrong("a message is not what it says it is"))?;
        let packing = self.packing(&batch)?;
        let (Some(nodes), Some(buffers)) = (batch.nodes(), batch.buffers()) else {
            return if kinds.is_empty() {
                Ok(Vec::new())
            } else {
                Err(wrong("a record batch has no columns"))
            };
        };
        if nodes.len() != kinds.len() {
            return Err(wrong("a record batch has not the columns of the schema"));
        }
        let mut buffers = buffers.iter();
        let mut variadic = batch.variadicBufferCounts().into_iter().flat_map(|counts| counts.iter());
        let columns = nodes.iter().zip(kinds).map(|(node, kind)| {
            if node.length() != batch.length() || !(0..=node.length()).contains(&node.null_count()) {
                return Err(wrong("a column has not the rows of its record batch"));
            }
            let count = match kind {
                Buffers::Fixed(count) => *count,
                Buffers::Views => {
                    let more = variadic.next().and_then(|count| usize::try_from(count).ok());
                    2usize.saturating_add(more.ok_or_else(|| wrong("a column lacks its buffers"))?)
                }
            };
            let parts = (0..count).map(|_| {
                let buffer = buffers.next().ok_or_else(|| wrong("a column lacks its buffers"))?;
                let place = u64::try_from(buffer.offset()).ok().zip(u64::try_from(buffer.length()).ok());
                place
                    .and_then(|(offset, bytes)| Some(Part { at: self.body.checked_add(offset)?, bytes }))
                    .filter(|part| part.at.checked_add(part.bytes).is_some_and(|end| end <= self.end))
                    .ok_or_else(|| wrong("a buffer lies outside of its message"))
            });
            let rows = u64::try_from(node.length()).map_err(|_| wrong("a column has no length"))?;
            Ok(Parts { rows, buffers: parts.collect::<Result<_, _>>()?, packing })
        });
        columns.collect()
    }

    /// How a record batch is compressed, for reports.
    pub(super) fn packing_name(&self) -> Option<&'static str> {
        let message = self.message().ok()?;
        match self.packing(&message.header_as_record_batch()?).ok()?? {
            Packing::Lz4 => Some("lz4"),
            Packing::Zstd => Some("zstd"),
        }
    }

    fn packing(&self, batch: &RecordBatch<'_>) -> Result<Option<Packing>, Error> {
        let Some(compression) = batch.compression() else { return Ok(None) };
        let is_known = compression.method() == BodyCompressionMethod::BUFFER;
        match compression.codec() {
            CompressionType::LZ4_FRAME if is_known => Ok(Some(Packing::Lz4)),
            CompressionType::ZSTD if is_known => Ok(Some(Packing::Zstd)),
            _ => Err(damaged(self.byte, "a body is compressed in a way that there is not")),
        }
    }
}

/// A schema, and the number of the dictionary of each column that has one.
fn schema_of(schema: arrow::ipc::Schema<'_>, byte: u64) -> Result<(Schema, Vec<Option<i64>>), Error> {
    if schema.endianness() != Endianness::Little {
        let (what, remedy) = ("big-endian Arrow IPC", "write it again on a little-endian machine");
        return Err(Error::new(ErrorKind::Unsupported { what, remedy }));
    }
    let ids = schema.fields().map_or_else(Vec::new, |fields| {
        fields.iter().map(|field| field.dictionary().map(|encoding| encoding.id())).collect()
    });
    // A verified flatbuffer may still name types that there are not, on which the conversion panics; nothing of what it has
    // made by then is used.
    let converted = guarded(|| fb_to_schema(schema));
    Ok((converted.map_err(|_| damaged(byte, "a type makes no sense"))?, ids))
}

/// How many buffers a column has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Buffers {
    Fixed(usize),
    /// Validity and views, and as many more as each record batch says.
    Views,
}
