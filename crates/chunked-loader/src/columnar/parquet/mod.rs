//! Parquet: the footer, and the column chunks of each row group.
//!
//! ```text
//!  footer ──► schema, row groups
//!               │
//!               └─► column chunk ──► page headers ──► pages ──────────► values
//!                                    own reader       checked, then     the `parquet` crate's
//!                                                     decompressed      decoders
//! ```
//!
//! In memory are, of each column that is read, one page, the chunk's dictionary and the values of a step.

mod codec;
mod column;
mod pages;
mod thrift;

use std::fs::File;
use std::sync::Arc;

use arrow::datatypes::DataType;
use monitor::{Budget, Bytes, Reservation};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::basic::{Compression, Repetition, Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy,
};

use crate::columnar::guard::guarded;
use crate::columnar::held::{Held, zeroed};
use crate::columnar::schema::SourceColumn;
use crate::columnar::table::{ColumnReader, Group, Part, Table};
use crate::error::{Error, ErrorKind};
use codec::Codec;
pub(crate) use codec::Scratch;
use column::ChunkReader;
use pages::{Chunk, read_exact};

/// The length of the footer, and the mark behind it.
const TAIL: u64 = 8;
const MARK: &[u8] = b"PAR1";
const ENCRYPTED: &[u8] = b"PARE";

/// An open file.
pub(crate) struct ParquetFile {
    file: Arc<File>,
    metadata: ParquetMetaData,
    columns: Vec<SourceColumn>,
    groups: Vec<Group>,
    /// Where the row groups end, at the most.
    end: u64,
    /// Holds the footer.
    _held: Reservation,
}

impl ParquetFile {
    /// Reads the footer of a file of `bytes` bytes.
    ///
    /// # Errors
    /// If it cannot be read or is damaged, a column is of a type that is not read, or the budget has no room for it.
    pub(crate) fn open(file: Arc<File>, bytes: u64, budget: &Budget) -> Result<ParquetFile, Error> {
        let cut = |byte| Error::new(ErrorKind::Damaged { format: "Parquet", byte, cause: None });
        let mut tail = [0; TAIL as usize];
        let at = bytes.checked_sub(TAIL).filter(|at| *at >= MARK.len() as u64).ok_or_else(|| cut(bytes))?;
        read_exact(&file, &mut tail, at)?;
        let (length, mark) = tail.split_at(4);
        if mark == ENCRYPTED {
            let (what, remedy) = ("an encrypted Parquet file", "write it without encryption");
            return Err(Error::new(ErrorKind::Unsupported { what, remedy }));
        }
        if mark != MARK {
            return Err(cut(bytes));
        }
        let length = u64::from(u32::from_le_bytes([length[0], length[1], length[2], length[3]]));
        let end = at.checked_sub(length).filter(|end| *end >= MARK.len() as u64).ok_or_else(|| cut(at))?;

        let damaged = |cause: String| {
            Error::new(ErrorKind::Damaged { format: "Parquet", byte: end, cause: Some(cause.into()) })
        };
        let mut held = budget.consumer("footer").try_reserve(Bytes(length))?;
        let mut footer = zeroed(length as usize)?;
        read_exact(&file, &mut footer, end)?;
        let memory =
            thrift::footer_memory(&footer).map_err(|_| damaged("the footer makes no sense".to_owned()))?;
        held.try_resize(Bytes::from(footer.len().saturating_add(memory)))?;
        let metadata = decode(&footer).map_err(damaged)?;
        drop(footer);
        let columns = columns(&metadata, &damaged)?;
        let groups = groups(&metadata, end).map_err(damaged)?;
        held.shrink_to(Bytes::from(metadata.memory_size() + groups.len() * size_of::<Group>()));
        Ok(ParquetFile { file, metadata, columns, groups, end, _held: held })
    }
}

/// Decodes a footer. The `parquet` crate checks less than outside bytes need, so that it may panic on them; nothing of
/// what it has made by then is used.
fn decode(footer: &[u8]) -> Result<ParquetMetaData, String> {
    // Statistics are not asked, and would be most of what a footer takes.
    let options = ParquetMetaDataOptions::new()
        .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
    let decoded = guarded(|| ParquetMetaDataReader::decode_metadata_with_options(footer, Some(&options)));
    match decoded {
        Ok(Ok(metadata)) => Ok(metadata),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the footer makes no sense".to_owned()),
    }
}

