//! The Arrow IPC encoders: the file format and the stream format.

mod first_dictionaries;

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

/// One message a batch, nothing held back but, when compressing, the messages of the batch being written.
pub(crate) struct IpcEncoder {
    writer: Writer,
    /// Covers a compressed batch while it is written. Uncompressed, a batch's own buffers are written.
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

impl IpcEncoder {
    /// # Panics
    ///
    /// When `format` is not an IPC format or has no such compression, which the builder has ruled out.
    pub(crate) fn new(
        output: Output,
        schema: &SchemaRef,
        format: Format,
        compression: Compression,
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
        Ok(Self { writer, reservation, _waiting: waiting, progress })
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
        if let Some(reservation) = &mut self.reservation {
            reservation
                .try_resize(Bytes(row_bytes(batch)))
                .map_err(|refusal| self.progress.exceeded(refusal))?;
        }
        match &mut self.writer {
            Writer::File(writer, dictionaries) => {
                let batch = dictionaries.share(batch, self.progress.path())?;
                writer.write(&batch)
            }
            Writer::Stream(writer) => writer.write(batch),
        }
        .map_err(|error| self.progress.encode(error))?;
        if let Some(reservation) = &mut self.reservation {
            reservation.shrink_to(Bytes::ZERO);
        }
        Ok(())
    }

    fn file_bytes(&mut self) -> Result<u64, Error> {
        Ok(self.progress.accepted())
    }

    fn reserved(&self) -> Bytes {
        Bytes::ZERO
    }

    fn finish(self: Box<Self>) -> Result<Output, Error> {
        let Self { writer, progress, .. } = *self;
        match writer {
            Writer::File(writer, _) => writer.into_inner(),
            Writer::Stream(writer) => writer.into_inner(),
        }
        .map_err(|error| progress.encode(error))
    }
}
