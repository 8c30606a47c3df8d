//! Pages that the allocator keeps of what was freed, given back to the system before they break the budget.

use monitor::{Bytes, Monitor};

/// How much the process may grow between two trims, as a share of the budget: each takes some milliseconds, and pages
/// that are needed again cost a fault.
const GROWTH_SHARE: u64 = 16;

/// Watches whether the process takes more than is reserved. Only freed memory that the allocator keeps does that.
pub(crate) struct PagesBack {
    monitor: Monitor,
    /// Resident bytes up to which nothing is done.
    above: Bytes,
}

impl PagesBack {
    pub(crate) fn new(monitor: &Monitor) -> PagesBack {
        PagesBack { monitor: monitor.clone(), above: Bytes::ZERO }
    }

    /// Looks, and gives pages back if there are too many. To be called when a batch is done with.
    pub(crate) fn check(&mut self) {
        // Where memory cannot be read, nothing can be done by it; the reservations hold all the same.
        let Ok(seen) = self.monitor.snapshot() else { return };
        if seen.rss <= self.monitor.budget().reserved().max(self.above) {
            return;
        }
        let given = trim();
        let growth = Bytes(self.monitor.budget().limit().get() / GROWTH_SHARE);
        self.above = seen.rss.saturating_sub(given).saturating_add(growth);
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn trim() -> Bytes {
    use monitor::{AllocatorTrim, Giver};
    AllocatorTrim::new().give_back()
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim() -> Bytes {
    Bytes::ZERO
}
