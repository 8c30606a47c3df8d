//! Threads that work in lanes, one lane each at a time, in the order in which lanes have got something to do.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use monitor::Tag;

use crate::helpers::Helpers;

/// See the module's documentation. Dropping them lets them end what they do, and waits for it.
pub(crate) struct LaneThreads {
    line: Arc<Line>,
    threads: Vec<JoinHandle<()>>,
}

type Work = dyn Fn(usize) + Send + Sync;

/// Lanes that have something to do, and no thread in them.
pub(crate) struct Line {
    state: Mutex<State>,
    changed: Condvar,
    work: Box<Work>,
    helpers: Helpers,
    /// Threads that may be in lanes at a time.
    most: usize,
}

#[derive(Default)]
struct State {
    lanes: VecDeque<usize>,
    /// Threads in lanes, and those of them that are helpers.
    working: usize,
    helping: usize,
    /// Own threads that wait.
    asleep: usize,
    /// Whether own threads are woken even where a helper will come.
    is_urgent: bool,
    is_over: bool,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next lane, if there is one, and may be.
    fn take(&self, state: &mut State) -> Option<usize> {
        if state.working == self.most || state.is_over {
            return None;
        }
        let lane = state.lanes.pop_front()?;
        state.working += 1;
        Some(lane)
    }

    /// How many of the own threads are to be woken.
    fn missing(&self, state: &State) -> usize {
        let wanted = state.lanes.len().min(self.most - state.working);
        // Those in lanes already are no help for others.
        let coming = self.helpers.present().saturating_sub(state.helping);
        let helpers = if state.is_urgent { 0 } else { coming };
        wanted.saturating_sub(helpers).min(state.asleep)
    }

    /// Works in a lane that was taken.
    fn work_in(&self, lane: usize) {
        // A panic has told of itself, and the sink learns of it; the other lanes still need a thread, to be left.
        let _ = catch_unwind(AssertUnwindSafe(|| (self.work)(lane)));
        self.lock().working -= 1;
    }

    /// The work of an own thread.
    fn work(&self) {
        let mut state = self.lock();
        while !state.is_over {
            match self.take(&mut state) {
                Some(lane) => {
                    drop(state);
                    self.work_in(lane);
                    state = self.lock();
                }
                None => {
                    state.asleep += 1;
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                    state.asleep -= 1;
                }
            }
        }
    }

    /// Works in one lane, if one waits for a thread.
    pub(crate) fn work_once(&self) -> bool {
        let mut state = self.lock();
        let Some(lane) = self.take(&mut state) else { return false };
        state.helping += 1;
        drop(state);
        self.work_in(lane);
        self.lock().helping -= 1;
        true
    }

    /// Wakes as many own threads as helpers are missing.
    pub(crate) fn wake(&self) {
        let missing = self.missing(&self.lock());
        (0..missing).for_each(|_| self.changed.notify_one());
    }
}

impl LaneThreads {
    /// As many threads as the system starts, which do `work` in lanes when `helpers` do not. `None` if it starts none.
    pub(crate) fn start(
        number: usize,
        helpers: &Helpers,
        work: impl Fn(usize) + Send + Sync + 'static,
    ) -> Option<Self> {
        let line = Arc::new(Line {
            state: Mutex::default(),
            changed: Condvar::new(),
            work: Box::new(work),
            helpers: helpers.clone(),
            most: number,
        });
        let start = |index: usize| {
            let line = Arc::clone(&line);
            let tag = Tag::current();
            let work = move || {
                let _under = tag.enter();
                line.work();
            };
            Builder::new().name(format!("encode-{index}")).spawn(work).ok()
        };
        let threads: Vec<_> = (0..number).map_while(start).collect();
        if threads.is_empty() {
            return None;
        }
        helpers.put_up(&line);
        Some(Self { line, threads })
    }

    /// Has no helper waited for any more.
    pub(crate) fn hurry(&self) {
        self.line.lock().is_urgent = true;
        self.line.wake();
    }

    /// Puts lanes at the end of the line.
    pub(crate) fn add(&self, lanes: impl IntoIterator<Item = usize>) {
        let mut state = self.line.lock();
        state.lanes.extend(lanes);
        // One that is not asleep looks for itself. To wake one costs more than most of what there is to do.
        let woken = self.line.missing(&state);
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
