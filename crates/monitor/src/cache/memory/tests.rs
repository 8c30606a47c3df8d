use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use proptest::prelude::*;

use super::*;
use crate::budget::Budget;
use crate::monitor::Monitor;

/// A value of a size that is known, alive in a tally that the cache knows nothing of.
struct Tracked {
    bytes: u64,
    alive: Arc<AtomicU64>,
}

impl Tracked {
    fn new(bytes: u64, alive: &Arc<AtomicU64>) -> Tracked {
        alive.fetch_add(bytes, Ordering::SeqCst);
        Tracked { bytes, alive: Arc::clone(alive) }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.alive.fetch_sub(self.bytes, Ordering::SeqCst);
    }
}

impl HeapSize for Tracked {
    fn heap_size(&self) -> usize {
        self.bytes as usize
    }
}

type Cache = MemoryCache<u64, Tracked>;

/// What an entry counts for beside its tracked bytes.
fn overhead() -> u64 {
    Cache::bytes_of(&0, &Tracked::new(0, &Arc::default())).get()
}

#[derive(Clone, Debug)]
enum Act {
    Insert {
        key: u64,
        bytes: u64,
    },
    Touch {
        key: u64,
    },
    Remove {
        key: u64,
    },
    Shrink {
        bytes: u64,
    },
    GiveBack,
    /// Somebody else takes that much of the budget, or gives it back.
    Others {
        bytes: u64,
    },
}

fn acts() -> impl Strategy<Value = Act> {
    let key = 0u64..12;
    prop_oneof![
        6 => (key.clone(), 0u64..1500).prop_map(|(key, bytes)| Act::Insert { key, bytes }),
        3 => key.clone().prop_map(|key| Act::Touch { key }),
        1 => key.prop_map(|key| Act::Remove { key }),
        1 => (0u64..4000).prop_map(|bytes| Act::Shrink { bytes }),
        1 => Just(Act::GiveBack),
        1 => (0u64..6000).prop_map(|bytes| Act::Others { bytes }),
    ]
}

