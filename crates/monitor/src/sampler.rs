//! A thread that looks at memory by the clock.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind};
use crate::locks::locked;
use crate::monitor::Monitor;
use crate::observer::{Observer, Observers};

/// Samples while it is kept: a sample at once, one each interval, and a last one when it is finished or dropped.
///
/// Each sample is a [`Monitor::snapshot`]: it goes into the [timeline](Monitor::timeline), is told to the
/// sampler's observers, and shows the monitor's thresholds and phases what happens between two snapshots of
/// the work. A sample that cannot be read is left out. Intervals that a busy machine lets pass are not made up
/// for.
///
/// ```
/// use std::time::Duration;
/// use monitor::{Monitor, SnapshotLines};
///
/// let monitor = Monitor::unbounded();
/// let sampler = monitor.sample_every(Duration::from_millis(10))?.with_observer(SnapshotLines::new(Vec::new()));
/// let work = vec![1u8; 1 << 20];
/// sampler.finish()?;
/// assert!(monitor.timeline().iter().map(|point| point.samples).sum::<u64>() >= 2);
/// # drop(work);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a sampler that is not kept ends at once"]
pub struct Sampler {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    monitor: Monitor,
    interval: Duration,
    observers: Mutex<Observers>,
    is_over: Mutex<bool>,
    stop: Condvar,
}

impl Sampler {
    pub(crate) fn start(monitor: Monitor, interval: Duration) -> Result<Sampler, Error> {
        if interval.is_zero() {
            return Err(ErrorKind::ZeroInterval.into());
        }
        let shared = Arc::new(Shared {
            monitor,
            interval,
            observers: Mutex::default(),
            is_over: Mutex::new(false),
            stop: Condvar::new(),
        });
        let thread = std::thread::Builder::new()
            .name("memory-sampler".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || shared.run()
            })
            .map_err(|source| ErrorKind::Thread { source })?;
        Ok(Sampler { shared, thread: Some(thread) })
    }

    /// Has `observer` told of each sample from now on. If it fails it is not told again, and
    /// [`Sampler::finish`] says why.
    pub fn with_observer(self, observer: impl Observer + 'static) -> Sampler {
        locked(&self.shared.observers).add(observer);
        self
    }

    /// Takes a last sample and ends the thread, which takes no longer than what it is in the midst of.
    ///
    /// # Errors
    ///
    /// The first error of an observer. The others were told all the same.
    pub fn finish(mut self) -> io::Result<()> {
        self.end();
        match locked(&self.shared.observers).take_error() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        *locked(&self.shared.is_over) = true;
        self.shared.stop.notify_all();
        // Dropped by a callback of its own, it cannot wait for itself.
        if thread.thread().id() != std::thread::current().id() {
            // A panic of an observer or a callback has been printed by its thread; the work goes on.
            let _ = thread.join();
        }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampler").field("interval", &self.shared.interval).finish_non_exhaustive()
    }
}

