//! The figures as OpenMetrics text, which Prometheus and others collect, and a file of it.

use std::fmt::{Display, Write as _};
use std::io;
use std::path::PathBuf;

use super::{Observer, Progress};
use crate::budget::Budget;
use crate::bytes::Bytes;
use crate::monitor::Monitor;

/// A text of OpenMetrics 1.0 that is being written: families one after the other, each with its samples.
struct Exposition(String);

#[derive(Clone, Copy)]
enum Kind {
    Gauge,
    Counter,
}

impl Exposition {
    /// A family and its samples, each with at most one label. `name` ends with the unit, if there is one; without
    /// samples nothing is written.
    fn family<V: Display>(
        &mut self,
        (kind, name, unit): (Kind, &str, &str),
        help: &str,
        samples: impl IntoIterator<Item = (Option<(&'static str, String)>, V)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        debug_assert!(name.ends_with(unit));
        let (kind, suffix) = match kind {
            Kind::Gauge => ("gauge", ""),
            Kind::Counter => ("counter", "_total"),
        };
        let text = &mut self.0;
        // Writing to a string does not fail.
        let _ = writeln!(text, "# TYPE tidegate_{name} {kind}");
        if !unit.is_empty() {
            let _ = writeln!(text, "# UNIT tidegate_{name} {unit}");
        }
        let _ = writeln!(text, "# HELP tidegate_{name} {help}");
        for (label, value) in samples {
            let _ = write!(text, "tidegate_{name}{suffix}");
            if let Some((key, value)) = label {
                let _ = write!(text, "{{{key}=\"");
                escape(&value, text);
                text.push_str("\"}");
            }
            let _ = writeln!(text, " {value}");
        }
    }

    /// A size without a label; nothing where it is not known.
    fn bytes(&mut self, name: &str, help: &str, size: Option<Bytes>) {
        let sample = size.map(|size| (None, size.get()));
        self.family((Kind::Gauge, name, "bytes"), help, sample);
    }
}

fn escape(value: &str, text: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

/// All figures of `progress` and of the budget's holders.
fn exposition(progress: &Progress, budget: &Budget) -> String {
    let mut text = Exposition(String::with_capacity(8 << 10));
    if let Some(seen) = &progress.snapshot {
        text.bytes("memory_resident_bytes", "Bytes of the process that are in RAM.", Some(seen.rss));
        let help = "The most bytes that the process had in RAM, as the kernel kept it.";
        text.bytes("memory_resident_peak_bytes", help, Some(seen.peak_rss));
        text.bytes("memory_virtual_bytes", "Address space that the process has mapped.", Some(seen.vms));
        let help = "What the process may become: the least of budget, container and host.";
        text.bytes("memory_limit_bytes", help, seen.limit);
        let help = "The least hard limit of the control group and its ancestors.";
        text.bytes("memory_container_limit_bytes", help, seen.container_limit);
        let help = "Bytes charged to the control group, page cache included.";
        text.bytes("memory_container_used_bytes", help, seen.container_used);
        let help = "What the tightest control group could still take, clean page cache counted as free.";
        text.bytes("memory_headroom_bytes", help, seen.headroom);
        let help = "What the host could give to new work without swapping.";
        text.bytes("host_memory_available_bytes", help, Some(seen.available));
        text.bytes("host_memory_bytes", "RAM of the host.", Some(seen.total));
        let counts = seen.allocations;
        let help = "Bytes that the allocator says are in use.";
        text.bytes("memory_allocated_bytes", help, counts.map(|counts| counts.live_bytes));
        let help = "Blocks that the allocator says are in use.";
        let blocks = counts.map(|counts| (None, counts.live_allocations));
        text.family((Kind::Gauge, "memory_allocations", ""), help, blocks);

        let kind = |kind: &str| Some(("kind", kind.to_owned()));
        let faults = seen.faults.map(|faults| [(kind("minor"), faults.minor), (kind("major"), faults.major)]);
        let help = "Pages that were touched and not there; major ones had to be read from a disk.";
        text.family((Kind::Counter, "page_faults", ""), help, faults.into_iter().flatten());
        let stalls = |of: fn(&crate::Stall) -> f64| {
            let both = seen.pressure.map(|pressure| [("some", pressure.some), ("full", pressure.full)]);
            both.into_iter().flatten().map(move |(name, stall)| (kind(name), of(&stall)))
        };
        let help = "Time that some or all tasks waited for memory, since the host or group began.";
        let family = (Kind::Counter, "memory_stalled_seconds", "seconds");
        text.family(family, help, stalls(|stall| stall.total.as_secs_f64()));
        let help = "Share of the last ten seconds that some or all tasks waited for memory.";
        let family = (Kind::Gauge, "memory_stalled_ratio", "ratio");
        text.family(family, help, stalls(|stall| stall.avg10 / 100.0));
    }

    let limit = Some(budget.limit()).filter(|_| budget.is_bounded());
    text.bytes("memory_budget_bytes", "The most that may be reserved.", limit);
    text.bytes("memory_reserved_bytes", "Bytes reserved from the budget.", Some(budget.reserved()));
    let help = "The most bytes that were reserved at once.";
    text.bytes("memory_reserved_peak_bytes", help, Some(budget.peak()));
    let reservations = [(None, budget.reservations())];
    text.family((Kind::Gauge, "memory_reservations", ""), "Reservations that are alive.", reservations);
    let holders = budget.holders();
    let of = |size: fn(&crate::Holder) -> Bytes| {
        let label = |name: &str| Some(("consumer", name.to_owned()));
        holders.iter().map(move |holder| (label(&holder.name), size(holder).get()))
    };
    let family = (Kind::Gauge, "memory_held_bytes", "bytes");
    text.family(family, "Bytes that a consumer has reserved.", of(|holder| holder.live));
    let family = (Kind::Gauge, "memory_held_peak_bytes", "bytes");
    text.family(family, "The most bytes that a consumer had reserved at once.", of(|holder| holder.peak));

    if let Some(name) = &progress.phase {
        let phase = || Some(("phase", name.to_string()));
        let family = (Kind::Gauge, "phase_elapsed_seconds", "seconds");
        text.family(family, "Time since the phase began.", [(phase(), progress.elapsed.as_secs_f64())]);
        let family = (Kind::Gauge, "phase_rows", "");
        text.family(family, "Rows that the phase has worked through.", [(phase(), progress.rows)]);
        let family = (Kind::Gauge, "phase_read_bytes", "bytes");
        text.family(family, "Bytes of its input that the phase has read.", [(phase(), progress.bytes)]);
        let total = progress.total_bytes.map(|total| (phase(), total));
        let family = (Kind::Gauge, "phase_input_bytes", "bytes");
        text.family(family, "Bytes of input that the phase has to read.", total);
    }
    text.0 + "# EOF\n"
}

impl Monitor {
    /// The figures of now as OpenMetrics 1.0 text: what a snapshot has, the budget and each of its consumers, and
    /// how far the phase under way has come. All names begin with `tidegate_` and end with their unit: bytes,
    /// seconds, or ratio.
    ///
    /// See <https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md>.
    ///
    /// ```
    /// use monitor::{Bytes, Monitor, Reading, Scripted};
    ///
    /// let probe = Scripted::new([Reading { rss: Bytes(4096), ..Reading::default() }]);
    /// let text = Monitor::builder().with_probe(probe).build()?.openmetrics();
    /// assert!(text.starts_with(
    ///     "# TYPE tidegate_memory_resident_bytes gauge\n\
    ///      # UNIT tidegate_memory_resident_bytes bytes\n\
    ///      # HELP tidegate_memory_resident_bytes Bytes of the process that are in RAM.\n\
    ///      tidegate_memory_resident_bytes 4096\n"
    /// ));
    /// assert!(text.ends_with("# EOF\n"));
    /// # Ok::<(), monitor::Error>(())
    /// ```
    pub fn openmetrics(&self) -> String {
        exposition(&self.progress(), self.budget())
    }
}

/// Keeps a file of OpenMetrics text, as [`Monitor::openmetrics`] gives it, for a collector that reads files, such as
/// the node exporter's, which wants names that end in `.prom`.
///
/// Each time, a new file takes the place of the old one: whoever reads it sees a whole text. It is written
/// beside it under the same name and `.tmp`. The last one stays when the work is over.
///
/// ```
/// use std::time::Duration;
/// use monitor::{Monitor, OpenMetricsFile};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("job.prom");
/// let monitor = Monitor::unbounded();
/// let file = OpenMetricsFile::new(&path, &monitor);
/// monitor.sample_every(Duration::from_secs(1))?.with_observer(file).finish()?;
/// assert!(std::fs::read_to_string(&path)?.ends_with("# EOF\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct OpenMetricsFile {
    path: PathBuf,
    beside: PathBuf,
    budget: Budget,
}

impl OpenMetricsFile {
    /// Of what `monitor` watches. Nothing is written before it is told for the first time.
    pub fn new(path: impl Into<PathBuf>, monitor: &Monitor) -> OpenMetricsFile {
        let path = path.into();
        let mut beside = path.clone().into_os_string();
        beside.push(".tmp");
        OpenMetricsFile { path, beside: beside.into(), budget: monitor.budget().clone() }
    }
}

impl Observer for OpenMetricsFile {
    fn observe(&mut self, progress: &Progress) -> io::Result<()> {
        let written = std::fs::write(&self.beside, exposition(progress, &self.budget))
            .and_then(|()| std::fs::rename(&self.beside, &self.path));
        if written.is_err() {
            // What it could not write is no use to anybody; if it cannot be removed either, the first error counts.
            let _ = std::fs::remove_file(&self.beside);
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::*;
    use crate::probe::{PageFaults, Pressure, Reading, Scripted, Stall};
    use crate::snapshot::AllocationCounts;

    /// Checks the text against the rules of the specification's section "Text format", as far as gauges and
    /// counters go, and gives its samples.
    fn checked(text: &str) -> Vec<(String, f64)> {
        let body = text.strip_suffix("# EOF\n").expect("ends with EOF");
        assert!(body.ends_with('\n') && !body.contains("# EOF"));
        let (mut names, mut seen, mut samples) = (HashSet::new(), HashSet::new(), Vec::new());
        let (mut family, mut kind) = (String::new(), "");
        for line in body.lines() {
            assert!(!line.is_empty());
            if let Some(meta) = line.strip_prefix("# ") {
                let mut words = meta.splitn(3, ' ');
                let (what, name, rest) =
                    (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
                match what {
                    "TYPE" => {
                        assert!(names.insert(name.to_owned()), "{name} comes twice");
                        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
                        assert!(!name.ends_with("_total"));
                        kind = match rest {
                            "gauge" => "gauge",
                            "counter" => "counter",
                            other => panic!("{other}"),
                        };
                        family = name.to_owned();
                    }
                    "UNIT" => assert!(name == family && name.ends_with(&format!("_{rest}")), "{line}"),
                    "HELP" => assert!(name == family && !rest.contains(['\\', '"']), "{line}"),
                    other => panic!("{other}"),
                }
                continue;
            }
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(seen.insert(name.to_owned()), "{name} comes twice");
            let (bare, labels) = match name.split_once('{') {
                Some((bare, labels)) => (bare, Some(labels)),
                None => (name, None),
            };
            assert_eq!(bare, if kind == "counter" { format!("{family}_total") } else { family.clone() });
            if let Some(labels) = labels {
                let value = labels.strip_suffix("\"}").unwrap().split_once("=\"").unwrap().1;
                let bare = value.replace("\\\\", "").replace("\\\"", "").replace("\\n", "");
                assert!(!bare.contains(['"', '\\']), "{labels}");
            }
            let value: f64 = value.parse().unwrap();
            assert!(value.is_finite() && (kind == "gauge" || value >= 0.0));
            samples.push((name.to_owned(), value));
        }
        samples
    }

    fn rich() -> Monitor {
        let stall = |avg10, millis| Stall { avg10, total: Duration::from_millis(millis) };
        let reading = Reading {
            rss: Bytes(250),
            peak_rss: Bytes(300),
            total: Bytes(1000),
            available: Bytes(600),
            container_limit: Some(Bytes(700)),
            container_used: Some(Bytes(500)),
            headroom: Some(Bytes(200)),
            pressure: Some(Pressure { some: stall(12.5, 1500), full: stall(0.0, 250) }),
            faults: Some(PageFaults { minor: 80, major: 2 }),
            ..Reading::default()
        };
        let counts = AllocationCounts { live_bytes: Bytes(70), live_allocations: 3 };
        Monitor::builder()
            .with_probe(Scripted::new([reading]))
            .with_budget(Budget::new(Bytes(400)))
            .with_allocations(move || counts)
            .build()
            .unwrap()
    }

    #[test]
    fn every_figure_is_there_and_the_text_is_valid() {
        let monitor = rich();
        let odd = "batch \"a\\b\"\n";
        let _held = monitor.budget().consumer(odd).try_reserve(Bytes(9)).unwrap();
        let scan = monitor.scope("scan");
        scan.add_rows(4);
        monitor.report(30, Some(60));
        let samples = checked(&monitor.openmetrics());
        let value = |name: &str| {
            let found = samples.iter().find(|(sample, _)| sample.strip_prefix("tidegate_") == Some(name));
            found.unwrap_or_else(|| panic!("{name} in {samples:?}")).1
        };
        for (name, expected) in [
            ("memory_resident_bytes", 250.0),
            ("memory_resident_peak_bytes", 300.0),
            ("memory_virtual_bytes", 0.0),
            ("memory_limit_bytes", 400.0),
            ("memory_container_limit_bytes", 700.0),
            ("memory_container_used_bytes", 500.0),
            ("memory_headroom_bytes", 200.0),
            ("host_memory_available_bytes", 600.0),
            ("host_memory_bytes", 1000.0),
            ("memory_allocated_bytes", 70.0),
            ("memory_allocations", 3.0),
            ("page_faults_total{kind=\"minor\"}", 80.0),
            ("page_faults_total{kind=\"major\"}", 2.0),
            ("memory_stalled_seconds_total{kind=\"some\"}", 1.5),
            ("memory_stalled_seconds_total{kind=\"full\"}", 0.25),
            ("memory_stalled_ratio{kind=\"some\"}", 0.125),
            ("memory_stalled_ratio{kind=\"full\"}", 0.0),
            ("memory_budget_bytes", 400.0),
            ("memory_reserved_bytes", 9.0),
            ("memory_reserved_peak_bytes", 9.0),
            ("memory_reservations", 1.0),
            ("memory_held_bytes{consumer=\"batch \\\"a\\\\b\\\"\\n\"}", 9.0),
            ("memory_held_peak_bytes{consumer=\"batch \\\"a\\\\b\\\"\\n\"}", 9.0),
            ("phase_rows{phase=\"scan\"}", 4.0),
            ("phase_read_bytes{phase=\"scan\"}", 30.0),
            ("phase_input_bytes{phase=\"scan\"}", 60.0),
        ] {
            assert_eq!(value(name), expected, "{name}");
        }
        assert!(value("phase_elapsed_seconds{phase=\"scan\"}") > 0.0);
        assert_eq!(samples.len(), 27);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let blind = exposition(&Progress::default(), &Budget::unbounded());
        let names: Vec<_> = checked(&blind).into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                "tidegate_memory_reserved_bytes",
                "tidegate_memory_reserved_peak_bytes",
                "tidegate_memory_reservations"
            ]
        );
        checked(&Monitor::unbounded().openmetrics());
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("job.prom");
        let monitor = rich();
        let mut file = OpenMetricsFile::new(&path, &monitor);
        for phase in ["scan", "write"] {
            let _phase = monitor.scope(phase);
            file.observe(&monitor.progress()).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(checked(&text).iter().any(|(name, _)| name.contains(phase)));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

        // A folder in its place cannot be replaced by a file.
        let taken = folder.path().join("taken");
        std::fs::create_dir(&taken).unwrap();
        assert!(OpenMetricsFile::new(&taken, &monitor).observe(&monitor.progress()).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
