use chunked_loader::{LastBatch, Outside};
use proptest::prelude::*;

use super::*;

fn seen(budget: Bytes, reserved: Bytes) -> Observation {
    Observation {
        budget,
        reserved,
        reserved_peak: reserved,
        in_flight: 1,
        columns: 4,
        ..Observation::default()
    }
}

/// What is seen behind a batch of which nothing came but itself.
fn after(rows: usize, bytes: Bytes, observation: Observation) -> Observation {
    Observation { last: Some(LastBatch { rows, bytes, peak: bytes, raw_bytes: bytes.get() }), ..observation }
}

fn outside(limit: Bytes, resident: Bytes, stalled: f64) -> Outside {
    Outside { resident: Some(resident), limit: Some(limit), stalled }
}

/// A sizing that has come to its largest batches.
fn grown() -> AutoSize {
    let mut sizing = AutoSize::new();
    let roomy = seen(Bytes::gib(1), Bytes::ZERO);
    sizing.decide(&roomy);
    for _ in 0..60 {
        sizing.decide(&after(1000, Bytes::mib(1), roomy));
    }
    assert_eq!(sizing.carried.state, State::Steady);
    sizing
}

fn roomy() -> Observation {
    after(1000, Bytes(CACHED_BATCH_BYTES), seen(Bytes::gib(1), Bytes::ZERO))
}

#[test]
fn the_first_batch_is_small_and_later_ones_grow_to_the_cap() {
    let observation = seen(Bytes::gib(1), Bytes::ZERO);
    let mut sizing = AutoSize::new();
    let first = sizing.decide(&observation);
    assert_eq!((first.limit.bytes, first.state, first.reason), (Bytes::mib(1), State::Ramp, Reason::First));
    let mut before = first.limit.bytes;
    let mut reasons = Vec::new();
    for _ in 0..100 {
        let decision = sizing.decide(&after(1000, before, observation));
        let bytes = decision.limit.bytes;
        assert!(bytes >= before && bytes.get() <= 2 * before.get());
        reasons.push(decision.reason);
        before = bytes;
    }
    assert_eq!(before.get(), CACHED_BATCH_BYTES);
    reasons.dedup();
    assert_eq!(reasons, [Reason::Room, Reason::AtTarget]);
}

#[test]
fn many_columns_are_worth_more_bytes_up_to_a_limit() {
    assert_eq!(most_bytes(20), CACHED_BATCH_BYTES);
    assert_eq!(most_bytes(1000), 1000 * COLUMN_BYTES);
    assert_eq!(most_bytes(30_000), MAX_BATCH_BYTES.get());
}

#[test]
fn less_room_is_obeyed_at_once() {
    let mut sizing = grown();
    // (0.85 · 1024 − 870) / 1.15 is 356 KiB.
    let tight = after(1000, Bytes::mib(1), seen(Bytes::gib(1), Bytes::mib(870)));
    let decision = sizing.decide(&tight);
    assert_eq!((decision.state, decision.reason), (State::Squeeze, Reason::LessFree));
    assert!((Bytes::kib(356)..Bytes::kib(357)).contains(&decision.limit.bytes), "{decision:?}");
}

#[test]
fn what_made_a_batch_smaller_is_named() {
    let near = |seen: Observation| grown().decide(&seen);
    let amplified = Observation {
        reserved: Bytes::mib(860),
        last: Some(LastBatch { rows: 10, bytes: Bytes(100), peak: Bytes(1000), raw_bytes: 100 }),
        ..roomy()
    };
    let decision = near(amplified);
    assert_eq!((decision.amplification, decision.reason), (10.0, Reason::Amplified));
    // 0.85 · 701 MiB is 0.85 MiB more than is reserved.
    let neighbour = outside(Bytes::mib(701), Bytes::mib(700), 0.0);
    let reserved = Observation { reserved: Bytes::mib(595), reserved_peak: Bytes::mib(700), ..roomy() };
    let decision = near(Observation { outside: neighbour, ..reserved });
    assert_eq!((decision.reason, decision.state), (Reason::LimitFell, State::Squeeze));
    // 472 MiB are resident that nobody has reserved, of which 102.4 have their room.
    let leaked = outside(Bytes::gib(1), Bytes::mib(972), 0.0);
    let reserved = Observation { reserved: Bytes::mib(500), reserved_peak: Bytes::mib(500), ..roomy() };
    let decision = near(Observation { outside: leaked, ..reserved });
    assert_eq!((decision.reason, decision.state), (Reason::Unreserved, State::Squeeze));
    let kept = Observation { reserved_peak: Bytes::mib(870), outside: leaked, ..reserved };
    assert_eq!(near(kept).reason, Reason::AtTarget, "what was reserved a moment ago will be used again");
}

