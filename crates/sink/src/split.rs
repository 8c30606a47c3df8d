//! Rows split into numbered files, one after the other.

use std::path::PathBuf;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use monitor::Bytes;

use crate::encoder::{Encoder, Files};
use crate::error::Error;
use crate::opener::Opener;
use crate::output::BUFFER_BYTES;
use crate::row_groups::RowSizes;
use crate::sink::Unnamed;
use crate::staging::{Staging, numbered};

/// A file's bytes are asked for after rows of this share of what it may have.
const STEP_SHARE: u64 = 16;

/// Where a file ends, whichever comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SplitLimits {
    pub(crate) rows: Option<u64>,
    pub(crate) bytes: Option<Bytes>,
}

impl SplitLimits {
    pub(crate) fn is_set(&self) -> bool {
        *self != Self::default()
    }
}

/// The files of a split table. Where each ends follows from the rows and what they are encoded to, not from batches.
pub(crate) struct SplitFiles {
    staging: Staging,
    opener: Opener,
    schema: SchemaRef,
    path: PathBuf,
    limits: SplitLimits,
    current: Option<Current>,
    files: u64,
    bytes: u64,
}

struct Current {
    encoder: Box<dyn Encoder>,
    rows: u64,
    /// What the rows take since the file's bytes were asked for.
    step: u64,
}

impl SplitFiles {
    pub(crate) fn new(
        staging: Staging,
        opener: Opener,
        schema: SchemaRef,
        path: PathBuf,
        limits: SplitLimits,
    ) -> Result<Self, Error> {
        let mut files = Self { staging, opener, schema, path, limits, current: None, files: 0, bytes: 0 };
        // There is a file even if there are no rows, and types that cannot be written are told before the first one.
        files.begin()?;
        Ok(files)
    }

    fn begin(&mut self) -> Result<&mut Current, Error> {
        let name = numbered(self.staging.stem(), self.files, self.opener.format.extension());
        let place = self.staging.folder().join(name);
        let most = self.limits.bytes.unwrap_or(Bytes(u64::MAX));
        let encoder = self.opener.open_part(&self.path, &place, BUFFER_BYTES, &self.schema, most)?;
        self.files += 1;
        Ok(self.current.insert(Current { encoder, rows: 0, step: 0 }))
    }

    fn end(&mut self) -> Result<(), Error> {
        if let Some(current) = self.current.take() {
            self.bytes += current.encoder.finish()?.settle()?.0;
        }
        Ok(())
    }
}

impl Files for SplitFiles {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let sizes = RowSizes::of(batch);
        let mut from = 0;
        while from < batch.num_rows() {
            let limits = self.limits;
            let current = match &mut self.current {
                Some(current) => current,
                None => self.begin()?,
            };
            let left = (batch.num_rows() - from) as u64;
            let most = left.min(limits.rows.map_or(u64::MAX, |rows| rows - current.rows)) as usize;
            let step = limits.bytes.map(|bytes| (bytes.get() / STEP_SHARE).max(1));
            let reach = step.and_then(|step| sizes.reach(from, most, step.saturating_sub(current.step)));
            let rows = reach.unwrap_or(most);
            current.encoder.write(&batch.slice(from, rows))?;
            current.rows += rows as u64;
            current.step += sizes.bytes(from, from + rows);
            from += rows;
            let mut is_full = limits.rows == Some(current.rows);
            if let Some(bytes) = limits.bytes.filter(|_| reach.is_some() && !is_full) {
                current.step = 0;
                is_full = current.encoder.file_bytes()? >= bytes.get();
            }
            if is_full {
                self.end()?;
            }
        }
        Ok(())
    }

    fn settle(mut self: Box<Self>) -> Result<Unnamed, Error> {
        self.end()?;
        Ok(Box::new(move || {
            self.staging.publish_numbered(self.files, self.opener.format.extension())?;
            Ok((self.files, self.bytes))
        }))
    }
}
