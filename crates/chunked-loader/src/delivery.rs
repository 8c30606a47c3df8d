//! Batches made by several threads, handed over in the order of their rows.
//!
//! Between two batches, and before they wait, threads do what others have for them: see [`SideWork`].
//!
//! Each thread claims the next range of rows and makes its batches. Claims are granted in order, memory with them, so
//! that the range at the head of the line always has what it needs; those behind it wait, bounded in number, until
//! it is delivered. What a range holds never depends on who makes it, or when.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use monitor::{Budget, Bytes, Consumer};

use crate::account::Account;
use crate::batch::Batch;
use crate::batch_builder::BatchPlan;
use crate::error::Error;
use crate::side_work::{SideWork, Until};
use crate::signal::Signal;
use crate::sizing::{BatchLimit, FixedRows, Sizing};
use crate::spares::{Room, Spares};

/// Bytes of input that a range has at the least, so that claiming is seldom.
const RANGE_BYTES: f64 = (256 << 10) as f64;

/// Cuts rows into ranges, and decides the size of their batches.
pub(crate) struct Sizes {
    sizing: Box<dyn Sizing>,
    account: Account,
    spares: Arc<Spares>,
    /// What is given out next, and where it ends: rows, or ranges of bytes where nobody has counted rows.
    next_row: u64,
    end_row: u64,
    raw_row_bytes: f64,
    /// Rows that a range of bytes has as a rule, where such are given out.
    rows_of_range: Option<u64>,
}

impl Sizes {
    pub(crate) fn new(
        sizing: Box<dyn Sizing>,
        budget: &Budget,
        spares: &Arc<Spares>,
        in_flight: usize,
        plan: &BatchPlan,
        rows: std::ops::Range<u64>,
    ) -> Sizes {
        Sizes {
            sizing,
            account: Account::new(budget, in_flight, plan.projection.len()),
            spares: Arc::clone(spares),
            next_row: rows.start,
            end_row: rows.end.min(plan.scan.rows).max(rows.start),
            raw_row_bytes: plan.scan.bytes as f64 / plan.scan.rows.max(1) as f64,
            rows_of_range: None,
        }
    }

    /// Gives out `ranges` ranges of bytes instead, of about `rows` rows each: a claim's first row is the number of its
    /// range.
    pub(crate) fn of_ranges(self, ranges: u64, rows: u64) -> Sizes {
        Sizes { next_row: 0, end_row: ranges, rows_of_range: Some(rows), ..self }
    }

    /// Rows of the first batch of what is given out next.
    fn first_rows(&self, limit: BatchLimit) -> u64 {
        (limit.rows as u64).min(self.rows_of_range.unwrap_or_else(|| self.rows_left()))
    }

    /// Rows that are not given out.
    pub(crate) fn rows_left(&self) -> u64 {
        self.end_row - self.next_row
    }

    /// The row that is given out next.
    pub(crate) fn next_row(&self) -> u64 {
        self.next_row
    }

    /// Where the next batch ends.
    pub(crate) fn limit(&mut self, plan: &BatchPlan) -> BatchLimit {
        // What waits to be used again is the next batch's.
        let mut limit = self.sizing.next(&self.account.observe(self.spares.reserved()));
        limit.rows = limit.rows.max(1);
        if limit.may_be_cut {
            limit.rows = limit.rows.min(plan.rows_in(limit.bytes));
        }
        self.evened(limit, plan)
    }

    /// The limit, or a lower one by which what lies before the next checkpoint, or in the next range of bytes, is cut into
    /// batches of one size: a small one behind a large one costs nearly as much, and holds up the threads by turns.
    fn evened(&self, limit: BatchLimit, plan: &BatchPlan) -> BatchLimit {
        let rows = limit.rows as u64;
        let all = match self.rows_of_range {
            // Without most of what is added for a range of short rows.
            Some(rows) => Some(rows / 12 * 11),
            None => plan.scan.checkpoints.row_behind(self.next_row).map(|row| row - self.next_row),
        };
        match all {
            Some(all) if limit.may_be_cut && all > rows => {
                BatchLimit { rows: all.div_ceil(all.div_ceil(rows)) as usize, ..limit }
            }
            _ => limit,
        }
    }

    /// Rows of a range of batches like this one: so many whole batches that a claim is worth its while. Where batches
    /// need not be exact, it ends at a checkpoint if it can: whoever goes on there has nothing to pass over.
    fn range_rows(&self, limit: BatchLimit, plan: &BatchPlan) -> u64 {
        if self.rows_of_range.is_some() {
            return 1;
        }
        let rows = limit.rows as u64;
        let whole = (RANGE_BYTES / (self.raw_row_bytes.max(1.0) * rows as f64)).ceil().max(1.0) as u64;
        let rows = rows.saturating_mul(whole).min(self.rows_left());
        if !limit.may_be_cut || rows == self.rows_left() {
            return rows;
        }
        let end = self.next_row + rows;
        let aligned = plan.scan.checkpoints.last_row_within(self.next_row, end);
        aligned.map_or(rows, |row| row - self.next_row)
    }

