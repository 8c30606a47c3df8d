//! Phases: what a stretch of work took, noted when its guard goes.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::bytes::Bytes;
use crate::monitor::{Monitor, locked};

/// What a stretch of work took.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Phase {
    /// The name that the scope was given.
    pub name: String,
    /// Time that passed.
    pub wall: Duration,
    /// Time that the whole process spent on all its processors: phases that overlap each count all of it.
    /// Zero where the system has no such clock.
    pub cpu: Duration,
    /// The highest resident size that the process had by the end of this phase, as the kernel kept it. Not of
    /// this phase alone: a phase after a larger one shows the larger one's peak. If it could not be read, the
    /// highest that was read before; zero if none was.
    pub peak_rss: Bytes,
    /// Bytes that the phase said it had worked through.
    pub processed: Bytes,
}

/// A phase that is under way. It ends when this guard is finished or dropped, by a panic too.
#[derive(Debug)]
#[must_use = "a scope that is not kept ends at once"]
pub struct Scope {
    monitor: Monitor,
    sequence: u64,
    name: String,
    started: Instant,
    cpu_at_start: Duration,
    processed: AtomicU64,
    ended: bool,
}

impl Scope {
    pub(crate) fn begin(monitor: Monitor, sequence: u64, name: String) -> Scope {
        Scope {
            monitor,
            sequence,
            name,
            started: Instant::now(),
            cpu_at_start: process_cpu_time(),
            processed: AtomicU64::new(0),
            ended: false,
        }
    }

    /// The phase's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Counts bytes as worked through. Threads may share the guard.
    pub fn add_bytes(&self, bytes: u64) {
        self.processed.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Ends the phase, notes it, and gives what was noted.
    pub fn finish(mut self) -> Phase {
        self.end()
    }

    fn end(&mut self) -> Phase {
        self.ended = true;
        let phase = Phase {
            name: std::mem::take(&mut self.name),
            wall: self.started.elapsed(),
            cpu: process_cpu_time().saturating_sub(self.cpu_at_start),
            peak_rss: self.monitor.peak_or_known(),
            processed: Bytes(self.processed.load(Ordering::Relaxed)),
        };
        self.monitor.phase_log().note(self.sequence, phase.clone());
        phase
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        if !self.ended {
            self.end();
        }
    }
}

/// The phases of one monitor that have ended, up to a number.
pub(crate) struct PhaseLog {
    most: usize,
    begun: AtomicU64,
    /// By order of start.
    ended: Mutex<BTreeMap<u64, Phase>>,
}

impl PhaseLog {
    pub(crate) fn new(most: usize) -> PhaseLog {
        PhaseLog { most, begun: AtomicU64::new(0), ended: Mutex::default() }
    }

    pub(crate) fn next_sequence(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn finished(&self) -> Vec<Phase> {
        locked(&self.ended).values().cloned().collect()
    }

    fn note(&self, sequence: u64, phase: Phase) {
        let mut ended = locked(&self.ended);
        ended.insert(sequence, phase);
        if ended.len() > self.most {
            ended.pop_first();
        }
    }
}

#[cfg(unix)]
fn process_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(not(unix))]
fn process_cpu_time() -> Duration {
    Duration::ZERO
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::error::Error;
    use crate::probe::{Limits, Probe, Reading, Scripted};

    fn peak(mib: u64) -> Reading {
        Reading { peak_rss: Bytes::mib(mib), ..Reading::default() }
    }

    fn names(monitor: &Monitor) -> Vec<String> {
        monitor.phases().into_iter().map(|phase| phase.name).collect()
    }

    #[test]
    fn phases_stand_in_order_of_their_start() {
        let monitor = Monitor::builder().with_probe(Scripted::new([peak(1), peak(2)])).build().unwrap();
        let outer = monitor.scope("outer");
        let inner = monitor.scope("inner");
        inner.add_bytes(3);
        inner.add_bytes(4);
        drop(inner);
        assert_eq!(names(&monitor), ["inner"]);
        let outer = outer.finish();
        let phases = monitor.phases();
        assert_eq!(names(&monitor), ["outer", "inner"]);
        assert_eq!(phases[0], outer);
        assert!(phases[0].wall >= phases[1].wall);
        assert_eq!((phases[1].processed, phases[1].peak_rss), (Bytes(7), Bytes::mib(1)));
        assert_eq!((phases[0].processed, phases[0].peak_rss), (Bytes(0), Bytes::mib(2)));
    }

    #[test]
    fn a_panic_ends_a_phase_too() {
        let monitor = Monitor::builder().with_probe(Scripted::new([peak(1)])).build().unwrap();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let _scope = monitor.scope("doomed");
            panic!("on purpose");
        }));
        assert!(outcome.is_err());
        assert_eq!(names(&monitor), ["doomed"]);
    }

    #[test]
    fn a_full_history_lets_the_oldest_go() {
        let monitor =
            Monitor::builder().with_probe(Scripted::new([peak(1)])).with_history(2).build().unwrap();
        let first = monitor.scope("first");
        for name in ["second", "third", "fourth"] {
            drop(monitor.scope(name));
        }
        assert_eq!(names(&monitor), ["third", "fourth"]);
        // It began before all that are kept.
        assert_eq!(first.finish().name, "first");
        assert_eq!(names(&monitor), ["third", "fourth"]);
    }

    #[test]
    fn a_phase_whose_peak_cannot_be_read_shows_the_last_that_could() {
        #[derive(Default)]
        struct Once(AtomicBool);
        impl Probe for Once {
            fn read(&self) -> Result<Reading, Error> {
                if self.0.swap(true, Ordering::Relaxed) { Err(Error::unsupported()) } else { Ok(peak(9)) }
            }
            fn limits(&self) -> Result<Limits, Error> {
                Ok(Limits::default())
            }
        }
        let monitor = Monitor::builder().with_probe(Once::default()).build().unwrap();
        assert_eq!(monitor.peak().unwrap(), Bytes::mib(9));
        assert_eq!(monitor.scope("blind").finish().peak_rss, Bytes::mib(9));
        assert!(monitor.peak().is_err());
    }

    #[cfg(unix)]
    #[test]
    fn work_takes_processor_time() {
        let monitor = Monitor::builder().with_probe(Scripted::new([peak(1)])).build().unwrap();
        let scope = monitor.scope("work");
        let before = process_cpu_time();
        // Until the clock itself says that time was spent; how long that takes does not matter.
        while process_cpu_time() == before {
            std::hint::black_box(0);
        }
        assert!(scope.finish().cpu > Duration::ZERO);
    }
}
