//! What every file of a sink has in common, and the encoder that one begins with.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use monitor::{Budget, Bytes, Monitor};

use crate::compression::Compression;
use crate::csv::CsvEncoder;
use crate::encoder::Encoder;
use crate::error::Error;
use crate::format::Format;
use crate::helpers::Helpers;
use crate::ipc::IpcEncoder;
use crate::output::Output;
use crate::parquet::ParquetEncoder;
use crate::row_groups::RowGroupLimits;

/// How files are encoded.
pub(crate) struct Opener {
    pub(crate) format: Format,
    pub(crate) compression: Compression,
    pub(crate) limits: RowGroupLimits,
    /// That encode one file.
    pub(crate) threads: usize,
    pub(crate) helpers: Option<Helpers>,
    pub(crate) monitor: Monitor,
    /// Names of columns with a filter of their values; Parquet only.
    pub(crate) filtered: Arc<[String]>,
}

impl Opener {
    pub(crate) fn budget(&self) -> &Budget {
        self.monitor.budget()
    }

    /// Begins a file.
    ///
    /// # Errors
    ///
    /// A type that the format cannot hold, the budget's refusal, and the output's errors.
    pub(crate) fn open(&self, output: Output, schema: &SchemaRef) -> Result<Box<dyn Encoder>, Error> {
        self.open_within(output, schema, self.limits.bytes)
    }

    /// As [`open`](Self::open), with row groups of no more than `row_group_bytes`.
    pub(crate) fn open_within(
        &self,
        output: Output,
        schema: &SchemaRef,
        row_group_bytes: Bytes,
    ) -> Result<Box<dyn Encoder>, Error> {
        let budget = self.budget();
        Ok(match self.format {
            Format::Parquet => {
                let limits = RowGroupLimits { bytes: self.limits.bytes.min(row_group_bytes), ..self.limits };
                let encoder = ParquetEncoder::new(
                    output,
                    schema,
                    self.compression,
                    limits,
                    budget,
                    self.threads,
                    self.helpers.as_ref(),
                )?;
                Box::new(encoder.with_bloom_filters(Arc::clone(&self.filtered))?)
            }
            Format::IpcFile | Format::IpcStream => Box::new(IpcEncoder::new(
                output,
                schema,
                self.format,
                self.compression,
                self.limits.bytes.min(row_group_bytes),
                budget,
            )?),
            Format::Csv => Box::new(CsvEncoder::new(output, schema, budget)?),
        })
    }

    /// Creates the file `place` and begins it. Errors speak of it as of `path`.
    pub(crate) fn open_part(
        &self,
        path: &Path,
        place: &Path,
        buffer_bytes: usize,
        schema: &SchemaRef,
        row_group_bytes: Bytes,
    ) -> Result<Box<dyn Encoder>, Error> {
        self.open_within(Output::part(path, place, buffer_bytes)?, schema, row_group_bytes)
    }
}
