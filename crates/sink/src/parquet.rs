//! The Parquet encoder: cuts rows into row groups, brings them to the columns' lanes, and keeps all of it within the
//! budget.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use monitor::{Budget, BudgetExceeded, Bytes, Consumer, Reservation};
use parquet::errors::ParquetError;

use crate::bloom;
use crate::chunk_options::{is_wide, usual_page_bytes};
use crate::column_chunk::{ChunkOptions, Scratch, is_supported};
use crate::compression::Compression;
use crate::encoder::Encoder;
use crate::error::Error;
use crate::file_index::FileIndex;
use crate::helpers::Helpers;
use crate::lanes::{Held, Job, Lanes};
use crate::output::{Output, Progress};
use crate::parquet_file::{ParquetFile, given_up};
use crate::row_groups::{Cutter, Piece, RowGroupLimits, RowSizes};
use crate::seconds::stored_schema;
use crate::workers::{Workers, workers};

/// What a column takes in each row group beside its values: encoder, lane and, for a while, those of the last one.
const COLUMN: u64 = 2 << 10;
/// Where the budget refuses more for a row group, even this is tried.
const LEAST_ROW_GROUP: Bytes = Bytes::kib(64);
/// Rows on the way to the encoders take this share of a row group, and so do the first rows of the next one before the
/// last one is written.
const ON_THE_WAY_SHARE: u64 = 4;

/// Lanes are waited for where what may still go into a row group is more than a block by this share of it.
const WORTH_WAITING_SHARE: u64 = 16;

pub(crate) struct ParquetEncoder {
    lanes: Lanes,
    stage: Stage,
    schema: SchemaRef,
    /// The types that columns have come to, if others than those.
    proved: Option<SchemaRef>,
    compression: Compression,
    limits: RowGroupLimits,
    /// Names of columns that have a filter of their values.
    filtered: Arc<[String]>,
    cutter: Cutter,
    row_group: RowGroup,
    measured: Option<Measured>,
    /// Covers any row group, from the file's first row to its last.
    reservation: Reservation,
    on_the_way: Consumer,
    columns: Reservation,
    /// What the allocator keeps for threads that encode.
    threads: Reservation,
    progress: Progress,
}

/// How far the file has come. What it is written with is chosen from its first rows, so that it begins with the first
/// whole block.
enum Stage {
    Ahead {
        output: Box<Output>,
        index: FileIndex,
    },
    /// How each column is written.
    Begun(Vec<Arc<ChunkOptions>>),
    /// While one becomes the other. After an error it stays so, and the encoder is not used again.
    Between,
}

/// The row group in progress.
#[derive(Debug, Clone, Copy, Default)]
struct RowGroup {
    rows: usize,
    /// Bytes of its values, before they are encoded.
    bytes: u64,
    /// Rows that it had when it was last [gone on with](ParquetEncoder::goes_on).
    rows_gone_on_with: usize,
    /// Whether its columns have encoders, which they need from the first whole block on.
    has_encoders: bool,
}

/// What a row group has come to at one of its rows, by which it ends or goes on some rows later: so the lanes are there
/// by then, and nobody waits for them.
struct Measured {
    held: Arc<Held>,
    /// Bytes that the cutter took the row group to need there.
    reckoned: u64,
    /// Bytes of its values there, before they are encoded.
    bytes: u64,
}

