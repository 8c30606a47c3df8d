//! A cache that never holds more bytes than it may.
//!
//! The list of entries by age, and the table that finds them, are the `lru` crate's: small, well kept, and it does what
//! it is told and no more. The limit is kept here, since it has to be kept before something is stored: room is made,
//! bytes are reserved from the budget, and only then does the value go in. Caches that keep a limit of their own do not
//! keep it at every moment, or not this one: `moka` takes writes first and evicts later, when its log of them is gone
//! through; `quick_cache` makes room before a new key but after a new value of an old one, divides the limit by shards,
//! and has no way to be refused by a budget; `schnellru` asks before it stores, but counts its table alone.

use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Mutex;

use lru::LruCache;

use super::HeapSize;
use crate::budget::{Consumer, Reservation};
use crate::bytes::Bytes;
use crate::error::{Error, ErrorKind};
use crate::locks::locked;
use crate::reclaim::Giver;
use crate::refusal::BudgetExceeded;

/// A cache with a limit of bytes and one of items, which lets go of what was not used for longest.
///
/// Its bytes are reserved from a budget before anything is stored, so that they show under the consumer's name, and a
/// budget that is short makes the cache smaller instead of failing: entries go until there is room, and if there is none
/// the value comes back. What is let go is dropped before the new value is stored. At no moment does the cache hold more
/// than its limit, or than it has reserved.
///
/// An entry's bytes are those of [`HeapSize`] of its key and value, their own sizes, and about 70 for the entry. They
/// are counted when it is stored: a value that grows afterwards is not seen to. Not counted: values that were given out
/// and are still in use, where [`MemoryCache::get`] clones what they share; and the table, after the cache has shrunk,
/// until it is cleared.
///
/// All threads share one lock, since each hit moves its entry to the front. Keys and values are dropped under it: their
/// drops must not come back to this cache.
///
/// It is a [`Giver`]: registered with a monitor, it is cleared when memory is reclaimed.
///
/// ```
/// use monitor::{Budget, Bytes, MemoryCache};
///
/// let budget = Budget::new(Bytes::mib(1));
/// let cache: MemoryCache<u64, Vec<u8>> =
///     MemoryCache::builder(&budget.consumer("pages")).with_max_bytes(Bytes::kib(10)).build()?;
/// for page in 0..20 {
///     cache.insert(page, vec![0; 1000])?;
///     assert!(cache.bytes() <= Bytes::kib(10) && budget.reserved() == cache.bytes());
/// }
/// assert!(cache.get(&19).is_some() && cache.get(&0).is_none());
/// let seen = cache.statistics();
/// assert_eq!((seen.hits, seen.misses, seen.evictions), (1, 1, 20 - seen.items));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MemoryCache<K: Eq + Hash, V> {
    max_bytes: Bytes,
    max_items: usize,
    state: Mutex<State<K, V>>,
}

struct State<K: Eq + Hash, V> {
    entries: LruCache<K, Entry<V>>,
    /// At least the sum of the entries' bytes; equal to it whenever the lock is free.
    held: Reservation,
    bytes: Bytes,
    hits: u64,
    misses: u64,
    evictions: u64,
    rejections: u64,
}

struct Entry<V> {
    value: V,
    bytes: Bytes,
}

/// What a cache did so far, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStatistics {
    /// Values that were asked for and there.
    pub hits: u64,
    /// Values that were asked for and not there.
    pub misses: u64,
    /// Entries that went to make room, or when memory was reclaimed; not those that were removed or replaced.
    pub evictions: u64,
    /// Values that were not stored.
    pub rejections: u64,
    /// Bytes that are held now.
    pub bytes: Bytes,
    /// Entries that are held now.
    pub items: u64,
}

impl CacheStatistics {
    /// Hits out of all that was asked for, from 0 to 1; `None` before anything was.
    ///
    /// ```
    /// use monitor::{Budget, MemoryCache};
    ///
    /// let cache: MemoryCache<&str, u64> = MemoryCache::builder(&Budget::unbounded().consumer("cache")).build()?;
    /// assert_eq!(cache.statistics().hit_rate(), None);
    /// cache.insert("one", 1)?;
    /// assert_eq!(["one", "two", "one", "one"].map(|key| cache.get(key)), [Some(1), None, Some(1), Some(1)]);
    /// assert_eq!(cache.statistics().hit_rate(), Some(0.75));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn hit_rate(&self) -> Option<f64> {
        let asked = self.hits + self.misses;
        (asked > 0).then(|| self.hits as f64 / asked as f64)
    }
}