#[test]
fn pressure_from_outside_is_obeyed_within_one_batch_and_left_behind() {
    let mut sizing = grown();
    let pressed = Observation {
        reserved: Bytes::mib(40),
        outside: outside(Bytes::mib(48), Bytes::mib(40), 0.0),
        ..roomy()
    };
    let decision = sizing.decide(&pressed);
    // 0.85 · 48 MiB is 0.8 MiB more than is reserved.
    assert!((Bytes::kib(710)..Bytes::kib(715)).contains(&decision.limit.bytes), "{decision:?}");
    let relieved = Observation { outside: outside(Bytes::gib(1), Bytes::mib(40), 0.0), ..pressed };
    let trace: Vec<Decision> = (0..20).map(|_| sizing.decide(&relieved)).collect();
    let calm = CALM_BATCHES as usize - 1;
    assert!(trace[..calm].iter().all(|d| (d.state, d.reason) == (State::Squeeze, Reason::NotCalmYet)));
    assert_eq!((trace[calm].state, trace[calm].reason), (State::Ramp, Reason::Room));
    // Most of the way is done at once; the rest of it within a tenth is there after a dozen.
    assert!(trace[12].limit.bytes.get() as f64 >= 0.9 * CACHED_BATCH_BYTES as f64, "{:?}", trace[12]);
    assert_eq!(trace[19].state, State::Steady);
}

#[test]
fn a_container_that_has_nothing_left_gets_the_least() {
    let mut sizing = grown();
    let full = Observation {
        reserved: Bytes::mib(40),
        outside: outside(Bytes::mib(40), Bytes::mib(40), 0.0),
        ..roomy()
    };
    let decision = sizing.decide(&full);
    assert_eq!((decision.state, decision.limit.bytes.get()), (State::Brake, LEAST_BATCH_BYTES));
    // Hysteresis: what would not have made it brake does not end that.
    let better = |mib: u64| Observation { outside: outside(Bytes(mib << 16), Bytes::mib(40), 0.0), ..full };
    // 0.85 · 47.3125 MiB leaves 189 KiB for a target of 164; 47.1875 MiB leaves 80 for 69.
    assert_eq!(sizing.decide(&better(755)).state, State::Brake);
    assert_eq!(sizing.decide(&better(757)).state, State::Squeeze);
    assert_eq!(sizing.decide(&better(755)).state, State::Squeeze);
    assert_eq!(sizing.decide(&better(753)).state, State::Brake);
}

#[test]
fn waits_for_memory_stop_growth_then_halve_then_brake() {
    let within = |limit: Bytes, share| Observation { outside: outside(limit, Bytes::ZERO, share), ..roomy() };
    let stalled = |share: f64| within(roomy().budget.saturating_sub(Bytes(1)), share);
    let mut sizing = AutoSize::new();
    sizing.decide(&roomy());
    let held = sizing.decide(&stalled(0.002));
    assert_eq!((held.reason, held.limit.bytes), (Reason::Waits, Bytes::mib(1)));
    let halved = sizing.decide(&stalled(0.05));
    assert_eq!((halved.reason, halved.limit.bytes), (Reason::Stalled, Bytes::kib(512)));
    assert_eq!(halved.state, State::Squeeze);
    let least = sizing.decide(&stalled(0.2));
    assert_eq!((least.state, least.limit.bytes.get()), (State::Brake, LEAST_BATCH_BYTES));
    assert_eq!(sizing.decide(&stalled(0.15)).state, State::Brake);
    assert_eq!(sizing.decide(&stalled(0.06)).state, State::Squeeze);
    assert_eq!(sizing.decide(&stalled(f64::NAN)).reason, Reason::NotCalmYet);
    // Where the whole budget is to be had, they are no reason.
    let mut sizing = AutoSize::new();
    sizing.decide(&roomy());
    assert_eq!(sizing.decide(&within(roomy().budget, 0.5)).reason, Reason::Room);
}