impl ParquetEncoder {
    pub(crate) fn new(
        output: Output,
        schema: &SchemaRef,
        compression: Compression,
        limits: RowGroupLimits,
        budget: &Budget,
        threads: usize,
        helpers: Option<&Helpers>,
    ) -> Result<Self, Error> {
        let progress = output.progress();
        let refused = |refusal| progress.exceeded(refusal);
        let schema = stored_schema(schema);
        if schema.fields().is_empty() {
            // A row group's rows are those of its columns.
            let problem = "a table without columns has no rows in Parquet; keep a column".to_owned();
            return Err(progress.encode(ParquetError::General(problem)));
        }
        if let Some(field) = schema.fields().iter().find(|field| !is_supported(field.data_type())) {
            let problem =
                format!("column {:?} has the type {}, which is not written", field.name(), field.data_type());
            return Err(progress.encode(ParquetError::NYI(problem)));
        }
        let count = schema.fields().len() as u64;
        // As it is, and as the file's writer keeps it.
        let metadata: usize =
            schema.metadata().iter().map(|(key, value)| 2 * (key.len() + value.len())).sum();
        let needed = Bytes(count * COLUMN + output.write_back_bytes() + metadata as u64);
        let columns = budget.consumer("columns").try_reserve(needed).map_err(refused)?;
        let index = FileIndex::new(budget).map_err(refused)?;
        let (limits, reservation) = reserve(budget, limits).map_err(refused)?;
        let threads = if is_wide(limits.bytes, schema.fields().len()) { 1 } else { threads.max(1) };
        let usual = usual_page_bytes(limits.bytes, schema.fields().len(), limits.block_bytes());
        let new_scratch = |page: &Consumer| Scratch::new(compression, usual, page, &progress);
        let Workers { kept, scratches, helpers } = workers(budget, threads, helpers, new_scratch, &progress)?;
        let lanes =
            Lanes::new(schema.fields().len(), scratches, &helpers.unwrap_or_default(), progress.clone());
        Ok(Self {
            lanes,
            stage: Stage::Ahead { output: Box::new(output), index },
            schema,
            proved: None,
            compression,
            limits,
            filtered: Arc::default(),
            cutter: Cutter::new(limits),
            row_group: RowGroup::default(),
            measured: None,
            reservation,
            on_the_way: budget.consumer("rows to encode"),
            columns,
            threads: kept,
            progress,
        })
    }

    /// Gives the columns of these names a filter of their values.
    ///
    /// # Errors
    ///
    /// A name that no column has, or one whose type has no filter.
    pub(crate) fn with_bloom_filters(self, filtered: Arc<[String]>) -> Result<Self, Error> {
        for name in filtered.iter() {
            let problem = match self.schema.field_with_name(name) {
                Ok(field) if bloom::is_supported(field.data_type()) => continue,
                Ok(field) => format!("column {name:?} has the type {}, which has none", field.data_type()),
                Err(_) => format!("there is no column {name:?}"),
            };
            return Err(self.progress.encode(ParquetError::NYI(format!("bloom filter: {problem}"))));
        }
        Ok(Self { filtered, ..self })
    }

    /// Brings the rows of `batch` from row `from`, `bytes` of them, to the lanes, cut into `pieces`.
    fn take(&mut self, batch: &RecordBatch, from: usize, pieces: &[Piece], bytes: u64) -> Result<(), Error> {
        // Only the last piece of a batch can leave a block unfinished.
        if pieces[0].ends_block && !self.row_group.has_encoders {
            self.begin_row_group(Some(&batch.slice(from, pieces[0].rows)))?;
        }
        self.row_group.rows += pieces.iter().map(|piece| piece.rows).sum::<usize>();
        self.row_group.bytes += bytes;
        let most = self.limits.bytes.get() / ON_THE_WAY_SHARE;
        let is_early = self.row_group.bytes <= most;
        let has_room = |on_the_way: u64, row_groups: usize| {
            (on_the_way == 0 || on_the_way + bytes <= most) && (row_groups == 0 || is_early)
        };
        self.lanes.traffic().wait(has_room, &self.progress)?;
        // Who brought the batch counts it until this returns. Rows that the budget has no room for do not stay longer.
        let reservation = self.on_the_way.try_reserve(Bytes(bytes)).ok();
        let may_stay = reservation.is_some();
        let on_the_way = self.lanes.traffic().enter(bytes, reservation);
        let pieces: Arc<[Piece]> = pieces.into();
        self.lanes.push(|column| {
            let (column, pieces) = (Arc::clone(batch.column(column)), Arc::clone(&pieces));
            Job::Rows { column, from, pieces, on_the_way: Arc::clone(&on_the_way) }
        });
        drop(on_the_way);
        let is_enough = |on_the_way, _| may_stay || on_the_way == 0;
        self.lanes.traffic().wait(is_enough, &self.progress)
    }