impl Shared {
    fn run(&self) {
        let mut due = Instant::now();
        loop {
            self.sample();
            due += self.interval;
            let now = Instant::now();
            if due < now {
                // Behind by more than an interval: go on from here.
                due = now;
            }
            let mut is_over = locked(&self.is_over);
            while !*is_over {
                let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
                else {
                    break;
                };
                let waited = self.stop.wait_timeout(is_over, left);
                is_over = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            if *is_over {
                break;
            }
        }
        self.sample();
    }

    fn sample(&self) {
        let progress = self.monitor.progress();
        if let Some(snapshot) = &progress.snapshot {
            self.monitor.note(snapshot);
        }
        locked(&self.observers).tell(&progress);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::bytes::Bytes;
    use crate::observer::{Progress, progress_channel};
    use crate::probe::{Reading, Scripted};

    const LONG: Duration = Duration::from_secs(3600);

    fn monitor(readings: impl IntoIterator<Item = u64>) -> Monitor {
        let readings = readings.into_iter().map(|n| Reading { rss: Bytes(n), ..Reading::default() });
        Monitor::builder().with_probe(Scripted::new(readings)).build().unwrap()
    }

    fn rss(progress: &Progress) -> u64 {
        progress.snapshot.as_ref().unwrap().rss.get()
    }

    #[test]
    fn it_samples_at_the_start_by_the_clock_and_at_the_end() {
        let monitor = monitor([1, 2, 3, 4]);
        let (observer, receiver) = progress_channel(64);
        let sampler = monitor.sample_every(Duration::from_millis(1)).unwrap().with_observer(observer);
        // The observer may come too late for the first sample, never for those by the clock.
        let mut seen = 0;
        while seen < 4 {
            seen = rss(&receiver.recv_timeout(Duration::from_secs(60)).unwrap());
        }
        sampler.finish().unwrap();
        let points = monitor.timeline();
        assert!(points.len() >= 4);
        assert_eq!(points[0].rss.last, Bytes(1));
    }

    #[test]
    fn it_stops_at_once_and_takes_a_last_sample() {
        let monitor = monitor([1, 2]);
        let (observer, receiver) = progress_channel(64);
        let sampler = monitor.sample_every(LONG).unwrap().with_observer(observer);
        // Would wait for an hour if it waited for its interval.
        drop(sampler);
        let last = receiver.iter().last().unwrap();
        assert_eq!(rss(&last), 2);
        assert_eq!(monitor.timeline().iter().map(|point| point.samples).sum::<u64>(), 2);
    }

    #[test]
    fn an_observer_that_fails_is_told_about_and_not_again() {
        struct Full(mpsc::Sender<()>);
        impl Observer for Full {
            fn observe(&mut self, _: &Progress) -> io::Result<()> {
                let _ = self.0.send(());
                Err(io::Error::other("no space"))
            }
        }
        let monitor = monitor([1]);
        let (sender, calls) = mpsc::channel();
        let (observer, receiver) = progress_channel(64);
        let sampler = monitor.sample_every(Duration::from_millis(1)).unwrap();
        let sampler = sampler.with_observer(Full(sender)).with_observer(observer);
        for _ in 0..3 {
            receiver.recv_timeout(Duration::from_secs(60)).unwrap();
        }
        assert_eq!(sampler.finish().unwrap_err().to_string(), "no space");
        assert_eq!(calls.iter().count(), 1);
    }

    #[test]
    fn a_callback_may_drop_its_own_sampler() {
        let monitor = monitor([1, 900]);
        let slot: Arc<Mutex<Option<Sampler>>> = Arc::default();
        let (sender, dropped) = mpsc::channel();
        let threshold = crate::Threshold::at(crate::Level::Bytes(Bytes(500)));
        let _watch = monitor
            .on_crossing(threshold, {
                let slot = Arc::clone(&slot);
                move |_| {
                    // It is there as soon as it was started.
                    while slot.lock().unwrap().take().is_none() {
                        std::thread::yield_now();
                    }
                    sender.send(()).unwrap();
                }
            })
            .unwrap();
        *slot.lock().unwrap() = Some(monitor.sample_every(Duration::from_millis(1)).unwrap());
        dropped.recv_timeout(Duration::from_secs(60)).unwrap();
    }

    #[test]
    fn samples_show_phases_what_happens_within_them() {
        let at = |rss| Reading { rss: Bytes(rss), peak_rss: Bytes(90), ..Reading::default() };
        // The start of the phase, the two samples, the end of the phase.
        let probe = Scripted::new([at(10), at(70), at(20), at(15)]);
        let monitor = Monitor::builder().with_probe(probe).build().unwrap();
        let scope = monitor.scope("work");
        drop(monitor.sample_every(LONG).unwrap());
        assert_eq!(scope.finish().own_peak.at_least(), Some(Bytes(70)));
    }

    #[test]
    fn no_interval_is_refused() {
        let error = monitor([1]).sample_every(Duration::ZERO).unwrap_err();
        assert_eq!(
            error.to_string(),
            "an interval of no time would sample without a pause; give one above zero"
        );
    }
}
