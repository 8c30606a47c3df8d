//! The load that both programs run.

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use chunked_loader::{FixedRows, Loader, Source};
use monitor::{Budget, Bytes, Monitor};

/// Rows of a batch, and so how often buffers change hands: fewer than a program would take.
const BATCH_ROWS: usize = 10_000;

/// Loads the file named by the first argument, with as many threads as the second says and as often as the third, and
/// prints the least seconds, and the least processor seconds, of a load.
pub(crate) fn run(mut args: impl Iterator<Item = String>) -> ExitCode {
    let outcome = (|| {
        let (file, threads, runs) = (args.next()?, args.next()?.parse().ok()?, args.next()?.parse().ok()?);
        Some(load(Path::new(&file), threads, runs))
    })();
    match outcome {
        Some(Ok((wall, cpu))) => {
            println!("{wall} {cpu}");
            ExitCode::SUCCESS
        }
        Some(Err(error)) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
        None => {
            eprintln!("load: expected FILE THREADS RUNS");
            ExitCode::from(2)
        }
    }
}

fn load(file: &Path, threads: usize, runs: u32) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    let monitor = Monitor::builder().with_budget(Budget::new(Bytes::mib(256))).build()?;
    let source = Source::open(&[file.to_owned()], &std::env::temp_dir())?;
    let loader = Loader::new(source).with_threads(threads).with_monitor(monitor);
    let scan = loader.scan()?;
    let all: Vec<usize> = (0..scan.columns().len()).collect();
    let mut least = (f64::INFINITY, f64::INFINITY);
    for _ in 0..runs {
        let (began, cpu) = (Instant::now(), processor_seconds());
        let mut rows = 0;
        for batch in loader.batches(&scan, &all, Box::new(FixedRows(BATCH_ROWS))) {
            rows += batch?.num_rows() as u64;
        }
        if rows != scan.rows() {
            return Err(format!("{rows} rows were loaded, expected {}", scan.rows()).into());
        }
        least = (least.0.min(began.elapsed().as_secs_f64()), least.1.min(processor_seconds() - cpu));
    }
    Ok(least)
}

fn processor_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