/// What the columns are, by the schema that Arrow's writers leave, and where there is none by Parquet's own types.
fn columns(
    metadata: &ParquetMetaData,
    damaged: &dyn Fn(String) -> Error,
) -> Result<Vec<SourceColumn>, Error> {
    let file = metadata.file_metadata();
    let roots = file.schema_descr().root_schema().get_fields();
    let types = guarded(|| parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata()));
    let schema = match types {
        Ok(Ok(schema)) => schema,
        Ok(Err(ParquetError::NYI(what) | ParquetError::ArrowError(what))) => return Err(damaged(what)),
        Ok(Err(error)) => return Err(damaged(error.to_string())),
        Err(_) => return Err(damaged("its types make no sense".to_owned())),
    };
    if schema.fields().len() != roots.len() {
        return Err(damaged("its two schemas differ".to_owned()));
    }
    let columns = schema.fields().iter().map(|field| SourceColumn::new(field.name(), field.data_type()));
    // Whether a chunk has a dictionary is for each chunk to say, and the values are the same.
    let plain = columns.map(|column| {
        column.map(|column| match column.data_type {
            DataType::Dictionary(_, values) => SourceColumn { data_type: *values, ..column },
            _ => column,
        })
    });
    let columns: Vec<SourceColumn> = plain.collect::<Result<_, _>>()?;
    // Behind what is read, each field of the root is a column of its own.
    let is_flat = roots
        .iter()
        .all(|root| root.is_primitive() && root.get_basic_info().repetition() != Repetition::REPEATED);
    if is_flat { Ok(columns) } else { Err(damaged("its two schemas differ".to_owned())) }
}

/// The row groups, each checked against the schema and the file.
fn groups(metadata: &ParquetMetaData, end: u64) -> Result<Vec<Group>, String> {
    let columns = metadata.file_metadata().schema_descr().num_columns();
    let groups = metadata.row_groups().iter().enumerate().map(|(number, group)| {
        let wrong = |what: &str| format!("row group {} {what}", number + 1);
        let rows = u64::try_from(group.num_rows()).map_err(|_| wrong("has less than no rows"))?;
        if group.columns().len() != columns {
            return Err(wrong("has not the columns of the schema"));
        }
        if rows == 0 {
            // Where there is nothing some writers say that it is nowhere.
            return Ok(Group { rows, byte: end });
        }
        let mut first = end;
        for chunk in group.columns() {
            let values = u64::try_from(chunk.num_values()).ok();
            let (start, stop) = range(chunk).ok_or_else(|| wrong("lies nowhere"))?;
            if values != Some(rows) || start < MARK.len() as u64 || stop > end {
                return Err(wrong("is not where it should be"));
            }
            first = first.min(start);
        }
        Ok(Group { rows, byte: first })
    });
    groups.collect()
}

/// Where a chunk begins and ends.
fn range(chunk: &parquet::file::metadata::ColumnChunkMetaData) -> Option<(u64, u64)> {
    let data = u64::try_from(chunk.data_page_offset()).ok()?;
    // Some writers say 0 where there is none.
    let dictionary =
        chunk.dictionary_page_offset().and_then(|at| u64::try_from(at).ok()).filter(|at| *at > 0);
    let start = dictionary.map_or(data, |dictionary| dictionary.min(data));
    Some((start, start.checked_add(u64::try_from(chunk.compressed_size()).ok()?)?))
}

impl Table for ParquetFile {
    fn columns(&self) -> &[SourceColumn] {
        &self.columns
    }

    fn groups(&self) -> &[Group] {
        &self.groups
    }

    fn part(&self, group: usize) -> Part {
        Part::RowGroup(group + 1)
    }

    fn compression(&self) -> Option<&'static str> {
        let chunk = self.metadata.row_groups().first()?.columns().first()?;
        match chunk.compression() {
            Compression::UNCOMPRESSED => None,
            Compression::SNAPPY => Some("snappy"),
            Compression::GZIP(_) => Some("gzip"),
            Compression::ZSTD(_) => Some("zstd"),
            Compression::LZ4 | Compression::LZ4_RAW => Some("lz4"),
            Compression::LZO => Some("lzo"),
            Compression::BROTLI(_) => Some("brotli"),
        }
    }

    fn column(&self, group: usize, column: usize, held: Held) -> Result<Box<dyn ColumnReader>, Error> {
        let meta = self.metadata.row_group(group).column(column);
        let source = &self.columns[column];
        let descriptor = meta.column_descr_ptr();
        let damaged = |cause: &str| {
            let byte = self.groups[group].byte;
            Error::new(ErrorKind::Damaged { format: "Parquet", byte, cause: Some(cause.into()) })
        };
        let codec = Codec::of(meta.compression()).map_err(|what| {
            let remedy = "write it with snappy, gzip, lz4_raw or zstd";
            Error::new(ErrorKind::Unsupported { what, remedy })
        })?;
        let is_half = descriptor.physical_type() == Type::FIXED_LEN_BYTE_ARRAY;
        if is_half && descriptor.type_length() != 2 {
            return Err(damaged("a column of halves is of another width"));
        }
        let (start, stop) = range(meta).ok_or_else(|| damaged("a column lies nowhere"))?;
        let chunk = Chunk {
            file: Arc::clone(&self.file),
            start,
            // The sizes of old writers leave out the header of the dictionary.
            end: stop.saturating_add(128).min(self.end),
            codec,
            physical: descriptor.physical_type(),
            has_levels: descriptor.max_def_level() > 0,
            rows: self.groups[group].rows,
        };
        Ok(Box::new(ChunkReader::new(chunk, descriptor, source.data_type.clone(), held)?))
    }

    fn column_bytes(&self, group: usize, column: usize) -> u64 {
        u64::try_from(self.metadata.row_group(group).column(column).compressed_size()).unwrap_or(0)
    }
}
