//! Floors of live bytes, noted after each batch: in all, and of each holder.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use super::Trend;
use crate::allocator::TagUse;
use crate::budget::Budget;
use crate::bytes::Bytes;
use crate::locks::locked;
use crate::monitor::Monitor;

/// What was alive after a batch was done with.
///
/// ```
/// use monitor::{Bytes, Monitor};
///
/// let monitor = Monitor::unbounded();
/// monitor.note_floor(Bytes(7));
/// assert_eq!(monitor.floors()[0].live, Bytes(7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    /// When, from the start of the series or of the monitor.
    pub elapsed: Duration,
    /// Bytes that were alive.
    pub live: Bytes,
}

/// How to ask a tagged allocator what each tag has in use.
pub(crate) type TagCounts = Box<dyn Fn() -> Vec<TagUse> + Send + Sync>;

/// What one monitor noted after batches.
pub(crate) struct Floors {
    /// The newest, up to a number.
    total: Mutex<VecDeque<Floor>>,
    most: usize,
    of_holders: Mutex<OfHolders>,
    tags: Option<TagCounts>,
}

/// By the order in which consumers were opened and tags made: neither ever changes its place.
#[derive(Clone, Default)]
pub(crate) struct OfHolders {
    pub(crate) consumers: Vec<Thinned>,
    pub(crate) tags: Vec<Thinned>,
}

impl Floors {
    pub(crate) fn new(most: usize, tags: Option<TagCounts>) -> Floors {
        Floors { total: Mutex::default(), most, of_holders: Mutex::default(), tags }
    }

    fn note(&self, floor: Floor) {
        let mut kept = locked(&self.total);
        if kept.len() == self.most {
            kept.pop_front();
        }
        kept.push_back(floor);
    }

    /// Notes what each holder has, and gives what is alive in all: by the allocator where it counts, else by the budget.
    fn note_holders(&self, budget: &Budget) -> Bytes {
        let mut of_holders = locked(&self.of_holders);
        let OfHolders { consumers, tags } = &mut *of_holders;
        let mut place = 0;
        budget.live_as_opened(|live| {
            note_at(consumers, place, live);
            place += 1;
        });
        let Some(counts) = &self.tags else { return budget.reserved() };
        let counts = counts();
        counts.iter().enumerate().for_each(|(place, line)| note_at(tags, place, line.live_bytes));
        counts.iter().map(|line| line.live_bytes).sum()
    }

    pub(crate) fn of_holders(&self) -> OfHolders {
        locked(&self.of_holders).clone()
    }

    /// What each tag has in use now; nothing without a tagged allocator.
    pub(crate) fn tags(&self) -> Vec<TagUse> {
        self.tags.as_ref().map_or_else(Vec::new, |counts| counts())
    }
}

fn note_at(series: &mut Vec<Thinned>, place: usize, live: Bytes) {
    if series.len() == place {
        series.push(Thinned::default());
    }
    series[place].push(live);
}

/// A series of any length in at most [`Thinned::MOST`] values, evenly spaced: when it is full, every other one goes.
#[derive(Clone, Default)]
pub(crate) struct Thinned {
    values: Vec<Bytes>,
    /// The logarithm of how many floors stand behind each value.
    doublings: u32,
    seen: u64,
}

impl Thinned {
    /// Half of it is still enough for a verdict.
    const MOST: usize = 160;

    fn push(&mut self, live: Bytes) {
        if self.seen.is_multiple_of(1 << self.doublings) {
            if self.values.len() == Thinned::MOST {
                let mut place = 0;
                self.values.retain(|_| {
                    place += 1;
                    place % 2 == 1
                });
                self.doublings += 1;
            }
            self.values.push(live);
        }
        self.seen += 1;
    }

    /// How it moves, and by how many bytes a floor.
    pub(crate) fn trend(&self) -> (Trend, Option<f64>) {
        let trend = Trend::of(self.values.iter().copied());
        let slope = trend.slope.map(|slope| slope.per_sample / (1u64 << self.doublings) as f64);
        (trend, slope)
    }
}

