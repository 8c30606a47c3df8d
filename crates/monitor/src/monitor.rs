//! The monitor: one handle for the probe, the budget, and what was noted on the way.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant, SystemTime};

use crate::allocator::TaggedAllocator;
use crate::budget::Budget;
use crate::bytes::Bytes;
use crate::error::{Error, ErrorKind};
use crate::observer::{Observer, Observers, Progress};
use crate::phase::{Phase, PhaseTree};
use crate::probe::{self, Limits, Peaks, Probe, Reading, default_budget};
use crate::reclaim::Givers;
use crate::sampler::Sampler;
use crate::scope::{PhaseLog, Scope};
use crate::snapshot::{AllocationCounts, LabelledSnapshot, MemoryDelta, Snapshot};
use crate::threshold::{Crossing, Crossings, Threshold, Watch};
use crate::timeline::{Timeline, TimelinePoint};
use crate::trend::{Floors, TagCounts};

/// Watches one process. A cheap handle: clones share everything.
///
/// It starts no thread and samples nothing by itself; it reads when it is asked, and takes peaks from the
/// kernel.
///
/// ```
/// use monitor::{Budget, Bytes, Monitor};
///
/// let monitor = Monitor::builder().with_budget(Budget::new(Bytes::mib(64))).build()?;
/// let now = monitor.snapshot()?;
/// assert!(now.rss <= now.peak_rss && now.peak_rss <= monitor.peak()?);
/// # Ok::<(), monitor::Error>(())
/// ```
#[derive(Clone)]
pub struct Monitor(Arc<Inner>);

struct Inner {
    probe: Box<dyn Probe>,
    budget: Budget,
    allocations: Option<Box<dyn Fn() -> AllocationCounts + Send + Sync>>,
    threshold: Option<Bytes>,
    /// As they were at the start, for readings that do not say.
    limits: Limits,
    started: Instant,
    history: usize,
    baseline: Mutex<Option<Snapshot>>,
    labels: Mutex<Labels>,
    phases: PhaseLog,
    floors: Floors,
    givers: Givers,
    crossings: Arc<Crossings>,
    timeline: Mutex<Timeline>,
    observers: Mutex<Observers>,
    report_interval: Duration,
    /// The highest peak that was read, for a phase whose own reading fails.
    known_peak: AtomicU64,
}

#[derive(Default)]
struct Labels {
    kept: VecDeque<LabelledSnapshot>,
    taken: u64,
}

/// Labelled snapshots and phases that a monitor keeps, unless told otherwise.
const DEFAULT_HISTORY: usize = 1024;
/// Points of a timeline: 90 KB, and finer than a chart of the usual width shows.
const DEFAULT_TIMELINE: usize = 512;
/// As fast as a reader of a terminal can follow.
const DEFAULT_REPORT_INTERVAL: Duration = Duration::from_millis(100);

impl Monitor {
    /// Starts to describe a monitor.
    pub fn builder() -> MonitorBuilder {
        MonitorBuilder {
            probe: None,
            budget: None,
            allocations: None,
            tags: None,
            threshold: None,
            history: DEFAULT_HISTORY,
            resets_peaks: false,
            timeline: DEFAULT_TIMELINE,
            observers: Observers::default(),
            report_interval: DEFAULT_REPORT_INTERVAL,
        }
    }

    /// A monitor for those who want none: the system's own probe and a budget that refuses nothing.
    ///
    /// Never fails. Where there is no probe, what reads memory gives
    /// [`ErrorKind::Unsupported`], while the budget and the phases' times still work.
    ///
    /// ```
    /// use monitor::{Bytes, Monitor};
    ///
    /// let monitor = Monitor::unbounded();
    /// let held = monitor.budget().consumer("batch").try_reserve(Bytes::gib(100))?;
    /// assert_eq!(monitor.budget().reserved(), held.bytes());
    /// # Ok::<(), monitor::BudgetExceeded>(())
    /// ```
    pub fn unbounded() -> Monitor {
        let probe = probe::native().unwrap_or_else(|_| Box::new(probe::Absent));
        let limits = probe.limits().unwrap_or_default();
        Monitor::assemble(probe, Budget::unbounded(), limits, Monitor::builder())
    }

