//! The Arrow IPC encoders: the file format and the stream format.

mod first_dictionaries;
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
use first_dictionaries::FirstDictionaries;
use messages::Messages;

/// Holds back rows until they make a message and, when compressing, the message being written.
pub(crate) struct IpcEncoder {
    messages: Messages,
    writer: Writer,
    /// Covers a compressed message while it is written. Uncompressed, the buffers of its rows are written.
    reservation: Option<Reservation>,
    /// Covers what waits for the disk.
    _waiting: Reservation,
    progress: Progress,
}

enum Writer {
    /// One dictionary a column: readers load dictionaries before batches, so a second one would change the
    /// meaning of batches before it.
    File(FileWriter<Output>, FirstDictionaries),
    /// A changed dictionary is sent anew in full, which replaces the one before; one that is the same by
    /// value is not sent again. Deltas would be smaller, but fewer readers know them.
    Stream(StreamWriter<Output>),
}

impl Writer {
    fn write(
        &mut self,
        message: &RecordBatch,
        mut reservation: Option<&mut Reservation>,
        progress: &Progress,
    ) -> Result<(), Error> {
        if let Some(reservation) = &mut reservation {
            let reserved = reservation.try_resize(Bytes(row_bytes(message)));
            reserved.map_err(|refusal| progress.exceeded(refusal))?;
        }
        // What a message is compressed to, nobody knows before.
        let rows = message.num_rows() as u64;
        if reservation.is_none() {
            progress.announce(rows, progress.accepted() + row_bytes(message));
        }
        match self {
            Writer::File(writer, _) => writer.write(message),
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
        let fail = |error: ArrowError| progress.encode(error);
        let options = options(compression).map_err(fail)?;
        let writer = match format {
            Format::IpcFile => Writer::File(
                FileWriter::try_new_with_options(output, schema, options).map_err(fail)?,
                FirstDictionaries::new(schema),
            ),
            Format::IpcStream => {
                Writer::Stream(StreamWriter::try_new_with_options(output, schema, options).map_err(fail)?)
            }
            Format::Parquet | Format::Csv => unreachable!("{format} is not an IPC format"),
        };
        Ok(Self { messages, writer, reservation, _waiting: waiting, progress })
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
        let Self { messages, writer, reservation, progress, .. } = self;
        let shared;
        let batch = match writer {
            Writer::File(_, dictionaries) => {
                shared = dictionaries.share(batch, progress.path())?;
                &shared
            }
            Writer::Stream(_) => batch,
        };
        let fail = |error| progress.encode(error);
        messages.push(batch, fail, |message| writer.write(message, reservation.as_mut(), progress))
    }

    fn file_bytes(&mut self) -> Result<u64, Error> {
        Ok(self.progress.accepted() + self.messages.begun_bytes())
    }

    fn reserved(&self) -> Bytes {
        self.messages.reserved()
    }

    fn finish(self: Box<Self>) -> Result<Output, Error> {
        let Self { mut messages, mut writer, mut reservation, progress, .. } = *self;
        let fail = |error| progress.encode(error);
        messages.end(fail, |message| writer.write(message, reservation.as_mut(), &progress))?;
        match writer {
            Writer::File(writer, _) => writer.into_inner(),
            Writer::Stream(writer) => writer.into_inner(),
        }
        .map_err(fail)
    }
}
