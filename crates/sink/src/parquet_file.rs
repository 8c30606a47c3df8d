//! A Parquet file that is being written: row groups whose columns were encoded elsewhere, one after the other.

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use monitor::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;

use crate::compression::Compression;
use crate::encoding::properties;
use crate::error::Error;
use crate::file_index::FileIndex;
use crate::output::{Output, Progress};

pub(crate) struct ParquetFile {
    writer: SerializedFileWriter<Output>,
    index: FileIndex,
    progress: Progress,
}

/// Makes the encoders of row groups. They may be at work while earlier row groups are written.
pub(crate) struct EncoderFactory {
    factory: ArrowRowGroupWriterFactory,
    made: usize,
}

impl ParquetFile {
    /// Begins a file of `schema` with what suits `sample`, its first rows.
    pub(crate) fn begin(
        output: Output,
        schema: &SchemaRef,
        compression: Compression,
        row_group_bytes: Bytes,
        sample: &[ArrayRef],
        index: FileIndex,
    ) -> Result<(Self, EncoderFactory), ParquetError> {
        let progress = output.progress();
        let properties = properties(schema, compression, row_group_bytes, sample)?;
        let writer = ArrowWriter::try_new(output, schema.clone(), Some(properties))?;
        let (writer, factory) = writer.into_serialized_writer()?;
        Ok((Self { writer, index, progress }, EncoderFactory { factory, made: 0 }))
    }

    /// Writes a row group of one chunk a column, in the order of the schema.
    ///
    /// # Errors
    ///
    /// The output's, and the budget's refusal of what the file's index keeps of the row group.
    pub(crate) fn append(&mut self, chunks: Vec<ArrowColumnChunk>) -> Result<(), Error> {
        self.write(chunks).map_err(|error| self.progress.encode(error))?;
        self.index
            .cover(self.writer.properties(), self.writer.flushed_row_groups())
            .map_err(|refusal| self.progress.exceeded(refusal))
    }

    fn write(&mut self, chunks: Vec<ArrowColumnChunk>) -> Result<(), ParquetError> {
        let mut row_group = self.writer.next_row_group()?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut row_group)?;
        }
        row_group.close().map(drop)
    }

    /// Writes the file's end.
    pub(crate) fn finish(self) -> Result<Output, ParquetError> {
        self.writer.into_inner()
    }
}

impl EncoderFactory {
    /// The encoders of the next row group, one a column.
    pub(crate) fn next_row_group(&mut self) -> Result<Vec<ArrowColumnWriter>, ParquetError> {
        let row_group = self.made;
        self.made += 1;
        self.factory.create_column_writers(row_group)
    }
}

/// What is left to say when the file is gone after an error that has been told.
pub(crate) fn given_up() -> ParquetError {
    ParquetError::General("the file was given up".into())
}
