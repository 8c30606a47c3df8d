//! What it costs to look: a snapshot, its parts, and the dear figures that a snapshot does not read every time.
//!
//! Each bench checks what it read.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use monitor::{Budget, Bytes, LinuxProbe, Monitor, Probe};

const BUDGET: Bytes = Bytes::mib(64);

fn monitor() -> Monitor {
    Monitor::builder().with_budget(Budget::new(BUDGET)).build().expect("a probe")
}

/// At most 5 µs are promised for a snapshot, in the median.
fn snapshots(c: &mut Criterion) {
    let mut group = c.benchmark_group("snapshot");
    let plain = monitor();
    group.bench_function("whole", |b| b.iter(|| plain.snapshot().expect("readable")));
    let busy = monitor();
    let _held: Vec<_> = (0..20)
        .map(|n| busy.budget().consumer(&format!("consumer {n}")).try_reserve(Bytes::kib(1)).expect("fits"))
        .collect();
    assert_eq!(busy.snapshot().expect("readable").reservations, 20);
    group.bench_function("whole, 20 consumers", |b| b.iter(|| busy.snapshot().expect("readable")));
    group.bench_function("above threshold", |b| b.iter(|| plain.is_above_threshold().expect("readable")));
    group.finish();
}

fn parts(c: &mut Criterion) {
    let mut group = c.benchmark_group("probe");
    let probe = LinuxProbe::open().expect("Linux");
    let anew = LinuxProbe::open().expect("Linux").with_refresh(Duration::ZERO);
    let (fast, slow) = (probe.read().expect("readable"), probe.read_anew().expect("readable"));
    assert!(fast.rss.get().abs_diff(slow.rss.get()) < Bytes::mib(1).get());
    group.bench_function("read", |b| b.iter(|| black_box(probe.read().expect("readable"))));
    group.bench_function("resident bytes alone", |b| b.iter(|| probe.rss().expect("readable")));
    group
        .bench_function("read, host and container every time", |b| b.iter(|| anew.read().expect("readable")));
    group.bench_function("read anew, from status", |b| b.iter(|| probe.read_anew().expect("readable")));
    group.bench_function("peak, from status", |b| b.iter(|| probe.peak_rss().expect("readable")));
    group.bench_function("host and limits", |b| b.iter(|| probe.limits().expect("readable")));
    group.bench_function("control groups", |b| b.iter(|| probe.cgroup_usage().expect("readable")));
    group.finish();
}

fn config() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2))
}

criterion_group! { name = benches; config = config(); targets = snapshots, parts }
criterion_main!(benches);