impl Monitor {
    /// Notes what is alive now as the floor after a batch: call it when all that belongs to the batch is gone.
    ///
    /// What is alive is what the [tagged allocator](crate::MonitorBuilder::with_tagged_allocator) has in use where the
    /// monitor has one, else what is reserved. It also notes it for each consumer and tag. Costs a microsecond or two.
    /// When the history is full, the oldest floor goes.
    ///
    /// ```
    /// use monitor::{Bytes, Monitor, Verdict};
    ///
    /// let monitor = Monitor::unbounded();
    /// let kept = monitor.budget().consumer("kept by mistake");
    /// let mut leaked = Vec::new();
    /// for _batch in 0..100 {
    ///     leaked.push(kept.try_reserve(Bytes::kib(100))?);
    ///     monitor.end_of_batch();
    /// }
    /// assert_eq!(monitor.trend(100).verdict, Verdict::Leak);
    /// # Ok::<(), monitor::BudgetExceeded>(())
    /// ```
    pub fn end_of_batch(&self) {
        self.note_floor(self.noted_floors().note_holders(self.budget()));
    }

    /// Notes a floor of live bytes from another source, and nothing of holders.
    ///
    /// ```
    /// use monitor::{Bytes, Monitor};
    ///
    /// let monitor = Monitor::unbounded();
    /// monitor.note_floor(Bytes(7));
    /// assert_eq!(monitor.trend(1).level, Bytes(7));
    /// ```
    pub fn note_floor(&self, live: Bytes) {
        self.noted_floors().note(Floor { elapsed: self.elapsed(), live });
    }

    /// The floors that are kept, oldest first.
    ///
    /// ```
    /// use monitor::{Bytes, Monitor, Reading, Scripted};
    ///
    /// let probe = Scripted::new([Reading::default()]);
    /// let monitor = Monitor::builder().with_probe(probe).with_history(2).build()?;
    /// (0..5).for_each(|batch| monitor.note_floor(Bytes(batch)));
    /// assert_eq!(monitor.floors().iter().map(|floor| floor.live).collect::<Vec<_>>(), [Bytes(3), Bytes(4)]);
    /// # Ok::<(), monitor::Error>(())
    /// ```
    pub fn floors(&self) -> Vec<Floor> {
        locked(&self.noted_floors().total).iter().copied().collect()
    }

    /// How the newest `window` floors move, or all that are kept if there are fewer, and whether that is a leak.
    ///
    /// ```
    /// use monitor::{Bytes, Doubt, Monitor, Verdict};
    ///
    /// let monitor = Monitor::unbounded();
    /// (0..100).for_each(|batch| monitor.note_floor(Bytes::mib(batch)));
    /// assert_eq!(monitor.trend(100).verdict, Verdict::Leak);
    /// assert_eq!(monitor.trend(50).verdict, Verdict::Undetermined(Doubt::TooFewSamples));
    /// assert_eq!(monitor.trend(50).slope.unwrap().per_sample, 1048576.0);
    /// ```
    pub fn trend(&self, window: usize) -> Trend {
        let kept = locked(&self.noted_floors().total);
        let newest: Vec<Floor> = kept.range(kept.len().saturating_sub(window)..).copied().collect();
        // What takes time is done without the lock.
        drop(kept);
        Trend::of_timed(&newest)
    }
}

impl fmt::Debug for Floors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Floors").field("most", &self.most).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trend::Verdict;

    #[test]
    fn a_thinned_series_keeps_its_slope() {
        for len in [2u64, 100, 160, 161, 1000, 12_345] {
            let mut series = Thinned::default();
            (0..len).for_each(|floor| series.push(Bytes(floor * 50_000)));
            assert!(series.values.len() <= Thinned::MOST && series.seen == len);
            assert!(len < 160 || series.values.len() >= 80);
            let (trend, slope) = series.trend();
            assert_eq!(slope, Some(50_000.0), "{len}");
            assert!(len < 70 || trend.verdict == Verdict::Leak, "{len}: {trend:?}");
            // Evenly spaced from the first on.
            let step = 50_000 << series.doublings;
            assert!(series.values.iter().zip(0..).all(|(value, place)| value.get() == place * step));
        }
    }
}
