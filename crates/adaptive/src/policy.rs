//! The decision: state and observation in, state and limit out. No clock, no file, no thread.
//!
//! With E the budget, L what is reserved of it, d the batches in flight and A the bytes that are held for each
//! byte of a batch, a batch's target is
//!
//! ```text
//! T = (0.85·E − L) / (1.15·A) / d
//! ```
//!
//! 0.85 leaves room for what nobody reserves, 1.15 for what grows between two counts. The bytes `b` that a batch
//! may take follow the target in logarithms, `ln b ← ln b + α (ln T − ln b)`: down at once, up with
//! `α = d^d / (d+1)^(d+1)`, the largest gain at which a loop with a delay of d batches does not oscillate, and at
//! most doubled.

use chunked_loader::{BatchLimit, Observation};
use monitor::Bytes;

/// Most bytes of a batch's columns, however many there are.
pub const MAX_BATCH_BYTES: Bytes = Bytes::mib(16);

/// Bytes of a batch's columns that gain nothing from being more, as long as each column has its share.
///
/// So many stay near a core from being parsed until they are consumed; three times as many took 7 % longer to load.
const CACHED_BATCH_BYTES: u64 = 3 << 19;

/// Bytes of one column that are worth the array it takes in each batch.
const COLUMN_BYTES: u64 = 4 << 10;

/// Most rows of a batch.
///
/// What a batch costs apart from its rows (a schema, an allocation a column, a hand-over) is some microseconds;
/// spread over 64 Ki rows of even one narrow column it is lost in the time to parse them, so that more rows gain
/// nothing. Fewer rows than this also keep every 16-bit index into a batch valid.
pub const MAX_BATCH_ROWS: usize = 1 << 16;

/// Bytes of the first batch, as long as nothing is known of the rows.
const FIRST_BATCH_BYTES: u64 = 1 << 20;

/// Bytes that a batch is given of the last 15 % of the budget, as long as twice as many are free: below, rows
/// cost more in hand-overs than in work, and a run that has to live there would crawl.
const LEAST_BATCH_BYTES: u64 = 64 << 10;

/// How much of the gap to a smaller amplification is closed with each batch.
const FALL: f64 = 0.125;

/// What is carried from one batch to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct State {
    /// Bytes that each row costs beside the batch.
    pub(crate) row_bytes_downstream: Bytes,
    /// Bytes that the batch before was given; `None` before the first.
    batch_bytes: Option<u64>,
    /// Bytes held for each byte of a batch, at least 1.
    amplification: f64,
}

impl Default for State {
    fn default() -> Self {
        State { row_bytes_downstream: Bytes::ZERO, batch_bytes: None, amplification: 1.0 }
    }
}

/// The limit of the batch that begins now.
pub(crate) fn decide(mut state: State, seen: &Observation) -> (State, BatchLimit) {
    let share = share(seen);
    let row_bytes =
        seen.last.filter(|last| last.rows > 0).map(|l| l.bytes.get().div_ceil(l.rows as u64).max(1));
    let downstream = state.row_bytes_downstream.get();
    if let Some(row_bytes) = row_bytes {
        let now = 1.0 + downstream as f64 / row_bytes as f64;
        state.amplification = if now >= state.amplification {
            now
        } else {
            state.amplification + FALL * (now - state.amplification)
        };
    } else if downstream > 0 {
        // Nothing is known of the rows yet: half for the batch, half for what comes of it.
        state.amplification = state.amplification.max(2.0);
    }
    let target = (share as f64 / state.amplification) as u64;
    let target = target.min(share).min(most_bytes(seen.columns));
    let bytes = match state.batch_bytes {
        None => target.min(FIRST_BATCH_BYTES),
        Some(before) => follow(before, target, seen.in_flight),
    };
    state.batch_bytes = Some(bytes);

    let mut rows = MAX_BATCH_ROWS as u64;
    if let Some(by_downstream) = (share - bytes).checked_div(downstream) {
        rows = rows.min(by_downstream);
    }
    if bytes < row_bytes.unwrap_or(1) {
        rows = 1;
    }
    let limit = BatchLimit { rows: rows.max(1) as usize, bytes: Bytes(bytes), may_be_cut: true };
    (state, limit)
}

