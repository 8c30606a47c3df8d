//! Files of columns that are read from, shared by all that read them in one pass.

use std::sync::{Arc, Mutex, PoisonError};

use super::held::Held;
use super::parquet::Scratch;
use super::scan::{ColumnarScan, GroupPlace};
use super::table::{self, ColumnReader, Table};
use crate::error::{Error, ErrorKind};
use crate::row_reader::Reading;
use crate::source::RawFile;

/// A file that is read from.
pub(super) struct Open {
    pub(super) file: usize,
    pub(super) raw: RawFile,
    pub(super) table: Box<dyn Table>,
}

/// Opens the files of a pass. Who asks for the one that was opened last gets the same.
pub(super) struct Tables {
    reading: Arc<Reading>,
    scan: Arc<ColumnarScan>,
    last: Mutex<Option<Arc<Open>>>,
}

impl Tables {
    pub(super) fn new(reading: &Arc<Reading>, scan: &Arc<ColumnarScan>) -> Tables {
        Tables { reading: Arc::clone(reading), scan: Arc::clone(scan), last: Mutex::default() }
    }

    /// Opens the file of a group.
    ///
    /// # Errors
    /// If it cannot be read, is not the one that was scanned, or the budget has no room for its footer.
    pub(super) fn open(&self, place: GroupPlace) -> Result<Arc<Open>, Error> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let open = match last.take() {
            Some(open) if open.file == place.file => open,
            // It is let go of first.
            _ => {
                let raw = self.reading.files[place.file].open_raw()?;
                if self.reading.plan.scan.prints.get(place.file) != Some(&raw.fingerprint) {
                    return Err(Error::new(ErrorKind::Changed));
                }
                let table = table::open(&raw, &self.reading.budget)?;
                Arc::new(Open { file: place.file, raw, table })
            }
        };
        // What was scanned has the same groups; the file is the same, and so is its footer.
        if open.table.groups().get(place.group).is_none_or(|group| group.rows != place.rows) {
            return Err(Error::new(ErrorKind::Changed));
        }
        *last = Some(Arc::clone(&open));
        Ok(open)
    }

    /// Where a column that is wanted is in a file, and whether its values are taken as they are, not by what they are
    /// written as; nothing where the file lacks it.
    pub(super) fn field(&self, open: &Open, wanted: usize) -> Option<(usize, bool)> {
        let scan = &self.reading.plan.scan;
        let layout = scan.layouts[open.file].as_ref()?;
        let field = layout.columns.iter().position(|column| *column == wanted)?;
        Some((field, scan.columns[wanted].hint.takes(open.table.columns()[field].kind)))
    }

    /// A reader of a column that is wanted, behind so many rows of a group.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged.
    pub(super) fn reader(
        &self,
        open: &Open,
        place: GroupPlace,
        (wanted, field): (usize, usize),
        skip: u64,
        scratch: &mut Scratch,
    ) -> Result<Box<dyn ColumnReader>, Error> {
        let held = Held::within(self.scan.peaks[wanted]);
        let mut reader = open.table.column(place.group, field, held)?;
        reader.skip(scratch, skip).map_err(|error| {
            let name = &self.reading.plan.scan.columns[wanted].name;
            error.in_part(open.table.part(place.group)).in_column(name)
        })?;
        Ok(reader)
    }
}
