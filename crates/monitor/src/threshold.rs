//! Thresholds: callbacks when the process grows past a size, and when it is well below it again.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock, Weak};

use crate::bytes::Bytes;
use crate::error::{Error, ErrorKind};
use crate::locks::{reading, writing};
use crate::snapshot::Snapshot;

/// A resident size, as bytes or as a share of what the process may become.
///
/// ```
/// use monitor::{Bytes, Level};
///
/// assert_eq!(Level::Bytes(Bytes::mib(512)).to_string(), "512.0 MiB");
/// assert_eq!(Level::Share(0.5).to_string(), "50 % of the limit");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Level {
    /// So many bytes.
    Bytes(Bytes),
    /// A share of [`Snapshot::limit`], above 0 and at most 1: `0.8` is four fifths of the least of the
    /// budget, the container and the host, as they are at that time.
    Share(f64),
}

impl Level {
    /// In bytes; `None` for a share of a limit that is not known.
    fn bytes(self, limit: Option<Bytes>) -> Option<Bytes> {
        match self {
            Level::Bytes(bytes) => Some(bytes),
            Level::Share(share) => limit.map(|limit| Bytes((limit.get() as f64 * share) as u64)),
        }
    }

    fn is_valid(self) -> bool {
        match self {
            Level::Bytes(bytes) => bytes > Bytes::ZERO,
            Level::Share(share) => share > 0.0 && share <= 1.0,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Level::Bytes(bytes) => write!(f, "{bytes}"),
            Level::Share(share) => write!(f, "{} % of the limit", share * 100.0),
        }
    }
}

/// A size to tell about when the process passes it, with hysteresis: what was passed upwards is passed
/// downwards only below a second, lower size, so that a size that swings around the first is told once.
///
/// See [`Monitor::on_crossing`](crate::Monitor::on_crossing) for an example.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    at: Level,
    clear_below: Option<Level>,
}

/// Where a threshold clears unless told otherwise: this share of it.
const CLEAR_BELOW: f64 = 0.95;

impl Threshold {
    /// Passed upwards above `at`, and downwards below 95 % of it.
    ///
    /// ```
    /// use monitor::{Level, Threshold};
    ///
    /// let threshold = Threshold::at(Level::Share(0.8)).with_clear_below(Level::Share(0.7));
    /// assert_ne!(threshold, Threshold::at(Level::Share(0.8)));
    /// ```
    pub fn at(at: Level) -> Threshold {
        Threshold { at, clear_below: None }
    }

    /// Passed downwards below `level`.
    #[must_use]
    pub fn with_clear_below(self, level: Level) -> Threshold {
        Threshold { clear_below: Some(level), ..self }
    }

    fn check(self) -> Result<Threshold, Error> {
        let clear = self.clear_below.unwrap_or(self.at);
        if !self.at.is_valid() || !clear.is_valid() {
            return Err(ErrorKind::ImpossibleThreshold { at: self.at, clear_below: clear }.into());
        }
        let is_above = match (clear, self.at) {
            (Level::Bytes(clear), Level::Bytes(at)) => clear > at,
            (Level::Share(clear), Level::Share(at)) => clear > at,
            // Which is larger changes with the limit: the lower one counts, at any time.
            _ => false,
        };
        match is_above {
            true => Err(ErrorKind::ImpossibleThreshold { at: self.at, clear_below: clear }.into()),
            false => Ok(self),
        }
    }

    /// The two sizes, the lower one second.
    fn levels(self, limit: Option<Bytes>) -> Option<(Bytes, Bytes)> {
        let at = self.at.bytes(limit)?;
        let clear = match self.clear_below {
            Some(level) => level.bytes(limit)?,
            None => Bytes((at.get() as f64 * CLEAR_BELOW) as u64),
        };
        Some((at, clear.min(at)))
    }
}

/// That a threshold was passed. See [`Monitor::on_crossing`](crate::Monitor::on_crossing) for an example.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Crossing {
    /// Which way.
    pub direction: Direction,
    /// The size that was passed: the threshold upwards, and where it clears downwards.
    pub level: Bytes,
    /// The snapshot that showed it.
    pub snapshot: Snapshot,
}

/// Which way a threshold was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The process is larger than the threshold.
    Up,
    /// It is smaller again than where the threshold clears.
    Down,
}

type Callback = dyn Fn(&Crossing) + Send + Sync;

