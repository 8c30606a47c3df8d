//! What the formats have in common: the guard that every sink is, over an encoder of one format.

use std::path::PathBuf;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::SchemaRef;

use crate::error::{Error, ErrorKind, SchemaMismatch};
use crate::output::Output;
use crate::sink::{Sink, Written};

/// Turns batches of one schema into the bytes of one format.
///
/// After an error the encoder is dropped, never used again.
pub(crate) trait Encoder: Send {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error>;

    /// Writes what is held back and the format's end, and gives back where it went.
    fn finish(self: Box<Self>) -> Result<Output, Error>;
}

/// The sink over any encoder: checks schemas, counts rows, and gives up for good on the first error, so
/// that a file with a hole in it can never be finished.
pub(crate) struct EncoderSink {
    /// Nothing once a call has failed.
    encoder: Option<Box<dyn Encoder>>,
    schema: SchemaRef,
    path: PathBuf,
    rows: u64,
}

impl EncoderSink {
    pub(crate) fn new(encoder: Box<dyn Encoder>, schema: SchemaRef, path: PathBuf) -> Self {
        Self { encoder: Some(encoder), schema, path, rows: 0 }
    }

    fn check_schema(&self, batch: &RecordBatch) -> Result<(), Error> {
        let fail = |mismatch| Err(ErrorKind::Schema { path: self.path.clone(), mismatch }.into());
        let (expected, found) = (self.schema.fields(), batch.schema_ref().fields());
        if expected.len() != found.len() {
            return fail(SchemaMismatch::Columns { expected: expected.len(), found: found.len() });
        }
        for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
            let column = batch.column(index);
            if expected.name() != found.name() {
                return fail(SchemaMismatch::Name {
                    index,
                    expected: expected.name().clone(),
                    found: found.name().clone(),
                });
            }
            if expected.data_type() != found.data_type() {
                return fail(SchemaMismatch::Type {
                    column: expected.name().clone(),
                    expected: expected.data_type().clone(),
                    found: found.data_type().clone(),
                });
            }
            if !expected.is_nullable() && column.logical_null_count() > 0 {
                return fail(SchemaMismatch::Nulls {
                    column: expected.name().clone(),
                    nulls: column.logical_null_count(),
                });
            }
        }
        Ok(())
    }

    fn failed(&self) -> Error {
        ErrorKind::Failed { path: self.path.clone() }.into()
    }
}

impl Sink for EncoderSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        // Taken out for the call: on an early return it is dropped, and its temporary file with it.
        let Some(mut encoder) = self.encoder.take() else {
            return Err(self.failed());
        };
        self.check_schema(batch)?;
        if batch.num_rows() > 0 {
            encoder.write(batch)?;
            self.rows += batch.num_rows() as u64;
        }
        self.encoder = Some(encoder);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Written, Error> {
        let Some(encoder) = self.encoder.take() else {
            return Err(self.failed());
        };
        let bytes = encoder.finish()?.finish()?;
        Ok(Written { rows: self.rows, bytes })
    }
}