    fn assemble(probe: Box<dyn Probe>, budget: Budget, limits: Limits, builder: MonitorBuilder) -> Monitor {
        Monitor(Arc::new(Inner {
            probe,
            budget,
            allocations: builder.allocations,
            threshold: builder.threshold,
            limits,
            started: Instant::now(),
            history: builder.history,
            baseline: Mutex::default(),
            labels: Mutex::default(),
            phases: PhaseLog::new(builder.history, builder.resets_peaks),
            crossings: Arc::default(),
            timeline: Mutex::new(Timeline::new(builder.timeline)),
            observers: Mutex::new(builder.observers),
            report_interval: builder.report_interval,
            floors: Floors::new(builder.history, builder.tags),
            givers: Givers::default(),
            known_peak: AtomicU64::new(0),
        }))
    }

    /// The budget that the process's consumers reserve from.
    pub fn budget(&self) -> &Budget {
        &self.0.budget
    }

    /// What memory is now.
    ///
    /// Tells those who [watch a threshold](Monitor::on_crossing) that was passed, before it returns.
    ///
    /// # Errors
    ///
    /// If the probe cannot read it.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        let snapshot = self.look()?;
        self.0.crossings.check(&snapshot);
        Ok(snapshot)
    }

    /// A snapshot that tells nobody who watches a threshold.
    fn look(&self) -> Result<Snapshot, Error> {
        let inner = &*self.0;
        let reading = inner.probe.read()?;
        let percent = match reading.total.get() {
            0 => 0.0,
            total => 100.0 * reading.rss.get() as f64 / total as f64,
        };
        let snapshot = Snapshot {
            at: SystemTime::now(),
            elapsed: inner.started.elapsed(),
            rss: reading.rss,
            vms: reading.vms,
            percent,
            available: reading.available,
            total: reading.total,
            peak_rss: self.raise_known_peak(reading.peak_rss.max(reading.rss)),
            limit: self.effective_limit(&reading),
            container_limit: reading.container_limit.or(inner.limits.cgroup),
            container_used: reading.container_used,
            headroom: reading.headroom,
            host_age: reading.host_age,
            pressure: reading.pressure,
            faults: reading.faults,
            reserved: inner.budget.reserved(),
            reservations: inner.budget.reservations(),
            allocations: inner.allocations.as_ref().map(|counts| counts()),
        };
        inner.phases.sample(&snapshot);
        Ok(snapshot)
    }

    /// Takes a snapshot and keeps it for [`Monitor::delta`] to compare with.
    ///
    /// # Errors
    ///
    /// If the probe cannot read memory; an earlier baseline is kept then.
    pub fn set_baseline(&self) -> Result<Snapshot, Error> {
        let snapshot = self.snapshot()?;
        *locked(&self.0.baseline) = Some(snapshot.clone());
        Ok(snapshot)
    }

    /// What changed since the baseline; `None` if none was set.
    ///
    /// # Errors
    ///
    /// If the probe cannot read memory.
    pub fn delta(&self) -> Result<Option<MemoryDelta>, Error> {
        let Some(baseline) = locked(&self.0.baseline).clone() else { return Ok(None) };
        Ok(Some(self.snapshot()?.since(&baseline)))
    }

    /// The resident size above which [`Monitor::is_above_threshold`] says so: the one that was given, else
    /// the least of the budget's limit, the control groups' hard limit and the host's RAM as they were when
    /// the monitor was built; `None` if none of them is known.
    ///
    /// ```
    /// use monitor::{Budget, Bytes, Monitor, Reading, Scripted};
    ///
    /// let probe = Scripted::new([Reading { rss: Bytes::mib(70), ..Reading::default() }]);
    /// let monitor =
    ///     Monitor::builder().with_probe(probe).with_budget(Budget::new(Bytes::mib(64))).build()?;
    /// assert_eq!(monitor.threshold(), Some(Bytes::mib(64)));
    /// assert!(monitor.is_above_threshold()?);
    /// # Ok::<(), monitor::Error>(())
    /// ```
    pub fn threshold(&self) -> Option<Bytes> {
        self.0.threshold.or_else(|| self.fixed_limit())
    }

    /// Whether the process is larger than the threshold now. Without a threshold it never is.
    ///
    /// # Errors
    ///
    /// If the probe cannot read memory.
    pub fn is_above_threshold(&self) -> Result<bool, Error> {
        match self.threshold() {
            None => Ok(false),
            Some(threshold) => Ok(self.0.probe.rss()? > threshold),
        }
    }

    /// Has `callback` called each time that the process passes `threshold`, upwards or downwards, until the
    /// [`Watch`] is dropped.
    ///
    /// It is looked at by each snapshot, whoever takes it, and the callback runs in the thread that takes
    /// the snapshot, which waits for it and panics if it does. A process that is above the threshold when
    /// the watch begins passes it with the next snapshot.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ImpossibleThreshold`] if a size is zero, a share is not above 0 and at most 1, or the
    /// threshold clears above itself.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use monitor::{Budget, Bytes, Direction, Level, Monitor, Reading, Scripted, Threshold};
    ///
    /// let sizes = [50, 81, 79, 81, 69].map(|n| Reading { rss: Bytes::mib(n), ..Reading::default() });
    /// let monitor = Monitor::builder()
    ///     .with_budget(Budget::new(Bytes::mib(100)))
    ///     .with_probe(Scripted::new(sizes))
    ///     .build()?;
    /// let (sender, told) = mpsc::channel();
    /// let threshold = Threshold::at(Level::Share(0.8)).with_clear_below(Level::Share(0.7));
    /// let _watch = monitor.on_crossing(threshold, move |crossing| {
    ///     let _ = sender.send((crossing.direction, crossing.snapshot.rss));
    /// })?;
    /// for _ in 0..5 {
    ///     monitor.snapshot()?;
    /// }
    /// let told: Vec<_> = told.try_iter().collect();
    /// assert_eq!(told, [(Direction::Up, Bytes::mib(81)), (Direction::Down, Bytes::mib(69))]);
    /// # Ok::<(), monitor::Error>(())
    /// ```
    pub fn on_crossing(
        &self,
        threshold: Threshold,
        callback: impl Fn(&Crossing) + Send + Sync + 'static,
    ) -> Result<Watch, Error> {
        self.0.crossings.add(threshold, Box::new(callback))
    }

    /// Takes a snapshot and keeps it under a name. When the history is full, the oldest one goes.
    ///
    /// # Errors
    ///
    /// If the probe cannot read memory.
    pub fn label(&self, name: impl Into<String>) -> Result<Snapshot, Error> {
        let snapshot = self.snapshot()?;
        let mut labels = locked(&self.0.labels);
        let sequence = labels.taken;
        labels.taken += 1;
        if labels.kept.len() == self.0.history {
            labels.kept.pop_front();
        }
        labels.kept.push_back(LabelledSnapshot { label: name.into(), sequence, snapshot: snapshot.clone() });
        Ok(snapshot)
    }

    /// The labelled snapshots that are kept, oldest first.
    pub fn labelled(&self) -> Vec<LabelledSnapshot> {
        locked(&self.0.labels).kept.iter().cloned().collect()
    }

    /// The highest resident size so far, as the kernel kept it: no sample can miss it, and no
    /// [reset](MonitorBuilder::with_peak_reset) by this monitor lowers it.
    ///
    /// # Errors
    ///
    /// If the probe cannot read it.
    pub fn peak(&self) -> Result<Bytes, Error> {
        Ok(self.raise_known_peak(self.0.probe.peak_rss()?))
    }

    /// What bounds the process from outside, read anew.
    ///
    /// # Errors
    ///
    /// If the probe cannot read it.
    pub fn limits(&self) -> Result<Limits, Error> {
        self.0.probe.limits()
    }

    /// Samples by the clock, in a thread of its own, until the guard is finished or dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ZeroInterval`], or [`ErrorKind::Thread`] if the system gives no thread.
    ///
    /// ```
    /// use std::time::Duration;
    /// use monitor::Monitor;
    ///
    /// let monitor = Monitor::unbounded();
    /// drop(monitor.sample_every(Duration::from_millis(10))?);
    /// assert!(!monitor.timeline().is_empty());
    /// # Ok::<(), monitor::Error>(())
    /// ```
    pub fn sample_every(&self, interval: Duration) -> Result<Sampler, Error> {
        Sampler::start(self.clone(), interval)
    }

    /// What [samplers](Monitor::sample_every) saw so far, oldest first. When there are more samples than
    /// [points](MonitorBuilder::with_timeline), a point stands for several, with their least, largest and
    /// last.
    ///
    /// ```
    /// assert!(monitor::Monitor::unbounded().timeline().is_empty());
    /// ```
    pub fn timeline(&self) -> Vec<TimelinePoint> {
        locked(&self.0.timeline).points().to_vec()
    }

    /// Puts a sample into the timeline.
    pub(crate) fn note(&self, snapshot: &Snapshot) {
        locked(&self.0.timeline).add(snapshot);
    }

    /// Says how many bytes of its input the phase that began last has read, and how many there are if that is
    /// known. The monitor's observers are told at most once each
    /// [interval](MonitorBuilder::with_report_interval), and once when all are read. Does nothing between
    /// phases.
    ///
    /// ```
    /// use monitor::{Monitor, progress_channel};
    ///
    /// let (observer, told) = progress_channel(8);
    /// let monitor = Monitor::builder().with_observer(observer).build()?;
    /// let _scan = monitor.scope("scan");
    /// for bytes in [100, 200, 300, 300] {
    ///     monitor.report(bytes, Some(300));
    /// }
    /// let bytes: Vec<_> = std::iter::from_fn(|| told.try_recv()).map(|progress| progress.bytes).collect();
    /// assert_eq!((bytes.first(), bytes.last()), (Some(&100), Some(&300)));
    /// # Ok::<(), monitor::Error>(())
    /// ```
    pub fn report(&self, bytes: u64, total_bytes: Option<u64>) {
        let (interval, phase) = (self.0.report_interval, self.0.phases.current());
        let Some(phase) = phase.filter(|phase| phase.report(bytes, total_bytes, interval)) else { return };
        let mut observers = locked(&self.0.observers);
        // Decided under the lock, so that nobody is told of the end and then of what came before.
        if observers.is_empty() || !phase.claim_report(interval) {
            return;
        }
        let snapshot = self.look().ok();
        observers.tell(&phase.progress(snapshot.clone()));
        drop(observers);
        if let Some(snapshot) = snapshot {
            self.0.crossings.check(&snapshot);
        }
    }

    /// How far the work has come, with a snapshot.
    ///
    /// ```
    /// use monitor::Monitor;
    ///
    /// let monitor = Monitor::unbounded();
    /// let scan = monitor.scope("scan");
    /// scan.add_rows(3);
    /// assert_eq!((monitor.progress().phase.as_deref(), monitor.progress().rows), (Some("scan"), 3));
    /// drop(scan);
    /// assert_eq!(monitor.progress().phase, None);
    /// ```
    pub fn progress(&self) -> Progress {
        let snapshot = self.snapshot().ok();
        match self.0.phases.current() {
            Some(phase) => phase.progress(snapshot),
            None => Progress { snapshot, ..Progress::default() },
        }
    }

    /// Begins a phase, which ends when the guard is dropped or finished. [`Scope::scope`] begins a part of it.
    pub fn scope(&self, name: impl Into<Arc<str>>) -> Scope {
        Scope::begin(self.clone(), None, name.into())
    }

    /// The phases that have ended, in order of their start. When the history is full, the one that began
    /// first goes.
    pub fn phases(&self) -> Vec<Phase> {
        self.0.phases.finished()
    }

    /// The same phases, each under the one that it is a part of.
    pub fn phase_tree(&self) -> PhaseTree {
        PhaseTree::of(self.phases())
    }

    pub(crate) fn phase_log(&self) -> &PhaseLog {
        &self.0.phases
    }

    pub(crate) fn noted_floors(&self) -> &Floors {
        &self.0.floors
    }

    pub(crate) fn givers(&self) -> &Givers {
        &self.0.givers
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.started.elapsed()
    }

    pub(crate) fn probe(&self) -> &dyn Probe {
        &*self.0.probe
    }

    /// What a phase begins and ends with.
    pub(crate) fn peaks(&self) -> Result<Peaks, Error> {
        let peaks = self.0.probe.peaks()?;
        self.raise_known_peak(peaks.peak_rss.max(peaks.rss));
        Ok(peaks)
    }

    /// The highest peak that was read; zero if none was.
    pub(crate) fn known_peak(&self) -> Bytes {
        Bytes(self.0.known_peak.load(Ordering::Relaxed))
    }

    /// Takes note of a peak that was read, and gives the highest of all that were: the kernel counts pages by
    /// processor and adds them up late, so that a later reading can be a little lower.
    fn raise_known_peak(&self, read: Bytes) -> Bytes {
        let before = self.0.known_peak.fetch_max(read.get(), Ordering::Relaxed);
        read.max(Bytes(before))
    }

    /// The limits that do not change with what others use: budget, control groups, the size of the host.
    fn fixed_limit(&self) -> Option<Bytes> {
        let budget = self.0.budget.is_bounded().then(|| self.0.budget.limit());
        let host = Some(self.0.limits.total).filter(|total| *total > Bytes::ZERO);
        budget.into_iter().chain(self.0.limits.cgroup).chain(host).min()
    }

    fn effective_limit(&self, reading: &Reading) -> Option<Bytes> {
        let up_to = |room: Bytes| reading.rss.saturating_add(room);
        let host = (reading.total > Bytes::ZERO).then(|| up_to(reading.available));
        let limits = [self.fixed_limit(), reading.container_limit, reading.headroom.map(up_to), host];
        limits.into_iter().flatten().min()
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor")
            .field("budget", &self.0.budget)
            .field("threshold", &self.threshold())
            .finish_non_exhaustive()
    }
}

