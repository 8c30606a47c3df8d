//! How scan and load grow with threads: `cargo bench -p benches --bench scaling -- FILE [RUNS]`.
//!
//! Runs take turns on one thread and on two. What more threads can gain is derived by Amdahl's law from the share of
//! the work that is serial, `1 / (s + (1 - s) / n)`. Serial is what the calling thread does while others work: it
//! collects the results of ranges in order, or takes the batches. Its processor time over that of the process is
//! measured here. What workers do under a lock is not seen from outside and left out, so that the curve is an upper
//! bound; each lock is held for a constant time for each range of half a megabyte.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use adaptive::AutoSize;
use chunked_loader::{Loader, Scan, Source};
use monitor::{Budget, Bytes, Monitor};
use rustix::time::{ClockId, clock_gettime};

const BUDGET: Bytes = Bytes::mib(64);
const THREADS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// One run. Seconds.
#[derive(Clone, Copy, Debug)]
struct Run {
    wall: f64,
    /// Processor time of the calling thread over that of the process.
    serial: f64,
}

fn seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn measure(work: impl FnOnce()) -> Run {
    let (thread, process) = (seconds(ClockId::ThreadCPUTime), seconds(ClockId::ProcessCPUTime));
    let began = Instant::now();
    work();
    let wall = began.elapsed().as_secs_f64();
    let serial = (seconds(ClockId::ThreadCPUTime) - thread) / (seconds(ClockId::ProcessCPUTime) - process);
    Run { wall, serial }
}

fn median(runs: &[Run], figure: fn(&Run) -> f64) -> f64 {
    let mut figures: Vec<f64> = runs.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn load(loader: &Loader, scan: &Scan) -> u64 {
    let all: Vec<usize> = (0..scan.columns().len()).collect();
    let batches = loader.batches(scan, &all, Box::new(AutoSize::new()));
    batches.map(|batch| batch.expect("the file is unchanged").num_rows() as u64).sum()
}

fn report(name: &str, bytes: u64, one: &[Run], two: &[Run]) {
    let (wall_1, wall_2) = (median(one, |run| run.wall), median(two, |run| run.wall));
    let rate = |wall: f64| bytes as f64 / wall / 1e9;
    println!(
        "{name}: {wall_1:.3} s ({:.2} GB/s) on one thread, {wall_2:.3} s ({:.2} GB/s) on two: {:.2} times",
        rate(wall_1),
        rate(wall_2),
        wall_1 / wall_2
    );
    let serial = median(two, |run| run.serial);
    let curve = THREADS.map(|n| format!("{n}: {:.1}", 1.0 / (serial + (1.0 - serial) / n as f64)));
    println!("  serial share {:.3} %, so at most, by threads: {}", 100.0 * serial, curve.join("  "));
}

fn main() -> ExitCode {
    // Cargo hands `--bench` over as well.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let Some(path) = args.first().map(PathBuf::from) else {
        println!("usage: cargo bench -p benches --bench scaling -- FILE [RUNS]; FILE by an absolute path");
        return ExitCode::SUCCESS;
    };
    let runs = args.get(1).and_then(|runs| runs.parse().ok()).unwrap_or(5);
    let source = match Source::open(&[path], &std::env::temp_dir()) {
        Ok(source) => source,
        Err(error) => {
            eprintln!("scaling: {error}");
            return ExitCode::FAILURE;
        }
    };
    let monitor = Monitor::builder().with_budget(Budget::new(BUDGET)).build().expect("a probe");
    let [one, two] =
        [1, 2].map(|n| Loader::new(source.clone()).with_threads(n).with_monitor(monitor.clone()));
    let scan = one.scan().expect("the file is well formed");
    let (mut scans, mut loads) = ([vec![], vec![]], [vec![], vec![]]);
    for _ in 0..runs {
        for (loader, (scans, loads)) in [&one, &two].into_iter().zip(scans.iter_mut().zip(&mut loads)) {
            scans.push(measure(|| {
                let again = loader.scan().expect("the file is well formed");
                assert_eq!((again.schema(), again.rows()), (scan.schema(), scan.rows()));
            }));
            loads.push(measure(|| assert_eq!(load(loader, &scan), scan.rows())));
        }
    }
    println!("{} bytes, {} rows, budget {BUDGET}, medians of {runs}", scan.bytes(), scan.rows());
    report("scan", scan.bytes(), &scans[0], &scans[1]);
    report("load", scan.bytes(), &loads[0], &loads[1]);
    ExitCode::SUCCESS
}
