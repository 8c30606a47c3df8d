use super::*;
use crate::error::ErrorKind;
use crate::probe::{self, Scripted};
use crate::snapshot::ByteChange;

fn reading(rss: u64) -> Reading {
    Reading {
        rss: Bytes::mib(rss),
        vms: Bytes::mib(rss + 100),
        peak_rss: Bytes::mib(rss + 1),
        available: Bytes::mib(1000 - rss),
        total: Bytes::mib(1000),
        ..Reading::default()
    }
}

fn scripted(rss: impl IntoIterator<Item = u64>) -> MonitorBuilder {
    Monitor::builder().with_probe(Scripted::new(rss.into_iter().map(reading)))
}

#[test]
fn a_snapshot_puts_probe_and_budget_together() {
    let limits = Limits { cgroup: Some(Bytes::mib(80)), ..Limits::default() };
    let probe = || Scripted::new([reading(250)]).with_limits(limits);
    let monitor =
        Monitor::builder().with_probe(probe()).with_budget(Budget::new(Bytes::mib(64))).build().unwrap();
    let _held = monitor.budget().consumer("batch").try_reserve(Bytes::mib(3)).unwrap();
    let snapshot = monitor.snapshot().unwrap();
    assert_eq!((snapshot.rss, snapshot.vms), (Bytes::mib(250), Bytes::mib(350)));
    assert_eq!((snapshot.available, snapshot.total), (Bytes::mib(750), Bytes::mib(1000)));
    assert_eq!(snapshot.percent, 25.0);
    assert_eq!(snapshot.peak_rss, Bytes::mib(251));
    assert_eq!(snapshot.reserved, Bytes::mib(3));
    assert_eq!(snapshot.limit, Some(Bytes::mib(64)));

    let wide = Monitor::builder().with_probe(probe()).with_budget(Budget::unbounded()).build().unwrap();
    assert_eq!(wide.snapshot().unwrap().limit, Some(Bytes::mib(80)));
}

#[test]
fn the_effective_limit_is_what_is_left_in_the_tightest_place() {
    let limit = |reading: Reading| {
        let probe = Scripted::new([reading]).with_limits(Limits::default());
        let monitor = Monitor::builder().with_probe(probe).with_budget(Budget::unbounded());
        monitor.build().unwrap().snapshot().unwrap().limit
    };
    let host = reading(250);
    assert_eq!(limit(Reading { available: Bytes::mib(10), ..host }), Some(Bytes::mib(260)));
    let container = Reading { container_limit: Some(Bytes::mib(400)), ..host };
    assert_eq!(limit(container), Some(Bytes::mib(400)));
    // Others in the same group hold the rest.
    let shared = Reading { headroom: Some(Bytes::mib(30)), ..container };
    assert_eq!(limit(shared), Some(Bytes::mib(280)));
    assert_eq!(limit(Reading { rss: Bytes::mib(9), ..Reading::default() }), None);
}

#[test]
fn a_peak_never_falls_and_is_never_below_the_size() {
    let at = |rss, peak| Reading { rss: Bytes(rss), peak_rss: Bytes(peak), ..Reading::default() };
    let probe = Scripted::new([at(50, 40), at(10, 45), at(10, 60)]);
    let monitor = Monitor::builder().with_probe(probe).build().unwrap();
    let peaks = [(); 3].map(|()| monitor.snapshot().unwrap().peak_rss.get());
    assert_eq!(peaks, [50, 50, 60]);
}

#[test]
fn a_snapshot_counts_reservations_and_allocations() {
    let counts = AllocationCounts { live_bytes: Bytes(7), live_allocations: 2 };
    let monitor = scripted([1]).with_allocations(move || counts).build().unwrap();
    let _held = [1, 0, 2].map(|n| monitor.budget().consumer(&n.to_string()).try_reserve(Bytes(n)).unwrap());
    let snapshot = monitor.snapshot().unwrap();
    assert_eq!((snapshot.reserved, snapshot.reservations), (Bytes(3), 3));
    assert_eq!(snapshot.allocations, Some(counts));
    assert_eq!(scripted([1]).build().unwrap().snapshot().unwrap().allocations, None);
}

#[test]
fn a_host_of_unknown_size_is_not_divided_by() {
    let monitor = Monitor::builder().with_probe(Scripted::new([Reading::default()])).build().unwrap();
    assert_eq!(monitor.snapshot().unwrap().percent, 0.0);
}

#[test]
fn without_a_budget_the_limits_decide() {
    let monitor = scripted([200]).build().unwrap();
    assert_eq!(monitor.budget().limit(), Bytes::mib(200));
}

#[test]
fn a_delta_wants_a_baseline() {
    let monitor = scripted([10, 30, 25]).build().unwrap();
    assert_eq!(monitor.delta().unwrap(), None);
    assert_eq!(monitor.set_baseline().unwrap().rss, Bytes::mib(10));
    let _held = monitor.budget().consumer("batch").try_reserve(Bytes(512)).unwrap();
    let delta = monitor.delta().unwrap().unwrap();
    assert_eq!(delta.rss.to_string(), "+20.0 MiB");
    assert_eq!(delta.available.to_string(), "-20.0 MiB");
    assert_eq!(delta.reserved.get(), 512);
    // The baseline stays.
    let delta = monitor.delta().unwrap().unwrap();
    assert_eq!(delta.rss, ByteChange::between(Bytes::mib(10), Bytes::mib(25)));
}