/// Most bytes of a batch of so many columns.
fn most_bytes(columns: usize) -> u64 {
    CACHED_BATCH_BYTES.max(COLUMN_BYTES.saturating_mul(columns as u64)).min(MAX_BATCH_BYTES.get())
}

/// The bytes that one batch and what comes of it may take together: `(0.85·E − L) / 1.15 / d`, but at least
/// [`LEAST_BATCH_BYTES`] where twice that is free for each batch in flight.
fn share(seen: &Observation) -> u64 {
    let usable = u128::from(seen.budget.get()) * 17 / 20;
    let free = usable.saturating_sub(u128::from(seen.reserved.get()));
    let in_flight = seen.in_flight.max(1) as u128;
    let share = u64::try_from(free * 20 / 23 / in_flight).unwrap_or(u64::MAX);
    let left = u128::from(seen.budget.saturating_sub(seen.reserved).get());
    let half = u64::try_from(left / 2 / in_flight).unwrap_or(u64::MAX);
    share.max(half.min(LEAST_BATCH_BYTES))
}

/// One step of the log law from `before` towards `target`.
fn follow(before: u64, target: u64, in_flight: usize) -> u64 {
    // From less than one byte there is no logarithm to grow from.
    let before = before.max(1);
    if target <= before {
        return target;
    }
    let d = in_flight.max(1) as f64;
    // d^d/(d+1)^(d+1), written so that no power overflows.
    let gain = (d / (d + 1.0)).powf(d) / (d + 1.0);
    let step = (target as f64 / before as f64).powf(gain).min(2.0);
    // At least one byte a step: rounding down must not hold a small batch where it is.
    ((before as f64 * step) as u64).clamp(before + 1, target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chunked_loader::LastBatch;
    use proptest::prelude::*;

    fn seen(budget: Bytes, reserved: Bytes) -> Observation {
        Observation { budget, reserved, in_flight: 1, columns: 4, last: None }
    }

    fn after(rows: usize, bytes: Bytes, observation: Observation) -> Observation {
        Observation { last: Some(LastBatch { rows, bytes, raw_bytes: bytes.get() }), ..observation }
    }

    #[test]
    fn the_share_is_the_formula_written_out() {
        // (0.85 · 2300 − 805) / 1.15 / 2 = 500.
        let observation = Observation { in_flight: 2, ..seen(Bytes(2300), Bytes(805)) };
        assert_eq!(share(&observation), 500);
    }

    #[test]
    fn the_first_batch_is_small_and_later_ones_grow_to_the_cap() {
        let observation = seen(Bytes::gib(1), Bytes::ZERO);
        let (mut state, first) = decide(State::default(), &observation);
        assert_eq!(first.bytes, Bytes::mib(1));
        let mut before = first.bytes;
        for _ in 0..100 {
            let (next, limit) = decide(state, &after(1000, before, observation));
            assert!(limit.bytes >= before && limit.bytes.get() <= 2 * before.get());
            (state, before) = (next, limit.bytes);
        }
        assert_eq!(before.get(), CACHED_BATCH_BYTES);
    }

    #[test]
    fn many_columns_are_worth_more_bytes_up_to_a_limit() {
        assert_eq!(most_bytes(20), CACHED_BATCH_BYTES);
        assert_eq!(most_bytes(1000), 1000 * COLUMN_BYTES);
        assert_eq!(most_bytes(30_000), MAX_BATCH_BYTES.get());
    }

    #[test]
    fn less_room_is_obeyed_at_once() {
        let (state, _) = decide(State::default(), &seen(Bytes::gib(1), Bytes::ZERO));
        let tight = after(1000, Bytes::mib(1), seen(Bytes::gib(1), Bytes::mib(870)));
        let (_, limit) = decide(state, &tight);
        assert_eq!(limit.bytes.get(), share(&tight));
        assert!(limit.bytes < Bytes::kib(400));
    }

    #[test]
    fn rows_that_are_widened_downstream_are_fewer() {
        let state = State { row_bytes_downstream: Bytes(9_900), ..State::default() };
        let observation = after(100, Bytes(10_000), seen(Bytes::mib(27), Bytes::ZERO));
        let (after_state, limit) = decide(state, &observation);
        assert_eq!(after_state.amplification, 100.0);
        // 20.9 million bytes at 10 000 a row.
        assert!((2_000..2_200).contains(&limit.rows), "{limit:?}");
    }

    #[test]
    fn amplification_rises_at_once_and_falls_slowly() {
        let observation = seen(Bytes::mib(64), Bytes::ZERO);
        let state = State { row_bytes_downstream: Bytes(100), ..State::default() };
        let (state, _) = decide(state, &after(10, Bytes(100), observation));
        assert_eq!(state.amplification, 11.0);
        let (state, _) = decide(state, &after(10, Bytes(1_000), observation));
        assert_eq!(state.amplification, 11.0 - 9.0 / 8.0);
    }

    #[test]
    fn the_gain_is_that_of_the_delay() {
        // d = 1: 1/4; a target 16 times as large doubles.
        assert_eq!(follow(1_000, 16_000, 1), 2_000);
        // d = 2: 4/27.
        assert_eq!(follow(1_000, 16_000, 2), (1_000.0 * 16f64.powf(4.0 / 27.0)) as u64);
    }

    fn observation() -> impl Strategy<Value = Observation> {
        let bytes = || prop_oneof![any::<u64>(), 0u64..1 << 20, 0u64..1 << 34, Just(u64::MAX), Just(0)];
        let last = (prop_oneof![0usize..100_000, any::<usize>()], bytes());
        (bytes(), bytes(), prop_oneof![0usize..5, any::<usize>()], proptest::option::of(last)).prop_map(
            |(budget, reserved, in_flight, last)| Observation {
                budget: Bytes(budget),
                reserved: Bytes(reserved),
                in_flight,
                columns: 1,
                last: last.map(|(rows, bytes)| LastBatch { rows, bytes: Bytes(bytes), raw_bytes: bytes }),
            },
        )
    }

    fn downstream() -> impl Strategy<Value = Bytes> {
        prop_oneof![Just(0), 1u64..100_000, any::<u64>()].prop_map(Bytes)
    }

    /// A state that some observations have led to.
    fn state() -> impl Strategy<Value = State> {
        (proptest::collection::vec(observation(), 0..4), downstream()).prop_map(
            |(history, row_bytes_downstream)| {
                let start = State { row_bytes_downstream, ..State::default() };
                history.iter().fold(start, |state, seen| decide(state, seen).0)
            },
        )
    }

    proptest! {
        #[test]
        fn no_limit_exceeds_what_is_free(state in state(), seen in observation()) {
            let (_, limit) = decide(state, &seen);
            let free = seen.budget.saturating_sub(seen.reserved);
            prop_assert!(limit.may_be_cut);
            prop_assert!(limit.bytes <= free);
            prop_assert!((1..=MAX_BATCH_ROWS).contains(&limit.rows));
            prop_assert!(limit.bytes <= MAX_BATCH_BYTES);
            // One row is always taken; more only where what comes of them fits beside the batch.
            if limit.rows > 1 {
                let downstream = limit.rows as u128 * u128::from(state.row_bytes_downstream.get());
                prop_assert!(u128::from(limit.bytes.get()) + downstream <= u128::from(free.get()));
            }
        }

        #[test]
        fn more_free_memory_never_means_less(state in state(), seen in observation(), less in any::<u64>()) {
            let more_reserved = Bytes(seen.reserved.get().saturating_add(less));
            let (_, roomy) = decide(state, &seen);
            let (_, tight) = decide(state, &Observation { reserved: more_reserved, ..seen });
            prop_assert!(tight.bytes <= roomy.bytes && tight.rows <= roomy.rows, "{tight:?} {roomy:?}");
        }

        #[test]
        fn a_budget_below_one_row_gives_one_row(state in state(), row_bytes in 2u64..1 << 40, rows in 1usize..1000) {
            let observation = after(rows, Bytes(row_bytes * rows as u64), seen(Bytes(row_bytes), Bytes::ZERO));
            prop_assert_eq!(decide(state, &observation).1.rows, 1);
        }
    }
}
