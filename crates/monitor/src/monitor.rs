//! The monitor: one handle for the probe, the budget, and what was noted on the way.

mod builder;

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use crate::budget::Budget;
use crate::bytes::Bytes;
use crate::error::Error;
use crate::locks::locked;
use crate::observer::{Observers, Progress};
use crate::phase::{Phase, PhaseTree};
use crate::probe::{Limits, Peaks, Probe, Reading};
use crate::reclaim::Givers;
use crate::sampler::Sampler;
use crate::scope::{PhaseLog, Scope};
use crate::snapshot::{AllocationCounts, LabelledSnapshot, MemoryDelta, Snapshot};
use crate::threshold::{Crossing, Crossings, Threshold, Watch};
use crate::timeline::{Timeline, TimelinePoint};
use crate::trend::Floors;

pub use builder::MonitorBuilder;

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

impl Monitor {
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
    /// [`ErrorKind::ImpossibleThreshold`](crate::ErrorKind::ImpossibleThreshold) if a size is zero, a share is not above
    /// 0 and at most 1, or the threshold clears above itself.
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
    /// [`ErrorKind::ZeroInterval`](crate::ErrorKind::ZeroInterval), or
    /// [`ErrorKind::Thread`](crate::ErrorKind::Thread) if the system gives no thread.
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

#[cfg(test)]
mod tests;
