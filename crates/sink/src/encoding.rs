//! Which encodings the columns of a Parquet file get, and how much memory each may spend on them.

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Schema};
use monitor::Bytes;
use parquet::basic::{self, Encoding};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::compression::Compression;
use crate::repetition;

/// Written into every file, in the form that the Parquet specification gives: readers that cannot parse
/// it distrust the statistics.
pub(crate) const CREATED_BY: &str = concat!("tidegate version ", env!("CARGO_PKG_VERSION"));

/// What a dictionary of numbers holds before it has met a value (72 KiB) and while it gathers the indices
/// of a page (160 KiB). Where a column's share is less, dictionaries would crowd out the rows.
const LEAST_DICTIONARY_SHARE: u64 = 256 << 10;

/// A dictionary in memory, hash table included, by the bytes of its page in the file.
const DICTIONARY_OVERHEAD: u64 = 3;

/// Bytes of the index of one value, before its page is made.
const INDEX_BYTES: u64 = 8;

/// Below this share a column's part of a row group is a few short pages, and an index of them costs memory until the
/// file's end for little: the statistics of the part as a whole say nearly the same.
const LEAST_INDEXED_SHARE: u64 = 256 << 10;

/// Below this share values are not packed: each of the encoders claims 1 MiB of addresses, too many of thousands of
/// columns.
const LEAST_PACKED_SHARE: u64 = 64 << 10;

/// The usual limits of the encoder; a small share only lowers them.
const PAGE_BYTES: u64 = 1 << 20;
const PAGE_ROWS: u64 = 20_000;

/// The properties of a file whose row groups take `row_group_bytes` of memory, and whose first rows are `sample`.
///
/// Half of that is for finished pages; the other half is shared evenly by the columns for what they
/// gather before a page is made: values, indices and dictionaries.
pub(crate) fn properties(
    schema: &Schema,
    compression: Compression,
    row_group_bytes: Bytes,
    sample: &[ArrayRef],
) -> Result<WriterProperties, ParquetError> {
    let compression = match compression {
        Compression::Snappy => basic::Compression::SNAPPY,
        Compression::Zstd(level) => basic::Compression::ZSTD(basic::ZstdLevel::try_new(level.get())?),
        Compression::Lz4 => basic::Compression::LZ4_RAW,
        Compression::None => basic::Compression::UNCOMPRESSED,
    };
    let share = column_share(row_group_bytes, schema.fields().len());
    let page = share / 4;
    let is_wide = is_wide(row_group_bytes, schema.fields().len());
    let is_indexed = share >= LEAST_INDEXED_SHARE;
    let mut properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_compression(compression)
        .set_data_page_size_limit(page.clamp(8 << 10, PAGE_BYTES) as usize)
        .set_data_page_row_count_limit((page / INDEX_BYTES).clamp(1024, PAGE_ROWS) as usize)
        .set_statistics_enabled(match is_indexed {
            true => EnabledStatistics::Page,
            false => EnabledStatistics::Chunk,
        })
        .set_offset_index_disabled(!is_indexed)
        // Both limits of a row group are kept by the encoder.
        .set_max_row_group_row_count(None)
        .set_max_row_group_bytes(None);
    for (field, sample) in schema.fields().iter().zip(sample) {
        let column = ColumnPath::new(vec![field.name().clone()]);
        if let Some(encoding) = plain_encoding(field.data_type()).filter(|_| !is_wide) {
            properties = properties.set_column_encoding(column.clone(), encoding);
        }
        if matches!(field.data_type(), DataType::Dictionary(..)) {
            continue;
        }
        // A dictionary falls back to the plain encoding when it outgrows its share.
        let most = (share / DICTIONARY_OVERHEAD).min(PAGE_BYTES) as usize;
        properties = match share >= LEAST_DICTIONARY_SHARE && repetition::pays(sample.as_ref()) {
            true => properties.set_column_dictionary_page_size_limit(column, most),
            false => properties.set_column_dictionary_enabled(column, false),
        };
    }
    Ok(properties.build())
}

/// What a column may gather before a page is made, of row groups that take `row_group_bytes`.
fn column_share(row_group_bytes: Bytes, columns: usize) -> u64 {
    row_group_bytes.get() / 2 / (columns.max(1) as u64)
}

/// Whether a table has so many columns, for the size of its row groups, that each holds but a few pages. Side by side
/// thousands of short columns gain little, and the allocator keeps pages of each for every thread.
pub(crate) fn is_wide(row_group_bytes: Bytes, columns: usize) -> bool {
    column_share(row_group_bytes, columns) < LEAST_PACKED_SHARE
}

