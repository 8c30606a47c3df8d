//! The program's allocator: the system's, or with the feature `tagged-allocator` one over it that counts by tags.

use monitor::MonitorBuilder;

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
