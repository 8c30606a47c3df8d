//! The Arrow IPC encoders: the file format and the stream format.

mod dictionaries;
mod known_values;
mod messages;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{DictionaryHandling, FileWriter, IpcWriteOptions, StreamWriter};
use monitor::{Budget, Bytes, Reservation};

use crate::compression::Compression;

use crate::encoder::Encoder;
use crate::error::Error;
use crate::estimate::row_bytes;
use crate::format::Format;
use crate::output::{Output, Progress};
use dictionaries::Dictionaries;
use messages::Messages;

/// Holds back rows until they make a message and, when compressing, the message being written.
pub(crate) struct IpcEncoder {
    dictionaries: Dictionaries,
    messages: Messages,
    messages_out: MessagesOut,
    /// Covers what waits for the disk.
    _waiting: Reservation,
}

/// Where messages go.
struct MessagesOut {
    writer: Writer,
    /// Covers a compressed message while it is written. Uncompressed, the buffers of its rows are written.
    reservation: Option<Reservation>,
    progress: Progress,
}

enum Writer {
    /// Messages of keys; the last one brings the dictionaries. Readers find both by the footer, so that their order is free, and
    /// what a message says of keys is what it says of numbers.
    File(FileWriter<Output>),
    /// A dictionary that has grown is sent anew, which replaces the one before. Deltas would be smaller, but fewer readers
    /// know them.
    Stream(StreamWriter<Output>),
}

impl MessagesOut {
    /// Writes a message of the rows of some pieces; of a file the `last` one with its dictionaries.
    fn write(
        &mut self,
        pieces: &[RecordBatch],
        last: bool,
        dictionaries: &mut Dictionaries,
    ) -> Result<(), Error> {
        let mut message = dictionaries.keys(pieces, &self.progress)?;
        if last {
            // What that took is more than what it takes to encode and compress all values, and stays reserved.
            dictionaries.end().map_err(|error| self.progress.encode(error))?;
        }
        if dictionaries.are_any() && (last || matches!(self.writer, Writer::Stream(_))) {
            message = dictionaries.attached(&message).map_err(|error| self.progress.encode(error))?;
        }
        self.write_as_it_is(&message)
    }

    fn write_as_it_is(&mut self, message: &RecordBatch) -> Result<(), Error> {
        let Self { writer, reservation, progress } = self;
        if let Some(reservation) = reservation {
            let reserved = reservation.try_resize(Bytes(row_bytes(message)));
            reserved.map_err(|refusal| progress.exceeded(refusal))?;
        }
        // What a message is compressed to, nobody knows before.
        let rows = message.num_rows() as u64;
        if reservation.is_none() {
            progress.announce(rows, progress.accepted() + row_bytes(message));
        }
        match writer {
            Writer::File(writer) => writer.write(message),
            Writer::Stream(writer) => writer.write(message),
        }
        .map_err(|error| progress.encode(error))?;
        if let Some(reservation) = reservation {
            progress.announce(rows, progress.accepted());
            reservation.shrink_to(Bytes::ZERO);
        }
        Ok(())
    }
}

impl IpcEncoder {
    /// An encoder of messages of no more than `most` bytes, but for longer rows.
    ///
    /// # Panics
    ///
    /// When `format` is not an IPC format or has no such compression, which the builder has ruled out.
    pub(crate) fn new(
        output: Output,
        schema: &SchemaRef,
        format: Format,
        compression: Compression,
        most: Bytes,
        budget: &Budget,
    ) -> Result<Self, Error> {
        let progress = output.progress();
        let reservation = match compression {
            Compression::None => None,
            _ => Some(
                budget
                    .consumer("IPC message")
                    .try_reserve(Bytes::ZERO)
                    .map_err(|refusal| progress.exceeded(refusal))?,
            ),
        };
        let waiting = budget.consumer("IPC buffer").try_reserve(Bytes(output.write_back_bytes()));
        let waiting = waiting.map_err(|refusal| progress.exceeded(refusal))?;
        let gathered = budget.consumer("rows of a message").try_reserve(Bytes::ZERO);
        let gathered = gathered.map_err(|refusal| progress.exceeded(refusal))?;
        let messages = Messages::new(schema.fields().len(), most, gathered);
        let values = budget.consumer("dictionaries").try_reserve(Bytes::ZERO);
        let values = values.map_err(|refusal| progress.exceeded(refusal))?;
        let fail = |error: ArrowError| progress.encode(error);
        let dictionaries = Dictionaries::new(schema, format == Format::IpcStream, values).map_err(fail)?;
        let options = options(compression).map_err(fail)?;
        let writer = match format {
            Format::IpcFile => {
                Writer::File(FileWriter::try_new_with_options(output, schema, options).map_err(fail)?)
            }
            Format::IpcStream => {
                Writer::Stream(StreamWriter::try_new_with_options(output, schema, options).map_err(fail)?)
            }
            Format::Parquet | Format::Csv => unreachable!("{format} is not an IPC format"),
        };
        let messages_out = MessagesOut { writer, reservation, progress };
        Ok(Self { dictionaries, messages, messages_out, _waiting: waiting })
    }
}

fn options(compression: Compression) -> Result<IpcWriteOptions, ArrowError> {
    let options = IpcWriteOptions::default().with_dictionary_handling(DictionaryHandling::Resend);
    match compression {
        Compression::None => Ok(options),
        Compression::Lz4 => options.try_with_compression(Some(CompressionType::LZ4_FRAME)),
        Compression::Zstd(level) => options
            .try_with_compression(Some(CompressionType::ZSTD))?
            .try_with_compression_level(Some(level.get())),
        Compression::Snappy => unreachable!("Arrow IPC has no snappy"),
    }
}

impl Encoder for IpcEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let Self { dictionaries, messages, messages_out, .. } = self;
        let progress = messages_out.progress.clone();
        let fail = |error| progress.encode(error);
        messages.push(batch, fail, |pieces| messages_out.write(pieces, false, dictionaries))
    }

    fn file_bytes(&mut self) -> Result<u64, Error> {
        let Self { dictionaries, messages, messages_out, .. } = self;
        let at_the_end = match messages_out.writer {
            Writer::File(_) => dictionaries.bytes(),
            Writer::Stream(_) => 0,
        };
        Ok(messages_out.progress.accepted() + messages.begun_bytes() + at_the_end)
    }

    fn reserved(&self) -> Bytes {
        self.messages.reserved().saturating_add(self.dictionaries.reserved())
    }

    fn finish(self: Box<Self>) -> Result<Output, Error> {
        let Self { mut dictionaries, mut messages, mut messages_out, .. } = *self;
        let progress = messages_out.progress.clone();
        let is_file = matches!(messages_out.writer, Writer::File(_));
        let mut is_ended = false;
        messages.end(|pieces| {
            is_ended = true;
            messages_out.write(pieces, is_file, &mut dictionaries)
        })?;
        if !is_ended && is_file && dictionaries.are_any() {
            messages_out.write(&[dictionaries.no_rows()], true, &mut dictionaries)?;
        }
        match messages_out.writer {
            Writer::File(writer) => writer.into_inner(),
            Writer::Stream(writer) => writer.into_inner(),
        }
        .map_err(|error| progress.encode(error))
    }
}
