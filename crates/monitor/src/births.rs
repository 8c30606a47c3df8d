//! When the guards that are alive were made: which is the oldest, at the price of one atomic operation each.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Places for guards that are alive at the same time.
const PLACES: u32 = u64::BITS;
/// In a place whose guard has not said yet when it was made, or no longer is.
const UNKNOWN: u64 = u64::MAX;

/// How many guards are alive, and when the oldest of them was made.
///
/// A guard takes one of 64 places, whose mark in `taken` also counts it, and leaves its time there. Those that find no
/// place are counted only. Since a place is free again when its guard goes, those that stay on come to have one.
pub(crate) struct Births {
    /// A bit for each place.
    taken: AtomicU64,
    /// Milliseconds of [`now`].
    at: [AtomicU64; PLACES as usize],
    /// Guards without a place.
    beyond: AtomicU64,
}

/// A guard's place, if it has one.
#[derive(Debug)]
pub(crate) struct Place(Option<u8>);

impl Births {
    pub(crate) fn new() -> Births {
        Births {
            taken: AtomicU64::new(0),
            at: [const { AtomicU64::new(UNKNOWN) }; PLACES as usize],
            beyond: AtomicU64::new(0),
        }
    }

    /// A guard was made at `at`.
    pub(crate) fn add(&self, at: u64) -> Place {
        let mut taken = self.taken.load(Ordering::Relaxed);
        loop {
            let place = taken.trailing_ones();
            if place == PLACES {
                self.beyond.fetch_add(1, Ordering::Relaxed);
                return Place(None);
            }
            // Acquire: what the last one who had the place stored there comes before what is stored now.
            match self.taken.compare_exchange_weak(
                taken,
                taken | 1 << place,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    self.at[place as usize].store(at, Ordering::Relaxed);
                    return Place(Some(place as u8));
                }
                Err(seen) => taken = seen,
            }
        }
    }

    /// That guard is gone.
    pub(crate) fn remove(&self, place: &Place) {
        match place.0 {
            None => {
                self.beyond.fetch_sub(1, Ordering::Relaxed);
            }
            Some(place) => {
                self.at[usize::from(place)].store(UNKNOWN, Ordering::Relaxed);
                self.taken.fetch_and(!(1 << place), Ordering::Release);
            }
        }
    }

    /// When the guard at that place was made; now if it has none.
    pub(crate) fn at(&self, place: &Place) -> u64 {
        place.0.map_or_else(now, |place| self.at[usize::from(place)].load(Ordering::Relaxed))
    }

    /// Guards that are alive.
    pub(crate) fn count(&self) -> u64 {
        let placed = self.taken.load(Ordering::Relaxed).count_ones();
        u64::from(placed) + self.beyond.load(Ordering::Relaxed)
    }

    /// How long the oldest guard that has a place is alive; `None` if there is none.
    pub(crate) fn oldest(&self) -> Option<Duration> {
        let oldest = self.at.iter().map(|at| at.load(Ordering::Relaxed)).min().filter(|at| *at != UNKNOWN)?;
        Some(Duration::from_millis(now().saturating_sub(oldest)))
    }
}

/// Milliseconds by a clock that does not go backwards, from its own zero.
///
/// On Linux the kernel's coarse clock: it moves with the timer interrupt, 1 to 10 ms at a time, and costs a fifth of
/// what the fine one costs.
#[cfg(target_os = "linux")]
pub(crate) fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    // Neither is negative since the system's start.
    time.tv_sec as u64 * 1000 + time.tv_nsec as u64 / 1_000_000
}

/// Milliseconds from the first call.
#[cfg(not(target_os = "linux"))]
pub(crate) fn now() -> u64 {
    static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let passed = FIRST.get_or_init(std::time::Instant::now).elapsed();
    u64::try_from(passed.as_millis()).unwrap_or(UNKNOWN - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_of_those_alive() {
        let births = Births::new();
        assert_eq!((births.count(), births.oldest()), (0, None));
        let start = now() - 10_000;
        let age = || births.oldest().unwrap().as_millis() as u64;
        let first = births.add(start);
        let second = births.add(start + 4000);
        assert!((10_000..20_000).contains(&age()));
        births.remove(&first);
        assert!((6000..10_000).contains(&age()));
        // It takes the place that is free.
        let third = births.add(start + 2000);
        assert_eq!(births.at(&third), start + 2000);
        assert!((8000..10_000).contains(&age()));
        births.remove(&third);
        births.remove(&second);
        assert_eq!((births.count(), births.oldest()), (0, None));
    }

    #[test]
    fn those_beyond_the_places_are_counted() {
        let births = Births::new();
        let places: Vec<Place> = (0..100).map(|_| births.add(now())).collect();
        assert_eq!(births.count(), 100);
        places.iter().for_each(|place| births.remove(place));
        assert_eq!((births.count(), births.oldest()), (0, None));
    }

    #[test]
    fn threads_share_the_places() {
        let births = Births::new();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let births = &births;
                scope.spawn(move || {
                    for round in 0..2000 {
                        let held: Vec<Place> = (0..(thread + round) % 20).map(|_| births.add(1)).collect();
                        assert!(births.count() >= held.len() as u64);
                        held.iter().for_each(|place| births.remove(place));
                    }
                });
            }
        });
        assert_eq!((births.count(), births.oldest()), (0, None));
    }

    #[test]
    fn the_clock_goes_on() {
        let before = now();
        std::thread::sleep(Duration::from_millis(30));
        assert!(now() > before);
    }
}
