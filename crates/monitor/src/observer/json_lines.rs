//! Observers that write one JSON object a line.

use std::io::{self, Write};
use std::time::UNIX_EPOCH;

use serde::Serialize;

use super::{Observer, Progress};
use crate::bytes::Bytes;
use crate::snapshot::Snapshot;

/// Writes how far the work has come, one JSON object a line, each with one call of the writer:
/// `phase`, `bytes`, `total_bytes`, `elapsed_s` (of the phase), `rss_bytes`, `reserved_bytes`. What is not known is
/// `null`.
///
/// ```
/// use monitor::{Monitor, Observer, Progress, ProgressLines};
///
/// let mut lines = ProgressLines::new(Vec::new());
/// lines.observe(&Progress::default())?;
/// let line = r#"{"phase":null,"bytes":0,"total_bytes":null,"elapsed_s":0.0,"rss_bytes":null,"reserved_bytes":null}"#;
/// assert_eq!(String::from_utf8(lines.into_inner())?, format!("{line}\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ProgressLines<W> {
    writer: W,
    line: Vec<u8>,
}

#[derive(Serialize)]
struct ProgressLine<'a> {
    phase: Option<&'a str>,
    bytes: u64,
    total_bytes: Option<u64>,
    elapsed_s: f64,
    rss_bytes: Option<u64>,
    reserved_bytes: Option<u64>,
}

impl<W: Write> ProgressLines<W> {
    /// Lines that go to `writer`.
    pub fn new(writer: W) -> ProgressLines<W> {
        ProgressLines { writer, line: Vec::new() }
    }

    /// The writer.
    pub fn into_inner(self) -> W {
        self.writer
    }
}

impl<W: Write + Send> Observer for ProgressLines<W> {
    fn observe(&mut self, progress: &Progress) -> io::Result<()> {
        let of = |figure: fn(&Snapshot) -> Bytes| progress.snapshot.as_ref().map(figure).map(Bytes::get);
        let line = ProgressLine {
            phase: progress.phase.as_deref(),
            bytes: progress.bytes,
            total_bytes: progress.total_bytes,
            elapsed_s: progress.elapsed.as_secs_f64(),
            rss_bytes: of(|snapshot| snapshot.rss),
            reserved_bytes: of(|snapshot| snapshot.reserved),
        };
        write_line(&mut self.writer, &mut self.line, &line)
    }
}

/// Writes everything that a [`Progress`] has, one JSON object a line, each with one call of the writer. What is
/// not known is `null`.
///
/// | key | is |
/// |---|---|
/// | `unix_s`, `elapsed_s` | time by the wall clock, and since the monitor was built, in seconds |
/// | `phase`, `phase_elapsed_s`, `rows`, `bytes`, `total_bytes` | how far the work has come |
/// | `rss_bytes`, `vms_bytes`, `rss_percent`, `peak_rss_bytes` | of the process; the percentage is of `total_memory_bytes` |
/// | `available_memory_bytes`, `total_memory_bytes` | of the host |
/// | `limit_bytes` | what the process may become |
/// | `container_limit_bytes`, `container_used_bytes`, `headroom_bytes` | of the control groups |
/// | `host_age_s` | how old the figures of the host and the groups are |
/// | `reserved_bytes`, `reservations` | of the budget |
/// | `live_bytes`, `live_allocations` | of the allocator |
/// | `some_avg10_percent`, `some_stalled_s`, `full_avg10_percent`, `full_stalled_s` | time lost to waiting for memory |
/// | `minor_faults`, `major_faults` | page faults since the process began |
///
/// A line without a snapshot has the first two rows only, without `unix_s`.
///
/// ```
/// use monitor::{Bytes, Monitor, Observer, Reading, Scripted, SnapshotLines};
///
/// let probe = Scripted::new([Reading { rss: Bytes(4096), ..Reading::default() }]);
/// let monitor = Monitor::builder().with_probe(probe).build()?;
/// let mut lines = SnapshotLines::new(Vec::new());
/// lines.observe(&monitor.progress())?;
/// let text = String::from_utf8(lines.into_inner())?;
/// assert!(text.ends_with("}\n") && text.contains("\"rss_bytes\":4096,"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SnapshotLines<W> {
    writer: W,
    line: Vec<u8>,
}