pub(crate) fn reading<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn writing<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these locks guard is whole between any two statements, so a panic elsewhere leaves nothing torn.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Describes a [`Monitor`].
///
/// ```
/// use monitor::{ErrorKind, Monitor};
///
/// let error = Monitor::builder().with_history(0).build().unwrap_err();
/// assert!(matches!(error.kind(), ErrorKind::ZeroHistory));
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct MonitorBuilder {
    probe: Option<Box<dyn Probe>>,
    budget: Option<Budget>,
    allocations: Option<Box<dyn Fn() -> AllocationCounts + Send + Sync>>,
    tags: Option<TagCounts>,
    threshold: Option<Bytes>,
    history: usize,
    resets_peaks: bool,
    timeline: usize,
    observers: Observers,
    report_interval: Duration,
}

impl MonitorBuilder {
    /// The budget to watch. Without one, a new one of [`default_budget`] bytes.
    pub fn with_budget(self, budget: Budget) -> MonitorBuilder {
        MonitorBuilder { budget: Some(budget), ..self }
    }

    /// Where figures come from. Without it, the probe of the system.
    pub fn with_probe(self, probe: impl Probe + 'static) -> MonitorBuilder {
        MonitorBuilder { probe: Some(Box::new(probe)), ..self }
    }

    /// How to ask the allocator what is in use. It is called for each snapshot, so it should only read
    /// counters, and must not take a snapshot itself. Without it, [`Snapshot::allocations`] is `None`.
    pub fn with_allocations(
        self,
        counts: impl Fn() -> AllocationCounts + Send + Sync + 'static,
    ) -> MonitorBuilder {
        MonitorBuilder { allocations: Some(Box::new(counts)), ..self }
    }

