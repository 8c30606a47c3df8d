//! Where figures come from: one trait, a probe a system, and a scripted one for tests.

#[cfg(any(target_os = "linux", test))]
mod cgroup;
mod limits;
#[cfg(target_os = "linux")]
mod linux;
mod scripted;

#[cfg(target_os = "linux")]
pub use cgroup::CgroupUsage;
pub use limits::{Limits, default_budget};
#[cfg(target_os = "linux")]
pub use linux::LinuxProbe;
pub use scripted::Scripted;

use crate::bytes::Bytes;
use crate::error::Error;

/// A source of figures about this process and its host.
///
/// Not promised: that two figures of one reading belong to the same instant, nor that `rss` is exact. Linux
/// counts resident pages per CPU and adds them up late; the live bytes of a [`Budget`](crate::Budget) are the
/// figure to steer by, and `rss` is the outer guard.
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
}

/// What a [`Probe`] saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Bytes of this process that are in RAM.
    pub rss: Bytes,
    /// Bytes of address space that this process has mapped.
    pub vms: Bytes,
    /// The highest `rss` since the process began, as the kernel kept it.
    pub peak_rss: Bytes,
    /// Bytes that the host could give to new work without swapping.
    pub available: Bytes,
    /// Bytes of RAM that the host has.
    pub total: Bytes,
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
    return Err(Error::unsupported());
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
