//! What it costs to look: a snapshot, its parts, and the dear figures that a snapshot does not read every time.
//!
//! Each bench checks what it read. Last, a load of `orders` with and without a sampler of 100 Hz: processor time and wall
//! time as ratios, in pairs, since the machine drifts by more than a sampler takes.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use adaptive::AutoSize;
use benches::Shape;
use chunked_loader::{Loader, Scan, Source};
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

fn scopes(c: &mut Criterion) {
    let mut group = c.benchmark_group("scope");
    let plain = monitor();
    group.bench_function("begun and ended", |b| b.iter(|| plain.scope("phase").finish()));
    group.bench_function("report, not due", |b| {
        let _scope = plain.scope("phase");
        b.iter(|| plain.report(black_box(1), Some(2)));
    });
    let monitor = monitor();
    let _scope = monitor.scope("phase");
    group.bench_function("OpenMetrics text", |b| b.iter(|| monitor.openmetrics()));
    group.finish();
}

const ROWS: u64 = 400_000;
const HZ_100: Duration = Duration::from_millis(10);
/// Pairs of loads; the median counts.
const PAIRS: usize = 15;

/// Wall time and the process's processor time of one load.
fn load(monitor: &Monitor, path: &Path, scan: &Scan) -> (Duration, Duration) {
    let source = Source::open(&[path.to_owned()], &std::env::temp_dir()).expect("the file is there");
    let loader = Loader::new(source).with_threads(2).with_monitor(monitor.clone());
    let columns: Vec<usize> = (0..scan.columns().len()).collect();
    let (began, phase) = (Instant::now(), monitor.scope("load"));
    let rows: u64 = loader
        .batches(scan, &columns, Box::new(AutoSize::new()))
        .map(|batch| batch.expect("the file is unchanged").num_rows() as u64)
        .sum();
    assert_eq!(rows, ROWS);
    (began.elapsed(), phase.finish().cpu)
}

/// What a sampler takes of one processor while the process does nothing else: less noisy than the loads, and without
/// what they lose to it in caches.
fn sampler_alone() {
    const WINDOW: Duration = Duration::from_secs(2);
    let monitor = monitor();
    let phase = monitor.scope("idle");
    let sampler = monitor.sample_every(HZ_100).expect("a thread");
    std::thread::sleep(WINDOW);
    drop(sampler);
    let phase = phase.finish();
    let samples: u64 = monitor.timeline().iter().map(|point| point.samples).sum();
    let share = phase.cpu.as_secs_f64() / phase.wall.as_secs_f64();
    println!("a sampler of 100 Hz alone: {:.3} % of one processor ({samples} samples)", 100.0 * share);
}

/// At most 1 % is promised for a monitor that samples at 100 Hz.
fn sampling(_: &mut Criterion) {
    sampler_alone();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("orders.csv");
    let mut csv = Vec::new();
    benches::write(Shape::Orders, ROWS, 1, &mut csv).expect("memory takes bytes");
    std::fs::write(&path, &csv).expect("a temporary file");
    drop(csv);
    let monitor = monitor();
    let source = Source::open(std::slice::from_ref(&path), &std::env::temp_dir()).expect("the file is there");
    let scan = Loader::new(source).with_monitor(monitor.clone()).scan().expect("well formed");
    load(&monitor, &path, &scan);

    let (mut wall, mut cpu) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        let sampled = || {
            let sampler = monitor.sample_every(HZ_100).expect("a thread");
            let took = load(&monitor, &path, &scan);
            drop(sampler);
            took
        };
        // Whoever goes second has the warmer caches.
        let (with, without) = if pair % 2 == 0 {
            let with = sampled();
            (with, load(&monitor, &path, &scan))
        } else {
            let without = load(&monitor, &path, &scan);
            (sampled(), without)
        };
        wall.push(with.0.as_secs_f64() / without.0.as_secs_f64());
        cpu.push(with.1.as_secs_f64() / without.1.as_secs_f64());
    }
    let median = |ratios: &mut Vec<f64>| {
        ratios.sort_by(f64::total_cmp);
        ratios[ratios.len() / 2]
    };
    let samples: u64 = monitor.timeline().iter().map(|point| point.samples).sum();
    assert!(samples >= 2 * PAIRS as u64);
    println!(
        "load with a sampler of 100 Hz over load without: {:.4} of processor time, {:.4} of wall time \
         (medians of {PAIRS} pairs, {samples} samples)",
        median(&mut cpu),
        median(&mut wall)
    );
}

fn config() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2))
}

criterion_group! { name = benches; config = config(); targets = snapshots, parts, scopes, sampling }
criterion_main!(benches);