#[test]
fn a_consumer_that_is_behind_gets_no_larger_batches_than_it_gains_from() {
    let behind = Observation { is_consumer_behind: true, ..roomy() };
    let mut sizing = AutoSize::new();
    sizing.decide(&behind);
    let held = sizing.decide(&behind);
    assert_eq!((held.reason, held.limit.bytes.get()), (Reason::ConsumerBehind, FIRST_BATCH_BYTES));
    assert_eq!(sizing.decide(&roomy()).reason, Reason::Room);
    // Behind a squeeze it comes back to that size all the same.
    let mut sizing = grown();
    sizing.decide(&Observation { reserved: Bytes::mib(870), reserved_peak: Bytes::mib(870), ..behind });
    let sizes: Vec<u64> = (0..40).map(|_| sizing.decide(&behind).limit.bytes.get()).collect();
    assert!(
        sizes[0] < FIRST_BATCH_BYTES / 2
            && (FIRST_BATCH_BYTES * 99 / 100..=FIRST_BATCH_BYTES).contains(&sizes[39]),
        "{sizes:?}"
    );
}

#[test]
fn what_comes_of_a_batch_takes_no_more_than_a_part_of_the_budget() {
    let observation = |peak| Observation {
        budget: Bytes::mib(64),
        last: Some(LastBatch { rows: 10, bytes: Bytes(1000), peak, raw_bytes: 100 }),
        ..roomy()
    };
    // 2 MiB for three times as much.
    let decision = grown().decide(&observation(Bytes(4000)));
    assert_eq!((decision.limit.bytes.get(), decision.reason), ((2 << 20) / 3, Reason::Amplified));
    let decision = grown().decide(&observation(Bytes(101_000)));
    assert_eq!(decision.limit.bytes.get(), ANY_DOWNSTREAM_BYTES);
}

#[test]
fn rows_that_are_widened_downstream_are_fewer() {
    let mut sizing = AutoSize::new().with_row_bytes_downstream(Bytes(9_900));
    let decision = sizing.decide(&after(100, Bytes(10_000), seen(Bytes::mib(27), Bytes::ZERO)));
    assert_eq!(decision.amplification, 100.0);
    // 20.9 million bytes at 10 000 a row.
    assert!((2_000..2_200).contains(&decision.limit.rows), "{decision:?}");
}

fn observation() -> impl Strategy<Value = Observation> {
    let bytes = || prop_oneof![any::<u64>(), 0u64..1 << 20, 0u64..1 << 34, Just(u64::MAX), Just(0)];
    let last = (prop_oneof![0usize..100_000, any::<usize>()], bytes(), bytes());
    let outside = (proptest::option::of(bytes()), proptest::option::of(bytes()), -0.1f64..1.1);
    let in_flight = prop_oneof![0usize..5, any::<usize>()];
    let columns = prop_oneof![0usize..50, any::<usize>()];
    let budget = (bytes(), bytes(), bytes());
    (budget, in_flight, columns, any::<bool>(), proptest::option::of(last), outside).prop_map(
        |((budget, reserved, reserved_peak), in_flight, columns, is_consumer_behind, last, outside)| {
            Observation {
                budget: Bytes(budget),
                reserved: Bytes(reserved),
                reserved_peak: Bytes(reserved_peak),
                in_flight,
                columns,
                is_consumer_behind,
                last: last.map(|(rows, bytes, peak)| LastBatch {
                    rows,
                    bytes: Bytes(bytes),
                    peak: Bytes(peak),
                    raw_bytes: bytes,
                }),
                outside: Outside {
                    resident: outside.0.map(Bytes),
                    limit: outside.1.map(Bytes),
                    stalled: outside.2,
                },
            }
        },
    )
}

