//! The monitor: one handle for the probe, the budget, and what was noted on the way.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use crate::budget::Budget;
use crate::bytes::Bytes;
use crate::error::{Error, ErrorKind};
use crate::probe::{self, Limits, Probe, default_budget};
use crate::scope::{Phase, PhaseLog, Scope};
use crate::snapshot::{LabelledSnapshot, MemoryDelta, Snapshot};
use crate::trend::{Floor, Floors, Trend};

/// Watches one process. A cheap handle: clones share everything.
///
/// It starts no thread and samples nothing by itself; it reads when it is asked, and takes peaks from the
/// kernel.
#[derive(Clone)]
pub struct Monitor(Arc<Inner>);

struct Inner {
    probe: Box<dyn Probe>,
    budget: Budget,
    threshold: Option<Bytes>,
    /// As it was at the start: what cannot be read for every snapshot at its price.
    cgroup_limit: Option<Bytes>,
    started: Instant,
    history: usize,
    baseline: Mutex<Option<Snapshot>>,
    labels: Mutex<Labels>,
    phases: PhaseLog,
    floors: Floors,
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

impl Monitor {
    /// Starts to describe a monitor.
    pub fn builder() -> MonitorBuilder {
        MonitorBuilder { probe: None, budget: None, threshold: None, history: DEFAULT_HISTORY }
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
        Monitor::assemble(probe, Budget::unbounded(), None, None, DEFAULT_HISTORY)
    }

    fn assemble(
        probe: Box<dyn Probe>,
        budget: Budget,
        threshold: Option<Bytes>,
        cgroup_limit: Option<Bytes>,
        history: usize,
    ) -> Monitor {
        Monitor(Arc::new(Inner {
            probe,
            budget,
            threshold,
            cgroup_limit,
            started: Instant::now(),
            history,
            baseline: Mutex::default(),
            labels: Mutex::default(),
            phases: PhaseLog::new(history),
            floors: Floors::new(history),
            known_peak: AtomicU64::new(0),
        }))
    }

    /// The budget that the process's consumers reserve from.
    pub fn budget(&self) -> &Budget {
        &self.0.budget
    }

