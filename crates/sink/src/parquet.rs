//! The Parquet encoder: row groups bounded by rows, by bytes and by what the budget gives.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use monitor::{Budget, BudgetExceeded, Bytes, Reservation};
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;

use crate::compression::Compression;
use crate::encoder::Encoder;
use crate::encoding::properties;
use crate::error::{Error, ErrorKind};
use crate::estimate::rows_within;
use crate::file_index::FileIndex;
use crate::output::{Output, Progress};
use crate::seconds::SecondsToMillis;

/// What the writer of one column takes before its first value: measured as 6.5 KiB on 10 000 columns.
const COLUMN_WRITER: u64 = 8 << 10;
/// What it keeps at the most beside the pages that it tells of: measured as 18 to 34 KiB on 500 and 2000 columns.
const COLUMN_BUFFERS: u64 = 32 << 10;
/// A row group takes this share of a bounded budget: it is one of several things that are held at a time.
const BUDGET_SHARE: u64 = 8;
const LEAST_DEFAULT: Bytes = Bytes::mib(1);
const MOST_DEFAULT: Bytes = Bytes::mib(64);

/// Rows go to the encoder in steps of this share of a row group, so that a large batch overshoots the
/// limit by no more.
const STEP_SHARE: u64 = 8;

/// Where a row group ends, whichever comes first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowGroupLimits {
    /// At least 1.
    pub(crate) rows: usize,
    /// Bytes of memory that the encoder may hold.
    pub(crate) bytes: Bytes,
}

impl RowGroupLimits {
    pub(crate) const DEFAULT_ROWS: usize = 1 << 20;

    /// The limit by bytes for a budget, where none is given.
    pub(crate) fn default_bytes(budget: &Budget) -> Bytes {
        match budget.is_bounded() {
            true => Bytes(budget.limit().get() / BUDGET_SHARE).clamp(LEAST_DEFAULT, MOST_DEFAULT),
            false => MOST_DEFAULT,
        }
    }
}

pub(crate) struct ParquetEncoder {
    writer: ArrowWriter<Output>,
    seconds: SecondsToMillis,
    limits: RowGroupLimits,
    /// Covers the row group in progress: before a step what it may grow to, after it what it holds.
    columns: u64,
    reservation: Reservation,
    _column_writers: Reservation,
    index: FileIndex,
    progress: Progress,
}

impl ParquetEncoder {
    pub(crate) fn new(
        output: Output,
        schema: &SchemaRef,
        compression: Compression,
        limits: RowGroupLimits,
        budget: &Budget,
    ) -> Result<Self, Error> {
        let progress = output.progress();
        let refused = |error| exceeded(&progress, error);
        let fail = |error: ParquetError| progress.encode(error);
        let reservation = budget.consumer("row group").try_reserve(Bytes::ZERO).map_err(refused)?;
        let columns = schema.fields().len() as u64;
        let column_writers =
            budget.consumer("column writers").try_reserve(Bytes(columns * COLUMN_WRITER)).map_err(refused)?;
        let seconds = SecondsToMillis::new(schema);
        let properties = properties(seconds.schema(), compression, limits.bytes).map_err(fail)?;
        let index = FileIndex::new(budget, properties.clone()).map_err(refused)?;
        let writer =
            ArrowWriter::try_new(output, seconds.schema().clone(), Some(properties)).map_err(fail)?;
        Ok(Self {
            writer,
            seconds,
            limits,
            columns,
            reservation,
            _column_writers: column_writers,
            index,
            progress,
        })
    }

    /// Writes a few rows that take `bytes`, ending the row group before them where they do not fit in it.
    fn write_step(&mut self, step: &RecordBatch, bytes: u64) -> Result<(), Error> {
        let grown = Bytes(self.held().get().saturating_add(bytes));
        let fits = grown <= self.limits.bytes && self.reserve(grown).is_ok();
        if !fits {
            self.end_row_group()?;
            self.reserve(Bytes(bytes)).map_err(|error| exceeded(&self.progress, error))?;
        }
        let step = self.seconds.apply(step).map_err(|error| self.progress.encode(error))?;
        self.writer.write(&step).map_err(|error| self.progress.encode(error))?;

        let held = self.held();
        let full = held >= self.limits.bytes || self.writer.in_progress_rows() >= self.limits.rows;
        if full || self.reserve(held).is_err() {
            self.end_row_group()?;
        }
        Ok(())
    }

    fn held(&self) -> Bytes {
        Bytes(self.writer.memory_size().max(self.writer.in_progress_size()) as u64)
    }

    /// Reserves for a row group of which the writer says that it holds `held`. It leaves out what each column
    /// keeps beside its pages: about as much again, and at most some 32 KiB.
    fn reserve(&mut self, held: Bytes) -> Result<(), BudgetExceeded> {
        let beside = held.get().min(self.columns * COLUMN_BUFFERS);
        self.reservation.try_resize(held.saturating_add(Bytes(beside)))
    }

    fn end_row_group(&mut self) -> Result<(), Error> {
        self.writer.flush().map_err(|error| self.progress.encode(error))?;
        self.reservation.shrink_to(Bytes::ZERO);
        let finished = self.writer.flushed_row_groups();
        self.index.cover(finished).map_err(|error| exceeded(&self.progress, error))
    }
}

