//! Sizes drawn by lot, for tests.

use chunked_loader::{BatchLimit, Observation, Sizing};
use monitor::Bytes;

use crate::policy::{Decision, Policy, Reason, State};
use crate::split_mix::SplitMix;

/// Bytes of the largest batch that is drawn by its bytes.
const MOST_BYTES: Bytes = Bytes::mib(1);

/// Another size for every batch, drawn from a seed: by turns of the lot exact in rows, or cut at bytes.
///
/// Whatever comes of a run must not depend on it.
///
/// ```
/// use adaptive::RandomSize;
/// use chunked_loader::{Observation, Sizing};
///
/// let rows = |seed| RandomSize::new(seed, 1000).next(&Observation::default());
/// assert_eq!(rows(7), rows(7));
/// assert_ne!(rows(7), rows(8));
/// ```
#[derive(Clone, Debug)]
pub struct RandomSize {
    numbers: SplitMix,
    most_rows: usize,
}

impl RandomSize {
    /// Batches of at most `most_rows` rows. Small ones are as likely as large ones.
    pub fn new(seed: u64, most_rows: usize) -> RandomSize {
        RandomSize { numbers: SplitMix::new(seed), most_rows: most_rows.max(1) }
    }
}

impl Policy for RandomSize {
    fn decide(&mut self, _: &Observation) -> Decision {
        let rows = self.numbers.up_to(self.most_rows as f64) as usize;
        let bytes = self.numbers.up_to(MOST_BYTES.get() as f64) as u64;
        let limit = if self.numbers.bits().is_multiple_of(2) {
            BatchLimit { rows: rows.max(1), bytes: Bytes::MAX, may_be_cut: false }
        } else {
            BatchLimit { rows: self.most_rows, bytes: Bytes(bytes), may_be_cut: true }
        };
        Decision { limit, state: State::Steady, reason: Reason::Drawn, target: None, amplification: 1.0 }
    }
}

impl Sizing for RandomSize {
    fn next(&mut self, seen: &Observation) -> BatchLimit {
        self.decide(seen).limit
    }
}
