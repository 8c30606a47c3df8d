//! Additive increase, multiplicative decrease: what TCP does with its window.

use chunked_loader::{BatchLimit, Observation, Sizing};
use monitor::Bytes;

use crate::auto_size::{MAX_BATCH_BYTES, MAX_BATCH_ROWS};
use crate::policy::{Decision, Policy, Reason, State};

/// Bytes of the first batch, and by which each is larger than the one before.
const STEP: Bytes = Bytes::kib(256);

/// A little more with each batch, half as much when the budget is nearly full.
///
/// It has no idea how large a batch should be, and finds out by coming too near: nearly full is 85 % of the budget,
/// with the batch that is asked for and what the one before showed to come of it. It is here to be compared with.
///
/// ```
/// use adaptive::Aimd;
/// use chunked_loader::{Observation, Sizing};
/// use monitor::Bytes;
///
/// let mut sizing = Aimd::default();
/// let mut bytes = |reserved| {
///     let seen = Observation { budget: Bytes::mib(4), reserved: Bytes::kib(reserved), ..Observation::default() };
///     sizing.next(&seen).bytes
/// };
/// assert_eq!([0, 0, 0, 3200].map(|reserved| bytes(reserved)), [256, 512, 768, 384].map(Bytes::kib));
/// ```
#[derive(Clone, Debug)]
pub struct Aimd {
    bytes: Option<Bytes>,
    most_bytes: Bytes,
    most_rows: usize,
}

impl Aimd {
    /// A sizing that never asks for more than so many bytes and rows.
    pub fn new(most_bytes: Bytes, most_rows: usize) -> Aimd {
        Aimd { bytes: None, most_bytes, most_rows: most_rows.max(1) }
    }
}

impl Default for Aimd {
    fn default() -> Self {
        Aimd::new(MAX_BATCH_BYTES, MAX_BATCH_ROWS)
    }
}

impl Policy for Aimd {
    fn decide(&mut self, seen: &Observation) -> Decision {
        let budget = seen.budget.min(seen.outside.limit.unwrap_or(Bytes::MAX));
        let amplification = match seen.last {
            Some(last) if last.bytes > Bytes::ZERO => last.peak.get() as f64 / last.bytes.get() as f64,
            _ => 1.0,
        };
        let is_full = |bytes: Bytes| {
            let held = seen.reserved.get() as f64 + bytes.get() as f64 * amplification;
            held > 0.85 * budget.get() as f64
        };
        let (state, reason, bytes) = match self.bytes {
            None => (State::Ramp, Reason::First, STEP),
            Some(bytes) if is_full(bytes) => (State::Squeeze, Reason::LessFree, Bytes(bytes.get() / 2)),
            Some(bytes) if bytes >= self.most_bytes => (State::Steady, Reason::AtTarget, bytes),
            Some(bytes) => (State::Ramp, Reason::Room, bytes.saturating_add(STEP)),
        };
        let bytes = bytes.min(self.most_bytes);
        self.bytes = Some(bytes);
        let limit = BatchLimit { rows: self.most_rows, bytes, may_be_cut: true };
        Decision { limit, state, reason, target: None, amplification }
    }
}

impl Sizing for Aimd {
    fn next(&mut self, seen: &Observation) -> BatchLimit {
        self.decide(seen).limit
    }
}
