//! What the formats have in common: the guard that every sink is, over an encoder of one format.

use std::path::PathBuf;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Fields, SchemaRef};

use monitor::Bytes;

use crate::atomic::WholeFile;
use crate::error::{Error, ErrorKind, SchemaMismatch};
use crate::output::Output;
use crate::sink::{Settled, Sink, Unnamed};

/// Turns batches of one schema into the bytes of one format.
///
/// After an error the encoder is dropped, never used again.
pub(crate) trait Encoder: Send {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error>;

    /// About the bytes that the file would have if it ended here. It may have to wait for threads that encode.
    fn file_bytes(&mut self) -> Result<u64, Error>;

    /// What it has reserved for as long as it is there, and not for one call.
    fn reserved(&self) -> Bytes;

    /// Takes the types that columns have come to, before the end; `false` where they stand in front of the rows.
    fn retype(&mut self, _schema: &SchemaRef) -> bool {
        false
    }

    /// Writes what is held back and the format's end, and gives back where it went.
    fn finish(self: Box<Self>) -> Result<Output, Error>;
}

/// Brings batches to one file or to several. After an error it is dropped, never used again.
pub(crate) trait Files: Send {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error>;

    /// As [`Encoder::retype`]; several files are not, since some of them are whole.
    fn retype(&mut self, _schema: &SchemaRef) -> bool {
        false
    }

    /// Writes the rest and makes it durable. What it gives makes all of it visible.
    fn settle(self: Box<Self>) -> Result<Unnamed, Error>;
}

/// One file or stream.
pub(crate) struct OneFile(pub(crate) Box<dyn Encoder>);

impl Files for OneFile {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.0.write(batch)
    }

    fn retype(&mut self, schema: &SchemaRef) -> bool {
        self.0.retype(schema)
    }

    fn settle(self: Box<Self>) -> Result<Unnamed, Error> {
        let (bytes, whole) = self.0.finish()?.settle()?;
        Ok(Box::new(move || {
            whole.map_or(Ok(()), WholeFile::publish)?;
            Ok((1, bytes))
        }))
    }
}

/// The sink over any files: checks schemas, counts rows, and gives up for good on the first error, so
/// that a file with a hole in it can never be finished.
pub(crate) struct FilesSink {
    /// Nothing once a call has failed.
    files: Option<Box<dyn Files>>,
    schema: SchemaRef,
    path: PathBuf,
    rows: u64,
}

impl FilesSink {
    pub(crate) fn new(files: Box<dyn Files>, schema: SchemaRef, path: PathBuf) -> Self {
        Self { files: Some(files), schema, path, rows: 0 }
    }

    /// Checks that there are as many columns, of the same names.
    fn check_names(&self, found: &Fields) -> Result<(), Error> {
        let fail = |mismatch| Err(ErrorKind::Schema { path: self.path.clone(), mismatch }.into());
        let expected = self.schema.fields();
        if expected.len() != found.len() {
            return fail(SchemaMismatch::Columns { expected: expected.len(), found: found.len() });
        }
        let differs =
            expected.iter().zip(found).position(|(expected, found)| expected.name() != found.name());
        match differs {
            None => Ok(()),
            Some(index) => fail(SchemaMismatch::Name {
                index,
                expected: expected[index].name().clone(),
                found: found[index].name().clone(),
            }),
        }
    }

    fn check_schema(&self, batch: &RecordBatch) -> Result<(), Error> {
        let fail = |mismatch| Err(ErrorKind::Schema { path: self.path.clone(), mismatch }.into());
        let (expected, found) = (self.schema.fields(), batch.schema_ref().fields());
        self.check_names(found)?;
        for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
            let column = batch.column(index);
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

impl Sink for FilesSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        // Taken out for the call: on an early return it is dropped, and what is temporary with it.
        let Some(mut files) = self.files.take() else {
            return Err(self.failed());
        };
        self.check_schema(batch)?;
        if batch.num_rows() > 0 {
            files.write(batch)?;
            self.rows += batch.num_rows() as u64;
        }
        self.files = Some(files);
        Ok(())
    }

    fn settle_as(mut self: Box<Self>, schema: &SchemaRef) -> Result<Settled, Error> {
        self.check_names(schema.fields())?;
        if schema.fields() != self.schema.fields()
            && let Some(files) = &mut self.files
            && !files.retype(schema)
        {
            let problem = "the types of columns stand in front of the rows, and are written";
            return Err(Error::encode(&self.path, 0, problem));
        }
        self.settle()
    }

    fn settle(mut self: Box<Self>) -> Result<Settled, Error> {
        let Some(files) = self.files.take() else {
            return Err(self.failed());
        };
        Ok(Settled { rows: self.rows, publish: files.settle()? })
    }
}
