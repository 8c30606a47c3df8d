//! The order among ranges that are scanned at once: who may begin where.
//!
//! Whether a range begins inside quotes is known when all ranges before it are surveyed, one step each. Where quotes
//! are stray, their parity says nothing; the range then begins where the one before it has ended.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::index::Survey;
use crate::signal::Signal;

/// How a range begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// Inside quotes or not, as the surveys before it say.
    Inside(bool),
    /// With the first record at or behind this byte, as the range before it has found.
    At(u64),
}

/// What the threads of a scan agree on. `T` is what a range comes to.
pub(crate) struct Chain<T> {
    state: Mutex<State<T>>,
    /// There is more room for claims, or more is known of how ranges begin.
    ranges_changed: Signal,
    /// The next range to be collected has come to something.
    result_is_there: Signal,
    /// Ranges, in all.
    ranges: usize,
    /// Ranges that may be claimed ahead of the first one that is not collected.
    ahead: usize,
}

struct State<T> {
    claimed: usize,
    collected: usize,
    /// Ranges that have come to something and are not collected.
    ready: usize,
    /// Ranges that are not collected, by number; the one collected last is kept for its end.
    links: BTreeMap<usize, Link<T>>,
    /// No range from this one on is needed: one before it has failed, or all is called off.
    stop_at: usize,
}

struct Link<T> {
    start: Option<Start>,
    survey: Option<Survey>,
    /// First record behind the range's own, once they are gone through. `Some(None)`: no record begins in it.
    end: Option<Option<u64>>,
    result: Option<T>,
}

impl<T> Default for Link<T> {
    fn default() -> Self {
        Link { start: None, survey: None, end: None, result: None }
    }
}

/// The range is not needed any more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stopped;