    pub(crate) fn finished(&mut self, batch: &Batch) {
        self.account.finished(batch);
    }

    /// Notes that the caller gets a batch.
    pub(crate) fn taken(&mut self, batch: &Batch) {
        self.account.taken(batch.reserved());
    }
}

/// A range of rows, given to one thread.
pub(crate) struct Claim {
    number: u64,
    pub(crate) first_row: u64,
    pub(crate) rows: u64,
    pub(crate) limit: BatchLimit,
    /// Batches of it that may wait.
    most_ready: usize,
}

/// What a claimed range has come to so far.
#[derive(Default)]
struct Line {
    ready: VecDeque<Result<Batch, Error>>,
    is_done: bool,
}

struct State {
    sizes: Sizes,
    /// Ranges that are claimed and not delivered; the first is the head of the line.
    lines: VecDeque<Line>,
    /// Number of the head.
    head: u64,
    /// A limit that was asked for, and whose batch found no room yet.
    refused: Option<BatchLimit>,
    /// The caller has asked for a batch and has none yet: what it was given before, it is done with, or keeps.
    is_awaited: bool,
    /// Whom to wake for the batch that it could not have at once.
    waker: Option<Waker>,
    is_stopped: bool,
}

impl State {
    /// Takes what the caller gets now, if there is something: the next batch in the order of rows, or the end.
    fn take(&mut self) -> Poll<Option<Result<Batch, Error>>> {
        let next = self.take_ready();
        self.is_awaited = next.is_pending();
        next
    }

    fn take_ready(&mut self) -> Poll<Option<Result<Batch, Error>>> {
        while let Some(line) = self.lines.front_mut() {
            if let Some(batch) = line.ready.pop_front() {
                self.is_stopped |= batch.is_err();
                if let Ok(batch) = &batch {
                    self.sizes.taken(batch);
                }
                return Poll::Ready(Some(batch));
            }
            if !line.is_done {
                break;
            }
            self.lines.pop_front();
            self.head += 1;
        }
        let is_end = self.lines.is_empty() && self.sizes.rows_left() == 0;
        if is_end || self.is_stopped { Poll::Ready(None) } else { Poll::Pending }
    }

    /// Whether [`take`](Self::take) would give something.
    fn is_ready(&self) -> bool {
        let first = self.lines.iter().find(|line| !line.ready.is_empty() || !line.is_done);
        self.is_stopped || first.map_or(self.sizes.rows_left() == 0, |line| !line.ready.is_empty())
    }
}

/// The line that batches stand in.
pub(crate) struct Delivery {
    state: Mutex<State>,
    changed: Signal,
    most_lines: usize,
    consumer: Consumer,
    side_work: Option<Arc<dyn SideWork>>,
}

/// Batches that a range may have waiting.
const MOST_READY: usize = 2;

impl Delivery {
    /// A line with room for `most_lines` ranges.
    pub(crate) fn new(sizes: Sizes, most_lines: usize, side_work: Option<Arc<dyn SideWork>>) -> Delivery {
        let consumer = sizes.account.budget.consumer("batch");
        let state = State {
            sizes,
            lines: VecDeque::new(),
            head: 0,
            refused: None,
            is_awaited: false,
            waker: None,
            is_stopped: false,
        };
        Delivery { state: Mutex::new(state), changed: Signal::default(), most_lines, consumer, side_work }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panicked stops the line; what the others see is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change in a thread that makes batches, or does something else that there is to do.
    fn wait<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let Some(work) = &self.side_work else { return self.changed.wait(state) };
        let seen = self.changed.notified(&state);
        drop(state);
        let has_helped = work.help();
        let state = self.lock();
        if has_helped || self.changed.notified(&state) != seen {
            return state;
        }
        let _away = self.away();
        self.changed.wait(state)
    }

