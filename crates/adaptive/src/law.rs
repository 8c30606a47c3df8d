//! The law: how many bytes a batch should have, and how fast it gets there. Numbers in, numbers out.
//!
//! With E the effective budget, L what is held of it, d the batches in flight and A the bytes that are held for each byte
//! of a batch, itself included, a batch's target is
//!
//! ```text
//! T = (0.85·E − L) / 1.15 / (d + (A − 1))
//! ```
//!
//! Each batch in flight holds itself, but what comes of a batch, A − 1 times as much, is there for one of them at a time:
//! that which the consumer has.
//!
//! 0.85 leaves room for what nobody reserves, 1.15 for what grows between two counts. The bytes `b` that a batch
//! may take follow the target in logarithms, `ln b ← ln b + α (ln T − ln b)`: down at once, up with
//! `α = d^d / (d+1)^(d+1)`, the largest gain at which a loop with a delay of d batches does not oscillate, and at
//! most doubled.

/// Bytes that each batch in flight, what comes of one of them included, is given of the last 15 % of the budget, as long as
/// twice as many are free: below, rows cost more in hand-overs than in work, and a run that has to live there would crawl.
pub(crate) const LEAST_BATCH_BYTES: u64 = 64 << 10;

/// How much of the gap to a smaller amplification is closed with each batch.
const FALL: f64 = 0.125;

/// What a target is made from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Terms {
    /// E, in bytes.
    pub(crate) budget: u64,
    /// L, in bytes.
    pub(crate) held: u64,
    /// A, at least 1.
    pub(crate) amplification: f64,
    /// d, at least 1.
    pub(crate) in_flight: usize,
}

impl Terms {
    /// `(0.85·E − L) / 1.15`: the bytes that all batches in flight and what comes of one may take together.
    pub(crate) fn room(&self) -> u64 {
        let usable = u128::from(self.budget) * 17 / 20;
        let free = usable.saturating_sub(u128::from(self.held));
        u64::try_from(free * 20 / 23).unwrap_or(u64::MAX)
    }

    /// T, in bytes.
    pub(crate) fn target(&self) -> u64 {
        each_of(self.room(), self.amplification, self.in_flight)
    }

    /// T if nothing came of a batch: below what is any use, memory is all but gone, whatever the consumer does.
    pub(crate) fn bare_target(&self) -> u64 {
        each_of(self.room(), 1.0, self.in_flight)
    }
}

/// The bytes of each of `in_flight` batches for which `room` is enough, with what comes of one.
pub(crate) fn each_of(room: u64, amplification: f64, in_flight: usize) -> u64 {
    let each = (room as f64 / (in_flight as f64 + (amplification - 1.0))) as u64;
    // Rounding to a float must not make more of it.
    each.min(room / in_flight as u64)
}

/// The bytes that all batches in flight and what comes of one get at any rate where `free` bytes are left: half of them,
/// up to [`LEAST_BATCH_BYTES`] for each batch.
pub(crate) fn least_room(free: u64, in_flight: usize) -> u64 {
    (free / 2).min(LEAST_BATCH_BYTES.saturating_mul(in_flight as u64))
}

/// The amplification behind a batch that showed `now`: it rises at once and falls slowly.
pub(crate) fn amplification(before: f64, now: f64) -> f64 {
    if now >= before { now } else { before + FALL * (now - before) }
}

/// One step of the law in logarithms from `before` towards `target`, in bytes.
pub(crate) fn follow(before: u64, target: u64, in_flight: usize) -> u64 {
    // From less than one byte there is no logarithm to grow from.
    let before = before.max(1);
    if target <= before {
        return target;
    }
    let d = in_flight as f64;
    // d^d/(d+1)^(d+1), written so that no power overflows.
    let gain = (d / (d + 1.0)).powf(d) / (d + 1.0);
    let step = (target as f64 / before as f64).powf(gain).min(2.0);
    // At least one byte a step: rounding down must not hold a small batch where it is.
    ((before as f64 * step) as u64).clamp(before + 1, target)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_target_is_the_formula_written_out() {
        // (0.85 · 2300 − 805) / 1.15 = 1000, for two batches and three times one.
        let terms = Terms { budget: 2300, held: 805, amplification: 4.0, in_flight: 2 };
        assert_eq!((terms.room(), terms.target(), terms.bare_target()), (1000, 200, 500));
        assert_eq!(Terms { held: 1955, ..terms }.target(), 0);
    }

    #[test]
    fn the_gain_is_that_of_the_delay() {
        // d = 1: 1/4; a target 16 times as large doubles.
        assert_eq!(follow(1_000, 16_000, 1), 2_000);
        // d = 2: 4/27.
        assert_eq!(follow(1_000, 16_000, 2), (1_000.0 * 16f64.powf(4.0 / 27.0)) as u64);
        assert_eq!(follow(1_000, 1 << 40, 1), 2_000, "at most twice as large");
        assert_eq!(follow(1_000, 7, 1), 7, "down at once");
    }

    #[test]
    fn amplification_rises_at_once_and_falls_slowly() {
        assert_eq!(amplification(1.0, 11.0), 11.0);
        assert_eq!(amplification(11.0, 2.0), 11.0 - 9.0 / 8.0);
    }

    /// A loop in which a batch's memory is seen `d` batches later, as the law assumes it.
    fn run(d: usize, target: f64, first: u64) -> Vec<u64> {
        let mut sizes = vec![first; d];
        for _ in 0..400 {
            let seen = sizes[sizes.len() - d];
            let latest = sizes[sizes.len() - 1];
            // What the delayed size leaves of the target moves the latest one.
            let step = follow(seen, target as u64, d) as f64 / seen as f64;
            sizes.push((latest as f64 * step) as u64);
        }
        sizes
    }

    proptest! {
        #[test]
        fn no_delay_makes_it_oscillate(d in 1usize..9, first in 1_000u64..100_000) {
            let target = 1e8;
            let sizes = run(d, target, first);
            // Never beyond the target by more than rounding, and there in the end.
            prop_assert!(sizes.iter().all(|size| (*size as f64) <= 1.01 * target), "{sizes:?}");
            prop_assert!(*sizes.last().unwrap() as f64 >= 0.95 * target, "{sizes:?}");
        }
    }
}
