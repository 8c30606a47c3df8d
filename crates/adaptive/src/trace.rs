//! What was decided, from what, and why.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chunked_loader::Observation;

use crate::policy::Decision;

/// Keeps a bounded trace of decisions. A cheap handle: clones share everything.
///
/// As long as they fit, all are kept; beyond that every second, then every fourth one, and so on. The first decision
/// of a phase and those that change the [state](crate::State) stay, unless they alone are more than three quarters of
/// what is kept; every second of them goes then. The latest is always there.
///
/// ```
/// use adaptive::{AutoSize, Policy, Recorder};
/// use chunked_loader::Observation;
/// use monitor::Bytes;
///
/// let recorder = Recorder::new(100);
/// let mut policy = AutoSize::new();
/// let seen = Observation { budget: Bytes::mib(64), ..Observation::default() };
/// let phase = "load".into();
/// for _ in 0..1000 {
///     let decision = policy.decide(&seen);
///     recorder.record(&phase, &seen, &decision);
/// }
/// let entries = recorder.entries();
/// assert!(entries.len() <= 100 && recorder.decisions() == 1000);
/// assert_eq!(entries.last().map(|entry| entry.number), Some(999));
/// assert_eq!(entries[0].decision.reason.name(), "first");
/// ```
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Mutex<Trace>>);

/// One decision.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// Its number among all decisions of the recorder, from 0.
    pub number: u64,
    /// The phase of the work that it was made in.
    pub phase: Arc<str>,
    /// How long after the recorder was made.
    pub at: Duration,
    /// Whether the phase begins with it, or the state is another than before.
    pub is_change: bool,
    /// What it was made from.
    pub seen: Observation,
    /// What was decided.
    pub decision: Decision,
}

#[derive(Debug)]
struct Trace {
    began: Instant,
    most: usize,
    decisions: u64,
    resizes: u64,
    /// Those whose number it divides are kept.
    stride: u64,
    kept: Vec<Entry>,
    latest: Option<Entry>,
}

