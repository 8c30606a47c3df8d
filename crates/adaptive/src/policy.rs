//! What a policy is: something that says where the next batch ends, and why.

use std::fmt;

use chunked_loader::{BatchLimit, Observation};
use monitor::Bytes;

/// Decides the size of each batch from what was observed, and says why.
///
/// An implementation looks at nothing else: no clock, no file, no system. The same observations in the same order give
/// the same decisions, so that a run can be simulated and a trace be replayed.
pub trait Policy: Send {
    /// Decides on the batch that begins now.
    fn decide(&mut self, seen: &Observation) -> Decision;
}

impl<P: Policy + ?Sized> Policy for Box<P> {
    fn decide(&mut self, seen: &Observation) -> Decision {
        (**self).decide(seen)
    }
}

/// Where a batch ends, and how that came about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// What the loader is told.
    pub limit: BatchLimit,
    /// What the policy is doing.
    pub state: State,
    /// Why the limit is what it is.
    pub reason: Reason,
    /// The bytes that the policy is heading for; `None` if it counts in rows.
    pub target: Option<Bytes>,
    /// Bytes held for each byte of a batch, as the policy reckons; 1 if it does not.
    pub amplification: f64,
}

/// What a policy is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Batches grow.
    #[default]
    Ramp,
    /// Batches are about as large as they should be.
    Steady,
    /// Memory has become less: batches were made smaller, and do not grow before it has been calm for a while.
    Squeeze,
    /// Memory is all but gone: batches are as small as is any use.
    Brake,
}

impl State {
    /// The name that traces and summaries show.
    pub fn name(self) -> &'static str {
        match self {
            State::Ramp => "ramp",
            State::Steady => "steady",
            State::Squeeze => "squeeze",
            State::Brake => "brake",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a batch has the limit that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It is the first, and nothing is known of the rows.
    First,
    /// There is room for more.
    Room,
    /// It is what it should be.
    AtTarget,
    /// Not larger, though there is room: the consumer takes no more than it gets.
    ConsumerBehind,
    /// Not larger, though there is room: work has waited for memory.
    Waits,
    /// Not larger, though there is room: it has not been calm for long enough.
    NotCalmYet,
    /// Smaller: less of the budget is free.
    LessFree,
    /// Smaller: more is held for each byte of a batch.
    Amplified,
    /// Smaller: the container or the host has less to give.
    LimitFell,
    /// Smaller: the process takes more than was reserved.
    Unreserved,
    /// Smaller: work waits for memory for too much of the time.
    Stalled,
    /// One row, since not even one is known to fit.
    OneRow,
    /// The caller has set it.
    Fixed,
    /// It was drawn by lot.
    Drawn,
}

impl Reason {
    /// The name that traces and summaries show.
    pub fn name(self) -> &'static str {
        match self {
            Reason::First => "first",
            Reason::Room => "room",
            Reason::AtTarget => "at_target",
            Reason::ConsumerBehind => "consumer_behind",
            Reason::Waits => "waits",
            Reason::NotCalmYet => "not_calm_yet",
            Reason::LessFree => "less_free",
            Reason::Amplified => "amplified",
            Reason::LimitFell => "limit_fell",
            Reason::Unreserved => "unreserved",
            Reason::Stalled => "stalled",
            Reason::OneRow => "one_row",
            Reason::Fixed => "fixed",
            Reason::Drawn => "drawn",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
