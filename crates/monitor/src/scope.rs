//! Scopes: guards that note what a stretch of work took when they go.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::bytes::Bytes;
use crate::locks::locked;
use crate::monitor::Monitor;
use crate::observer::Progress;
use crate::phase::{Phase, PhasePeak};
use crate::probe::Peaks;
use crate::snapshot::{ByteChange, Snapshot};
use crate::span::PhaseSpan;

/// A phase that is under way. It ends when this guard is finished or dropped, by a panic too.
///
/// ```
/// use monitor::Monitor;
///
/// let monitor = Monitor::unbounded();
/// let load = monitor.scope("load");
/// assert_eq!(load.name(), "load");
/// load.add_rows(12);
/// for part in ["index", "parse"] {
///     load.scope(part).add_bytes(100);
/// }
/// let load = load.finish();
/// assert_eq!(load.rows, 12);
/// let parts: Vec<_> = monitor.phases().into_iter().filter(|part| part.parent == Some(load.id)).collect();
/// assert_eq!(parts.len(), 2);
/// ```
#[derive(Debug)]
#[must_use = "a scope that is not kept ends at once"]
pub struct Scope {
    monitor: Monitor,
    open: Arc<Open>,
    ended: bool,
}

impl Reported {
    fn is_end(&self) -> bool {
        self.total_bytes.is_some_and(|total| self.bytes >= total)
    }

    fn is_due(&self, interval: Duration) -> bool {
        !self.is_over && (self.is_end() || self.told.is_none_or(|told| told.elapsed() >= interval))
    }
}

impl Scope {
    pub(crate) fn begin(monitor: Monitor, parent: Option<&Open>, name: Arc<str>) -> Scope {
        let open = monitor.phase_log().begin(&monitor, parent, name);
        Scope { monitor, open, ended: false }
    }

    /// Begins a phase that is a part of this one. It may go on after this one has ended.
    pub fn scope(&self, name: impl Into<Arc<str>>) -> Scope {
        Scope::begin(self.monitor.clone(), Some(&self.open), name.into())
    }

    /// The phase's name.
    pub fn name(&self) -> &str {
        &self.open.name
    }

