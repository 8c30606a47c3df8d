//! A Parquet file that is being written: row groups whose columns were encoded elsewhere, one after the other.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{Schema, SchemaRef};
use monitor::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;

use crate::column_chunk::{ChunkOptions, EncodedChunk};
use crate::compression::Compression;
use crate::encoding::{chunk_options, properties};
use crate::error::Error;
use crate::file_index::FileIndex;
use crate::footer::{self, Front};
use crate::output::{Output, Progress};

pub(crate) struct ParquetFile {
    writer: SerializedFileWriter<Front>,
    index: FileIndex,
    progress: Progress,
}

impl ParquetFile {
    /// Begins a file of `schema`, whose metadata goes into its footer, and says how its columns are written, as suits `sample`, its first rows.
    pub(crate) fn begin(
        output: Output,
        schema: &SchemaRef,
        compression: Compression,
        row_group_bytes: Bytes,
        sample: &[ArrayRef],
        filtered: &[String],
        index: FileIndex,
    ) -> Result<(Self, Vec<Arc<ChunkOptions>>), ParquetError> {
        let progress = output.progress();
        // Metadata is the file's, and once is enough.
        let properties = properties(schema.metadata());
        let plain = Arc::new(Schema::new(schema.fields().clone()));
        let writer = ArrowWriter::try_new(Front::new(output), plain, Some(properties))?;
        let (writer, _) = writer.into_serialized_writer()?;
        let columns = writer.schema_descr().columns();
        let options = chunk_options(schema, columns, compression, row_group_bytes, sample, filtered);
        Ok((Self { writer, index, progress }, options))
    }

    /// Writes a row group of one chunk a column, in the order of the schema.
    ///
    /// # Errors
    ///
    /// The output's, and the budget's refusal of what the file's index keeps of the row group.
    pub(crate) fn append(&mut self, chunks: Vec<EncodedChunk>) -> Result<(), Error> {
        let pages = chunks.iter().filter_map(|chunk| chunk.close.offset_index.as_ref());
        let pages = pages.map(|index| index.page_locations.len()).sum();
        self.index.cover(chunks.len(), pages).map_err(|refusal| self.progress.exceeded(refusal))?;
        self.write(chunks).map_err(|error| self.progress.encode(error))
    }

    fn write(&mut self, chunks: Vec<EncodedChunk>) -> Result<(), ParquetError> {
        let mut row_group = self.writer.next_row_group()?;
        for EncodedChunk { pages, close } in chunks {
            row_group.append_column(&pages.into_reader(), close)?;
        }
        row_group.close().map(drop)
    }

    /// Writes the file's end.
    pub(crate) fn finish(self) -> Result<Output, Error> {
        let front = self.writer.into_inner().map_err(|error| self.progress.encode(error))?;
        front.into_output().ok_or_else(|| self.progress.encode(given_up()))
    }

    /// The same, for columns that have come to the types of `schema`.
    ///
    /// # Errors
    ///
    /// Types that are stored in another way, and the budget's refusal of a second copy of the file's index.
    pub(crate) fn finish_as(mut self, schema: &SchemaRef) -> Result<Output, Error> {
        self.index.cover_copies().map_err(|refusal| self.progress.exceeded(refusal))?;
        footer::write(self.writer, schema).map_err(|error| self.progress.encode(error))
    }
}

/// What is left to say when the file is gone after an error that has been told.
pub(crate) fn given_up() -> ParquetError {
    ParquetError::General("the file was given up".into())
}