/// How values are written that have no dictionary; `None` where the format knows one way only, or no better one.
///
/// Differences of integers and lengths of texts take a fraction of the bytes, and take less time than to compress the
/// values as they are: texts of random digits a quarter.
fn plain_encoding(data_type: &DataType) -> Option<Encoding> {
    use DataType::{Date32, LargeUtf8, Time32, Time64, Timestamp, Utf8};
    match data_type {
        Date32 | Time32(_) | Time64(_) | Timestamp(..) => Some(Encoding::DELTA_BINARY_PACKED),
        integer if integer.is_integer() => Some(Encoding::DELTA_BINARY_PACKED),
        Utf8 | LargeUtf8 => Some(Encoding::DELTA_LENGTH_BYTE_ARRAY),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{BooleanArray, DictionaryArray, Int64Array, StringArray, new_empty_array};
    use arrow::datatypes::{Field, Int8Type};

    use super::*;

    /// Columns of four kinds in turn. The numbers repeat.
    fn of(columns: usize, row_group_bytes: Bytes) -> WriterProperties {
        const ROWS: i64 = 1000;
        let kinds: [ArrayRef; 4] = [
            Arc::new(Int64Array::from_iter_values((0..ROWS).map(|row| row % 3 * 1000))),
            Arc::new(StringArray::from_iter_values((0..ROWS).map(|row| row.to_string()))),
            Arc::new((0..ROWS).map(|_| Some("word")).collect::<DictionaryArray<Int8Type>>()),
            Arc::new(BooleanArray::from_iter((0..ROWS).map(|row| Some(row % 2 == 0)))),
        ];
        let sample: Vec<_> = (0..columns).map(|index| Arc::clone(&kinds[index % kinds.len()])).collect();
        let fields: Vec<_> = sample
            .iter()
            .enumerate()
            .map(|(index, column)| Field::new(index.to_string(), column.data_type().clone(), true))
            .collect();
        properties(&Schema::new(fields), Compression::None, row_group_bytes, &sample).unwrap()
    }

    fn column(index: usize) -> ColumnPath {
        ColumnPath::new(vec![index.to_string()])
    }

    #[test]
    fn with_room_numbers_that_repeat_get_a_dictionary_and_plain_text_does_not() {
        let properties = of(4, Bytes::mib(64));
        let tried = [0, 1, 2, 3].map(|index| properties.dictionary_enabled(&column(index)));
        assert_eq!(tried, [true, false, true, false]);
        let plain = [0, 1, 2, 3].map(|index| properties.encoding(&column(index)));
        let (delta, lengths) = (Encoding::DELTA_BINARY_PACKED, Encoding::DELTA_LENGTH_BYTE_ARRAY);
        assert_eq!(plain, [Some(delta), Some(lengths), None, None]);
        assert_eq!(properties.column_dictionary_page_size_limit(&column(0)), 1 << 20);
        assert_eq!(properties.data_page_size_limit(), 1 << 20);
        assert_eq!(properties.data_page_row_count_limit(), 20_000);
        assert_eq!(properties.statistics_enabled(&column(0)), EnabledStatistics::Page);
        assert!(!properties.offset_index_disabled());
    }

    #[test]
    fn without_room_only_what_comes_as_a_dictionary_stays_one() {
        let properties = of(160, Bytes::mib(64));
        let tried = [0, 1, 2, 3].map(|index| properties.dictionary_enabled(&column(index)));
        assert_eq!(tried, [false, false, true, false]);
        assert_eq!(properties.encoding(&column(0)), Some(Encoding::DELTA_BINARY_PACKED));
        assert_eq!(properties.data_page_size_limit(), (32 << 20) / 160 / 4);
        assert_eq!(properties.data_page_row_count_limit(), (32 << 20) / 160 / 4 / 8);
    }

    #[test]
    fn with_hardly_a_page_a_column_pages_get_no_index() {
        let properties = of(600, Bytes::mib(64));
        assert_eq!(properties.encoding(&column(0)), None);
        assert_eq!(properties.statistics_enabled(&column(0)), EnabledStatistics::Chunk);
        assert!(properties.offset_index_disabled());
    }

    #[test]
    fn the_levels_reach_the_encoder() {
        let level = "zstd:22".parse().unwrap();
        let schema = Schema::new(vec![Field::new("0", DataType::Int8, true)]);
        let sample = [new_empty_array(&DataType::Int8)];
        let properties = properties(&schema, level, Bytes(1), &sample).unwrap();
        let expected = basic::Compression::ZSTD(basic::ZstdLevel::try_new(22).unwrap());
        assert_eq!(properties.compression(&column(0)), expected);
    }
}