#[derive(Serialize)]
struct SnapshotLine<'a> {
    #[serde(flatten)]
    memory: Option<MemoryFields>,
    phase: Option<&'a str>,
    phase_elapsed_s: f64,
    rows: u64,
    bytes: u64,
    total_bytes: Option<u64>,
}

#[derive(Serialize)]
struct MemoryFields {
    unix_s: f64,
    elapsed_s: f64,
    rss_bytes: u64,
    vms_bytes: u64,
    rss_percent: f64,
    peak_rss_bytes: u64,
    available_memory_bytes: u64,
    total_memory_bytes: u64,
    limit_bytes: Option<u64>,
    container_limit_bytes: Option<u64>,
    container_used_bytes: Option<u64>,
    headroom_bytes: Option<u64>,
    host_age_s: f64,
    reserved_bytes: u64,
    reservations: u64,
    live_bytes: Option<u64>,
    live_allocations: Option<u64>,
    some_avg10_percent: Option<f64>,
    some_stalled_s: Option<f64>,
    full_avg10_percent: Option<f64>,
    full_stalled_s: Option<f64>,
    minor_faults: Option<u64>,
    major_faults: Option<u64>,
}

impl MemoryFields {
    fn of(snapshot: &Snapshot) -> MemoryFields {
        let get = |bytes: Option<Bytes>| bytes.map(Bytes::get);
        let pressure = snapshot.pressure;
        MemoryFields {
            unix_s: snapshot.at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()),
            elapsed_s: snapshot.elapsed.as_secs_f64(),
            rss_bytes: snapshot.rss.get(),
            vms_bytes: snapshot.vms.get(),
            rss_percent: snapshot.percent,
            peak_rss_bytes: snapshot.peak_rss.get(),
            available_memory_bytes: snapshot.available.get(),
            total_memory_bytes: snapshot.total.get(),
            limit_bytes: get(snapshot.limit),
            container_limit_bytes: get(snapshot.container_limit),
            container_used_bytes: get(snapshot.container_used),
            headroom_bytes: get(snapshot.headroom),
            host_age_s: snapshot.host_age.as_secs_f64(),
            reserved_bytes: snapshot.reserved.get(),
            reservations: snapshot.reservations,
            live_bytes: get(snapshot.allocations.map(|counts| counts.live_bytes)),
            live_allocations: snapshot.allocations.map(|counts| counts.live_allocations),
            some_avg10_percent: pressure.map(|pressure| pressure.some.avg10),
            some_stalled_s: pressure.map(|pressure| pressure.some.total.as_secs_f64()),
            full_avg10_percent: pressure.map(|pressure| pressure.full.avg10),
            full_stalled_s: pressure.map(|pressure| pressure.full.total.as_secs_f64()),
            minor_faults: snapshot.faults.map(|faults| faults.minor),
            major_faults: snapshot.faults.map(|faults| faults.major),
        }
    }
}

impl<W: Write> SnapshotLines<W> {
    /// Lines that go to `writer`.
    pub fn new(writer: W) -> SnapshotLines<W> {
        SnapshotLines { writer, line: Vec::new() }
    }

    /// The writer.
    pub fn into_inner(self) -> W {
        self.writer
    }
}

impl<W: Write + Send> Observer for SnapshotLines<W> {
    fn observe(&mut self, progress: &Progress) -> io::Result<()> {
        let line = SnapshotLine {
            memory: progress.snapshot.as_ref().map(MemoryFields::of),
            phase: progress.phase.as_deref(),
            phase_elapsed_s: progress.elapsed.as_secs_f64(),
            rows: progress.rows,
            bytes: progress.bytes,
            total_bytes: progress.total_bytes,
        };
        write_line(&mut self.writer, &mut self.line, &line)
    }
}