impl<K: Eq + Hash + HeapSize, V: HeapSize> MemoryCache<K, V> {
    /// Starts to describe a cache whose bytes `consumer` reserves.
    pub fn builder(consumer: &Consumer) -> MemoryCacheBuilder<K, V> {
        MemoryCacheBuilder {
            consumer: consumer.clone(),
            max_bytes: consumer.budget().limit(),
            max_items: usize::MAX,
            of: PhantomData,
        }
    }

    /// Stores a value, and lets go of as many of the longest unused as that takes. An earlier value of the key goes in
    /// any case.
    ///
    /// # Errors
    ///
    /// [`NotCached`], which has the value, if it is larger than the whole cache may be, or if the budget has no room for
    /// it even when all else is gone.
    pub fn insert(&self, key: K, value: V) -> Result<(), NotCached<V>> {
        let bytes = Self::bytes_of(&key, &value);
        let mut state = locked(&self.state);
        if let Some((old_key, old)) = state.entries.pop_entry(&key) {
            state.bytes = state.bytes.saturating_sub(old.bytes);
            drop((old_key, old));
        }
        let outcome = if bytes > self.max_bytes {
            Err(NotCachedKind::TooLarge { bytes, limit: self.max_bytes })
        } else {
            while state.entries.len() >= self.max_items || state.bytes.saturating_add(bytes) > self.max_bytes
            {
                state.evict();
            }
            state.reserve_also(bytes)
        };
        match outcome {
            Ok(()) => {
                state.bytes = state.bytes.saturating_add(bytes);
                state.entries.put(key, Entry { value, bytes });
                Ok(())
            }
            Err(kind) => {
                state.rejections += 1;
                state.settle();
                Err(NotCached { value, kind })
            }
        }
    }

    /// What an entry would count for.
    ///
    /// ```
    /// use monitor::{Bytes, MemoryCache};
    ///
    /// let one = MemoryCache::<u64, Vec<u8>>::bytes_of(&1, &vec![0; 1000]);
    /// assert!(one > Bytes(1000) && one < Bytes(1150));
    /// ```
    pub fn bytes_of(key: &K, value: &V) -> Bytes {
        // Two pointers of the list and what an allocator puts before a block; and in the table a pointer to the key, one
        // to the entry and a byte, for each of up to 16/7 places an entry.
        const ENTRY: usize = 2 * size_of::<usize>() + 16 + (2 * size_of::<usize>() + 1) * 16 / 7;
        Bytes::from(ENTRY + size_of::<K>() + size_of::<Entry<V>>() + key.heap_size() + value.heap_size())
    }
}

impl<K: Eq + Hash, V> State<K, V> {
    /// Lets go of what was not used for longest. Does nothing if there is none.
    fn evict(&mut self) {
        if let Some((key, entry)) = self.entries.pop_lru() {
            self.bytes = self.bytes.saturating_sub(entry.bytes);
            self.evictions += 1;
            drop((key, entry));
        }
    }

    /// Reserves `bytes` on top of what is held, and lets go of entries while the budget has no room.
    fn reserve_also(&mut self, bytes: Bytes) -> Result<(), NotCachedKind> {
        while let Err(refusal) = self.held.try_resize(self.bytes.saturating_add(bytes)) {
            if self.entries.is_empty() {
                return Err(NotCachedKind::Budget(refusal));
            }
            self.evict();
            // What has gone is for others as well.
            self.settle();
        }
        Ok(())
    }

    /// Keeps no more reserved than is held.
    fn settle(&mut self) {
        self.held.shrink_to(self.bytes);
    }

    fn clear(&mut self) -> Bytes {
        let bytes = self.bytes;
        self.evictions += self.entries.len() as u64;
        // The table goes, too.
        self.entries = LruCache::unbounded();
        self.bytes = Bytes::ZERO;
        self.settle();
        bytes
    }
}

