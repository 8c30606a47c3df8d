//! The course of memory over time, in bounded space.

use std::time::Duration;

use crate::bytes::Bytes;
use crate::snapshot::Snapshot;

/// What samples of a stretch of time came to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TimelinePoint {
    /// When its first sample was taken, since the monitor was built.
    pub from: Duration,
    /// When its last sample was taken.
    pub to: Duration,
    /// How many there are.
    pub samples: u64,
    /// Resident bytes.
    pub rss: ByteSpan,
    /// Bytes reserved from the budget.
    pub reserved: ByteSpan,
    /// Bytes that the host could give to new work.
    pub available: ByteSpan,
    /// Bytes that the allocator says are in use, if it was asked.
    pub live: Option<ByteSpan>,
    /// The kernel's peak at the last sample.
    pub peak_rss: Bytes,
    /// Time lost by at least one task to waiting for memory, since the host or group began, at the last
    /// sample.
    pub stalled: Option<Duration>,
    /// Page faults that had to be read from a disk, since the process began, at the last sample.
    pub major_faults: Option<u64>,
}

/// The least, the largest and the last of some sizes.
///
/// ```
/// use monitor::{ByteSpan, Bytes};
///
/// let span = ByteSpan { min: Bytes(1), max: Bytes(9), last: Bytes(4) };
/// assert!(span.min <= span.last && span.last <= span.max);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSpan {
    /// The least.
    pub min: Bytes,
    /// The largest: a peak of one sample is not averaged away.
    pub max: Bytes,
    /// The last.
    pub last: Bytes,
}

impl ByteSpan {
    fn of(size: Bytes) -> ByteSpan {
        ByteSpan { min: size, max: size, last: size }
    }

    fn then(self, later: ByteSpan) -> ByteSpan {
        ByteSpan { min: self.min.min(later.min), max: self.max.max(later.max), last: later.last }
    }
}

impl TimelinePoint {
    fn of(snapshot: &Snapshot) -> TimelinePoint {
        TimelinePoint {
            from: snapshot.elapsed,
            to: snapshot.elapsed,
            samples: 1,
            rss: ByteSpan::of(snapshot.rss),
            reserved: ByteSpan::of(snapshot.reserved),
            available: ByteSpan::of(snapshot.available),
            live: snapshot.allocations.map(|counts| ByteSpan::of(counts.live_bytes)),
            peak_rss: snapshot.peak_rss,
            stalled: snapshot.pressure.map(|pressure| pressure.some.total),
            major_faults: snapshot.faults.map(|faults| faults.major),
        }
    }

    /// Takes in a point that follows.
    fn absorb(&mut self, later: &TimelinePoint) {
        self.to = later.to;
        self.samples += later.samples;
        self.rss = self.rss.then(later.rss);
        self.reserved = self.reserved.then(later.reserved);
        self.available = self.available.then(later.available);
        self.live = match (self.live, later.live) {
            (Some(live), Some(later)) => Some(live.then(later)),
            (live, later) => later.or(live),
        };
        self.peak_rss = later.peak_rss;
        self.stalled = later.stalled;
        self.major_faults = later.major_faults;
    }
}

/// Points up to a number. When there is no room for another, neighbours are merged two by two, and from then on
/// each new point takes twice as many samples: the whole run is always there, at half the resolution.
#[derive(Debug)]
pub(crate) struct Timeline {
    most: usize,
    points: Vec<TimelinePoint>,
    samples_a_point: u64,
}

impl Timeline {
    /// `most` is at least 2.
    pub(crate) fn new(most: usize) -> Timeline {
        Timeline { most, points: Vec::new(), samples_a_point: 1 }
    }

    pub(crate) fn points(&self) -> &[TimelinePoint] {
        &self.points
    }

    pub(crate) fn add(&mut self, snapshot: &Snapshot) {
        let point = TimelinePoint::of(snapshot);
        if self.takes_into_last(&point) {
            return;
        }
        if self.points.len() == self.most {
            self.halve();
            // An odd point at the end may have room for more.
            if self.takes_into_last(&point) {
                return;
            }
        }
        self.points.push(point);
    }

    fn takes_into_last(&mut self, point: &TimelinePoint) -> bool {
        let last = self.points.last_mut().filter(|last| last.samples < self.samples_a_point);
        last.map(|last| last.absorb(point)).is_some()
    }

    fn halve(&mut self) {
        let mut kept = 0;
        for i in (0..self.points.len()).step_by(2) {
            let (before, from) = self.points.split_at_mut(i);
            if let [even, odd, ..] = from {
                even.absorb(odd);
            }
            if let Some(slot) = before.get_mut(kept) {
                slot.clone_from(&from[0]);
            }
            kept += 1;
        }
        self.points.truncate(kept);
        self.samples_a_point *= 2;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::monitor::Monitor;
    use crate::probe::{Reading, Scripted};

    /// A timeline of samples of these resident sizes, and the samples.
    fn course(most: usize, sizes: &[u64]) -> (Timeline, Vec<Snapshot>) {
        let readings = sizes.iter().map(|size| Reading { rss: Bytes(*size), ..Reading::default() });
        let monitor = Monitor::builder().with_probe(Scripted::new(readings)).build().unwrap();
        let mut timeline = Timeline::new(most);
        let samples: Vec<_> = sizes.iter().map(|_| monitor.snapshot().unwrap()).collect();
        for sample in &samples {
            timeline.add(sample);
        }
        (timeline, samples)
    }

    #[test]
    fn neighbours_are_merged_when_it_is_full() {
        let (timeline, _) = course(4, &[1, 9, 3, 4, 5]);
        let shown: Vec<_> = timeline
            .points()
            .iter()
            .map(|p| (p.samples, p.rss.min.get(), p.rss.max.get(), p.rss.last.get()))
            .collect();
        assert_eq!(shown, [(2, 1, 9, 9), (2, 3, 4, 4), (1, 5, 5, 5)]);
        let (timeline, _) = course(3, &[1, 2, 3, 4, 5, 6, 7]);
        let samples: Vec<_> = timeline.points().iter().map(|p| p.samples).collect();
        assert_eq!(samples, [4, 3]);
    }

    proptest! {
        #[test]
        fn nothing_of_the_course_is_lost(sizes in prop::collection::vec(1u64..1000, 1..300), most in 2usize..20) {
            let (timeline, samples) = course(most, &sizes);
            let points = timeline.points();
            prop_assert!(points.len() <= most);
            // At most a merge ago it was full.
            prop_assert!(sizes.len() < most || points.len() >= most.div_ceil(2));
            prop_assert_eq!(points.iter().map(|p| p.samples).sum::<u64>(), sizes.len() as u64);
            let mut rest = samples.as_slice();
            for point in points {
                let (own, others) = rest.split_at(point.samples as usize);
                rest = others;
                prop_assert_eq!((point.from, point.to), (own[0].elapsed, own[own.len() - 1].elapsed));
                let rss = || own.iter().map(|sample| sample.rss);
                prop_assert_eq!(Some(point.rss.max), rss().max());
                prop_assert_eq!(Some(point.rss.min), rss().min());
                prop_assert_eq!(Some(point.rss.last), rss().next_back());
                prop_assert_eq!(point.peak_rss, own[own.len() - 1].peak_rss);
            }
            // All but the last hold the same number of samples, so that the scale of time is even.
            let even = points.split_last().map_or(&[][..], |(_, even)| even);
            prop_assert!(even.iter().all(|point| point.samples == points[0].samples));
        }
    }
}