proptest! {
    /// The twin is a list, oldest first, and the rules by their words.
    #[test]
    fn is_never_above_its_limits_and_evicts_by_age(
        max_bytes in 1u64..6000,
        max_items in 1usize..9,
        budget_bytes in 0u64..8000,
        acts in proptest::collection::vec(acts(), 0..80),
    ) {
        let budget = Budget::new(Bytes(budget_bytes));
        let consumer = budget.consumer("cache");
        let cache: Cache = MemoryCache::builder(&consumer)
            .with_max_bytes(Bytes(max_bytes))
            .with_max_items(max_items)
            .build()
            .unwrap();
        let others = budget.consumer("others");
        let mut taken = others.try_reserve(Bytes::ZERO).unwrap();
        let alive: Arc<AtomicU64> = Arc::default();
        let mut twin: Vec<(u64, u64)> = Vec::new();
        let overhead = overhead();
        let sum = |twin: &[(u64, u64)]| twin.iter().map(|(_, bytes)| bytes + overhead).sum::<u64>();
        let (mut evictions, mut hits, mut misses, mut rejections) = (0, 0, 0, 0);
        for act in acts {
            match act {
                Act::Insert { key, bytes } => {
                    twin.retain(|(other, _)| *other != key);
                    let cost = bytes + overhead;
                    let room = budget_bytes - taken.bytes().get();
                    let stored = if cost > max_bytes {
                        false
                    } else {
                        while twin.len() >= max_items || sum(&twin) + cost > max_bytes {
                            twin.remove(0);
                            evictions += 1;
                        }
                        while sum(&twin) + cost > room && !twin.is_empty() {
                            twin.remove(0);
                            evictions += 1;
                        }
                        cost <= room
                    };
                    let outcome = cache.insert(key, Tracked::new(bytes, &alive));
                    prop_assert_eq!(outcome.is_ok(), stored);
                    match outcome {
                        Ok(()) => twin.push((key, bytes)),
                        Err(refused) => {
                            rejections += 1;
                            let by_limit = matches!(refused.kind(), NotCachedKind::TooLarge { .. });
                            prop_assert_eq!(by_limit, cost > max_bytes);
                            prop_assert_eq!(refused.into_value().bytes, bytes);
                        }
                    }
                }
                Act::Touch { key } => {
                    let place = twin.iter().position(|(other, _)| *other == key);
                    // Tracked values have no clone; what `get` does to the order is done by its own means.
                    let mut state = locked(&cache.state);
                    let found = state.entries.get(&key).map(|entry| entry.value.bytes);
                    drop(state);
                    prop_assert_eq!(found, place.map(|place| twin[place].1));
                    if let Some(place) = place {
                        let entry = twin.remove(place);
                        twin.push(entry);
                        hits += 1;
                    } else {
                        misses += 1;
                    }
                }
                Act::Remove { key } => {
                    let place = twin.iter().position(|(other, _)| *other == key);
                    prop_assert_eq!(
                        cache.remove(&key).map(|value| value.bytes),
                        place.map(|place| twin.remove(place).1)
                    );
                }
                Act::Shrink { bytes } => {
                    let before = sum(&twin);
                    while sum(&twin) > bytes {
                        twin.remove(0);
                        evictions += 1;
                    }
                    prop_assert_eq!(cache.shrink_to(Bytes(bytes)), Bytes(before - sum(&twin)));
                }
                Act::GiveBack => {
                    prop_assert_eq!(cache.give_back(), Bytes(sum(&twin)));
                    evictions += twin.len() as u64;
                    twin.clear();
                }
                Act::Others { bytes } => {
                    let _ = taken.try_resize(Bytes(bytes));
                }
            }
            let seen = cache.statistics();
            prop_assert!(seen.bytes <= Bytes(max_bytes) && seen.items <= max_items as u64);
            prop_assert_eq!((seen.bytes, seen.items), (Bytes(sum(&twin)), twin.len() as u64));
            prop_assert_eq!((seen.evictions, seen.rejections), (evictions, rejections));
            prop_assert_eq!(budget.reserved(), seen.bytes.saturating_add(taken.bytes()));
            // What is alive is what is held: what was let go is gone.
            prop_assert_eq!(alive.load(Ordering::SeqCst), sum(&twin) - overhead * seen.items);
            let mut ages = locked(&cache.state).entries.iter().map(|(key, _)| *key).collect::<Vec<_>>();
            ages.reverse();
            prop_assert!(ages.iter().eq(twin.iter().map(|(key, _)| key)));
            let line = budget.holders().into_iter().find(|holder| holder.name == "cache").unwrap();
            prop_assert!(line.live == seen.bytes && line.peak <= Bytes(max_bytes));
        }
        let _ = (hits, misses);
        drop(cache);
        prop_assert_eq!((alive.load(Ordering::SeqCst), budget.reserved()), (0, taken.bytes()));
    }
}

/// Eight threads store, take, ask and reclaim, while one looks on. What is alive is the cache's and one value in the hands
/// of each thread.
#[test]
fn eight_threads_never_hold_more() {
    const MAX: Bytes = Bytes(20_000);
    const LARGEST: u64 = 3000;
    const THREADS: u64 = 8;
    let budget = Budget::new(Bytes(28_000));
    let consumer = budget.consumer("cache");
    let cache: Cache = MemoryCache::builder(&consumer).with_max_bytes(MAX).build().unwrap();
    let alive: Arc<AtomicU64> = Arc::default();
    let is_over = AtomicBool::new(false);
    let (looks, stored) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let (cache, alive, is_over, stored) = (&cache, &alive, &is_over, &stored);
        let (budget, looks) = (&budget, &looks);
        scope.spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                assert!(cache.bytes() <= MAX);
                assert!(alive.load(Ordering::SeqCst) <= MAX.get() + THREADS * LARGEST);
                looks.fetch_add(1, Ordering::Relaxed);
            }
        });
        let workers: Vec<_> = (0..THREADS)
            .map(|seed| {
                scope.spawn(move || {
                    let others = budget.consumer("others");
                    let mut taken = others.try_reserve(Bytes::ZERO).unwrap();
                    let mut random = seed + 1;
                    for _ in 0..20_000 {
                        random = random
                            .wrapping_mul(6_364_136_223_846_793_005)
                            .wrapping_add(1_442_695_040_888_963_407);
                        let key = (random >> 33) % 50;
                        match (random >> 60) % 8 {
                            0 => drop(cache.remove(&key)),
                            1 => {
                                let _ = taken.try_resize(Bytes((random >> 40) % 2000));
                            }
                            2 if random >> 50 & 63 == 0 => {
                                cache.give_back();
                            }
                            _ => {
                                let value = Tracked::new((random >> 40) % LARGEST, alive);
                                stored.fetch_add(
                                    u64::from(cache.insert(key, value).is_ok()),
                                    Ordering::Relaxed,
                                );
                            }
                        }
                        assert!(cache.bytes() <= MAX);
                    }
                })
            })
            .collect();
        let outcomes: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        is_over.store(true, Ordering::Relaxed);
        outcomes.into_iter().for_each(|outcome| outcome.unwrap());
    });
    let seen = cache.statistics();
    assert!(stored.into_inner() > 1000 && looks.into_inner() > 0 && seen.evictions > 1000, "{seen:?}");
    // The kernel of the matter: the account's own high-water mark, which no look can miss.
    let line = budget.holders().into_iter().find(|holder| holder.name == "cache").unwrap();
    assert!(line.peak <= MAX && line.peak > Bytes(MAX.get() / 2), "{line:?}");
    drop(cache);
    assert_eq!((alive.load(Ordering::SeqCst), budget.reserved()), (0, Bytes::ZERO));
}