    /// What memory is now.
    ///
    /// # Errors
    ///
    /// If the probe cannot read it.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        let inner = &*self.0;
        let reading = inner.probe.read()?;
        inner.known_peak.fetch_max(reading.peak_rss.get(), Ordering::Relaxed);
        let percent = match reading.total.get() {
            0 => 0.0,
            total => 100.0 * reading.rss.get() as f64 / total as f64,
        };
        Ok(Snapshot {
            at: SystemTime::now(),
            elapsed: inner.started.elapsed(),
            rss: reading.rss,
            vms: reading.vms,
            percent,
            available: reading.available,
            total: reading.total,
            peak_rss: reading.peak_rss,
            limit: self.hard_limit(),
            reserved: inner.budget.reserved(),
        })
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
    /// the budget's limit, else none.
    pub fn threshold(&self) -> Option<Bytes> {
        self.0.threshold.or_else(|| self.budget_limit())
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

    /// The highest resident size so far, as the kernel kept it: no sample can miss it.
    ///
    /// # Errors
    ///
    /// If the probe cannot read it.
    pub fn peak(&self) -> Result<Bytes, Error> {
        let peak = self.0.probe.peak_rss()?;
        self.0.known_peak.fetch_max(peak.get(), Ordering::Relaxed);
        Ok(peak)
    }

    /// What bounds the process from outside, read anew.
    ///
    /// # Errors
    ///
    /// If the probe cannot read it.
    pub fn limits(&self) -> Result<Limits, Error> {
        self.0.probe.limits()
    }

    /// Begins a phase, which ends when the guard is dropped or finished.
    pub fn scope(&self, name: impl Into<String>) -> Scope {
        Scope::begin(self.clone(), self.0.phases.next_sequence(), name.into())
    }

    /// The phases that have ended, in order of their start. When the history is full, the one that began
    /// first goes.
    pub fn phases(&self) -> Vec<Phase> {
        self.0.phases.finished()
    }

    /// Notes what is reserved now as the floor of live bytes after a batch: call it when all that belongs to the batch
    /// is gone. Costs less than a microsecond. When the history is full, the oldest floor goes.
    ///
    /// ```
    /// use monitor::{Bytes, Monitor, Verdict};
    ///
    /// let monitor = Monitor::unbounded();
    /// let kept = monitor.budget().consumer("kept by mistake");
    /// let mut leaked = Vec::new();
    /// for _batch in 0..100 {
    ///     leaked.push(kept.try_reserve(Bytes::kib(100))?);
    ///     monitor.end_of_batch();
    /// }
    /// assert_eq!(monitor.trend(100).verdict, Verdict::Leak);
    /// # Ok::<(), monitor::BudgetExceeded>(())
    /// ```
    pub fn end_of_batch(&self) {
        self.note_floor(self.0.budget.reserved());
    }

    /// Notes a floor of live bytes from another source than the budget.
    ///
    /// ```
    /// use monitor::{Bytes, Monitor};
    ///
    /// let monitor = Monitor::unbounded();
    /// monitor.note_floor(Bytes(7));
    /// assert_eq!(monitor.floors()[0].live, Bytes(7));
    /// ```
    pub fn note_floor(&self, live: Bytes) {
        self.0.floors.note(Floor { elapsed: self.0.started.elapsed(), live });
    }

    /// The floors that are kept, oldest first.
    ///
    /// ```
    /// use monitor::{Bytes, Monitor, Reading, Scripted};
    ///
    /// let probe = Scripted::new([Reading::default()]);
    /// let monitor = Monitor::builder().with_probe(probe).with_history(2).build()?;
    /// (0..5).for_each(|batch| monitor.note_floor(Bytes(batch)));
    /// assert_eq!(monitor.floors().iter().map(|floor| floor.live).collect::<Vec<_>>(), [Bytes(3), Bytes(4)]);
    /// # Ok::<(), monitor::Error>(())
    /// ```
    pub fn floors(&self) -> Vec<Floor> {
        self.0.floors.to_vec()
    }

    /// How the newest `window` floors move, or all that are kept if there are fewer, and whether that is a leak.
    ///
    /// ```
    /// use monitor::{Bytes, Doubt, Monitor, Verdict};
    ///
    /// let monitor = Monitor::unbounded();
    /// (0..100).for_each(|batch| monitor.note_floor(Bytes::mib(batch)));
    /// assert_eq!(monitor.trend(100).verdict, Verdict::Leak);
    /// assert_eq!(monitor.trend(50).verdict, Verdict::Undetermined(Doubt::TooFewSamples));
    /// assert_eq!(monitor.trend(50).slope.unwrap().per_sample, 1048576.0);
    /// ```
    pub fn trend(&self, window: usize) -> Trend {
        self.0.floors.trend(window)
    }

    pub(crate) fn phase_log(&self) -> &PhaseLog {
        &self.0.phases
    }

    /// The kernel's peak, or the highest that was read before if it cannot be read now.
    pub(crate) fn peak_or_known(&self) -> Bytes {
        self.peak().unwrap_or_else(|_| Bytes(self.0.known_peak.load(Ordering::Relaxed)))
    }

    fn budget_limit(&self) -> Option<Bytes> {
        self.0.budget.is_bounded().then(|| self.0.budget.limit())
    }

    fn hard_limit(&self) -> Option<Bytes> {
        self.budget_limit().into_iter().chain(self.0.cgroup_limit).min()
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

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these locks guard is whole between any two statements, so a panic elsewhere leaves nothing torn.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Describes a [`Monitor`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct MonitorBuilder {
    probe: Option<Box<dyn Probe>>,
    budget: Option<Budget>,
    threshold: Option<Bytes>,
    history: usize,
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

    /// The resident size that [`Monitor::is_above_threshold`] compares with. Without it, the budget's limit.
    pub fn with_threshold(self, threshold: Bytes) -> MonitorBuilder {
        MonitorBuilder { threshold: Some(threshold), ..self }
    }

    /// How many labelled snapshots, and how many phases, to keep: 1024 unless told otherwise. Older ones go
    /// first.
    pub fn with_history(self, entries: usize) -> MonitorBuilder {
        MonitorBuilder { history: entries, ..self }
    }

    /// The monitor.
    ///
    /// # Errors
    ///
    /// If the threshold or the history is zero, if there is no probe for this system and none was given, or
    /// if the limits cannot be read.
    pub fn build(self) -> Result<Monitor, Error> {
        if self.threshold == Some(Bytes::ZERO) {
            return Err(ErrorKind::ZeroThreshold.into());
        }
        if self.history == 0 {
            return Err(ErrorKind::ZeroHistory.into());
        }
        let probe = match self.probe {
            Some(probe) => probe,
            None => probe::native()?,
        };
        let limits = probe.limits()?;
        let budget = self.budget.unwrap_or_else(|| Budget::new(default_budget(&limits)));
        Ok(Monitor::assemble(probe, budget, self.threshold, limits.cgroup, self.history))
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
    use crate::probe::{Reading, Scripted};
    use crate::snapshot::ByteChange;

    fn reading(rss: u64) -> Reading {
        Reading {
            rss: Bytes::mib(rss),
            vms: Bytes::mib(rss + 100),
            peak_rss: Bytes::mib(rss + 1),
            available: Bytes::mib(1000 - rss),
            total: Bytes::mib(1000),
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
        let none = scripted([900]).with_budget(Budget::unbounded()).build().unwrap();
        assert_eq!(none.threshold(), None);
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
    fn builds_fail_by_kind() {
        let kind = |builder: MonitorBuilder| format!("{:?}", builder.build().unwrap_err().kind());
        assert_eq!(kind(scripted([1]).with_threshold(Bytes::ZERO)), "ZeroThreshold");
        assert_eq!(kind(scripted([1]).with_history(0)), "ZeroHistory");
        assert_eq!(kind(scripted([])), "EmptyScript");
    }

    #[test]
    fn without_a_probe_the_budget_and_the_phases_work() {
        let monitor =
            Monitor::assemble(Box::new(probe::Absent), Budget::unbounded(), None, None, DEFAULT_HISTORY);
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
