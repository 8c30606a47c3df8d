//! What a reservation costs, and a verdict on a thousand batches.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use monitor::{Budget, Bytes, Monitor, Verdict};

/// The aim is 100 ns for one that nobody else is at.
fn reservations(criterion: &mut Criterion) {
    let budget = Budget::new(Bytes::mib(64));
    let consumer = budget.consumer("bench");
    let others: Vec<_> = (0..8).map(|_| consumer.try_reserve(Bytes(64)).expect("room")).collect();
    let mut group = criterion.benchmark_group("budget");
    group.bench_function("reserve and drop", |bencher| {
        bencher.iter(|| drop(black_box(consumer.try_reserve(black_box(Bytes(4096))))));
    });
    let mut held = consumer.try_reserve(Bytes(4096)).expect("room");
    group.bench_function("grow and shrink", |bencher| {
        bencher.iter(|| {
            held.try_grow(black_box(Bytes(4096))).expect("room");
            held.shrink_to(black_box(Bytes(4096)));
        });
    });
    group.bench_function("reserve and drop, against another thread", |bencher| {
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    drop(black_box(consumer.try_reserve(black_box(Bytes(4096)))));
                }
            });
            bencher.iter(|| drop(black_box(consumer.try_reserve(black_box(Bytes(4096))))));
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    });
    group.finish();
    drop(held);
    assert_eq!(budget.reserved(), Bytes(8 * 64));
    drop(others);
}

/// The aim is 50 µs for a thousand floors.
fn trends(criterion: &mut Criterion) {
    let monitor = Monitor::unbounded();
    for batch in 0..1000u64 {
        // Multiples of a prime modulo another look like noise.
        monitor.note_floor(Bytes(Bytes::mib(100).get() + batch * 7919 % 1009 * 1000 + batch * 60_000));
    }
    assert_eq!(monitor.trend(1000).verdict, Verdict::Leak);
    let mut group = criterion.benchmark_group("trend");
    for window in [240, 1000] {
        group.bench_function(format!("of {window} floors"), |bencher| {
            bencher.iter(|| black_box(monitor.trend(black_box(window))));
        });
    }
    group.bench_function("end of batch", |bencher| bencher.iter(|| monitor.end_of_batch()));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(500))
        .measurement_time(std::time::Duration::from_secs(2))
        .sample_size(50);
    targets = reservations, trends
}
criterion_main!(benches);
