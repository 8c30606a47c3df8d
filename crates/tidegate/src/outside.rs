//! What presses on the process from outside of its budget, as the monitor sees it, for whoever sizes batches.

use std::time::Duration;

use chunked_loader::Outside;
use monitor::{Monitor, Snapshot, Stall};

/// The shortest time that waits are taken as a share of. What the kernel has counted is read every 10 ms at most, so that
/// over less than a few times that, a short wait would seem to be all there was.
const LEAST_PASSED: Duration = Duration::from_millis(50);

/// A look at what presses now. It takes a snapshot, some microseconds, of which the figures of container and host are
/// at most a tenth of a second old.
pub(crate) fn look(monitor: &Monitor) -> impl FnMut() -> Outside + Send + use<> {
    let monitor = monitor.clone();
    let mut waits = Waits::default();
    move || {
        // Where memory cannot be read, nothing presses that could be seen; the reservations hold all the same.
        let Ok(now) = monitor.snapshot() else { return Outside::default() };
        Outside { resident: Some(now.rss), limit: now.limit, stalled: waits.share(&now) }
    }
}

/// How much of the time is lost to waiting for memory.
#[derive(Default)]
struct Waits {
    /// When the time began that is looked at, and what had been lost until then.
    since: Option<(Duration, Stall)>,
    /// The share in the time before that.
    before: f64,
}

impl Waits {
    /// The share of the latest time: more at once, less once [`LEAST_PASSED`] has gone by.
    fn share(&mut self, now: &Snapshot) -> f64 {
        let Some(pressure) = now.pressure else { return 0.0 };
        let (began, lost) = *self.since.get_or_insert((now.elapsed, pressure.some));
        let passed = now.elapsed.saturating_sub(began);
        let share = pressure.some.share_since(&lost, passed.max(LEAST_PASSED));
        if passed < LEAST_PASSED {
            return share.max(self.before);
        }
        *self = Waits { since: Some((now.elapsed, pressure.some)), before: share };
        share
    }
}

#[cfg(test)]
mod tests {
    use monitor::{Budget, Bytes, Pressure, Reading, Scripted};

    use super::*;

    fn monitor(stalled_ms: &[u64]) -> Monitor {
        let readings = stalled_ms.iter().map(|millis| Reading {
            rss: Bytes(40),
            headroom: Some(Bytes(20)),
            available: Bytes(100),
            pressure: Some(Pressure {
                some: Stall { avg10: 0.0, total: Duration::from_millis(*millis) },
                ..Pressure::default()
            }),
            ..Reading::default()
        });
        let monitor =
            Monitor::builder().with_probe(Scripted::new(readings)).with_budget(Budget::new(Bytes(1000)));
        monitor.build().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn what_a_snapshot_says() {
        let mut look = look(&monitor(&[5000, 5000, 9_000_000]));
        let calm = Outside { resident: Some(Bytes(40)), limit: Some(Bytes(60)), stalled: 0.0 };
        assert_eq!([look(), look()], [calm; 2]);
        // More was lost than has passed, which counts as all of it.
        assert_eq!(look(), Outside { stalled: 1.0, ..calm });
    }

    #[test]
    fn a_short_wait_is_no_large_share() {
        let mut now = monitor(&[0]).snapshot().unwrap_or_else(|error| panic!("{error}"));
        let mut waits = Waits::default();
        let mut at = |elapsed_ms, lost_ms| {
            now.elapsed = Duration::from_millis(elapsed_ms);
            let some = Stall { avg10: 0.0, total: Duration::from_millis(lost_ms) };
            now.pressure = Some(Pressure { some, ..Pressure::default() });
            (1000.0 * waits.share(&now)).round()
        };
        assert_eq!(at(1000, 100), 0.0);
        // 1 ms since 1 ms before is 2 % of the least time that counts.
        assert_eq!(at(1001, 101), 20.0);
        assert_eq!(at(1100, 105), 50.0);
        // The time before counts until the new one is long enough.
        assert_eq!([at(1101, 105), at(1149, 105), at(1150, 105), at(1151, 105)], [50.0, 50.0, 0.0, 0.0]);
    }
}
