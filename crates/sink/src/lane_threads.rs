//! Threads that work in lanes, one lane each at a time, in the order in which lanes have got something to do.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

/// See the module's documentation. Dropping them lets them end what they do, and waits for it.
pub(crate) struct LaneThreads {
    line: Arc<Line>,
    threads: Vec<JoinHandle<()>>,
}

/// Lanes that have something to do, and no thread in them.
#[derive(Default)]
struct Line {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lanes: VecDeque<usize>,
    asleep: usize,
    is_over: bool,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next lane, once there is one; `None` when all is over.
    fn next(&self) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if state.is_over {
                return None;
            }
            if let Some(lane) = state.lanes.pop_front() {
                return Some(lane);
            }
            state.asleep += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.asleep -= 1;
        }
    }
}

impl LaneThreads {
    /// As many threads as the system starts, which do `work` in lanes. `None` if it starts none.
    pub(crate) fn start(number: usize, work: impl Fn(usize) + Send + Sync + 'static) -> Option<Self> {
        let (line, work) = (Arc::<Line>::default(), Arc::new(work));
        let start = |index: usize| {
            let (line, work) = (Arc::clone(&line), Arc::clone(&work));
            let run = move || {
                while let Some(lane) = line.next() {
                    // A panic has told of itself, and the sink learns of it; the other lanes still need a thread, to be
                    // left.
                    let _ = catch_unwind(AssertUnwindSafe(|| work(lane)));
                }
            };
            Builder::new().name(format!("encode-{index}")).spawn(run).ok()
        };
        let threads: Vec<_> = (0..number).map_while(start).collect();
        (!threads.is_empty()).then_some(Self { line, threads })
    }

    /// Puts lanes at the end of the line.
    pub(crate) fn add(&self, lanes: impl IntoIterator<Item = usize>) {
        let mut state = self.line.lock();
        state.lanes.extend(lanes);
        // One that is not asleep looks for itself. To wake one costs more than most of what there is to do.
        let woken = state.asleep.min(state.lanes.len());
        drop(state);
        (0..woken).for_each(|_| self.line.changed.notify_one());
    }
}

impl Drop for LaneThreads {
    fn drop(&mut self) {
        self.line.lock().is_over = true;
        self.line.changed.notify_all();
        for thread in self.threads.drain(..) {
            // It has caught what it could panic at.
            let _ = thread.join();
        }
    }
}
