//! How much is on the way to a file, for those who wait for it to become less.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use monitor::Reservation;

use crate::error::Error;
use crate::output::Progress;
use crate::parquet_file::given_up;

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Traffic {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    bytes: u64,
    row_groups: usize,
    /// Threads in lanes, those on their way there included.
    busy: usize,
    failure: Option<Error>,
    has_failed: bool,
}

/// Rows that not all lanes have taken yet.
pub(crate) struct OnTheWay {
    bytes: u64,
    traffic: Arc<Traffic>,
    _reservation: Option<Reservation>,
}

impl Drop for OnTheWay {
    fn drop(&mut self) {
        self.traffic.change(|state| state.bytes -= self.bytes);
    }
}

/// A thread that was [expected](Traffic::expect), until it is done.
pub(crate) struct Busy<'a>(&'a Traffic);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.change(|state| {
            state.busy -= 1;
            state.has_failed |= std::thread::panicking();
        });
    }
}

impl Traffic {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until `is_enough` of bytes and row groups on the way.
    ///
    /// # Errors
    ///
    /// The first failure in any lane. Later calls fail without a cause.
    pub(crate) fn wait(
        &self,
        is_enough: impl Fn(u64, usize) -> bool,
        progress: &Progress,
    ) -> Result<(), Error> {
        let mut state = self
            .changed
            .wait_while(self.lock(), |state| !state.has_failed && !is_enough(state.bytes, state.row_groups))
            .unwrap_or_else(PoisonError::into_inner);
        match (state.has_failed, state.failure.take()) {
            (false, _) => Ok(()),
            (true, Some(failure)) => Err(failure),
            (true, None) => Err(progress.encode(given_up())),
        }
    }

    /// Has those who wait look again at what they wait for.
    pub(crate) fn look_again(&self) {
        // Whoever is about to wait has the lock until it does.
        self.change(|_| ());
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.lock().has_failed
    }

    pub(crate) fn fail(&self, error: Error) {
        self.change(|state| {
            state.has_failed = true;
            state.failure.get_or_insert(error);
        });
    }

    /// Notes `bytes` of rows as on the way, until every copy of what is returned is dropped.
    pub(crate) fn enter(self: &Arc<Self>, bytes: u64, reservation: Option<Reservation>) -> Arc<OnTheWay> {
        self.lock().bytes += bytes;
        Arc::new(OnTheWay { bytes, traffic: Arc::clone(self), _reservation: reservation })
    }

    /// Notes a row group that is about to be ended in every lane.
    pub(crate) fn begin_row_group(&self) {
        self.lock().row_groups += 1;
    }

    /// Notes that a row group was written.
    pub(crate) fn end_row_group(&self) {
        self.change(|state| state.row_groups -= 1);
    }

    /// Notes that threads will be in lanes: each is then [busy](Self::busy) once.
    pub(crate) fn expect(&self, threads: usize) {
        self.lock().busy += threads;
    }

    /// To be held by a thread that was expected.
    pub(crate) fn busy(&self) -> Busy<'_> {
        Busy(self)
    }

    /// Lets no more be done, and waits for the threads in lanes.
    pub(crate) fn stop(&self) {
        self.change(|state| state.has_failed = true);
        drop(self.changed.wait_while(self.lock(), |state| state.busy > 0));
    }
}
