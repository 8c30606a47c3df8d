//! What can go wrong while memory is watched.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::threshold::Level;

/// A failure to set up a monitor or to read what memory does.
///
/// ```
/// use std::time::Duration;
/// use monitor::{ErrorKind, Monitor};
///
/// let error = Monitor::unbounded().sample_every(Duration::ZERO).unwrap_err();
/// assert!(matches!(error.kind(), ErrorKind::ZeroInterval));
/// assert_eq!(error.to_string(), "an interval of no time would sample without a pause; give one above zero");
/// ```
///
/// A refused reservation is not one of these: see [`BudgetExceeded`](crate::BudgetExceeded).
#[derive(Debug)]
pub struct Error(Box<ErrorKind>);

/// What went wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no probe for this operating system.
    #[non_exhaustive]
    Unsupported {
        /// The system's name, as in [`std::env::consts::OS`].
        system: &'static str,
    },
    /// A source of figures could not be read.
    #[non_exhaustive]
    Read {
        /// The file that was read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is to change what the system counts could not be written.
    #[non_exhaustive]
    Write {
        /// The file that was written.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A source of figures was read but not understood.
    #[non_exhaustive]
    Malformed {
        /// The file that was read.
        path: PathBuf,
        /// What it should have held.
        expected: &'static str,
        /// What it held instead, shortened.
        found: String,
    },
    /// The builder was given a threshold of no bytes.
    ZeroThreshold,
    /// A threshold that nothing could pass in both directions.
    #[non_exhaustive]
    ImpossibleThreshold {
        /// Where it is passed upwards.
        at: Level,
        /// Where it clears.
        clear_below: Level,
    },
    /// The builder was told to keep no history.
    ZeroHistory,
    /// The builder was told to keep a timeline of less than two points.
    #[non_exhaustive]
    ShortTimeline {
        /// What it was told.
        points: usize,
    },
    /// A sampler was given an interval of no time.
    ZeroInterval,
    /// The system gave no thread.
    #[non_exhaustive]
    Thread {
        /// What the system said.
        source: io::Error,
    },
    /// Metrics are served to this machine alone.
    #[non_exhaustive]
    NotLoopback {
        /// An address that others could reach.
        address: SocketAddr,
    },
    /// The system did not give the address to serve metrics at.
    #[non_exhaustive]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A stall trigger that the kernel would not take.
    #[non_exhaustive]
    ImpossibleTrigger {
        /// How long work may wait.
        stall: Duration,
        /// Within which time.
        window: Duration,
    },
    /// The system has no triggers for stalls, or does not allow this one.
    #[non_exhaustive]
    NoTrigger {
        /// The file that took none; `None` if there is no such file.
        path: Option<PathBuf>,
        /// What the system said.
        source: Option<io::Error>,
    },
    /// A cache was to hold no bytes, or no items.
    ZeroCache,
    /// A [`Scripted`](crate::Scripted) probe has no reading to give.
    EmptyScript,
}

impl Error {
    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }

    /// For a [`Probe`](crate::Probe) of one's own: `path` could not be read.
    ///
    /// ```
    /// use std::io;
    /// use monitor::{Error, ErrorKind};
    ///
    /// let denied = || io::Error::from(io::ErrorKind::PermissionDenied);
    /// assert!(matches!(Error::read("/proc/7/status", denied()).kind(), ErrorKind::Read { .. }));
    /// assert!(matches!(Error::write("/proc/7/clear_refs", denied()).kind(), ErrorKind::Write { .. }));
    /// assert!(matches!(Error::malformed("/proc/7/statm", "a number", "x").kind(), ErrorKind::Malformed { .. }));
    /// assert!(matches!(Error::unsupported().kind(), ErrorKind::Unsupported { .. }));
    /// ```
    pub fn read(path: impl Into<PathBuf>, source: io::Error) -> Error {
        ErrorKind::Read { path: path.into(), source }.into()
    }

    /// For a [`Probe`](crate::Probe) of one's own: `path` could not be written.
    pub fn write(path: impl Into<PathBuf>, source: io::Error) -> Error {
        ErrorKind::Write { path: path.into(), source }.into()
    }

    /// For a [`Probe`](crate::Probe) of one's own: `path` held `found` instead of `expected`.
    pub fn malformed(path: impl AsRef<Path>, expected: &'static str, found: &str) -> Error {
        const MOST: usize = 60;
        let found = found.trim().chars().take(MOST).collect();
        ErrorKind::Malformed { path: path.as_ref().to_owned(), expected, found }.into()
    }

    /// For a [`Probe`](crate::Probe) of one's own: this operating system cannot say.
    pub fn unsupported() -> Error {
        ErrorKind::Unsupported { system: std::env::consts::OS }.into()
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Error {
        Error(Box::new(kind))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            ErrorKind::Unsupported { system } => write!(
                f,
                "memory use cannot be read on {system}: there is no probe for it; give the monitor one of your own"
            ),
            ErrorKind::Read { path, .. } => {
                write!(f, "cannot read {}: memory use is unknown without it", path.display())
            }
            ErrorKind::Write { path, .. } => {
                write!(f, "cannot write {}: the figure that it resets goes on as it was", path.display())
            }
            ErrorKind::Malformed { path, expected, found } => {
                write!(f, "{} should hold {expected}, but holds `{found}`", path.display())
            }
            ErrorKind::ZeroThreshold => {
                f.write_str("a threshold of 0 B is passed by every process; give a size above zero")
            }
            ErrorKind::ImpossibleThreshold { at, clear_below } => write!(
                f,
                "a threshold at {at} that clears below {clear_below} is impossible: give sizes above zero, shares of \
                 at most 1, and let it clear at or below where it begins"
            ),
            ErrorKind::ZeroHistory => {
                f.write_str("a history of 0 entries keeps no label and no phase; keep at least one")
            }
            ErrorKind::ShortTimeline { points } => write!(
                f,
                "a timeline of {points} points has no two neighbours to merge when it is full; give it at least 2"
            ),
            ErrorKind::ZeroInterval => {
                f.write_str("an interval of no time would sample without a pause; give one above zero")
            }
            ErrorKind::Thread { .. } => {
                f.write_str("the system gave no thread to watch memory with; the work can go on without")
            }
            ErrorKind::NotLoopback { address } => write!(
                f,
                "metrics are not served at {address}, which other machines could reach; give an address of the \
                 loopback interface, such as 127.0.0.1:9464"
            ),
            ErrorKind::Listen { address, .. } => {
                write!(f, "metrics cannot be served at {address}; give an address that is free")
            }
            ErrorKind::ImpossibleTrigger { stall, window } => write!(
                f,
                "a trigger for stalls of {stall:?} within {window:?} is impossible: give a window of 0.5 to 10 s, and \
                 a stall above zero and at most the window"
            ),
            ErrorKind::NoTrigger { path: None, .. } => f.write_str(
                "the system has no triggers for stalls on memory; look at a snapshot's pressure instead",
            ),
            ErrorKind::NoTrigger { path: Some(path), .. } => write!(
                f,
                "{} takes no such trigger for stalls on memory; give a window of 2, 4, 6, 8 or 10 s, which needs no \
                 privilege, or look at a snapshot's pressure instead",
                path.display()
            ),
            ErrorKind::ZeroCache => {
                f.write_str("a cache of 0 B or 0 items holds nothing; give it at least one of each")
            }
            ErrorKind::EmptyScript => {
                f.write_str("a scripted probe was given no readings; give it at least one")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.kind() {
            ErrorKind::Read { source, .. }
            | ErrorKind::Write { source, .. }
            | ErrorKind::Listen { source, .. }
            | ErrorKind::Thread { source } => Some(source),
            ErrorKind::NoTrigger { source: Some(source), .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn messages() {
        let shown = |kind: ErrorKind| Error::from(kind).to_string();
        assert_eq!(
            shown(ErrorKind::Unsupported { system: "plan9" }),
            "memory use cannot be read on plan9: there is no probe for it; give the monitor one of your own"
        );
        assert_eq!(
            shown(ErrorKind::ZeroThreshold),
            "a threshold of 0 B is passed by every process; give a size above zero"
        );
        assert_eq!(
            shown(ErrorKind::ZeroHistory),
            "a history of 0 entries keeps no label and no phase; keep at least one"
        );
        assert_eq!(
            shown(ErrorKind::EmptyScript),
            "a scripted probe was given no readings; give it at least one"
        );
        let (stall, window) = (Duration::from_millis(2), Duration::from_secs(20));
        assert_eq!(
            shown(ErrorKind::ImpossibleTrigger { stall, window }),
            "a trigger for stalls of 2ms within 20s is impossible: give a window of 0.5 to 10 s, and a stall above \
             zero and at most the window"
        );
        assert_eq!(
            shown(ErrorKind::ShortTimeline { points: 1 }),
            "a timeline of 1 points has no two neighbours to merge when it is full; give it at least 2"
        );
        assert_eq!(
            shown(ErrorKind::Thread { source: io::Error::other("none left") }),
            "the system gave no thread to watch memory with; the work can go on without"
        );
        assert_eq!(
            Error::malformed("/proc/self/statm", "two numbers", &format!("{}\n", "é".repeat(90))).to_string(),
            format!("/proc/self/statm should hold two numbers, but holds `{}`", "é".repeat(60))
        );
    }

    #[test]
    fn the_systems_word_is_kept_as_source() {
        let error = Error::read("/proc/meminfo", io::Error::other("gone"));
        assert_eq!(error.to_string(), "cannot read /proc/meminfo: memory use is unknown without it");
        assert_eq!(error.source().unwrap().to_string(), "gone");
        let error = Error::write("/proc/self/clear_refs", io::Error::other("no"));
        assert_eq!(
            error.to_string(),
            "cannot write /proc/self/clear_refs: the figure that it resets goes on as it was"
        );
        assert_eq!(error.source().unwrap().to_string(), "no");
    }
}
