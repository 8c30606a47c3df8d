//! What passes that have ended have seen, as it stands in files.

use std::io::Write;

use monitor::{Bytes, Monitor, Reservation};

use crate::error::{Error, ErrorKind};
use crate::fit_file::PassSeen;
use crate::pass::Pass;
use crate::sealed::{self, Checksum};

/// The states of passes in order, a line for each.
#[derive(Default)]
pub(crate) struct Earlier {
    pub(crate) passes: Vec<PassSeen>,
    lines: Vec<u8>,
    /// None: of nothing.
    reservation: Option<Reservation>,
}

impl Earlier {
    /// Passes as a file has them.
    pub(crate) fn new(passes: &[PassSeen], lines: &str, monitor: &Monitor) -> Result<Earlier, Error> {
        let reservation =
            monitor.budget().consumer("earlier passes").try_reserve(Bytes::from(lines.len()))?;
        Ok(Earlier { passes: passes.to_vec(), lines: lines.into(), reservation: Some(reservation) })
    }

    /// Adds a pass that has seen all its rows.
    pub(crate) fn add(&mut self, pass: &Pass, monitor: &Monitor) -> Result<(), Error> {
        let mut counted = Checksum::default();
        sealed::in_pieces(&mut counted, |out| pass.encode(out))?;
        let bytes = usize::try_from(counted.bytes).unwrap_or(usize::MAX);
        // The lines so far as well, which may have to move.
        let all = Bytes::from(self.lines.len().saturating_add(bytes));
        let reservation = monitor.budget().consumer("earlier passes").try_reserve(all)?;
        self.lines.reserve_exact(bytes);
        pass.encode(&mut self.lines)?;
        self.reservation = Some(reservation);
        self.passes.push(PassSeen { rows: pass.rows(), states: pass.states() });
        Ok(())
    }

    pub(crate) fn lines(&self) -> &[u8] {
        &self.lines
    }

    pub(crate) fn write(&self, out: &mut dyn Write) -> Result<(), Error> {
        out.write_all(&self.lines).map_err(|e| Error::new(ErrorKind::Io(e)))
    }
}
