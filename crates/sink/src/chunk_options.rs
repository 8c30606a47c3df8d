//! How the columns of a Parquet file are written, and how much memory each may spend on it.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Schema};
use monitor::Bytes;
use parquet::schema::types::ColumnDescPtr;

use crate::bloom;
use crate::column_chunk::ChunkOptions;
use crate::compression::Compression;
use crate::repetition;

/// Written into every file, in the form that the Parquet specification gives: readers that cannot parse
/// it distrust the statistics.
pub(crate) const CREATED_BY: &str = concat!("tidegate version ", env!("CARGO_PKG_VERSION"));

/// Where a column's share is less, numbers get no dictionary: its table would crowd out the rows.
const LEAST_DICTIONARY_SHARE: u64 = 256 << 10;

/// A dictionary in memory, hash table included, by the bytes of its page in the file.
const DICTIONARY_OVERHEAD: u64 = 3;

/// Most and least bytes of a dictionary's page. Few words are worth one in any table.
const MOST_DICTIONARY: u64 = 1 << 20;
const LEAST_DICTIONARY: u64 = 4 << 10;

/// Below this share a column's part of a row group is a few short pages, and an index of them costs memory until the
/// file's end for little: the statistics of the part as a whole say nearly the same.
const LEAST_INDEXED_SHARE: u64 = 256 << 10;

/// Below this share a table is wide, see [`is_wide`].
const LEAST_SHARE_OF_NARROW: u64 = 64 << 10;

/// Most and least bytes of a page before it is compressed.
const MOST_PAGE: u64 = 1 << 20;
const LEAST_PAGE: u64 = 1 << 10;

/// Rows of a page that an index leads to: whole blocks, near the 20 000 of other writers.
const INDEXED_ROWS: usize = 20 << 10;
/// Rows of any page.
const MOST_ROWS: usize = 1 << 20;

/// How the columns are written of a file whose row groups take `row_group_bytes` of memory, and whose first rows are
/// `sample`. Columns that are named by `filtered` have a filter of their values.
///
/// Half of that is for finished pages; the other half is shared evenly by the columns for what they
/// gather before a page is made: values, indices and dictionaries.
pub(crate) fn chunk_options(
    schema: &Schema,
    descriptors: &[ColumnDescPtr],
    compression: Compression,
    row_group_bytes: Bytes,
    sample: &[ArrayRef],
    filtered: &[String],
) -> Vec<Arc<ChunkOptions>> {
    let share = column_share(row_group_bytes, schema.fields().len());
    let is_indexed = share >= LEAST_INDEXED_SHARE;
    let columns = schema.fields().iter().zip(descriptors).zip(sample);
    let options = columns.map(|((field, descriptor), sample)| ChunkOptions {
        descriptor: descriptor.clone(),
        data_type: field.data_type().clone(),
        compression,
        page_bytes: page_bytes(share) as usize,
        page_rows: if is_indexed { INDEXED_ROWS } else { MOST_ROWS },
        is_indexed,
        filter_bytes: filtered.contains(field.name()).then(|| bloom::filter_bytes(share)),
        dictionary_bytes: dictionary_bytes(share, field.data_type(), sample),
    });
    options.map(Arc::new).collect()
}

fn dictionary_bytes(share: u64, data_type: &DataType, sample: &ArrayRef) -> Option<usize> {
    let is_worth_it = match data_type {
        DataType::Dictionary(..) => true,
        _ => share >= LEAST_DICTIONARY_SHARE && repetition::pays(sample.as_ref()),
    };
    is_worth_it.then(|| (share / DICTIONARY_OVERHEAD).clamp(LEAST_DICTIONARY, MOST_DICTIONARY) as usize)
}

fn page_bytes(share: u64) -> u64 {
    (share / 4).clamp(LEAST_PAGE, MOST_PAGE)
}

/// What pages take before they are compressed, but for those of long texts: they end with a block, of `block_bytes` at
/// the most.
pub(crate) fn usual_page_bytes(row_group_bytes: Bytes, columns: usize, block_bytes: u64) -> usize {
    (page_bytes(column_share(row_group_bytes, columns)) + block_bytes.min(MOST_PAGE)) as usize
}

/// What a column may gather before a page is made, of row groups that take `row_group_bytes`.
fn column_share(row_group_bytes: Bytes, columns: usize) -> u64 {
    row_group_bytes.get() / 2 / (columns.max(1) as u64)
}

/// Whether a table has so many columns, for the size of its row groups, that each holds but a few pages. Side by side
/// thousands of short columns gain little, and the allocator keeps pages of each for every thread.
pub(crate) fn is_wide(row_group_bytes: Bytes, columns: usize) -> bool {
    column_share(row_group_bytes, columns) < LEAST_SHARE_OF_NARROW
}

#[cfg(test)]
mod tests {
    use arrow::array::{BooleanArray, DictionaryArray, Int64Array, StringArray};
    use arrow::datatypes::{Field, Int8Type};
    use parquet::arrow::ArrowSchemaConverter;

    use super::*;

    /// Columns of four kinds in turn. The numbers repeat.
    fn of(columns: usize, row_group_bytes: Bytes) -> Vec<Arc<ChunkOptions>> {
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
        let schema = Schema::new(fields);
        let descriptors = ArrowSchemaConverter::new().convert(&schema).unwrap();
        chunk_options(&schema, descriptors.columns(), Compression::None, row_group_bytes, &sample, &[])
    }

    fn dictionaries(options: &[Arc<ChunkOptions>]) -> Vec<bool> {
        options[..4].iter().map(|column| column.dictionary_bytes.is_some()).collect()
    }

    #[test]
    fn with_room_numbers_that_repeat_get_a_dictionary_and_plain_text_does_not() {
        let options = of(4, Bytes::mib(64));
        assert_eq!(dictionaries(&options), [true, false, true, false]);
        assert_eq!(options[0].dictionary_bytes, Some(1 << 20));
        assert_eq!((options[0].page_bytes, options[0].page_rows), (1 << 20, 20_480));
        assert!(options[0].is_indexed);
    }

    #[test]
    fn without_room_only_what_comes_as_a_dictionary_stays_one() {
        let options = of(160, Bytes::mib(64));
        assert_eq!(dictionaries(&options), [false, false, true, false]);
        assert_eq!(options[0].page_bytes, (32 << 20) / 160 / 4);
    }

    #[test]
    fn with_hardly_a_page_a_column_pages_get_no_index() {
        let options = of(6000, Bytes::mib(64));
        assert!(!options[0].is_indexed);
        assert_eq!((options[0].page_bytes, options[0].page_rows), ((32 << 20) / 6000 / 4, 1 << 20));
        assert_eq!(options[2].dictionary_bytes, Some(4 << 10));
    }
}
