//! How far a pass has come, and whether it shall go on.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::error::{Error, ErrorKind};

/// How far a pass has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the input read in this pass.
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
        self.progress.bytes += bytes;
        match self.on_progress.as_ref().map(|call| call(self.progress)) {
            Some(ControlFlow::Break(())) => Err(Error::new(ErrorKind::Cancelled)),
            _ => Ok(()),
        }
    }
}
