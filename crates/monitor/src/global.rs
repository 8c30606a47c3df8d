//! The monitor of a whole application, for where no handle can be passed.

use std::sync::OnceLock;

use crate::bytes::Bytes;
use crate::error::Error;
use crate::monitor::Monitor;
use crate::snapshot::Snapshot;

static GLOBAL: OnceLock<Monitor> = OnceLock::new();

/// The application's monitor: the one that [`set_global`] gave, else [`Monitor::unbounded`] from the first call on.
///
/// For applications alone. A library takes a [`Monitor`] as an argument, so that its caller decides, and a test can have
/// one of its own.
///
/// ```
/// use monitor::{Bytes, global};
///
/// let _held = global().budget().consumer("table").try_reserve(Bytes::mib(1))?;
/// assert_eq!(global().budget().reserved(), Bytes::mib(1));
/// # Ok::<(), monitor::BudgetExceeded>(())
/// ```
pub fn global() -> &'static Monitor {
    GLOBAL.get_or_init(Monitor::unbounded)
}

/// Makes `monitor` the application's. Call it in `main`, before anything asks for it.
///
/// # Errors
///
/// The monitor, if there is one already: what was noted there must not be lost from sight.
///
/// ```
/// use monitor::{Budget, Bytes, Monitor, global, set_global};
///
/// let monitor = Monitor::builder().with_budget(Budget::new(Bytes::mib(64))).build()?;
/// assert!(set_global(monitor).is_ok());
/// assert_eq!(global().budget().limit(), Bytes::mib(64));
/// assert!(set_global(Monitor::unbounded()).is_err());
/// # Ok::<(), monitor::Error>(())
/// ```
pub fn set_global(monitor: Monitor) -> Result<(), Monitor> {
    GLOBAL.set(monitor)
}

/// Takes a snapshot by the application's monitor and keeps it under a label. Shown, it is the line for a log.
///
/// Nothing is printed: where a log goes is the application's to say.
///
/// # Errors
///
/// If memory use cannot be read.
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// let line = format!("after load: {}", monitor::log_memory("after load").unwrap());
/// assert!(line.contains(" resident"));
/// assert_eq!(monitor::global().labelled()[0].label, "after load");
/// # }
/// ```
pub fn log_memory(label: &str) -> Result<Snapshot, Error> {
    global().label(label)
}

/// By how much the process is larger than `threshold`, by the application's monitor; `None` if it is not.
///
/// # Errors
///
/// If memory use cannot be read.
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// use monitor::{Bytes, check_memory_threshold};
///
/// assert!(check_memory_threshold(Bytes::kib(1)).unwrap().is_some());
/// assert_eq!(check_memory_threshold(Bytes::MAX).unwrap(), None);
/// # }
/// ```
pub fn check_memory_threshold(threshold: Bytes) -> Result<Option<Bytes>, Error> {
    let rss = global().probe().rss()?;
    Ok((rss > threshold).then(|| rss.saturating_sub(threshold)))
}