impl<K: Eq + Hash, V> MemoryCache<K, V> {
    /// A clone of the value of that key, which is then the last one to go.
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
        V: Clone,
    {
        let mut state = locked(&self.state);
        let value = state.entries.get(key).map(|entry| entry.value.clone());
        match value {
            Some(_) => state.hits += 1,
            None => state.misses += 1,
        }
        value
    }

    /// Takes a value out.
    ///
    /// ```
    /// use monitor::{Budget, Bytes, MemoryCache};
    ///
    /// let cache: MemoryCache<&str, u64> = MemoryCache::builder(&Budget::unbounded().consumer("cache")).build()?;
    /// cache.insert("one", 1)?;
    /// assert_eq!((cache.remove("one"), cache.remove("one")), (Some(1), None));
    /// assert_eq!(cache.bytes(), Bytes::ZERO);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn remove<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let mut state = locked(&self.state);
        let entry = state.entries.pop(key)?;
        state.bytes = state.bytes.saturating_sub(entry.bytes);
        state.settle();
        Some(entry.value)
    }

    /// Lets go of the longest unused entries until no more than `bytes` are held; says how many went.
    ///
    /// ```
    /// use monitor::{Budget, Bytes, MemoryCache};
    ///
    /// let cache: MemoryCache<u64, u64> = MemoryCache::builder(&Budget::unbounded().consumer("cache")).build()?;
    /// (0..10).try_for_each(|n| cache.insert(n, n))?;
    /// let half = Bytes(cache.bytes().get() / 2);
    /// assert_eq!(cache.shrink_to(half), half);
    /// assert_eq!(cache.statistics().items, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shrink_to(&self, bytes: Bytes) -> Bytes {
        let mut state = locked(&self.state);
        let before = state.bytes;
        while state.bytes > bytes {
            state.evict();
        }
        state.settle();
        before.saturating_sub(state.bytes)
    }

    /// Lets go of everything; says how many bytes that were.
    ///
    /// ```
    /// use monitor::{Budget, Bytes, MemoryCache};
    ///
    /// let budget = Budget::unbounded();
    /// let cache: MemoryCache<u64, u64> = MemoryCache::builder(&budget.consumer("cache")).build()?;
    /// cache.insert(1, 1)?;
    /// let held = budget.reserved();
    /// assert!(held > Bytes::ZERO);
    /// assert_eq!((cache.clear(), cache.clear()), (held, Bytes::ZERO));
    /// assert_eq!(budget.reserved(), Bytes::ZERO);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clear(&self) -> Bytes {
        locked(&self.state).clear()
    }

    /// Bytes that are held, and reserved, now.
    pub fn bytes(&self) -> Bytes {
        locked(&self.state).bytes
    }

    /// What it did so far, and what it holds.
    pub fn statistics(&self) -> CacheStatistics {
        let state = locked(&self.state);
        CacheStatistics {
            hits: state.hits,
            misses: state.misses,
            evictions: state.evictions,
            rejections: state.rejections,
            bytes: state.bytes,
            items: state.entries.len() as u64,
        }
    }
}

/// Gives all that it holds, unless it is at work just then.
impl<K: Eq + Hash + Send, V: Send> Giver for MemoryCache<K, V> {
    fn give_back(&self) -> Bytes {
        match self.state.try_lock() {
            Ok(mut state) => state.clear(),
            Err(_) => Bytes::ZERO,
        }
    }
}

impl<K: Eq + Hash, V> fmt::Debug for MemoryCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCache")
            .field("max_bytes", &self.max_bytes)
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}

/// Describes a [`MemoryCache`].
#[must_use = "a builder does nothing until `build` is called"]
#[derive(Debug)]
pub struct MemoryCacheBuilder<K, V> {
    consumer: Consumer,
    max_bytes: Bytes,
    max_items: usize,
    of: PhantomData<fn(K) -> V>,
}

impl<K: Eq + Hash + HeapSize, V: HeapSize> MemoryCacheBuilder<K, V> {
    /// The most bytes that are held. Without it, the budget's limit.
    pub fn with_max_bytes(self, bytes: Bytes) -> MemoryCacheBuilder<K, V> {
        MemoryCacheBuilder { max_bytes: bytes, ..self }
    }