/// A sizing that some observations have brought somewhere.
fn sizing() -> impl Strategy<Value = AutoSize> {
    let downstream = prop_oneof![Just(0), 1u64..100_000, any::<u64>()];
    (proptest::collection::vec(observation(), 0..6), downstream).prop_map(|(history, downstream)| {
        let mut sizing = AutoSize::new().with_row_bytes_downstream(Bytes(downstream));
        history.iter().for_each(|seen| {
            sizing.decide(seen);
        });
        sizing
    })
}

proptest! {
    #[test]
    fn no_limit_exceeds_what_is_free(mut sizing in sizing(), seen in observation()) {
        let before = sizing.carried;
        let limit = sizing.decide(&seen).limit;
        let free = seen.budget.saturating_sub(seen.reserved);
        prop_assert!(limit.may_be_cut);
        prop_assert!(limit.bytes <= free);
        prop_assert!((1..=MAX_BATCH_ROWS).contains(&limit.rows));
        prop_assert!(limit.bytes <= MAX_BATCH_BYTES);
        prop_assert!(before.bytes.is_none_or(|bytes| limit.bytes.get() <= 2 * bytes.max(1)));
        // One row is always taken; more only where what comes of them fits beside the batch.
        if limit.rows > 1 {
            let downstream = limit.rows as u128 * u128::from(sizing.settings.row_bytes_downstream.get());
            prop_assert!(u128::from(limit.bytes.get()) + downstream <= u128::from(free.get()));
        }
    }

    #[test]
    fn more_free_memory_never_means_less(sizing in sizing(), seen in observation(), less in any::<u64>()) {
        let more_reserved = Bytes(seen.reserved.get().saturating_add(less));
        let roomy = sizing.clone().decide(&seen).limit;
        let tight = sizing.clone().decide(&Observation { reserved: more_reserved, ..seen }).limit;
        prop_assert!(tight.bytes <= roomy.bytes && tight.rows <= roomy.rows, "{tight:?} {roomy:?}");
    }

    #[test]
    fn more_pressure_never_means_more(
        sizing in sizing(), seen in observation(), limit in any::<u64>(), resident in any::<u64>(), more in 0f64..1.0,
    ) {
        let calm = sizing.clone().decide(&seen).limit;
        let outside = Outside {
            limit: Some(seen.outside.limit.unwrap_or(Bytes::MAX).min(Bytes(limit))),
            resident: Some(seen.outside.resident.unwrap_or(Bytes::ZERO).max(Bytes(resident))),
            stalled: seen.outside.stalled + more,
        };
        let pressed = sizing.clone().decide(&Observation { outside, ..seen }).limit;
        prop_assert!(pressed.bytes <= calm.bytes && pressed.rows <= calm.rows, "{pressed:?} {calm:?}");
    }

    #[test]
    fn a_budget_below_one_row_gives_one_row(
        mut sizing in sizing(), row_bytes in 2u64..1 << 40, rows in 1usize..1000,
    ) {
        let observation = after(rows, Bytes(row_bytes * rows as u64), seen(Bytes(row_bytes), Bytes::ZERO));
        let decision = sizing.decide(&observation);
        prop_assert_eq!((decision.limit.rows, decision.reason), (1, Reason::OneRow));
    }

    #[test]
    fn whatever_it_went_through_it_comes_back(mut sizing in sizing()) {
        sizing.settings.row_bytes_downstream = Bytes::ZERO;
        let roomy = after(1000, Bytes::mib(1), seen(Bytes::mib(512), Bytes::mib(64)));
        let last = (0..600).map(|_| sizing.decide(&roomy)).last().unwrap();
        prop_assert_eq!(last.limit.bytes.get(), CACHED_BATCH_BYTES);
        prop_assert_eq!((last.state, last.reason), (State::Steady, Reason::AtTarget));
    }
}
