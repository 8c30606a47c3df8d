//! The loader's own fixed size as a policy: it decides once and for all.

use chunked_loader::{FixedRows, Observation, Sizing};

use crate::policy::{Decision, Policy, Reason, State};

impl Policy for FixedRows {
    fn decide(&mut self, seen: &Observation) -> Decision {
        let limit = self.next(seen);
        Decision { limit, state: State::Steady, reason: Reason::Fixed, target: None, amplification: 1.0 }
    }
}
