//! Giving memory back: one call asks everybody who can, and says who gave what.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod trim;

use std::fmt;
use std::sync::{Arc, Mutex, Weak};

use crate::bytes::Bytes;
use crate::locks::locked;
use crate::monitor::Monitor;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub use trim::AllocatorTrim;

/// Somebody who can give memory back: a pool, a cache, an allocator.
///
/// [`Giver::give_back`] is called from whatever thread asks, at any time, also while the giver is at work on another
/// one. It must not wait: what is locked just then is not given. It may register others, and drop whatever it likes, but
/// must not ask for a reclaim itself.
///
/// What it returns is how many bytes it has let go, by its own count: of reservations, for those who hold some. What it
/// lets go that others still use counts as far as it was charged here. It is no promise that the process has become
/// smaller; for that, the allocator has to give pages back, which is why those of [`Stage::Allocator`] are asked last.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use monitor::{Bytes, Giver, Monitor, Stage};
///
/// struct Pool(Mutex<Vec<Vec<u8>>>);
///
/// impl Giver for Pool {
///     fn give_back(&self) -> Bytes {
///         let Ok(mut spare) = self.0.try_lock() else { return Bytes::ZERO };
///         spare.drain(..).map(|buffer| Bytes::from(buffer.capacity())).sum()
///     }
/// }
///
/// let monitor = Monitor::unbounded();
/// let pool = Arc::new(Pool(Mutex::new(vec![Vec::with_capacity(4096)])));
/// monitor.register_giver("pool", &pool);
/// assert_eq!(pool.stage(), Stage::Holder);
/// assert_eq!(monitor.reclaim().total(), Bytes::kib(4));
/// assert_eq!(monitor.reclaim().total(), Bytes::ZERO);
/// ```
pub trait Giver: Send + Sync {
    /// Gives back what it can do without, at once, and says how many bytes that were.
    fn give_back(&self) -> Bytes;

    /// When it is asked.
    fn stage(&self) -> Stage {
        Stage::Holder
    }
}

/// When a giver is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// Those who hold memory, first.
    Holder,
    /// Those who manage what the others have let go, then.
    Allocator,
}

/// What a [`Monitor::reclaim`] came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reclaimed {
    /// Each giver's name, and bytes that it gave, in the order in which they were asked.
    pub by_giver: Vec<(String, Bytes)>,
}

impl Reclaimed {
    /// Asks them, one after the other.
    fn of(asked: Vec<(String, Arc<dyn Giver>)>) -> Reclaimed {
        Reclaimed { by_giver: asked.into_iter().map(|(name, giver)| (name, giver.give_back())).collect() }
    }

    /// Bytes of all givers together. What a pool let go and the allocator gave to the system counts for both.
    ///
    /// ```
    /// assert_eq!(monitor::Monitor::unbounded().reclaim().total(), monitor::Bytes::ZERO);
    /// ```
    pub fn total(&self) -> Bytes {
        self.by_giver.iter().map(|(_, bytes)| *bytes).sum()
    }
}

impl fmt::Display for Reclaimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} given back", self.total())?;
        for (i, (name, bytes)) in self.by_giver.iter().enumerate() {
            write!(f, "{}{name} {bytes}", if i == 0 { " (" } else { ", " })?;
        }
        f.write_str(if self.by_giver.is_empty() { "" } else { ")" })
    }
}

/// Who is asked. Those who are gone are left out.
#[derive(Default)]
pub(crate) struct Givers(Mutex<Vec<(String, Weak<dyn Giver>)>>);

impl Givers {
    /// Those who are alive, in the order in which they are asked.
    fn alive(&self) -> Vec<(String, Arc<dyn Giver>)> {
        let mut givers = locked(&self.0);
        let mut alive = Vec::with_capacity(givers.len());
        givers.retain(|(name, giver)| match giver.upgrade() {
            Some(giver) => {
                alive.push((name.clone(), giver));
                true
            }
            None => false,
        });
        alive.sort_by_key(|(_, giver)| giver.stage());
        alive
    }
}