struct Watched {
    threshold: Threshold,
    is_above: AtomicBool,
    callback: Box<Callback>,
}

/// Keeps a callback registered; it is not called any more once this is dropped, but for a call that is under way.
///
/// ```
/// use monitor::{Bytes, Level, Monitor, Reading, Scripted, Threshold};
///
/// let probe = Scripted::new([Reading { rss: Bytes::mib(9), ..Reading::default() }]);
/// let monitor = Monitor::builder().with_probe(probe).build()?;
/// let watch = monitor.on_crossing(Threshold::at(Level::Bytes(Bytes::mib(8))), |_| {})?;
/// assert!(!watch.is_above());
/// monitor.snapshot()?;
/// assert!(watch.is_above());
/// # Ok::<(), monitor::Error>(())
/// ```
#[must_use = "a watch that is not kept ends at once"]
pub struct Watch {
    watched: Arc<Watched>,
    all: Weak<Crossings>,
}

impl Watch {
    /// Whether the process was above the threshold when a snapshot was last taken.
    pub fn is_above(&self) -> bool {
        self.watched.is_above.load(Ordering::Acquire)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(all) = self.all.upgrade() {
            let mut list = writing(&all.0);
            let rest = list.iter().filter(|watched| !Arc::ptr_eq(watched, &self.watched));
            *list = rest.cloned().collect();
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("threshold", &self.watched.threshold)
            .field("is_above", &self.is_above())
            .finish_non_exhaustive()
    }
}

/// All thresholds of one monitor.
#[derive(Default)]
pub(crate) struct Crossings(RwLock<Arc<[Arc<Watched>]>>);

impl Crossings {
    pub(crate) fn add(
        self: &Arc<Crossings>,
        threshold: Threshold,
        callback: Box<Callback>,
    ) -> Result<Watch, Error> {
        let watched =
            Arc::new(Watched { threshold: threshold.check()?, is_above: AtomicBool::new(false), callback });
        let mut list = writing(&self.0);
        *list = list.iter().chain([&watched]).cloned().collect();
        drop(list);
        Ok(Watch { watched, all: Arc::downgrade(self) })
    }