#[test]
fn the_threshold_is_the_one_given_or_the_budgets_limit() {
    let given = scripted([50, 51]).with_threshold(Bytes::mib(50)).build().unwrap();
    assert!(!given.is_above_threshold().unwrap());
    assert!(given.is_above_threshold().unwrap());
    let budget = scripted([50]).with_budget(Budget::new(Bytes::mib(49))).build().unwrap();
    assert!(budget.is_above_threshold().unwrap());
    let host = scripted([900]).with_budget(Budget::unbounded()).build().unwrap();
    assert_eq!(host.threshold(), Some(Bytes::mib(1000)));
    assert!(!host.is_above_threshold().unwrap());
    let unknown = Scripted::new([Reading { rss: Bytes::mib(900), ..Reading::default() }]);
    let none = Monitor::builder().with_probe(unknown).with_budget(Budget::unbounded()).build().unwrap();
    assert_eq!((none.threshold(), none.snapshot().unwrap().limit), (None, None));
    assert!(!none.is_above_threshold().unwrap());
}

#[test]
fn labels_are_kept_up_to_the_history() {
    let monitor = scripted([1, 2, 3, 4]).with_history(3).build().unwrap();
    for name in ["start", "batch", "batch", "end"] {
        monitor.label(name).unwrap();
    }
    let kept: Vec<_> = monitor
        .labelled()
        .into_iter()
        .map(|entry| (entry.label, entry.sequence, entry.snapshot.rss))
        .collect();
    let entry = |name: &str, sequence, rss| (name.to_owned(), sequence, Bytes::mib(rss));
    assert_eq!(kept, [entry("batch", 1, 2), entry("batch", 2, 3), entry("end", 3, 4)]);
}

#[test]
fn reports_are_told_at_most_each_interval_and_once_at_the_end() {
    let told = |interval, reports: &[u64]| {
        let (observer, receiver) = crate::progress_channel(64);
        let monitor = scripted([1]).with_observer(observer).with_report_interval(interval).build().unwrap();
        monitor.report(7, None);
        let scope = monitor.scope("scan");
        for bytes in reports {
            monitor.report(*bytes, Some(50));
        }
        drop((scope, monitor));
        receiver.iter().map(|progress| progress.bytes).collect::<Vec<_>>()
    };
    assert_eq!(told(Duration::MAX, &[10, 20, 30, 50, 50, 60]), [10, 50]);
    assert_eq!(told(Duration::ZERO, &[10, 20, 30, 50, 50]), [10, 20, 30, 50]);
    assert_eq!(told(Duration::MAX, &[50]), [50]);
}

#[test]
fn a_callback_of_a_threshold_may_report() {
    let (observer, receiver) = crate::progress_channel(64);
    let monitor =
        scripted([900]).with_observer(observer).with_report_interval(Duration::ZERO).build().unwrap();
    let scope = monitor.scope("scan");
    let again = monitor.clone();
    let threshold = Threshold::at(crate::Level::Bytes(Bytes::mib(500)));
    let watch = monitor.on_crossing(threshold, move |_| again.report(2, None)).unwrap();
    monitor.report(1, None);
    drop((watch, scope, monitor));
    assert_eq!(receiver.iter().map(|progress| progress.bytes).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_report_is_about_the_phase_that_began_last() {
    let (observer, receiver) = crate::progress_channel(64);
    let monitor = scripted([1]).with_observer(observer).with_report_interval(Duration::ZERO).build().unwrap();
    let outer = monitor.scope("outer");
    monitor.report(1, None);
    let inner = outer.scope("inner");
    inner.add_rows(5);
    monitor.report(2, Some(9));
    drop(inner);
    monitor.report(3, None);
    drop((outer, monitor));
    let told: Vec<_> =
        receiver.iter().map(|p| (p.phase.unwrap().to_string(), p.rows, p.bytes, p.total_bytes)).collect();
    let expected = [("outer", 0, 1, None), ("inner", 5, 2, Some(9)), ("outer", 0, 3, None)];
    assert_eq!(told, expected.map(|(name, rows, bytes, total)| (name.to_owned(), rows, bytes, total)));
}

#[test]
fn builds_fail_by_kind() {
    let kind = |builder: MonitorBuilder| format!("{:?}", builder.build().unwrap_err().kind());
    assert_eq!(kind(scripted([1]).with_threshold(Bytes::ZERO)), "ZeroThreshold");
    assert_eq!(kind(scripted([1]).with_history(0)), "ZeroHistory");
    assert_eq!(kind(scripted([])), "EmptyScript");
    assert_eq!(kind(scripted([1]).with_timeline(1)), "ShortTimeline { points: 1 }");
}

#[test]
fn without_a_probe_the_budget_and_the_phases_work() {
    let (absent, limits) = (Box::new(probe::Absent), Limits::default());
    let monitor = Monitor::assemble(absent, Budget::unbounded(), limits, Monitor::builder());
    assert!(matches!(monitor.snapshot().unwrap_err().kind(), ErrorKind::Unsupported { .. }));
    assert_eq!(monitor.scope("work").finish().peak_rss, Bytes::ZERO);
    assert!(monitor.budget().consumer("batch").try_reserve(Bytes::gib(1)).is_ok());
    assert!(!monitor.is_above_threshold().unwrap());
}

#[test]
fn handles_cross_threads() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<Monitor>();
    crosses::<Scope>();
    crosses::<crate::Reservation>();
    crosses::<crate::BudgetExceeded>();
    crosses::<Error>();
}
