//! Threads of somebody else that help to encode when they come by.
//!
//! Whoever makes rows has as many threads as there are processors, and so has a sink. All of them at work at a time are
//! twice too many: they take the processors from each other, and the system is slow to move one that waits to a processor
//! that has become idle. So a thread that makes rows does what there is to encode first, and the sink's own sleep until one
//! of those has nothing to do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::lane_threads::Line;

/// A handle to such threads, for [`SinkBuilder::with_helpers`](crate::SinkBuilder::with_helpers) and for the threads
/// themselves.
///
/// ```
/// let helpers = sink::Helpers::default();
/// helpers.arrive();
/// assert!(!helpers.help(), "no sink has anything to do");
/// helpers.leave();
/// ```
#[derive(Clone, Default)]
pub struct Helpers {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Of every sink that encodes in several threads.
    lines: Mutex<Vec<Weak<Line>>>,
    present: AtomicUsize,
}

impl Helpers {
    /// Announces the calling thread: it will [help](Self::help) again and again, until it [leaves](Self::leave).
    pub fn arrive(&self) {
        self.shared.present.fetch_add(1, Ordering::SeqCst);
    }

    /// Encodes what waits for a thread, until nothing does. `false`: nothing did.
    ///
    /// Errors go to the sink, whose next call fails with them.
    pub fn help(&self) -> bool {
        let lines = self.lines().clone();
        let mut has_helped = false;
        for line in lines {
            // One at a time: whoever ends a sink has it to himself as soon as nobody works for it.
            while line.upgrade().is_some_and(|line| line.work_once()) {
                has_helped = true;
            }
        }
        has_helped
    }

    /// Takes the announcement back: the thread is about to wait for something, or ends. What waits to be encoded is left
    /// to the sink's own threads.
    pub fn leave(&self) {
        self.shared.present.fetch_sub(1, Ordering::SeqCst);
        let lines: Vec<_> = self.lines().iter().filter_map(Weak::upgrade).collect();
        // After the number has changed: whoever adds to a line has seen that, or is seen here.
        lines.iter().for_each(|line| line.wake());
    }

    /// How many threads are announced.
    pub(crate) fn present(&self) -> usize {
        self.shared.present.load(Ordering::SeqCst)
    }

    pub(crate) fn put_up(&self, line: &Arc<Line>) {
        let mut lines = self.lines();
        lines.retain(|line| line.strong_count() > 0);
        lines.push(Arc::downgrade(line));
    }

    fn lines(&self) -> MutexGuard<'_, Vec<Weak<Line>>> {
        self.shared.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
