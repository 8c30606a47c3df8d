//! Stall triggers: the kernel itself tells when work waits for memory too long.

use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::monitor::Monitor;

/// How long work may wait for memory within a window of time before somebody is told.
///
/// See `Documentation/accounting/psi.rst` of Linux, "Monitoring for pressure thresholds".
///
/// ```
/// use std::time::Duration;
/// use monitor::StallTrigger;
///
/// // 150 ms of any second in which at least one task waited for memory.
/// let trigger = StallTrigger::some(Duration::from_millis(150), Duration::from_secs(1));
/// assert_eq!(trigger.to_string(), "some 150000 1000000");
/// // 50 ms of any two seconds in which nobody got on.
/// let trigger = StallTrigger::full(Duration::from_millis(50), Duration::from_secs(2));
/// assert_eq!(trigger.to_string(), "full 50000 2000000");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StallTrigger {
    kind: &'static str,
    stall: Duration,
    window: Duration,
}

/// What the kernel takes for a window.
const WINDOWS: std::ops::RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_secs(10);

impl StallTrigger {
    /// Time in which at least one task waits.
    pub fn some(stall: Duration, window: Duration) -> StallTrigger {
        StallTrigger { kind: "some", stall, window }
    }

    /// Time in which all tasks that are not idle wait at once.
    pub fn full(stall: Duration, window: Duration) -> StallTrigger {
        StallTrigger { kind: "full", stall, window }
    }

    fn check(self) -> Result<StallTrigger, Error> {
        let StallTrigger { stall, window, .. } = self;
        let is_possible = stall.as_micros() > 0 && stall <= window && WINDOWS.contains(&window);
        if is_possible { Ok(self) } else { Err(ErrorKind::ImpossibleTrigger { stall, window }.into()) }
    }
}

/// As the kernel wants it: in microseconds.
impl std::fmt::Display for StallTrigger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.kind, self.stall.as_micros(), self.window.as_micros())
    }
}

impl Monitor {
    /// Has `callback` called, in a thread of its own, whenever work waits for memory as long as `trigger` says: of the
    /// process's own control group where version 2 keeps that, else of the whole host. At most once each
    /// window, until the [`StallWatch`] is dropped.
    ///
    /// Nothing is polled: the kernel wakes the thread.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ImpossibleTrigger`] if the stall is zero or longer than the window, or the window is not
    /// within 0.5 to 10 s. [`ErrorKind::NoTrigger`] if the system has no such triggers or does not allow them:
    /// Linux has them from 5.2 on, and from 6.5 on for everybody, if the window is a multiple of two seconds; any
    /// other window needs the capability `CAP_SYS_RESOURCE`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use monitor::{ErrorKind, Monitor, StallTrigger};
    ///
    /// let monitor = Monitor::unbounded();
    /// let trigger = StallTrigger::some(Duration::from_millis(200), Duration::from_secs(2));
    /// match monitor.on_stall(trigger, || eprintln!("memory is short")) {
    ///     Ok(watch) => assert_eq!(watch.times(), 0),
    ///     Err(error) => assert!(matches!(error.kind(), ErrorKind::NoTrigger { .. })),
    /// }
    /// ```
    pub fn on_stall(
        &self,
        trigger: StallTrigger,
        callback: impl Fn() + Send + 'static,
    ) -> Result<StallWatch, Error> {
        let trigger = trigger.check()?;
        let Some(path) = self.probe().pressure_file() else {
            return Err(ErrorKind::NoTrigger { path: None, source: None }.into());
        };
        watch::start(path, trigger, Box::new(callback))
    }
}

pub use watch::StallWatch;

#[cfg(target_os = "linux")]
mod watch {
    use std::fmt;
    use std::fs::File;
    use std::io::{self, Write};
    use std::os::fd::OwnedFd;
    use std::os::unix::fs::OpenOptionsExt;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread::JoinHandle;

    use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
    use rustix::fs::OFlags;

    use super::StallTrigger;
    use crate::error::{Error, ErrorKind};

    /// Keeps a trigger; its callback is not called any more once this is dropped.
    #[must_use = "a watch that is not kept ends at once"]
    pub struct StallWatch {
        times: Arc<AtomicU64>,
        stop: Arc<OwnedFd>,
        thread: Option<JoinHandle<()>>,
    }

    impl StallWatch {
        /// How often it was told so far.
        pub fn times(&self) -> u64 {
            self.times.load(Ordering::Relaxed)
        }
    }

