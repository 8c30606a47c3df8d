//! A condition to wait for, whose notification costs nothing while nobody waits.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, MutexGuard, PoisonError};

/// A condition variable that knows how many wait for it.
///
/// Waking is a call of the system even where nobody sleeps, and ranges come by the thousand.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    changed: Condvar,
    /// Threads that wait. Changed and read only while the lock of what they wait for is held, so that none is missed.
    waiting: AtomicUsize,
    /// Notifications so far, under the same lock.
    notified: AtomicU64,
}

impl Signal {
    /// Waits for a notification, or nothing.
    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // A thread that panicked has called all off; what the others see is whole.
        let guard = self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        guard
    }

    /// How often all that wait were woken. `_guard` is as for [`notify`](Self::notify).
    pub(crate) fn notified<T>(&self, _guard: &MutexGuard<'_, T>) -> u64 {
        self.notified.load(Ordering::Relaxed)
    }

    /// Wakes all that wait. `_guard` shows that the caller holds the lock of what they wait for.
    pub(crate) fn notify<T>(&self, _guard: &MutexGuard<'_, T>) {
        self.notified.fetch_add(1, Ordering::Relaxed);
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.changed.notify_all();
        }
    }
}
