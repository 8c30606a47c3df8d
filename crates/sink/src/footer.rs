//! The footer of a file whose types are known when its rows are written: until then only how values are stored was.
//!
//! The schema stands in the footer alone. The crate's writer has taken one at the file's beginning, so that the footer it
//! makes is thrown away, but for the metadata of row groups and pages that come with it; these are written once more under
//! the schema that holds.

use std::io::{self, Write};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaData, ParquetMetaDataBuilder, ParquetMetaDataWriter,
    RowGroupMetaData,
};
use parquet::file::writer::{SerializedFileWriter, TrackedWrite};
use parquet::schema::types::{ColumnDescPtr, SchemaDescPtr};

use crate::encoding::properties;
use crate::output::Output;
use crate::parquet_file::given_up;

/// Bytes that are passed over at a time.
const STEP: usize = 256 << 10;

/// An output that takes the first bytes and loses those behind them, or the other way around.
pub(crate) struct Front {
    output: Option<Output>,
    /// Bytes so far, and those of them that are the front.
    seen: u64,
    front: u64,
    takes_front: bool,
    /// The writers around it lose errors of their last bytes.
    error: Option<io::Error>,
}

impl Front {
    /// An output that takes all.
    pub(crate) fn new(output: Output) -> Front {
        Front { output: Some(output), seen: 0, front: u64::MAX, takes_front: true, error: None }
    }

    /// The output; none if it was taken before.
    pub(crate) fn into_output(self) -> Option<Output> {
        self.output
    }

    fn pass_on(&mut self, bytes: &[u8]) -> io::Result<()> {
        let split = self.front.saturating_sub(self.seen).min(bytes.len() as u64) as usize;
        self.seen += bytes.len() as u64;
        let (front, rest) = bytes.split_at(split);
        let taken = if self.takes_front { front } else { rest };
        match &mut self.output {
            Some(output) => output.write_all(taken),
            None => Err(io::Error::other("the output was taken away")),
        }
    }
}

impl Write for Front {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let passed = self.pass_on(bytes);
        if let Err(error) = &passed {
            self.error = Some(io::Error::new(error.kind(), error.to_string()));
        }
        passed.map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // What flushing means the output's owner decides.
        Ok(())
    }
}

/// Ends the file under `schema`.
///
/// # Errors
///
/// A column whose type is stored in another way than what was written, and what the output says.
pub(crate) fn write(
    mut writer: SerializedFileWriter<Front>,
    schema: &SchemaRef,
) -> Result<Output, ParquetError> {
    let front = writer.bytes_written() as u64;
    writer.inner_mut().front = front;
    let metadata = writer.finish()?;
    let output = writer.inner_mut().output.take().ok_or_else(given_up)?;
    let metadata = under(metadata, schema)?;
    let mut behind = Front { front, takes_front: false, ..Front::new(output) };
    let mut tracked = TrackedWrite::new(&mut behind);
    // Offsets count from the file's beginning.
    let step = vec![0; STEP];
    let mut left = front;
    while left > 0 {
        let bytes = left.min(STEP as u64) as usize;
        tracked.write_all(&step[..bytes])?;
        left -= bytes as u64;
    }
    ParquetMetaDataWriter::new_with_tracked(tracked, &metadata).finish()?;
    match behind.error.take() {
        Some(error) => Err(ParquetError::External(Box::new(error))),
        None => behind.into_output().ok_or_else(given_up),
    }
}

/// The metadata of a file as if its columns had had the types of `schema` from the beginning.
fn under(metadata: ParquetMetaData, schema: &SchemaRef) -> Result<ParquetMetaData, ParquetError> {
    let plain = Schema::new(schema.fields().clone());
    let mut properties = properties(schema.metadata());
    add_encoded_arrow_schema_to_metadata(&plain, &mut properties);
    let descriptor: SchemaDescPtr = Arc::new(ArrowSchemaConverter::new().convert(&plain)?);
    let file = metadata.file_metadata();
    let file = FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(str::to_owned),
        properties.key_value_metadata().cloned(),
        Arc::clone(&descriptor),
        None,
    );
    let row_groups = metadata.row_groups().iter().map(|group| row_group(group, &descriptor));
    let row_groups = row_groups.collect::<Result<_, _>>()?;
    Ok(ParquetMetaDataBuilder::new(file)
        .set_row_groups(row_groups)
        .set_column_index(metadata.column_index().cloned())
        .set_offset_index(metadata.offset_index().cloned())
        .build())
}

fn row_group(group: &RowGroupMetaData, descriptor: &SchemaDescPtr) -> Result<RowGroupMetaData, ParquetError> {
    let columns = group.columns().iter().zip(descriptor.columns());
    let columns = columns.map(|(chunk, descriptor)| column_chunk(chunk, descriptor));
    let mut builder = RowGroupMetaData::builder(Arc::clone(descriptor))
        .set_num_rows(group.num_rows())
        .set_total_byte_size(group.total_byte_size())
        .set_sorting_columns(group.sorting_columns().cloned())
        .set_column_metadata(columns.collect::<Result<_, _>>()?);
    if let Some(ordinal) = group.ordinal() {
        builder = builder.set_ordinal(ordinal);
    }
    if let Some(offset) = group.file_offset() {
        builder = builder.set_file_offset(offset);
    }
    builder.build()
}

fn column_chunk(
    chunk: &ColumnChunkMetaData,
    descriptor: &ColumnDescPtr,
) -> Result<ColumnChunkMetaData, ParquetError> {
    let (is, was) = (descriptor.physical_type(), chunk.column_descr().physical_type());
    if is != was {
        let problem = format!("column {:?} was written as {was}, which {is} is not", descriptor.name());
        return Err(ParquetError::General(problem));
    }
    let mut builder = ColumnChunkMetaData::builder(Arc::clone(descriptor))
        .set_compression_codec(chunk.compression_codec())
        .set_encodings_mask(*chunk.encodings_mask())
        .set_total_compressed_size(chunk.compressed_size())
        .set_total_uncompressed_size(chunk.uncompressed_size())
        .set_num_values(chunk.num_values())
        .set_data_page_offset(chunk.data_page_offset())
        .set_dictionary_page_offset(chunk.dictionary_page_offset())
        .set_bloom_filter_offset(chunk.bloom_filter_offset())
        .set_bloom_filter_length(chunk.bloom_filter_length())
        .set_unencoded_byte_array_data_bytes(chunk.unencoded_byte_array_data_bytes());
    if let Some(statistics) = chunk.statistics() {
        builder = builder.set_statistics(statistics.clone());
    }
    if let Some(pages) = chunk.page_encoding_stats() {
        builder = builder.set_page_encoding_stats(pages.clone());
    }
    builder.build()
}
