//! What the user sees while a command works.

use std::io::{self, IsTerminal, Write};

use monitor::{Bytes, MonitorBuilder, Observer, ProgressLines};

use crate::args::ProgressArg;

/// How progress is shown on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Line,
    Json,
    Off,
}

impl Progress {
    pub(crate) fn new(mode: ProgressArg) -> Progress {
        match mode {
            ProgressArg::Json => Progress::Json,
            ProgressArg::Bar => Progress::Line,
            ProgressArg::Auto if io::stderr().is_terminal() => Progress::Line,
            ProgressArg::Auto | ProgressArg::Off => Progress::Off,
        }
    }

    /// Has the monitor show what the work reports.
    pub(crate) fn observe(self, builder: MonitorBuilder) -> MonitorBuilder {
        match self {
            Progress::Line => builder.with_observer(TerminalLine),
            Progress::Json => builder.with_observer(ProgressLines::new(io::stderr())),
            Progress::Off => builder,
        }
    }

    /// Takes the line away.
    pub(crate) fn clear(self) {
        if self == Progress::Line {
            let _ = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

/// One line, written over and over.
struct TerminalLine;

impl Observer for TerminalLine {
    fn observe(&mut self, progress: &monitor::Progress) -> io::Result<()> {
        let (bytes, total) = (progress.bytes, progress.total_bytes.unwrap_or(0));
        let percent = if total == 0 { 100.0 } else { 100.0 * bytes as f64 / total as f64 };
        let rate = Bytes((bytes as f64 / progress.elapsed.as_secs_f64().max(1e-3)) as u64);
        let rss = progress.snapshot.as_ref().map_or(Bytes::ZERO, |snapshot| snapshot.rss);
        let phase = progress.phase.as_deref().unwrap_or_default();
        let total = Bytes(total);
        write!(io::stderr(), "\r\x1b[K{phase}: {percent:.0}% of {total}, {rate}/s, {rss} in memory")
    }
}
