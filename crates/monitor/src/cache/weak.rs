//! A cache that keeps nothing alive.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, Weak};

use crate::locks::locked;

/// Finds values by their keys for as long as somebody else keeps them.
///
/// When the last owner drops a value, it is dropped, at once; the cache has nothing to say in it. Its entry, a key and a
/// pointer to what is left of the allocation (`size_of::<V>()` and two counts, not what the value held), goes when it is
/// met, or when there are twice as many entries as were alive the last time all were looked at.
///
/// ```
/// use std::sync::Arc;
/// use monitor::WeakCache;
///
/// let schemas: WeakCache<String, Vec<&str>> = WeakCache::new();
/// let orders = schemas.get_or_insert_with("orders".to_owned(), || vec!["id", "amount"]);
/// assert!(Arc::ptr_eq(&schemas.get("orders").unwrap(), &orders));
/// drop(orders);
/// assert_eq!(schemas.get("orders"), None);
/// ```
pub struct WeakCache<K, V> {
    entries: Mutex<Entries<K, V>>,
}

struct Entries<K, V> {
    by_key: HashMap<K, Weak<V>>,
    /// The number of entries at which all are looked at again.
    sweep_at: usize,
}

/// Below so many entries a sweep is not worth it.
const LEAST_SWEEP: usize = 16;

impl<K, V> Entries<K, V> {
    fn sweep(&mut self) {
        self.by_key.retain(|_, value| value.strong_count() > 0);
        self.sweep_at = (2 * self.by_key.len()).max(LEAST_SWEEP);
    }
}

impl<K: Eq + Hash, V> WeakCache<K, V> {
    /// An empty cache.
    pub fn new() -> WeakCache<K, V> {
        WeakCache { entries: Mutex::new(Entries { by_key: HashMap::new(), sweep_at: LEAST_SWEEP }) }
    }

    /// The value of that key, if it is still alive.
    pub fn get<Q>(&self, key: &Q) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let mut entries = locked(&self.entries);
        let value = entries.by_key.get(key)?.upgrade();
        if value.is_none() {
            entries.by_key.remove(key);
        }
        value
    }

    /// Has `key` find `value` from now on.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// let cache = monitor::WeakCache::new();
    /// let value = Arc::new(5);
    /// cache.insert("five", &value);
    /// assert_eq!(cache.get("five").as_deref(), Some(&5));
    /// // The cache is no owner.
    /// assert_eq!(Arc::strong_count(&value), 1);
    /// ```
    pub fn insert(&self, key: K, value: &Arc<V>) {
        let mut entries = locked(&self.entries);
        if entries.by_key.len() >= entries.sweep_at {
            entries.sweep();
        }
        entries.by_key.insert(key, Arc::downgrade(value));
    }

    /// The value of that key, made if it is not alive. While it is made nothing is locked: of two threads that make
    /// one at the same time, both get that of the first to be done.
    pub fn get_or_insert_with(&self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        if let Some(value) = self.get(&key) {
            return value;
        }
        let made = Arc::new(make());
        let mut entries = locked(&self.entries);
        if let Some(theirs) = entries.by_key.get(&key).and_then(Weak::upgrade) {
            // What was made is dropped without the lock.
            drop(entries);
            return theirs;
        }
        if entries.by_key.len() >= entries.sweep_at {
            entries.sweep();
        }
        entries.by_key.insert(key, Arc::downgrade(&made));
        made
    }

    /// Values that are alive. Looks at all, and lets go of the entries of those that are not.
    ///
    /// ```
    /// let cache = monitor::WeakCache::new();
    /// let kept = cache.get_or_insert_with(1, || "one");
    /// drop(cache.get_or_insert_with(2, || "two"));
    /// assert_eq!(cache.len(), 1);
    /// # drop(kept);
    /// ```
    pub fn len(&self) -> usize {
        let mut entries = locked(&self.entries);
        entries.sweep();
        entries.by_key.len()
    }

    /// Whether no value is alive.
    ///
    /// ```
    /// let cache = monitor::WeakCache::new();
    /// let kept = cache.get_or_insert_with(1, || "one");
    /// assert!(!cache.is_empty());
    /// drop(kept);
    /// assert!(cache.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Eq + Hash, V> Default for WeakCache<K, V> {
    fn default() -> WeakCache<K, V> {
        WeakCache::new()
    }
}

impl<K, V> fmt::Debug for WeakCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakCache").field("entries", &locked(&self.entries).by_key.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn entries(cache: &WeakCache<u64, u64>) -> usize {
        locked(&cache.entries).by_key.len()
    }

    #[test]
    fn nothing_is_kept_alive() {
        struct Counted<'a>(&'a AtomicUsize);
        impl Drop for Counted<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let alive = AtomicUsize::new(0);
        let cache = WeakCache::new();
        for key in 0..100 {
            let value = cache.get_or_insert_with(key, || {
                alive.fetch_add(1, Ordering::Relaxed);
                Counted(&alive)
            });
            assert_eq!((alive.load(Ordering::Relaxed), Arc::strong_count(&value)), (1, 1));
            assert!(cache.get(&key).is_some());
            drop(value);
            assert_eq!(alive.load(Ordering::Relaxed), 0);
            assert!(cache.get(&key).is_none());
        }
    }

    #[test]
    fn dead_entries_go() {
        let cache = WeakCache::new();
        let kept: Vec<Arc<u64>> = (0..10).map(|key| cache.get_or_insert_with(key, || key)).collect();
        for key in 10..10_000 {
            cache.insert(key, &Arc::new(key));
            assert!(entries(&cache) <= 2 * LEAST_SWEEP + kept.len());
        }
        assert_eq!((cache.len(), entries(&cache)), (10, 10));
        assert!(kept.iter().all(|value| cache.get(&**value).as_ref() == Some(value)));
        drop(kept);
        assert!(cache.is_empty());
    }

    #[test]
    fn threads_that_make_one_at_the_same_time_share_it() {
        let cache = WeakCache::new();
        let barrier = std::sync::Barrier::new(8);
        let values: Vec<Arc<usize>> = std::thread::scope(|scope| {
            let (cache, barrier) = (&cache, &barrier);
            let make = |thread| {
                cache.get_or_insert_with("one", || {
                    barrier.wait();
                    thread
                })
            };
            let threads: Vec<_> = (0..8).map(|thread| scope.spawn(move || make(thread))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(values.iter().all(|value| Arc::ptr_eq(value, &values[0])));
    }
}
