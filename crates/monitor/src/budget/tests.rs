use std::sync::Barrier;
use std::sync::atomic::AtomicU64;
use std::thread;

use proptest::prelude::*;

use super::*;

#[test]
fn a_dropped_guard_gives_back() {
    let budget = Budget::new(Bytes(100));
    let consumer = budget.consumer("batch");
    let held = consumer.try_reserve(Bytes(60)).unwrap();
    assert_eq!((budget.reserved(), budget.available()), (Bytes(60), Bytes(40)));
    assert!(consumer.try_reserve(Bytes(41)).is_err());
    drop(held);
    assert_eq!((budget.reserved(), budget.available()), (Bytes(0), Bytes(100)));
    assert_eq!(budget.peak(), Bytes(60));
    assert!(consumer.try_reserve(Bytes(100)).is_ok());
}

#[test]
fn one_name_is_one_account() {
    let budget = Budget::new(Bytes(100));
    let _a = budget.consumer("pool").try_reserve(Bytes(10)).unwrap();
    let _b = budget.consumer("pool").try_reserve(Bytes(20)).unwrap();
    let _c = budget.consumer("batch").try_reserve(Bytes(30)).unwrap();
    let idle = budget.consumer("idle");
    drop(idle.try_reserve(Bytes(5)).unwrap());
    let holders = budget.holders();
    let figures = holders.iter().map(|h| (h.name.as_str(), h.live.get(), h.reservations, h.peak.get()));
    // Equal sizes stand in order of their names.
    assert!(figures.eq([("batch", 30, 1, 30), ("pool", 30, 2, 30), ("idle", 0, 0, 5)]), "{holders:?}");
    assert!(holders[..2].iter().all(|holder| holder.oldest.is_some()));
    assert_eq!((holders[2].oldest, budget.reservations()), (None, 3));
}

#[test]
fn what_is_split_off_is_as_old() {
    let budget = Budget::unbounded();
    let mut held = budget.consumer("batch").try_reserve(Bytes(10)).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let part = held.split(Bytes(4));
    drop(held);
    assert!(budget.holders()[0].oldest.unwrap() >= Duration::from_millis(30));
    drop(part);
}

#[test]
fn a_failed_growth_leaves_the_guard_as_it_was() {
    let budget = Budget::new(Bytes(100));
    let mut held = budget.consumer("batch").try_reserve(Bytes(60)).unwrap();
    let refusal = held.try_resize(Bytes(101)).unwrap_err();
    assert_eq!((refusal.requested(), refusal.available()), (Bytes(41), Bytes(40)));
    assert_eq!((held.bytes(), budget.reserved()), (Bytes(60), Bytes(60)));
    assert!(held.try_grow(Bytes::MAX).is_err());
    held.try_resize(Bytes(100)).unwrap();
    held.shrink_to(Bytes(200));
    assert_eq!(budget.available(), Bytes(0));
}

#[test]
#[should_panic(expected = "cannot split 11 B from a reservation of 10 B for `batch`")]
fn no_guard_splits_into_more_than_it_has() {
    let budget = Budget::unbounded();
    let _ = budget.consumer("batch").try_reserve(Bytes(10)).unwrap().split(Bytes(11));
}

#[test]
fn even_an_unbounded_budget_does_not_overflow() {
    let budget = Budget::unbounded();
    let consumer = budget.consumer("batch");
    let _held = consumer.try_reserve(Bytes::MAX).unwrap();
    let refusal = consumer.try_reserve(Bytes(1)).unwrap_err();
    assert_eq!(refusal.smallest_limit(), Bytes::MAX);
}

#[test]
fn a_refusal_says_who_holds_what() {
    let budget = Budget::new(Bytes::mib(64));
    let _rows = budget.consumer("row group").try_reserve(Bytes::mib(40)).unwrap();
    let batch = budget.consumer("batch");
    let _batch = batch.try_reserve(Bytes(18 * (1 << 20) + 300_000)).unwrap();
    let _opened_only = budget.consumer("pool");
    let refusal = batch.try_reserve(Bytes::mib(12)).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "the memory budget of 64.0 MiB cannot give 12.0 MiB to `batch`: 58.3 MiB are reserved \
         (row group 40.0 MiB, batch 18.3 MiB); this request would fit a budget of 70.3 MiB"
    );
    assert_eq!(refusal.smallest_limit(), Bytes(70 * (1 << 20) + 300_000));
    assert_eq!(refusal.available(), Bytes(64 * (1 << 20) - 58 * (1 << 20) - 300_000));
    assert_eq!(refusal.consumer(), "batch");
    assert_eq!(refusal.holders().len(), 2);
}

