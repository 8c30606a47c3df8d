//! Caches: one with strict limits, and one that keeps nothing alive.

mod heap_size;
mod memory;
mod weak;

pub use heap_size::HeapSize;
pub use memory::{CacheStatistics, MemoryCache, MemoryCacheBuilder, NotCached, NotCachedKind};
pub use weak::WeakCache;