#[test]
fn it_gives_way_when_memory_is_reclaimed() {
    let monitor = Monitor::unbounded();
    let cache: Arc<MemoryCache<u64, Vec<u8>>> =
        Arc::new(MemoryCache::builder(&monitor.budget().consumer("cache")).build().unwrap());
    monitor.register_giver("cache", &cache);
    cache.insert(1, vec![0; 1000]).unwrap();
    let bytes = cache.bytes();
    assert_eq!(monitor.reclaim().by_giver, [("cache".to_owned(), bytes)]);
    assert_eq!((cache.get(&1), monitor.budget().reserved()), (None, Bytes::ZERO));
    cache.insert(1, vec![0; 1000]).unwrap();
    // It does not wait for who is at work.
    let busy = locked(&cache.state);
    assert_eq!(monitor.reclaim().total(), Bytes::ZERO);
    drop(busy);
    drop(cache);
    assert_eq!(monitor.reclaim().by_giver, []);
}

#[test]
fn refusals_say_why() {
    let budget = Budget::new(Bytes(500));
    let consumer = budget.consumer("cache");
    let cache: MemoryCache<u8, Vec<u8>> =
        MemoryCache::builder(&consumer).with_max_bytes(Bytes::kib(4)).build().unwrap();
    let large = cache.insert(1, vec![0; 5000]).unwrap_err();
    let bytes = MemoryCache::<u8, Vec<u8>>::bytes_of(&1, &vec![0; 5000]);
    assert_eq!(
        large.to_string(),
        format!(
            "an entry of {bytes} is not cached: the whole cache may hold 4.0 KiB; raise its limit, or do without"
        )
    );
    let refused = cache.insert(1, vec![0; 1000]).unwrap_err();
    let message = refused.to_string();
    assert!(
        message.starts_with("an entry is not cached: the memory budget of 500 B cannot give"),
        "{message}"
    );
    assert!(std::error::Error::source(&refused).is_some());
    let zero = |bytes, items| {
        let builder =
            MemoryCache::<u8, u8>::builder(&consumer).with_max_bytes(Bytes(bytes)).with_max_items(items);
        builder.build().unwrap_err().to_string()
    };
    let message = "a cache of 0 B or 0 items holds nothing; give it at least one of each";
    assert_eq!((zero(0, 1), zero(1, 0)), (message.to_owned(), message.to_owned()));
}

#[test]
fn a_hit_makes_an_entry_the_last_to_go() {
    let consumer = Budget::unbounded().consumer("cache");
    let cache: MemoryCache<u64, u64> = MemoryCache::builder(&consumer).with_max_items(2).build().unwrap();
    (1..=2).for_each(|key| cache.insert(key, key).unwrap());
    assert_eq!(cache.get(&1), Some(1));
    cache.insert(3, 3).unwrap();
    assert_eq!([1, 2, 3].map(|key| cache.get(&key)), [Some(1), None, Some(3)]);
    let seen = cache.statistics();
    assert_eq!((seen.hits, seen.misses, seen.evictions), (3, 1, 1));
}