    /// Counts bytes as worked through. Threads may share the guard.
    pub fn add_bytes(&self, bytes: u64) {
        self.open.processed.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts rows as worked through. Threads may share the guard.
    pub fn add_rows(&self, rows: u64) {
        self.open.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Ends the phase, notes it, and gives what was noted.
    pub fn finish(mut self) -> Phase {
        self.end()
    }

    fn end(&mut self) -> Phase {
        self.ended = true;
        self.monitor.phase_log().end(&self.monitor, &self.open)
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        if !self.ended {
            self.end();
        }
    }
}

/// What is known of a phase that has not ended.
#[derive(Debug)]
pub(crate) struct Open {
    id: u64,
    parent: Option<u64>,
    name: Arc<str>,
    started: Instant,
    cpu_at_start: Duration,
    /// Resident bytes at the start.
    rss: Option<Bytes>,
    own: PeakTrack,
    container: PeakTrack,
    processed: AtomicU64,
    rows: AtomicU64,
    reported: Mutex<Reported>,
    span: PhaseSpan,
}

/// How far the work has come, and when observers were told so.
#[derive(Debug, Default)]
struct Reported {
    bytes: u64,
    total_bytes: Option<u64>,
    told: Option<Instant>,
    /// They were told of the end.
    is_over: bool,
}

/// A mark of the kernel over the time of one phase.
#[derive(Debug, Default)]
struct PeakTrack {
    /// What the mark was at the start; `None` if it could not be read.
    at_start: Option<Bytes>,
    /// The mark was set back at the start.
    was_reset: bool,
    /// The highest mark that was read before somebody set it back again.
    before_resets: AtomicU64,
    sampled: AtomicU64,
}

impl PeakTrack {
    fn sample(&self, size: Bytes) {
        self.sampled.fetch_max(size.get(), Ordering::Relaxed);
    }

    /// The mark was read, and begins anew.
    fn keep(&self, mark: Option<Bytes>) {
        self.before_resets.fetch_max(mark.unwrap_or_default().get(), Ordering::Relaxed);
    }

    fn peak(&self, mark: Option<Bytes>) -> PhasePeak {
        let (Some(at_start), Some(mark)) = (self.at_start, mark) else { return PhasePeak::Unknown };
        let mark = mark.max(Bytes(self.before_resets.load(Ordering::Relaxed)));
        let sampled = Bytes(self.sampled.load(Ordering::Relaxed));
        if self.was_reset || mark > at_start || sampled >= mark {
            PhasePeak::Exact(mark.max(sampled))
        } else {
            PhasePeak::Between { at_least: sampled, at_most: mark }
        }
    }
}

/// The phases of one monitor: those under way, and of those that have ended up to a number.
pub(crate) struct PhaseLog {
    most: usize,
    resets_peaks: bool,
    begun: AtomicU64,
    /// By order of start. Marks are read and set back under this lock, so that no phase misses a peak that
    /// another one's reset wiped out.
    open: Mutex<BTreeMap<u64, Arc<Open>>>,
    /// By order of start.
    ended: Mutex<BTreeMap<u64, Phase>>,
}

impl PhaseLog {
    pub(crate) fn new(most: usize, resets_peaks: bool) -> PhaseLog {
        let (open, ended) = Default::default();
        PhaseLog { most, resets_peaks, begun: AtomicU64::new(0), open, ended }
    }

    pub(crate) fn finished(&self) -> Vec<Phase> {
        locked(&self.ended).values().cloned().collect()
    }

    /// What a snapshot saw, for the phases that are under way.
    pub(crate) fn sample(&self, snapshot: &Snapshot) {
        for open in locked(&self.open).values() {
            open.own.sample(snapshot.rss);
            open.container.sample(snapshot.container_used.unwrap_or_default());
        }
    }

    /// The phase that began last of those under way.
    pub(crate) fn current(&self) -> Option<Arc<Open>> {
        locked(&self.open).last_key_value().map(|(_, open)| Arc::clone(open))
    }

    fn begin(&self, monitor: &Monitor, parent: Option<&Open>, name: Arc<str>) -> Arc<Open> {
        // Not under the lock: a subscriber may take a snapshot.
        let span = PhaseSpan::begin(parent.map(|parent| &parent.span), &name);
        let mut open = locked(&self.open);
        let peaks = monitor.peaks().ok();
        let mut own = PeakTrack { at_start: peaks.map(|peaks| peaks.peak_rss), ..PeakTrack::default() };
        let mut container =
            PeakTrack { at_start: peaks.and_then(|peaks| peaks.container_peak), ..PeakTrack::default() };
        if let Some(peaks) = peaks.filter(|_| self.resets_peaks) {
            // What is not allowed leaves the mark as it was, and the phase says what that lets it know.
            own.was_reset = monitor.probe().reset_peak_rss().is_ok();
            container.was_reset = monitor.probe().reset_container_peak().is_ok();
            for other in open.values() {
                other.keep(&peaks);
            }
        }
        own.sample(peaks.map_or(Bytes::ZERO, |peaks| peaks.rss));
        let id = self.begun.fetch_add(1, Ordering::Relaxed);
        let begun = Arc::new(Open {
            id,
            parent: parent.map(|parent| parent.id),
            name,
            started: Instant::now(),
            cpu_at_start: process_cpu_time(),
            rss: peaks.map(|peaks| peaks.rss),
            own,
            container,
            processed: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            reported: Mutex::default(),
            span,
        });
        open.insert(id, Arc::clone(&begun));
        begun
    }

    fn end(&self, monitor: &Monitor, ending: &Open) -> Phase {
        let (wall, cpu) = (ending.started.elapsed(), process_cpu_time().saturating_sub(ending.cpu_at_start));
        let mut open = locked(&self.open);
        let peaks = monitor.peaks().ok();
        open.remove(&ending.id);
        drop(open);
        if let Some(peaks) = peaks {
            ending.own.sample(peaks.rss);
        }
        let phase = Phase {
            id: ending.id,
            parent: ending.parent,
            name: ending.name.to_string(),
            wall,
            cpu,
            rss: ending.rss.zip(peaks).map(|(start, end)| ByteChange::between(start, end.rss)),
            peak_rss: monitor.known_peak(),
            own_peak: ending.own.peak(peaks.map(|peaks| peaks.peak_rss)),
            container_peak: ending.container.peak(peaks.and_then(|peaks| peaks.container_peak)),
            processed: Bytes(ending.processed.load(Ordering::Relaxed)),
            rows: ending.rows.load(Ordering::Relaxed),
        };
        ending.span.record(&phase);
        let mut ended = locked(&self.ended);
        ended.insert(phase.id, phase.clone());
        if ended.len() > self.most {
            ended.pop_first();
        }
        phase
    }
}

impl Open {
    /// Takes a report, and says whether observers are due to be told: at most once each `interval`, and once
    /// at the end.
    pub(crate) fn report(&self, bytes: u64, total_bytes: Option<u64>, interval: Duration) -> bool {
        let mut reported = locked(&self.reported);
        (reported.bytes, reported.total_bytes) = (bytes, total_bytes);
        reported.is_due(interval)
    }

    /// Says whether they still are, and takes it that they are told now.
    pub(crate) fn claim_report(&self, interval: Duration) -> bool {
        let mut reported = locked(&self.reported);
        let is_due = reported.is_due(interval);
        if is_due {
            (reported.is_over, reported.told) = (reported.is_end(), Some(Instant::now()));
        }
        is_due
    }

    pub(crate) fn progress(&self, snapshot: Option<Snapshot>) -> Progress {
        let reported = locked(&self.reported);
        Progress {
            phase: Some(Arc::clone(&self.name)),
            elapsed: self.started.elapsed(),
            rows: self.rows.load(Ordering::Relaxed),
            bytes: reported.bytes,
            total_bytes: reported.total_bytes,
            snapshot,
        }
    }

    fn keep(&self, peaks: &Peaks) {
        self.own.keep(Some(peaks.peak_rss));
        self.container.keep(peaks.container_peak);
    }
}

#[cfg(unix)]
fn process_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(not(unix))]
fn process_cpu_time() -> Duration {
    Duration::ZERO
}
#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::error::Error;
    use crate::probe::{Limits, Probe, Reading, Scripted};

