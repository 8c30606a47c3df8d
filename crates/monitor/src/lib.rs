//! What memory does, and how much of it may be used.
//!
//! ```text
//!   /proc, cgroups ──► Probe ──► Reading ─┐
//!                                         ├──► Monitor ──► Snapshot, MemoryDelta, Phase
//!   try_reserve ◄──► Consumer ──► Budget ─┘
//!        │
//!        └──► Reservation: kept beside the memory it stands for, gives the bytes back when dropped
//! ```
//!
//! Two questions, two halves:
//!
//! * *How much may I take?* A [`Budget`] is a limit that the reserved total never exceeds. Each part of a
//!   program that holds memory is a named [`Consumer`]; it reserves before it allocates and handles
//!   [`BudgetExceeded`], which says who holds what and which limit would have done.
//! * *What has it come to?* A [`Monitor`] reads what the kernel counts, through a [`Probe`]: a [`Snapshot`]
//!   of now, the difference from a baseline, the peak so far, and what each [`Phase`] of the work took. Peaks
//!   are the kernel's own high-water mark, so that nothing falls between two samples.
//!
//! The two are not the same figure. Reserved bytes are exact and immediate, but cover only what is reserved;
//! resident bytes cover everything, but lag and include what the allocator has not given back. Steer by the
//! first, guard with the second.
//!
//! Nothing here starts a thread, prints, or is global: what needs a budget or a monitor is handed one.
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
pub use threshold::{Crossing, Direction, Level, Threshold, Watch};
pub use timeline::{ByteSpan, TimelinePoint};
pub use trend::{Doubt, Floor, LEAST_FLOORS, Slope, Trend, TrendTest, Verdict};
