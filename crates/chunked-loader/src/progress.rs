//! How far a pass has come, and whether it shall go on.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::error::{Error, ErrorKind};

/// How far a pass has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the input read in this pass, as they are stored. In a pass that makes batches of what was scanned:
    /// the share of its rows that were given.
    pub bytes: u64,
    /// Bytes of the whole input.
    pub total_bytes: u64,
}

pub(crate) type OnProgress = Arc<dyn Fn(Progress) -> ControlFlow<()> + Send + Sync>;

/// Counts the bytes of a pass and tells whoever asked for it.
pub(crate) struct Meter {
    progress: Progress,
    on_progress: Option<OnProgress>,
}

impl Meter {
    pub(crate) fn new(total_bytes: u64, on_progress: Option<OnProgress>) -> Meter {
        Meter { progress: Progress { bytes: 0, total_bytes }, on_progress }
    }

    /// Counts what was read.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`] if the answer is to stop.
    pub(crate) fn count(&mut self, bytes: u64) -> Result<(), Error> {
        self.reach(self.progress.bytes + bytes)
    }

    /// Counts what lies before byte `bytes` of the input, if that is more than before.
    ///
    /// # Errors
    /// As [`count`](Self::count).
    pub(crate) fn reach(&mut self, bytes: u64) -> Result<(), Error> {
        self.progress.bytes = self.progress.bytes.max(bytes);
        match self.on_progress.as_ref().map(|call| call(self.progress)) {
            Some(ControlFlow::Break(())) => Err(Error::new(ErrorKind::Cancelled)),
            _ => Ok(()),
        }
    }
}

/// Tells of rows as bytes. Which bytes a batch came from is known to the thread that made it, and of packed input to
/// nobody; but how many rows there are the scan has counted.
pub(crate) struct RowMeter {
    given: u64,
    rows: u64,
    meter: Meter,
}

impl RowMeter {
    pub(crate) fn new(rows: u64, meter: Meter) -> RowMeter {
        RowMeter { given: 0, rows, meter }
    }

    /// Counts rows that were given.
    ///
    /// # Errors
    /// As [`Meter::count`].
    pub(crate) fn count(&mut self, rows: usize) -> Result<(), Error> {
        self.given += rows as u64;
        let total = self.meter.progress.total_bytes;
        let share = u128::from(total) * u128::from(self.given) / u128::from(self.rows.max(1));
        self.meter.reach(u64::try_from(share).unwrap_or(total).min(total))
    }
}