impl Monitor {
    /// Has `giver` asked by [`Monitor::reclaim`] for as long as somebody else keeps it: dropping it is enough to take
    /// it out. Several may have one name.
    pub fn register_giver<G: Giver + 'static>(&self, name: impl Into<String>, giver: &Arc<G>) {
        let giver: Weak<dyn Giver> = Arc::downgrade(giver) as Weak<dyn Giver>;
        let mut givers = locked(&self.givers().0);
        givers.retain(|(_, giver)| giver.strong_count() > 0);
        givers.push((name.into(), giver));
    }

    /// Asks all who can to give memory back: those who hold some in the order of their registration, then allocators.
    ///
    /// Takes as long as they take; the trim of an allocator takes milliseconds. If a giver's last other owner goes
    /// meanwhile, it is dropped here, on this thread.
    pub fn reclaim(&self) -> Reclaimed {
        Reclaimed::of(self.givers().alive())
    }

    /// Asks those of one stage only.
    ///
    /// [`Stage::Allocator`] takes nothing from anybody: it is for a process that is larger than what it holds explains.
    /// What holders have to spare, they make again at a price, so they are better left alone until memory is short.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use monitor::{Bytes, MemoryCache, Monitor, Stage};
    ///
    /// let monitor = Monitor::unbounded();
    /// let consumer = monitor.budget().consumer("pages");
    /// let cache: Arc<MemoryCache<u32, Vec<u8>>> = Arc::new(MemoryCache::builder(&consumer).build()?);
    /// monitor.register_giver("pages", &cache);
    /// cache.insert(1, vec![0; 1000])?;
    /// assert_eq!(monitor.reclaim_from(Stage::Allocator).total(), Bytes::ZERO);
    /// assert!(monitor.reclaim_from(Stage::Holder).total() > Bytes(1000));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reclaim_from(&self, stage: Stage) -> Reclaimed {
        let mut asked = self.givers().alive();
        asked.retain(|(_, giver)| giver.stage() == stage);
        Reclaimed::of(asked)
    }

    /// Calls `f`, and asks for a [reclaim](Monitor::reclaim) if the process is larger by more than `growth` after it
    /// than it was before: resident, or reserved from the budget, whichever grew more.
    ///
    /// Gives what `f` gave, and what was reclaimed; `None` if it did not come to that. Where the resident size cannot
    /// be read, what is reserved decides alone. If `f` panics, nothing is reclaimed.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use monitor::{Budget, Bytes, Giver, Monitor, Reading, Reservation, Scripted};
    ///
    /// #[derive(Default)]
    /// struct Kept(Mutex<Vec<Reservation>>);
    /// impl Giver for Kept {
    ///     fn give_back(&self) -> Bytes {
    ///         self.0.lock().unwrap().drain(..).map(|kept| kept.bytes()).sum()
    ///     }
    /// }
    ///
    /// let monitor = Monitor::builder().with_probe(Scripted::new([Reading::default()])).build()?;
    /// let kept = Arc::new(Kept::default());
    /// monitor.register_giver("kept", &kept);
    /// let work = || kept.0.lock().unwrap().push(monitor.budget().consumer("kept").try_reserve(Bytes(100)).unwrap());
    /// # let monitor = Monitor::unbounded();
    /// # monitor.register_giver("kept", &kept);
    /// # let work = || kept.0.lock().unwrap().push(monitor.budget().consumer("kept").try_reserve(Bytes(100)).unwrap());
    ///
    /// let ((), reclaimed) = monitor.reclaiming_above(Bytes::gib(1), work);
    /// assert_eq!(reclaimed, None);
    /// let ((), reclaimed) = monitor.reclaiming_above(Bytes(99), work);
    /// assert_eq!(reclaimed.unwrap().total(), Bytes(200));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reclaiming_above<T>(&self, growth: Bytes, f: impl FnOnce() -> T) -> (T, Option<Reclaimed>) {
        let sizes = || (self.probe().rss().ok(), self.budget().reserved());
        let (rss_before, reserved_before) = sizes();
        let value = f();
        let (rss, reserved) = sizes();
        let rss_growth = rss.zip(rss_before).map_or(Bytes::ZERO, |(now, before)| now.saturating_sub(before));
        let grew = rss_growth.max(reserved.saturating_sub(reserved_before));
        let reclaimed = (grew > growth).then(|| self.reclaim());
        (value, reclaimed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{Reading, Scripted};

    struct Gives(Bytes, Stage);

    impl Giver for Gives {
        fn give_back(&self) -> Bytes {
            self.0
        }
        fn stage(&self) -> Stage {
            self.1
        }
    }

    #[test]
    fn allocators_are_asked_last_and_the_dropped_not_at_all() {
        let monitor = Monitor::unbounded();
        let giver = |bytes, stage| Arc::new(Gives(Bytes(bytes), stage));
        let (trim, pool) = (giver(1, Stage::Allocator), giver(2, Stage::Holder));
        let (cache, gone) = (giver(4, Stage::Holder), giver(8, Stage::Holder));
        for (name, giver) in [("trim", &trim), ("pool", &pool), ("gone", &gone), ("cache", &cache)] {
            monitor.register_giver(name, giver);
        }
        drop(gone);
        let reclaimed = monitor.reclaim();
        let names: Vec<&str> = reclaimed.by_giver.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["pool", "cache", "trim"]);
        assert_eq!(reclaimed.total(), Bytes(7));
        assert_eq!(reclaimed.to_string(), "7 B given back (pool 2 B, cache 4 B, trim 1 B)");
        let of = |stage| monitor.reclaim_from(stage).total();
        assert_eq!((of(Stage::Holder), of(Stage::Allocator)), (Bytes(6), Bytes(1)));
        drop((trim, pool, cache));
        assert_eq!(monitor.reclaim().to_string(), "0 B given back");
        assert_eq!(locked(&monitor.givers().0).len(), 0);
    }

    #[test]
    fn a_giver_may_register_another() {
        struct Registers(Monitor, Arc<Gives>);
        impl Giver for Registers {
            fn give_back(&self) -> Bytes {
                self.0.register_giver("late", &self.1);
                Bytes(1)
            }
        }
        let monitor = Monitor::unbounded();
        let late = Arc::new(Gives(Bytes(2), Stage::Holder));
        let first = Arc::new(Registers(monitor.clone(), Arc::clone(&late)));
        monitor.register_giver("first", &first);
        assert_eq!(monitor.reclaim().total(), Bytes(1));
        assert_eq!(monitor.reclaim().total(), Bytes(3));
    }

    #[test]
    fn growth_of_either_kind_calls_for_a_reclaim() {
        let at = |rss| Reading { rss: Bytes(rss), ..Reading::default() };
        let monitor =
            Monitor::builder().with_probe(Scripted::new([10, 110, 110, 110].map(at))).build().unwrap();
        let giver = Arc::new(Gives(Bytes(5), Stage::Holder));
        monitor.register_giver("giver", &giver);
        let (value, reclaimed) = monitor.reclaiming_above(Bytes(99), || 7);
        assert_eq!((value, reclaimed.unwrap().total()), (7, Bytes(5)));
        assert_eq!(monitor.reclaiming_above(Bytes::ZERO, || ()).1, None);
    }
}
