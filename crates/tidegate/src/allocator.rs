//! The program's allocator: the system's, or with the feature `tagged-allocator` one over it that counts by tags.

use monitor::MonitorBuilder;

/// Blocks from this size on are given back as soon as they are freed. So large are pages of Parquet at the most, what holds
/// them, and long fields; columns of usual batches are smaller, and used again.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const GIVEN_BACK: monitor::Bytes = monitor::Bytes::kib(512);

/// Sets how the allocator keeps what is freed, before anything large is allocated.
pub(crate) fn begin() {
    // Where it takes no orders, more is kept, and given back when the process takes more than is reserved.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    monitor::AllocatorTrim::map_from(GIVEN_BACK);
}

#[cfg(feature = "tagged-allocator")]
#[global_allocator]
static ALLOCATOR: monitor::TaggedAllocator = monitor::TaggedAllocator::new();

/// A monitor that shows what the allocator counts.
#[cfg(feature = "tagged-allocator")]
pub(crate) fn counted(monitor: MonitorBuilder) -> MonitorBuilder {
    monitor.with_tagged_allocator(&ALLOCATOR)
}

/// Nothing is counted.
#[cfg(not(feature = "tagged-allocator"))]
pub(crate) fn counted(monitor: MonitorBuilder) -> MonitorBuilder {
    monitor
}