fn write_line(writer: &mut impl Write, line: &mut Vec<u8>, value: &impl Serialize) -> io::Result<()> {
    line.clear();
    serde_json::to_writer(&mut *line, value)?;
    line.push(b'\n');
    // At once, so that lines of several writers to one file do not mix.
    writer.write_all(line)?;
    writer.flush()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::monitor::Monitor;
    use crate::probe::{Limits, PageFaults, Pressure, Reading, Scripted, Stall};
    use crate::snapshot::AllocationCounts;

    fn parsed(lines: Vec<u8>) -> Vec<Value> {
        let text = String::from_utf8(lines).unwrap();
        assert!(text.ends_with('\n'));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn progress_of_a_phase_with_an_odd_name() {
        let mut lines = ProgressLines::new(Vec::new());
        let name = "fit \"x\"\n";
        let progress = Progress {
            phase: Some(Arc::from(name)),
            elapsed: Duration::from_millis(1500),
            bytes: 7,
            total_bytes: Some(9),
            ..Progress::default()
        };
        lines.observe(&progress).unwrap();
        lines.observe(&Progress::default()).unwrap();
        let lines = parsed(lines.into_inner());
        assert_eq!(
            lines[0],
            json!({
                "phase": name, "bytes": 7, "total_bytes": 9, "elapsed_s": 1.5, "rss_bytes": null,
                "reserved_bytes": null,
            })
        );
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn every_figure_of_a_snapshot() {
        let stall = |avg10, millis| Stall { avg10, total: Duration::from_millis(millis) };
        let reading = Reading {
            rss: Bytes(250),
            vms: Bytes(900),
            peak_rss: Bytes(300),
            available: Bytes(400),
            total: Bytes(1000),
            container_limit: Some(Bytes(600)),
            container_used: Some(Bytes(500)),
            headroom: Some(Bytes(200)),
            host_age: Duration::from_millis(20),
            pressure: Some(Pressure { some: stall(1.5, 250), full: stall(0.5, 125) }),
            faults: Some(PageFaults { minor: 8, major: 1 }),
        };
        let counts = AllocationCounts { live_bytes: Bytes(70), live_allocations: 3 };
        let probe = Scripted::new([reading]).with_limits(Limits::default());
        let monitor = Monitor::builder()
            .with_budget(crate::Budget::new(Bytes(350)))
            .with_probe(probe)
            .with_allocations(move || counts)
            .build()
            .unwrap();
        let _held = monitor.budget().consumer("batch").try_reserve(Bytes(5)).unwrap();
        let scope = monitor.scope("scan");
        scope.add_rows(11);
        monitor.report(30, Some(60));
        let mut lines = SnapshotLines::new(Vec::new());
        lines.observe(&monitor.progress()).unwrap();
        let mut line = parsed(lines.into_inner()).remove(0);
        let fields = line.as_object_mut().unwrap();
        let clocks = ["unix_s", "elapsed_s", "phase_elapsed_s"].map(|key| fields.remove(key).unwrap());
        assert!(clocks.iter().all(|clock| clock.as_f64().unwrap() > 0.0));
        assert_eq!(
            line,
            json!({
                "phase": "scan", "rows": 11, "bytes": 30, "total_bytes": 60,
                "rss_bytes": 250, "vms_bytes": 900, "rss_percent": 25.0, "peak_rss_bytes": 300,
                "available_memory_bytes": 400, "total_memory_bytes": 1000,
                "limit_bytes": 350, "container_limit_bytes": 600, "container_used_bytes": 500,
                "headroom_bytes": 200, "host_age_s": 0.02,
                "reserved_bytes": 5, "reservations": 1, "live_bytes": 70, "live_allocations": 3,
                "some_avg10_percent": 1.5, "some_stalled_s": 0.25,
                "full_avg10_percent": 0.5, "full_stalled_s": 0.125,
                "minor_faults": 8, "major_faults": 1,
            })
        );
    }

    #[test]
    fn a_line_without_a_snapshot_says_how_far_the_work_is() {
        let mut lines = SnapshotLines::new(Vec::new());
        lines.observe(&Progress { bytes: 3, ..Progress::default() }).unwrap();
        assert_eq!(
            parsed(lines.into_inner())[0],
            json!({ "phase": null, "phase_elapsed_s": 0.0, "rows": 0, "bytes": 3, "total_bytes": null })
        );
    }
}