    /// Gives each column an encoder. `rest` is what the first block has beside the rows that the columns have gathered.
    fn begin_row_group(&mut self, rest: Option<&RecordBatch>) -> Result<(), Error> {
        self.stage = match std::mem::replace(&mut self.stage, Stage::Between) {
            Stage::Ahead { output, index } => self.begin_file(*output, index, rest)?,
            stage => stage,
        };
        let Stage::Begun(columns) = &self.stage else { return Err(self.progress.encode(given_up())) };
        self.lanes.push(|column| Job::Begin(Arc::clone(&columns[column])));
        self.row_group.has_encoders = true;
        Ok(())
    }

    /// Begins the file with what suits its first block.
    fn begin_file(
        &self,
        output: Output,
        index: FileIndex,
        rest: Option<&RecordBatch>,
    ) -> Result<Stage, Error> {
        self.lanes.traffic().wait(|on_the_way, _| on_the_way == 0, &self.progress)?;
        let sample = self.lanes.map_encoders(|column, encoder| {
            encoder.first_block(rest.map(|rest| rest.column(column)), self.schema.field(column))
        });
        let sample = sample.into_iter().collect::<Result<Vec<_>, _>>();
        let begun = sample.map_err(ParquetError::from).and_then(|sample| {
            ParquetFile::begin(
                output,
                &self.schema,
                self.compression,
                self.limits.bytes,
                &sample,
                &self.filtered,
                index,
            )
        });
        let (file, columns) = begun.map_err(|error| self.progress.encode(error))?;
        self.lanes.set_file(file);
        Ok(Stage::Begun(columns))
    }

    fn end_row_group(&mut self) -> Result<(), Error> {
        if self.row_group.rows == 0 {
            return Ok(());
        }
        if !self.row_group.has_encoders {
            self.begin_row_group(None)?;
        }
        // One is written before the next one is whole, so that they come in order.
        self.lanes.traffic().wait(|_, row_groups| row_groups == 0, &self.progress)?;
        let row_group = self.lanes.row_group();
        self.lanes.push(|_| Job::End(Arc::clone(&row_group)));
        self.row_group = RowGroup::default();
        self.measured = None;
        Ok(())
    }

    /// Has the lanes say what the row group comes to at the row that they were last brought, which ends a block.
    fn measure(&mut self) {
        let held = self.lanes.measure();
        self.measured =
            Some(Measured { held, reckoned: self.cutter.reckoned(), bytes: self.row_group.bytes });
    }

    /// Whether rows are on the way at this one while the row group comes to its end.
    fn is_near_end(&self) -> bool {
        let most = self.limits.bytes.get();
        self.cutter.reckoned() >= most - most / ON_THE_WAY_SHARE
    }

    /// Bytes that the row group has come to: all that is behind the row at which it was measured as it is in memory, and as
    /// what is before it came to.
    fn reached(&mut self) -> Result<(u64, u64), Error> {
        if self.measured.is_none() {
            self.measure();
        }
        let Some(Measured { held, reckoned, bytes }) = self.measured.take() else { return Ok((0, 0)) };
        self.lanes.traffic().wait(|_, _| held.bytes().is_some(), &self.progress)?;
        let held = held.bytes().map_or(0, |held| held as u64);
        let since = self.cutter.reckoned() - reckoned;
        let likely = u128::from(since) * u128::from(held.min(bytes)) / u128::from(bytes.max(1));
        Ok((held.saturating_add(since), held.saturating_add(likely as u64)))
    }

    /// Whether the row group, whose values take what it may take, has room for more now that they are encoded, all but
    /// those behind the row at which it was measured. If so, it goes on. Where they are likely to leave much room, the lanes
    /// are waited for: the index of a file of many columns grows with each row group.
    fn goes_on(&mut self) -> Result<bool, Error> {
        // Where not even one row went in since, the next one is longer than the room that is left.
        if self.row_group.rows >= self.limits.rows || self.row_group.rows == self.row_group.rows_gone_on_with
        {
            return Ok(false);
        }
        let (most, block) = (self.limits.bytes.get(), self.limits.block_bytes());
        let is_full = |bytes: u64| most.saturating_sub(bytes) <= block;
        let (mut bytes, likely) = self.reached()?;
        if is_full(bytes) && !is_full(likely.saturating_add(most / WORTH_WAITING_SHARE)) {
            self.measure();
            (bytes, _) = self.reached()?;
        }
        let has_room = !is_full(bytes);
        if has_room {
            self.cutter.go_on(self.row_group.rows, bytes);
            self.row_group.rows_gone_on_with = self.row_group.rows;
            self.measure();
        }
        Ok(has_room)
    }

