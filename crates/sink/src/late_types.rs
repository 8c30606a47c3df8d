//! Row groups whose columns' types are known when their rows are written: until then only how values are stored was.

use std::sync::Arc;

use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::schema::types::{ColumnDescPtr, SchemaDescPtr};

/// A row group as if its columns had had the types of `descriptor` from the beginning.
///
/// # Errors
///
/// A column whose type is stored in another way than what was written.
pub(crate) fn row_group(
    group: &RowGroupMetaData,
    descriptor: &SchemaDescPtr,
) -> Result<RowGroupMetaData, ParquetError> {
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