impl<T> Chain<T> {
    /// A chain of `ranges` ranges, the first of which begins with a record.
    pub(crate) fn new(ranges: usize, ahead: usize) -> Chain<T> {
        let first = Link { start: Some(Start::Inside(false)), ..Link::default() };
        let state = State {
            claimed: 0,
            collected: 0,
            ready: 0,
            links: BTreeMap::from([(0, first)]),
            stop_at: usize::MAX,
        };
        Chain {
            state: Mutex::new(state),
            ranges_changed: Signal::default(),
            result_is_there: Signal::default(),
            ranges,
            ahead,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A thread that panicked calls all off; what the others still see is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits on `signal` until `ready` gives something.
    fn wait<R>(&self, signal: &Signal, ready: impl FnMut(&mut State<T>) -> Option<R>) -> R {
        self.wait_away(signal, || (), ready)
    }

    /// The same; while it waits, what `away` gives is held.
    fn wait_away<R, G>(
        &self,
        signal: &Signal,
        away: impl Fn() -> G,
        mut ready: impl FnMut(&mut State<T>) -> Option<R>,
    ) -> R {
        let mut state = self.lock();
        loop {
            if let Some(result) = ready(&mut state) {
                return result;
            }
            let _away = away();
            state = signal.wait(state);
        }
    }

    /// The next range, in order; `None` if there is none, or none is needed.
    pub(crate) fn claim(&self) -> Option<usize> {
        self.wait(&self.ranges_changed, |state| {
            if state.claimed >= self.ranges.min(state.stop_at) {
                return Some(None);
            }
            (state.claimed < state.collected + self.ahead).then(|| {
                let range = state.claimed;
                state.claimed += 1;
                // There from now on, so that whoever looks back waits for it.
                state.links.entry(range).or_default();
                Some(range)
            })
        })
    }

    /// Tells what a range looks like.
    pub(crate) fn surveyed(&self, range: usize, survey: Survey) {
        let mut state = self.lock();
        state.links.entry(range).or_default().survey = Some(survey);
        state.resolve(range);
        self.ranges_changed.notify(&state);
    }

    /// Waits until it is known how a range begins. While it waits, what `away` gives is held.
    pub(crate) fn start<G>(&self, range: usize, away: impl Fn() -> G) -> Result<Start, Stopped> {
        self.wait_away(&self.ranges_changed, away, |state| {
            if range >= state.stop_at {
                return Some(Err(Stopped));
            }
            let link = state.links.get(&range)?;
            let (start, survey) = (link.start?, link.survey?);
            match start {
                Start::Inside(inside) if survey.is_stray[usize::from(inside)] && range > 0 => {
                    state.end_before(range).map(|end| Ok(Start::At(end)))
                }
                start => Some(Ok(start)),
            }
        })
    }

    /// Tells how the range behind `range` begins, where the survey alone does not say.
    pub(crate) fn follows(&self, range: usize, start: Start) {
        let mut state = self.lock();
        state.set_start(range + 1, start);
        self.ranges_changed.notify(&state);
    }

    /// Tells what a range came to, and where the first record behind its own begins, if any begins in it.
    pub(crate) fn finished(&self, range: usize, end: Option<u64>, has_failed: bool, result: T) {
        let mut state = self.lock();
        if has_failed {
            state.stop_at = state.stop_at.min(range + 1);
        }
        let link = state.links.entry(range).or_default();
        link.end = Some(end);
        link.result = Some(result);
        let is_open = state.links.get(&(range + 1)).is_none_or(|next| next.start.is_none());
        if let (true, Some(end)) = (is_open, end) {
            state.set_start(range + 1, Start::At(end));
        }
        self.ranges_changed.notify(&state);
        state.ready += 1;
        // Waking takes longer than collecting, so that several are collected at once: half of what may be claimed, which
        // comes together before nothing more can be claimed.
        let is_last = state.collected + state.ready >= self.ranges.min(state.stop_at);
        if 2 * state.ready >= self.ahead || is_last || has_failed {
            self.result_is_there.notify(&state);
        }
    }

    /// Calls all off.
    pub(crate) fn stop(&self) {
        let mut state = self.lock();
        state.stop_at = 0;
        self.ranges_changed.notify(&state);
        self.result_is_there.notify(&state);
    }

    /// What the next range came to, in order; `None` behind the last one that is needed.
    pub(crate) fn collect(&self) -> Option<T> {
        let result = self.wait(&self.result_is_there, |state| {
            let range = state.collected;
            if range >= self.ranges.min(state.stop_at) {
                return Some(None);
            }
            let result = state.links.get_mut(&range)?.result.take()?;
            state.collected += 1;
            state.ready -= 1;
            state.forget_before(range);
            Some(Some(result))
        });
        self.ranges_changed.notify(&self.lock());
        result
    }
}

impl<T> State<T> {
    fn set_start(&mut self, range: usize, start: Start) {
        let link = self.links.entry(range).or_default();
        if link.start.is_none() {
            link.start = Some(start);
            self.resolve(range);
        }
    }

    /// Carries the state from `range` on, as far as surveys go.
    fn resolve(&mut self, mut range: usize) {
        while let Some(link) = self.links.get(&range) {
            let (Some(Start::Inside(inside)), Some(survey)) = (link.start, link.survey) else { return };
            if survey.is_stray[usize::from(inside)] {
                return;
            }
            let next = self.links.entry(range + 1).or_default();
            if next.start.is_some() {
                return;
            }
            next.start = Some(Start::Inside(inside ^ survey.flips));
            range += 1;
        }
    }

    /// First record at or behind the start of `range`, once the ranges before it have found it.
    fn end_before(&self, range: usize) -> Option<u64> {
        for (_, link) in self.links.range(..range).rev() {
            if let Some(end) = link.end? {
                return Some(end);
            }
        }
        None
    }

    /// Drops what no later range can ask for: all before the last one in which a record begins.
    fn forget_before(&mut self, range: usize) {
        let last = self.links.range(..=range).rev().find(|(_, link)| matches!(link.end, Some(Some(_))));
        if let Some(last) = last.map(|(range, _)| *range) {
            self.links = self.links.split_off(&last);
        }
    }
}