    /// Reserves more for a row group that needs more than all were thought to [need](needs), and ends it where there is no
    /// more.
    fn cover(&mut self) -> Result<(), Error> {
        let beginning = self.limits.bytes.get() / ON_THE_WAY_SHARE;
        let needed = Bytes(self.lanes.heap_bytes() as u64 + beginning).max(needs(self.limits.bytes));
        if self.reservation.try_resize(needed).is_err() {
            self.cutter = Cutter::new(self.limits);
            self.end_row_group()?;
            self.lanes.traffic().wait(|_, row_groups| row_groups == 0, &self.progress)?;
        }
        Ok(())
    }
}

/// What row groups within a limit by bytes need: one, the beginning of the next one, and the room that pages and
/// dictionaries in progress have to grow. A test has columns of all kinds need no more.
fn needs(limit: Bytes) -> Bytes {
    limit.saturating_add(Bytes(limit.get() / 4 * 3))
}

/// Reserves for row groups within `limits`, or within lower ones where that is more than half of what the budget has
/// left: rows have to come from somewhere.
fn reserve(
    budget: &Budget,
    mut limits: RowGroupLimits,
) -> Result<(RowGroupLimits, Reservation), BudgetExceeded> {
    let consumer = budget.consumer("row group");
    let half = Bytes(budget.available().get() / 2);
    while limits.bytes > LEAST_ROW_GROUP && needs(limits.bytes) > half {
        limits.bytes = Bytes(limits.bytes.get() / 8 * 7).max(LEAST_ROW_GROUP);
    }
    consumer.try_reserve(needs(limits.bytes)).map(|reservation| (limits, reservation))
}

