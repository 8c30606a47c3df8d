//! What bounds a process from outside, and the budget that follows from it.

use crate::bytes::Bytes;

/// What the system lets this process have.
///
/// ```
/// let limits = monitor::Monitor::unbounded().limits()?;
/// assert!(limits.available <= limits.total);
/// # Ok::<(), monitor::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The least hard limit among the process's control group and all of that group's ancestors.
    pub cgroup: Option<Bytes>,
    /// The least soft limit among them (`memory.high`): above it the kernel slows the process down and
    /// reclaims.
    pub soft: Option<Bytes>,
    /// Bytes that the host could give to new work without swapping.
    pub available: Bytes,
    /// Bytes of RAM that the host has.
    pub total: Bytes,
}

/// The budget for a user who names none: three quarters of the container's limit if it has one, else a
/// quarter of what the host has available; at most 1 GiB.
///
/// ```
/// use monitor::{Bytes, Limits, default_budget};
///
/// let host = Limits { available: Bytes::gib(2), total: Bytes::gib(4), ..Limits::default() };
/// assert_eq!(default_budget(&host), Bytes::mib(512));
/// let container = Limits { cgroup: Some(Bytes::mib(512)), ..host };
/// assert_eq!(default_budget(&container), Bytes::mib(384));
/// ```
pub fn default_budget(limits: &Limits) -> Bytes {
    let share = match limits.cgroup {
        // A quarter taken off, not a product: that cannot overflow.
        Some(limit) => limit.get() - limit.get().div_ceil(4),
        None => limits.available.get() / 4,
    };
    Bytes(share).min(Bytes::gib(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(cgroup: Option<Bytes>, available: Bytes) -> Limits {
        Limits { cgroup, available, total: Bytes::gib(64), soft: Some(Bytes::mib(1)) }
    }

    #[test]
    fn three_quarters_of_a_container() {
        assert_eq!(default_budget(&limits(Some(Bytes::mib(512)), Bytes::gib(60))), Bytes::mib(384));
        assert_eq!(default_budget(&limits(Some(Bytes(7)), Bytes::gib(60))), Bytes(5));
        assert_eq!(default_budget(&limits(Some(Bytes::ZERO), Bytes::gib(60))), Bytes::ZERO);
    }

    #[test]
    fn a_quarter_of_a_host() {
        assert_eq!(default_budget(&limits(None, Bytes::mib(100))), Bytes::mib(25));
    }

    #[test]
    fn never_above_a_gibibyte() {
        assert_eq!(default_budget(&limits(None, Bytes::gib(60))), Bytes::gib(1));
        assert_eq!(default_budget(&limits(Some(Bytes::gib(30)), Bytes::gib(60))), Bytes::gib(1));
        assert_eq!(default_budget(&limits(Some(Bytes::MAX), Bytes::MAX)), Bytes::gib(1));
    }
}