    /// The allocator that counts by tags: snapshots show what it has in use, [`Monitor::end_of_batch`] notes that, and
    /// [`Monitor::top_holders`] lists its tags. Takes the place of [`MonitorBuilder::with_allocations`].
    ///
    /// ```
    /// use monitor::{HolderOrder, Monitor, Tag, TaggedAllocator};
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: TaggedAllocator = TaggedAllocator::new();
    ///
    /// let monitor = Monitor::builder().with_tagged_allocator(&ALLOCATOR).build()?;
    /// let _rows = {
    ///     let _under = Tag::new("rows").enter();
    ///     vec![0u8; 1 << 20]
    /// };
    /// assert_eq!(monitor.top_holders(1, HolderOrder::Size)[0].name, "rows");
    /// assert!(monitor.snapshot()?.allocations.is_some_and(|counts| counts.live_bytes.get() > 1 << 20));
    /// # Ok::<(), monitor::Error>(())
    /// ```
    pub fn with_tagged_allocator<A: Sync>(self, allocator: &'static TaggedAllocator<A>) -> MonitorBuilder {
        MonitorBuilder {
            tags: Some(Box::new(|| allocator.tags())),
            ..self.with_allocations(|| allocator.live())
        }
    }

    /// The resident size that [`Monitor::is_above_threshold`] compares with. Without it, the least of the
    /// budget's, the control groups' and the host's.
    pub fn with_threshold(self, threshold: Bytes) -> MonitorBuilder {
        MonitorBuilder { threshold: Some(threshold), ..self }
    }

