//! Batches for whoever takes Arrow's own: a [`RecordBatchReader`] over [`Batches`].

use arrow::array::RecordBatchReader;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use monitor::Reservation;

use crate::batches::Batches;

/// The batches of an input as plain [`RecordBatch`]es, for every library that reads from a [`RecordBatchReader`].
///
/// A plain batch has no place for the memory it holds of the budget, so the reader keeps that of the batch it gave
/// last, until the next one is asked for or the reader is dropped. Whoever is done with each batch before the next,
/// stays within the budget; what is *not* counted are batches that are kept longer. Take [`Batches`] itself, and
/// [`Batch::into_parts`](crate::Batch::into_parts), where they have to be.
///
/// An error is an [`ArrowError::ExternalError`] around the loader's [`Error`](crate::Error), which `source` gives.
///
/// ```
/// use arrow::array::RecordBatchReader;
/// use chunked_loader::{FixedRows, Loader, Source};
///
/// let csv = "id,city\n1,Oslo\n2,Bergen\n3,Oslo\n";
/// let loader = Loader::new(Source::spool("cities", csv.as_bytes(), &std::env::temp_dir(), &mut || false)?);
/// let scan = loader.scan()?;
/// let reader = loader.batches(&scan, &[0, 1], Box::new(FixedRows(2))).into_record_batch_reader();
///
/// let schema = reader.schema();
/// let batches = reader.collect::<Result<Vec<_>, _>>()?;
/// let whole = arrow::compute::concat_batches(&schema, &batches)?;
/// assert_eq!((batches.len(), whole.num_rows(), whole.num_columns()), (2, 3, 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RecordBatches {
    batches: Batches,
    /// Holds the batch that was given last.
    held: Option<Reservation>,
}

impl Batches {
    /// The same batches without their places, as Arrow's libraries take them.
    pub fn into_record_batch_reader(self) -> RecordBatches {
        RecordBatches { batches: self, held: None }
    }
}

impl Iterator for RecordBatches {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.held = None;
        let next = self.batches.next()?;
        Some(next.map_err(|error| ArrowError::ExternalError(Box::new(error))).map(|batch| {
            let (columns, held) = batch.into_parts();
            self.held = Some(held);
            columns
        }))
    }
}

impl RecordBatchReader for RecordBatches {
    fn schema(&self) -> SchemaRef {
        self.batches.schema().clone()
    }
}
