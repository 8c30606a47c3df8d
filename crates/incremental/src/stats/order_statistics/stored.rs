use serde::{Deserialize, Serialize};

use super::{Bracket, LIMITS, Limits, OrderStatistics, WIDTH, leading, mask};
use crate::stats::ordered_float::OrderedFloat;

/// Values that a stored state may claim: more than any input has, and few enough that sums of states
/// do not overflow.
const MOST_VALUES: u64 = 1 << 53;

/// What is written: entries ascending, so that equal states are equal bytes.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    count: u64,
    fixed: u32,
    brackets: Vec<Bracket>,
    resolved: u32,
    entries: Vec<(u64, u64)>,
}

impl From<OrderStatistics> for Stored {
    fn from(state: OrderStatistics) -> Self {
        let entries = state.entries();
        let OrderStatistics { count, fixed, brackets, resolved, .. } = state;
        Self { count, fixed, brackets, resolved, entries }
    }
}

impl TryFrom<Stored> for OrderStatistics {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        stored
            .into_state(LIMITS)
            .ok_or("a state of order statistics contradicts itself; write it again from the input")
    }
}

impl Stored {
    pub(super) fn into_state(self, limits: Limits) -> Option<OrderStatistics> {
        let Self { count, fixed, brackets, resolved, entries } = self;
        // Before masks are made of them.
        if fixed >= WIDTH || resolved > WIDTH {
            return None;
        }
        let first = fixed == 0;
        let bounded = |prefix: u64, bits: u32| prefix <= mask(bits);
        let ascending = brackets.is_sorted_by(|left, right| {
            left.prefix < right.prefix
                && left.size.and_then(|size| left.below.checked_add(size)) <= Some(right.below)
        });
        let within = brackets.iter().all(|bracket| {
            let end = bracket.below.checked_add(bracket.size.unwrap_or(0));
            bounded(bracket.prefix, fixed)
                && bracket.size.is_none() == first
                && end.is_some_and(|end| end <= count)
        });
        // As many as a pass can leave behind.
        let fewest = !brackets.is_empty() && brackets.len() <= limits.distinct.max(2 << limits.dense_bits);
        if count > MOST_VALUES || !fewest || !ascending || !within || first && brackets[0].below != 0 {
            return None;
        }
        let mut state = OrderStatistics::for_brackets(limits, count, fixed, brackets);
        if resolved < state.floor() {
            return None;
        }
        let mut total = 0u64;
        for &(prefix, n) in &entries {
            total = total.checked_add(n).filter(|_| n > 0 && bounded(prefix, resolved))?;
            state.bracket_of(leading(prefix << (WIDTH - resolved), fixed))?;
            if resolved == WIDTH {
                OrderedFloat::from_ordinal(prefix)?;
            }
        }
        if !entries.is_sorted_by(|left, right| left.0 < right.0) || first && total != count {
            return None;
        }
        if resolved < WIDTH {
            state.coarsen_to(resolved, Vec::new());
        }
        state.add_entries(&entries, 0);
        Some(state)
    }
}
