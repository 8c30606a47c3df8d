//! Where figures come from: one trait, a probe a system, and a scripted one for tests.

#[cfg(target_os = "linux")]
mod cgroup;
#[cfg(target_os = "linux")]
mod hierarchy;
#[cfg(target_os = "linux")]
mod kept;
mod limits;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(not(target_os = "linux"), test))]
#[cfg_attr(
    target_os = "linux",
    expect(unreachable_pub, reason = "on Linux it is compiled for its tests alone")
)]
mod portable;
mod pressure;
mod scripted;
#[cfg(target_os = "linux")]
mod source;
#[cfg(target_os = "linux")]
mod usage;

#[cfg(target_os = "linux")]
pub use cgroup::CgroupUsage;
pub use limits::{Limits, default_budget};
#[cfg(target_os = "linux")]
pub use linux::LinuxProbe;
#[cfg(not(target_os = "linux"))]
pub use portable::SysinfoProbe;
pub use pressure::{Pressure, Stall};
pub use scripted::Scripted;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::bytes::Bytes;
use crate::error::Error;

/// A source of figures about this process and its host.
///
/// Not promised: that two figures of one reading belong to the same instant, nor that `rss` is exact. Linux
/// counts resident pages per CPU and adds them up late; the live bytes of a [`Budget`](crate::Budget) are the
/// figure to steer by, and `rss` is the outer guard.
///
/// A probe of one's own says what it can, and leaves the rest to what is provided:
///
/// ```
/// use std::path::Path;
/// use monitor::{Bytes, Error, ErrorKind, Limits, Probe, Reading};
///
/// struct Simulated;
///
/// impl Probe for Simulated {
///     fn read(&self) -> Result<Reading, Error> {
///         Ok(Reading { rss: Bytes::mib(48), peak_rss: Bytes::mib(52), ..Reading::default() })
///     }
///     fn limits(&self) -> Result<Limits, Error> {
///         Ok(Limits { total: Bytes::gib(1), ..Limits::default() })
///     }
/// }
///
/// assert_eq!(Simulated.limits()?.total, Bytes::gib(1));
/// assert_eq!((Simulated.rss()?, Simulated.peak_rss()?), (Bytes::mib(48), Bytes::mib(52)));
/// assert_eq!((Simulated.peaks()?.container_peak, Simulated.pressure_file()), (None, None::<&Path>));
/// for refused in [Simulated.reset_peak_rss(), Simulated.reset_container_peak()] {
///     assert!(matches!(refused.unwrap_err().kind(), ErrorKind::Unsupported { .. }));
/// }
/// # Ok::<(), monitor::Error>(())
/// ```
pub trait Probe: Send + Sync {
    /// All figures at once.
    ///
    /// # Errors
    ///
    /// If the system cannot be asked, or its answer is not understood.
    fn read(&self) -> Result<Reading, Error>;

    /// What bounds this process from outside.
    ///
    /// # Errors
    ///
    /// As for [`Probe::read`].
    fn limits(&self) -> Result<Limits, Error>;

    /// Resident bytes alone, for a probe that has a cheaper way to them.
    ///
    /// # Errors
    ///
    /// As for [`Probe::read`].
    fn rss(&self) -> Result<Bytes, Error> {
        Ok(self.read()?.rss)
    }

    /// The highest resident bytes so far alone, for a probe that has a cheaper way to them.
    ///
    /// # Errors
    ///
    /// As for [`Probe::read`].
    fn peak_rss(&self) -> Result<Bytes, Error> {
        Ok(self.read()?.peak_rss)
    }

    /// What a phase begins and ends with, for a probe that has a better way to it.
    ///
    /// # Errors
    ///
    /// As for [`Probe::read`].
    fn peaks(&self) -> Result<Peaks, Error> {
        let Reading { rss, peak_rss, .. } = self.read()?;
        Ok(Peaks { rss, peak_rss, container_peak: None })
    }

    /// Makes [`Probe::peak_rss`] begin anew at the present size, for everybody who reads it.
    ///
    /// # Errors
    ///
    /// If the system does not know how, which is what a probe says unless it says otherwise, or does not
    /// allow it.
    fn reset_peak_rss(&self) -> Result<(), Error> {
        Err(Error::unsupported())
    }

    /// The file of pressure stall information that a [trigger](crate::StallTrigger) can be written to, if there
    /// is one.
    fn pressure_file(&self) -> Option<&Path> {
        None
    }