impl Encoder for ParquetEncoder {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let step_bytes = self.limits.bytes.get() / STEP_SHARE;
        let mut start = 0;
        while start < batch.num_rows() {
            let room = self.limits.rows - self.writer.in_progress_rows();
            let rest = batch.slice(start, room.min(batch.num_rows() - start));
            let (rows, bytes) = rows_within(&rest, step_bytes);
            self.write_step(&rest.slice(0, rows), bytes)?;
            start += rows;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<Output, Error> {
        let Self { writer, progress, .. } = *self;
        writer.into_inner().map_err(|error| progress.encode(error))
    }
}

fn exceeded(progress: &Progress, source: BudgetExceeded) -> Error {
    ErrorKind::Budget { path: progress.path().to_owned(), source }.into()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{self, Write};
    use std::path::Path;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, DictionaryArray, Int64Array, StringArray};
    use arrow::datatypes::Int16Type;
    use parquet::basic::Encoding;
    use parquet::file::metadata::ParquetMetaData;
    use parquet::file::reader::{FileReader, SerializedFileReader};

    use super::*;
    use crate::encoding::CREATED_BY;

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
    ) -> Box<ParquetEncoder> {
        Box::new(ParquetEncoder::new(output, schema, Compression::Snappy, limits, budget).unwrap())
    }

    /// The most memory that a row group took, and what is in the file.
    fn write(batches: &[RecordBatch], limits: RowGroupLimits, budget: &Budget) -> (Bytes, ParquetMetaData) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("out.parquet");
        let output = Output::file(&path, false).unwrap();
        let mut encoder = encoder(output, &batches[0].schema(), limits, budget);
        for batch in batches {
            encoder.write(batch).unwrap();
            assert!(encoder.held() <= encoder.reservation.bytes());
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
    fn row_groups_keep_to_their_bytes() {
        let whole = table(250_000);
        for bytes in [Bytes::kib(256), Bytes::mib(1)] {
            let limits = RowGroupLimits { rows: usize::MAX, bytes };
            let (peak, metadata) = write(std::slice::from_ref(&whole), limits, &Budget::unbounded());
            assert!(metadata.num_row_groups() > 2, "{:?}", group_rows(&metadata));
            // Beside the row group itself, what its three columns keep is reserved too.
            assert!(peak <= bytes.saturating_add(Bytes(3 * COLUMN_BUFFERS)), "{peak} of {bytes}");
            // Not needlessly small either.
            let least = metadata.row_groups()[0].num_rows() as u64 * 16;
            assert!(least >= bytes.get() / 4, "{:?} at {bytes}", group_rows(&metadata));
        }
    }

    #[test]
    fn a_refusal_ends_the_row_group_instead_of_the_run() {
        let budget = Budget::new(Bytes::kib(400));
        let limits = RowGroupLimits { rows: usize::MAX, bytes: Bytes::mib(1) };
        let (_, metadata) = write(&[table(100_000)], limits, &budget);
        assert!(metadata.num_row_groups() > 2, "{:?}", group_rows(&metadata));
        assert_eq!(metadata.file_metadata().num_rows(), 100_000);
        assert!(budget.peak() > Bytes::kib(200), "{}", budget.peak());
        assert_eq!(budget.reserved(), Bytes::ZERO);
    }

    #[test]
    fn what_is_kept_of_row_groups_is_paid_for() {
        let limits = RowGroupLimits { rows: 10, bytes: Bytes::kib(64) };
        let directory = tempfile::tempdir().unwrap();
        let output = Output::file(&directory.path().join("out.parquet"), false).unwrap();
        let whole = table(1000);
        let budget = Budget::new(Bytes::kib(224));
        let mut encoder = encoder(output, &whole.schema(), limits, &budget);
        encoder.write(&whole.slice(0, 100)).unwrap();
        assert_eq!(budget.reserved(), Bytes(3 * (10 * 1024 + COLUMN_WRITER)));
        encoder.end_row_group().unwrap();
        assert_eq!(budget.reserved(), Bytes(3 * (10 * 1024 + COLUMN_WRITER)));
        match encoder.write(&whole).map_err(Error::into_kind) {
            Err(ErrorKind::Budget { source, .. }) => {
                let index = source.holders().iter().find(|holder| holder.name == "file index");
                assert!(index.is_some_and(|index| index.live > Bytes::kib(150)), "{source}");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_limit_below_one_row_still_writes() {
        let limits = RowGroupLimits { rows: usize::MAX, bytes: Bytes(1) };
        let (_, metadata) = write(&[table(5)], limits, &Budget::unbounded());
        assert_eq!(group_rows(&metadata), [1; 5]);
    }

    #[test]
    fn the_default_follows_the_budget() {
        let of = |limit| RowGroupLimits::default_bytes(&Budget::new(limit));
        assert_eq!(of(Bytes::mib(80)), Bytes::mib(10));
        assert_eq!(of(Bytes::mib(2)), Bytes::mib(1));
        assert_eq!(of(Bytes::gib(4)), Bytes::mib(64));
        assert_eq!(RowGroupLimits::default_bytes(&Budget::unbounded()), Bytes::mib(64));
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
        assert_eq!([has_dictionary(0), has_dictionary(1), has_dictionary(2)], [true, false, true]);
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
        for room in [0, 1000, 100_000, 240_000] {
            let output = Output::stream(Path::new("-"), Box::new(Full(room)));
            let mut encoder = encoder(output, &whole.schema(), limits, &Budget::unbounded());
            let error = encoder.write(&whole).and_then(|()| encoder.finish()?.finish()).unwrap_err();
            match error.kind() {
                ErrorKind::DiskFull { written, .. } => assert_eq!(*written, room as u64),
                other => panic!("{other:?}"),
            }
        }
    }
}