    pub(super) fn start(
        path: &Path,
        trigger: StallTrigger,
        callback: Box<dyn Fn() + Send>,
    ) -> Result<StallWatch, Error> {
        let refused = |source: io::Error| {
            Error::from(ErrorKind::NoTrigger { path: Some(path.to_owned()), source: Some(source) })
        };
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let mut file =
            File::options().read(true).write(true).custom_flags(flags).open(path).map_err(refused)?;
        // In one call, as the kernel wants it: a second one would be a second trigger. Of `/proc/pressure` it takes
        // the last byte for the end of the text, whatever it is.
        file.write_all(format!("{trigger}\0").as_bytes()).map_err(refused)?;
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).map_err(|errno| refused(errno.into()))?);
        let times = Arc::new(AtomicU64::new(0));
        let thread = std::thread::Builder::new()
            .name("stall-watch".to_owned())
            .spawn({
                let (stop, times) = (Arc::clone(&stop), Arc::clone(&times));
                move || run(&file, &stop, &times, &*callback)
            })
            .map_err(|source| ErrorKind::Thread { source })?;
        Ok(StallWatch { times, stop, thread: Some(thread) })
    }

    fn run(trigger: &File, stop: &OwnedFd, times: &AtomicU64, callback: &dyn Fn()) {
        loop {
            let mut descriptors = [PollFd::new(trigger, PollFlags::PRI), PollFd::new(stop, PollFlags::IN)];
            match poll(&mut descriptors, None) {
                Err(rustix::io::Errno::INTR) => continue,
                // Nothing that could be tried again helps.
                Err(_) => return,
                Ok(_) => {}
            }
            let (told, stopped) = (descriptors[0].revents(), descriptors[1].revents());
            // An error says that the group was removed.
            if !stopped.is_empty() || told.intersects(PollFlags::ERR | PollFlags::NVAL) {
                return;
            }
            if told.contains(PollFlags::PRI) {
                times.fetch_add(1, Ordering::Relaxed);
                callback();
            }
        }
    }

    impl Drop for StallWatch {
        fn drop(&mut self) {
            let Some(thread) = self.thread.take() else { return };
            // A fresh counter takes a one; if it did not, the thread would be left to end with the process.
            let is_told = rustix::io::write(&*self.stop, &1u64.to_ne_bytes()).is_ok();
            if is_told && thread.thread().id() != std::thread::current().id() {
                // A panic of the callback has been printed by its thread; the work goes on.
                let _ = thread.join();
            }
        }
    }

    impl fmt::Debug for StallWatch {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("StallWatch").field("times", &self.times()).finish_non_exhaustive()
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod watch {
    use std::path::Path;

    use super::StallTrigger;
    use crate::error::{Error, ErrorKind};

    /// Keeps a trigger; its callback is not called any more once this is dropped. There is none on this system.
    #[derive(Debug)]
    pub struct StallWatch(std::convert::Infallible);

    impl StallWatch {
        /// How often it was told so far.
        pub fn times(&self) -> u64 {
            match self.0 {}
        }
    }

    pub(super) fn start(path: &Path, _: StallTrigger, _: Box<dyn Fn() + Send>) -> Result<StallWatch, Error> {
        Err(ErrorKind::NoTrigger { path: Some(path.to_owned()), source: None }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{Reading, Scripted};

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn impossible_triggers_are_refused() {
        let monitor = Monitor::unbounded();
        for (stall, window) in [
            (Duration::ZERO, SECOND),
            (Duration::from_nanos(999), SECOND),
            (2 * SECOND, SECOND),
            (SECOND / 10, SECOND / 4),
            (SECOND, 11 * SECOND),
        ] {
            let error = monitor.on_stall(StallTrigger::some(stall, window), || {}).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::ImpossibleTrigger { .. }), "{error}");
        }
    }

    #[test]
    fn a_probe_without_pressure_has_no_triggers() {
        let probe = Scripted::new([Reading::default()]);
        let monitor = Monitor::builder().with_probe(probe).build().unwrap();
        let error = monitor.on_stall(StallTrigger::full(SECOND / 2, SECOND), || {}).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the system has no triggers for stalls on memory; look at a snapshot's pressure instead"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_is_not_the_kernels_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory.pressure");
        let trigger = StallTrigger::some(SECOND / 2, SECOND);
        let error = watch::start(&path, trigger, Box::new(|| {})).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{} takes no such trigger for stalls on memory; give a window of 2, 4, 6, 8 or 10 s, which needs no \
                 privilege, or look at a snapshot's pressure instead",
                path.display()
            )
        );
        assert!(std::error::Error::source(&error).is_some());
    }
}