    /// How many labelled snapshots, and how many phases, to keep: 1024 unless told otherwise. Older ones go
    /// first.
    pub fn with_history(self, entries: usize) -> MonitorBuilder {
        MonitorBuilder { history: entries, ..self }
    }

    /// Has `observer` told when the work [reports](Monitor::report). One that fails is not told again.
    pub fn with_observer(mut self, observer: impl Observer + 'static) -> MonitorBuilder {
        self.observers.add(observer);
        self
    }

    /// How often observers are told at most: each 100 ms unless told otherwise. Zero tells them every report.
    pub fn with_report_interval(self, interval: Duration) -> MonitorBuilder {
        MonitorBuilder { report_interval: interval, ..self }
    }

    /// How many points the [timeline](Monitor::timeline) has at most: 512 unless told otherwise, and at least
    /// two.
    pub fn with_timeline(self, points: usize) -> MonitorBuilder {
        MonitorBuilder { timeline: points, ..self }
    }

    /// Sets the kernel's high-water marks back whenever a phase begins, so that each phase shows its own peak,
    /// and not only those that raise the mark. Where the system does not allow it, phases say what they can.
    ///
    /// Off unless asked for: `VmHWM` of the process, and in version 1 the peak of its control group, begin
    /// anew for everybody, so that others who watch the process no longer see its highest size.
    /// [`Monitor::peak`] still gives the highest of all phases. What comes and goes in the few microseconds
    /// between the reading of a mark and its reset is lost.
    ///
    /// ```
    /// use monitor::{Monitor, PhasePeak};
    ///
    /// let monitor = Monitor::builder().with_peak_reset().build()?;
    /// drop(monitor.scope("large"));
    /// let small = monitor.scope("small").finish();
    /// if let PhasePeak::Exact(peak) = small.own_peak {
    ///     assert!(peak <= monitor.peak()?);
    /// }
    /// # Ok::<(), monitor::Error>(())
    /// ```
    pub fn with_peak_reset(self) -> MonitorBuilder {
        MonitorBuilder { resets_peaks: true, ..self }
    }

