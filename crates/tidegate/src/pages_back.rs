//! Memory that nobody needs, given back to the system before it breaks the budget.

use std::sync::Arc;

use monitor::{Bytes, Giver, Monitor, Stage};

/// How much the process may grow between two reclaims, as a share of the budget: each takes some milliseconds, and pages
/// that are needed again cost a fault.
const GROWTH_SHARE: u64 = 16;

/// Watches whether the process takes more than is reserved.
///
/// Most of what it takes beyond is freed memory that the allocator keeps, and that part can be given back. The rest
/// cannot: page tables, stacks, and what libraries hold that nobody reserved.
pub(crate) struct PagesBack {
    monitor: Monitor,
    /// Resident bytes up to which nothing is done.
    above: Bytes,
    /// Asked by the monitor for as long as this watches.
    _allocator: Option<Arc<dyn Giver>>,
}

impl PagesBack {
    pub(crate) fn new(monitor: &Monitor) -> PagesBack {
        PagesBack { monitor: monitor.clone(), above: Bytes::ZERO, _allocator: allocator(monitor) }
    }

    /// Looks, and has pages given back if there are too many. To be called when a batch is done with.
    pub(crate) fn check(&mut self) {
        // Where memory cannot be read, nothing can be done by it; the reservations hold all the same.
        let Ok(seen) = self.monitor.snapshot() else { return };
        let budget = self.monitor.budget();
        if seen.rss <= budget.reserved().max(self.above) {
            return;
        }
        if seen.rss > budget.limit() {
            self.monitor.reclaim();
        } else {
            // Buffers that wait for the next batch are reserved: to lose them would only cost time.
            self.monitor.reclaim_from(Stage::Allocator);
        }
        let left = self.monitor.snapshot().map_or(seen.rss, |left| left.rss);
        let next = left.saturating_add(Bytes(budget.limit().get() / GROWTH_SHARE));
        // Above the budget everybody is asked at once, unless that has just not helped.
        self.above = if left <= budget.limit() { next.min(budget.limit()) } else { next };
    }
}

/// The allocator, registered with the monitor, where there is a way to ask it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn allocator(monitor: &Monitor) -> Option<Arc<dyn Giver>> {
    let allocator = Arc::new(monitor::AllocatorTrim::new());
    monitor.register_giver("allocator", &allocator);
    Some(allocator)
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn allocator(_: &Monitor) -> Option<Arc<dyn Giver>> {
    None
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use monitor::{Budget, Reading, Scripted};

    use super::*;

    struct Asked(AtomicU32, Stage);

    impl Giver for Asked {
        fn give_back(&self) -> Bytes {
            self.0.fetch_add(1, Ordering::Relaxed);
            Bytes::ZERO
        }
        fn stage(&self) -> Stage {
            self.1
        }
    }

    /// How often allocators and holders are asked when the process has these sizes, in MiB, of a budget of 160 of which
    /// 100 are reserved. Each look that comes to a reclaim takes two of them.
    fn asked(sizes: &[u64], looks: u32) -> (u32, u32) {
        let sizes = sizes.iter().map(|mib| Reading { rss: Bytes::mib(*mib), ..Reading::default() });
        let monitor = Monitor::builder()
            .with_probe(Scripted::new(sizes))
            .with_budget(Budget::new(Bytes::mib(160)))
            .build()
            .unwrap();
        let _held = monitor.budget().consumer("batch").try_reserve(Bytes::mib(100)).unwrap();
        let of = |stage| Arc::new(Asked(AtomicU32::new(0), stage));
        let (allocator, holder) = (of(Stage::Allocator), of(Stage::Holder));
        monitor.register_giver("an allocator", &allocator);
        monitor.register_giver("a holder", &holder);
        let mut pages = PagesBack::new(&monitor);
        (0..looks).for_each(|_| pages.check());
        (allocator.0.load(Ordering::Relaxed), holder.0.load(Ordering::Relaxed))
    }

    #[test]
    fn what_is_reserved_is_left_alone() {
        assert_eq!(asked(&[80, 100], 2), (0, 0));
    }

    #[test]
    fn above_it_the_allocator_is_asked_once_for_each_growth() {
        assert_eq!(asked(&[101, 101], 1), (1, 0));
        // It gave 20 of 120 back, and then the process grew by a sixteenth of the budget: not by more.
        assert_eq!(asked(&[120, 100, 110], 2), (1, 0));
        assert_eq!(asked(&[120, 100, 111, 111], 2), (2, 0));
    }

    #[test]
    fn above_the_budget_all_are_asked() {
        assert_eq!(asked(&[160, 160], 1), (1, 0));
        assert_eq!(asked(&[161, 161], 1), (1, 1));
        // Even where the last reclaim was less than a sixteenth ago, but not again and again where it does not help.
        assert_eq!(asked(&[158, 158, 164, 164], 2), (2, 1));
        assert_eq!(asked(&[164, 164, 165], 2), (1, 1));
    }
}
