//! A Parquet file that is being written: row groups whose columns were encoded elsewhere, one after the other.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{Schema, SchemaRef};
use monitor::Bytes;
use parquet::arrow::{ARROW_SCHEMA_META_KEY, ArrowSchemaConverter, encode_arrow_schema};
use parquet::basic::ColumnOrder;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, KeyValue, ParquetMetaDataBuilder, ParquetMetaDataWriter,
    RowGroupMetaData, SortingColumn,
};
use parquet::schema::types::SchemaDescPtr;

use crate::chunk_options::{CREATED_BY, chunk_options};
use crate::column_chunk::{ChunkOptions, Direction, EncodedChunk, PageIndex};
use crate::compression::Compression;
use crate::error::Error;
use crate::file_index::FileIndex;
use crate::late_types;
use crate::output::{Output, Progress};

const MAGIC: &[u8] = b"PAR1";
/// Of the format: nothing that it writes needs a reader of a later one.
const VERSION: i32 = 1;

/// The crate's own writer of files is not used: it says of all row groups alike by what they are sorted, before there is one.
pub(crate) struct ParquetFile {
    output: Output,
    /// Bytes written so far.
    at: u64,
    schema: SchemaDescPtr,
    metadata: Vec<KeyValue>,
    row_groups: Vec<RowGroupMetaData>,
    /// For each chunk, until the file's end.
    page_indexes: Vec<ChunkIndex>,
    index: FileIndex,
    progress: Progress,
}

/// As the file holds them.
struct ChunkIndex {
    column: Option<Box<[u8]>>,
    offsets: Option<Box<[u8]>>,
}

impl ParquetFile {
    /// Begins a file of `schema`, whose metadata goes into its footer, and says how its columns are written, as suits
    /// `sample`, its first rows.
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
        let plain = Schema::new(schema.fields().clone());
        let descriptor = Arc::new(ArrowSchemaConverter::new().convert(&plain)?);
        let columns = descriptor.columns();
        let options = chunk_options(schema, columns, compression, row_group_bytes, sample, filtered);
        let metadata = metadata(schema.metadata(), &plain);
        let mut file = Self {
            output,
            at: 0,
            schema: descriptor,
            metadata,
            row_groups: Vec::new(),
            page_indexes: Vec::new(),
            index,
            progress,
        };
        file.put(MAGIC)?;
        Ok((file, options))
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Writes a row group of one chunk a column, in the order of the schema.
    ///
    /// # Errors
    ///
    /// The output's, and the budget's refusal of what the file's index keeps of the row group.
    pub(crate) fn append(&mut self, chunks: Vec<EncodedChunk>) -> Result<(), Error> {
        let indexes = chunks.iter().filter_map(|chunk| chunk.index.as_ref());
        let bytes = indexes.map(PageIndex::most_bytes).sum();
        self.index.cover(chunks.len(), bytes).map_err(|refusal| self.progress.exceeded(refusal))?;
        let rows = chunks.first().map_or(0, |chunk| chunk.rows);
        let bytes: usize = chunks.iter().map(|chunk| chunk.pages.bytes()).sum();
        self.progress.announce(rows, self.at + bytes as u64);
        self.write(chunks).map_err(|error| self.progress.encode(error))
    }