    /// Calls those whose threshold was passed since the last snapshot.
    pub(crate) fn check(&self, snapshot: &Snapshot) {
        // No lock is held during a call: a callback may take snapshots, and add and drop watches.
        let list = Arc::clone(&reading(&self.0));
        for watched in list.iter() {
            let Some((at, clear)) = watched.threshold.levels(snapshot.limit) else { continue };
            let (direction, level) = match watched.is_above.load(Ordering::Acquire) {
                false if snapshot.rss > at => (Direction::Up, at),
                true if snapshot.rss < clear => (Direction::Down, clear),
                _ => continue,
            };
            let (before, after) = (direction == Direction::Down, direction == Direction::Up);
            // Of threads that see the same crossing, the first tells.
            if watched.is_above.compare_exchange(before, after, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                (watched.callback)(&Crossing { direction, level, snapshot: snapshot.clone() });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;

    use super::*;
    use crate::budget::Budget;
    use crate::monitor::Monitor;
    use crate::probe::{Reading, Scripted};

    fn monitor(rss: impl IntoIterator<Item = u64>) -> Monitor {
        let readings = rss.into_iter().map(|rss| Reading { rss: Bytes(rss), ..Reading::default() });
        let budget = Budget::new(Bytes(1000));
        Monitor::builder().with_probe(Scripted::new(readings)).with_budget(budget).build().unwrap()
    }

    /// What is told, as `+level` and `-level`, over snapshots of these sizes.
    fn told(threshold: Threshold, rss: &[u64]) -> Vec<i64> {
        let monitor = monitor(rss.iter().copied());
        let told = Arc::new(Mutex::new(Vec::new()));
        let _watch = monitor
            .on_crossing(threshold, {
                let told = Arc::clone(&told);
                move |crossing| {
                    let level = crossing.level.get() as i64;
                    let signed = if crossing.direction == Direction::Up { level } else { -level };
                    told.lock().unwrap().push(signed);
                }
            })
            .unwrap();
        for _ in rss {
            monitor.snapshot().unwrap();
        }
        told.lock().unwrap().clone()
    }

    #[test]
    fn a_size_that_swings_is_told_once() {
        let threshold = Threshold::at(Level::Bytes(Bytes(800))).with_clear_below(Level::Bytes(Bytes(700)));
        assert_eq!(told(threshold, &[800, 801, 790, 810, 700, 820, 699, 300, 900]), [800, -700, 800]);
        assert_eq!(told(Threshold::at(Level::Bytes(Bytes(800))), &[900, 760, 759]), [800, -760]);
        assert_eq!(told(threshold, &[10, 20]), [] as [i64; 0]);
    }

    #[test]
    fn a_share_is_of_the_effective_limit() {
        let share = Threshold::at(Level::Share(0.8)).with_clear_below(Level::Share(0.5));
        assert_eq!(told(share, &[801, 499]), [800, -500]);
        // Where the two are of different kinds and in the wrong order, the lower one counts for both.
        let mixed = Threshold::at(Level::Share(0.4)).with_clear_below(Level::Bytes(Bytes(900)));
        assert_eq!(told(mixed, &[401, 400, 399]), [400, -400]);
    }

    #[test]
    fn a_share_of_nothing_known_is_never_passed() {
        let probe = Scripted::new([Reading { rss: Bytes(900), ..Reading::default() }]);
        let monitor = Monitor::builder().with_probe(probe).with_budget(Budget::unbounded()).build().unwrap();
        let watch = monitor.on_crossing(Threshold::at(Level::Share(0.1)), |_| panic!("of what?")).unwrap();
        monitor.snapshot().unwrap();
        assert!(!watch.is_above());
    }

    #[test]
    fn a_dropped_watch_is_not_called() {
        let monitor = monitor([900, 10, 900]);
        let watch = monitor.on_crossing(Threshold::at(Level::Share(0.5)), |_| {}).unwrap();
        let other = monitor.on_crossing(Threshold::at(Level::Share(0.5)), |_| {}).unwrap();
        monitor.snapshot().unwrap();
        assert!(watch.is_above() && other.is_above());
        drop(other);
        monitor.snapshot().unwrap();
        assert!(!watch.is_above());
    }

    #[test]
    fn a_callback_may_take_snapshots_and_add_watches() {
        let monitor = monitor([900, 10, 900]);
        let inner = Arc::new(Mutex::new(Vec::new()));
        let _watch = monitor
            .on_crossing(Threshold::at(Level::Share(0.5)), {
                let (monitor, inner) = (monitor.clone(), Arc::clone(&inner));
                move |_| {
                    let watch = monitor.on_crossing(Threshold::at(Level::Share(0.6)), |_| {}).unwrap();
                    inner.lock().unwrap().push(watch);
                    monitor.snapshot().unwrap();
                }
            })
            .unwrap();
        monitor.snapshot().unwrap();
        // Up, down within that, and up within that.
        assert_eq!(inner.lock().unwrap().len(), 3);
    }

    #[test]
    fn impossible_thresholds_are_refused() {
        let monitor = monitor([1]);
        let refused = |threshold| monitor.on_crossing(threshold, |_| {}).unwrap_err().to_string();
        for level in [Level::Bytes(Bytes::ZERO), Level::Share(0.0), Level::Share(1.5), Level::Share(f64::NAN)]
        {
            refused(Threshold::at(level));
            refused(Threshold::at(Level::Share(1.0)).with_clear_below(level));
        }
        assert_eq!(
            refused(Threshold::at(Level::Share(0.5)).with_clear_below(Level::Share(0.75))),
            "a threshold at 50 % of the limit that clears below 75 % of the limit is impossible: give sizes above \
             zero, shares of at most 1, and let it clear at or below where it begins"
        );
        refused(Threshold::at(Level::Bytes(Bytes(5))).with_clear_below(Level::Bytes(Bytes(6))));
    }

    proptest! {
        /// Up and down take turns, and the state at the end is what the plain rule says.
        #[test]
        fn ups_and_downs_alternate(sizes in prop::collection::vec(0u64..1000, 1..60), at in 1u64..999, gap in 0u64..300) {
            let clear = at.saturating_sub(gap).max(1);
            let threshold = Threshold::at(Level::Bytes(Bytes(at))).with_clear_below(Level::Bytes(Bytes(clear)));
            let (mut is_above, mut expected) = (false, Vec::new());
            for size in &sizes {
                if !is_above && *size > at {
                    is_above = true;
                    expected.push(at as i64);
                } else if is_above && *size < clear {
                    is_above = false;
                    expected.push(-(clear as i64));
                }
            }
            prop_assert_eq!(told(threshold, &sizes), expected);
        }
    }
}