    /// Makes [`Peaks::container_peak`] begin anew at what is charged now.
    ///
    /// # Errors
    ///
    /// As for [`Probe::reset_peak_rss`].
    fn reset_container_peak(&self) -> Result<(), Error> {
        Err(Error::unsupported())
    }
}

/// A probe that somebody else holds too, as a test that changes what it says.
impl<P: Probe + ?Sized> Probe for Arc<P> {
    fn read(&self) -> Result<Reading, Error> {
        (**self).read()
    }

    fn limits(&self) -> Result<Limits, Error> {
        (**self).limits()
    }

    fn rss(&self) -> Result<Bytes, Error> {
        (**self).rss()
    }

    fn peak_rss(&self) -> Result<Bytes, Error> {
        (**self).peak_rss()
    }

    fn peaks(&self) -> Result<Peaks, Error> {
        (**self).peaks()
    }

    fn reset_peak_rss(&self) -> Result<(), Error> {
        (**self).reset_peak_rss()
    }

    fn reset_container_peak(&self) -> Result<(), Error> {
        (**self).reset_container_peak()
    }

    fn pressure_file(&self) -> Option<&Path> {
        (**self).pressure_file()
    }
}

/// What a [`Probe`] saw.
///
/// ```
/// use monitor::{Bytes, Reading};
///
/// let seen = Reading { rss: Bytes::mib(10), ..Reading::default() };
/// assert_eq!((seen.headroom, seen.pressure), (None, None));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Bytes of this process that are in RAM.
    pub rss: Bytes,
    /// Bytes of address space that this process has mapped.
    pub vms: Bytes,
    /// The highest `rss` since the process began, as the kernel kept it. Never below `rss`.
    pub peak_rss: Bytes,
    /// Bytes that the host could give to new work without swapping.
    pub available: Bytes,
    /// Bytes of RAM that the host has.
    pub total: Bytes,
    /// The least hard limit among the process's control group and that group's ancestors.
    pub container_limit: Option<Bytes>,
    /// Bytes charged to the process's control group, page cache included.
    pub container_used: Option<Bytes>,
    /// Bytes that the tightest of these groups could still take, clean page cache counted as free. `None`
    /// without a limit.
    pub headroom: Option<Bytes>,
    /// How long ago the figures of the host and the container (`available` to `headroom`) were read. They are
    /// dear, and need not be read every time.
    pub host_age: Duration,
    /// How long work waited for memory, at most 10 ms ago; `None` where the system does not keep it.
    pub pressure: Option<Pressure>,
    /// Page faults so far; `None` where the system does not count them.
    pub faults: Option<PageFaults>,
}

/// The size and the high-water marks of the process at one time.
///
/// ```
/// use monitor::{Bytes, Probe, Reading, Scripted};
///
/// let probe = Scripted::new([Reading { peak_rss: Bytes::mib(3), ..Reading::default() }]);
/// assert_eq!(probe.peaks()?.peak_rss, Bytes::mib(3));
/// # Ok::<(), monitor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peaks {
    /// Bytes of this process that are in RAM.
    pub rss: Bytes,
    /// The highest `rss` since the process began, or since the mark was set back.
    pub peak_rss: Bytes,
    /// The most that was charged to the process's control group, page cache included; `None` without one.
    pub container_peak: Option<Bytes>,
}

/// How often the process touched pages that were not there, since it began.
///
/// ```
/// use monitor::PageFaults;
///
/// let faults = PageFaults { minor: 120, major: 3 };
/// assert!(faults.major < faults.minor);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageFaults {
    /// Pages that were in RAM, or only had to be cleared: the cost of memory that is used for the first time.
    pub minor: u64,
    /// Pages that had to be read from a disk: the sign that memory is too short.
    pub major: u64,
}

/// The probe of the system that this was built for.
///
/// # Errors
///
/// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) on a system without one.
pub(crate) fn native() -> Result<Box<dyn Probe>, Error> {
    #[cfg(target_os = "linux")]
    return Ok(Box::new(LinuxProbe::open()?));
    #[cfg(not(target_os = "linux"))]
    return Ok(Box::new(SysinfoProbe::open()?));
}

/// Stands in where there is no probe: every question is answered by the same kind of error.
pub(crate) struct Absent;

impl Probe for Absent {
    fn read(&self) -> Result<Reading, Error> {
        Err(Error::unsupported())
    }

    fn limits(&self) -> Result<Limits, Error> {
        Err(Error::unsupported())
    }
}