impl Encoder for ParquetEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let sizes = RowSizes::of(batch);
        let (mut from, mut pieces) = (0, Vec::new());
        while from < batch.num_rows() {
            let begin = from;
            pieces.clear();
            let (ends_row_group, is_to_measure) = loop {
                let piece = self.cutter.next(&sizes, from);
                from += piece.rows;
                pieces.push(piece);
                let is_to_measure = piece.ends_block && self.measured.is_none() && self.is_near_end();
                if piece.ends_row_group || is_to_measure || from == batch.num_rows() {
                    break (piece.ends_row_group, is_to_measure);
                }
            };
            self.take(batch, begin, &pieces, sizes.bytes_in_memory(begin, from))?;
            if is_to_measure {
                self.measure();
            }
            match ends_row_group && !self.goes_on()? {
                true => self.end_row_group()?,
                false => self.cover()?,
            }
        }
        Ok(())
    }

    fn file_bytes(&mut self) -> Result<u64, Error> {
        let is_quiet = |on_the_way, row_groups| on_the_way == 0 && row_groups == 0;
        self.lanes.traffic().wait(is_quiet, &self.progress)?;
        Ok(self.progress.accepted() + self.lanes.held_bytes() as u64)
    }

    fn reserved(&self) -> Bytes {
        self.reservation.bytes().saturating_add(self.columns.bytes()).saturating_add(self.threads.bytes())
    }

    fn retype(&mut self, schema: &SchemaRef) -> bool {
        let schema = Schema::new_with_metadata(schema.fields().clone(), self.schema.metadata().clone());
        self.proved = Some(stored_schema(&Arc::new(schema)));
        true
    }

    fn finish(mut self: Box<Self>) -> Result<Output, Error> {
        self.end_row_group()?;
        if matches!(self.stage, Stage::Ahead { .. }) {
            // A file without rows.
            self.begin_row_group(None)?;
        }
        self.lanes
            .traffic()
            .wait(|on_the_way, row_groups| on_the_way == 0 && row_groups == 0, &self.progress)?;
        let mut file = self.lanes.take_file().ok_or_else(|| self.progress.encode(given_up()))?;
        if let Some(schema) = &self.proved {
            file.retype(schema).map_err(|error| self.progress.encode(error))?;
        }
        file.finish().map_err(|error| self.progress.encode(error))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{self, Write};
    use std::path::Path;
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int16Array, Int64Array, StringArray,
    };
    use arrow::datatypes::{DataType, Int16Type, Int32Type};
    use parquet::basic::Encoding;
    use parquet::file::metadata::ParquetMetaData;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;
    use crate::chunk_options::CREATED_BY;
    use crate::error::ErrorKind;
    use crate::write_back::WriteBack;

    fn table(rows: usize) -> RecordBatch {
        let text = StringArray::from_iter_values((0..rows).map(|row| format!("text of row {row}")));
        let words: DictionaryArray<Int16Type> =
            (0..rows).map(|row| ["a", "b", "c"][row % 3]).map(Some).collect();
        let columns: [(&str, ArrayRef); 3] = [
            ("number", Arc::new(Int64Array::from_iter_values((0..rows as i64).map(|row| row * row)))),
            ("text", Arc::new(text)),
            ("words", Arc::new(words)),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn encoder(
        output: Output,
        schema: &SchemaRef,
        limits: RowGroupLimits,
        budget: &Budget,
        threads: usize,
    ) -> Box<ParquetEncoder> {
        let compression = Compression::Snappy;
        Box::new(ParquetEncoder::new(output, schema, compression, limits, budget, threads, None).unwrap())
    }

    /// The most memory that a row group took, and what is in the file.
    fn write(batches: &[RecordBatch], limits: RowGroupLimits, budget: &Budget) -> (Bytes, ParquetMetaData) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.parquet");
        let output = Output::file(&path, false).unwrap();
        let mut encoder = encoder(output, &batches[0].schema(), limits, budget, 1);
        for batch in batches {
            encoder.write(batch).unwrap();
            assert!(encoder.lanes.heap_bytes() as u64 <= encoder.reservation.bytes().get());
        }
        encoder.finish().unwrap().finish().unwrap();
        let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
        let peak = budget.holders().iter().find(|holder| holder.name == "row group").unwrap().peak;
        (peak, reader.metadata().clone())
    }

    fn group_rows(metadata: &ParquetMetaData) -> Vec<i64> {
        metadata.row_groups().iter().map(|group| group.num_rows()).collect()
    }

    #[test]
    fn row_groups_have_the_rows_asked_for_however_batches_are_cut() {
        let limits = RowGroupLimits { rows: 300, bytes: Bytes::mib(64) };
        let whole = table(1000);
        let expected = [300, 300, 300, 100];
        for batch_rows in [1000, 300, 299, 77] {
            let batches: Vec<_> = (0..1000)
                .step_by(batch_rows)
                .map(|start| whole.slice(start, batch_rows.min(1000 - start)))
                .collect();
            let (_, metadata) = write(&batches, limits, &Budget::unbounded());
            assert_eq!(group_rows(&metadata), expected, "{batch_rows}");
        }
    }

    #[test]
    fn bytes_are_the_same_for_any_threads_and_batches() {
        let whole = table(30_000);
        // Dictionaries of their own, as a reader without a scan makes them.
        let again = |batch: RecordBatch| {
            let mut columns = batch.columns().to_vec();
            let plain = arrow::compute::cast(&columns[2], &DataType::Utf8).unwrap();
            columns[2] = arrow::compute::cast(&plain, batch.schema_ref().field(2).data_type()).unwrap();
            RecordBatch::try_new(batch.schema(), columns).unwrap()
        };
        let limits = RowGroupLimits { rows: 12_345, bytes: Bytes::kib(256) };
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.parquet");
        let mut expected: Option<Vec<u8>> = None;
        for (batch_rows, threads) in
            [(30_000, 1), (7, 1), (1000, 1), (2048, 1), (30_000, 2), (1, 2), (1000, 2), (9999, 8)]
        {
            let output = Output::file(&path, true).unwrap();
            let budget = Budget::unbounded();
            let mut encoder = encoder(output, &whole.schema(), limits, &budget, threads);
            for start in (0..30_000).step_by(batch_rows) {
                encoder.write(&again(whole.slice(start, batch_rows.min(30_000 - start)))).unwrap();
            }
            encoder.finish().unwrap().finish().unwrap();
            let bytes = std::fs::read(&path).unwrap();
            assert!(*expected.get_or_insert_with(|| bytes.clone()) == bytes, "{batch_rows} rows a batch");
            assert_eq!(budget.reserved(), Bytes::ZERO);
        }
    }

    #[test]
    fn row_groups_keep_to_their_bytes() {
        // Digits without a pattern take half of their bytes.
        let noise = |row: u64| format!("{:016x}", row.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let text: ArrayRef = Arc::new(StringArray::from_iter_values((0..250_000).map(noise)));
        let whole = RecordBatch::try_from_iter([("text", text)]).unwrap();
        for bytes in [Bytes::kib(256), Bytes::mib(1)] {
            let limits = RowGroupLimits { rows: usize::MAX, bytes };
            let (peak, metadata) = write(std::slice::from_ref(&whole), limits, &Budget::unbounded());
            assert!(metadata.num_row_groups() > 2, "{:?}", group_rows(&metadata));
            assert!(peak <= needs(bytes), "{peak} of {bytes}");
            for group in &metadata.row_groups()[..metadata.num_row_groups() - 1] {
                // Filled but for one block, by what the values come to; the pages of the texts are compressed at its end.
                let encoded = group.compressed_size() as u64;
                assert!((bytes.get() / 2..=bytes.get()).contains(&encoded), "{encoded} at {bytes}");
            }
        }
    }

    #[test]
    fn a_row_longer_than_the_room_left_begins_a_row_group() {
        let noise = |row: u64| format!("{:016x}", row.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let texts: Vec<String> =
            (0..40).map(|row| (0..500).map(|n| noise(row * 500 + n)).collect()).collect();
        let texts: ArrayRef = Arc::new(StringArray::from(texts));
        let batch = RecordBatch::try_from_iter([("text", texts)]).unwrap();
        // Every room that can be left in front of a row of 8 000 bytes.
        for kib in 8..40 {
            let limits = RowGroupLimits { rows: usize::MAX, bytes: Bytes::kib(kib) };
            let (_, metadata) = write(std::slice::from_ref(&batch), limits, &Budget::unbounded());
            assert_eq!(metadata.file_metadata().num_rows(), 40);
            assert!(metadata.num_row_groups() > 1);
        }
    }

    #[test]
    fn what_encodes_to_little_goes_into_long_row_groups() {
        let ones: ArrayRef = Arc::new(Int64Array::from(vec![1; 500_000]));
        let batch = RecordBatch::try_from_iter([("ones", ones)]).unwrap();
        let limits = RowGroupLimits { rows: 300_000, bytes: Bytes::kib(64) };
        let (_, metadata) = write(&[batch], limits, &Budget::unbounded());
        assert_eq!(group_rows(&metadata), [300_000, 200_000]);
    }

    #[test]
    fn row_groups_are_nearly_full_whatever_their_values_come_to() {
        for bits in [6, 13, 20, 40] {
            let mask = (1i64 << bits) - 1;
            let number = |row: i64| (row.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64) >> 20) & mask;
            let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..1_000_000).map(number)));
            let batch = RecordBatch::try_from_iter([("numbers", numbers)]).unwrap();
            let limits = RowGroupLimits { rows: usize::MAX, bytes: Bytes::kib(256) };
            let (_, metadata) = write(&[batch], limits, &Budget::unbounded());
            let sizes = metadata.row_groups().iter().map(|group| group.compressed_size());
            let sizes: Vec<i64> = sizes.take(metadata.num_row_groups() - 1).collect();
            assert!(
                sizes.iter().all(|bytes| (180 << 10..270 << 10).contains(bytes)),
                "{bits} bits: {sizes:?}"
            );
            assert!(!sizes.is_empty(), "{bits} bits");
        }
    }

    #[test]
    fn a_refusal_makes_row_groups_smaller_instead_of_ending_the_run() {
        let budget = Budget::new(Bytes::kib(800).saturating_add(Bytes(WriteBack::BYTES)));
        let limits = RowGroupLimits { rows: usize::MAX, bytes: Bytes::mib(1) };
        let (peak, metadata) = write(&[table(100_000)], limits, &budget);
        assert!(metadata.num_row_groups() > 2, "{:?}", group_rows(&metadata));
        assert_eq!(metadata.file_metadata().num_rows(), 100_000);
        assert!(peak > Bytes::kib(256) && peak < Bytes::kib(512), "{peak}");
        assert_eq!(budget.reserved(), Bytes::ZERO);
    }

    #[test]
    fn what_is_kept_of_row_groups_is_paid_for() {
        let limits = RowGroupLimits { rows: 10, bytes: Bytes::kib(64) };
        let directory = tempfile::tempdir().unwrap();
        let output = Output::file(&directory.path().join("out.parquet"), false).unwrap();
        let whole = table(1000);
        let budget = Budget::new(Bytes::kib(384).saturating_add(Bytes(WriteBack::BYTES)));
        let mut encoder = encoder(output, &whole.schema(), limits, &budget, 1);
        encoder.write(&whole.slice(0, 100)).unwrap();
        let index = |budget: &Budget| budget.holders().into_iter().find(|holder| holder.name == "file index");
        assert_eq!(index(&budget).unwrap().live, Bytes(3 * 10 * 1024));
        match encoder.write(&whole).map_err(Error::into_kind) {
            Err(ErrorKind::Budget { source, .. }) => {
                let index = source.holders().iter().find(|holder| holder.name == "file index");
                assert!(index.is_some_and(|index| index.live > Bytes::kib(100)), "{source}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn dictionaries_of_batches_are_kept_only_within_the_budget() {
        // Each batch has a dictionary of its own, of long texts few of which stand in its rows.
        let batch = |_| {
            let text = |index: usize| format!("{index}{}", "x".repeat(1000));
            let values: StringArray = (0..500).map(|index| Some(text(index))).collect();
            let keys: Int16Array = (0..2048).map(|row| Some(row * 7 % 5)).collect();
            let column: ArrayRef = Arc::new(DictionaryArray::new(keys, Arc::new(values)));
            RecordBatch::try_from_iter([("words", column)]).unwrap()
        };
        let batches = [(); 9].map(batch);
        let limits = RowGroupLimits { rows: usize::MAX, bytes: Bytes::kib(64) };
        let directory = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        for kib in [4096, 512] {
            let path = directory.path().join(format!("{kib}.parquet"));
            let budget = Budget::new(Bytes::kib(kib).saturating_add(Bytes(WriteBack::BYTES)));
            let output = Output::file(&path, false).unwrap();
            let mut encoder = encoder(output, &batches[0].schema(), limits, &budget, 1);
            for batch in &batches {
                encoder.write(batch).unwrap();
            }
            let kept = budget.holders().into_iter().find(|holder| holder.name == "dictionaries");
            let kept = kept.map_or(Bytes::ZERO, |kept| kept.live);
            assert_eq!(kept > Bytes::kib(500), kib == 4096, "{kept}");
            encoder.finish().unwrap().finish().unwrap();
            assert_eq!(budget.reserved(), Bytes::ZERO);
            files.push(std::fs::read(&path).unwrap());
        }
        assert!(files[0] == files[1]);
    }

    /// Tables each of whose columns takes more memory than its pages, or as much as it can.
    fn demanding_tables(rows: usize) -> Vec<(&'static str, RecordBatch)> {
        let mixed = |row: usize| (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
        let table = |columns: usize, of: &dyn Fn(usize) -> ArrayRef| {
            RecordBatch::try_from_iter((0..columns).map(|column| (column.to_string(), of(column)))).unwrap()
        };
        // Few values at first, so that there is a dictionary; then new ones.
        let late = |column: usize, row: usize| mixed(if row < 4000 { row % 20 } else { row / 2 } + column);
        let words = |column: usize, row: usize| format!("{:x}", late(column, row) % 100_003);
        let long = |column: usize, row: usize| format!("{:0>300}", late(column, row) % 997);
        let dictionary = |words: &dyn Fn(usize) -> String| -> ArrayRef {
            let words: Vec<String> = (0..rows).map(words).collect();
            Arc::new(words.iter().map(|word| Some(word.as_str())).collect::<DictionaryArray<Int32Type>>())
        };
        vec![
            (
                "numbers",
                table(4, &|c| Arc::new(Int64Array::from_iter_values((0..rows).map(|r| late(c, r) as i64)))),
            ),
            (
                "floats",
                table(30, &|c| {
                    Arc::new(Float64Array::from_iter_values((0..rows).map(|r| late(c, r) as f64)))
                }),
            ),
            (
                "nulls",
                table(9, &|c| {
                    Arc::new(Int64Array::from_iter(
                        (0..rows).map(|r| (r % 3 > 0).then_some(late(c, r) as i64)),
                    ))
                }),
            ),
            ("words", table(5, &|c| dictionary(&|row| words(c, row)))),
            ("long words", table(3, &|c| dictionary(&|row| long(c, row)))),
            ("texts", table(3, &|c| Arc::new(StringArray::from_iter_values((0..rows).map(|r| words(c, r)))))),
            (
                "bools",
                table(50, &|c| {
                    Arc::new(BooleanArray::from_iter((0..rows).map(|r| Some(mixed(r + c) % 2 == 0))))
                }),
            ),
        ]
    }

    #[test]
    fn a_row_group_never_needs_more_than_is_reserved_for_it() {
        for (name, table) in demanding_tables(60_000) {
            for bytes in [Bytes::kib(300), Bytes::mib(2), Bytes::mib(9)] {
                let limits = RowGroupLimits { rows: usize::MAX, bytes };
                let batches: Vec<_> = (0..60).map(|batch| table.slice(batch * 1000, 1000)).collect();
                let (peak, metadata) = write(&batches, limits, &Budget::unbounded());
                assert_eq!(peak, needs(bytes), "{name} in row groups of {bytes}");
                assert_eq!(metadata.file_metadata().num_rows(), 60_000);
            }
        }
    }

    #[test]
    fn a_limit_below_one_row_still_writes() {
        let limits = RowGroupLimits { rows: usize::MAX, bytes: Bytes(1) };
        let (_, metadata) = write(&[table(5)], limits, &Budget::unbounded());
        assert_eq!(group_rows(&metadata), [1; 5]);
    }

    #[test]
    fn plain_text_gets_no_dictionary_and_the_file_names_its_maker() {
        let limits = RowGroupLimits { rows: 10_000, bytes: Bytes::mib(64) };
        let (_, metadata) = write(&[table(100)], limits, &Budget::unbounded());
        assert_eq!(metadata.file_metadata().created_by(), Some(CREATED_BY));
        let has_dictionary = |column: usize| {
            metadata
                .row_group(0)
                .column(column)
                .encodings()
                .any(|encoding| encoding == Encoding::RLE_DICTIONARY)
        };
        assert_eq!([has_dictionary(0), has_dictionary(1), has_dictionary(2)], [false, false, true]);
    }

    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.0);
            if taken == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0 -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_recognised_wherever_it_strikes() {
        let whole = table(20_000);
        let limits = RowGroupLimits { rows: 5_000, bytes: Bytes::mib(64) };
        for (room, threads) in [0, 1000, 50_000, 100_000].into_iter().flat_map(|room| [(room, 1), (room, 2)])
        {
            let output = Output::stream(Path::new("-"), Box::new(Full(room)));
            let (schema, budget) = (whole.schema(), Budget::unbounded());
            let mut encoder = encoder(output, &schema, limits, &budget, threads);
            let error = encoder.write(&whole).and_then(|()| encoder.finish()?.finish()).unwrap_err();
            match error.kind() {
                ErrorKind::DiskFull { written, .. } => assert_eq!(*written, room as u64),
                other => panic!("{other:?}"),
            }
        }
    }
}
