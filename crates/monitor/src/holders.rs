//! Who holds memory: named reservations and tags of the allocator, in one list.

use std::cmp::Reverse;
use std::time::Duration;

use crate::bytes::Bytes;
use crate::monitor::Monitor;
use crate::trend::Verdict;

/// By what [`Monitor::top_holders`] puts first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HolderOrder {
    /// Live bytes.
    Size,
    /// Live reservations, or blocks.
    Count,
    /// The age of the oldest reservation; tags, whose blocks have no age, come last.
    Age,
    /// Bytes gained a batch; those of which no two floors were noted come last.
    Slope,
}

/// Who counts a holder's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HolderSource {
    /// A consumer of the budget: what it reserved.
    Budget,
    /// A tag: what the counting allocator has in use under it. What is reserved and allocated is in both lists.
    Allocator,
}

/// Somebody who holds memory.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TopHolder {
    /// The consumer's or the tag's name.
    pub name: String,
    /// Who counts it.
    pub source: HolderSource,
    /// Bytes that it holds now.
    pub live: Bytes,
    /// Reservations or blocks that it holds now.
    pub count: u64,
    /// The most bytes that it ever held at once; `None` for tags.
    pub peak: Option<Bytes>,
    /// How long its oldest reservation is alive, see [`Holder::oldest`](crate::Holder::oldest); `None` for tags.
    pub oldest: Option<Duration>,
    /// Bytes that it gains a batch, by Theil and Sen over all batches since its first; `None` before the second.
    pub slope: Option<f64>,
    /// What [`Trend`](crate::Trend) says of its floors: up to 160 of them, evenly spread over all batches.
    pub verdict: Verdict,
}

impl Monitor {
    /// The first `n` of all who hold memory, or held some: consumers of the budget, and tags where the monitor has a
    /// [tagged allocator](crate::MonitorBuilder::with_tagged_allocator). Equals stand in order of their names.
    ///
    /// Slopes and verdicts are of the floors that [`Monitor::end_of_batch`] noted, and take up to 50 µs a holder.
    ///
    /// ```
    /// use monitor::{Bytes, HolderOrder, Monitor, Verdict};
    ///
    /// let monitor = Monitor::unbounded();
    /// let _pool = monitor.budget().consumer("pool").try_reserve(Bytes::mib(200))?;
    /// let index = monitor.budget().consumer("index");
    /// let mut kept = Vec::new();
    /// for _batch in 0..100 {
    ///     kept.push(index.try_reserve(Bytes::kib(64))?);
    ///     monitor.end_of_batch();
    /// }
    /// assert_eq!(monitor.top_holders(1, HolderOrder::Size)[0].name, "pool");
    /// let grows = &monitor.top_holders(1, HolderOrder::Slope)[0];
    /// assert_eq!((grows.name.as_str(), grows.slope, grows.count), ("index", Some(65536.0), 100));
    /// assert_eq!(grows.verdict, Verdict::Leak);
    /// # Ok::<(), monitor::BudgetExceeded>(())
    /// ```
    pub fn top_holders(&self, n: usize, order: HolderOrder) -> Vec<TopHolder> {
        let floors = self.noted_floors();
        let of_holders = floors.of_holders();
        let consumers = self.budget().holders_as_opened().into_iter().enumerate().map(|(place, holder)| {
            let (slope, verdict) = moves(of_holders.consumers.get(place));
            TopHolder {
                name: holder.name,
                source: HolderSource::Budget,
                live: holder.live,
                count: holder.reservations,
                peak: Some(holder.peak),
                oldest: holder.oldest,
                slope,
                verdict,
            }
        });
        let tags = floors.tags().into_iter().enumerate().map(|(place, line)| {
            let (slope, verdict) = moves(of_holders.tags.get(place));
            TopHolder {
                name: line.name.to_owned(),
                source: HolderSource::Allocator,
                live: line.live_bytes,
                count: line.live_allocations,
                peak: None,
                oldest: None,
                slope,
                verdict,
            }
        });
        let mut holders: Vec<TopHolder> = consumers.chain(tags).collect();
        holders.sort_by(|a, b| a.name.cmp(&b.name));
        match order {
            HolderOrder::Size => holders.sort_by_key(|holder| Reverse(holder.live)),
            HolderOrder::Count => holders.sort_by_key(|holder| Reverse(holder.count)),
            HolderOrder::Age => holders.sort_by_key(|holder| Reverse(holder.oldest)),
            HolderOrder::Slope => {
                let slope = |holder: &TopHolder| holder.slope.unwrap_or(f64::NEG_INFINITY);
                holders.sort_by(|a, b| slope(b).total_cmp(&slope(a)));
            }
        }
        holders.truncate(n);
        holders
    }
}

fn moves(floors: Option<&crate::trend::Thinned>) -> (Option<f64>, Verdict) {
    let (trend, slope) = floors.cloned().unwrap_or_default().trend();
    (slope, trend.verdict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Reservation;

    fn names(monitor: &Monitor, n: usize, order: HolderOrder) -> Vec<String> {
        monitor.top_holders(n, order).into_iter().map(|holder| holder.name).collect()
    }

    #[test]
    fn each_order_puts_its_own_first() {
        let monitor = Monitor::unbounded();
        let reserve = |name: &str, bytes| monitor.budget().consumer(name).try_reserve(Bytes(bytes)).unwrap();
        let _old = reserve("old", 5);
        std::thread::sleep(Duration::from_millis(40));
        let _large = reserve("large", 1 << 30);
        let _many: Vec<Reservation> = (0..30).map(|_| reserve("many", 1)).collect();
        let mut growing = reserve("growing", 0);
        for _ in 0..10 {
            growing.try_grow(Bytes(1000)).unwrap();
            monitor.end_of_batch();
        }
        // Opened after the last batch: it has no slope yet.
        let _new = reserve("a new one", 0);
        assert_eq!(names(&monitor, 2, HolderOrder::Size), ["large", "growing"]);
        assert_eq!(names(&monitor, 2, HolderOrder::Count), ["many", "a new one"]);
        assert_eq!(names(&monitor, 1, HolderOrder::Age), ["old"]);
        assert_eq!(names(&monitor, 9, HolderOrder::Slope), ["growing", "large", "many", "old", "a new one"]);
        let growing = &monitor.top_holders(1, HolderOrder::Slope)[0];
        assert_eq!(
            (growing.slope, growing.live, growing.peak),
            (Some(1000.0), Bytes(10_000), Some(Bytes(10_000)))
        );
        assert_eq!(monitor.floors().last().unwrap().live, monitor.budget().reserved());
    }
}
