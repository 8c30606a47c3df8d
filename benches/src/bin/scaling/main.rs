//! `scaling FILE`: how scan and load grow with threads, and what more cores than there are could give.
//!
//! ```text
//!  rounds of: scan, load  ─►  seconds, processor time  ─►  serial share  ─►  1 / (s + (1 - s) / n)
//!  on each count of threads   of process and caller        two readings      for 1 to 64 cores
//!  and in pieces of a quarter
//! ```
//!
//! Serial is what the calling thread does while others work: it opens the file, starts the threads, collects what
//! ranges came to and merges the types of the columns, or takes the batches. Its processor time over that of the
//! process is the first reading. What threads do under a lock cannot be told from outside. The second reading adds
//! all that cutting the work into pieces costs the workers, serial or not, as pieces of a quarter of the size show it.

mod curve;
mod measure;
mod report;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use chunked_loader::{Encoding, Loader, Scan, Source};
use clap::Parser;
use monitor::{Budget, Bytes, Monitor};

use crate::measure::{Job, Series, run};
use crate::report::Report;

/// Measures how scan and load of a CSV file speed up with threads, and derives the curve to 64 cores.
#[derive(Debug, Parser)]
#[command(name = "scaling")]
struct Args {
    /// Plain CSV in UTF-8; best some gigabytes that the page cache holds.
    file: PathBuf,
    /// Counts of threads: 1 and at least one more. One beyond the machine's cores shows what so many would cost.
    #[arg(long, value_delimiter = ',', default_value = "1,2", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Vec<u16>,
    /// Rounds. Each runs everything once, and medians count.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Budget that blocks, scans and batches are reserved from.
    #[arg(long, default_value = "64MiB")]
    memory: Bytes,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

/// Why there are no figures.
#[derive(Debug)]
enum Failure {
    Usage(String),
    Run(String),
}

impl From<chunked_loader::Error> for Failure {
    fn from(error: chunked_loader::Error) -> Self {
        Failure::Run(error.to_string())
    }
}

/// Ranges that each thread has at the least: in a shorter run, beginning and end count for too much.
const LEAST_RANGES: u64 = 8;

fn main() -> ExitCode {
    let printed = measure_all(&Args::parse()).and_then(|text| {
        let written = io::stdout().write_all(text.as_bytes());
        written.map_err(|error| Failure::Run(format!("standard output: {error}")))
    });
    let (message, code) = match printed {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => (message, 2),
        Err(Failure::Run(message)) => (message, 1),
    };
    eprintln!("scaling: {message}");
    ExitCode::from(code)
}

fn measure_all(args: &Args) -> Result<String, Failure> {
    let mut threads: Vec<usize> = args.threads.iter().copied().map(usize::from).collect();
    threads.sort_unstable();
    threads.dedup();
    let [1, .., most] = threads[..] else {
        return Err(Failure::Usage("--threads: expected 1 and at least one more count, as 1,2".to_owned()));
    };
    let monitor = Monitor::builder().with_budget(Budget::new(args.memory)).build();
    let monitor = monitor.map_err(|error| Failure::Run(error.to_string()))?;
    let source = Source::open(std::slice::from_ref(&args.file), &std::env::temp_dir())?;
    let loader = Loader::new(source).with_monitor(monitor);
    // Brings the file into the page cache, too.
    let scan = loader.scan()?;
    check_input(&scan, most)?;

    let jobs = [Job::Scan, Job::Load];
    let mut series = jobs.map(|_| threads.iter().map(|threads| Series::new(*threads)).collect::<Vec<_>>());
    // Everything takes turns, so that a machine that slows down slows all of it.
    for _ in 0..args.runs {
        for (job, series) in jobs.into_iter().zip(&mut series) {
            for series in series {
                let threads = series.threads;
                for (pieces, runs) in series.ways() {
                    runs.push(run(job, &loader, threads, &scan, pieces)?);
                }
            }
        }
    }
    let jobs = jobs.into_iter().zip(series).collect();
    let report = Report { file: &args.file, scan: &scan, memory: args.memory, runs: args.runs, jobs };
    Ok(if args.json { report.json() } else { report.text() })
}

/// Refuses what threads cannot share.
fn check_input(scan: &Scan, threads: usize) -> Result<(), Failure> {
    if let Some(format) = scan.compressions().iter().flatten().next() {
        return Err(Failure::Usage(format!(
            "the file is compressed by {format}, so that it can only be read from front to back; unpack it first"
        )));
    }
    if let Some(encoding) = scan.encodings().iter().find(|encoding| **encoding != Encoding::Utf8) {
        return Err(Failure::Usage(format!(
            "the file is {encoding}, so that it can only be read from front to back; convert it to UTF-8 first"
        )));
    }
    let least = LEAST_RANGES * threads as u64 * Loader::RANGE_BYTES;
    if scan.bytes() < least {
        return Err(Failure::Usage(format!(
            "the file has {}, expected at least {} for {threads} threads; give a larger one",
            Bytes(scan.bytes()),
            Bytes(least)
        )));
    }
    Ok(())
}