    /// To be held by a thread that makes batches while it waits for something.
    pub(crate) fn away(&self) -> Option<Until<'_>> {
        self.side_work.as_deref().map(Until::it_is_back)
    }

    /// To be held by a thread that makes batches.
    pub(crate) fn present(&self) -> Option<Until<'_>> {
        self.side_work.as_deref().map(Until::it_leaves)
    }

    /// Tells whoever waits that something has changed.
    fn notify(&self, mut state: MutexGuard<'_, State>) {
        let waker = if state.is_ready() { state.waker.take() } else { None };
        self.changed.notify(&state);
        // What a waker does is not ours: it may come back for the batch at once.
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The next range, once there is room for it, and what its first batch may take; `None` if there is none, or
    /// nobody wants it.
    pub(crate) fn claim(&self, plan: &BatchPlan) -> Option<(Claim, Room)> {
        let mut state = self.lock();
        let mut may_help = self.side_work.is_some();
        loop {
            if state.is_stopped || state.sizes.rows_left() == 0 {
                return None;
            }
            if state.lines.len() >= self.most_lines {
                state.sizes.account.is_consumer_behind = true;
                state = self.wait(state);
                continue;
            }
            let mut limit = match state.refused.take() {
                Some(limit) => limit,
                None => state.sizes.limit(plan),
            };
            let rows = state.sizes.first_rows(limit);
            let room = match state.sizes.spares.room(&self.consumer, plan.room(rows)) {
                Ok(room) => room,
                // Those before give back what they have when they are delivered.
                Err(_) if !state.lines.is_empty() => {
                    state.refused = Some(limit);
                    state = self.wait(state);
                    continue;
                }
                // At the head of an empty line. What came before may wait to be done with here.
                Err(_) if may_help => {
                    state.refused = Some(limit);
                    drop(state);
                    may_help = self.side_work.as_ref().is_some_and(|work| work.help());
                    state = self.lock();
                    continue;
                }
                // What there is has to do.
                Err(_) => {
                    if limit.may_be_cut {
                        limit.rows = plan.rows_in(state.sizes.account.budget.available()).min(limit.rows);
                    }
                    state.sizes.spares.room(&self.consumer, Bytes::ZERO).ok()?
                }
            };
            let rows = state.sizes.range_rows(limit, plan);
            let first_row = state.sizes.next_row;
            state.sizes.next_row += rows;
            let number = state.head + state.lines.len() as u64;
            state.lines.push_back(Line::default());
            let whole = state.sizes.rows_of_range.unwrap_or(rows).div_ceil(limit.rows as u64) as usize;
            let most_ready = MOST_READY.max(whole);
            return Some((Claim { number, first_row, rows, limit, most_ready }, room));
        }
    }

    /// Hands a batch of a claimed range over; waits while too many of them wait. `false`: nobody wants it any more.
    pub(crate) fn hand_over(&self, claim: &Claim, batch: Result<Batch, Error>) -> bool {
        let mut state = self.lock();
        loop {
            if state.is_stopped {
                return false;
            }
            let place = (claim.number - state.head) as usize;
            if batch.is_err() || state.lines[place].ready.len() < claim.most_ready {
                if let Ok(batch) = &batch {
                    state.sizes.finished(batch);
                }
                state.lines[place].ready.push_back(batch);
                self.notify(state);
                // What came before is on its way out, and what the next batch needs is given back there.
                if let Some(work) = &self.side_work {
                    work.help();
                }
                return true;
            }
            state.sizes.account.is_consumer_behind = true;
            state = self.wait(state);
        }
    }

    /// Ends a claimed range.
    pub(crate) fn done(&self, claim: &Claim) {
        let mut state = self.lock();
        if !state.is_stopped {
            let place = (claim.number - state.head) as usize;
            state.lines[place].is_done = true;
            // Whoever waits to be the head must not have to wait for the caller to look.
            while state.lines.front().is_some_and(|line| line.is_done && line.ready.is_empty()) {
                state.lines.pop_front();
                state.head += 1;
            }
        }
        self.notify(state);
    }

    /// Waits until the range is at the head of the line, everything before it is taken, and the caller asks for more,
    /// which it does when it is done with what it has as a rule; `false`: nobody wants it any more.
    pub(crate) fn wait_for_head(&self, claim: &Claim) -> bool {
        let mut state = self.lock();
        while !state.is_stopped {
            if state.is_awaited && state.head == claim.number && state.lines[0].ready.is_empty() {
                let Some(work) = &self.side_work else { return true };
                drop(state);
                // What came before may wait to be done with here.
                if !work.help() {
                    return true;
                }
                state = self.lock();
                continue;
            }
            state = self.wait(state);
        }
        false
    }

    /// The next batch in the order of rows; `None` behind the last one.
    pub(crate) fn next(&self) -> Option<Result<Batch, Error>> {
        let mut state = self.lock();
        state.sizes.account.asked();
        loop {
            let next = state.take();
            // There is room for one more, and what the caller has let go of since may be what a claim waits for.
            self.changed.notify(&state);
            match next {
                Poll::Ready(next) => return next,
                Poll::Pending => {
                    state.sizes.account.is_consumer_behind = false;
                    state = self.changed.wait(state);
                }
            }
        }
    }

    /// As [`next`](Self::next), but instead of waiting has `waker` woken when there is something.
    #[cfg(feature = "stream")]
    pub(crate) fn poll_next(&self, waker: &Waker) -> Poll<Option<Result<Batch, Error>>> {
        let mut state = self.lock();
        state.sizes.account.asked();
        let next = state.take();
        self.changed.notify(&state);
        if next.is_pending() {
            state.sizes.account.is_consumer_behind = false;
            state.waker = Some(waker.clone());
        }
        next
    }

    /// Takes what decides sizes out of a line that has ended, to go on from `next_row` without it.
    pub(crate) fn take_sizes(&self, next_row: u64) -> Sizes {
        let mut state = self.lock();
        let rest = Sizes {
            sizing: Box::new(FixedRows(1)),
            account: state.sizes.account.clone(),
            spares: Arc::clone(&state.sizes.spares),
            ..state.sizes
        };
        let sizes = std::mem::replace(&mut state.sizes, rest);
        Sizes { next_row, account: sizes.account.alone(), ..sizes }
    }

    /// Ends all: nobody wants batches any more, or a thread panicked.
    pub(crate) fn stop(&self) {
        let mut state = self.lock();
        state.is_stopped = true;
        state.lines.clear();
        self.notify(state);
    }
}
