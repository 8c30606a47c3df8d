//! What memory does, and how much of it may be used.
//!
//! ```text
//!   /proc, cgroups ──► Probe ──► Reading ─┐                 ┌──► thresholds, phases, timeline
//!                                         ├──► Monitor ──► Snapshot ──► Observer: JSON lines, channel,
//!   try_reserve ◄──► Consumer ──► Budget ─┘     ▲ │ │                   OpenMetrics file and server
//!        │              Sampler, by the clock ────┘ │ └──► end_of_batch: floors ──► Trend, top_holders
//!        │                                          └────► reclaim ──► Givers: caches, pools, the allocator
//!        └──► Reservation: kept beside the memory it stands for, gives the bytes back when dropped
//! ```
//!
//! Three questions, three parts:
//!
//! * *How much may I take?* A [`Budget`] is a limit that the reserved total never exceeds. Each part of a
//!   program that holds memory is a named [`Consumer`]; it reserves before it allocates and handles
//!   [`BudgetExceeded`], which says who holds what and which limit would have done.
//! * *What has it come to?* A [`Monitor`] reads what the kernel counts, through a [`Probe`]: a [`Snapshot`]
//!   of now, the difference from a baseline, the peak so far, and what each [`Phase`] of the work took. Peaks
//!   are the kernel's own high-water mark, so that nothing falls between two samples.
//! * *Who keeps it, and who gives it back?* Floors after each batch make a [`Trend`] with a [`Verdict`], in all and
//!   of each [holder](Monitor::top_holders); [`Monitor::reclaim`] asks every [`Giver`], such as a [`MemoryCache`].
//!
//! The first two are not the same figure. Reserved bytes are exact and immediate, but cover only what is reserved;
//! resident bytes cover everything, but lag and include what the allocator has not given back. Steer by the
//! first, guard with the second.
//!
//! A snapshot takes a few microseconds. What is dear, the figures of the host and the container, is read every
//! tenth of a second at most, and a snapshot says how old it is. Clean page cache never counts as used.
//!
//! Nothing here prints, and only a [`Sampler`], a [`StallWatch`] and a [`MetricsServer`] have a thread. What needs a
//! budget or a monitor is handed one; [`global`] is for applications that cannot hand one on.
//!
//! # From the Python manager
//!
//! This crate succeeds a memory manager in Python. For those who know that one:
//!
//! | there | here |
//! |---|---|
//! | `MemorySnapshot`: timestamp, rss, vms, percent, available, total | [`Snapshot`]: `at`, and the same names; also peak, limits, headroom, pressure, page faults |
//! | its object count | [`Snapshot::reservations`], and [`Snapshot::allocations`] where an allocator [counts](MonitorBuilder::with_allocations) |
//! | `MemoryMonitor` | [`Monitor`] |
//! | … its current snapshot | [`Monitor::snapshot`] |
//! | … baseline and delta | [`Monitor::set_baseline`], [`Monitor::delta`], which is `None` without a baseline |
//! | … threshold | [`Monitor::is_above_threshold`]; [`Monitor::on_crossing`] calls back, up and down |
//! | … log usage | a snapshot shown: `format!("{label}: {snapshot}")` |
//! | … labelled snapshots | [`Monitor::label`], [`Monitor::labelled`] |
//! | … peak, of its samples | [`Monitor::peak`], the kernel's own |
//! | `get_memory_trend` | [`Monitor::trend`], over floors that [`Monitor::end_of_batch`] notes: a [`Trend`] with a [`Slope`] and its interval |
//! | `leak_detected` | [`Trend::verdict`]: [`Verdict::Leak`], or [`Verdict::Undetermined`] with a [`Doubt`] |
//! | `find_memory_leaks` | [`Monitor::top_holders`] by [`HolderOrder::Slope`], each with a verdict of its own |
//! | `aggressive_gc` | [`Monitor::reclaim`]: [`Reclaimed`] says who gave how much |
//! | `clear_caches` | [`Monitor::reclaim_from`] those of [`Stage::Holder`] that were [registered](Monitor::register_giver) |
//! | `memory_profiler("name")` | [`Monitor::scope`], [`Scope::scope`] within it, [`Monitor::phase_tree`] at the end |
//! | `memory_efficient` | [`Monitor::reclaiming_above`] |
//! | `MemoryCache` | [`MemoryCache`], limited by bytes and items |
//! | `WeakValueCache` | [`WeakCache`] |
//! | the global monitor | [`global`], [`set_global`] |
//! | `log_memory` | [`log_memory`], which returns what is to be logged |
//! | `check_memory_threshold` | [`check_memory_threshold`] |
//! | custom limit that raises | [`Budget`] and [`Reservation`], which refuse with figures: [`BudgetExceeded`] |
//! | progress state for task queues | [`Observer`]: [`progress_channel`], [`ProgressLines`], or one of your own |
//!
//! What it did not have: [samples by the clock](Monitor::sample_every) and their [timeline](Monitor::timeline), metrics
//! as [JSON lines](SnapshotLines), as [OpenMetrics text](OpenMetricsFile) and [over HTTP](Monitor::serve_metrics),
//! [limits](Limits) of containers, [stalls](Pressure) and [triggers](Monitor::on_stall) on them, a
//! [tagged allocator](TaggedAllocator), and [`Scripted`] figures for tests.
//!
//! # Features
//!
//! `arrow`: [`HeapSize`] of Arrow's arrays and batches, so that a [`MemoryCache`] can hold them.
//!
//! `tracing`: each phase is a span named `phase`, of target `monitor`, and carries its figures when it closes.
//!
//! # Example
//!
//! ```
//! use monitor::{Budget, Bytes, Monitor, Reading, Scripted};
//!
//! # let probe = Scripted::new([Reading {
//! #     rss: Bytes::mib(48),
//! #     peak_rss: Bytes::mib(52),
//! #     total: Bytes::gib(1),
//! #     ..Reading::default()
//! # }]);
//! // A program leaves out `with_probe` and gets the system's own; here it is scripted.
//! let monitor = Monitor::builder().with_budget(Budget::new("64MiB".parse()?)).with_probe(probe).build()?;
//!
//! let phase = monitor.scope("load");
//! let batches = monitor.budget().consumer("batch");
//! let mut batch = batches.try_reserve(Bytes::mib(16))?;
//! assert_eq!(batch.try_grow(Bytes::mib(60)).unwrap_err().smallest_limit(), Bytes::mib(76));
//! assert_eq!(batch.bytes(), Bytes::mib(16));
//! phase.add_bytes(1_000_000);
//! drop(batch);
//!
//! let phase = phase.finish();
//! assert_eq!(phase.peak_rss, Bytes::mib(52));
//! assert_eq!(monitor.budget().peak(), Bytes::mib(16));
//! assert_eq!(monitor.budget().reserved(), Bytes::ZERO);
//! assert_eq!(monitor.snapshot()?.percent, 4.6875);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod allocator;
mod births;
mod budget;
mod bytes;
mod cache;
mod error;
mod global;
mod holders;
mod locks;
mod monitor;
mod observer;
mod phase;
mod probe;
mod reclaim;
mod refusal;
mod sampler;
mod scope;
mod snapshot;
mod span;
mod stall;
mod threshold;
mod timeline;
mod trend;