    /// The most entries that are held. Without it, as many as the bytes allow.
    ///
    /// ```
    /// use monitor::{Budget, MemoryCache};
    ///
    /// let consumer = Budget::unbounded().consumer("cache");
    /// let cache: MemoryCache<u64, u64> = MemoryCache::builder(&consumer).with_max_items(2).build()?;
    /// (0..3).try_for_each(|n| cache.insert(n, n))?;
    /// assert_eq!([0, 1, 2].map(|n| cache.get(&n)), [None, Some(1), Some(2)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_max_items(self, items: usize) -> MemoryCacheBuilder<K, V> {
        MemoryCacheBuilder { max_items: items, ..self }
    }

    /// The cache, empty.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ZeroCache`] if it may hold no bytes or no items.
    pub fn build(self) -> Result<MemoryCache<K, V>, Error> {
        if self.max_bytes == Bytes::ZERO || self.max_items == 0 {
            return Err(ErrorKind::ZeroCache.into());
        }
        let Ok(held) = self.consumer.try_reserve(Bytes::ZERO) else {
            // No bytes are always there: what is reserved is never above the limit.
            unreachable!("a reservation of no bytes was refused")
        };
        Ok(MemoryCache {
            max_bytes: self.max_bytes,
            max_items: self.max_items,
            state: Mutex::new(State {
                entries: LruCache::unbounded(),
                held,
                bytes: Bytes::ZERO,
                hits: 0,
                misses: 0,
                evictions: 0,
                rejections: 0,
            }),
        })
    }
}

/// A value was not stored; it is in here.
pub struct NotCached<V> {
    value: V,
    kind: NotCachedKind,
}

/// Why a value was not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotCachedKind {
    /// The entry alone is larger than the cache may be.
    #[non_exhaustive]
    TooLarge {
        /// What it would count for.
        bytes: Bytes,
        /// What the cache may hold.
        limit: Bytes,
    },
    /// The budget has no room for it, though the cache is empty now.
    Budget(BudgetExceeded),
}

impl<V> NotCached<V> {
    /// Why.
    ///
    /// ```
    /// use monitor::{Budget, Bytes, MemoryCache, NotCachedKind};
    ///
    /// let consumer = Budget::new(Bytes::kib(1)).consumer("cache");
    /// let cache: MemoryCache<u64, Vec<u8>> =
    ///     MemoryCache::builder(&consumer).with_max_bytes(Bytes::kib(4)).build()?;
    /// let kind = |bytes: usize| cache.insert(1, vec![7; bytes]).unwrap_err().kind().clone();
    /// assert!(matches!(kind(5000), NotCachedKind::TooLarge { limit, .. } if limit == Bytes::kib(4)));
    /// // The cache could hold it, the budget cannot.
    /// assert!(matches!(kind(2000), NotCachedKind::Budget(refusal) if refusal.limit() == Bytes::kib(1)));
    /// # Ok::<(), monitor::Error>(())
    /// ```
    pub fn kind(&self) -> &NotCachedKind {
        &self.kind
    }

    /// The value.
    ///
    /// ```
    /// use monitor::{Budget, Bytes, MemoryCache};
    ///
    /// let consumer = Budget::unbounded().consumer("cache");
    /// let cache: MemoryCache<u64, Vec<u8>> =
    ///     MemoryCache::builder(&consumer).with_max_bytes(Bytes::kib(1)).build()?;
    /// let refused = cache.insert(1, vec![7; 2000]).unwrap_err();
    /// assert_eq!(refused.into_value(), [7; 2000]);
    /// # Ok::<(), monitor::Error>(())
    /// ```
    pub fn into_value(self) -> V {
        self.value
    }
}

impl<V> fmt::Debug for NotCached<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotCached").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl<V> fmt::Display for NotCached<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            NotCachedKind::TooLarge { bytes, limit } => write!(
                f,
                "an entry of {bytes} is not cached: the whole cache may hold {limit}; raise its limit, or do without"
            ),
            NotCachedKind::Budget(refusal) => write!(f, "an entry is not cached: {refusal}"),
        }
    }
}

impl<V> std::error::Error for NotCached<V> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            NotCachedKind::Budget(refusal) => Some(refusal),
            NotCachedKind::TooLarge { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
