//! Observers: who is told how far the work has come and what memory is.

mod channel;
mod json_lines;
mod openmetrics;
mod server;

use std::io;
use std::sync::Arc;
use std::time::Duration;

pub use channel::{ChannelObserver, ProgressReceiver, progress_channel};
pub use json_lines::{ProgressLines, SnapshotLines};
pub use openmetrics::OpenMetricsFile;
pub use server::MetricsServer;

use crate::snapshot::Snapshot;

/// How far the work has come, and what memory is.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// The name of the phase that began last of those under way; `None` between phases.
    pub phase: Option<Arc<str>>,
    /// How long it has been under way.
    pub elapsed: Duration,
    /// Rows that it said it had worked through, see [`Scope::add_rows`](crate::Scope::add_rows).
    pub rows: u64,
    /// Bytes of the input that it has [reported](crate::Monitor::report).
    pub bytes: u64,
    /// Bytes of the input that there are, as far as it has reported them.
    pub total_bytes: Option<u64>,
    /// What memory is; `None` if it could not be read.
    pub snapshot: Option<Snapshot>,
}

/// Somebody who is told about the work: a terminal, a file of metrics, a task queue.
///
/// Given to [`MonitorBuilder::with_observer`](crate::MonitorBuilder::with_observer) it is told when the work
/// reports, given to [`Sampler::with_observer`](crate::Sampler::with_observer) it is told by the clock. It is
/// called by one thread at a time, and that thread waits for it. It must not call [`report`](crate::Monitor::report)
/// of the monitor that tells it.
///
/// ```
/// use std::io;
/// use std::sync::{Arc, Mutex};
/// use monitor::{Monitor, Observer, Progress};
///
/// struct Names(Arc<Mutex<Vec<String>>>);
///
/// impl Observer for Names {
///     fn observe(&mut self, progress: &Progress) -> io::Result<()> {
///         let seen = format!("{:?} {}", progress.phase.as_deref(), progress.bytes);
///         self.0.lock().unwrap().push(seen);
///         Ok(())
///     }
/// }
///
/// let names = Arc::default();
/// let monitor = Monitor::builder().with_observer(Names(Arc::clone(&names))).build()?;
/// let _scan = monitor.scope("scan");
/// monitor.report(100, Some(100));
/// assert_eq!(*names.lock().unwrap(), ["Some(\"scan\") 100"]);
/// # Ok::<(), monitor::Error>(())
/// ```
pub trait Observer: Send {
    /// Is told.
    ///
    /// # Errors
    ///
    /// If it cannot take it. It is not told again then, and the work goes on: an observer that writes what must
    /// not be lost belongs to a sampler, which keeps the error for [`Sampler::finish`](crate::Sampler::finish).
    fn observe(&mut self, progress: &Progress) -> io::Result<()>;
}

/// Several observers, of which those that fail are left out from then on.
#[derive(Default)]
pub(crate) struct Observers {
    list: Vec<Box<dyn Observer>>,
    /// The first failure.
    error: Option<io::Error>,
}

impl Observers {
    pub(crate) fn add(&mut self, observer: impl Observer + 'static) {
        self.list.push(Box::new(observer));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn tell(&mut self, progress: &Progress) {
        let error = &mut self.error;
        self.list.retain_mut(|observer| match observer.observe(progress) {
            Ok(()) => true,
            Err(failure) => {
                error.get_or_insert(failure);
                false
            }
        });
    }

    pub(crate) fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }
}