    fn write(&mut self, chunks: Vec<EncodedChunk>) -> Result<(), ParquetError> {
        let ordinal = i16::try_from(self.row_groups.len()).map_err(|_| {
            ParquetError::General(format!(
                "a Parquet file has at most {} row groups; make them longer",
                i16::MAX
            ))
        })?;
        let offset = self.at;
        let rows = chunks.first().map_or(0, |chunk| chunk.rows);
        let directions = chunks.iter().enumerate().filter_map(|(column, chunk)| {
            let descending = chunk.direction? == Direction::Descending;
            Some(SortingColumn { column_idx: column as i32, descending, nulls_first: false })
        });
        // Each is in order by itself, so that they are one after the other too.
        let sorting = Some(directions.collect::<Vec<_>>()).filter(|sorting| !sorting.is_empty());
        let mut filters = Vec::with_capacity(chunks.len());
        let mut columns = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            filters.push(chunk.filter);
            let begin = self.at;
            for page in chunk.pages {
                self.put(&page)?;
            }
            let (column, offsets) = match chunk.index {
                Some(index) => {
                    let (column, offsets) =
                        index.into_parts(begin + chunk.metadata.data_page_offset() as u64);
                    (column, Some(offsets))
                }
                None => (None, None),
            };
            self.page_indexes.push(ChunkIndex { column, offsets });
            columns.push(moved(chunk.metadata, begin as i64)?);
        }
        for (column, filter) in columns.iter_mut().zip(filters) {
            let Some(filter) = filter else { continue };
            let (begin, mut bytes) = (self.at as i64, Vec::new());
            filter.write(&mut bytes)?;
            self.put(&bytes)?;
            *column = column
                .clone()
                .into_builder()
                .set_bloom_filter_offset(Some(begin))
                .set_bloom_filter_length(Some(bytes.len() as i32))
                .build()?;
        }
        let uncompressed = columns.iter().map(ColumnChunkMetaData::uncompressed_size).sum();
        let row_group = RowGroupMetaData::builder(self.schema.clone())
            .set_column_metadata(columns)
            .set_total_byte_size(uncompressed)
            .set_num_rows(rows as i64)
            .set_sorting_columns(sorting)
            .set_ordinal(ordinal)
            .set_file_offset(offset as i64)
            .build()?;
        self.row_groups.push(row_group);
        Ok(())
    }

    /// Takes the types that the columns have come to, which stand at the file's end.
    ///
    /// # Errors
    ///
    /// A type that is stored in another way than what was written.
    pub(crate) fn retype(&mut self, schema: &SchemaRef) -> Result<(), ParquetError> {
        let plain = Schema::new(schema.fields().clone());
        self.schema = Arc::new(ArrowSchemaConverter::new().convert(&plain)?);
        self.metadata = metadata(schema.metadata(), &plain);
        for group in &mut self.row_groups {
            *group = late_types::row_group(group, &self.schema)?;
        }
        Ok(())
    }

    /// Writes the file's end.
    pub(crate) fn finish(mut self) -> Result<Output, ParquetError> {
        let row_groups = self.put_page_indexes()?;
        let rows = row_groups.iter().map(RowGroupMetaData::num_rows).sum();
        let orders = self.schema.columns().iter().map(|column| {
            let (logical, physical) = (column.logical_type_ref(), column.physical_type());
            ColumnOrder::TYPE_DEFINED_ORDER(ColumnOrder::sort_order_for_type(
                logical,
                column.converted_type(),
                physical,
            ))
        });
        let file = FileMetaData::new(
            VERSION,
            rows,
            Some(CREATED_BY.to_owned()),
            Some(self.metadata).filter(|metadata| !metadata.is_empty()),
            self.schema.clone(),
            Some(orders.collect()),
        );
        let metadata = ParquetMetaDataBuilder::new(file).set_row_groups(row_groups).build();
        let mut footer = Footer { output: &mut self.output, failure: None };
        let written = ParquetMetaDataWriter::new(&mut footer, &metadata).finish();
        match footer.failure {
            Some(failure) => Err(failure.into()),
            None => written.map(|()| self.output),
        }
    }

    /// Writes the indexes of all chunks, the columns' first, and gives the row groups that say where they are.
    fn put_page_indexes(&mut self) -> Result<Vec<RowGroupMetaData>, ParquetError> {
        let indexes = std::mem::take(&mut self.page_indexes);
        let mut row_groups = std::mem::take(&mut self.row_groups);
        let mut put_all = |part: fn(&ChunkIndex) -> &Option<Box<[u8]>>, place: PutPlace| {
            let chunks = row_groups.iter_mut().flat_map(|group| group.columns_mut());
            for (chunk, index) in chunks.zip(&indexes) {
                if let Some(bytes) = part(index) {
                    let begin = self.at as i64;
                    self.put(bytes)?;
                    *chunk = place(chunk.clone(), begin, bytes.len() as i32)?;
                }
            }
            Ok::<_, ParquetError>(())
        };
        put_all(
            |index| &index.column,
            |chunk, begin, length| {
                let chunk = chunk.into_builder().set_column_index_offset(Some(begin));
                chunk.set_column_index_length(Some(length)).build()
            },
        )?;
        put_all(
            |index| &index.offsets,
            |chunk, begin, length| {
                let chunk = chunk.into_builder().set_offset_index_offset(Some(begin));
                chunk.set_offset_index_length(Some(length)).build()
            },
        )?;
        Ok(row_groups)
    }
}

/// Notes where an index of a chunk is, and how long.
type PutPlace = fn(ColumnChunkMetaData, i64, i32) -> Result<ColumnChunkMetaData, ParquetError>;

/// A chunk's metadata whose offsets were counted from its first page.
fn moved(metadata: ColumnChunkMetaData, by: i64) -> Result<ColumnChunkMetaData, ParquetError> {
    let (data, dictionary) = (metadata.data_page_offset(), metadata.dictionary_page_offset());
    metadata
        .into_builder()
        .set_data_page_offset(data + by)
        .set_dictionary_page_offset(dictionary.map(|offset| offset + by))
        .build()
}

/// The pairs of a footer: in order, so that it is the same for the same metadata, and then Arrow's schema.
fn metadata(pairs: &HashMap<String, String>, schema: &Schema) -> Vec<KeyValue> {
    let mut metadata: Vec<KeyValue> =
        pairs.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
    metadata.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    metadata.push(KeyValue::new(ARROW_SCHEMA_META_KEY.to_owned(), encode_arrow_schema(schema)));
    metadata
}

/// Where the crate writes a footer. It buffers it, and what fails when the buffer is dropped is told to nobody.
struct Footer<'a> {
    output: &'a mut Output,
    failure: Option<io::Error>,
}

impl Write for Footer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.output.write(bytes);
        written.map_err(|error| {
            let kind = error.kind();
            self.failure.get_or_insert(error);
            kind.into()
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is left to say when the file is gone after an error that has been told.
pub(crate) fn given_up() -> ParquetError {
    ParquetError::General("the file was given up".into())
}