    /// The monitor.
    ///
    /// # Errors
    ///
    /// If the threshold or the history is zero, the timeline has less than two points, if there is no probe for this system and none was given, or
    /// if the limits cannot be read.
    pub fn build(mut self) -> Result<Monitor, Error> {
        if self.threshold == Some(Bytes::ZERO) {
            return Err(ErrorKind::ZeroThreshold.into());
        }
        if self.history == 0 {
            return Err(ErrorKind::ZeroHistory.into());
        }
        if self.timeline < 2 {
            return Err(ErrorKind::ShortTimeline { points: self.timeline }.into());
        }
        let probe = match self.probe.take() {
            Some(probe) => probe,
            None => probe::native()?,
        };
        let limits = probe.limits()?;
        let budget = self.budget.take().unwrap_or_else(|| Budget::new(default_budget(&limits)));
        Ok(Monitor::assemble(probe, budget, limits, self))
    }
}

impl fmt::Debug for MonitorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MonitorBuilder")
            .field("budget", &self.budget)
            .field("threshold", &self.threshold)
            .field("history", &self.history)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::Scripted;
    use crate::snapshot::ByteChange;

    fn reading(rss: u64) -> Reading {
        Reading {
            rss: Bytes::mib(rss),
            vms: Bytes::mib(rss + 100),
            peak_rss: Bytes::mib(rss + 1),
            available: Bytes::mib(1000 - rss),
            total: Bytes::mib(1000),
            ..Reading::default()
        }
    }

    fn scripted(rss: impl IntoIterator<Item = u64>) -> MonitorBuilder {
        Monitor::builder().with_probe(Scripted::new(rss.into_iter().map(reading)))
    }

    #[test]
    fn a_snapshot_puts_probe_and_budget_together() {
        let limits = Limits { cgroup: Some(Bytes::mib(80)), ..Limits::default() };
        let probe = || Scripted::new([reading(250)]).with_limits(limits);
        let monitor =
            Monitor::builder().with_probe(probe()).with_budget(Budget::new(Bytes::mib(64))).build().unwrap();
        let _held = monitor.budget().consumer("batch").try_reserve(Bytes::mib(3)).unwrap();
        let snapshot = monitor.snapshot().unwrap();
        assert_eq!((snapshot.rss, snapshot.vms), (Bytes::mib(250), Bytes::mib(350)));
        assert_eq!((snapshot.available, snapshot.total), (Bytes::mib(750), Bytes::mib(1000)));
        assert_eq!(snapshot.percent, 25.0);
        assert_eq!(snapshot.peak_rss, Bytes::mib(251));
        assert_eq!(snapshot.reserved, Bytes::mib(3));
        assert_eq!(snapshot.limit, Some(Bytes::mib(64)));

        let wide = Monitor::builder().with_probe(probe()).with_budget(Budget::unbounded()).build().unwrap();
        assert_eq!(wide.snapshot().unwrap().limit, Some(Bytes::mib(80)));
    }

    #[test]
    fn the_effective_limit_is_what_is_left_in_the_tightest_place() {
        let limit = |reading: Reading| {
            let probe = Scripted::new([reading]).with_limits(Limits::default());
            let monitor = Monitor::builder().with_probe(probe).with_budget(Budget::unbounded());
            monitor.build().unwrap().snapshot().unwrap().limit
        };
        let host = reading(250);
        assert_eq!(limit(Reading { available: Bytes::mib(10), ..host }), Some(Bytes::mib(260)));
        let container = Reading { container_limit: Some(Bytes::mib(400)), ..host };
        assert_eq!(limit(container), Some(Bytes::mib(400)));
        // Others in the same group hold the rest.
        let shared = Reading { headroom: Some(Bytes::mib(30)), ..container };
        assert_eq!(limit(shared), Some(Bytes::mib(280)));
        assert_eq!(limit(Reading { rss: Bytes::mib(9), ..Reading::default() }), None);
    }

    #[test]
    fn a_peak_never_falls_and_is_never_below_the_size() {
        let at = |rss, peak| Reading { rss: Bytes(rss), peak_rss: Bytes(peak), ..Reading::default() };
        let probe = Scripted::new([at(50, 40), at(10, 45), at(10, 60)]);
        let monitor = Monitor::builder().with_probe(probe).build().unwrap();
        let peaks = [(); 3].map(|()| monitor.snapshot().unwrap().peak_rss.get());
        assert_eq!(peaks, [50, 50, 60]);
    }

    #[test]
    fn a_snapshot_counts_reservations_and_allocations() {
        let counts = AllocationCounts { live_bytes: Bytes(7), live_allocations: 2 };
        let monitor = scripted([1]).with_allocations(move || counts).build().unwrap();
        let _held =
            [1, 0, 2].map(|n| monitor.budget().consumer(&n.to_string()).try_reserve(Bytes(n)).unwrap());
        let snapshot = monitor.snapshot().unwrap();
        assert_eq!((snapshot.reserved, snapshot.reservations), (Bytes(3), 3));
        assert_eq!(snapshot.allocations, Some(counts));
        assert_eq!(scripted([1]).build().unwrap().snapshot().unwrap().allocations, None);
    }

    #[test]
    fn a_host_of_unknown_size_is_not_divided_by() {
        let monitor = Monitor::builder().with_probe(Scripted::new([Reading::default()])).build().unwrap();
        assert_eq!(monitor.snapshot().unwrap().percent, 0.0);
    }

    #[test]
    fn without_a_budget_the_limits_decide() {
        let monitor = scripted([200]).build().unwrap();
        assert_eq!(monitor.budget().limit(), Bytes::mib(200));
    }

    #[test]
    fn a_delta_wants_a_baseline() {
        let monitor = scripted([10, 30, 25]).build().unwrap();
        assert_eq!(monitor.delta().unwrap(), None);
        assert_eq!(monitor.set_baseline().unwrap().rss, Bytes::mib(10));
        let _held = monitor.budget().consumer("batch").try_reserve(Bytes(512)).unwrap();
        let delta = monitor.delta().unwrap().unwrap();
        assert_eq!(delta.rss.to_string(), "+20.0 MiB");
        assert_eq!(delta.available.to_string(), "-20.0 MiB");
        assert_eq!(delta.reserved.get(), 512);
        // The baseline stays.
        let delta = monitor.delta().unwrap().unwrap();
        assert_eq!(delta.rss, ByteChange::between(Bytes::mib(10), Bytes::mib(25)));
    }

    #[test]
    fn the_threshold_is_the_one_given_or_the_budgets_limit() {
        let given = scripted([50, 51]).with_threshold(Bytes::mib(50)).build().unwrap();
        assert!(!given.is_above_threshold().unwrap());
        assert!(given.is_above_threshold().unwrap());
        let budget = scripted([50]).with_budget(Budget::new(Bytes::mib(49))).build().unwrap();
        assert!(budget.is_above_threshold().unwrap());
        let host = scripted([900]).with_budget(Budget::unbounded()).build().unwrap();
        assert_eq!(host.threshold(), Some(Bytes::mib(1000)));
        assert!(!host.is_above_threshold().unwrap());
        let unknown = Scripted::new([Reading { rss: Bytes::mib(900), ..Reading::default() }]);
        let none = Monitor::builder().with_probe(unknown).with_budget(Budget::unbounded()).build().unwrap();
        assert_eq!((none.threshold(), none.snapshot().unwrap().limit), (None, None));
        assert!(!none.is_above_threshold().unwrap());
    }

    #[test]
    fn labels_are_kept_up_to_the_history() {
        let monitor = scripted([1, 2, 3, 4]).with_history(3).build().unwrap();
        for name in ["start", "batch", "batch", "end"] {
            monitor.label(name).unwrap();
        }
        let kept: Vec<_> = monitor
            .labelled()
            .into_iter()
            .map(|entry| (entry.label, entry.sequence, entry.snapshot.rss))
            .collect();
        let entry = |name: &str, sequence, rss| (name.to_owned(), sequence, Bytes::mib(rss));
        assert_eq!(kept, [entry("batch", 1, 2), entry("batch", 2, 3), entry("end", 3, 4)]);
    }

    #[test]
    fn reports_are_told_at_most_each_interval_and_once_at_the_end() {
        let told = |interval, reports: &[u64]| {
            let (observer, receiver) = crate::progress_channel(64);
            let monitor =
                scripted([1]).with_observer(observer).with_report_interval(interval).build().unwrap();
            monitor.report(7, None);
            let scope = monitor.scope("scan");
            for bytes in reports {
                monitor.report(*bytes, Some(50));
            }
            drop((scope, monitor));
            receiver.iter().map(|progress| progress.bytes).collect::<Vec<_>>()
        };
        assert_eq!(told(Duration::MAX, &[10, 20, 30, 50, 50, 60]), [10, 50]);
        assert_eq!(told(Duration::ZERO, &[10, 20, 30, 50, 50]), [10, 20, 30, 50]);
        assert_eq!(told(Duration::MAX, &[50]), [50]);
    }

    #[test]
    fn a_callback_of_a_threshold_may_report() {
        let (observer, receiver) = crate::progress_channel(64);
        let monitor =
            scripted([900]).with_observer(observer).with_report_interval(Duration::ZERO).build().unwrap();
        let scope = monitor.scope("scan");
        let again = monitor.clone();
        let threshold = Threshold::at(crate::Level::Bytes(Bytes::mib(500)));
        let watch = monitor.on_crossing(threshold, move |_| again.report(2, None)).unwrap();
        monitor.report(1, None);
        drop((watch, scope, monitor));
        assert_eq!(receiver.iter().map(|progress| progress.bytes).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_report_is_about_the_phase_that_began_last() {
        let (observer, receiver) = crate::progress_channel(64);
        let monitor =
            scripted([1]).with_observer(observer).with_report_interval(Duration::ZERO).build().unwrap();
        let outer = monitor.scope("outer");
        monitor.report(1, None);
        let inner = outer.scope("inner");
        inner.add_rows(5);
        monitor.report(2, Some(9));
        drop(inner);
        monitor.report(3, None);
        drop((outer, monitor));
        let told: Vec<_> =
            receiver.iter().map(|p| (p.phase.unwrap().to_string(), p.rows, p.bytes, p.total_bytes)).collect();
        let expected = [("outer", 0, 1, None), ("inner", 5, 2, Some(9)), ("outer", 0, 3, None)];
        assert_eq!(told, expected.map(|(name, rows, bytes, total)| (name.to_owned(), rows, bytes, total)));
    }

    #[test]
    fn builds_fail_by_kind() {
        let kind = |builder: MonitorBuilder| format!("{:?}", builder.build().unwrap_err().kind());
        assert_eq!(kind(scripted([1]).with_threshold(Bytes::ZERO)), "ZeroThreshold");
        assert_eq!(kind(scripted([1]).with_history(0)), "ZeroHistory");
        assert_eq!(kind(scripted([])), "EmptyScript");
        assert_eq!(kind(scripted([1]).with_timeline(1)), "ShortTimeline { points: 1 }");
    }

    #[test]
    fn without_a_probe_the_budget_and_the_phases_work() {
        let (absent, limits) = (Box::new(probe::Absent), Limits::default());
        let monitor = Monitor::assemble(absent, Budget::unbounded(), limits, Monitor::builder());
        assert!(matches!(monitor.snapshot().unwrap_err().kind(), ErrorKind::Unsupported { .. }));
        assert_eq!(monitor.scope("work").finish().peak_rss, Bytes::ZERO);
        assert!(monitor.budget().consumer("batch").try_reserve(Bytes::gib(1)).is_ok());
        assert!(!monitor.is_above_threshold().unwrap());
    }

    #[test]
    fn handles_cross_threads() {
        fn crosses<T: Send + Sync + 'static>() {}
        crosses::<Monitor>();
        crosses::<Scope>();
        crosses::<crate::Reservation>();
        crosses::<crate::BudgetExceeded>();
        crosses::<Error>();
    }
}