#[test]
fn the_advice_in_a_refusal_is_rounded_up() {
    let budget = Budget::new(Bytes::mib(64));
    let _held = budget.consumer("pool").try_reserve(Bytes::mib(60)).unwrap();
    let refusal = budget.consumer("batch").try_reserve(Bytes(Bytes::mib(10).get() + 1)).unwrap_err();
    let message = refusal.to_string();
    assert!(message.ends_with("; this request would fit a budget of 70.1 MiB"), "{message}");
}

#[test]
fn a_refusal_by_an_empty_budget() {
    let budget = Budget::new(Bytes::kib(1));
    assert_eq!(
        budget.consumer("block").try_reserve(Bytes::mib(1)).unwrap_err().to_string(),
        "the memory budget of 1.0 KiB cannot give 1.0 MiB to `block`: nothing is reserved; \
         this request would fit a budget of 1.0 MiB"
    );
}

/// Each thread also adds what it holds to a tally of the test's own: after it was given bytes, and off
/// before it gives them back. So the tally is never above what the budget let out, whatever the budget
/// says of itself.
#[test]
fn threads_never_hold_more_than_the_limit() {
    const LIMIT: u64 = 1000;
    const THREADS: u64 = 8;
    let budget = Budget::new(Bytes(LIMIT));
    let tally = AtomicU64::new(0);
    let highest = AtomicU64::new(0);
    let refused = AtomicU64::new(0);
    let granted = AtomicU64::new(0);
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for seed in 0..THREADS {
            let (budget, tally, highest) = (&budget, &tally, &highest);
            let (refused, granted, start) = (&refused, &granted, &start);
            scope.spawn(move || {
                let consumer = budget.consumer(if seed % 2 == 0 { "even" } else { "odd" });
                let note = |bytes: u64| {
                    let now = tally.fetch_add(bytes, Ordering::SeqCst) + bytes;
                    highest.fetch_max(now, Ordering::SeqCst);
                };
                let mut held: Vec<Reservation> = Vec::new();
                let mut random = seed + 1;
                start.wait();
                for _ in 0..200_000 {
                    // Knuth's multiplier for 64 bits; the high bits are the good ones.
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    let bytes = (random >> 40) % 200;
                    let outcome = match (random >> 33) % 4 {
                        0 => consumer.try_reserve(Bytes(bytes)).map(|guard| held.push(guard)),
                        1 => match held.last_mut() {
                            Some(guard) => guard.try_grow(Bytes(bytes)),
                            None => continue,
                        },
                        _ => {
                            if let Some(guard) = held.pop() {
                                tally.fetch_sub(guard.bytes().get(), Ordering::SeqCst);
                            }
                            continue;
                        }
                    };
                    match outcome {
                        Ok(()) => {
                            note(bytes);
                            granted.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(refusal) => {
                            assert!(refusal.smallest_limit() > Bytes(LIMIT));
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    assert!(budget.reserved() <= budget.limit());
                }
                for guard in held.drain(..) {
                    tally.fetch_sub(guard.bytes().get(), Ordering::SeqCst);
                }
            });
        }
    });
    let highest = highest.into_inner();
    assert!(highest <= LIMIT, "{highest}");
    assert!(Bytes(highest) <= budget.peak() && budget.peak() <= budget.limit());
    assert_eq!(budget.reserved(), Bytes::ZERO);
    assert!(budget.holders().iter().all(|holder| holder.live == Bytes::ZERO && holder.reservations == 0));
    // Both outcomes were met, or the limit was never tried.
    assert!(refused.into_inner() > 0 && granted.into_inner() > 0);
}

#[derive(Clone, Debug)]
enum Act {
    Reserve { who: usize, bytes: u64 },
    Grow { which: usize, bytes: u64 },
    Resize { which: usize, bytes: u64 },
    Shrink { which: usize, bytes: u64 },
    Split { which: usize, share: u64 },
    Drop { which: usize },
}

fn acts() -> impl Strategy<Value = Act> {
    let bytes = 0u64..120;
    prop_oneof![
        (0usize..3, bytes.clone()).prop_map(|(who, bytes)| Act::Reserve { who, bytes }),
        (any::<usize>(), bytes.clone()).prop_map(|(which, bytes)| Act::Grow { which, bytes }),
        (any::<usize>(), bytes.clone()).prop_map(|(which, bytes)| Act::Resize { which, bytes }),
        (any::<usize>(), bytes).prop_map(|(which, bytes)| Act::Shrink { which, bytes }),
        (any::<usize>(), 0u64..=100).prop_map(|(which, share)| Act::Split { which, share }),
        any::<usize>().prop_map(|which| Act::Drop { which }),
    ]
}

proptest! {
    /// The twin is a list of (consumer, bytes) and the rule that their sum stays at or under the limit.
    #[test]
    fn agrees_with_plain_numbers(limit in 0u64..300, acts in proptest::collection::vec(acts(), 0..60)) {
        const NAMES: [&str; 3] = ["a", "b", "c"];
        let budget = Budget::new(Bytes(limit));
        let mut guards: Vec<Reservation> = Vec::new();
        let mut twin: Vec<(usize, u64)> = Vec::new();
        let (mut peak, mut peaks) = (0, [0; 3]);
        for act in acts {
            let total: u64 = twin.iter().map(|(_, bytes)| bytes).sum();
            let index = match act {
                Act::Reserve { .. } => 0,
                _ if twin.is_empty() => continue,
                Act::Grow { which, .. }
                | Act::Resize { which, .. }
                | Act::Shrink { which, .. }
                | Act::Split { which, .. }
                | Act::Drop { which } => which % twin.len(),
            };
            let (asked, outcome) = match act {
                Act::Reserve { who, bytes } => {
                    let outcome = budget.consumer(NAMES[who]).try_reserve(Bytes(bytes));
                    if total + bytes <= limit {
                        twin.push((who, bytes));
                    }
                    (bytes, outcome.map(|guard| guards.push(guard)))
                }
                Act::Grow { bytes, .. } => {
                    if total + bytes <= limit {
                        twin[index].1 += bytes;
                    }
                    (bytes, guards[index].try_grow(Bytes(bytes)))
                }
                Act::Resize { bytes, .. } => {
                    let more = bytes.saturating_sub(twin[index].1);
                    if total + more <= limit {
                        twin[index].1 = bytes;
                    }
                    (more, guards[index].try_resize(Bytes(bytes)))
                }
                Act::Shrink { bytes, .. } => {
                    twin[index].1 = twin[index].1.min(bytes);
                    guards[index].shrink_to(Bytes(bytes));
                    (0, Ok(()))
                }
                Act::Split { share, .. } => {
                    let part = twin[index].1 * share / 100;
                    twin[index].1 -= part;
                    twin.push((twin[index].0, part));
                    let guard = guards[index].split(Bytes(part));
                    guards.push(guard);
                    (0, Ok(()))
                }
                Act::Drop { .. } => {
                    twin.swap_remove(index);
                    drop(guards.swap_remove(index));
                    (0, Ok(()))
                }
            };
            prop_assert_eq!(outcome.is_ok(), total + asked <= limit);
            if let Err(refusal) = outcome {
                prop_assert_eq!(refusal.smallest_limit(), Bytes(total + asked));
                prop_assert_eq!(refusal.available(), Bytes(limit - total));
                let held: Bytes = refusal.holders().iter().map(|holder| holder.live).sum();
                prop_assert_eq!(held, Bytes(total));
            }

            let total: u64 = twin.iter().map(|(_, bytes)| bytes).sum();
            peak = peak.max(total);
            prop_assert_eq!(budget.reserved(), Bytes(total));
            prop_assert_eq!(budget.peak(), Bytes(peak));
            let held = guards.iter().map(|guard| guard.bytes().get());
            prop_assert!(held.eq(twin.iter().map(|(_, bytes)| *bytes)));
            for (who, name) in NAMES.iter().enumerate() {
                let mine: Vec<u64> =
                    twin.iter().filter(|(owner, _)| *owner == who).map(|(_, bytes)| *bytes).collect();
                let live = mine.iter().sum();
                peaks[who] = peaks[who].max(live);
                if let Some(holder) = budget.holders().into_iter().find(|holder| holder.name == *name) {
                    prop_assert_eq!(holder.live, Bytes(live));
                    prop_assert_eq!(holder.reservations, mine.len() as u64);
                    prop_assert_eq!(holder.peak, Bytes(peaks[who]));
                } else {
                    prop_assert_eq!(live, 0);
                }
            }
        }
    }
}
