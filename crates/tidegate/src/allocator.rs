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

/// Of so much of the budget the allocator may make an arena for a thread: each keeps a mebibyte or two of what was freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const BUDGET_OF_ARENA: u64 = 12 << 20;

/// Has threads share what the allocator keeps, where the budget is small for many.
pub(crate) fn share(budget: monitor::Bytes) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let arenas = (budget.get() / BUDGET_OF_ARENA).max(2);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        // As many as it makes by itself need no order.
        if arenas < 8 * threads as u64 {
            monitor::AllocatorTrim::share_arenas(arenas as usize);
        }
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = budget;
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
