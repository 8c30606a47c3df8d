//! The rule of steps: what programs that read pandas in chunks do.

use chunked_loader::{BatchLimit, Observation, Sizing};
use monitor::Bytes;

use crate::auto_size::MAX_BATCH_ROWS;
use crate::policy::{Decision, Policy, Reason, State};

/// Rows of the first batch.
const FIRST_ROWS: usize = 10_000;
/// Rows of the smallest batch: quarters of quarters would soon be single rows.
const LEAST_ROWS: usize = 1_000;

/// A quarter of the rows below 20 % of memory available, half of them below 40 %, and half as many again above; at least
/// 1000.
///
/// It looks at what is free and not at what a row takes, so that rows that become wider meet it unprepared. It is here
/// to be compared with.
///
/// ```
/// use adaptive::StepRule;
/// use chunked_loader::{Observation, Sizing};
/// use monitor::Bytes;
///
/// let mut sizing = StepRule::new(65_536);
/// let mut rows = |reserved| {
///     sizing.next(&Observation { budget: Bytes(100), reserved: Bytes(reserved), ..Observation::default() }).rows
/// };
/// assert_eq!([rows(0), rows(61), rows(81), rows(0)], [10_000, 5_000, 1_250, 1_875]);
/// ```
#[derive(Clone, Debug)]
pub struct StepRule {
    rows: Option<usize>,
    most_rows: usize,
}

impl StepRule {
    /// A rule that never asks for more than `most_rows` rows.
    pub fn new(most_rows: usize) -> StepRule {
        StepRule { rows: None, most_rows: most_rows.max(1) }
    }
}

impl Default for StepRule {
    fn default() -> Self {
        StepRule::new(MAX_BATCH_ROWS)
    }
}

impl Policy for StepRule {
    fn decide(&mut self, seen: &Observation) -> Decision {
        let budget = u128::from(seen.budget.min(seen.outside.limit.unwrap_or(Bytes::MAX)).get());
        let free = budget.saturating_sub(u128::from(seen.reserved.get()));
        let (state, reason, rows) = match self.rows {
            None => (State::Ramp, Reason::First, FIRST_ROWS),
            Some(rows) if free * 5 < budget => (State::Brake, Reason::LessFree, rows / 4),
            Some(rows) if free * 5 < budget * 2 => (State::Squeeze, Reason::LessFree, rows / 2),
            Some(rows) if rows >= self.most_rows => (State::Steady, Reason::AtTarget, rows),
            Some(rows) => (State::Ramp, Reason::Room, rows + rows / 2),
        };
        let rows = rows.max(LEAST_ROWS).min(self.most_rows);
        self.rows = Some(rows);
        let limit = BatchLimit { rows, bytes: Bytes::MAX, may_be_cut: true };
        Decision { limit, state, reason, target: None, amplification: 1.0 }
    }
}

impl Sizing for StepRule {
    fn next(&mut self, seen: &Observation) -> BatchLimit {
        self.decide(seen).limit
    }
}
