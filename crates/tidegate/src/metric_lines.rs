//! The lines of `--metrics FILE.jsonl`: snapshots, and what changed in how batches are sized.

use std::io::{self, Write};

use adaptive::Recorder;
use monitor::{Observer, Progress, SnapshotLines};

use crate::sizing_entry::SizingEntry;

/// Writes each sample as one JSON object a line, whose key `sizing` is `null`, and before it the same once more for each
/// change of state since the sample before, with the [decision](SizingEntry) in `sizing`.
pub(crate) struct MetricLines<W> {
    writer: W,
    sizing: Recorder,
    /// The first decision that was not looked at.
    next: u64,
}

impl<W: Write> MetricLines<W> {
    pub(crate) fn new(writer: W, sizing: Recorder) -> MetricLines<W> {
        MetricLines { writer, sizing, next: 0 }
    }
}

impl<W: Write + Send> Observer for MetricLines<W> {
    fn observe(&mut self, progress: &Progress) -> io::Result<()> {
        let mut sample = SnapshotLines::new(Vec::new());
        sample.observe(progress)?;
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
        let mut lines = MetricLines::new(Vec::new(), recorder.clone());
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
        lines.observe(&Progress::default())?;
        let text = String::from_utf8_lossy(&lines.writer).into_owned();
        let sizing = text.lines().map(|line| {
            let line: Value = serde_json::from_str(line)?;
            assert!(line.get("rows").is_some(), "{line}");
            Ok(line["sizing"]["state"].as_str().unwrap_or("-").to_owned())
        });
        assert_eq!(sizing.collect::<io::Result<Vec<_>>>()?, ["-", "ramp", "brake", "-", "-"]);
        Ok(())
    }
}
