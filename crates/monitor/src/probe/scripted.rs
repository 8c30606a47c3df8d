//! A probe that says what it was told to say.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Limits, Probe, Reading};
use crate::error::{Error, ErrorKind};

/// Replays given readings, one each time it is asked, and then the last one for ever. For tests.
///
/// ```
/// use monitor::{Bytes, Monitor, Reading, Scripted};
///
/// let low = Reading { rss: Bytes::mib(10), ..Reading::default() };
/// let high = Reading { rss: Bytes::mib(90), ..Reading::default() };
/// let monitor = Monitor::builder().with_probe(Scripted::new([low, high])).build()?;
/// assert_eq!(monitor.snapshot()?.rss, Bytes::mib(10));
/// assert_eq!(monitor.snapshot()?.rss, Bytes::mib(90));
/// assert_eq!(monitor.snapshot()?.rss, Bytes::mib(90));
/// # Ok::<(), monitor::Error>(())
/// ```
#[derive(Debug)]
pub struct Scripted {
    readings: Vec<Reading>,
    next: AtomicUsize,
    limits: Option<Limits>,
}

impl Scripted {
    /// A probe that gives `readings` in their order.
    pub fn new(readings: impl IntoIterator<Item = Reading>) -> Scripted {
        Scripted { readings: readings.into_iter().collect(), next: AtomicUsize::new(0), limits: None }
    }

    /// Says that these are the limits. Without them there is no control group, and the host is that of the
    /// first reading.
    ///
    /// ```
    /// use monitor::{Bytes, Limits, Monitor, Reading, Scripted};
    ///
    /// let limits = Limits { cgroup: Some(Bytes::mib(512)), total: Bytes::gib(16), ..Limits::default() };
    /// let probe = Scripted::new([Reading::default()]).with_limits(limits);
    /// let monitor = Monitor::builder().with_probe(probe).build()?;
    /// assert_eq!(monitor.limits()?.cgroup, Some(Bytes::mib(512)));
    /// // Three quarters of the container.
    /// assert_eq!(monitor.budget().limit(), Bytes::mib(384));
    /// # Ok::<(), monitor::Error>(())
    /// ```
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Scripted {
        Scripted { limits: Some(limits), ..self }
    }
}

impl Probe for Scripted {
    fn read(&self) -> Result<Reading, Error> {
        let last = self.readings.len().checked_sub(1).ok_or(ErrorKind::EmptyScript)?;
        let asked = self.next.fetch_add(1, Ordering::Relaxed);
        Ok(self.readings[asked.min(last)])
    }

    fn limits(&self) -> Result<Limits, Error> {
        if let Some(limits) = self.limits {
            return Ok(limits);
        }
        let first = self.readings.first().ok_or(ErrorKind::EmptyScript)?;
        Ok(Limits { available: first.available, total: first.total, ..Limits::default() })
    }
}
