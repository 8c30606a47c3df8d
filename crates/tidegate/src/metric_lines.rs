//! The lines of `--metrics FILE.jsonl`: snapshots, and what changed in how batches are sized.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use adaptive::Recorder;
use monitor::{Observer, Progress, SnapshotLines};

use crate::sizing_entry::SizingEntry;

/// Writes each sample as one JSON object a line, whose key `sizing` is `null`, and before it the same once more for each
/// change of state since the sample before, with the [decision](SizingEntry) in `sizing`. Between phases `phase` is `null`, and
/// behind the last one, of a run that went well, [`DONE`].
pub(crate) struct MetricLines<W> {
    writer: W,
    sizing: Recorder,
    /// The first decision that was not looked at.
    next: u64,
    is_done: Arc<AtomicBool>,
}

/// The phase of the last line.
const DONE: &str = "done";

impl<W: Write> MetricLines<W> {
    /// `is_done` is set when there is no more work.
    pub(crate) fn new(writer: W, sizing: Recorder, is_done: &Arc<AtomicBool>) -> MetricLines<W> {
        MetricLines { writer, sizing, next: 0, is_done: Arc::clone(is_done) }
    }
}

impl<W: Write + Send> Observer for MetricLines<W> {
    fn observe(&mut self, progress: &Progress) -> io::Result<()> {
        let mut progress = progress.clone();
        if progress.phase.is_none() && self.is_done.load(Ordering::Relaxed) {
            progress.phase = Some(DONE.into());
        }
        let mut sample = SnapshotLines::new(Vec::new());
        sample.observe(&progress)?;
        let sample = sample.into_inner();
        // An object in a line: what comes behind its last key comes before its end.
        let keys = sample.strip_suffix(b"}\n").unwrap_or(&sample);
        let changes = self.sizing.changes_from(self.next);
        self.next = changes.last().map_or(self.next, |last| last.number + 1);
        for change in changes.iter().map(Some).chain([None]) {
            let mut line = Vec::with_capacity(keys.len() + 512);
            line.extend_from_slice(keys);
            line.extend_from_slice(b",\"sizing\":");
            serde_json::to_writer(&mut line, &change.map(SizingEntry::of))?;
            line.extend_from_slice(b"}\n");
            // At once, so that lines of several writers to one file do not mix.
            self.writer.write_all(&line)?;
        }
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use adaptive::{AutoSize, Policy};
    use chunked_loader::Observation;
    use monitor::Bytes;
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_line_for_each_change_and_one_for_the_sample() -> io::Result<()> {
        let recorder = Recorder::new(16);
        let is_done = Arc::default();
        let mut lines = MetricLines::new(Vec::new(), recorder.clone(), &is_done);
        let (mut policy, phase) = (AutoSize::new(), "load".into());
        let mut decide = |reserved| {
            let seen = Observation {
                budget: Bytes::mib(64),
                reserved: Bytes::mib(reserved),
                ..Observation::default()
            };
            recorder.record(&phase, &seen, &policy.decide(&seen));
        };
        lines.observe(&Progress::default())?;
        [0, 0, 64, 64].into_iter().for_each(&mut decide);
        lines.observe(&Progress::default())?;
        is_done.store(true, Ordering::Relaxed);
        lines.observe(&Progress::default())?;
        let text = String::from_utf8_lossy(&lines.writer).into_owned();
        let sizing = text.lines().map(|line| {
            let line: Value = serde_json::from_str(line)?;
            assert!(line.get("rows").is_some(), "{line}");
            Ok(line["sizing"]["state"].as_str().unwrap_or("-").to_owned())
        });
        assert_eq!(sizing.collect::<io::Result<Vec<_>>>()?, ["-", "ramp", "brake", "-", "-"]);
        let done = |line: &str| line.contains(r#""phase":"done""#);
        assert_eq!(text.lines().map(done).collect::<Vec<_>>(), [false, false, false, false, true]);
        Ok(())
    }
}