impl Recorder {
    /// A recorder that keeps at most `most` decisions, and 8 at the least.
    pub fn new(most: usize) -> Recorder {
        Recorder(Arc::new(Mutex::new(Trace {
            began: Instant::now(),
            most: most.max(8),
            decisions: 0,
            resizes: 0,
            stride: 1,
            kept: Vec::new(),
            latest: None,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Trace> {
        // A thread that panicked leaves whole entries.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a decision of the phase `phase`. Another `Arc` is another phase, though it has the same name, as where a fit
    /// takes several passes.
    pub fn record(&self, phase: &Arc<str>, seen: &Observation, decision: &Decision) {
        let trace = &mut *self.lock();
        let before = trace.latest.as_ref().filter(|before| Arc::ptr_eq(&before.phase, phase));
        trace.resizes += u64::from(before.is_some_and(|before| before.decision.limit != decision.limit));
        let is_change = before.is_none_or(|before| before.decision.state != decision.state);
        let entry = Entry {
            number: trace.decisions,
            phase: Arc::clone(phase),
            at: trace.began.elapsed(),
            is_change,
            seen: *seen,
            decision: *decision,
        };
        trace.decisions += 1;
        if is_change || entry.number.is_multiple_of(trace.stride) {
            trace.kept.push(entry.clone());
            // One place is the latest's.
            if trace.kept.len() >= trace.most {
                trace.thin();
            }
        }
        trace.latest = Some(entry);
    }

    /// How many decisions there were.
    pub fn decisions(&self) -> u64 {
        self.lock().decisions
    }

    /// How often a decision set another limit than the one before in its phase.
    pub fn resizes(&self) -> u64 {
        self.lock().resizes
    }

    /// The decisions that are kept, oldest first.
    pub fn entries(&self) -> Vec<Entry> {
        let trace = self.lock();
        let latest = trace.latest.iter().filter(|latest| {
            // Where it is kept anyway, it is the last one.
            trace.kept.last().is_none_or(|last| last.number != latest.number)
        });
        trace.kept.iter().chain(latest).cloned().collect()
    }

    /// The changes that are kept from decision `number` on, oldest first.
    pub fn changes_from(&self, number: u64) -> Vec<Entry> {
        let trace = self.lock();
        let new = trace.kept.iter().rev().take_while(|entry| entry.number >= number);
        let mut changes: Vec<Entry> = new.filter(|entry| entry.is_change).cloned().collect();
        changes.reverse();
        changes
    }
}

impl Trace {
    fn thin(&mut self) {
        let changes = self.kept.iter().filter(|entry| entry.is_change).count();
        if changes * 4 > self.most * 3 {
            let mut nth = 0;
            self.kept.retain(|entry| {
                nth += u64::from(entry.is_change);
                !entry.is_change || nth % 2 == 1
            });
        }
        while self.kept.len() >= self.most {
            self.stride *= 2;
            let stride = self.stride;
            self.kept.retain(|entry| entry.is_change || entry.number.is_multiple_of(stride));
        }
    }
}

#[cfg(test)]
mod tests {
    use chunked_loader::BatchLimit;
    use monitor::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::policy::{Reason, State};

    fn decision(state: State, rows: usize) -> Decision {
        Decision {
            limit: BatchLimit { rows, bytes: Bytes(1), may_be_cut: true },
            state,
            reason: Reason::Room,
            target: None,
            amplification: 1.0,
        }
    }

    fn record(recorder: &Recorder, phase: &Arc<str>, state: State, rows: usize) {
        recorder.record(phase, &Observation::default(), &decision(state, rows));
    }

    #[test]
    fn sizes_are_compared_within_a_phase() {
        let recorder = Recorder::new(8);
        let [fit, again]: [Arc<str>; 2] = ["fit".into(), "fit".into()];
        for (phase, rows) in [(&fit, 1), (&fit, 1), (&fit, 2), (&again, 3), (&again, 3)] {
            record(&recorder, phase, State::Steady, rows);
        }
        assert_eq!((recorder.resizes(), recorder.decisions()), (1, 5));
        let changes: Vec<u64> = recorder.changes_from(0).iter().map(|entry| entry.number).collect();
        assert_eq!(changes, [0, 3]);
        assert_eq!(recorder.changes_from(1).len(), 1);
    }

    proptest! {
        #[test]
        fn changes_stay_as_long_as_they_fit(
            most in 8usize..64, length in 1usize..2_000, changes in proptest::collection::btree_set(0usize..2_000, 0..6),
        ) {
            let (recorder, load) = (Recorder::new(most), "load".into());
            let mut is_steady = true;
            for number in 0..length {
                is_steady ^= changes.contains(&number);
                record(&recorder, &load, if is_steady { State::Steady } else { State::Squeeze }, number);
            }
            let entries = recorder.entries();
            prop_assert!(entries.len() <= most);
            prop_assert!(entries.windows(2).all(|pair| pair[0].number < pair[1].number));
            prop_assert_eq!(entries.last().unwrap().number, length as u64 - 1);
            let kept: Vec<u64> = entries.iter().filter(|entry| entry.is_change).map(|entry| entry.number).collect();
            let expected = changes.iter().filter(|at| (1..length).contains(*at)).map(|at| *at as u64);
            let expected: Vec<u64> = std::iter::once(0).chain(expected).collect();
            prop_assert_eq!(kept, expected);
            // What lies between is spread over the whole.
            let gaps = entries.windows(2).map(|pair| pair[1].number - pair[0].number);
            prop_assert!(gaps.max().unwrap_or(0) <= (8 * length as u64 / most as u64).max(1));
        }

        #[test]
        fn a_trace_of_nothing_but_changes_is_bounded(length in 1usize..2_000) {
            let (recorder, load) = (Recorder::new(16), "load".into());
            for number in 0..length {
                let state = if number % 2 == 0 { State::Steady } else { State::Squeeze };
                record(&recorder, &load, state, number);
            }
            let entries = recorder.entries();
            prop_assert!(entries.len() <= 16);
            prop_assert_eq!(entries[0].number, 0);
            prop_assert_eq!(entries.last().unwrap().number, length as u64 - 1);
        }
    }
}