pub use allocator::{MOST_TAGS, Tag, TagGuard, TagUse, TaggedAllocator};
pub use budget::{Budget, Consumer, Holder, Reservation};
pub use bytes::{Bytes, ParseBytesError, ParseBytesErrorKind};
pub use cache::{
    CacheStatistics, HeapSize, MemoryCache, MemoryCacheBuilder, NotCached, NotCachedKind, WeakCache,
};
pub use error::{Error, ErrorKind};
pub use global::{check_memory_threshold, global, log_memory, set_global};
pub use holders::{HolderOrder, HolderSource, TopHolder};
pub use monitor::{Monitor, MonitorBuilder};
pub use observer::{
    ChannelObserver, MetricsServer, Observer, OpenMetricsFile, Progress, ProgressLines, ProgressReceiver,
    SnapshotLines, progress_channel,
};
pub use phase::{Phase, PhaseNode, PhasePeak, PhaseTree};
#[cfg(not(target_os = "linux"))]
pub use probe::SysinfoProbe;
#[cfg(target_os = "linux")]
pub use probe::{CgroupUsage, LinuxProbe};
pub use probe::{Limits, PageFaults, Peaks, Pressure, Probe, Reading, Scripted, Stall, default_budget};
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub use reclaim::AllocatorTrim;
pub use reclaim::{Giver, Reclaimed, Stage};
pub use refusal::BudgetExceeded;
pub use sampler::Sampler;
pub use scope::Scope;
pub use snapshot::{AllocationCounts, ByteChange, LabelledSnapshot, MemoryDelta, Snapshot};
pub use stall::{StallTrigger, StallWatch};
pub use threshold::{Crossing, Direction, Level, Threshold, Watch};
pub use timeline::{ByteSpan, TimelinePoint};
pub use trend::{Doubt, Floor, LEAST_FLOORS, Slope, Trend, TrendTest, Verdict};