    fn peak(mib: u64) -> Reading {
        Reading { peak_rss: Bytes::mib(mib), ..Reading::default() }
    }

    fn names(monitor: &Monitor) -> Vec<String> {
        monitor.phases().into_iter().map(|phase| phase.name).collect()
    }

    #[test]
    fn phases_stand_in_order_of_their_start() {
        let monitor = Monitor::builder()
            .with_probe(Scripted::new([peak(1), peak(1), peak(1), peak(2)]))
            .build()
            .unwrap();
        let outer = monitor.scope("outer");
        let inner = monitor.scope("inner");
        inner.add_bytes(3);
        inner.add_bytes(4);
        drop(inner);
        assert_eq!(names(&monitor), ["inner"]);
        let outer = outer.finish();
        let phases = monitor.phases();
        assert_eq!(names(&monitor), ["outer", "inner"]);
        assert_eq!(phases[0], outer);
        assert!(phases[0].wall >= phases[1].wall);
        assert_eq!((phases[1].processed, phases[1].peak_rss), (Bytes(7), Bytes::mib(1)));
        assert_eq!((phases[0].processed, phases[0].peak_rss), (Bytes(0), Bytes::mib(2)));
    }

    #[test]
    fn a_panic_ends_a_phase_too() {
        let monitor = Monitor::builder().with_probe(Scripted::new([peak(1)])).build().unwrap();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let _scope = monitor.scope("doomed");
            panic!("on purpose");
        }));
        assert!(outcome.is_err());
        assert_eq!(names(&monitor), ["doomed"]);
    }

    #[test]
    fn a_full_history_lets_the_oldest_go() {
        let monitor =
            Monitor::builder().with_probe(Scripted::new([peak(1)])).with_history(2).build().unwrap();
        let first = monitor.scope("first");
        for name in ["second", "third", "fourth"] {
            drop(monitor.scope(name));
        }
        assert_eq!(names(&monitor), ["third", "fourth"]);
        // It began before all that are kept.
        assert_eq!(first.finish().name, "first");
        assert_eq!(names(&monitor), ["third", "fourth"]);
    }

    #[test]
    fn a_phase_whose_peak_cannot_be_read_shows_the_last_that_could() {
        struct Blind(AtomicBool);
        impl Probe for Blind {
            fn read(&self) -> Result<Reading, Error> {
                if self.0.load(Ordering::Relaxed) { Err(Error::unsupported()) } else { Ok(peak(9)) }
            }
            fn limits(&self) -> Result<Limits, Error> {
                Ok(Limits::default())
            }
        }
        let is_blind = Arc::new(Blind(AtomicBool::new(false)));
        let monitor = Monitor::builder().with_probe(Arc::clone(&is_blind)).build().unwrap();
        assert_eq!(monitor.peak().unwrap(), Bytes::mib(9));
        is_blind.0.store(true, Ordering::Relaxed);
        let phase = monitor.scope("blind").finish();
        assert_eq!((phase.peak_rss, phase.own_peak, phase.rss), (Bytes::mib(9), PhasePeak::Unknown, None));
        assert!(monitor.peak().is_err());
    }

    fn at(rss: u64, peak: u64) -> Reading {
        Reading { rss: Bytes(rss), peak_rss: Bytes(peak), ..Reading::default() }
    }

    #[test]
    fn parts_know_their_whole_and_changes_their_sign() {
        let probe = Scripted::new([at(10, 10), at(30, 30), at(25, 30), at(5, 30)]);
        let monitor = Monitor::builder().with_probe(probe).build().unwrap();
        let whole = monitor.scope("whole");
        let part = whole.scope("part").finish();
        let whole = whole.finish();
        assert_eq!((whole.parent, part.parent), (None, Some(whole.id)));
        assert_eq!(whole.rss.unwrap().get(), -5);
        assert_eq!(part.rss.unwrap().get(), -5);
        let tree = monitor.phase_tree();
        assert_eq!(tree.roots()[0].phase, whole);
        assert_eq!(tree.roots()[0].children[0].phase, part);
    }

    #[test]
    fn samples_bound_a_peak_from_below() {
        let probe = Scripted::new([at(10, 90), at(70, 90), at(20, 90)]);
        let monitor = Monitor::builder().with_probe(probe).build().unwrap();
        let scope = monitor.scope("hidden");
        monitor.snapshot().unwrap();
        let peak = scope.finish().own_peak;
        assert_eq!(peak, PhasePeak::Between { at_least: Bytes(70), at_most: Bytes(90) });

        // A sample at the mark: it can be no other.
        let probe = Scripted::new([at(10, 90), at(90, 90), at(20, 90)]);
        let monitor = Monitor::builder().with_probe(probe).build().unwrap();
        let scope = monitor.scope("seen");
        monitor.snapshot().unwrap();
        assert_eq!(scope.finish().own_peak, PhasePeak::Exact(Bytes(90)));
    }

    /// A process whose mark can be set back, as the kernel does it.
    #[derive(Default)]
    struct Resettable {
        rss: AtomicU64,
        mark: AtomicU64,
        refuses: bool,
    }

    impl Resettable {
        fn become_large(&self, rss: u64) {
            self.rss.store(rss, Ordering::Relaxed);
            self.mark.fetch_max(rss, Ordering::Relaxed);
        }
    }

    impl Probe for Resettable {
        fn read(&self) -> Result<Reading, Error> {
            Ok(at(self.rss.load(Ordering::Relaxed), self.mark.load(Ordering::Relaxed)))
        }
        fn limits(&self) -> Result<Limits, Error> {
            Ok(Limits::default())
        }
        fn reset_peak_rss(&self) -> Result<(), Error> {
            if self.refuses {
                return Err(Error::unsupported());
            }
            self.mark.store(self.rss.load(Ordering::Relaxed), Ordering::Relaxed);
            Ok(())
        }
    }

    #[test]
    fn with_resets_every_phase_shows_its_own_peak() {
        let process = Arc::new(Resettable::default());
        let monitor = Monitor::builder().with_probe(Arc::clone(&process)).with_peak_reset().build().unwrap();
        let whole = monitor.scope("whole");
        process.become_large(100);
        process.become_large(10);
        // Sets the mark back to 10, but the whole has seen 100.
        let part = whole.scope("part");
        process.become_large(40);
        process.become_large(5);
        let part = part.finish();
        let last = whole.scope("last").finish();
        let whole = whole.finish();
        let exact = [&whole, &part, &last].map(|phase| phase.own_peak);
        assert_eq!(exact, [100, 40, 5].map(|peak| PhasePeak::Exact(Bytes(peak))));
        assert_eq!(process.mark.load(Ordering::Relaxed), 5);
        assert_eq!((monitor.peak().unwrap(), monitor.snapshot().unwrap().peak_rss), (Bytes(100), Bytes(100)));
    }

    #[test]
    fn where_resets_are_refused_the_bounds_are_told() {
        let process = Arc::new(Resettable { refuses: true, ..Resettable::default() });
        let monitor = Monitor::builder().with_probe(Arc::clone(&process)).with_peak_reset().build().unwrap();
        process.become_large(100);
        process.become_large(10);
        let peak = monitor.scope("hidden").finish().own_peak;
        assert_eq!(peak, PhasePeak::Between { at_least: Bytes(10), at_most: Bytes(100) });
    }

    #[cfg(unix)]
    #[test]
    fn work_takes_processor_time() {
        let monitor = Monitor::builder().with_probe(Scripted::new([peak(1)])).build().unwrap();
        let scope = monitor.scope("work");
        let before = process_cpu_time();
        // Until the clock itself says that time was spent; how long that takes does not matter.
        while process_cpu_time() == before {
            std::hint::black_box(0);
        }
        assert!(scope.finish().cpu > Duration::ZERO);
    }
}
