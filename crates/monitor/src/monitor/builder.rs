//! How a monitor is made.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::allocator::TaggedAllocator;
use crate::budget::Budget;
use crate::bytes::Bytes;
use crate::error::{Error, ErrorKind};
use crate::observer::{Observer, Observers};
use crate::probe::{self, Limits, Probe, default_budget};
use crate::reclaim::Givers;
use crate::scope::PhaseLog;
use crate::snapshot::AllocationCounts;
use crate::timeline::Timeline;
use crate::trend::{Floors, TagCounts};

use super::{Inner, Monitor};

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

    pub(super) fn assemble(
        probe: Box<dyn Probe>,
        budget: Budget,
        limits: Limits,
        builder: MonitorBuilder,
    ) -> Monitor {
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
}

/// Describes a [`Monitor`].
///
/// ```
/// use std::time::Duration;
/// use monitor::{AllocationCounts, Budget, Bytes, ErrorKind, Monitor, Reading, Scripted, progress_channel};
///
/// let (observer, told) = progress_channel(8);
/// let monitor = Monitor::builder()
///     .with_budget(Budget::new(Bytes::mib(64)))
///     .with_threshold(Bytes::mib(48))
///     .with_probe(Scripted::new([Reading { rss: Bytes::mib(50), ..Reading::default() }]))
///     .with_allocations(|| AllocationCounts { live_bytes: Bytes::mib(40), live_allocations: 7 })
///     .with_observer(observer)
///     .with_report_interval(Duration::ZERO)
///     .with_history(2)
///     .with_timeline(16)
///     .build()?;
/// assert_eq!(monitor.budget().limit(), Bytes::mib(64));
/// assert!(monitor.is_above_threshold()?);
/// assert_eq!(monitor.snapshot()?.allocations.map(|counts| counts.live_allocations), Some(7));
/// ["a", "b", "c"].into_iter().try_for_each(|name| monitor.label(name).map(drop))?;
/// assert_eq!(monitor.labelled().len(), 2);
/// let _scan = monitor.scope("scan");
/// (1..=3).for_each(|bytes| monitor.report(bytes, Some(3)));
/// assert_eq!(std::iter::from_fn(|| told.try_recv()).count(), 3);
/// drop(monitor.sample_every(Duration::from_millis(10))?);
/// assert!(monitor.timeline().len() <= 16);
///
/// let error = Monitor::builder().with_history(0).build().unwrap_err();
/// assert!(matches!(error.kind(), ErrorKind::ZeroHistory));
/// # Ok::<(), monitor::Error>(())
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
    /// counters, and must not take a snapshot itself. Without it,
    /// [`Snapshot::allocations`](crate::Snapshot::allocations) is `None`.
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
    /// If the threshold or the history is zero, the timeline has less than two points, if there is no probe for this
    /// system and none was given, or if the limits cannot be read.
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
